package zookeeper

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

func testOptions() *Options {
	return &Options{Profile: "testing", LogLevel: "info", HeapSize: "auto", TickTime: 2000, VotersMax: 5}
}

const suffix = "pulsar-endpoints.m.svc.cluster.local"

func pulsarHost(o int) string { return Snapshot{App: "pulsar", Suffix: suffix}.host(o) }

func pulsarConfig(voters, observers []int) zk.Config {
	config := testConfig(voters, observers)
	for i, m := range config.Members {
		config.Members[i].Host = pulsarHost(m.ID - 1)
	}
	return config
}

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

// settled is a follower of three that has nothing to do.
func settled() Snapshot {
	s := Snapshot{
		App: "pulsar", Ordinal: 1, Suffix: suffix, Planned: []int{0, 1, 2}, Options: testOptions(),
		Now:     now,
		Peers:   related(nil, cluster{Voters: []string{"0", "1", "2"}, Voted: []string{"0", "1", "2"}, Secret: "secret:s"}),
		Members: map[string]member{"pulsar/0": well, "pulsar/2": well},
		Offers:  []string{"zookeeper:1"},
		Storage: true, Password: true, Digest: "super:digest", Mode: "follower",
		Known: pulsarConfig([]int{0, 1, 2}, nil),
		State: containerState{
			Up: true, Running: true, Dynamic: configDirectory + "/zoo.cfg.dynamic.100000000",
			Config: pulsarConfig([]int{0, 1, 2}, nil), Version: true,
		},
	}
	desired := layer(s, s.Known)
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
		for _, name := range []string{service, zookeeperWatch.Service()} {
			if _, ok := c.Services[name]; ok {
				o.Services = append(o.Services, name)
			}
		}
		for _, file := range c.Files {
			if file.Path == zookeeperWatch.SeenPath() {
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

var (
	watchScript = zookeeperWatch.Files("")[0].Path
	both        = []string{service, zookeeperWatch.Service()}
	onlyWatch   = []string{zookeeperWatch.Service()}
)

func statusList(name juju.StatusName, message string) []juju.Status {
	return []juju.Status{{Name: name, Message: message}}
}

// planTest is what the plan is when something differs from the settled
// follower.
type planTest struct {
	name   string
	change func(*Snapshot)
	want   outline
}

// A refresh goes on to the next pod when the last one is ready, not before.
func TestReadiness(t *testing.T) {
	t.Parallel()
	s := settled()
	if check := layer(s, s.Known).Checks["zookeeper-serving"]; check.Level != "ready" {
		t.Errorf("the check is of level %q", check.Level)
	}
}

func checkPlans(t *testing.T, tests []planTest) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := settled()
			test.change(&s)
			if s.Dying {
				test.want.Statuses = []juju.Status{leaving} // whatever else it does
			}
			p := plan(s, Offer{ClusterName: "c", Initialised: true, MaxFrameSize: 5253120})
			if diff := cmp.Diff(test.want, outlineOf(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	three := "pulsar-0." + suffix + ":2181,pulsar-1." + suffix + ":2181,pulsar-2." + suffix + ":2181"
	uri := "zk+hierarchical://pulsar-0." + suffix + ":2181;pulsar-1." + suffix + ":2181;pulsar-2." + suffix + ":2181/ledgers"
	offer := ops.Bag{
		"endpoints": three, "metadata-service-uri": uri, "metadata-initialised": "true",
		"cluster-name": "c", "max-frame-size": "5253120", "session-timeout": "10000",
	}
	checkPlans(t, []planTest{
		{
			name:   "nothing but the peer relation's absence",
			change: func(s *Snapshot) { *s = Snapshot{App: "pulsar"} },
			want:   outline{Statuses: []juju.Status{waitingForPeers}},
		},
		{
			name:   "a settled follower",
			change: func(*Snapshot) {},
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "follower\n",
				Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": isWell}, Statuses: statusList(juju.Active, "ZooKeeper follower, 3 voters"),
			},
		},
		{
			name:   "the same as the leader of the application",
			change: func(s *Snapshot) { s.Leader = true },
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "follower\n",
				Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": isWell}, App: ops.Bag{"zookeeper-voters": "0,1,2", "zookeeper-voted": "0,1,2", "zookeeper-secret": "secret:s"},
				Offer: offer, Statuses: statusList(juju.Active, "ZooKeeper follower, 3 voters"),
			},
		},
		{
			name: "the leader's first hook",
			change: func(s *Snapshot) {
				*s = Snapshot{App: "pulsar", Suffix: suffix, Leader: true, Planned: []int{0, 1, 2, 3}, Options: testOptions(), Peers: related(nil, cluster{})}
			},
			want: outline{
				Unit: ops.Bag{"zookeeper-state": starting}, App: ops.Bag{"zookeeper-voters": "0,1,2"},
				Steps: []string{stepSecret}, Statuses: []juju.Status{waitingForContainer},
			},
		},
		{
			name: "the leader's first hook with a plan that makes no sense",
			change: func(s *Snapshot) {
				*s = Snapshot{App: "pulsar", Suffix: suffix, Leader: true, Options: testOptions(), Peers: related(nil, cluster{})}
			},
			want: outline{
				Unit: ops.Bag{"zookeeper-state": starting}, App: ops.Bag{},
				Steps: []string{stepSecret}, Statuses: []juju.Status{waitingForMembers},
			},
		},
		{
			name: "a first start",
			change: func(s *Snapshot) {
				s.State, s.Mode = containerState{Up: true}, ""
				s.Members, s.Peers.Decision.Committed.Voted = nil, nil
			},
			want: outline{
				Services: both, Files: []string{staticPath, myIDPath, firstDynamicPath, watchScript}, Seen: "down\n",
				Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}, Statuses: statusList(juju.Waiting, "for a quorum of ZooKeeper's 3 voters"),
			},
		},
		{
			name: "a decision of this very hook, which may be lost with it: no server starts on it, the leader's neither",
			change: func(s *Snapshot) {
				s.Leader, s.State, s.Mode, s.Members, s.Offers = true, containerState{Up: true}, "", nil, nil
				s.Peers.Decision.Committed = cluster{}
			},
			want: outline{
				Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}, App: ops.Bag{"zookeeper-voters": "0,1,2", "zookeeper-voted": "0,1,2", "zookeeper-secret": "secret:s"},
				Statuses: statusList(juju.Waiting, "for a quorum of ZooKeeper's 3 voters"),
			},
		},
		{
			name: "a membership that an earlier unit of this name has left is forgotten before the server starts",
			change: func(s *Snapshot) {
				s.State, s.Mode = containerState{Up: true, Stale: []string{staticPath, firstDynamicPath}}, ""
				s.Members = nil
			},
			want: outline{
				Unit:  ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting},
				Steps: []string{stepForget}, Statuses: statusList(juju.Waiting, "for a quorum of ZooKeeper's 3 voters"),
			},
		},
		{
			name: "in its first hook a unit does not judge what is on its storage",
			change: func(s *Snapshot) {
				s.State, s.Mode = containerState{Up: true, Stale: []string{staticPath, firstDynamicPath}}, ""
				s.Members, s.Young = nil, true
			},
			want: outline{
				Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}, Statuses: statusList(juju.Waiting, "for a quorum of ZooKeeper's 3 voters"),
			},
		},
		{
			name: "a start in a new container keeps the membership on the storage",
			change: func(s *Snapshot) {
				s.State.Running, s.State.Hash, s.Mode = false, "", ""
			},
			want: outline{
				Services: both, Files: []string{staticPath, myIDPath, watchScript}, Seen: "down\n",
				Unit: ops.Bag{"zookeeper-state": starting}, Statuses: []juju.Status{startingServer},
			},
		},
		{
			name:   "no container",
			change: func(s *Snapshot) { s.State, s.Mode = containerState{}, "" },
			want:   outline{Unit: ops.Bag{"zookeeper-state": starting}, Statuses: []juju.Status{waitingForContainer}},
		},
		{
			name:   "no storage",
			change: func(s *Snapshot) { s.State, s.Mode, s.Storage = containerState{Up: true}, "", false },
			want:   outline{Unit: ops.Bag{"zookeeper-state": starting}, Statuses: []juju.Status{waitingForStorage}},
		},
		{
			name:   "a secret that is not readable yet",
			change: func(s *Snapshot) { s.State, s.Mode, s.Digest = containerState{Up: true}, "", "" },
			want:   outline{Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}, Statuses: []juju.Status{waitingForSecret}},
		},
		{
			name:   "a server out of quorum",
			change: func(s *Snapshot) { s.Mode, s.Members = "", map[string]member{"pulsar/0": {State: starting}} },
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "down\n",
				Unit: ops.Bag{"zookeeper-state": starting}, Statuses: statusList(juju.Waiting, "for a quorum of ZooKeeper's 3 voters"),
			},
		},
		{
			name:   "a new setting waits for its turn, files untouched",
			change: func(s *Snapshot) { s.Options.TickTime = 1000; turn(s, "pulsar/0") },
			want: outline{
				Services: onlyWatch, Files: []string{watchScript}, Seen: "follower\n",
				Unit:     ops.Bag{"zookeeper-state": serving, "zookeeper-restart": wants},
				Statuses: statusList(juju.Maintenance, "new settings for ZooKeeper: waiting for pulsar/0 to restart first"),
			},
		},
		{
			name: "a new setting waits for who is not healthy",
			change: func(s *Snapshot) {
				s.Options.TickTime = 1000
				s.Members["pulsar/2"] = member{State: starting}
			},
			want: outline{
				Services: onlyWatch, Files: []string{watchScript}, Seen: "follower\n",
				Unit:     ops.Bag{"zookeeper-state": serving, "zookeeper-restart": wants},
				Statuses: statusList(juju.Maintenance, "new settings for ZooKeeper: waiting for pulsar/2 to be healthy before a restart"),
			},
		},
		{
			name:   "a new setting in its turn",
			change: func(s *Snapshot) { s.Options.TickTime = 1000; turn(s, "pulsar/1") },
			want: outline{
				Services: both, Files: []string{staticPath, myIDPath, watchScript}, Seen: "follower\n",
				Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": wants}, Statuses: []juju.Status{restarting},
			},
		},
		{
			name:   "its turn is over",
			change: func(s *Snapshot) { turn(s, "pulsar/1") },
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "follower\n",
				Unit:     ops.Bag{"zookeeper-state": serving, "zookeeper-restart": `{"healthy":true,"done":1}`},
				Statuses: statusList(juju.Active, "ZooKeeper follower, 3 voters"),
			},
		},
		{
			name: "the leader gives the turn, to itself too, and waits until that is committed",
			change: func(s *Snapshot) {
				s.Leader, s.Options.TickTime = true, 1000
				s.Members["pulsar/2"] = member{State: serving, Restart: rolling.State{Healthy: true, Wants: true}}
				s.Offers = nil
			},
			want: outline{
				Services: onlyWatch, Files: []string{watchScript}, Seen: "follower\n",
				Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": wants},
				App: ops.Bag{
					"zookeeper-voters": "0,1,2", "zookeeper-voted": "0,1,2", "zookeeper-secret": "secret:s",
					"zookeeper-turn": `{"unit":"pulsar/1","number":1,"since":"2026-01-02T03:04:05Z"}`,
				},
				Statuses: statusList(juju.Maintenance, "new settings for ZooKeeper: waiting for its turn to restart"),
			},
		},
		{
			name: "a wrong option is told, and the last ones stay",
			change: func(s *Snapshot) {
				s.Wrong = &ops.OptionError{Option: "tick-time", Reason: "0 is not from 100 to 10000"}
			},
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "follower\n",
				Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": isWell},
				Statuses: []juju.Status{
					ops.Blocked("option tick-time: 0 is not from 100 to 10000"), ops.Active("ZooKeeper follower, 3 voters"),
				},
			},
		},
		{
			name: "no valid options ever",
			change: func(s *Snapshot) {
				s.Options, s.State, s.Mode = nil, containerState{Up: true}, ""
			},
			want: outline{Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}},
		},
		{
			name: "the leader takes two in that serve",
			change: func(s *Snapshot) {
				s.Leader, s.Planned, s.Serving, s.Offers = true, []int{0, 1, 2, 3, 4}, map[int]bool{3: true, 4: true}, nil
			},
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "follower\n",
				Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": isWell}, App: ops.Bag{"zookeeper-voters": "0,1,2", "zookeeper-voted": "0,1,2", "zookeeper-secret": "secret:s"},
				Steps: []string{stepChange}, Statuses: statusList(juju.Active, "ZooKeeper follower, 3 voters"),
			},
		},
		{
			name: "a change that failed is tried again in another hook",
			change: func(s *Snapshot) {
				s.Leader, s.Planned, s.Offers, s.Failure = true, []int{0, 1}, nil, "change ZooKeeper's members"
			},
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "again\n",
				Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": isWell}, App: ops.Bag{"zookeeper-voters": "0,1,2", "zookeeper-voted": "0,1,2", "zookeeper-secret": "secret:s"},
				Statuses: statusList(juju.Waiting, "to change ZooKeeper's members"),
			},
		},
		{
			name: "a dying voter whose peer relation is broken holds on, though its server serves",
			change: func(s *Snapshot) {
				s.Ordinal, s.Planned, s.Dying, s.Teardown, s.Password = 2, []int{0, 1}, true, true, false
				s.Peers = ops.Peers[member, cluster]{}
			},
			want: outline{Steps: []string{stepHold}},
		},
		{
			name: "the same if it leads: nobody else can take it out, and it still finds the password",
			change: func(s *Snapshot) {
				s.Leader, s.Ordinal, s.Planned, s.Dying, s.Teardown = true, 2, []int{0, 1}, true, true
				s.Peers = ops.Peers[member, cluster]{}
			},
			want: outline{Steps: []string{stepChange}},
		},
		{
			name: "and holds on when that has failed",
			change: func(s *Snapshot) {
				s.Leader, s.Ordinal, s.Planned, s.Dying, s.Teardown = true, 2, []int{0, 1}, true, true
				s.Peers, s.Failure = ops.Peers[member, cluster]{}, "change ZooKeeper's members"
			},
			want: outline{Steps: []string{stepHold}},
		},
		{
			name: "a dying voter whose peer relation is broken holds on",
			change: func(s *Snapshot) {
				s.Ordinal, s.Planned, s.Dying, s.Teardown, s.Password, s.Digest = 2, []int{0, 1}, true, true, false, ""
				s.Peers = ops.Peers[member, cluster]{}
			},
			want: outline{Steps: []string{stepHold}},
		},
		{
			name: "the same with its server down, which the others may need to take it out: it starts on the settings that are there",
			change: func(s *Snapshot) {
				s.Ordinal, s.Planned, s.Dying, s.Teardown, s.Mode = 2, []int{0, 1}, true, true, ""
				s.Peers = ops.Peers[member, cluster]{}
				s.State.Running, s.State.Hash = false, ""
			},
			want: outline{
				Services: []string{service}, Files: []string{staticPath, myIDPath},
				Steps: []string{stepHold},
			},
		},
		{
			name: "a dying unit stops a server that was never in an ensemble",
			change: func(s *Snapshot) {
				s.Ordinal, s.Planned, s.Dying, s.Mode, s.Digest = 2, []int{0, 1}, true, "", ""
				s.Peers = ops.Peers[member, cluster]{}
				s.State.Version, s.State.Dynamic = false, firstDynamicPath
			},
			want: outline{Steps: []string{stepStop}},
		},
		{
			name: "also one that Pebble would start again after the unit's last hook",
			change: func(s *Snapshot) {
				s.Ordinal, s.Planned, s.Dying, s.Mode, s.Digest = 2, []int{0, 1}, true, "", ""
				s.Peers = ops.Peers[member, cluster]{}
				s.State.Version, s.State.Dynamic = false, firstDynamicPath
				s.State.Running, s.State.Restarting, s.State.Hash = false, true, ""
			},
			want: outline{Steps: []string{stepStop}},
		},
		{
			name: "a dying unit that does not vote any more lets go",
			change: func(s *Snapshot) {
				s.Ordinal, s.Planned, s.Dying, s.Teardown, s.Password, s.Digest = 2, []int{0, 1}, true, true, false, ""
				s.Peers, s.Known = ops.Peers[member, cluster]{}, pulsarConfig([]int{0}, []int{1})
			},
		},
		{
			name: "a newcomer that serves here but not to the leader",
			change: func(s *Snapshot) {
				s.Leader, s.Planned, s.Unreachable, s.Offers = true, []int{0, 1, 2, 3}, true, nil
			},
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "again\n",
				Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": isWell}, App: ops.Bag{"zookeeper-voters": "0,1,2", "zookeeper-voted": "0,1,2", "zookeeper-secret": "secret:s"},
				Statuses: statusList(juju.Active, "ZooKeeper follower, 3 voters"),
			},
		},
		{
			name: "a newcomer before it is a member",
			change: func(s *Snapshot) {
				s.Ordinal, s.Planned = 3, []int{0, 1, 2, 3}
				s.State.Dynamic, s.State.Version = firstDynamicPath, false
			},
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "follower\n",
				Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": isWell}, Statuses: []juju.Status{waitingToJoin},
			},
		},
		{
			name:   "a dying unit leaves its server alone and takes it out",
			change: func(s *Snapshot) { s.Ordinal, s.Planned, s.Dying = 2, []int{0, 1}, true },
			want:   outline{Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": isWell}, Steps: []string{stepChange}},
		},
		{
			name:   "a dying voter without a quorum holds on",
			change: func(s *Snapshot) { s.Ordinal, s.Planned, s.Dying, s.Teardown, s.Mode = 2, []int{0, 1}, true, true, "" },
			want:   outline{Unit: ops.Bag{"zookeeper-state": starting}, Steps: []string{stepHold}},
		},
		{
			name: "a dying voter that could not leave holds on",
			change: func(s *Snapshot) {
				s.Ordinal, s.Planned, s.Dying, s.Teardown, s.Failure = 2, []int{0, 1}, true, true, "change ZooKeeper's members"
			},
			want: outline{Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": isWell}, Steps: []string{stepHold}},
		},
		{
			name: "a dying unit that is out may go",
			change: func(s *Snapshot) {
				s.Ordinal, s.Planned, s.Dying, s.Known = 2, []int{0, 1}, true, pulsarConfig([]int{0}, []int{1})
			},
			want: outline{Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": isWell}},
		},
		{
			name: "a dying voter starts its server, which may be needed to be taken out",
			change: func(s *Snapshot) {
				s.Ordinal, s.Planned, s.Dying, s.Storage, s.Mode, s.Members = 2, []int{0}, true, false, "", nil
				s.State.Running, s.State.Hash = false, ""
			},
			want: outline{
				Services: both, Files: []string{staticPath, myIDPath, watchScript}, Seen: "down\n", Unit: ops.Bag{"zookeeper-state": starting},
			},
		},
		{
			name: "a dying voter holds on while its container is away",
			change: func(s *Snapshot) {
				s.Ordinal, s.Planned, s.Dying, s.Teardown, s.Mode, s.State = 2, []int{0}, true, true, "", containerState{}
			},
			want: outline{Unit: ops.Bag{"zookeeper-state": starting}, Steps: []string{stepHold}},
		},
		{
			name: "a dying voter that was never in an ensemble goes",
			change: func(s *Snapshot) {
				s.Ordinal, s.Planned, s.Dying, s.Teardown, s.Mode, s.State = 2, []int{0}, true, true, "", containerState{Up: true}
			},
			want: outline{Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}},
		},
		{
			name:   "the whole application goes",
			change: func(s *Snapshot) { s.Leader, s.Planned, s.Dying = true, nil, true },
			want: outline{
				Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": isWell}, App: ops.Bag{"zookeeper-voters": "0,1,2", "zookeeper-voted": "0,1,2", "zookeeper-secret": "secret:s"},
			},
		},
		{
			name: "garbage in the peer databag stays, and starts nothing",
			change: func(s *Snapshot) {
				s.Leader, s.Peers = true, related(errors.New(`cannot read databag key "zookeeper-voters": x`), cluster{})
				s.Known = zk.Config{}
				s.State, s.Mode = containerState{Up: true}, ""
			},
			want: outline{
				Unit:     ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting},
				Statuses: statusList(juju.Blocked, `peer databag: cannot read databag key "zookeeper-voters": x; remove the wrong key or restore it from backup`),
			},
		},
		{
			name: "garbage in the peer databag is mended by who knows better",
			change: func(s *Snapshot) {
				s.Leader, s.Peers, s.Offers = true, related(errors.New(`cannot read databag key "zookeeper-voters": x`), cluster{Secret: "secret:s"}), nil
			},
			want: outline{ // the container waits for what is committed
				Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": isWell}, App: ops.Bag{"zookeeper-voters": "0,1,2", "zookeeper-voted": "0,1,2", "zookeeper-secret": "secret:s"},
				Statuses: statusList(juju.Active, "ZooKeeper follower, 3 voters"),
			},
		},
		{
			name: "four units",
			change: func(s *Snapshot) {
				s.Planned, s.Known = []int{0, 1, 2, 3}, pulsarConfig([]int{0, 1, 2}, []int{3})
			},
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "follower\n",
				Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": isWell}, Statuses: statusList(juju.Active, "ZooKeeper follower, 3 voters + 1 observer"),
			},
		},
		{
			name: "one unit",
			change: func(s *Snapshot) {
				s.Ordinal, s.Planned, s.Known, s.Mode = 0, []int{0}, pulsarConfig([]int{0}, nil), "leader"
				s.Peers.Decision.Held.Voters, s.Peers.Decision.Committed.Voters = []string{"0"}, []string{"0"}
				desired := layer(*s, s.Known)
				s.State.Hash = pebble.Hash(desired, service)
			},
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "leader\n",
				Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": isWell}, Statuses: statusList(juju.Active, "ZooKeeper leader, 1 voter, not redundant"),
			},
		},
	})
}

func TestHooksOfTheEnd(t *testing.T) {
	t.Parallel()
	for kind, want := range map[juju.HookKind]bool{
		juju.StorageDetaching: true, juju.RelationDeparted: true, juju.RelationBroken: true, juju.Remove: true,
		// Others are run again at once, or by a unit that stays.
		juju.Stop: false, juju.UpdateStatus: false, juju.PebbleCustomNotice: false,
	} {
		if got := ofTheEnd(kind); got != want {
			t.Errorf("hook %v holds a dying voter: %v, want %v", kind, got, want)
		}
	}
}
