// Package image assembles the workload image: a directory tree whose one entry
// is pulsar, laid out like /pulsar of the official Pulsar image, out of Maven
// artifacts and launchers of our own, or around an existing distribution.
//
// What a charm may rely on, here and in the official image alike:
//
//   - /pulsar/bin/pulsar with zookeeper, bookie, autorecovery, broker,
//     functions-worker, initialize-cluster-metadata, delete-cluster-metadata,
//     initialize-transaction-coordinator-metadata, initialize-namespace,
//     compact-topic, zookeeper-shell, broker-tool, tokens, version, or a class.
//     It becomes the JVM (exec): signals and exit codes are Java's.
//   - /pulsar/bin/bookkeeper with bookie, autorecovery, shell …, upgrade, or a
//     class; /pulsar/bin/pulsar-admin and /pulsar/bin/pulsar-client.
//   - The configuration file of "pulsar zookeeper" is $PULSAR_ZK_CONF, of
//     "pulsar broker" $PULSAR_BROKER_CONF, of "pulsar bookie"
//     $PULSAR_BOOKKEEPER_CONF but of "bookkeeper bookie" and "bookkeeper shell"
//     $BOOKIE_CONF, of the tools $PULSAR_CLIENT_CONF; the defaults are
//     /pulsar/conf/{zookeeper,broker,bookkeeper,client}.conf. Configuration is
//     whole files; bin/apply-config-from-env.py is not there.
//   - PULSAR_MEM, PULSAR_GC, PULSAR_GC_LOG, PULSAR_EXTRA_OPTS for everything that
//     bin/pulsar runs but bookie, BOOKIE_MEM, BOOKIE_GC, BOOKIE_GC_LOG,
//     BOOKIE_EXTRA_OPTS for the bookie, which falls back to the former; OPTS for
//     all. They are split at blanks and cannot be quoted. Unset, they ask for
//     2 GiB of heap, also for one-off commands: always set them, in an exec too.
//   - What comes in *_EXTRA_OPTS wins over what the launchers set, but for where
//     and what to log (-Dpulsar.log.*). The launchers set no DNS cache time
//     (-Dsun.net.inetaddr.ttl): that is the charm's to choose.
//   - PULSAR_EXTRA_CLASSPATH (BOOKIE_EXTRA_CLASSPATH in bin/bookkeeper) comes
//     after /pulsar/lib/*.jar. PULSAR_LOG_CONF (BOOKIE_LOG_CONF) is a log4j 2
//     file, by default /pulsar/conf/log4j2.yaml, which logs to stdout.
//     PULSAR_LOG_LEVEL, PULSAR_LOG_ROOT_LEVEL, PULSAR_LOG_APPENDER
//     (RoutingAppender, Console or RollingFile) and PULSAR_LOG_DIR matter to
//     bin/pulsar and the tools; bin/bookkeeper always logs from info.
//   - conf/pulsar_env.sh, conf/bkenv.sh and conf/pulsar_tools_env.sh are sourced
//     where they exist. /pulsar/conf, /pulsar/data and /pulsar/logs are
//     directories that a container may write to; relative paths in
//     configuration files are below /pulsar.
//   - bash; Java as $JAVA_HOME or on $PATH. No curl, no Python.
//
// Not here, though it is in the official image: proxy, websocket, standalone,
// SQL, pulsar-perf, pulsar-shell, connectors, offloaders, and instances, without
// which functions run only inside the broker.
//
// Here and not there: /pulsar/cds/<role>.jsa, class archives that spare
// daemons two fifths of the processor time of a start. The launchers use them by themselves if the
// tree is at /pulsar and the JVM is the one that made them.
package image
