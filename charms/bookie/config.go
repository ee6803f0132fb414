package bookie

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
)

// Paths of the container. The configuration is where the image's own tools
// look for it.
const (
	configPath = "/pulsar/conf/bookkeeper.conf"
	journalDir = "/pulsar/data/bookkeeper/journal"
	ledgersDir = "/pulsar/data/bookkeeper/ledgers"
	pidPath    = "/var/lib/pulsar-charms/bookie.pid"
)

const (
	bookiePort = 3181
	httpPort   = 8000
)

// bookieID is the bookie's name in ledger metadata, for ever: BookKeeper makes
// it of advertisedAddress and port.
func bookieID(fqdn string) string { return fmt.Sprintf("%s:%d", fqdn, bookiePort) }

// ownedKeys are settings that extra-config may not have: they follow from
// relations, addresses and metadata.yaml.
var ownedKeys = []string{
	"bookieId", "bookiePort", "advertisedAddress", "useHostNameAsBookieID", "useShortHostName", "listeningInterface", "allowLoopback",
	"metadataServiceUri", "zkServers", "zkLedgersRootPath", "ledgerManagerFactoryClass", "ledgerManagerType",
	"journalDirectory", "journalDirectories", "ledgerDirectories", "indexDirectories", "ledgerStorageClass",
	"httpServer*", "statsProviderClass", "prometheusStatsHttp*", "tls*",
	"allowStorageExpansion", // it would take an empty volume for an old one
}

// profile is what an option profile means.
type profile struct {
	heap, direct string // as Java's -Xmx takes it
	startHeap    string // -Xms; "" is the heap
	gc           string
	extra        string // more flags of Java
	settings     javaprops.Properties
}

var profiles = map[string]profile{
	"production": {
		heap: "2g", direct: "2g",
		gc: "-XX:+UseG1GC -XX:MaxGCPauseMillis=10 -XX:+ParallelRefProcEnabled",
		settings: javaprops.Properties{
			"journalMaxSizeMB": "512", "logSizeLimit": "1073741824", "zkTimeout": "30000",
			"diskUsageThreshold": "0.95", "diskUsageWarnThreshold": "0.90", "diskUsageLwmThreshold": "0.85",
		},
	},
	"staging": {
		heap: "512m", direct: "512m",
		gc: "-XX:+UseG1GC -XX:MaxGCPauseMillis=10",
		settings: javaprops.Properties{
			"journalMaxSizeMB": "256", "logSizeLimit": "268435456", "zkTimeout": "30000",
			"diskUsageThreshold": "0.95", "diskUsageWarnThreshold": "0.90", "diskUsageLwmThreshold": "0.85",
		},
	},
	// Measured: nine JVMs of a whole cluster in 1.7 GB. The disk is that of
	// a developer, who may have filled it.
	"testing": {
		heap: "192m", direct: "128m", startHeap: "64m",
		gc:    "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
		extra: "-Dio.netty.allocator.numDirectArenas=1 -Dio.netty.allocator.numHeapArenas=1",
		settings: javaprops.Properties{
			"journalMaxSizeMB": "64", "logSizeLimit": "67108864", "zkTimeout": "10000",
			"diskUsageThreshold": "0.99", "diskUsageWarnThreshold": "0.98", "diskUsageLwmThreshold": "0.97",
			"serverNumIOThreads": "2", "numAddWorkerThreads": "1", "numReadWorkerThreads": "2",
			"numHighPriorityWorkerThreads": "1", "numJournalCallbackThreads": "1", "numLongPollWorkerThreads": "1",
		},
	},
}

// defaults differ from those of BookKeeper's classes: most are those of the
// bookkeeper.conf of Pulsar 4.0.
var defaults = javaprops.Properties{
	"autoRecoveryDaemonEnabled": "true",
	"diskCheckInterval":         "10000",
	"isForceGCAllowWhenNoSpace": "true",
	"journalMaxBackups":         "1",
	"journalMaxGroupWaitMSec":   "1",
	"journalWriteData":          "true",
	"majorCompactionInterval":   "10800",
	"majorCompactionThreshold":  "0.8",
	"minorCompactionInterval":   "3600",
	"minorCompactionThreshold":  "0.2",
	"nettyMaxFrameSizeBytes":    "5253120",
	"readOnlyModeEnabled":       "true",
}

// settings are bookkeeper.conf: what is fixed goes over what the operator
// adds, over what options say, over the profile, over the defaults.
func settings(o options, fqdn string, offer relation.ZooKeeperOffer) javaprops.Properties {
	direct := o.directBytes()
	// A quarter of the direct memory each is BookKeeper's own rule; of little
	// memory the network's buffers need a larger part.
	cache, blocks := direct/4, direct/10
	if direct < 256<<20 {
		cache, blocks = direct/8, direct/16
	}
	derived := javaprops.Properties{
		"dbStorage_writeCacheMaxSizeMb":     strconv.FormatInt(cache>>20, 10),
		"dbStorage_readAheadCacheMaxSizeMb": strconv.FormatInt(cache>>20, 10),
		"dbStorage_rocksDB_blockCacheSize":  strconv.FormatInt(blocks, 10),
		"journalSyncData":                   strconv.FormatBool(o.JournalSync),
		"gcWaitTime":                        strconv.Itoa(o.GCWaitTime * 1000),
		"lostBookieRecoveryDelay":           strconv.Itoa(o.LostBookieRecoveryDelay),
	}
	if offer.SessionTimeout > 0 {
		derived["zkTimeout"] = strconv.Itoa(offer.SessionTimeout)
	}
	if offer.MaxFrameSize > 0 {
		derived["nettyMaxFrameSizeBytes"] = strconv.Itoa(offer.MaxFrameSize)
	}
	fixed := javaprops.Properties{
		"advertisedAddress": fqdn,
		"bookiePort":        strconv.Itoa(bookiePort),
		// BookKeeper's own driver: with Pulsar's, a killed bookie can come back
		// alive and for ever unregistered.
		"metadataServiceUri": offer.MetadataServiceURI,
		"journalDirectories": journalDir,
		"ledgerDirectories":  ledgersDir,
		"ledgerStorageClass": "org.apache.bookkeeper.bookie.storage.ldb.DbLedgerStorage",
		"httpServerEnabled":  "true",
		"httpServerPort":     strconv.Itoa(httpPort),
		"httpServerClass":    "org.apache.bookkeeper.http.vertx.VertxHttpServer",
		"statsProviderClass": "org.apache.bookkeeper.stats.prometheus.PrometheusMetricsProvider",
	}
	return javaprops.Merge(defaults, profiles[o.Profile].settings, derived, o.extra(), fixed)
}

func (o options) heap() string {
	if o.HeapSize != auto {
		return o.HeapSize
	}
	return profiles[o.Profile].heap
}

func (o options) direct() string {
	if o.DirectMemorySize != auto {
		return o.DirectMemorySize
	}
	return profiles[o.Profile].direct
}

func (o options) directBytes() int64 {
	bytes, err := parseSize(o.direct())
	if err != nil {
		return 0
	}
	return bytes
}

// environment is what the image's launchers read (bin/pulsar with
// conf/bkenv.sh, and bin/bookkeeper for an operator's shell).
func environment(o options) map[string]string {
	p := profiles[o.Profile]
	start := p.startHeap
	if start == "" || o.HeapSize != auto {
		start = o.heap()
	}
	extra := []string{
		"-XX:+ExitOnOutOfMemoryError",
		// A pod that is replaced comes back under its name with another
		// address, which Java would remember for 30 s.
		"-Dsun.net.inetaddr.ttl=5",
		"-Dsun.net.inetaddr.negative.ttl=1",
		"-Dio.netty.leakDetectionLevel=disabled",
	}
	if p.extra != "" {
		extra = append(extra, p.extra)
	}
	return map[string]string{
		"BOOKIE_CONF":            configPath,
		"PULSAR_BOOKKEEPER_CONF": configPath,
		"BOOKIE_MEM":             fmt.Sprintf("-Xms%s -Xmx%s -XX:MaxDirectMemorySize=%s", start, o.heap(), o.direct()),
		"BOOKIE_GC":              p.gc,
		"BOOKIE_EXTRA_OPTS":      strings.Join(extra, " "),
		"PULSAR_LOG_LEVEL":       o.LogLevel,
		"PULSAR_LOG_ROOT_LEVEL":  o.LogLevel,
	}
}

// keepServers chooses the ZooKeeper servers of the configuration: those that
// the bookie runs with, as long as these still find the ensemble, because
// every other list costs a restart. It keeps a list that has all that are
// offered, or at least three of them, and nothing if nothing runs.
func keepServers(running, offered string) string {
	have, path, ok := splitURI(running)
	want, wantPath, _ := splitURI(offered)
	if !ok || path != wantPath {
		return offered
	}
	known := map[string]bool{}
	for _, server := range have {
		known[server] = true
	}
	kept := 0
	for _, server := range want {
		if known[server] {
			kept++
		}
	}
	if kept == len(want) || kept >= 3 {
		return running
	}
	return offered
}

// splitURI takes zk+hierarchical://a:1;b:1/path apart.
func splitURI(uri string) (servers []string, path string, ok bool) {
	rest, ok := strings.CutPrefix(uri, "zk+hierarchical://")
	if !ok {
		return nil, "", false
	}
	list, path, _ := strings.Cut(rest, "/")
	return strings.Split(list, ";"), "/" + path, true
}
