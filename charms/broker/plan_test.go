package broker

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
)

func testOptions() *Options {
	return &Options{Profile: "testing", LogLevel: "info", HeapSize: "auto", DirectMemorySize: "auto"}
}

const suffix = "pulsar-endpoints.m.svc.cluster.local"

// now is the time of every snapshot.
var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// well is a member that serves; the others write what they are.
var (
	well   = member{State: serving, Restart: rolling.State{Healthy: true}}
	isWell = `{"healthy":true}`
	wants  = `{"wants":true,"healthy":true}`
)

// related is the peer relation, and what the leader has decided or what is
// wrong with it.
func related(problem error, held cluster) ops.Peers[member, cluster] {
	return ops.Peers[member, cluster]{Relation: "cluster:0", Decision: ops.Decision[cluster]{Relation: "cluster:0", Held: held, Committed: held, Problem: problem}}
}

// turn gives a unit the turn.
func turn(s *Snapshot, unit string) {
	s.Peers.Decision.Committed.Turn = rolling.Turn{Unit: unit, Number: 1, Since: now}
}

// settled is a healthy broker of three with nothing to do.
func settled() Snapshot {
	s := Snapshot{
		App: "pulsar", Ordinal: 1, Suffix: suffix, Planned: []int{0, 1, 2}, Options: testOptions(),
		Now:       now,
		Peers:     related(nil, cluster{Name: "pulsar", Initialised: true, Quorum: "2/2/2"}),
		Members:   map[string]member{"pulsar/0": well, "pulsar/2": well},
		Offers:    []string{"pulsar:2"},
		Bookies:   Bookies{Related: true, Planned: 3, Known: 3, Serving: 3},
		ZooKeeper: ZooKeeper{Endpoints: []string{"z0:2181", "z1:2181"}, Servers: []string{"127.0.0.1:2181"}, SessionTimeout: 10000},
		State:     containerState{Up: true, Running: true},
		Healthy:   true,
	}
	desired, _ := layer(s, s.Peers.Decision.Held)
	s.State.Hash = pebble.Hash(desired, service)
	return s
}

// outline is a plan in short.
type outline struct {
	Services []string
	Files    []string
	Seen     string
	Unit     ops.Bag
	App      ops.Bag
	Offer    ops.Bag
	Steps    []string
	Statuses []juju.Status
}

func outlineOf(p ops.Plan) outline {
	o := outline{Statuses: p.Statuses}
	if c, ok := p.Containers[Container]; ok {
		for _, name := range []string{service, brokerWatch.Service()} {
			if _, ok := c.Services[name]; ok {
				o.Services = append(o.Services, name)
			}
		}
		for _, file := range c.Files {
			if file.Path == brokerWatch.SeenPath() {
				o.Seen = string(file.Content)
			} else {
				o.Files = append(o.Files, file.Path)
			}
		}
	}
	for _, bag := range p.Databags {
		switch {
		case bag.Relation != "cluster:0":
			o.Offer = bag.Data
		case bag.App:
			o.App = bag.Data
		default:
			o.Unit = bag.Data
		}
	}
	for _, step := range p.Steps {
		o.Steps = append(o.Steps, step.Name)
	}
	return o
}

func status(name juju.StatusName, message string) []juju.Status {
	return []juju.Status{{Name: name, Message: message}}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	script := brokerWatch.Files("")[0].Path
	both, onlyWatch := []string{service, brokerWatch.Service()}, []string{brokerWatch.Service()}
	app := ops.Bag{"cluster-name": "pulsar", "metadata-initialised": "true", "broker-quorum": "2/2/2"}
	offer := ops.Bag{
		"service-url":     "pulsar://pulsar-0." + suffix + ":6650,pulsar-1." + suffix + ":6650,pulsar-2." + suffix + ":6650",
		"web-service-url": "http://pulsar-0." + suffix + ":8080,pulsar-1." + suffix + ":8080,pulsar-2." + suffix + ":8080",
		"cluster-name":    "pulsar", "ready": "true",
	}
	notReady := ops.Bag{"service-url": offer["service-url"], "web-service-url": offer["web-service-url"], "cluster-name": "pulsar"}
	running := outline{
		Services: both, Files: []string{configPath, script}, Seen: "up\n",
		Unit: ops.Bag{"broker-state": serving, "broker-restart": isWell}, Statuses: status(juju.Active, "broker, quorum 2/2/2"),
	}
	// fresh is a unit on which nothing runs.
	fresh := func(s *Snapshot) { s.State, s.Healthy = containerState{Up: true}, false }

	tests := []struct {
		name   string
		change func(*Snapshot)
		want   outline
	}{
		{name: "a settled broker", change: func(*Snapshot) {}, want: running},
		{
			name:   "the same as the leader",
			change: func(s *Snapshot) { s.Leader = true },
			want: outline{
				Services: both, Files: []string{configPath, script}, Seen: "up\n",
				Unit: ops.Bag{"broker-state": serving, "broker-restart": isWell}, App: app, Offer: offer, Statuses: running.Statuses,
			},
		},
		{name: "no peer relation", change: func(s *Snapshot) { s.Peers.Relation = "" }, want: outline{Statuses: []juju.Status{waitingForPeers}}},
		{
			name: "the leader's first hook",
			change: func(s *Snapshot) {
				*s = Snapshot{App: "pulsar", Suffix: suffix, Leader: true, Planned: []int{0}, Options: testOptions(), Peers: related(nil, cluster{})}
			},
			want: outline{
				Unit: ops.Bag{"broker-state": starting}, App: ops.Bag{"cluster-name": "pulsar"},
				Statuses: status(juju.Blocked, "integrate with bookie: juju integrate bookie pulsar"),
			},
		},
		{
			name: "metadata to initialise: first all must be able to read of which name",
			change: func(s *Snapshot) {
				fresh(s)
				s.Leader, s.Peers, s.Offers, s.Members = true, related(nil, cluster{}), []string{"pulsar:2"}, nil
				s.Options.ClusterName, s.Bookies, s.Metadata.Asked = "own", Bookies{Related: true, Planned: 3}, true
			},
			want: outline{
				Unit: ops.Bag{"broker-state": starting}, App: ops.Bag{"cluster-name": "own", "metadata-initialising": "true", "broker-quorum": "2/2/2"},
				Offer:    ops.Bag{"service-url": offer["service-url"], "web-service-url": offer["web-service-url"], "cluster-name": "own"},
				Statuses: []juju.Status{initialising},
			},
		},
		{
			name: "then they are, at the leader",
			change: func(s *Snapshot) {
				fresh(s)
				s.Leader, s.Peers, s.Offers = true, related(nil, cluster{Name: "own", Initialising: true}), nil
				s.Options.ClusterName, s.Metadata.Asked = "own", true
			},
			want: outline{
				Unit: ops.Bag{"broker-state": starting}, App: ops.Bag{"cluster-name": "own", "metadata-initialising": "true", "broker-quorum": "2/2/2"},
				Steps: []string{stepInitialise}, Statuses: []juju.Status{initialising},
			},
		},
		{
			name: "there is a second cluster that may be meant",
			change: func(s *Snapshot) {
				fresh(s)
				s.Leader, s.Peers, s.Offers = true, related(nil, cluster{}), nil
				s.Metadata = metadata{Asked: true, Clusters: []string{"east", "west"}, Complete: true}
			},
			want: outline{
				Unit: ops.Bag{"broker-state": starting}, App: ops.Bag{"cluster-name": "pulsar", "broker-quorum": "2/2/2"},
				Statuses: status(juju.Blocked, "option cluster-name: ZooKeeper has the clusters east, west; choose one"),
			},
		},
		{
			name: "the name cannot change while they are initialised",
			change: func(s *Snapshot) {
				fresh(s)
				s.Leader, s.Peers, s.Offers = true, related(nil, cluster{Name: "own", Initialising: true}), nil
				s.Options.ClusterName = "other"
			},
			want: outline{
				Unit: ops.Bag{"broker-state": starting}, App: ops.Bag{"cluster-name": "own", "metadata-initialising": "true", "broker-quorum": "2/2/2"},
				Statuses: status(juju.Blocked, `option cluster-name: the cluster is called "own" for good; reset it`),
			},
		},
		{
			name: "metadata to initialise, at another unit",
			change: func(s *Snapshot) {
				fresh(s)
				s.Peers.Decision.Held.Initialised, s.Peers.Decision.Committed.Initialised = false, false
			},
			want: outline{Unit: ops.Bag{"broker-state": starting}, Statuses: []juju.Status{waitingForLeader}},
		},
		{
			name: "metadata to initialise, ZooKeeper does not serve",
			change: func(s *Snapshot) {
				fresh(s)
				s.Leader, s.ZooKeeper.Servers, s.Offers = true, nil, nil
				s.Peers.Decision.Held.Initialised, s.Peers.Decision.Committed.Initialised = false, false
			},
			want: outline{
				Unit: ops.Bag{"broker-state": starting}, App: ops.Bag{"cluster-name": "pulsar", "broker-quorum": "2/2/2"},
				Statuses: []juju.Status{waitingForZooKeeper},
			},
		},
		{
			name: "initialising failed",
			change: func(s *Snapshot) {
				fresh(s)
				s.Leader, s.Offers, s.Failure = true, nil, stepInitialise
				s.Peers.Decision.Held.Initialised, s.Peers.Decision.Committed.Initialised = false, false
			},
			want: outline{
				Unit: ops.Bag{"broker-state": starting}, App: ops.Bag{"cluster-name": "pulsar", "broker-quorum": "2/2/2"},
				Statuses: []juju.Status{initialisingFailed},
			},
		},
		{
			name: "metadata that are there no more are not initialised again",
			change: func(s *Snapshot) {
				s.Leader, s.Healthy, s.Members, s.Offers, s.Metadata.Asked = true, false, nil, nil, true
			},
			want: outline{
				Services: both, Files: []string{configPath, script}, Seen: "down\n", Unit: ops.Bag{"broker-state": starting}, App: app,
				Statuses: status(juju.Blocked, "ZooKeeper lacks the metadata of pulsar: bring its volumes back or deploy pulsar anew"),
			},
		},
		{
			name: "too few bookies",
			change: func(s *Snapshot) {
				fresh(s)
				s.Bookies.Serving, s.Bookies.Wrong = 1, `bookie/2: bookie-id: "x" is not <host>:<port>`
			},
			want: outline{
				Unit:     ops.Bag{"broker-state": starting},
				Statuses: status(juju.Waiting, `for bookies: 1 of 2 serve (bookie/2: bookie-id: "x" is not <host>:<port>)`),
			},
		},
		{
			name: "enough bookies: start",
			change: func(s *Snapshot) {
				fresh(s)
				s.Bookies.Serving = 2
			},
			want: outline{
				Services: both, Files: []string{configPath, script}, Seen: "down\n",
				Unit: ops.Bag{"broker-state": starting}, Statuses: []juju.Status{startingBroker},
			},
		},
		{
			name: "what the leader has decided just now starts nothing: it may be lost with the hook",
			change: func(s *Snapshot) {
				fresh(s)
				s.Leader, s.Offers, s.Bookies = true, nil, Bookies{Related: true, Planned: 1, Known: 1, Serving: 1}
			},
			want: outline{
				Unit:     ops.Bag{"broker-state": starting},
				App:      ops.Bag{"cluster-name": "pulsar", "metadata-initialised": "true", "broker-quorum": "1/1/1"},
				Statuses: []juju.Status{startingBroker},
			},
		},
		{
			name:   "no container",
			change: func(s *Snapshot) { s.State, s.Healthy = containerState{}, false },
			want:   outline{Unit: ops.Bag{"broker-state": starting}, Statuses: []juju.Status{waitingForContainer}},
		},
		{
			name: "bookies went while it runs: it is left running",
			change: func(s *Snapshot) {
				s.Leader, s.Members, s.Healthy, s.Bookies.Serving = true, nil, false, 0
			},
			want: outline{
				Services: both, Files: []string{configPath, script}, Seen: "down\n",
				Unit: ops.Bag{"broker-state": starting}, App: app, Offer: notReady,
				Statuses: status(juju.Waiting, "for bookies: 0 of 2 serve"),
			},
		},
		{
			name:   "ZooKeeper went while it runs: nothing changes",
			change: func(s *Snapshot) { s.ZooKeeper.Servers = nil },
			want:   running,
		},
		{
			name:   "nor with it the broker: it waits for ZooKeeper, whatever else",
			change: func(s *Snapshot) { s.ZooKeeper.Servers, s.Healthy, s.Bookies.Serving = nil, false, 0 },
			want: outline{
				Services: both, Files: []string{configPath, script}, Seen: "down\n",
				Unit: ops.Bag{"broker-state": starting}, Statuses: []juju.Status{waitingForZooKeeper},
			},
		},
		{
			name:   "a new setting waits for its turn",
			change: func(s *Snapshot) { s.Options.ExtraConfig = "numIOThreads=3"; turn(s, "pulsar/2") },
			want: outline{
				Services: onlyWatch, Files: []string{script}, Seen: "up\n",
				Unit:     ops.Bag{"broker-state": serving, "broker-restart": wants},
				Statuses: status(juju.Maintenance, "new settings for the broker: waiting for pulsar/2 to restart first"),
			},
		},
		{
			name: "a new setting waits for who is not healthy",
			change: func(s *Snapshot) {
				s.Options.ExtraConfig = "numIOThreads=3"
				s.Members["pulsar/0"] = member{State: starting}
			},
			want: outline{
				Services: onlyWatch, Files: []string{script}, Seen: "up\n",
				Unit:     ops.Bag{"broker-state": serving, "broker-restart": wants},
				Statuses: status(juju.Maintenance, "new settings for the broker: waiting for pulsar/0 to be healthy before a restart"),
			},
		},
		{
			name:   "a new setting in its turn",
			change: func(s *Snapshot) { s.Options.ExtraConfig = "numIOThreads=3"; turn(s, "pulsar/1") },
			want: outline{
				Services: both, Files: []string{configPath, script}, Seen: "up\n",
				Unit:     ops.Bag{"broker-state": serving, "broker-restart": wants},
				Statuses: []juju.Status{restarting},
			},
		},
		{
			name: "the leader passes the turn on",
			change: func(s *Snapshot) {
				s.Leader, s.Offers = true, nil
				turn(s, "pulsar/0")
				s.Members["pulsar/0"] = member{State: serving, Restart: rolling.State{Healthy: true, Done: 1}}
				s.Members["pulsar/2"] = member{State: serving, Restart: rolling.State{Healthy: true, Wants: true}}
			},
			want: outline{
				Services: both, Files: []string{configPath, script}, Seen: "up\n", Unit: running.Unit,
				App: ops.Bag{
					"cluster-name": "pulsar", "metadata-initialised": "true", "broker-quorum": "2/2/2",
					"broker-turn": `{"unit":"pulsar/2","number":2,"since":"2026-01-02T03:04:05Z"}`,
				},
				Statuses: running.Statuses,
			},
		},
		{
			name: "more bookies have come: nobody restarts before all can read it",
			change: func(s *Snapshot) {
				s.Leader, s.Bookies, s.Offers = true, Bookies{Related: true, Planned: 5, Known: 5, Serving: 5}, nil
			},
			want: outline{
				Services: both, Files: []string{configPath, script}, Seen: "up\n",
				Unit:     running.Unit,
				App:      ops.Bag{"cluster-name": "pulsar", "metadata-initialised": "true", "broker-quorum": "3/3/2"},
				Statuses: status(juju.Active, "broker, quorum 3/3/2"),
			},
		},
		{
			name: "then one does after the other",
			change: func(s *Snapshot) {
				s.Leader, s.Bookies, s.Offers = true, Bookies{Related: true, Planned: 5, Known: 5, Serving: 5}, nil
				s.Peers.Decision.Held.Quorum, s.Peers.Decision.Committed.Quorum = "3/3/2", "3/3/2"
			},
			want: outline{
				Services: onlyWatch, Files: []string{script}, Seen: "up\n",
				Unit: ops.Bag{"broker-state": serving, "broker-restart": wants},
				App: ops.Bag{
					"cluster-name": "pulsar", "metadata-initialised": "true", "broker-quorum": "3/3/2",
					"broker-turn": `{"unit":"pulsar/1","number":1,"since":"2026-01-02T03:04:05Z"}`,
				},
				Statuses: status(juju.Maintenance, "new settings for the broker: waiting for its turn to restart"),
			},
		},
		{
			name: "a wrong option is told, and the last ones stay",
			change: func(s *Snapshot) {
				s.Wrong = &ops.OptionError{Option: "broker-heap-size", Reason: `"x" is neither auto nor a size such as 512m or 2g`}
			},
			want: outline{
				Services: both, Files: []string{configPath, script}, Seen: "up\n", Unit: running.Unit,
				Statuses: append(status(juju.Blocked, `option broker-heap-size: "x" is neither auto nor a size such as 512m or 2g`), running.Statuses...),
			},
		},
		{
			name:   "the cluster's name cannot change",
			change: func(s *Snapshot) { s.Options.ClusterName = "other" },
			want: outline{
				Services: both, Files: []string{configPath, script}, Seen: "up\n", Unit: running.Unit,
				Statuses: status(juju.Blocked, `option cluster-name: the cluster is called "pulsar" for good; reset it`),
			},
		},
		{
			name:   "no relation with bookies any more",
			change: func(s *Snapshot) { s.Bookies = Bookies{} },
			want: outline{
				Services: both, Files: []string{configPath, script}, Seen: "up\n", Unit: running.Unit,
				Statuses: status(juju.Blocked, "integrate with bookie: juju integrate bookie pulsar"),
			},
		},
		{
			name: "garbage in the peer databag stays",
			change: func(s *Snapshot) {
				fresh(s)
				s.Leader, s.Peers, s.Offers = true, related(errors.New("wrong"), cluster{}), nil
			},
			want: outline{
				Unit:     ops.Bag{"broker-state": starting},
				Statuses: status(juju.Blocked, "peer databag: wrong; remove the wrong key or restore it from backup"),
			},
		},
		{
			name:   "a dying unit leaves its broker alone",
			change: func(s *Snapshot) { s.Dying, s.Planned = true, []int{0, 2} },
			want:   outline{Unit: running.Unit, Statuses: []juju.Status{leaving}},
		},
		{
			name: "no valid options ever",
			change: func(s *Snapshot) {
				fresh(s)
				s.Options = nil
			},
			want: outline{Unit: ops.Bag{"broker-state": starting}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := settled()
			test.change(&s)
			if diff := cmp.Diff(test.want, outlineOf(plan(s))); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// A refresh goes on to the next pod when the last one is ready, not before.
func TestReadiness(t *testing.T) {
	t.Parallel()
	s := settled()
	if desired, _ := layer(s, s.Peers.Decision.Held); desired.Checks["broker-ready"].Level != "ready" {
		t.Errorf("the check is of level %q", desired.Checks["broker-ready"].Level)
	}
}

func TestQuorums(t *testing.T) {
	t.Parallel()
	for bookies, want := range map[int]string{0: "1/1/1", 1: "1/1/1", 2: "2/2/2", 3: "2/2/2", 4: "3/3/2", 9: "3/3/2"} {
		if got := QuorumFor(bookies).String(); got != want {
			t.Errorf("QuorumFor(%d) = %s, want %s", bookies, got, want)
		}
	}
	for _, text := range []string{"", "1", "1/1", "0/0/0", "1/2/1", "2/1/2", "a/b/c", "1/1/1/1"} {
		if q, err := ParseQuorum(text); err == nil {
			t.Errorf("ParseQuorum(%q) = %v, want an error", text, q)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := QuorumFor(rapid.IntRange(0, 20).Draw(t, "bookies"))
		if got, err := ParseQuorum(want.String()); err != nil || got != want {
			t.Fatalf("ParseQuorum(%s) = %v, %v", want, got, err)
		}
	})
}

func TestNextQuorum(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                    string
		now                     Quorum
		planned, known, serving int
		want                    string
	}{
		{"nothing planned", Quorum{}, 0, 0, 0, "0/0/0"},
		{"nothing planned any more", Quorum{2, 2, 2}, 0, 0, 0, "2/2/2"},
		{"the first decision takes the plan", Quorum{}, 5, 0, 0, "3/3/2"},
		{"more planned", Quorum{2, 2, 2}, 5, 3, 3, "2/2/2"},
		{"more have come, and do not serve yet", Quorum{1, 1, 1}, 4, 4, 1, "1/1/1"},
		{"more serve", Quorum{2, 2, 2}, 5, 5, 4, "3/3/2"},
		{"one of those that were there is down", Quorum{3, 3, 2}, 4, 4, 3, "3/3/2"},
		{"fewer planned, all there", Quorum{3, 3, 2}, 3, 5, 5, "3/3/2"},
		{"fewer have stayed", Quorum{3, 3, 2}, 3, 3, 3, "2/2/2"},
		{"Juju does not tell the plan", Quorum{}, 0, 3, 3, "2/2/2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := nextQuorum(test.now, test.planned, test.known, test.serving).String(); got != test.want {
				t.Errorf("nextQuorum() = %s, want %s", got, test.want)
			}
		})
	}
}

func TestConfigPrecedence(t *testing.T) {
	t.Parallel()
	s := Settings{
		Options: *testOptions(), ClusterName: "c", FQDN: "pulsar-0.x", ZooKeeper: []string{"a:2181", "b:2181"},
		SessionTimeout: 10000, Quorum: Quorum{3, 3, 2},
	}
	s.Options.ExtraConfig = "numIOThreads=7\nbacklogQuotaDefaultRetentionPolicy=producer_request_hold"
	config := Config(s)
	for key, want := range map[string]string{
		"numIOThreads":                       "7",                     // the operator's over the profile's
		"backlogQuotaDefaultRetentionPolicy": "producer_request_hold", // and over the charm's default
		"managedLedgerCacheSizeMB":           "32",                    // the profile's
		"metadataStoreUrl":                   "zk:a:2181,b:2181",
		"managedLedgerDefaultEnsembleSize":   "3",
		"managedLedgerDefaultAckQuorum":      "2",
		"advertisedAddress":                  "pulsar-0.x",
		"metadataStoreSessionTimeoutMillis":  "10000",
	} {
		if config[key] != want {
			t.Errorf("%s = %q, want %q", key, config[key], want)
		}
	}
	// Whatever the charm sets last, it must refuse in extra-config.
	s.Options.ExtraConfig, s.Options.Profile = "", "production"
	production := Config(s)
	s2 := s
	s2.ClusterName, s2.FQDN, s2.ZooKeeper, s2.SessionTimeout, s2.Quorum = "d", "y", []string{"c:1"}, 1, Quorum{1, 1, 1}
	for key, value := range Config(s2) {
		if production[key] == value {
			continue
		}
		o := *testOptions()
		o.ExtraConfig = key + "=x"
		if err := o.Validate(); err == nil {
			t.Errorf("key %s can be set by extra-config, without effect", key)
		}
	}
}

func TestOptionsValidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"defaults", func(*Options) {}, ""},
		{"name", func(o *Options) { o.ClusterName = "a b" }, `option cluster-name: "a b" may hold only letters, digits and - = : . _`},
		{"reserved name", func(o *Options) { o.ClusterName = "global" }, `option cluster-name: "global" is reserved by Pulsar`},
		{"heap", func(o *Options) { o.HeapSize = "big" }, `option broker-heap-size: "big" is neither auto nor a size such as 512m or 2g`},
		{"direct memory", func(o *Options) { o.DirectMemorySize = "0m" }, `option broker-direct-memory-size: "0m" is neither auto nor a size such as 512m or 4g`},
		{"own key", func(o *Options) { o.ExtraConfig = "metadataStoreUrl=zk:x" }, "option broker-extra-config: key metadataStoreUrl is managed by the charm"},
		{"what bookies would refuse", func(o *Options) { o.ExtraConfig = "maxMessageSize=20971520" }, "option broker-extra-config: key maxMessageSize is managed by the charm"},
		{"no line", func(o *Options) { o.ExtraConfig = "x" }, `option broker-extra-config: line 1: "x" is not key=value`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := testOptions()
			test.change(o)
			got := ""
			if err := o.Validate(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("Validate() = %q, want %q", got, test.want)
			}
		})
	}
}
