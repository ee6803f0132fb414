package pulsar

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

var errAway = errors.New("no session")

// away is a ZooKeeper and a broker that nobody reaches.
type away struct{}

func (away) Server(context.Context, string) (zk.Server, error)        { return zk.Server{}, errAway }
func (away) Config(context.Context, []string) (zk.Config, error)      { return zk.Config{}, errAway }
func (away) Exist(context.Context, []string, ...string) (bool, error) { return false, errAway }

func (away) Children(context.Context, []string, string) ([]string, error) { return nil, errAway }
func (away) Health(context.Context, string) error                         { return errAway }
func (away) Reconfigure(context.Context, []string, string, func(zk.Config) zk.Change) (zk.Config, error) {
	return zk.Config{}, errAway
}

func fresh(leader bool) opstest.State {
	return opstest.State{
		Leader: leader, Units: 3, Config: map[string]any{"profile": "testing"},
		Containers: map[string]opstest.Container{"zookeeper": {}, "broker": {}},
		Relations:  []opstest.Relation{{Endpoint: "cluster", RemoteUnits: map[int]ops.Bag{1: {}, 2: {}}}},
	}
}

// started is a follower with the leader's decision, whose ZooKeeper runs.
func started(t *testing.T, juju *opstest.Charm) opstest.State {
	t.Helper()
	leader := juju.Run(t, alone(), fresh(true), opstest.ConfigChanged()).State
	state := fresh(false)
	state.Unit = 1
	state.Secrets = leader.Secrets
	state.Relations[0] = opstest.Relation{
		Endpoint: "cluster", LocalApp: leader.Relations[0].LocalApp,
		RemoteUnits: map[int]ops.Bag{0: leader.Relations[0].LocalUnit, 2: {}},
	}
	state = juju.Run(t, alone(), state, opstest.ConfigChanged()).State // its first hook names the unit's life
	return juju.Twice(t, alone(), state, opstest.RelationAppChanged("cluster")).State
}

func alone() *Charm { return &Charm{ZooKeeper: away{}, Admin: away{}} }

const related = "integrate with bookie: juju integrate bookie pulsar"

// The leader decides on the first members, once, and starts its server when
// that is committed.
func TestFirstStartOfTheLeader(t *testing.T) {
	t.Parallel()
	juju := opstest.Load(t, files(t))
	state := juju.Run(t, alone(), fresh(true), opstest.ConfigChanged()).State
	if services := state.Containers["zookeeper"].Services; len(services) > 0 {
		t.Errorf("started on a decision that nobody can read yet: %v", services)
	}
	state = juju.Twice(t, alone(), state, opstest.RelationAppChanged("cluster")).State
	decided := state.Relations[0].LocalApp
	if decided["zookeeper-voters"] != "0,1,2" || decided["cluster-name"] != "pulsar" {
		t.Errorf("decided %v", decided)
	}
	if len(state.Secrets) != 1 || decided["zookeeper-secret"] != "secret:"+state.Secrets[0].ID {
		t.Errorf("secrets %v, databag names %q", state.Secrets, decided["zookeeper-secret"])
	}
	want := map[string]opstest.Service{"zookeeper": {Current: "active", PID: 1}, "zookeeper-watch": {Current: "active", PID: 2}}
	if diff := cmp.Diff(want, state.Containers["zookeeper"].Services); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	if services := state.Containers["broker"].Services; len(services) > 0 {
		t.Errorf("a broker without bookies: %v", services)
	}
	if diff := cmp.Diff(ops.Blocked(related), state.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"2181/tcp", "6650/tcp", "8080/tcp"}, state.Ports); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
}

// The others start nothing before the leader has decided, and then do.
func TestFirstStartOfAFollower(t *testing.T) {
	t.Parallel()
	juju := opstest.Load(t, files(t))
	state := juju.Twice(t, alone(), fresh(false), opstest.ConfigChanged()).State
	if services := state.Containers["zookeeper"].Services; len(services) > 0 {
		t.Errorf("started without a decision: %v", services)
	}
	if len(state.Relations[0].LocalApp)+len(state.Secrets) > 0 {
		t.Errorf("a follower decided: %v, %v", state.Relations[0].LocalApp, state.Secrets)
	}
	if got := started(t, juju).Containers["zookeeper"].Services["zookeeper"].Current; got != "active" {
		t.Errorf("after the decision ZooKeeper is %q", got)
	}
}

// A unit may find the storage of an earlier one of its name. What that was a
// member of is over; with others of its time it would be an ensemble again.
func TestStorageOfAnEarlierUnit(t *testing.T) {
	t.Parallel()
	juju := opstest.Load(t, files(t))
	leader := juju.Run(t, alone(), fresh(true), opstest.ConfigChanged()).State
	decided := maps.Clone(leader.Relations[0].LocalApp)
	decided["zookeeper-voters"] = "0"
	state := fresh(false)
	state.Unit, state.Secrets = 1, leader.Secrets
	state.Relations[0] = opstest.Relation{Endpoint: "cluster", LocalApp: decided, RemoteUnits: map[int]ops.Bag{0: {}, 2: {}}}
	const conf, data = "/pulsar/data/zookeeper/conf/", "/pulsar/data/zookeeper/data/version-2/snapshot.1"
	var old strings.Builder
	for n := range 3 {
		fmt.Fprintf(&old, "server.%d=pulsar-%d.pulsar-endpoints.test.svc.cluster.local:2888:3888:participant;0.0.0.0:2181\n", n+1, n)
	}
	state.Containers["zookeeper"] = opstest.Container{Files: map[string]opstest.File{
		conf + "zoo.cfg":                   {Content: "charm.life=an earlier one\ndynamicConfigFile=" + conf + "zoo.cfg.dynamic.100000000\n"},
		conf + "zoo.cfg.dynamic.100000000": {Content: old.String()},
		data:                               {Content: "data"},
	}}
	state = juju.Run(t, alone(), state, opstest.ConfigChanged()).State
	state = juju.Twice(t, alone(), state, opstest.RelationAppChanged("cluster")).State
	container := state.Containers["zookeeper"]
	if container.Services["zookeeper"].Current != "active" {
		t.Errorf("services %v", container.Services)
	}
	members := container.Files[conf+"zoo.cfg.dynamic"].Content
	if !strings.Contains(members, "server.1=") || !strings.Contains(members, "server.2=") || strings.Contains(members, "server.3=") {
		t.Errorf("it starts on the members\n%s", members)
	}
	if _, left := container.Files[conf+"zoo.cfg.dynamic.100000000"]; left {
		t.Error("the membership of the earlier unit is left")
	}
	if container.Files[data].Content != "data" {
		t.Error("data of the earlier unit were touched")
	}
}

// A wrong option is named, and what runs goes on.
func TestWrongOption(t *testing.T) {
	t.Parallel()
	juju := opstest.Load(t, files(t))
	for option, test := range map[string]struct {
		value any
		want  string
	}{
		"profile":                {"huge", `option profile: "huge" is not one of production, staging, testing`},
		"voters-max":             {4, "option voters-max: 4 is not one of 1, 3, 5, 7"},
		"zookeeper-extra-config": {"clientPort=1", "option zookeeper-extra-config: key clientPort is managed by the charm"},
		"broker-extra-config":    {"clusterName=x", "option broker-extra-config: key clusterName is managed by the charm"},
	} {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			state := started(t, juju)
			before := state.Containers["zookeeper"]
			state.Config = map[string]any{"profile": "testing", option: test.value}
			state = juju.Twice(t, alone(), state, opstest.ConfigChanged()).State
			if diff := cmp.Diff(ops.Blocked(test.want), state.Status); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before.Services, state.Containers["zookeeper"].Services); diff != "" {
				t.Errorf("services (-before +after):\n%s", diff)
			}
		})
	}
}

// What a peer writes is believed only as far as it makes sense, and no hook
// fails of it.
func TestGarbageFromAPeer(t *testing.T) {
	t.Parallel()
	juju := opstest.Load(t, files(t))
	for name, test := range map[string]struct {
		app, unit ops.Bag
		event     opstest.Event
		blocked   string // "": nothing changes
	}{
		"unit's data": {nil, ops.Bag{
			"zookeeper-state": "\x00", "zookeeper-restart": "[", "zookeeper-fresh": "perhaps", "broker-state": "{", "broker-restart": "1",
		}, opstest.RelationChanged("cluster", "pulsar/0"), ""},
		"application's data": {
			ops.Bag{"zookeeper-voters": "0,one"}, nil, opstest.RelationAppChanged("cluster"),
			`peer databag: cannot read databag key "zookeeper-voters": "one" is not a unit's number; remove the wrong key or restore it from backup`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := started(t, juju)
			before, status := state.Containers["zookeeper"].Services, state.Status
			if test.unit != nil {
				state.Relations[0].RemoteUnits[0] = test.unit
			}
			if test.app != nil {
				state.Relations[0].LocalApp, status = test.app, ops.Blocked(test.blocked)
			}
			after := juju.Twice(t, alone(), state, test.event).State
			if diff := cmp.Diff(status, after.Status); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, after.Containers["zookeeper"].Services); diff != "" {
				t.Errorf("services (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(state.Relations[0].LocalApp, after.Relations[0].LocalApp); diff != "" {
				t.Errorf("application's data (-before +after):\n%s", diff)
			}
		})
	}
}

// joined has been in an ensemble: its server has written the membership.
func joined(t *testing.T, state opstest.State) opstest.State {
	t.Helper()
	const conf = "/pulsar/data/zookeeper/conf/zoo.cfg"
	zookeeper := state.Containers["zookeeper"]
	files := maps.Clone(zookeeper.Files)
	files[conf+".dynamic.100000000"] = files[conf+".dynamic"]
	static := files[conf]
	static.Content = strings.Replace(static.Content, conf+".dynamic", conf+".dynamic.100000000", 1)
	files[conf] = static
	delete(files, conf+".dynamic")
	zookeeper.Files = files
	containers := maps.Clone(state.Containers)
	containers["zookeeper"] = zookeeper
	state.Containers = containers
	return state
}

// A peer that departs and a pod that stops leave the server alone: the others
// still need its vote. Only if its unit goes, and it never was in an ensemble,
// is it stopped, lest it make one with others when it cannot leave it.
func TestNothingStopsTheServer(t *testing.T) {
	t.Parallel()
	juju := opstest.Load(t, files(t))
	fresh := started(t, juju)
	state := joined(t, fresh)
	before := state.Containers["zookeeper"].Services
	same := func(result opstest.Result) {
		t.Helper()
		if diff := cmp.Diff(before, result.State.Containers["zookeeper"].Services); diff != "" {
			t.Errorf("%s: services (-before +after):\n%s", result.Environment.Hook, diff)
		}
	}
	for _, state := range []opstest.State{fresh, state} {
		same(juju.Twice(t, alone(), state, opstest.RelationDeparted("cluster", "pulsar/2")))
		same(juju.Run(t, alone(), state, opstest.Stop()))
	}
	fresh.Dying, fresh.Units = true, 1
	fresh.Leaving, fresh.Storages = []int{2}, []opstest.Storage{{Name: "zookeeper"}}
	result := juju.Run(t, alone(), fresh, opstest.StorageDetaching("zookeeper/0"))
	if _, runs := result.State.Containers["zookeeper"].Services["zookeeper"]; runs {
		t.Error("a unit goes, and its server, which was never in an ensemble, runs on")
	}
}
