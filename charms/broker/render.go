package broker

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/watch"
)

// configPath is the broker's configuration; it replaces the image's.
const configPath = "/pulsar/conf/broker.conf"

// maxMessageSize is Pulsar's default, in bytes; MaxFrameSize is what a bookie
// must take for it, with 10 KiB for the entry's metadata.
const (
	maxMessageSize = 5 << 20
	MaxFrameSize   = maxMessageSize + 10<<10
)

// Settings are what broker.conf depends on.
type Settings struct {
	Options Options
	// ClusterName is the name that the metadata were initialised with.
	ClusterName string
	// FQDN is the unit's stable name.
	FQDN string
	// ZooKeeper are host:port of members.
	ZooKeeper []string
	// SessionTimeout is in milliseconds.
	SessionTimeout int
	Quorum         Quorum
}

// StoreURL is the metadata store of ZooKeeper members host:port, in Pulsar's
// own form.
func StoreURL(zookeeper []string) string { return "zk:" + strings.Join(zookeeper, ",") }

// Config are the properties of broker.conf. What is not named has the default
// of Pulsar 4.0's ServiceConfiguration.
func Config(s Settings) javaprops.Properties {
	return javaprops.Merge(
		javaprops.Properties{
			// Clients lose topics that idle for a minute otherwise.
			"brokerDeleteInactiveTopicsEnabled": "false",
			// A full backlog must not hang producers without a word.
			"backlogQuotaDefaultRetentionPolicy": "producer_exception",
			"defaultNumberOfNamespaceBundles":    "16",
			// Without it the load manager never fills a broker that has joined.
			"lowerBoundarySheddingEnabled":                       "true",
			"loadBalancerSheddingGracePeriodMinutes":             "10",
			"bookkeeperClientHealthCheckQuarantineTimeInSeconds": "300",
			"managedLedgerInactiveLedgerRolloverTimeSeconds":     "600",
			"brokerShutdownTimeoutMs":                            "15000",
			"zookeeperSessionExpiredPolicy":                      "reconnect",
		},
		profiles[s.Options.Profile],
		s.Options.extra(),
		javaprops.Properties{
			"clusterName":                       s.ClusterName,
			"advertisedAddress":                 s.FQDN,
			"bindAddress":                       "0.0.0.0",
			"brokerServicePort":                 strconv.Itoa(ServicePort),
			"webServicePort":                    strconv.Itoa(WebPort),
			"metadataStoreUrl":                  StoreURL(s.ZooKeeper),
			"configurationMetadataStoreUrl":     StoreURL(s.ZooKeeper),
			"metadataStoreSessionTimeoutMillis": strconv.Itoa(s.SessionTimeout),
			"managedLedgerDefaultEnsembleSize":  strconv.Itoa(s.Quorum.Ensemble),
			"managedLedgerDefaultWriteQuorum":   strconv.Itoa(s.Quorum.Write),
			"managedLedgerDefaultAckQuorum":     strconv.Itoa(s.Quorum.Ack),
			"maxMessageSize":                    strconv.Itoa(maxMessageSize),
		})
}

// profiles are defaults by profile.
var profiles = map[string]javaprops.Properties{
	"testing": {
		"numIOThreads":                               "2",
		"numAcceptorThreads":                         "1",
		"numHttpServerThreads":                       "4",
		"numOrderedExecutorThreads":                  "2",
		"numExecutorThreadPoolSize":                  "2",
		"numCacheExecutorThreadPoolSize":             "2",
		"numWorkerThreadsForNonPersistentTopic":      "2",
		"topicOrderedExecutorThreadNum":              "2",
		"managedLedgerNumSchedulerThreads":           "2",
		"managedLedgerCacheSizeMB":                   "32",
		"bookkeeperClientNumIoThreads":               "2",
		"bookkeeperClientNumWorkerThreads":           "2",
		"bookkeeperNumberOfChannelsPerBookie":        "2",
		"defaultNumberOfNamespaceBundles":            "4",
		"loadBalancerReportUpdateMaxIntervalMinutes": "1",
	},
}

// brokerWatch looks at the broker: that it is up is cheap to ask, that it can
// write is what counts.
var brokerWatch = watch.Watch{
	Name: service, Port: WebPort, Timeout: healthTimeout,
	Probes: []string{watch.Path("/admin/v2/brokers/ready"), watch.Path("/admin/v2/brokers/health")},
}

// Environment is what the image's launcher reads.
func Environment(o Options) map[string]string {
	environment := map[string]string{
		"PULSAR_BROKER_CONF":    configPath,
		"PULSAR_MEM":            fmt.Sprintf("-Xms%s -Xmx%s -XX:MaxDirectMemorySize=%s", o.heap(), o.heap(), o.direct()),
		"PULSAR_EXTRA_OPTS":     extraOptions,
		"PULSAR_LOG_LEVEL":      o.LogLevel,
		"PULSAR_LOG_ROOT_LEVEL": o.LogLevel,
		"PULSAR_LOG_APPENDER":   "Console",
	}
	if o.Profile == "testing" {
		environment["PULSAR_MEM"] = fmt.Sprintf("-Xms64m -Xmx%s -XX:MaxDirectMemorySize=%s", o.heap(), o.direct())
		environment["PULSAR_GC"] = testingGC
		environment["PULSAR_EXTRA_OPTS"] += " -Dio.netty.allocator.numDirectArenas=1 -Dio.netty.allocator.numHeapArenas=1"
	}
	return environment
}

const (
	// A pod that comes back has another address: forget the old one soon. A
	// JVM that is out of memory is for Pebble to restart.
	extraOptions = "-Dsun.net.inetaddr.ttl=5 -Dsun.net.inetaddr.negative.ttl=1 -XX:+ExitOnOutOfMemoryError" +
		" -Dpulsar.allocator.exit_on_oom=true -Dio.netty.recycler.maxCapacityPerThread=4096"
	testingGC = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
)

func layerService(o Options) pebble.Service {
	return pebble.Service{
		Summary:      "Pulsar broker",
		Startup:      "enabled",
		Command:      "/pulsar/bin/pulsar broker",
		Environment:  Environment(o),
		OnSuccess:    "restart",
		OnFailure:    "restart",
		BackoffLimit: "10s",
		// It hands over its topics before it ends.
		KillDelay: "20s",
	}
}

// readyCheck fails unless the broker is up: then the pod is no endpoint of the
// Service, and the last one that Kubernetes replaces in a refresh. Whether it can
// write is in the unit's status; Kubernetes could not mend it by a restart.
var readyCheck = pebble.Check{
	Level:     "ready",
	Startup:   "enabled",
	Period:    "10s",
	Timeout:   "5s",
	Threshold: 3,
	HTTP:      &pebble.HTTPCheck{URL: fmt.Sprintf("http://127.0.0.1:%d/admin/v2/brokers/ready", WebPort)},
}

// initialise is the image's command that writes a cluster's metadata. It is
// safe to run again. hosts are the brokers' stable names.
func initialise(o Options, clusterName string, zookeeper, hosts []string) pebble.Command {
	return pebble.Command{
		Args: []string{
			"/pulsar/bin/pulsar", "initialize-cluster-metadata",
			"--cluster", clusterName,
			"--metadata-store", StoreURL(zookeeper),
			"--configuration-metadata-store", StoreURL(zookeeper),
			"--web-service-url", webServiceURL(hosts),
			"--broker-service-url", serviceURL(hosts),
		},
		Environment: map[string]string{
			"PULSAR_MEM":            "-Xms32m -Xmx256m",
			"PULSAR_GC":             testingGC, // it lives for seconds
			"PULSAR_EXTRA_OPTS":     extraOptions,
			"PULSAR_LOG_LEVEL":      o.LogLevel,
			"PULSAR_LOG_ROOT_LEVEL": o.LogLevel,
			"PULSAR_LOG_APPENDER":   "Console",
		},
		Timeout: initialiseTimeout,
	}
}

func serviceURL(hosts []string) string    { return "pulsar://" + addresses(hosts, ServicePort) }
func webServiceURL(hosts []string) string { return "http://" + addresses(hosts, WebPort) }

func addresses(hosts []string, port int) string {
	list := make([]string, 0, len(hosts))
	for _, host := range hosts {
		list = append(list, fmt.Sprintf("%s:%d", host, port))
	}
	return strings.Join(list, ",")
}
