package bookie

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
	"github.com/pulsar-charms/pulsar-charms/metadata"
)

const firstID = "bookie-0.bookie-endpoints.test.svc.cluster.local:3181"

func load(t *testing.T) *opstest.Charm {
	t.Helper()
	files, err := metadata.Files("bookie")
	if err != nil {
		t.Fatal(err)
	}
	return opstest.Load(t, files)
}

// world is what is around the charm besides Juju and Pebble.
type world struct {
	health     Health
	cookie     string
	instanceID string
	unreached  error // of ZooKeeper
}

func (w *world) charm() *Charm {
	return &Charm{
		Look: func(context.Context, string) Health { return w.health },
		Registry: func(context.Context, []string, string) (string, string, error) {
			return w.cookie, w.instanceID, w.unreached
		},
	}
}

func offered() []opstest.Relation {
	return []opstest.Relation{{Endpoint: "zookeeper", App: "pulsar", RemoteApp: ops.Bag{
		"endpoints":            "pulsar-0.pulsar-endpoints.test.svc.cluster.local:2181",
		"metadata-service-uri": "zk+hierarchical://pulsar-0.pulsar-endpoints.test.svc.cluster.local:2181/ledgers",
		"metadata-initialised": "true",
		"cluster-name":         "pulsar",
		"key-of-a-newer-charm": "x",
		"session-timeout":      "10000",
	}}}
}

func TestStart(t *testing.T) {
	t.Parallel()
	juju := load(t)
	state := opstest.State{
		Leader: true, Config: map[string]any{"profile": "testing"}, Relations: offered(),
		Containers: map[string]opstest.Container{"bookie": {}},
	}
	w := &world{}
	result := juju.Run(t, w.charm(), state, opstest.PebbleReady("bookie"))
	if diff := cmp.Diff(statusStarting(), result.State.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	want := ops.Bag{"bookie-id": firstID, "state": "starting", "fqdn": "bookie-0.bookie-endpoints.test.svc.cluster.local"}
	if diff := cmp.Diff(want, result.State.Relation("zookeeper").LocalUnit); diff != "" {
		t.Errorf("databag (-want +got):\n%s", diff)
	}
	for _, name := range []string{"bookie", "bookie-watch"} {
		if result.State.Containers["bookie"].Services[name].Current != "active" {
			t.Errorf("service %s does not run", name)
		}
	}

	// It joins; the watch wakes the charm; after that nothing is written.
	w.health = Health{Ready: true, Listed: true, Registered: "rw"}
	state = noticed(result.State)
	result = juju.Twice(t, w.charm(), state, opstest.CustomNotice("bookie", noticeOfWatch))
	if result.State.Status != statusServing() || result.State.Relation("zookeeper").LocalUnit["state"] != "serving" {
		t.Errorf("serving: got status %v, databag %v", result.State.Status, result.State.Relation("zookeeper").LocalUnit)
	}
	state = result.State
	process := state.Containers["bookie"].Services["bookie"]

	// A wrong option leaves it as it is, also a key that the charm owns.
	for option, want := range map[string]string{
		"profile":      `option profile: "huge" is not one of production, staging, testing`,
		"extra-config": "option extra-config: key bookiePort is managed by the charm",
	} {
		value := map[string]string{"profile": "huge", "extra-config": "bookiePort=1"}[option]
		state.Config = map[string]any{"profile": "testing", option: value}
		result = juju.Twice(t, w.charm(), state, opstest.ConfigChanged())
		if diff := cmp.Diff(ops.Blocked(want), result.State.Status); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(process, result.State.Containers["bookie"].Services["bookie"]); diff != "" {
			t.Errorf("option %s did something to the bookie (-before +after):\n%s", option, diff)
		}
	}

	// A new container of the same unit starts as before, wrong option or not.
	plan := result.State.Containers["bookie"].Layers
	state.Containers = map[string]opstest.Container{"bookie": {}}
	result = juju.Run(t, w.charm(), state, opstest.PebbleReady("bookie"))
	if result.State.Containers["bookie"].Services["bookie"].Current != "active" {
		t.Error("a wrong option kept a new container from starting")
	}
	if diff := cmp.Diff(plan, result.State.Containers["bookie"].Layers); diff != "" {
		t.Errorf("plan of the new container (-old +new):\n%s", diff)
	}
}

const noticeOfWatch = "pulsar-charms.local/bookie"

// noticed is the state after the watch has spoken up.
func noticed(state opstest.State) opstest.State {
	container := state.Containers["bookie"]
	container.Notices = []pebble.Notice{{Key: noticeOfWatch}}
	state.Containers = map[string]opstest.Container{"bookie": container}
	return state
}

func TestVolumeOfAnotherIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	juju := load(t)
	// The test keeps this container, to let its processes end.
	fake := pebbletest.NewFake(pebbletest.Options{Mounts: []string{journalDir, ledgersDir}})
	state := opstest.State{
		Leader: true, Config: map[string]any{"profile": "testing"}, Relations: offered(),
		Containers: map[string]opstest.Container{"bookie": {Pebble: fake}},
	}
	w := &world{cookie: `bookieHost: "` + firstID + `"`, instanceID: "one"}
	juju.Run(t, w.charm(), state, opstest.PebbleReady("bookie"))
	if err := fake.Exit("bookie", 1); err != nil {
		t.Fatal(err)
	}
	// ZooKeeper knows no cookie: it is not the volumes.
	known := w.cookie
	w.cookie = ""
	result := juju.Run(t, w.charm(), state, opstest.UpdateStatus())
	if result.State.Status != statusEnded("bookie/0") {
		t.Errorf("with ZooKeeper: got %v", result.State.Status)
	}
	w.cookie = known
	// ZooKeeper is away: no verdict.
	w.unreached = errors.New("no quorum")
	result = juju.Run(t, w.charm(), state, opstest.UpdateStatus())
	if result.State.Status != statusDown("pulsar") {
		t.Errorf("without ZooKeeper: got %v", result.State.Status)
	}
	w.unreached = nil
	result = juju.Run(t, w.charm(), state, opstest.UpdateStatus())
	want := ops.Blocked("journal volume is empty but ZooKeeper has a cookie for " + firstID + ": bring the volume back")
	if diff := cmp.Diff(want, result.State.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if names := fake.EndBackoff(); len(names) > 0 {
		t.Errorf("Pebble still tries to start %v", names)
	}
	// The human has mended it.
	w.cookie = ""
	result = juju.Run(t, w.charm(), state, opstest.UpdateStatus())
	if _, ok := fake.Process("bookie"); !ok || result.State.Status != statusStarting() {
		t.Errorf("mended: got status %v, running %v", result.State.Status, ok)
	}
}

func TestGarbageInTheDatabag(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ key, value, want string }{
		{"metadata-initialised", "yes", `pulsar offers a ZooKeeper that cannot be used: cannot read databag key "metadata-initialised": "yes" is neither true nor false`},
		{"endpoints", "a b", `pulsar offers a ZooKeeper that cannot be used: endpoints: "a b" is not <host>:<port>`},
		{"session-timeout", "-1", `pulsar offers a ZooKeeper that cannot be used: session-timeout: -1 is neither 0 nor from 100 to 3600000 milliseconds`},
	} {
		t.Run(test.key, func(t *testing.T) {
			t.Parallel()
			state := opstest.State{Relations: offered(), Containers: map[string]opstest.Container{"bookie": {}}}
			state.Relations[0].RemoteApp[test.key] = test.value
			w := &world{}
			result := load(t).Twice(t, w.charm(), state, opstest.RelationAppChanged("zookeeper"))
			if diff := cmp.Diff(ops.Blocked(test.want), result.State.Status); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			if services := result.State.Containers["bookie"].Services; len(services) > 0 {
				t.Errorf("started on garbage: %v", services)
			}
		})
	}
}

// Hooks come before the container, and while it is away.
func TestNoContainer(t *testing.T) {
	t.Parallel()
	w := &world{}
	for _, event := range []opstest.Event{opstest.ConfigChanged(), opstest.UpdateStatus(), opstest.RelationAppChanged("zookeeper")} {
		result := load(t).Twice(t, w.charm(), opstest.State{Relations: offered(), Leader: true}, event)
		if result.State.Status != statusNoContainer() {
			t.Errorf("%s: got status %v", event, result.State.Status)
		}
	}
}

// The unit's own end touches nothing: the data are still needed by others.
func TestLeaving(t *testing.T) {
	t.Parallel()
	juju := load(t)
	w := &world{health: Health{Ready: true, Listed: true, Registered: "rw"}}
	state := opstest.State{
		Leader: true, Relations: offered(), Containers: map[string]opstest.Container{"bookie": {}},
		Storages: []opstest.Storage{{Name: "journal", Index: 0}, {Name: "ledgers", Index: 1}},
	}
	state = juju.Run(t, w.charm(), state, opstest.PebbleReady("bookie")).State
	before := state.Containers["bookie"].Services
	same := func(result opstest.Result) {
		t.Helper()
		if diff := cmp.Diff(before, result.State.Containers["bookie"].Services); diff != "" {
			t.Errorf("services (-before +after):\n%s", diff)
		}
	}
	// Its pod goes; its relation goes.
	same(juju.Run(t, w.charm(), state, opstest.Stop()))
	result := juju.Run(t, w.charm(), state, opstest.RelationBroken("zookeeper"))
	if same(result); result.State.Status != statusNoRelation("bookie") {
		t.Errorf("relation gone: status %v", result.State.Status)
	}
	// The unit itself goes.
	state.Dying = true
	for _, result := range juju.Chain(
		t, w.charm(), state, opstest.StorageDetaching("journal/0"), opstest.StorageDetaching("ledgers/1"),
		opstest.RelationBroken("zookeeper"), opstest.Stop(), opstest.Remove(),
	) {
		same(result)
	}
}

// The leader restarts in its turn, when that is committed, and says whose turn
// it is next.
func TestRolling(t *testing.T) {
	t.Parallel()
	juju := load(t)
	w := &world{health: Health{Ready: true, Listed: true, Registered: "rw"}}
	peers := opstest.Relation{Endpoint: "cluster", RemoteUnits: map[int]ops.Bag{1: {"restart": `{"healthy":true}`}}}
	state := opstest.State{
		Leader: true, Config: map[string]any{"profile": "testing"}, Relations: append(offered(), peers),
		Containers: map[string]opstest.Container{"bookie": {}},
	}
	state = juju.Twice(t, w.charm(), state, opstest.PebbleReady("bookie")).State
	began := state.Containers["bookie"].Services["bookie"]

	cluster := func(state opstest.State) *opstest.Relation {
		for i := range state.Relations {
			if state.Relations[i].Endpoint == "cluster" {
				return &state.Relations[i]
			}
		}
		return &opstest.Relation{}
	}
	state.Config = map[string]any{"profile": "testing", "gc-wait-time": 99}
	state = juju.Run(t, w.charm(), state, opstest.ConfigChanged()).State
	if diff := cmp.Diff(began, state.Containers["bookie"].Services["bookie"]); diff != "" {
		t.Errorf("it did something to the bookie before its turn (-before +after):\n%s", diff)
	}
	if want := ops.Active("new configuration: waiting for its turn to restart"); state.Status != want {
		t.Errorf("before its turn: status %v, want %v", state.Status, want)
	}
	if turn := cluster(state).LocalApp["restart-turn"]; !strings.HasPrefix(turn, `{"unit":"bookie/0","number":1,`) {
		t.Fatalf("the leader gave the turn %q", turn)
	}
	// Juju tells it of its own write.
	state = juju.Run(t, w.charm(), state, opstest.RelationAppChanged("cluster")).State
	if state.Status != statusServing() || state.Containers["bookie"].Services["bookie"].PID == began.PID {
		t.Errorf("in its turn: status %v, service %v", state.Status, state.Containers["bookie"].Services["bookie"])
	}
	if diff := cmp.Diff(ops.Bag{"restart": `{"healthy":true,"done":1}`}, cluster(state).LocalUnit); diff != "" {
		t.Errorf("after its turn (-want +got):\n%s", diff)
	}
	// The next one wants its own.
	cluster(state).RemoteUnits[1] = ops.Bag{"restart": `{"wants":true,"healthy":true}`}
	state = juju.Twice(t, w.charm(), state, opstest.RelationChanged("cluster", "bookie/1")).State
	if turn := cluster(state).LocalApp["restart-turn"]; !strings.HasPrefix(turn, `{"unit":"bookie/1","number":2,`) {
		t.Errorf("the leader gave the turn %q", turn)
	}
}

// A hook that died while it started the bookie leaves one that may run on
// something else than the plan says; it restarts in its turn only.
func TestStartCutShort(t *testing.T) {
	t.Parallel()
	juju := load(t)
	w := &world{health: Health{Ready: true, Listed: true, Registered: "rw"}}
	peers := opstest.Relation{Endpoint: "cluster", RemoteUnits: map[int]ops.Bag{0: {"restart": `{"healthy":true}`}}}
	state := opstest.State{
		Unit: 1, Config: map[string]any{"profile": "testing"}, Relations: append(offered(), peers),
		Containers: map[string]opstest.Container{"bookie": {}},
	}
	state = juju.Twice(t, w.charm(), state, opstest.PebbleReady("bookie")).State
	before := state.Containers["bookie"].Services["bookie"]
	const memory = "/run/pulsar-charms/charm.applied"
	if _, ok := state.Containers["bookie"].Files[memory]; !ok || before.Current != "active" {
		t.Fatalf("service %v, remembered: %v", before, ok)
	}
	delete(state.Containers["bookie"].Files, memory)
	state = juju.Run(t, w.charm(), state, opstest.UpdateStatus()).State
	if diff := cmp.Diff(before, state.Containers["bookie"].Services["bookie"]); diff != "" {
		t.Errorf("it did something to the bookie before its turn (-before +after):\n%s", diff)
	}
	if got := state.Relation("cluster").LocalUnit["restart"]; got != `{"wants":true,"healthy":true}` {
		t.Errorf("it says %s", got)
	}
}

// Whatever the other side offers, the hook succeeds, and a configuration that
// is written has the keys of a good one and no line more.
func TestAnyOffer(t *testing.T) {
	t.Parallel()
	juju := load(t)
	state := opstest.State{Config: map[string]any{"profile": "testing"}, Relations: offered(), Containers: map[string]opstest.Container{"bookie": {}}}
	conf := func(result opstest.Result) javaprops.Properties {
		return javaprops.Parse([]byte(result.State.Containers["bookie"].Files[configPath].Content))
	}
	want := slices.Sorted(maps.Keys(conf(juju.Run(t, (&world{}).charm(), state, opstest.PebbleReady("bookie")))))
	if len(want) == 0 {
		t.Fatal("a good offer gives no configuration")
	}
	rapid.Check(t, func(t *rapid.T) {
		state := state
		state.Relations = offered()
		bag := state.Relations[0].RemoteApp
		for key := range offered()[0].RemoteApp {
			good := bag[key]
			nasty := rapid.SampledFrom([]string{"\nx=y", "\\", "\x00", "\u2028", " ", ",", ";", "-1", "${HOME}", "é", "=", strings.Repeat("x", 5000)}).Draw(t, "nasty")
			switch rapid.IntRange(0, 12).Draw(t, key) {
			case 0:
				bag[key] = nasty
			case 1:
				bag[key] = good + nasty
			case 2:
				bag[key] = nasty + good
			case 3:
				delete(bag, key)
			case 4:
				bag[key] = good + "," + good
			}
		}
		result, err := juju.Try(context.Background(), (&world{}).charm(), state, opstest.PebbleReady("bookie"))
		if err != nil || result.Err != nil {
			t.Fatal(err, result.Err)
		}
		if got := slices.Sorted(maps.Keys(conf(result))); len(got) > 0 && !slices.Equal(got, want) {
			t.Fatalf("bookkeeper.conf has keys %v, not %v", got, want)
		}
		if message := result.State.Status.Message; len(message) > 400 || strings.ContainsAny(message, "\n\x00") {
			t.Fatalf("status %q", message)
		}
	})
}
