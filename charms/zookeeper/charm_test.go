package zookeeper

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// alone is what a charm of this half alone declares.
var alone = map[string][]byte{
	"metadata.yaml": []byte(`
name: zookeeper
summary: ZooKeeper for tests.
description: ZooKeeper for tests.
containers:
  zookeeper:
    resource: image
    mounts: [{storage: zookeeper, location: /pulsar/data/zookeeper}]
resources:
  image: {type: oci-image}
storage:
  zookeeper: {type: filesystem}
provides:
  zookeeper: {interface: zookeeper}
peers:
  cluster: {interface: zookeeper_cluster}
`),
	"config.yaml": []byte(`
options:
  profile: {type: string, default: testing, description: Sizes.}
  log-level: {type: string, default: info, description: Log.}
  zookeeper-heap-size: {type: string, default: auto, description: Heap.}
  zookeeper-session-timeout: {type: int, default: 0, description: Session.}
  tick-time: {type: int, default: 2000, description: Tick.}
  voters-max: {type: int, default: 5, description: Voters.}
  zookeeper-extra-config: {type: string, default: "", description: More.}
`),
	"actions.yaml": []byte("get-quorum: {description: Members.}\n"),
}

// single is a ZooKeeper of one server, which serves or not.
type single struct{ serves bool }

func (s *single) Server(context.Context, string) (zk.Server, error) {
	if !s.serves {
		return zk.Server{}, errors.New("no quorum")
	}
	return zk.Server{Mode: "leader"}, nil
}

func (s *single) Config(context.Context, []string) (zk.Config, error) {
	return zk.Config{}, errors.New("not asked")
}

func (s *single) Reconfigure(context.Context, []string, string, func(zk.Config) zk.Change) (zk.Config, error) {
	return zk.Config{}, errors.New("not asked")
}

// This half is a charm by itself: it starts, serves, offers itself, keeps a
// wrong option out, and tells nobody its password.
func TestCharmAlone(t *testing.T) {
	t.Parallel()
	juju := opstest.Load(t, alone)
	server := &single{}
	charm := &Charm{Ensemble: server}
	state := opstest.State{
		Leader: true, Containers: map[string]opstest.Container{"zookeeper": {}},
		Relations: []opstest.Relation{{Endpoint: "zookeeper", App: "client"}},
	}
	state = juju.Run(t, charm, state, opstest.ConfigChanged()).State
	state = juju.Run(t, charm, state, opstest.PebbleReady("zookeeper")).State
	if state.Containers["zookeeper"].Services["zookeeper"].Current != "active" || state.Status != startingServer {
		t.Fatalf("status %v, services %v", state.Status, state.Containers["zookeeper"].Services)
	}

	server.serves = true
	state = juju.Twice(t, charm, state, opstest.UpdateStatus()).State
	if want := ops.Active("ZooKeeper leader, 1 voter, not redundant"); state.Status != want {
		t.Errorf("status %v, want %v", state.Status, want)
	}
	for _, relation := range state.Relations {
		if endpoints := relation.LocalApp["endpoints"]; relation.Endpoint == "zookeeper" && endpoints != "zookeeper-0.zookeeper-endpoints.test.svc.cluster.local:2181" {
			t.Errorf("it offers %q", endpoints)
		}
		for _, secret := range state.Secrets {
			for _, content := range secret.Revisions {
				for key, value := range relation.LocalApp {
					if strings.Contains(value, content[secretKey]) {
						t.Errorf("the password is in databag key %s", key)
					}
				}
			}
		}
	}
	if diff := cmp.Diff([]string{"2181/tcp"}, state.Ports); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}

	before := state.Containers["zookeeper"].Services["zookeeper"]
	state.Config = map[string]any{"tick-time": 1}
	state = juju.Twice(t, charm, state, opstest.ConfigChanged()).State
	if want := ops.Blocked("option tick-time: 1 is not from 100 to 10000"); state.Status != want {
		t.Errorf("status %v, want %v", state.Status, want)
	}
	if diff := cmp.Diff(before, state.Containers["zookeeper"].Services["zookeeper"]); diff != "" {
		t.Errorf("a wrong option did something to ZooKeeper (-before +after):\n%s", diff)
	}
}

// A leader that knows the members better than a databag full of garbage mends
// it, and goes on with the password that there is.
func TestGarbageInThePeerDatabag(t *testing.T) {
	t.Parallel()
	juju := opstest.Load(t, alone)
	charm := &Charm{Ensemble: &single{serves: true}}
	state := opstest.State{Leader: true, Containers: map[string]opstest.Container{"zookeeper": {}}}
	state = juju.Run(t, charm, state, opstest.ConfigChanged()).State
	state = juju.Run(t, charm, state, opstest.PebbleReady("zookeeper")).State
	becomeQuorum(state)

	state = juju.Twice(t, charm, state, opstest.UpdateStatus()).State
	good, process := state.Relations[0].LocalApp, state.Containers["zookeeper"].Services["zookeeper"]
	if good["zookeeper-voters"] != "0" || good["zookeeper-secret"] == "" {
		t.Fatalf("the leader has decided %v", good)
	}
	state.Relations[0].LocalApp = ops.Bag{"zookeeper-voters": "x", "zookeeper-turn": "[", "zookeeper-secret": good["zookeeper-secret"]}
	state = juju.Run(t, charm, state, opstest.UpdateStatus()).State
	state = juju.Twice(t, charm, state, opstest.UpdateStatus()).State
	if diff := cmp.Diff(good, state.Relations[0].LocalApp); diff != "" {
		t.Errorf("databag (-before +mended):\n%s", diff)
	}
	if diff := cmp.Diff(process, state.Containers["zookeeper"].Services["zookeeper"]); diff != "" {
		t.Errorf("ZooKeeper was touched (-before +after):\n%s", diff)
	}
}

// becomeQuorum lets ZooKeeper write its membership anew, as it does then.
func becomeQuorum(state opstest.State) {
	files := state.Containers["zookeeper"].Files
	written := firstDynamicPath + ".100000000"
	files[written] = files[firstDynamicPath]
	delete(files, firstDynamicPath)
	settings := files[staticPath]
	settings.Content = strings.ReplaceAll(settings.Content, firstDynamicPath, written)
	files[staticPath] = settings
}

// three is the ensemble of three servers, which all serve, until one leaves it.
type three struct {
	single
	password string
	after    zk.Config
}

func (e *three) Reconfigure(_ context.Context, _ []string, password string, decide func(zk.Config) zk.Change) (zk.Config, error) {
	host := Snapshot{App: "zookeeper", Suffix: "zookeeper-endpoints.test.svc.cluster.local"}.host
	now := cluster{Voters: []string{"0", "1", "2"}}.config(host)
	e.password, e.after = password, decide(now).Apply(now)
	return e.after, nil
}

// The leader goes, and the agent was started anew, so that Juju broke the peer
// relation first: nobody else can take its server out as long as it leads.
func TestDyingLeaderWithoutPeers(t *testing.T) {
	t.Parallel()
	juju := opstest.Load(t, alone)
	ensemble := &three{single: single{serves: true}}
	charm := &Charm{Ensemble: ensemble}
	other := ops.Bag{"zookeeper-state": serving, "zookeeper-restart": `{"healthy":true}`}
	state := opstest.State{
		Leader: true, Unit: 2, Units: 3, Containers: map[string]opstest.Container{"zookeeper": {}},
		Relations: []opstest.Relation{{Endpoint: "cluster", RemoteUnits: map[int]ops.Bag{0: other, 1: other}}},
	}
	state = juju.Run(t, charm, state, opstest.ConfigChanged()).State
	state = juju.Run(t, charm, state, opstest.PebbleReady("zookeeper")).State
	becomeQuorum(state)
	state = juju.Run(t, charm, state, opstest.UpdateStatus()).State
	if bag := state.Relation("cluster").LocalApp; bag["zookeeper-voters"] != "0,1,2" || bag["zookeeper-voted"] != "0,1,2" {
		t.Fatalf("the leader has decided %v", bag)
	}

	state.Dying, state.Units = true, 1
	state.Leaving = []int{1}
	state.Relations[0].RemoteUnits = nil
	juju.Run(t, charm, state, opstest.RelationBroken("cluster").AfterRestart())
	want := ""
	for _, secret := range state.Secrets {
		for _, content := range secret.Revisions {
			want = content[secretKey]
		}
	}
	if ensemble.password != want || want == "" {
		t.Errorf("the change was tried with another password than the secret's")
	}
	if got := ordinals(ensemble.after.Voters()); !slices.Equal(got, []int{0}) {
		t.Errorf("ZooKeeper's voters are %v, want 0", got)
	}
}

// A hook that died while it started the server leaves one that may run on
// something else than the plan says. It is restarted, but in its turn: the
// others may restart theirs just now.
func TestRestartOfAStartCutShort(t *testing.T) {
	t.Parallel()
	juju := opstest.Load(t, alone)
	charm := &Charm{Ensemble: &single{serves: true}}
	other := ops.Bag{"zookeeper-state": serving, "zookeeper-restart": `{"healthy":true}`}
	state := opstest.State{
		Leader: true, Containers: map[string]opstest.Container{"zookeeper": {}},
		Relations: []opstest.Relation{{Endpoint: "cluster", RemoteUnits: map[int]ops.Bag{1: other, 2: other}}},
	}
	state = juju.Run(t, charm, state, opstest.ConfigChanged()).State
	state = juju.Run(t, charm, state, opstest.PebbleReady("zookeeper")).State
	state = juju.Twice(t, charm, state, opstest.UpdateStatus()).State
	before := state.Containers["zookeeper"].Services["zookeeper"]
	const memory = "/run/pulsar-charms/zookeeper.applied"
	if _, ok := state.Containers["zookeeper"].Files[memory]; !ok || before.Current != "active" {
		t.Fatalf("service %v, remembered: %v", before, ok)
	}
	delete(state.Containers["zookeeper"].Files, memory)

	state = juju.Run(t, charm, state, opstest.UpdateStatus()).State
	if diff := cmp.Diff(before, state.Containers["zookeeper"].Services["zookeeper"]); diff != "" {
		t.Errorf("it did something to ZooKeeper before its turn (-before +after):\n%s", diff)
	}
	bags := state.Relation("cluster")
	if got := bags.LocalUnit["zookeeper-restart"]; got != `{"wants":true,"healthy":true}` {
		t.Errorf("before its turn it says %s", got)
	}
	if got := bags.LocalApp["zookeeper-turn"]; !strings.HasPrefix(got, `{"unit":"zookeeper/0","number":1,`) {
		t.Fatalf("the leader gave the turn %s", got)
	}
	state = juju.Twice(t, charm, state, opstest.RelationAppChanged("cluster")).State
	if after := state.Containers["zookeeper"].Services["zookeeper"]; after.PID == before.PID || after.Current != "active" {
		t.Errorf("in its turn: service %v", after)
	}
	if got := state.Relation("cluster").LocalUnit["zookeeper-restart"]; got != `{"healthy":true,"done":1}` {
		t.Errorf("after its turn it says %s", got)
	}
}
