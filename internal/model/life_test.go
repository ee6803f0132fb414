package model

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// trio is one application of three units with peers, all up and idle.
func trio(t *testing.T, o Options) *Model {
	t.Helper()
	o.Name = "test"
	m := New(o)
	charm := &Charm{
		Name: "app", Containers: []Container{{Name: "work"}}, Endpoints: []Endpoint{{Name: "peers", Role: Peer, Interface: "peers"}},
		Options: map[string]Option{"a": {Type: "int"}}, Actions: map[string]ActionSpec{"go": {}},
		Resources: map[string]Resource{"blob": {Type: "file"}},
	}
	must(t, m.Deploy(DeployArgs{Charm: charm, Units: 3, Resources: map[string]string{"blob": "/one"}}))
	for _, unit := range m.Units() {
		must(t, m.PodUp(unit, PodInfo{Address: "10.1.0.1", Fresh: true}))
		must(t, m.ContainerUp(unit, "work", "boot-"+unit))
	}
	settle(t, m)
	return m
}

// one runs the unit's next hook, which ends so.
func one(t *testing.T, m *Model, unit string, o Outcome) string {
	t.Helper()
	next := m.Next(unit)
	if len(next) == 0 {
		t.Fatalf("%s has nothing to run", unit)
	}
	c, err := m.Begin(unit, next[0])
	must(t, err)
	must(t, c.End(o))
	return next[0].String()
}

// allOf runs a unit's hooks until it has none.
func allOf(t *testing.T, m *Model, unit string) []string {
	t.Helper()
	var ran []string
	for len(m.Next(unit)) > 0 {
		ran = append(ran, one(t, m, unit, Outcome{}))
	}
	return ran
}

// TestRollout: pods are replaced from the highest ordinal on; until then the
// old agent goes on, with the old charm; one that restarts in an old pod
// exits. A new resource rolls like a new charm.
func TestRollout(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"charm", "resource"} {
		m := trio(t, Options{})
		old := m.CharmOf("app")
		if what == "charm" {
			charm := *old
			charm.Revision++
			must(t, m.Refresh("app", &charm, nil))
		} else {
			must(t, m.Refresh("app", nil, map[string]string{"blob": "/two"}))
		}
		if diff := cmp.Diff([]string{"app/2", "app/1", "app/0"}, m.OutdatedPods("app")); diff != "" {
			t.Error(diff)
		}
		must(t, m.UpdateStatusDue("app/0"))
		if diff := cmp.Diff([]string{"app/0 update-status"}, settle(t, m)); diff != "" {
			t.Error(diff)
		}
		must(t, m.PodUp("app/0", PodInfo{}))
		if got := m.AgentStatus("app/0").Name; got != "lost" {
			t.Errorf("agent that exited is %s", got)
		}
		if got := m.Agent("app/0"); got != AgentExited {
			t.Errorf("the agent of an old pod is %s after its restart", got)
		}
		for i, unit := range m.OutdatedPods("app") {
			must(t, m.PodTerminating(unit))
			must(t, m.PodUp(unit, PodInfo{Fresh: true, Address: "10.1.0.2"}))
			must(t, m.ContainerUp(unit, "work", "new-"+unit))
			want := []string{"upgrade-charm", "config-changed", "start", "leader-settings-changed", "work-pebble-ready"}
			if unit == m.Leader("app") {
				want = slices.Delete(want, 3, 4)
			}
			if diff := cmp.Diff(want, allOf(t, m, unit)); diff != "" {
				t.Errorf("%s of %s: %s", unit, what, diff)
			}
			if left := m.OutdatedPods("app"); len(left) != 2-i {
				t.Errorf("after %s %v are old", unit, left)
			}
		}
		if (m.CharmOf("app/0") == old) != (what == "resource") {
			t.Errorf("%s: app/0 runs revision %d", what, m.CharmOf("app/0").Revision)
		}
	}
}

// TestOptionsInARollout: a unit in an old pod has the options of its own
// charm, unset ones too; in Juju 4 those of the application's.
func TestOptionsInARollout(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{"3.6.9": `{"a":null,"old":null}`, "4.0.0": `{"a":null,"new":1}`} {
		m := trio(t, Options{Version: version})
		charm := *m.CharmOf("app")
		charm.Options = map[string]Option{"a": {Type: "string"}, "old": {Type: "int"}}
		must(t, m.Refresh("app", &charm, nil))
		for _, unit := range m.OutdatedPods("app") {
			must(t, m.PodTerminating(unit))
			must(t, m.PodUp(unit, PodInfo{Fresh: true, Address: "10.1.0.2"}))
			allOf(t, m, unit)
		}
		next := charm
		next.Options = map[string]Option{"a": {Type: "string"}, "new": {Type: "int", Default: int64(1)}}
		must(t, m.Refresh("app", &next, nil))
		must(t, m.UpdateStatusDue("app/0"))
		c, err := m.Begin("app/0", m.Next("app/0")[0])
		must(t, err)
		_, stdout, _, _ := c.Run("config-get", []string{"--all", "--format=json"}, nil, false, nil)
		if got := strings.TrimSpace(string(stdout)); got != want {
			t.Errorf("Juju %s: options are %s, want %s", version, got, want)
		}
	}
}

// TestScaleDownWaits: units that are dead keep their pods until all that are
// to go are dead; one in error holds them up, until it is resolved.
func TestScaleDownWaits(t *testing.T) {
	t.Parallel()
	m := trio(t, Options{NoRetry: true})
	must(t, m.SetConfig("app", map[string]string{"a": "1"}, nil))
	if got := one(t, m, "app/1", Outcome{ExitCode: 1}); got != "config-changed" {
		t.Fatalf("ran %s", got)
	}
	must(t, m.Scale("app", 1))
	for unit, due := range map[string]bool{"app/1": false, "app/2": true} {
		must(t, m.PodTerminating(unit)) // says nothing to a unit that goes
		if got := len(m.Next(unit)) > 0; got != due {
			t.Errorf("%s may run a hook: %v", unit, got)
		}
	}
	if diff := cmp.Diff([]string{"peers-relation-departed", "peers-relation-departed", "stop", "remove"}, allOf(t, m, "app/2")); diff != "" {
		t.Error(diff)
	}
	if got := m.WantsPods("app"); len(got) != 3 || m.Life("app/2") != "dead" {
		t.Errorf("pods %v, app/2 is %s", got, m.Life("app/2"))
	}
	_, err := m.EnqueueAction([]string{"app/1"}, "go", nil)
	must(t, err)
	if got := one(t, m, "app/1", Outcome{}); got != "go" {
		t.Errorf("in error app/1 ran %s", got)
	}
	must(t, m.Resolved("app/1", false))
	if diff := cmp.Diff([]string{"peers-relation-departed", "peers-relation-departed", "stop", "remove"}, allOf(t, m, "app/1")); diff != "" {
		t.Error(diff)
	}
	if got := m.WantsPods("app"); len(got) != 1 {
		t.Errorf("pods %v", got)
	}
}

// TestForceRemoveUnits: no hook of those that go; the others see them depart,
// and one of them leads.
func TestForceRemoveUnits(t *testing.T) {
	t.Parallel()
	m := trio(t, Options{})
	must(t, m.SetLeader("app", "app/2"))
	settle(t, m)
	must(t, m.ForceRemoveUnits("app", 1))
	want := []string{
		"app/0 leader-elected", "app/0 peers-relation-departed", "app/1 peers-relation-departed",
	}
	if diff := cmp.Diff(want, settle(t, m)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"app/0", "app/1"}, m.Units()); diff != "" {
		t.Error(diff)
	}
	if err := m.ForceRemoveUnits("app", 3); err == nil {
		t.Error("three of two units were removed")
	}
}

// TestLeasesAreTheDrivers: with KeepLeases a leader that is gone leaves the
// application without one until the driver says who is next.
func TestLeasesAreTheDrivers(t *testing.T) {
	t.Parallel()
	m := trio(t, Options{KeepLeases: true})
	must(t, m.SetLeader("app", "app/2"))
	settle(t, m)
	must(t, m.Scale("app", 2))
	for _, line := range settle(t, m) {
		if strings.Contains(line, "leader") {
			t.Errorf("ran %s", line)
		}
	}
	check(t, during(t, m, "app/0"), []call{{line: "is-leader --format=json", want: "false"}})
	must(t, m.SetLeader("app", "app/1"))
	if got := one(t, m, "app/1", Outcome{}); got != "leader-elected" {
		t.Errorf("app/1 ran %s", got)
	}
}

// TestLostPod: nothing runs where no agent is, and nobody else is told.
func TestLostPod(t *testing.T) {
	t.Parallel()
	m := trio(t, Options{})
	must(t, m.PodDown("app/1"))
	must(t, m.SetConfig("app", map[string]string{"a": "2"}, nil))
	if diff := cmp.Diff([]string{"app/0 config-changed", "app/2 config-changed"}, settle(t, m)); diff != "" {
		t.Error(diff)
	}
	if got := m.WorkloadStatus("app/1").Name; got != juju.Unknown {
		t.Errorf("workload of a lost agent is %s", got)
	}
	if got := m.AgentStatus("app/1").Name; got != "lost" {
		t.Errorf("agent is %s", got)
	}
}

// TestErrorOfLostPod: it stays recorded, is shown beside the lost agent, and can
// be resolved.
func TestErrorOfLostPod(t *testing.T) {
	t.Parallel()
	m := trio(t, Options{NoRetry: true})
	must(t, m.SetConfig("app", map[string]string{"a": "2"}, nil))
	one(t, m, "app/1", Outcome{ExitCode: 1})
	must(t, m.PodDown("app/1"))
	status := m.Status().Applications["app"].Units["app/1"]
	if got := status.Workload; got.Current != "error" || got.Message != `hook failed: "config-changed"` {
		t.Errorf("workload of a lost agent in error is %+v", got)
	}
	if got := status.Agent.Current; got != "lost" {
		t.Errorf("agent is %s", got)
	}
	must(t, m.Resolved("app/1", true))
	must(t, m.PodUp("app/1", PodInfo{}))
	if diff := cmp.Diff([]string{"config-changed", "start", "leader-settings-changed"}, allOf(t, m, "app/1")); diff != "" {
		t.Error(diff)
	}
}

// TestOnlyTheWorkloadRestarts: its pebble-ready, nothing else.
func TestOnlyTheWorkloadRestarts(t *testing.T) {
	t.Parallel()
	m := trio(t, Options{})
	must(t, m.ContainerDown("app/1", "work"))
	must(t, m.ContainerUp("app/1", "work", "again"))
	if diff := cmp.Diff([]string{"app/1 work-pebble-ready"}, settle(t, m)); diff != "" {
		t.Error(diff)
	}
}

// TestLastWritesOfALeaver: what a unit writes in its own departed hooks nobody
// else sees, and in broken it may still write.
func TestLastWritesOfALeaver(t *testing.T) {
	t.Parallel()
	m := pair(t)
	must(t, m.Scale("app", 1))
	for len(m.Next("app/1")) > 0 {
		c, err := m.Begin("app/1", m.Next("app/1")[0])
		must(t, err)
		if c.Hook().Relation() {
			check(t, c, []call{{line: "relation-set late=" + c.Hook().String()}})
		}
		must(t, c.End(Outcome{}))
	}
	for _, line := range settle(t, m) {
		if strings.HasSuffix(line, "-changed") {
			t.Errorf("%s ran for the last writes of a unit that leaves", line)
		}
	}
}

// TestWhatAFailureDrops is the table of what is sent at once and what only
// after a success, for what TestFailedHookKeepsOnlyWhatIsImmediate has not.
func TestWhatAFailureDrops(t *testing.T) {
	t.Parallel()
	m := pair(t)
	c := during(t, m, "app/0")
	check(t, c, []call{
		{line: "leader-set a=1"},
		{line: "status-set --application active fine"},
		{line: "juju-log heard"},
		{line: "secret-add token=one", want: "secret:d0000000000000000001"},
		{line: "relation-set -r peers:0 --app x=1"},
		{line: "state-delete nothing"},
	})
	must(t, c.End(Outcome{ExitCode: 3}))
	if got := m.ApplicationStatus("app").Message; got != "fine" || len(c.Log()) != 1 {
		t.Errorf("application status %q, log %v", got, c.Log())
	}
	if got := m.Databag("peers:0", "app")["x"]; got != "" {
		t.Errorf("application data x=%s was kept", got)
	}
	must(t, m.Resolved("app/0", false))
	settle(t, m)
	c = during(t, m, "app/0")
	check(t, c, []call{
		{line: "leader-get a", want: "1"},
		{line: "secret-get secret:d0000000000000000001", want: `!1 secret "d0000000000000000001" not found`},
	})
	must(t, c.End(Outcome{}))
}

// TestQuotas: Juju's limits of the charm's state, of a key and a value at once,
// of the sum at the end.
func TestQuotas(t *testing.T) {
	t.Parallel()
	m := pair(t)
	c := during(t, m, "app/0")
	long := strings.Repeat("x", 64<<10)
	check(t, c, []call{
		{line: "state-set " + strings.Repeat("k", 257) + "=1", want: "!1 max allowed key size (256) exceeded"},
		{line: "state-set k=" + long + "x", want: "!1 max allowed value size (65536) exceeded"},
	})
	for i := range 33 {
		check(t, c, []call{{line: "state-set k" + string(rune('A'+i)) + "=" + long}})
	}
	if err := c.End(Outcome{}); err == nil || !strings.Contains(err.Error(), "max allowed size") {
		t.Errorf("more than 2 MiB of state: %v", err)
	}
	if m.State("app/0") != nil {
		t.Error("some of it was kept")
	}
}

// TestHugeDatabag: what the controller's database cannot hold fails the hook.
func TestHugeDatabag(t *testing.T) {
	t.Parallel()
	m := pair(t)
	c := during(t, m, "app/0")
	check(t, c, []call{{line: "relation-set -r db:1 k=" + strings.Repeat("x", 17<<20)}, {line: "relation-set -r peers:0 k=1"}})
	if err := c.End(Outcome{}); err == nil {
		t.Error("17 MiB were kept")
	}
	if got := m.Databag("peers:0", "app/0")["k"]; got != "" {
		t.Errorf("k=%s was kept", got)
	}
}

// TestIsLeaderInOneHook: a no is for the whole hook, a yes is not.
func TestIsLeaderInOneHook(t *testing.T) {
	t.Parallel()
	m := trio(t, Options{})
	c := during(t, m, "app/1")
	check(t, c, []call{{line: "is-leader", want: "False"}})
	must(t, m.SetLeader("app", "app/1"))
	check(t, c, []call{{line: "is-leader", want: "False"}})
	must(t, c.End(Outcome{}))
	c, err := m.Begin("app/1", m.Next("app/1")[0])
	must(t, err)
	check(t, c, []call{{line: "is-leader", want: "True"}})
	must(t, m.SetLeader("app", "app/0"))
	check(t, c, []call{{line: "is-leader", want: "False"}})
	must(t, c.End(Outcome{}))
}

// TestEndsOfActions: a killed one failed, one without code is not implemented,
// one of a unit that goes before it could run is cancelled.
func TestEndsOfActions(t *testing.T) {
	t.Parallel()
	m := trio(t, Options{})
	for _, test := range []struct {
		outcome         Outcome
		status, message string
	}{
		{Outcome{Killed: true}, "failed", "action terminated"},
		{Outcome{Missing: true}, "failed", `action not implemented on unit "app/1"`},
		{Outcome{ExitCode: 4}, "failed", "exit status 4"},
		{Outcome{}, "completed", ""},
	} {
		actions, err := m.EnqueueAction([]string{"app/1"}, "go", nil)
		must(t, err)
		one(t, m, "app/1", test.outcome)
		got, err := m.Action(actions[0].ID)
		must(t, err)
		if got.Status != test.status || got.Message != test.message {
			t.Errorf("%+v: %s %q", test.outcome, got.Status, got.Message)
		}
	}
	actions, err := m.EnqueueAction([]string{"app/2"}, "go", nil)
	must(t, err)
	must(t, m.ForceRemoveUnits("app", 1))
	if got, _ := m.Action(actions[0].ID); got.Status != "cancelled" {
		t.Errorf("action of a unit that is gone is %s", got.Status)
	}
	actions, err = m.EnqueueAction([]string{"app/1"}, "go", nil)
	must(t, err)
	c, err := m.Begin("app/1", m.Next("app/1")[0])
	must(t, err)
	must(t, m.PodUp("app/1", PodInfo{})) // the agent died in it
	if err := c.End(Outcome{}); err == nil {
		t.Error("an action of a dead agent ended")
	}
	if got, _ := m.Action(actions[0].ID); got.Status != "failed" || got.Message != "action terminated" {
		t.Errorf("action of a dead agent is %s %q", got.Status, got.Message)
	}
}

// TestCancelledActions: a cancelled action is aborted if it fails, and completed
// if it does not; what the controller refuses fails it.
func TestCancelledActions(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]Outcome{"aborted": {Killed: true}, "completed": {}} {
		m := trio(t, Options{})
		actions, err := m.EnqueueAction([]string{"app/1"}, "go", nil)
		must(t, err)
		c, err := m.Begin("app/1", m.Next("app/1")[0])
		must(t, err)
		must(t, m.CancelAction(actions[0].ID))
		must(t, c.End(o))
		if got, _ := m.Action(actions[0].ID); got.Status != want {
			t.Errorf("%+v: %s", o, got.Status)
		}
	}
	m := trio(t, Options{})
	actions, err := m.EnqueueAction([]string{"app/0"}, "go", nil)
	must(t, err)
	c, err := m.Begin("app/0", m.Next("app/0")[0])
	must(t, err)
	check(t, c, []call{{line: "relation-set -r peers:0 --app a=1"}})
	must(t, m.SetLeader("app", "app/1"))
	if err := c.End(Outcome{Stderr: []byte("oh")}); err == nil {
		t.Error("a deposed leader's action wrote")
	}
	got, err := m.Action(actions[0].ID)
	must(t, err)
	if text, _ := got.Results["stderr"].(string); got.Status != "failed" || got.Message != "committing requested changes failed" || !strings.HasPrefix(text, "oh\ncannot apply") {
		t.Errorf("action %+v", got)
	}
	if got := m.AgentStatus("app/0").Name; got == juju.Error {
		t.Error("it put its unit in error")
	}
}

// TestGoalState knows units before they join, and those that go.
func TestGoalState(t *testing.T) {
	t.Parallel()
	m := pair(t)
	must(t, m.Scale("db", 2)) // db/1 has no pod yet
	must(t, m.Scale("app", 1))
	check(t, during(t, m, "app/0"), []call{{
		line: "goal-state --format=json",
		want: `{"units":{"app/0":{"status":"unknown"},"app/1":{"status":"dying"}},` +
			`"relations":{"db":{"db":{"status":"joined"},"db/0":{"status":"unknown"},"db/1":{"status":"waiting"}}}}`,
	}})
}

// TestPebbleEventsOfVersions: notices became hooks with 3.4, checks with 3.6.
func TestPebbleEventsOfVersions(t *testing.T) {
	t.Parallel()
	for version, want := range map[string][]string{
		"3.3.7": nil,
		"3.4.0": {"work-pebble-custom-notice"},
		"3.6.1": {"work-pebble-custom-notice", "work-pebble-check-failed", "work-pebble-check-recovered"},
	} {
		m := trio(t, Options{Version: version})
		must(t, m.Notice("app/1", "work", "7", "custom", "example.com/x"))
		must(t, m.CheckFailed("app/1", "work", "alive"))
		must(t, m.CheckRecovered("app/1", "work", "alive"))
		if diff := cmp.Diff(want, allOf(t, m, "app/1")); diff != "" {
			t.Errorf("%s: %s", version, diff)
		}
	}
}
