# What the command-line tools share; sourced, never run.

. "${BASH_SOURCE[0]%/*}/jvm.sh"
source_conf pulsar_tools_env.sh

# run_tool runs a class whose first argument is the client's configuration.
run_tool() {
	local class=$1
	shift
	find_java
	java_options "${PULSAR_LOG_CONF:-$PULSAR_HOME/conf/log4j2.yaml}" "${PULSAR_EXTRA_CLASSPATH-}"
	OPTIONS+=(${PULSAR_MEM:--Xmx128m -XX:MaxDirectMemorySize=128m} ${PULSAR_GC:--XX:+UseSerialGC -XX:TieredStopAtLevel=1})
	OPTIONS+=(${PULSAR_GC_LOG-} -Dio.netty.leakDetectionLevel=disabled ${PULSAR_EXTRA_OPTS-})
	: "${PULSAR_LOG_LEVEL:=info}"
	log_options "${PULSAR_LOG_DIR:-$PULSAR_HOME/logs}" "${PULSAR_LOG_FILE:-pulsar-tools.log}" \
		"${PULSAR_LOG_APPENDER:-RoutingAppender}" "$PULSAR_LOG_LEVEL" "${PULSAR_LOG_ROOT_LEVEL:-$PULSAR_LOG_LEVEL}"
	exec "$JAVA" "${OPTIONS[@]}" "$class" "${PULSAR_CLIENT_CONF:-$PULSAR_HOME/conf/client.conf}" "$@"
}
