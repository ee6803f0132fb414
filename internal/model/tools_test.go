package model

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// pair is two integrated applications, "app" (leader app/0) requiring what
// "db" provides, all agents up and idle.
func pair(t *testing.T) *Model {
	t.Helper()
	m := New(Options{Name: "test"})
	app := &Charm{
		Name:       "app",
		Containers: []Container{{Name: "work"}},
		Endpoints: []Endpoint{
			{Name: "db", Role: Requirer, Interface: "db", Limit: 1}, {Name: "peers", Role: Peer, Interface: "peers"},
		},
		Storage: []StorageSpec{{Name: "data", Type: "filesystem", MinCount: 1, MaxCount: 1}},
		Options: map[string]Option{
			"count": {Type: "int", Default: int64(3)}, "ratio": {Type: "float"}, "name": {Type: "string", Default: "x"}, "on": {Type: "boolean", Default: true},
		},
		Actions: map[string]ActionSpec{"go": {Params: map[string]any{
			"type": "object", "properties": map[string]any{
				"many": map[string]any{"type": "integer", "default": 7},
				"deep": map[string]any{"type": "object", "properties": map[string]any{"in": map[string]any{"type": "string"}}},
			},
		}}},
	}
	db := &Charm{Name: "db", Endpoints: []Endpoint{{Name: "clients", Role: Provider, Interface: "db"}}}
	must(t, m.Deploy(DeployArgs{Charm: app, Units: 2}))
	must(t, m.Deploy(DeployArgs{Charm: db, Units: 1}))
	if _, err := m.Integrate("app", "db"); err != nil {
		t.Fatal(err)
	}
	for i, unit := range m.Units() {
		must(t, m.PodUp(unit, PodInfo{Address: fmt.Sprintf("10.1.0.%d", i+1), Fresh: true}))
		for _, s := range m.Storages(unit) {
			must(t, m.StorageProvisioned(unit, s.ID, "/var/lib/juju/storage/"+s.ID))
		}
	}
	settle(t, m)
	return m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// settle runs all hooks with a charm that does nothing; it returns them as
// "unit hook".
func settle(t *testing.T, m *Model) []string {
	t.Helper()
	var ran []string
	for ready := m.Ready(); len(ready) > 0; ready = m.Ready() {
		unit := ready[0]
		hook := m.Next(unit)[0]
		c, err := m.Begin(unit, hook)
		must(t, err)
		ran = append(ran, unit+" "+hook.String())
		must(t, c.End(Outcome{}))
		if len(ran) > 500 {
			t.Fatalf("hooks without end, the last: %v", ran[490:])
		}
	}
	return ran
}

// during begins an update-status on a unit.
func during(t *testing.T, m *Model, unit string) *Context {
	t.Helper()
	must(t, m.UpdateStatusDue(unit))
	c, err := m.Begin(unit, m.Next(unit)[0])
	must(t, err)
	return c
}

func noFiles(path string) ([]byte, error) {
	if path == "/empty.yaml" {
		return []byte("{}\n"), nil
	}
	if path == "/content.yaml" {
		return []byte("password: s3cret\nuser-name: me\n"), nil
	}
	return nil, fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
}

// call is a hook tool's use and what must come of it: the output, or after
// "!1 " or "!2 " the error with that exit code.
type call struct {
	line  string // words; '' is an empty one
	stdin string
	want  string
}

func check(t *testing.T, c *Context, calls []call) {
	t.Helper()
	for _, call := range calls {
		words := strings.Fields(call.line)
		for i, word := range words {
			words[i] = strings.ReplaceAll(word, "''", "")
		}
		code, out, errOut, needStdin := c.Run(words[0], words[1:], []byte(call.stdin), call.stdin != "", noFiles)
		if needStdin {
			t.Errorf("%s: wants stdin", call.line)
			continue
		}
		got := string(out)
		if code != 0 {
			got = fmt.Sprintf("!%d %s", code, strings.TrimPrefix(string(errOut), "ERROR "))
		}
		if got = strings.TrimSuffix(got, "\n"); got != call.want {
			t.Errorf("%s:\n got %s\nwant %s", call.line, got, call.want)
		}
	}
}

func TestReadingTools(t *testing.T) {
	t.Parallel()
	m := pair(t)
	address := m.Status().Applications["app"].Address
	check(t, during(t, m, "app/1"), []call{
		{line: "is-leader", want: "False"},
		{line: "is-leader --format=json", want: "false"},
		{line: "config-get count --format json", want: "3"},
		{line: "config-get name", want: "x"},
		{line: "config-get nothing --format=json", want: "null"},
		{line: "config-get nothing", want: ""},
		{line: "config-get --format=json", want: `{"count":3,"name":"x","on":true}`},
		{line: "config-get --all --format=json", want: `{"count":3,"name":"x","on":true,"ratio":null}`},
		{line: "config-get --format=xml", want: `!2 invalid value "xml" for option --format: unknown format "xml"`},
		{line: "config-get --bad", want: "!2 option provided but not defined: --bad"},
		{line: "config-get a b", want: `!2 unrecognized args: ["b"]`},
		{line: "relation-ids db --format=json", want: `["db:1"]`},
		{line: "relation-ids nothing --format=json", want: "[]"},
		{line: "relation-list -r db:1 --format=json", want: `["db/0"]`},
		{line: "relation-list -r 1 --app --format=json", want: `"db"`},
		{line: "relation-list", want: "!2 no relation id specified"},
		{line: "relation-list -r 9", want: `!2 invalid value "9" for option -r: relation not found`},
		{line: "relation-get -r db:1 --format=json nothing db/0", want: "null"},
		{line: "relation-get -r db:1 - db/7", want: "!1 permission denied"},
		{line: "relation-get -r db:1 --app - app", want: "!1 permission denied"},
		{line: "relation-get -r peers:0 --app --format=json - app", want: "{}"},
		{line: "relation-get -r db:1", want: "!2 no unit or application specified"},
		{line: "relation-model-get -r db:1 --format=json", want: `{"uuid":"` + m.Options().UUID + `"}`},
		{line: "state-get --format=json", want: "null"},
		{line: "state-get k --format=json", want: `""`},
		{line: "state-get k --strict", want: `!1 "k" not found`},
		{line: "storage-list --format=json", want: `["data/1"]`},
		{line: "storage-get -s data/1 --format=json", want: `{"kind":"filesystem","location":"/var/lib/juju/storage/data/1"}`},
		{line: "storage-get -s data/1 location", want: "/var/lib/juju/storage/data/1"},
		{line: "storage-get -s data/0", want: `!2 invalid value "data/0" for option -s: storage not found`},
		{line: "network-get db --bind-address", want: "10.1.0.2"},
		{line: "network-get db --ingress-address --format=json", want: `"` + address + `"`},
		{line: "network-get db --format=json", want: `{"bind-addresses":[{"mac-address":"","interface-name":"","addresses":[{"hostname":"","value":"10.1.0.2","cidr":""}]}],"egress-subnets":["` + address + `/32"],"ingress-addresses":["` + address + `"]}`},
		{line: "network-get x", want: `!1 no network config found for binding "x"`},
		{line: "unit-get private-address", want: "10.1.0.2"},
		{line: "opened-ports --format=json", want: "[]"},
		{line: "goal-state --format=json", want: `{"units":{"app/0":{"status":"unknown"},"app/1":{"status":"unknown"}},"relations":{"db":{"db":{"status":"joined"},"db/0":{"status":"unknown"}}}}`},
		{line: "status-get --application", want: "!1 finding application status: this unit is not the leader"},
		{line: "action-get", want: "!1 not running an action"},
		{line: "secret-ids --format=json", want: "null"},
		{line: "leader-set a=b", want: "!1 cannot write leadership settings: cannot write settings: not the leader"},
		{line: "frobnicate", want: "!1 bad request: unknown command: frobnicate"},
	})
}

func TestWritingTools(t *testing.T) {
	t.Parallel()
	m := pair(t)
	c := during(t, m, "app/0")
	check(t, c, []call{
		{line: "relation-set -r db:1 a=1 b=2"},
		{line: "relation-set -r db:1 --file -", stdin: `{"a":"file","c":"3"}`},
		{line: "relation-set b=x -r db:1 --file -", stdin: "b: file\nd: 1.50\ne: true\nf: null\n"},
		{line: "relation-set -r db:1 c="},
		{line: "relation-set -r db:1 --file -", stdin: "a: [1]", want: "!1 yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into string"},
		{line: "relation-set -r db:1 a", want: `!2 expected "key=value", got "a"`},
		{line: "relation-set -r db:1 --app g=h"},
		{line: "relation-get -r db:1 a app/0", want: "file"},
		{line: "relation-get -r db:1 c app/0 --format=json", want: "null"},
		{line: "relation-get -r db:1 --app --format=json - app", want: `{"g":"h"}`},
		{line: "state-set a=1 empty="},
		{line: "state-set --file -", stdin: `{"b":"2"}`},
		{line: "state-get --format=json", want: `{"a":"1","b":"2","empty":""}`},
		{line: "state-delete a"},
		{line: "state-get --format=json", want: `{"b":"2","empty":""}`},
		{line: "open-port 80"},
		{line: "open-port 53/udp"},
		{line: "open-port 80/tcp"},
		{line: "open-port 90-99", want: "!1 port ranges are not supported for k8s applications, use individual ports instead"},
		{line: "open-port 0", want: "!2 port range bounds must be between 1 and 65535, got 0-0"},
		{line: "opened-ports --format=json", want: `["80/tcp","53/udp"]`},
		{line: "opened-ports --endpoints --format=json", want: `["80/tcp (*)","53/udp (*)"]`},
		{line: "close-port 53/udp"},
		{line: "status-set waiting -- later"},
		{line: "status-set error", want: `!2 invalid status "error", expected one of [maintenance blocked waiting active]`},
		{line: "status-set waiting a b", want: `!2 unrecognized args: ["b"]`},
		{line: "status-get", want: "waiting"},
		{line: "status-get --include-data --format=json", want: `{"message":"later","status":"waiting","status-data":{}}`},
		{line: "application-version-set 4.0.1"},
		{line: "juju-log -l WARNING hello you"},
	})
	if diff := cmp.Diff([]LogLine{{"WARNING", "hello you"}}, c.Log()); diff != "" {
		t.Error(diff)
	}
	// Nothing but the immediate is in the model yet.
	if got := m.Databag("db:1", "app/0")["a"]; got != "" {
		t.Errorf("databag has a=%s before the hook's end", got)
	}
	if got := m.WorkloadStatus("app/0"); got != (juju.Status{Name: juju.Waiting, Message: "later"}) {
		t.Errorf("status %v", got)
	}
	must(t, c.End(Outcome{}))
	bag := m.Databag("db:1", "app/0")
	for key, want := range map[string]string{"a": "file", "b": "x", "c": "", "d": "1.50", "e": "true", "f": ""} {
		if bag[key] != want {
			t.Errorf("databag has %s=%q, want %q", key, bag[key], want)
		}
	}
	if diff := cmp.Diff(map[string]string{"b": "2", "empty": ""}, m.State("app/0")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"80/tcp"}, m.OpenedPorts("app/0")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"db/0 clients-relation-changed", "db/0 clients-relation-changed"}, settle(t, m)); diff != "" {
		t.Error(diff)
	}
}

func TestStdinIsAskedFor(t *testing.T) {
	t.Parallel()
	m := pair(t)
	c := during(t, m, "app/0")
	for _, tool := range []string{"relation-set", "state-set"} {
		if _, _, _, needStdin := c.Run(tool, []string{"-r", "db:1", "--file", "-"}[2*b(tool == "state-set"):], nil, false, nil); !needStdin {
			t.Errorf("%s --file - did not ask for stdin", tool)
		}
	}
}

func b(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func TestFailedHookKeepsOnlyWhatIsImmediate(t *testing.T) {
	t.Parallel()
	m := pair(t)
	c := during(t, m, "app/0")
	check(t, c, []call{
		{line: "relation-set -r db:1 a=1"}, {line: "state-set a=1"}, {line: "open-port 80"},
		{line: "status-set blocked no"}, {line: "application-version-set 7"},
	})
	must(t, c.End(Outcome{ExitCode: 1}))
	if m.Databag("db:1", "app/0")["a"] != "" || m.State("app/0") != nil || len(m.OpenedPorts("app/0")) != 0 {
		t.Error("a failed hook's writes were kept")
	}
	want := juju.Status{Name: juju.Error, Message: `hook failed: "update-status"`}
	if got := m.WorkloadStatus("app/0"); got != want {
		t.Errorf("status %v, want %v", got, want)
	}
	if next := m.Next("app/0"); len(next) != 0 {
		t.Errorf("a unit in error would run %v", describe(next))
	}
	if !m.Due("app/0").Retry {
		t.Error("no retry is due")
	}
	must(t, m.RetryDue("app/0"))
	settle(t, m)
	if got := m.WorkloadStatus("app/0"); got != (juju.Status{Name: juju.Blocked, Message: "no"}) {
		t.Errorf("status after the retry is %v", got)
	}
	if got := m.Status().Applications["app"].Version; got != "7" {
		t.Errorf("version %q", got)
	}
}

func TestWriteOfDeposedLeaderIsRefused(t *testing.T) {
	t.Parallel()
	m := pair(t)
	c := during(t, m, "app/0")
	check(t, c, []call{{line: "relation-set -r db:1 --app a=1"}, {line: "relation-set -r db:1 b=1"}})
	must(t, m.SetLeader("app", "app/1"))
	if err := c.End(Outcome{}); err == nil {
		t.Error("the hook succeeded")
	}
	if m.Databag("db:1", "app/0")["b"] != "" {
		t.Error("a write of the refused hook was kept")
	}
	if got := m.AgentStatus("app/0").Name; got != juju.Error {
		t.Errorf("agent is %s, want error", got)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	m := pair(t)
	if _, err := m.EnqueueAction([]string{"app/0"}, "stop", nil); err == nil || err.Error() != `action "stop" not defined on unit "app/0"` {
		t.Errorf("unknown action: %v", err)
	}
	if _, err := m.EnqueueAction([]string{"app/0"}, "go", map[string]any{"many": "x"}); err == nil {
		t.Error("a parameter of the wrong type was taken")
	}
	actions, err := m.EnqueueAction([]string{"app/0", "app/1"}, "go", map[string]any{"deep": map[string]any{"in": "side"}})
	must(t, err)
	c, err := m.Begin("app/0", m.Next("app/0")[0])
	must(t, err)
	if e := c.Environment(); e.ActionName != "go" || e.ActionUUID != actions[0].ID {
		t.Errorf("environment %+v", e)
	}
	check(t, c, []call{
		{line: "action-get many --format=json", want: "7"},
		{line: "action-get deep.in", want: "side"},
		{line: "action-get deep.out --format=json", want: "null"},
		{line: "action-set a.b=c d=e"},
		{line: "action-set stdout=x", want: `!2 cannot set reserved action key "stdout"`},
		{line: "action-log half way"},
		{line: "relation-set -r db:1 from=action"},
		{line: "action-fail oh"},
	})
	must(t, c.End(Outcome{Stdout: []byte("hi\n")}))
	got, err := m.Action(actions[0].ID)
	must(t, err)
	if got.Status != "failed" || got.Message != "oh" || len(got.Log) != 1 {
		t.Errorf("action %+v", got)
	}
	want := map[string]any{"a": map[string]any{"b": "c"}, "d": "e", "return-code": 0, "stdout": "hi\n"}
	if diff := cmp.Diff(want, got.Results); diff != "" {
		t.Error(diff)
	}
	if m.Databag("db:1", "app/0")["from"] != "action" {
		t.Error("what a failed action wrote is dropped only if it exits with an error")
	}
	c, err = m.Begin("app/1", m.Next("app/1")[0])
	must(t, err)
	must(t, m.CancelAction(actions[1].ID))
	if got := m.Due("app/1").Kill; got != actions[1].ID {
		t.Errorf("action to kill %q", got)
	}
	must(t, c.End(Outcome{Killed: true}))
	if got, _ := m.Action(actions[1].ID); got.Status != "aborted" {
		t.Errorf("cancelled action is %s", got.Status)
	}
	if got := m.AgentStatus("app/1").Name; got == juju.Error {
		t.Error("an action put its unit in error")
	}
}

func TestEndedContext(t *testing.T) {
	t.Parallel()
	m := pair(t)
	c := during(t, m, "app/0")
	must(t, m.PodDown("app/0"))
	if err := c.End(Outcome{}); err == nil {
		t.Error("a hook of a dead agent could end")
	}
	if code, _, _, _ := c.Run("is-leader", nil, nil, false, nil); code != 1 {
		t.Error("a hook of a dead agent could use tools")
	}
	if _, err := m.Begin("app/0", Hook{Hook: juju.Hook{Kind: juju.UpdateStatus}}); err == nil {
		t.Error("a dead agent could run a hook")
	}
	if _, err := m.unit("app/x"); errors.Is(err, fs.ErrNotExist) || err == nil {
		t.Errorf("unit app/x: %v", err)
	}
}

// TestDatabagReadsInOtherHooks: what a unit reads of another unit's databag is
// what that unit's last joined or changed hook read; of an application's, what
// is there.
func TestDatabagReadsInOtherHooks(t *testing.T) {
	t.Parallel()
	m := pair(t)
	write := func(pair string) {
		t.Helper()
		c := during(t, m, "db/0")
		check(t, c, []call{{line: "relation-set -r clients:1 " + pair}, {line: "relation-set -r clients:1 --app " + pair}})
		must(t, c.End(Outcome{}))
	}
	write("k=1")
	settle(t, m)
	first := during(t, m, "app/0")
	check(t, first, []call{{line: "relation-get -r db:1 k db/0", want: "1"}})
	must(t, first.End(Outcome{}))
	must(t, m.SetConfig("app", map[string]string{"count": "7"}, nil))
	write("k=2")
	c, err := m.Begin("app/0", m.Next("app/0")[0])
	must(t, err)
	if c.Hook().Kind != juju.ConfigChanged {
		t.Fatalf("first runs %s", c.Hook())
	}
	check(t, c, []call{
		{line: "relation-get -r db:1 k db/0", want: "1"},
		{line: "relation-get -r db:1 --app k db", want: "2"},
	})
	must(t, c.End(Outcome{}))
	c, err = m.Begin("app/0", m.Next("app/0")[0])
	must(t, err)
	check(t, c, []call{{line: "relation-get -r db:1 k db/0", want: "1"}, {line: "relation-get --app k db", want: "2"}})
	must(t, c.End(Outcome{}))
	c, err = m.Begin("app/0", m.Next("app/0")[0])
	must(t, err)
	check(t, c, []call{{line: "relation-get k", want: "2"}})
	must(t, c.End(Outcome{}))
	must(t, m.PodUp("app/0", PodInfo{}))
	write("k=3")
	c, err = m.Begin("app/0", m.Next("app/0")[0])
	must(t, err)
	check(t, c, []call{{line: "relation-get -r db:1 k db/0", want: "3"}}) // an agent that restarted has nothing cached
	must(t, c.End(Outcome{}))
}
