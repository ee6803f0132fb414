package opstest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// tools is a charm that makes calls of hook tools, all of which must succeed.
func tools(calls ...func(ctx context.Context, u *ops.Unit) error) does {
	return func(ctx context.Context, u *ops.Unit) error {
		for _, call := range calls {
			if err := call(ctx, u); err != nil {
				return err
			}
		}
		u.AddStatus(ops.Waiting("for something"))
		return nil
	}
}

// What a hook that succeeds wrote is in the state after it, and nothing else
// is different.
func TestWhatAHookWrites(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	id := func(name string) string { return opstest.SecretURI(name) }
	for _, test := range []struct {
		name  string
		write func(ctx context.Context, u *ops.Unit) error
		want  func(*opstest.State)
		calls []string
	}{
		{
			"databags", func(ctx context.Context, u *ops.Unit) error {
				return errors.Join(
					u.Tools().RelationSet(ctx, "db:4", false, ops.Bag{"lu": "", "new": "1"}),
					u.Tools().RelationSet(ctx, "db:4", true, ops.Bag{"la": "2"}),
				)
			},
			func(s *opstest.State) {
				s.Relations[0].LocalUnit, s.Relations[0].LocalApp = ops.Bag{"new": "1"}, ops.Bag{"la": "2"}
			},
			[]string{"relation-set -r db:4 < lu= new=1", "relation-set -r db:4 --app < la=2"},
		},
		{
			"ports", func(ctx context.Context, u *ops.Unit) error {
				return errors.Join(u.Tools().OpenPort(ctx, "443/tcp"), u.Tools().ClosePort(ctx, "22/tcp"))
			},
			func(s *opstest.State) { s.Ports = []string{"443/tcp", "80/tcp (site)", "icmp"} },
			[]string{"open-port -- 443/tcp", "close-port -- 22/tcp"},
		},
		{
			"stored state", func(ctx context.Context, u *ops.Unit) error {
				return errors.Join(u.Tools().StateSet(ctx, ops.Bag{"new": "1"}), u.Tools().StateDelete(ctx, "k"))
			},
			func(s *opstest.State) { s.Stored = ops.Bag{"new": "1"} },
			[]string{"state-set < new=1", "state-delete -- k"},
		},
		{
			"storage", func(ctx context.Context, u *ops.Unit) error { return calls("storage-add", "cache")(ctx, u) },
			func(s *opstest.State) {
				s.Storages = append(s.Storages, opstest.Storage{Name: "cache", Index: 7, Pending: true})
			},
			[]string{"storage-add cache"},
		},
		{
			"application's status", func(ctx context.Context, u *ops.Unit) error {
				return calls("status-set", "--application", "active", "well")(ctx, u)
			},
			func(s *opstest.State) { s.AppStatus = ops.Active("well") },
			[]string{"status-set --application active well"},
		},
		{
			"secret's info", func(ctx context.Context, u *ops.Unit) error {
				return calls("secret-set", id("app"), "--label", "other", "--rotate", "never", "--description", "e")(ctx, u)
			},
			func(s *opstest.State) {
				s.Secrets[0].Label, s.Secrets[0].Rotate, s.Secrets[0].Description = "other", "", "e"
			},
			[]string{"secret-set " + id("app") + " --label other --rotate never --description e"},
		},
		{
			"secret's grants", func(ctx context.Context, u *ops.Unit) error {
				return errors.Join(u.Tools().SecretGrant(ctx, id("app"), "db:4", ""), calls("secret-revoke", id("app"), "-r", "site:9")(ctx, u))
			},
			func(s *opstest.State) { s.Secrets[0].Grants = []opstest.Grant{{Relation: "db:4"}} },
			[]string{"secret-grant -r db:4 -- " + id("app"), "secret-revoke " + id("app") + " -r site:9"},
		},
		{
			"removed secrets", func(ctx context.Context, u *ops.Unit) error {
				return errors.Join(u.Tools().SecretRemove(ctx, id("unit"), 0), u.Tools().SecretRemove(ctx, id("app"), 1))
			},
			func(s *opstest.State) {
				delete(s.Secrets[0].Revisions, 1)
				s.Secrets = slices.Delete(s.Secrets, 1, 2)
			},
			[]string{"secret-remove -- " + id("unit"), "secret-remove --revision 1 -- " + id("app")},
		},
		{
			"removed revision that the unit reads", func(ctx context.Context, u *ops.Unit) error {
				return errors.Join(calls("secret-get", id("app"))(ctx, u), u.Tools().SecretRemove(ctx, id("app"), 2))
			},
			func(s *opstest.State) { delete(s.Secrets[0].Revisions, 2) },
			[]string{"secret-remove --revision 2 -- " + id("app")},
		},
		{
			"secret of another, read with a label", func(ctx context.Context, u *ops.Unit) error {
				return calls("secret-get", id("token"), "--label", "token")(ctx, u)
			},
			func(s *opstest.State) { s.Secrets[3].Label, s.Secrets[3].Tracked = "token", 1 },
			nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			state := full()
			state.Storages = state.Storages[:2]
			state.Status = ops.Waiting("for something")
			result := charm.Run(t, tools(test.write), state, opstest.UpdateStatus())
			want := state.Clone()
			test.want(&want)
			if diff := opstest.Diff(want, result.State); diff != "" {
				t.Errorf("state (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.calls, result.Writes); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
		})
	}
}

// What Juju refuses at the end fails the hook, and nothing of it is kept.
func TestJujuRefusesAtTheEnd(t *testing.T) {
	t.Parallel()
	result, err := opstest.Load(t, files).Try(t.Context(), does(func(ctx context.Context, u *ops.Unit) error {
		for i := range 33 {
			if err := u.Tools().StateSet(ctx, ops.Bag{fmt.Sprint(i): strings.Repeat("x", 64<<10)}); err != nil {
				return err
			}
		}
		return u.Tools().RelationSet(ctx, "db:1", false, ops.Bag{"a": "b"})
	}), opstest.State{Relations: []opstest.Relation{{Endpoint: "db"}}}, opstest.UpdateStatus())
	if err != nil {
		t.Fatal(err)
	}
	const want = "Juju refuses what the hook wrote: cannot apply changes: max allowed size (2097152) exceeded"
	if result.Err == nil || len(result.Violations) != 1 || result.Violations[0] != want {
		t.Errorf("error %v, violations %v", result.Err, result.Violations)
	}
	if len(result.State.Stored) > 0 || len(result.State.Relation("db").LocalUnit) > 0 || result.State.Relation("db").App != "" {
		t.Errorf("kept: %+v", result.State)
	}
}

// Commands and processes of a container behave as the state says.
func TestContainersBehave(t *testing.T) {
	t.Parallel()
	code := 7
	state := opstest.State{Containers: map[string]opstest.Container{"server": {
		Execs: map[string]pebbletest.ExecHandler{"ask": func(_ context.Context, c pebble.Command) (pebble.ExecResult, error) {
			return pebble.ExecResult{Stdout: []byte(strings.Join(c.Args[1:], "-"))}, nil
		}},
		OnStart: func(p pebbletest.Process) *int {
			if p.Service == "bad" {
				return &code
			}
			return nil
		},
		Layers: []opstest.Layer{{Label: "image", Layer: pebble.Layer{Services: map[string]pebble.Service{"bad": {Command: "bad"}, "good": {Command: "good"}}}}},
	}}}
	result := opstest.Load(t, files).Run(t, does(func(ctx context.Context, u *ops.Unit) error {
		server := u.Container("server")
		answer, err := server.Exec(ctx, pebble.Command{Args: []string{"ask", "a", "b"}})
		if err != nil || string(answer.Stdout) != "a-b" {
			t.Errorf("ask: %q, %v", answer.Stdout, err)
		}
		if err := server.Start(ctx, "bad"); err == nil || !strings.Contains(err.Error(), "exited quickly with code 7") {
			t.Errorf("bad: %v", err)
		}
		return server.Start(ctx, "good")
	}), state, opstest.PebbleReady("server"))
	want := map[string]opstest.Service{"bad": {Current: "backoff", PID: 1}, "good": {Current: "active", PID: 2}}
	if diff := cmp.Diff(want, result.State.Containers["server"].Services); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"server: Exec ask a b", "server: Start bad", "server: Start good", "status-set -- active"}, result.Writes); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

// A process that runs on another configuration than the plan's is restarted by
// a later replan, in a later run too.
func TestProcessesKeepWhatTheyStartedWith(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	layer := func(command string) does {
		return func(ctx context.Context, u *ops.Unit) error {
			return u.Container("server").AddLayer(ctx, "web", pebble.Layer{Services: map[string]pebble.Service{"a": {Command: command, Startup: "enabled"}}})
		}
	}
	replan := does(func(ctx context.Context, u *ops.Unit) error { return u.Container("server").Replan(ctx) })
	state := opstest.State{Containers: map[string]opstest.Container{"server": {}}}
	var pids []int
	for _, step := range []does{layer("a 1"), replan, replan, layer("a 2"), replan} {
		state = charm.Run(t, step, state, opstest.UpdateStatus()).State
		pids = append(pids, state.Containers["server"].Services["a"].PID)
	}
	if diff := cmp.Diff([]int{0, 1, 1, 1, 2}, pids); diff != "" {
		t.Errorf("processes (-want +got):\n%s", diff)
	}
}

// A container whose Pebble ends within the hook is down afterwards, and has
// only what was in its mounts.
func TestPebbleEndsWithinTheHook(t *testing.T) {
	t.Parallel()
	code := 1
	state := opstest.State{Containers: map[string]opstest.Container{"server": {
		Layers:  []opstest.Layer{{Label: "image", Layer: pebble.Layer{Services: map[string]pebble.Service{"bad": {Command: "bad", OnFailure: "shutdown"}}}}},
		Files:   map[string]opstest.File{"/etc/x": {Content: "x"}, "/data/y": {Content: "y"}},
		OnStart: func(pebbletest.Process) *int { return &code },
	}}}
	result := opstest.Load(t, files).Run(t, does(func(ctx context.Context, u *ops.Unit) error {
		_ = u.Container("server").Start(ctx, "bad")
		if _, err := u.Container("server").Plan(ctx); !pebble.Unavailable(err) {
			t.Errorf("got %v", err)
		}
		return nil
	}), state, opstest.PebbleReady("server"))
	want := state.Clone()
	want.Containers["server"] = opstest.Container{Down: true, Files: map[string]opstest.File{"/data/y": {Content: "y"}}}
	want.Status = juju.Status{Name: juju.Active}
	if diff := opstest.Diff(want, result.State); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

// The files of a real Pebble are below its own directory.
func TestRealPebbleKeepsFilesToItself(t *testing.T) {
	t.Parallel()
	real := opstest.RealPebble(t).Pebble
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(real.MakeDir(ctx, "/etc/web", 0o755))
	must(real.MakeDirectory(ctx, pebble.Directory{Path: "/etc/web/empty"}))
	must(real.Push(ctx, pebble.File{Path: "/etc/web/a", Content: []byte("a")}))
	must(real.PushFrom(ctx, pebble.File{Path: "/etc/web/b"}, strings.NewReader("b")))
	var copied strings.Builder
	must(real.PullTo(ctx, "/etc/web/b", &copied))
	must(real.RemoveOne(ctx, "/etc/web/empty"))
	infos, err := real.ListFiles(ctx, "/etc/web", false)
	must(err)
	found, err := real.FindFiles(ctx, "/etc/web", "b*")
	must(err)
	top, err := real.ListFiles(ctx, "/", true)
	must(err)
	var paths []string
	for _, info := range slices.Concat(infos, found, top) {
		paths = append(paths, info.Path)
	}
	if diff := cmp.Diff([]string{"/etc/web/a", "/etc/web/b", "/etc/web/b", "/"}, paths); diff != "" || copied.String() != "b" {
		t.Errorf("copied %q, files (-want +got):\n%s", copied.String(), diff)
	}
	must(real.Remove(ctx, "/etc"))
	if _, err := real.Pull(ctx, "/etc/web/a"); err == nil {
		t.Error("a removed file is still there")
	}
	if err := real.Push(ctx, pebble.File{Path: "etc/x"}); err == nil {
		t.Error("Pebble took a relative path")
	}
}
