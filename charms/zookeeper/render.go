package zookeeper

import (
	"fmt"
	"strconv"

	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/watch"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// Paths in the container; all but the watch's are on the storage.
const (
	dataDirectory    = "/pulsar/data/zookeeper/data"
	configDirectory  = "/pulsar/data/zookeeper/conf"
	staticPath       = configDirectory + "/zoo.cfg"
	firstDynamicPath = configDirectory + "/zoo.cfg.dynamic"
	myIDPath         = dataDirectory + "/myid"
)

// Keys of zoo.cfg. The first is the one line that is ZooKeeper's; the last is
// the charm's, and says whose membership the file names. ZooKeeper keeps keys
// that it does not know.
const (
	dynamicKey = "dynamicConfigFile"
	digestKey  = "DigestAuthenticationProvider.superDigest"
	lifeCfgKey = "charm.life"
)

// MetricsPort serves Prometheus.
const MetricsPort = 8000

// Static are the properties of zoo.cfg without dynamicConfigFile. digest is
// zk.SuperDigest of the password that changes of membership need.
//
// Facts on ZooKeeper 3.9: keys that it does not know become system properties
// with "zookeeper." before them; its admin server would take 8080, the
// broker's port, of all addresses.
func Static(o Options, digest string) javaprops.Properties {
	return javaprops.Merge(
		javaprops.Properties{
			"initLimit": "10", "syncLimit": "5",
			"autopurge.purgeInterval": "1", "autopurge.snapRetainCount": "3",
			// Many brokers may sit behind one address.
			"maxClientCnxns": "0",
		},
		o.extra(),
		javaprops.Properties{
			"tickTime":                  strconv.Itoa(o.TickTime),
			"maxSessionTimeout":         strconv.Itoa(maxSessionTimeout),
			"dataDir":                   dataDirectory,
			"reconfigEnabled":           "true",
			"standaloneEnabled":         "false",
			"quorumListenOnAllIPs":      "true", // the own name may not resolve yet
			digestKey:                   digest,
			"4lw.commands.whitelist":    "srvr,mntr,ruok,conf,cons,isro",
			"admin.serverAddress":       "127.0.0.1",
			"admin.serverPort":          "9990",
			"metricsProvider.className": "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider",
			"metricsProvider.httpPort":  strconv.Itoa(MetricsPort),
		})
}

// Files are what a server that is about to start runs on: static settings,
// membership, own id. life names the life of its unit; dynamicPath is where the
// membership is; members is its content, or none to leave that file as
// ZooKeeper wrote it.
func Files(static javaprops.Properties, life, dynamicPath string, members zk.Config, id int) []pebble.File {
	all := javaprops.Merge(static, javaprops.Properties{dynamicKey: dynamicPath, lifeCfgKey: life})
	files := []pebble.File{
		{Path: staticPath, Content: all.Render("Written by the charm; ZooKeeper rewrites it when its membership changes."), Mode: 0o600},
		{Path: myIDPath, Content: fmt.Appendf(nil, "%d\n", id)},
	}
	if len(members.Members) > 0 {
		files = append(files, pebble.File{Path: dynamicPath, Content: members.File()})
	}
	return files
}

// Watch looks at the server.
var zookeeperWatch = watch.Watch{Name: service, Port: zk.ClientPort, Timeout: serverTimeout, Probes: []string{watch.Srvr}}

// Environment is what the image's launcher reads.
func Environment(o Options) map[string]string {
	environment := map[string]string{
		"PULSAR_ZK_CONF": staticPath,
		"PULSAR_MEM":     fmt.Sprintf("-Xms%s -Xmx%s", o.heap(), o.heap()),
		// A pod that comes back has another address: forget the old one soon.
		"PULSAR_EXTRA_OPTS":     "-Dsun.net.inetaddr.ttl=5 -Dsun.net.inetaddr.negative.ttl=1 -XX:+ExitOnOutOfMemoryError",
		"PULSAR_LOG_LEVEL":      o.LogLevel,
		"PULSAR_LOG_ROOT_LEVEL": o.LogLevel,
		"PULSAR_LOG_APPENDER":   "Console",
	}
	if o.Profile == "testing" {
		environment["PULSAR_MEM"] = fmt.Sprintf("-Xms16m -Xmx%s -XX:MaxDirectMemorySize=32m", o.heap())
		environment["PULSAR_GC"] = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
	}
	return environment
}

// hashVariable holds the hash of the static settings: the file itself is
// rewritten by ZooKeeper and so cannot tell a restart that is due.
const hashVariable = "ZOOKEEPER_SETTINGS"

func layerService(o Options, static javaprops.Properties) pebble.Service {
	environment := Environment(o)
	environment[hashVariable] = static.Hash()
	return pebble.Service{
		Summary:      "ZooKeeper server",
		Startup:      "enabled",
		Command:      "/pulsar/bin/pulsar zookeeper",
		Environment:  environment,
		OnSuccess:    "restart",
		OnFailure:    "restart",
		BackoffLimit: "10s",
		KillDelay:    "20s",
	}
}

// servingCheck fails unless the server is in a quorum. Kubernetes replaces no
// further pod in a refresh before the last one is ready.
var servingCheck = pebble.Check{
	Level:     "ready",
	Startup:   "enabled",
	Period:    "10s",
	Timeout:   "5s",
	Threshold: 3,
	Exec: &pebble.ExecCheck{
		Command: `/bin/bash -c 'exec 3<>/dev/tcp/127.0.0.1/2181 && printf srvr >&3 && read -r -d "" -t 3 answer <&3; [[ $answer == *Mode:* ]]'`,
	},
}
