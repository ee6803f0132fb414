package clientdummy

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
	"github.com/pulsar-charms/pulsar-charms/metadata"
)

func load(t *testing.T) *opstest.Charm {
	t.Helper()
	files, err := metadata.Files("pulsar-client-dummy")
	if err != nil {
		t.Fatal(err)
	}
	return opstest.Load(t, files)
}

// carrying is the charm with a client of the given content.
func carrying(content string) *Charm {
	return &Charm{Client: func(string) (Binary, error) {
		return Binary{Size: int64(len(content)), File: "file-" + content, Read: func() ([]byte, error) { return []byte(content), nil }}, nil
	}}
}

func offered() []opstest.Relation {
	return []opstest.Relation{{Endpoint: "pulsar", App: "pulsar", RemoteApp: ops.Bag{
		"service-url": "pulsar://a:6650", "web-service-url": "http://a:8080", "cluster-name": "c", "ready": "true",
	}}}
}

// client plays the client's command line; its answers are by command.
type client struct {
	answers map[string]pebble.ExecResult
	calls   []string
}

func (c *client) container() *pebbletest.Fake {
	fake := pebbletest.NewFake(pebbletest.Options{Mounts: []string{journalDir}})
	fake.HandleExec(clientPath, func(_ context.Context, command pebble.Command) (pebble.ExecResult, error) {
		c.calls = append(c.calls, strings.Join(command.Args[1:], " "))
		return c.answers[command.Args[1]], nil
	})
	return fake
}

func pushes(fake *pebbletest.Fake) int {
	n := 0
	for _, call := range fake.Writes() {
		if strings.HasPrefix(call, "Push "+clientPath) && !strings.Contains(call, stampPath) {
			n++
		}
	}
	return n
}

func TestTheClientIsPushedOnce(t *testing.T) {
	t.Parallel()
	fake := (&client{}).container()
	state := opstest.State{Config: map[string]any{"mode": "both"}, Relations: offered(), Containers: map[string]opstest.Container{"client": {Pebble: fake}}}
	run := func(charm *Charm) {
		t.Helper()
		fake.ResetCalls()
		load(t).Run(t, charm, state, opstest.PebbleReady("client"))
	}
	run(carrying("one"))
	content, err := fake.Pull(t.Context(), clientPath)
	if err != nil || string(content) != "one" || pushes(fake) != 1 {
		t.Fatalf("first hook: client %q, %v, pushes %d", content, err, pushes(fake))
	}
	first, running := fake.Process("client")
	if !running {
		t.Fatal("the client does not run")
	}
	run(carrying("one"))
	if writes := fake.Writes(); len(writes) > 0 {
		t.Errorf("second hook wrote: %v", writes)
	}
	run(carrying("two"))
	second, _ := fake.Process("client")
	if pushes(fake) != 1 || second.PID == first.PID {
		t.Errorf("another client: pushes %d, process %d, before %d", pushes(fake), second.PID, first.PID)
	}
	fake.Kill()
	fake.Boot()
	run(carrying("two"))
	if _, running := fake.Process("client"); pushes(fake) != 1 || !running {
		t.Errorf("new container: pushes %d, running %v", pushes(fake), running)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	const common = " --service-url pulsar://a:6650 --web-service-url http://a:8080 --topic persistent://public/default/dummy --partitions 1" +
		" --journal /var/lib/dummy-client/journal --name pulsar-client-dummy-0"
	for _, test := range []struct {
		name    string
		action  string
		params  map[string]any
		answer  pebble.ExecResult
		related bool
		call    string
		results map[string]any
		failure string
	}{
		{
			name: "produce", action: "produce", params: map[string]any{"count": 50, "rate": 5, "timeout": 7}, related: true,
			answer:  pebble.ExecResult{Stdout: []byte(`{"produced":{"run":"r","sent":50,"acked":50,"longest-pause-ms":12,"duration-ms":1500}}`)},
			call:    "produce" + common + " --count 50 --rate 5 --size 128 --timeout 7s",
			results: map[string]any{"sent": "50", "acked": "50", "longest-pause": "12ms", "duration": "1.5s"},
		},
		{
			name: "produce in vain", action: "produce", related: true,
			answer:  pebble.ExecResult{ExitCode: 1, Stdout: []byte(`{"error":"only 7 of 1000 messages were acknowledged in time","produced":{"sent":9,"acked":7,"longest-pause-ms":0,"duration-ms":0}}`)},
			call:    "produce" + common + " --count 1000 --rate 0 --size 128 --timeout 2m0s",
			results: map[string]any{"sent": "9", "acked": "7", "longest-pause": "0s", "duration": "0s"},
			failure: "only 7 of 1000 messages were acknowledged in time",
		},
		{
			name: "consume", action: "consume", params: map[string]any{"count": 3}, related: true,
			answer:  pebble.ExecResult{Stdout: []byte(`{"consumed":{"received":3,"duplicates":1,"duration-ms":20}}`)},
			call:    "consume" + common + " --count 3 --subscription-type shared --subscription pulsar-client-dummy --timeout 2m0s",
			results: map[string]any{"received": "3", "duplicates": "1", "duration": "20ms"},
		},
		{
			name: "check", action: "check", related: true,
			answer: pebble.ExecResult{Stdout: []byte(`{"check":{"runs":1,"sent":9,"acked":8,"received":9,"lost":0,"duplicates":2,"out-of-order":1,"longest-pause-ms":14900,"foreign":3}}`)},
			call:   "check" + common + " --timeout 5m0s",
			results: map[string]any{
				"sent": "9", "acked": "8", "received": "9", "lost": "0", "duplicates": "2", "out-of-order": "1", "longest-pause": "14.9s", "foreign": "3",
			},
		},
		{
			name: "check finds a loss", action: "check", related: true,
			answer: pebble.ExecResult{ExitCode: 3, Stdout: []byte(`{"check":{"runs":1,"sent":9,"acked":9,"received":7,"lost":2,"duplicates":0,"out-of-order":0,"longest-pause-ms":0,"foreign":0,"missing":["r: 4-5"]}}`)},
			call:   "check" + common + " --timeout 5m0s",
			results: map[string]any{
				"sent": "9", "acked": "9", "received": "7", "lost": "2", "duplicates": "0", "out-of-order": "0", "longest-pause": "0s", "foreign": "0",
			},
			failure: "2 acknowledged messages are missing in the topic: r: 4-5",
		},
		{
			name: "check that came to no end reports nothing", action: "check", related: true,
			answer:  pebble.ExecResult{ExitCode: 1, Stdout: []byte(`{"error":"cannot read t to its end: no message within 10s","check":{"lost":2}}`)},
			call:    "check" + common + " --timeout 5m0s",
			failure: "cannot read t to its end: no message within 10s",
		},
		{
			name: "client crashes", action: "check", related: true,
			answer:  pebble.ExecResult{ExitCode: 2, Stderr: []byte("goroutine 1\nexit status 2\n")},
			call:    "check" + common + " --timeout 5m0s",
			failure: "client ended with code 2: exit status 2",
		},
		{name: "too few", action: "produce", params: map[string]any{"count": 0}, related: true, failure: "parameter count: 0 is less than 1"},
		{name: "too long", action: "check", params: map[string]any{"timeout": 4000}, related: true, failure: "parameter timeout: 4000 is more than 3600"},
		{name: "not related", action: "check", failure: "integrate with pulsar: juju integrate pulsar-client-dummy pulsar"},
		{name: "start without relation", action: "start-continuous-writes", failure: "integrate with pulsar: juju integrate pulsar-client-dummy pulsar"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := &client{answers: map[string]pebble.ExecResult{test.action: test.answer}}
			state := opstest.State{Containers: map[string]opstest.Container{"client": {Pebble: c.container()}}}
			if test.related {
				state.Relations = offered()
			}
			result := load(t).Run(t, carrying("one"), state, opstest.Action(test.action, test.params))
			if result.Action.Message != test.failure || (result.Action.Status == "failed") != (test.failure != "") {
				t.Errorf("got %s: %q, want %q", result.Action.Status, result.Action.Message, test.failure)
			}
			var calls []string
			if test.call != "" {
				calls = []string{test.call}
			}
			if diff := cmp.Diff(calls, c.calls); diff != "" {
				t.Errorf("calls of the client (-want +got):\n%s", diff)
			}
			got := result.Action.Results
			if len(got) == 0 {
				got = nil
			}
			if diff := cmp.Diff(test.results, got); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
		})
	}
}

func TestContinuousWrites(t *testing.T) {
	t.Parallel()
	c := &client{answers: map[string]pebble.ExecResult{"total": {Stdout: []byte(`{"produced":{"sent":70,"acked":69,"longest-pause-ms":5}}`)}}}
	fake := c.container()
	juju := load(t)
	state := opstest.State{Relations: offered(), Containers: map[string]opstest.Container{"client": {Pebble: fake}}}

	result := juju.Run(t, carrying("one"), state, opstest.Action("start-continuous-writes", nil))
	process, running := fake.Process("client")
	if result.Action.Status != "completed" || !running || !strings.Contains(process.Config.Command, "--mode produce --rate 10") {
		t.Fatalf("start: %+v, running %v: %s", result.Action, running, process.Config.Command)
	}
	if want := ops.Active("sends 10 messages a second to persistent://public/default/dummy"); result.State.Status != want {
		t.Errorf("start: got status %v", result.State.Status)
	}
	if diff := cmp.Diff(map[string]any{"topic": "persistent://public/default/dummy", "message-rate": "10"}, result.Action.Results); diff != "" {
		t.Errorf("start: results (-want +got):\n%s", diff)
	}

	// Another hook goes on with it, also in a new container.
	state = result.State
	fake.Kill()
	fake.Boot()
	juju.Run(t, carrying("one"), state, opstest.PebbleReady("client"))
	if _, running := fake.Process("client"); !running {
		t.Error("a new container does not go on writing")
	}

	result = juju.Run(t, carrying("one"), state, opstest.Action("stop-continuous-writes", nil))
	if _, running := fake.Process("client"); running || result.State.Status != ops.Active("") {
		t.Errorf("stop: still running %v, status %v", running, result.State.Status)
	}
	if diff := cmp.Diff(map[string]any{"sent": "70", "acked": "69", "longest-pause": "5ms"}, result.Action.Results); diff != "" {
		t.Errorf("stop: results (-want +got):\n%s", diff)
	}
}

// No hook comes when Pebble starts again what has ended, so the one that sees
// it does: an active client runs, and one that does not stay up is told of.
func TestAClientThatEnds(t *testing.T) {
	t.Parallel()
	var exit *int
	starts := 0
	fake := pebbletest.NewFake(pebbletest.Options{Mounts: []string{journalDir}, OnStart: func(pebbletest.Process) *int {
		starts++
		return exit
	}})
	juju := load(t)
	state := opstest.State{Config: map[string]any{"mode": "both"}, Relations: offered(), Containers: map[string]opstest.Container{"client": {Pebble: fake}}}
	busy := ops.Active("sends 10 messages a second to persistent://public/default/dummy and reads it")
	state = juju.Run(t, carrying("one"), state, opstest.PebbleReady("client")).State
	if state.Status != busy {
		t.Errorf("the hook that starts it: status %v", state.Status)
	}
	if err := fake.Exit("client", 137); err != nil {
		t.Fatal(err)
	}
	state = juju.Run(t, carrying("one"), state, opstest.UpdateStatus()).State
	if _, running := fake.Process("client"); !running || state.Status != busy {
		t.Errorf("killed once: running %v, status %v", running, state.Status)
	}

	if err := fake.Exit("client", 1); err != nil {
		t.Fatal(err)
	}
	starts, exit = 0, new(1)
	state = juju.Run(t, carrying("one"), state, opstest.UpdateStatus()).State
	want := ops.Waiting("client ends when it is started: juju ssh --container client pulsar-client-dummy/0 /charm/bin/pebble logs client")
	if starts != 1 || state.Status != want {
		t.Errorf("it ends at once: %d starts, status %v", starts, state.Status)
	}
	exit = nil
	if state = juju.Run(t, carrying("one"), state, opstest.UpdateStatus()).State; state.Status != busy {
		t.Errorf("it runs again: status %v", state.Status)
	}
}

// A unit that goes does not write again to a journal that is detached.
func TestLeavingStopsTheClientForGood(t *testing.T) {
	t.Parallel()
	fake := (&client{}).container()
	juju := load(t)
	state := opstest.State{
		Config: map[string]any{"mode": "both"}, Relations: offered(), Containers: map[string]opstest.Container{"client": {Pebble: fake}},
		Storages: []opstest.Storage{{Name: "journal", Index: 0}},
	}
	state.Relations[0].RemoteUnits = map[int]ops.Bag{0: {}}
	state = juju.Run(t, carrying("one"), state, opstest.PebbleReady("client")).State
	if _, running := fake.Process("client"); !running {
		t.Fatal("the client does not run")
	}
	state.Dying = true
	for _, event := range []opstest.Event{
		opstest.StorageDetaching("journal/0"), opstest.RelationDeparted("pulsar", "pulsar/0"),
		opstest.RelationBroken("pulsar"), opstest.Stop(), opstest.Remove(),
	} {
		result := juju.Run(t, carrying("one"), state, event)
		if _, running := fake.Process("client"); running {
			t.Errorf("the client runs after %v, status %v", event, result.State.Status)
		}
		state = result.State
	}
}

// An action may come before the end of the unit, with or without a relation.
func TestActionOfAUnitThatLeaves(t *testing.T) {
	t.Parallel()
	for _, relations := range [][]opstest.Relation{nil, offered()} {
		state := opstest.State{Relations: relations, Dying: true, Containers: map[string]opstest.Container{"client": {Pebble: (&client{}).container()}}}
		result := load(t).Run(t, carrying("one"), state, opstest.Action("check", nil))
		if result.Action.Status != "failed" || result.Action.Message != "unit pulsar-client-dummy/0 is leaving" {
			t.Errorf("got %+v", result.Action)
		}
	}
}

// What another action that died has left, the next one puts right and shows.
func TestActionAfterOneThatDied(t *testing.T) {
	t.Parallel()
	c := &client{answers: map[string]pebble.ExecResult{"produce": {Stdout: []byte(`{"produced":{"sent":1,"acked":1}}`)}}}
	fake := c.container()
	state := opstest.State{
		Relations: offered(), Containers: map[string]opstest.Container{"client": {Pebble: fake}},
		Stored: ops.Bag{stateWrites: "on"}, Status: ops.Active(""), // a stop set the status and died
	}
	result := load(t).Run(t, carrying("one"), state, opstest.Action("produce", map[string]any{"count": 1}))
	if _, running := fake.Process("client"); result.Action.Status != "completed" || !running {
		t.Errorf("%+v, running %v", result.Action, running)
	}
	if want := ops.Active("sends 10 messages a second to persistent://public/default/dummy"); result.State.Status != want {
		t.Errorf("got status %v", result.State.Status)
	}
}
