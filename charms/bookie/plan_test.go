package bookie

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
)

// now is the time of every snapshot.
var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const fqdn = "bookie-1.bookie-endpoints.m.svc.cluster.local"

var testing_ = options{
	Profile: "testing", HeapSize: "auto", DirectMemorySize: "auto", LogLevel: "info", JournalSync: true,
	GCWaitTime: 300, LostBookieRecoveryDelay: 300,
}

func uri(hosts ...string) string { return "zk+hierarchical://" + strings.Join(hosts, ";") + "/ledgers" }

// serving is a unit where everything is as it should be.
func serving() snapshot {
	o := testing_
	s := snapshot{
		unit: "bookie/1", fqdn: fqdn, now: now, options: &o,
		zookeeper: &ops.RemoteApp[relation.ZooKeeperOffer]{Relation: "zookeeper:1", App: "pulsar", Offer: relation.ZooKeeperOffer{
			Endpoints: []string{"a:2181"}, MetadataServiceURI: uri("a:2181"), MetadataInitialised: true, SessionTimeout: 10000,
		}},
		peers: ops.Peers[member, decision]{Relation: "cluster:0"},
		service: ops.Service{
			Up:   true,
			Info: pebble.ServiceInfo{Name: service, Startup: "enabled", Current: "active", CurrentSince: now.Add(-time.Hour)},
		},
		health: Health{Ready: true, Listed: true, Registered: "rw"},
		runs:   uri("a:2181"),
	}
	s.service.Hash = pebble.Hash(s.layer(), service)
	return s
}

// unstarted is a unit whose container has never had a bookie.
func unstarted(s *snapshot) {
	s.service, s.health, s.runs = ops.Service{Up: true}, Health{}, ""
}

// outdated is a unit whose bookie should restart; the others are healthy.
func outdated(s *snapshot) {
	s.service.Hash = "other"
	s.others = map[string]rolling.State{"bookie/0": {Healthy: true}, "bookie/2": {Healthy: true}}
}

// turn gives a unit the turn.
func turn(s *snapshot, unit string) {
	s.peers.Decision.Committed.Turn = rolling.Turn{Unit: unit, Number: 1, Since: now}
}

// outcome is what of a plan the cases below look at; the rendered files and
// layers have tests of their own.
type outcome struct {
	Status   juju.Status
	Services map[string]string // startup by name; nil if the container is left alone
	Seen     string
	State    string // in the zookeeper relation
	Peer     rolling.State
	Steps    []string
}

func summary(p ops.Plan) outcome {
	var o outcome
	o.Status = juju.Worst(p.Statuses...)
	if d, ok := p.Containers[containerName]; ok {
		o.Services = map[string]string{}
		for name, s := range d.Services {
			o.Services[name] = s.Startup
		}
		for _, file := range d.Files {
			if strings.HasSuffix(file.Path, ".seen") {
				o.Seen = strings.TrimSpace(string(file.Content))
			}
		}
	}
	for _, bag := range p.Databags {
		switch {
		case bag.Relation == "zookeeper:1":
			o.State = bag.Data["state"]
		default:
			if err := json.Unmarshal([]byte(bag.Data["restart"]), &o.Peer); err != nil && bag.Data["restart"] != "" {
				panic(err)
			}
		}
	}
	for _, step := range p.Steps {
		o.Steps = append(o.Steps, step.Name)
	}
	return o
}

func TestPlan(t *testing.T) {
	t.Parallel()
	both := map[string]string{"bookie": "enabled", "bookie-watch": "enabled"}
	watchOnly := map[string]string{"bookie-watch": "enabled"}
	healthy := rolling.State{Healthy: true}
	due := rolling.State{Healthy: true, Wants: true}
	garbage := &ops.RemoteDataError{Remote: "pulsar", Err: errors.New(`endpoints: "x" is not <host>:<port>`)}
	for _, test := range []struct {
		name   string
		change func(s *snapshot)
		want   outcome
	}{
		{"all is well", func(*snapshot) {},
			outcome{Status: ops.Active(""), Services: both, Seen: "up", State: "serving", Peer: healthy}},
		{"read-only is still serving", func(s *snapshot) { s.health.Registered = "ro" },
			outcome{Status: ops.Active("read-only: takes no new messages"), Services: both, Seen: "up", State: "serving", Peer: healthy}},
		{"new unit, no relation", func(s *snapshot) { unstarted(s); s.zookeeper = nil }, outcome{Status: ops.Blocked("integrate with pulsar: juju integrate bookie pulsar"), Services: map[string]string{}}},
		{"relation gone while it runs: it goes on", func(s *snapshot) { s.zookeeper = nil },
			outcome{Status: ops.Blocked("integrate with pulsar: juju integrate bookie pulsar"), Services: watchOnly, Seen: "up", Peer: healthy}},
		{"the other side has written nothing yet", func(s *snapshot) {
			unstarted(s)
			s.zookeeper.Offer = relation.ZooKeeperOffer{}
		}, outcome{Status: ops.Waiting("waiting for pulsar to offer its ZooKeeper"), Services: map[string]string{}, State: "starting"}},
		{"metadata are not initialised", func(s *snapshot) {
			unstarted(s)
			s.zookeeper.Offer.MetadataInitialised = false
		}, outcome{Status: ops.Waiting("waiting for pulsar to initialise the cluster's metadata"), Services: map[string]string{}, State: "starting"}},
		{"metadata are there: it starts", unstarted, outcome{Status: ops.Waiting("waiting for the bookie to join the cluster"), Services: both, Seen: "down", State: "starting"}},
		{"no container", func(s *snapshot) {
			unstarted(s)
			s.service.Up = false
		}, outcome{Status: ops.Waiting("waiting for container bookie to start"), State: "starting"}},
		{"garbage from the other side leaves it running", func(s *snapshot) {
			s.zookeeper.Offer, s.zookeeper.Problem = relation.ZooKeeperOffer{}, garbage
		}, outcome{Status: ops.Blocked(`pulsar offers a ZooKeeper that cannot be used: endpoints: "x" is not <host>:<port>`),
			Services: watchOnly, Seen: "up", State: "serving", Peer: healthy}},
		{"a wrong option goes on with the last good ones", func(s *snapshot) {
			s.wrong = &ops.OptionError{Option: "profile", Reason: `"x" is not one of production, staging, testing`}
		}, outcome{Status: ops.Blocked(`option profile: "x" is not one of production, staging, testing`), Services: both, Seen: "up", State: "serving", Peer: healthy}},
		{"a wrong option from the beginning starts nothing", func(s *snapshot) {
			unstarted(s)
			s.wrong, s.options = &ops.OptionError{Option: "heap-size", Reason: "no"}, nil
		}, outcome{Status: ops.Blocked("option heap-size: no"), Services: map[string]string{}, State: "starting"}},
		{"it ended and Pebble waits to start it again", func(s *snapshot) {
			s.service.Info.Current, s.health = "backoff", Health{}
		}, outcome{Status: ops.Waiting("bookie ended and is started again: waiting for the ZooKeeper of pulsar"), Services: both, Seen: "down", State: "starting"}},
		{"it ended, and ZooKeeper answers: it is something else", func(s *snapshot) {
			s.service.Info.Current, s.health, s.reached = "backoff", Health{}, true
		}, outcome{Status: ops.Waiting("bookie ended and is started again, though ZooKeeper answers: juju ssh --container bookie bookie/1 /charm/bin/pebble logs bookie"), Services: both, Seen: "down", State: "starting"}},
		{"its volume is not its own: it is not tried again", func(s *snapshot) {
			s.service.Info.Current, s.health, s.fault = "backoff", Health{}, "ledgers volume is empty"
		}, outcome{Status: ops.Blocked("ledgers volume is empty"), Services: map[string]string{"bookie": "disabled", "bookie-watch": "enabled"}, Seen: "down", State: "starting"}},
		{"ready but missing in ZooKeeper, for a moment", func(s *snapshot) {
			s.health.Registered, s.missing = "", now.Add(-30*time.Second)
		}, outcome{Status: ops.Waiting("waiting for the bookie to be registered in ZooKeeper"), Services: both, Seen: "unregistered", State: "starting"}},
		{"ready but missing in ZooKeeper for long", func(s *snapshot) {
			s.health.Registered, s.missing = "", now.Add(-2*time.Minute)
		}, outcome{Status: ops.Waiting("waiting for the bookie to be registered in ZooKeeper"), Services: both, Seen: "unregistered", State: "starting",
			Steps: []string{"restart the bookie that ZooKeeper does not list"}}},
		{"the same, just restarted", func(s *snapshot) {
			s.health.Registered, s.missing, s.service.Info.CurrentSince = "", now.Add(-2*time.Minute), now.Add(-time.Second)
		}, outcome{Status: ops.Waiting("waiting for the bookie to be registered in ZooKeeper"), Services: both, Seen: "unregistered", State: "starting"}},
		{"ready, and ZooKeeper cannot be asked: nobody tells that it is back and does not list the bookie", func(s *snapshot) {
			s.health = Health{Ready: true}
		}, outcome{Status: ops.Waiting("waiting for the bookie to join the cluster"), Services: both, Seen: "unregistered", State: "starting"}},
		{"leaving: nothing is touched", func(s *snapshot) { outdated(s); s.dying = true },
			outcome{Status: ops.Maintenance("leaving"), Services: watchOnly, Seen: "up", State: "serving", Peer: healthy}},

		{"new configuration, another's turn", func(s *snapshot) { outdated(s); turn(s, "bookie/0") },
			outcome{Status: ops.Active("new configuration: waiting for bookie/0 to restart first"), Services: watchOnly, Seen: "up", State: "serving", Peer: due}},
		{"new configuration, its turn", func(s *snapshot) { outdated(s); turn(s, "bookie/1") },
			outcome{Status: ops.Active(""), Services: both, Seen: "up", State: "serving", Peer: due}},
		{"new configuration, its turn, and another is not healthy: it gives the turn back", func(s *snapshot) {
			outdated(s)
			turn(s, "bookie/1")
			s.others["bookie/2"] = rolling.State{}
		}, outcome{Status: ops.Active("new configuration: waiting for bookie/2 to be healthy before a restart"), Services: watchOnly, Seen: "up", State: "serving",
			Peer: rolling.State{Healthy: true, Wants: true, Done: 1, Declines: true}}},
		{"new configuration, but it does not run: no turn is needed", func(s *snapshot) {
			outdated(s)
			s.service.Info.Current, s.health = "inactive", Health{}
		}, outcome{Status: ops.Waiting("bookie ended and is started again: waiting for the ZooKeeper of pulsar"), Services: both, Seen: "down", State: "starting"}},
		{"its turn is over when it is healthy", func(s *snapshot) { turn(s, "bookie/1") },
			outcome{Status: ops.Active(""), Services: both, Seen: "up", State: "serving", Peer: rolling.State{Healthy: true, Done: 1}}},
		{"a unit alone restarts at once", func(s *snapshot) { outdated(s); s.others = nil },
			outcome{Status: ops.Active(""), Services: both, Seen: "up", State: "serving", Peer: due}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serving()
			test.change(&s)
			if diff := cmp.Diff(test.want, summary(plan(s))); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// The whole layer of a unit in profile testing.
func TestLayer(t *testing.T) {
	t.Parallel()
	got := serving().desired(true)
	bookie := got.Services["bookie"]
	want := pebble.Service{
		Override: "replace", Summary: "BookKeeper bookie", Startup: "enabled",
		Command: "/bin/bash -c 'echo $$ > /var/lib/pulsar-charms/bookie.pid; exec /pulsar/bin/pulsar bookie'",
		Environment: map[string]string{
			"BOOKIE_CONF":            "/pulsar/conf/bookkeeper.conf",
			"PULSAR_BOOKKEEPER_CONF": "/pulsar/conf/bookkeeper.conf",
			"BOOKIE_MEM":             "-Xms64m -Xmx192m -XX:MaxDirectMemorySize=128m",
			"BOOKIE_GC":              "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
			"BOOKIE_EXTRA_OPTS": "-XX:+ExitOnOutOfMemoryError -Dsun.net.inetaddr.ttl=5 -Dsun.net.inetaddr.negative.ttl=1 " +
				"-Dio.netty.leakDetectionLevel=disabled -Dio.netty.allocator.numDirectArenas=1 -Dio.netty.allocator.numHeapArenas=1",
			"PULSAR_LOG_LEVEL": "info", "PULSAR_LOG_ROOT_LEVEL": "info",
		},
		OnSuccess: "restart", OnFailure: "restart", OnCheckFailure: map[string]string{"bookie-not-stuck": "restart"},
		BackoffLimit: "10s", KillDelay: "20s",
	}
	if diff := cmp.Diff(want, bookie); diff != "" {
		t.Errorf("service (-want +got):\n%s", diff)
	}
	if levels := []string{got.Checks["bookie-alive"].Level, got.Checks["bookie-ready"].Level}; !slices.Equal(levels, []string{"alive", "ready"}) {
		t.Errorf("levels of the checks: %v", levels)
	}
	if _, ok := got.Checks["bookie-not-stuck"]; !ok {
		t.Error("the check that restarts the bookie is not there")
	}
	if got.Checks["bookie-alive"].HTTP != nil || got.Checks["bookie-alive"].TCP != nil {
		t.Error("alive depends on more than the process")
	}
	conf := javaprops.Parse(got.Files[0].Content)
	wantConf := javaprops.Properties{
		"advertisedAddress": fqdn, "bookiePort": "3181", "metadataServiceUri": "zk+hierarchical://a:2181/ledgers",
		"journalDirectories": journalDir, "ledgerDirectories": ledgersDir,
		"ledgerStorageClass": "org.apache.bookkeeper.bookie.storage.ldb.DbLedgerStorage",
		"httpServerEnabled":  "true", "httpServerPort": "8000", "httpServerClass": "org.apache.bookkeeper.http.vertx.VertxHttpServer",
		"statsProviderClass":            "org.apache.bookkeeper.stats.prometheus.PrometheusMetricsProvider",
		"dbStorage_writeCacheMaxSizeMb": "16", "dbStorage_readAheadCacheMaxSizeMb": "16", "dbStorage_rocksDB_blockCacheSize": "8388608",
		"journalSyncData": "true", "gcWaitTime": "300000", "lostBookieRecoveryDelay": "300", "zkTimeout": "10000",
		"journalMaxSizeMB": "64", "logSizeLimit": "67108864", "journalMaxBackups": "1", "journalMaxGroupWaitMSec": "1", "journalWriteData": "true",
		"diskUsageThreshold": "0.99", "diskUsageWarnThreshold": "0.98", "diskUsageLwmThreshold": "0.97", "diskCheckInterval": "10000",
		"serverNumIOThreads": "2", "numAddWorkerThreads": "1", "numReadWorkerThreads": "2", "numHighPriorityWorkerThreads": "1",
		"numJournalCallbackThreads": "1", "numLongPollWorkerThreads": "1",
		"autoRecoveryDaemonEnabled": "true", "isForceGCAllowWhenNoSpace": "true", "readOnlyModeEnabled": "true", "nettyMaxFrameSizeBytes": "5253120",
		"majorCompactionInterval": "10800", "majorCompactionThreshold": "0.8", "minorCompactionInterval": "3600", "minorCompactionThreshold": "0.2",
	}
	if diff := cmp.Diff(wantConf, conf); diff != "" {
		t.Errorf("bookkeeper.conf (-want +got):\n%s", diff)
	}
}

func TestSettingsPrecedence(t *testing.T) {
	t.Parallel()
	o := testing_
	o.Profile, o.DirectMemorySize, o.JournalSync = "production", "1g", false
	o.ExtraConfig = "# mine\nlogSizeLimit=5\nzkTimeout = 7000\n"
	offer := relation.ZooKeeperOffer{MetadataServiceURI: uri("a:1"), SessionTimeout: 40000, MaxFrameSize: 99}
	got := settings(o, fqdn, offer)
	want := map[string]string{
		"logSizeLimit": "5", "zkTimeout": "7000", "nettyMaxFrameSizeBytes": "99", "journalSyncData": "false",
		"dbStorage_writeCacheMaxSizeMb": "256", "dbStorage_rocksDB_blockCacheSize": "107374182", "advertisedAddress": fqdn,
	}
	for key := range maps.Keys(want) {
		if got[key] != want[key] {
			t.Errorf("%s: got %q, want %q", key, got[key], want[key])
		}
	}
	if mem := environment(o)["BOOKIE_MEM"]; mem != "-Xms2g -Xmx2g -XX:MaxDirectMemorySize=1g" {
		t.Errorf("BOOKIE_MEM: %s", mem)
	}
	// A key that the charm renders as fixed must be refused in extra-config.
	for key := range settings(options{Profile: "testing"}, "", relation.ZooKeeperOffer{}) {
		_, isDefault := defaults[key]
		_, isProfile := profiles["testing"].settings[key]
		derived := strings.HasPrefix(key, "dbStorage_") || key == "journalSyncData" || key == "gcWaitTime" || key == "lostBookieRecoveryDelay"
		if owned := (javaprops.Properties{key: ""}).Owned(ownedKeys...) != ""; owned == (isDefault || isProfile || derived) {
			t.Errorf("%s: owned %v", key, owned)
		}
	}
}

func TestKeepServers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, runs, offered, want string }{
		{"nothing runs", "", uri("a", "b"), uri("a", "b")},
		{"the same", uri("a", "b", "c"), uri("a", "b", "c"), uri("a", "b", "c")},
		{"one becomes three: one server is not enough", uri("a"), uri("a", "b", "c"), uri("a", "b", "c")},
		{"three become five", uri("a", "b", "c"), uri("a", "b", "c", "d", "e"), uri("a", "b", "c")},
		{"five become three", uri("a", "b", "c", "d", "e"), uri("a", "b", "c"), uri("a", "b", "c", "d", "e")},
		{"three become one", uri("a", "b", "c"), uri("a"), uri("a", "b", "c")},
		{"another ensemble", uri("a", "b", "c"), uri("x", "y", "z"), uri("x", "y", "z")},
		{"another path", "zk+hierarchical://a/old", uri("a"), uri("a")},
		{"not a URI", "rubbish", uri("a"), uri("a")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := keepServers(test.runs, test.offered); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
