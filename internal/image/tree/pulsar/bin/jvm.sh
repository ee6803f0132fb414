# What the launchers share; sourced, never run. It starts no process of its own
# besides readlink, since nine daemons may start at once on two cores.

PULSAR_HOME=${BASH_SOURCE[0]%/*}
[[ $PULSAR_HOME == /* ]] || PULSAR_HOME=$PWD/$PULSAR_HOME
PULSAR_HOME=$(cd -P -- "$PULSAR_HOME/.." && echo "$PWD")
export PULSAR_HOME BK_HOME=$PULSAR_HOME

die() {
	echo "Error: $*" >&2
	exit 1
}

# source_conf reads a file of defaults below conf, if there is one.
source_conf() {
	local file=$PULSAR_HOME/conf/$1
	if [[ -f $file ]]; then . "$file"; fi
}

# find_java sets JAVA and JAVA_MAJOR.
find_java() {
	if [[ -n ${JAVA_HOME-} ]]; then
		JAVA=$JAVA_HOME/bin/java
	else
		JAVA=$(type -P java) || die "no Java: JAVA_HOME is not set and there is no java on PATH"
	fi
	local home line
	home=$(readlink -f -- "$JAVA") || home=$JAVA
	home=${home%/bin/java}
	JAVA_MAJOR=17
	if [[ -r $home/release ]]; then
		while read -r line; do
			if [[ $line == JAVA_VERSION=\"* ]]; then
				line=${line#*\"}
				JAVA_MAJOR=${line%%[!0-9]*}
			fi
		done <"$home/release"
	fi
	((JAVA_MAJOR >= 17)) || die "Java $JAVA_MAJOR is too old: Pulsar needs 17 or later"
}

# class_path sets CLASS_PATH to the jars of lib by name, bytewise, and the given
# extra. It names no directory and its start never varies, because a class
# archive is only good for the class path that it was made with.
class_path() {
	local LC_ALL=C IFS=:
	local -a jars=("$PULSAR_HOME"/lib/*.jar)
	CLASS_PATH="${jars[*]}${1:+:$1}"
}

# java_options fills the array OPTIONS with what every JVM gets. Its arguments:
# file of the log configuration, extra class path.
java_options() {
	local package
	class_path "$2"
	OPTIONS=(-cp "$CLASS_PATH")
	((JAVA_MAJOR < 23)) || OPTIONS+=(--sun-misc-unsafe-memory-access=allow)
	((JAVA_MAJOR < 24)) || OPTIONS+=(--enable-native-access=ALL-UNNAMED)
	for package in java.base/{java.io,java.util.zip,java.nio,java.lang,jdk.internal.misc,sun.net,jdk.internal.platform} \
		java.management/sun.management jdk.management/com.sun.management.internal; do
		OPTIONS+=(--add-opens "$package=ALL-UNNAMED")
	done
	# OPTS is words, as in the official launchers: nothing in it can be quoted.
	OPTIONS+=(
		${OPTS-}
		"-Dlog4j.configurationFile=$1"
		-Dlog4j2.is.webapp=false
		-Djute.maxbuffer=10485760
		-Djava.net.preferIPv4Stack=true
		-Dio.netty.tryReflectionSetAccessible=true
		-Dbookkeeper.metadata.bookie.drivers=org.apache.pulsar.metadata.bookkeeper.PulsarMetadataBookieDriver
		-Dbookkeeper.metadata.client.drivers=org.apache.pulsar.metadata.bookkeeper.PulsarMetadataClientDriver
	)
}

# log_options adds where and what to log: directory, file, appender, level, level
# of the root logger.
log_options() {
	[[ -d $1 ]] || mkdir -p -- "$1"
	OPTIONS+=(
		"-Dpulsar.log.dir=$1"
		"-Dpulsar.log.file=$2"
		"-Dpulsar.log.appender=$3"
		"-Dpulsar.log.level=$4"
		"-Dpulsar.log.root.level=$5"
		"-Dpulsar.log.immediateFlush=${PULSAR_LOG_IMMEDIATE_FLUSH:-false}"
		"-Dpulsar.routing.appender.default=${PULSAR_ROUTING_APPENDER_DEFAULT:-Console}"
	)
}

# archive_options adds the class archive of a role. An archive that does not fit
# the JVM is left alone by the JVM; one that the caller chose wins.
archive_options() {
	local archive=$PULSAR_HOME/cds/$1.jsa
	if [[ -r $archive && "${OPTIONS[*]}" != *-XX:SharedArchiveFile=* && "${OPTIONS[*]}" != *-XX:ArchiveClassesAtExit=* ]]; then
		OPTIONS+=("-XX:SharedArchiveFile=$archive" -Xshare:auto)
	fi
}
