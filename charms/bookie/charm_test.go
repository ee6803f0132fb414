package bookie

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
	"github.com/pulsar-charms/pulsar-charms/metadata"
)

const firstID = "bookie-0.bookie-endpoints.test.svc.cluster.local:3181"

func files(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := metadata.Files("bookie")
	if err != nil {
		t.Fatal(err)
	}
	return files
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
	fake := pebbletest.NewFake(pebbletest.Options{})
	state := opstest.State{
		Leader: true, Config: map[string]string{"profile": "testing"}, Relations: offered(),
		Containers: map[string]*pebbletest.Fake{"bookie": fake},
	}
	w := &world{}
	result := opstest.Run(t, w.charm(), files(t), state, opstest.Hook("bookie-pebble-ready"))
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	if diff := cmp.Diff(statusStarting(), result.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	want := ops.Bag{"bookie-id": firstID, "state": "starting", "fqdn": "bookie-0.bookie-endpoints.test.svc.cluster.local"}
	if diff := cmp.Diff(want, result.UnitData["zookeeper"]); diff != "" {
		t.Errorf("databag (-want +got):\n%s", diff)
	}
	for _, name := range []string{"bookie", "bookie-watch"} {
		if _, ok := fake.Process(name); !ok {
			t.Errorf("service %s does not run", name)
		}
	}

	// It joins; the watch wakes the charm; after that nothing is written.
	w.health = Health{Ready: true, Listed: true, Registered: "rw"}
	result = opstest.Run(t, w.charm(), files(t), state, opstest.Hook("bookie-pebble-custom-notice"))
	if result.Status != statusServing() || result.UnitData["zookeeper"]["state"] != "serving" {
		t.Errorf("serving: got status %v, databag %v", result.Status, result.UnitData)
	}
	process, _ := fake.Process("bookie")
	state.Relations[0].LocalUnit = result.UnitData["zookeeper"]
	state.Relations = append(state.Relations, opstest.Relation{Endpoint: "cluster", LocalUnit: result.UnitData["cluster"], RemoteApp: result.AppData["cluster"]})
	state.Stored = result.Stored
	fake.ResetCalls()
	result = opstest.Run(t, w.charm(), files(t), state, opstest.Hook("config-changed"))
	if writes := fake.Writes(); len(writes) > 0 {
		t.Errorf("a second run wrote to the container: %v", writes)
	}
	if len(result.Writes) != 1 || result.Err != nil { // the status, which the state above does not hold
		t.Errorf("a second run wrote: %v, error %v", result.Writes, result.Err)
	}

	// A wrong option leaves it as it is, also a key that the charm owns.
	for option, want := range map[string]string{
		"profile":      `option profile: "huge" is not one of production, staging, testing`,
		"extra-config": "option extra-config: key bookiePort is managed by the charm",
	} {
		value := map[string]string{"profile": "huge", "extra-config": "bookiePort=1"}[option]
		state.Config = map[string]string{"profile": "testing", option: value}
		result = opstest.Run(t, w.charm(), files(t), state, opstest.Hook("config-changed"))
		if diff := cmp.Diff(ops.Blocked(want), result.Status); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
		if now, _ := fake.Process("bookie"); now.PID != process.PID {
			t.Errorf("option %s restarted the bookie", option)
		}
	}

	// A new container of the same unit starts as before, wrong option or not.
	fake.Kill()
	fake.Boot()
	opstest.Run(t, w.charm(), files(t), state, opstest.Hook("bookie-pebble-ready"))
	if now, ok := fake.Process("bookie"); !ok {
		t.Error("a wrong option kept a new container from starting")
	} else if diff := cmp.Diff(process.Config, now.Config); diff != "" {
		t.Errorf("service of the new container (-old +new):\n%s", diff)
	}
}

func TestVolumeOfAnotherIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	fake := pebbletest.NewFake(pebbletest.Options{Mounts: []string{journalDir, ledgersDir}})
	state := opstest.State{
		Leader: true, Config: map[string]string{"profile": "testing"}, Relations: offered(),
		Containers: map[string]*pebbletest.Fake{"bookie": fake},
	}
	w := &world{cookie: `bookieHost: "` + firstID + `"`, instanceID: "one"}
	opstest.Run(t, w.charm(), files(t), state, opstest.Hook("bookie-pebble-ready"))
	if err := fake.Exit("bookie", 1); err != nil {
		t.Fatal(err)
	}
	// ZooKeeper is away: no verdict.
	w.unreached = errors.New("no quorum")
	result := opstest.Run(t, w.charm(), files(t), state, opstest.Hook("update-status"))
	if result.Status != statusDown("pulsar") {
		t.Errorf("without ZooKeeper: got %v", result.Status)
	}
	w.unreached = nil
	result = opstest.Run(t, w.charm(), files(t), state, opstest.Hook("update-status"))
	want := ops.Blocked("journal volume is empty but ZooKeeper has a cookie for " + firstID + ": bring the volume back")
	if diff := cmp.Diff(want, result.Status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if names := fake.EndBackoff(); len(names) > 0 {
		t.Errorf("Pebble still tries to start %v", names)
	}
	// The human has mended it.
	w.cookie = ""
	result = opstest.Run(t, w.charm(), files(t), state, opstest.Hook("update-status"))
	if _, ok := fake.Process("bookie"); !ok || result.Status != statusStarting() {
		t.Errorf("mended: got status %v, running %v", result.Status, ok)
	}
}

func TestGarbageInTheDatabag(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ key, value, want string }{
		{"metadata-initialised", "yes", `pulsar offers a ZooKeeper that cannot be used: cannot read databag key "metadata-initialised": "yes" is neither true nor false`},
		{"endpoints", "a b", `pulsar offers a ZooKeeper that cannot be used: endpoints: "a b" is not <host>:<port>`},
		{"session-timeout", "-1", `pulsar offers a ZooKeeper that cannot be used: session-timeout: -1 is less than 0`},
	} {
		t.Run(test.key, func(t *testing.T) {
			t.Parallel()
			fake := pebbletest.NewFake(pebbletest.Options{})
			state := opstest.State{Relations: offered(), Containers: map[string]*pebbletest.Fake{"bookie": fake}}
			state.Relations[0].RemoteApp[test.key] = test.value
			w := &world{}
			result := opstest.Run(t, w.charm(), files(t), state, opstest.RelationHook("zookeeper-relation-changed", ""))
			if diff := cmp.Diff(ops.Blocked(test.want), result.Status); diff != "" || result.Err != nil {
				t.Errorf("status (-want +got), error %v:\n%s", result.Err, diff)
			}
			if _, ok := fake.Process("bookie"); ok {
				t.Error("a bookie was started on garbage")
			}
		})
	}
}

// Hooks come before the container, and while it is away.
func TestNoContainer(t *testing.T) {
	t.Parallel()
	w := &world{}
	for _, event := range []opstest.Event{opstest.Hook("config-changed"), opstest.Hook("update-status"), opstest.RelationHook("zookeeper-relation-changed", "")} {
		result := opstest.Run(t, w.charm(), files(t), opstest.State{Relations: offered(), Leader: true}, event)
		if result.Err != nil || result.Status != statusNoContainer() {
			t.Errorf("got status %v, error %v", result.Status, result.Err)
		}
	}
}

// The unit's own end touches nothing: the data are still needed by others.
func TestLeaving(t *testing.T) {
	t.Parallel()
	fake := pebbletest.NewFake(pebbletest.Options{})
	w := &world{health: Health{Ready: true, Listed: true, Registered: "rw"}}
	state := opstest.State{Leader: true, Relations: offered(), Containers: map[string]*pebbletest.Fake{"bookie": fake}}
	opstest.Run(t, w.charm(), files(t), state, opstest.Hook("bookie-pebble-ready"))
	for _, hook := range []string{"journal-storage-detaching", "stop"} {
		result := opstest.Run(t, w.charm(), files(t), state, opstest.Hook(hook))
		if result.Err != nil {
			t.Errorf("%s: %v", hook, result.Err)
		}
		if _, ok := fake.Process("bookie"); !ok {
			t.Fatalf("%s stopped the bookie", hook)
		}
	}
	result := opstest.Run(t, w.charm(), files(t), state, opstest.RelationHook("zookeeper-relation-broken", ""))
	if _, ok := fake.Process("bookie"); !ok || result.Status != statusNoRelation("bookie") {
		t.Errorf("relation gone: status %v, running %v", result.Status, ok)
	}
}
