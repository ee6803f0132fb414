package pebbletest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// backend is one of the two Pebbles that the contract holds for.
type backend struct {
	pebble.Daemon
	dir  string // absolute, for the test's files
	user string // the daemon's own
	uid  int
	kill func()
	boot func()
}

var backends = []struct {
	name string
	open func(t *testing.T) backend
}{
	{"fake", func(t *testing.T) backend {
		var f *Fake
		f = NewFake(Options{
			Mounts: []string{"/test"}, Missing: []string{"/nope/program", "nosuchprogram"},
			OnStart: func(p Process) *int {
				code := map[string]int{"false": 1, "true": 0}
				if exit, ok := code[p.Config.Command]; ok {
					return &exit
				}
				if text, ok := strings.CutPrefix(p.Config.Command, "sh -c 'echo "); ok {
					text, _, _ = strings.Cut(text, ";")
					f.Log(p.Service, text)
				}
				return nil
			},
			RunCheck: func(_ string, c pebble.Check) error {
				if c.Exec == nil || c.Exec.Command == "false" {
					return errors.New("exit status 1")
				}
				return nil
			},
		})
		f.HandleExec("cat", func(_ context.Context, c pebble.Command) (pebble.ExecResult, error) {
			return pebble.ExecResult{Stdout: c.Stdin}, nil
		})
		f.HandleExec("printenv", func(_ context.Context, c pebble.Command) (pebble.ExecResult, error) {
			value, ok := c.Environment[c.Args[1]]
			if !ok {
				return pebble.ExecResult{ExitCode: 1}, nil
			}
			return pebble.ExecResult{Stdout: []byte(value + "\n")}, nil
		})
		f.HandleExec("sleep", func(ctx context.Context, _ pebble.Command) (pebble.ExecResult, error) {
			<-ctx.Done()
			return pebble.ExecResult{}, context.Cause(ctx)
		})
		return backend{Daemon: f, dir: "/test", user: "root", kill: f.Kill, boot: f.Boot}
	}},
	{"daemon", func(t *testing.T) backend {
		d := Start(t)
		self, err := user.Current()
		check1(t, err)
		return backend{
			user:   self.Username,
			uid:    os.Getuid(),
			Daemon: d.Client,
			dir:    d.Dir,
			kill:   func() { d.Kill(t) },
			boot:   func() { d.Boot(t) },
		}
	}},
}

// contract runs the test on both Pebbles.
func contract(t *testing.T, test func(t *testing.T, b backend)) {
	t.Helper()
	t.Parallel()
	for _, be := range backends {
		t.Run(be.name, func(t *testing.T) {
			t.Parallel()
			test(t, be.open(t))
		})
	}
}

// refusal is Pebble's message; "" for no error.
func refusal(t *testing.T, err error) string {
	t.Helper()
	var refused *pebble.APIError
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &refused):
		t.Fatalf("got %T (%v), want an APIError", err, err)
	}
	return refused.Message
}

func check1(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func statuses(t *testing.T, b backend) map[string]string {
	t.Helper()
	infos, err := b.Services(t.Context())
	check1(t, err)
	got := make(map[string]string)
	for _, info := range infos {
		got[info.Name] = info.Startup + " " + info.Current
	}
	return got
}

func TestContractServices(t *testing.T) {
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		if got := refusal(t, b.Start(ctx)); got != "must specify services for start action" {
			t.Errorf("start of nothing: %q", got)
		}
		if got := refusal(t, b.Restart(ctx, "nobody")); got != `cannot restart services: service "nobody" does not exist` {
			t.Errorf("restart of an unknown service: %q", got)
		}
		check1(t, b.Replan(ctx)) // an empty plan is nothing to do
		check1(t, b.AddLayer(ctx, "charm", layerOf(map[string]pebble.Service{
			"on":     {Command: "sleep 1000", Startup: "enabled"},
			"off":    {Command: "sleep 1000"},
			"needs":  {Command: "sleep 1000", Requires: []string{"needed"}, After: []string{"needed"}},
			"needed": {Command: "sleep 1000"},
		})))
		want := map[string]string{
			"on": "enabled inactive", "off": "disabled inactive",
			"needs": "disabled inactive", "needed": "disabled inactive",
		}
		if diff := cmp.Diff(want, statuses(t, b)); diff != "" {
			t.Errorf("before any start (-want +got):\n%s", diff)
		}
		check1(t, b.Replan(ctx))
		check1(t, b.Start(ctx, "needs", "off"))
		want = map[string]string{
			"on": "enabled active", "off": "disabled active", "needs": "disabled active", "needed": "disabled active",
		}
		if diff := cmp.Diff(want, statuses(t, b)); diff != "" {
			t.Errorf("after starts (-want +got):\n%s", diff)
		}
		before := since(t, b, "on")
		check1(t, b.Start(ctx, "on")) // already runs
		check1(t, b.Replan(ctx))      // nothing changed
		if since(t, b, "on") != before {
			t.Error("a service that ran was started anew")
		}
		check1(t, b.Restart(ctx, "on"))
		if since(t, b, "on") == before {
			t.Error("restart left the process")
		}
		check1(t, b.Signal(ctx, "SIGCONT", "on"))
		if got := refusal(t, b.Signal(ctx, "SIGNONE", "on", "on")); got !=
			`cannot send signal to "on": invalid signal name "SIGNONE"; cannot send signal to "on": invalid signal name "SIGNONE"` {
			t.Errorf("signal: %q", got)
		}
		check1(t, b.Stop(ctx, "needed", "off")) // what needs it stops too
		check1(t, b.Stop(ctx, "off"))           // already stopped
		if got := refusal(t, b.Signal(ctx, "SIGHUP", "off")); got != `cannot send signal to "off": service is not running` {
			t.Errorf("signal: %q", got)
		}
		want = map[string]string{
			"on": "enabled active", "off": "disabled inactive", "needs": "disabled inactive", "needed": "disabled inactive",
		}
		if diff := cmp.Diff(want, statuses(t, b)); diff != "" {
			t.Errorf("after stop (-want +got):\n%s", diff)
		}
		// Replan also starts what is disabled and stopped, if it changed.
		check1(t, b.AddLayer(ctx, "charm", layerOf(map[string]pebble.Service{"off": {Command: "sleep 2000"}})))
		check1(t, b.Replan(ctx))
		if got := statuses(t, b)["off"]; got != "disabled active" {
			t.Errorf("a changed service after replan: %s", got)
		}
		some, err := b.Services(ctx, "off", "nobody")
		check1(t, err)
		if len(some) != 1 || some[0].Name != "off" {
			t.Errorf("services by name: %+v", some)
		}
	})
}

func since(t *testing.T, b backend, name string) time.Time {
	t.Helper()
	infos, err := b.Services(t.Context(), name)
	check1(t, err)
	return infos[0].CurrentSince
}

func TestContractFailingServices(t *testing.T) {
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		check1(t, b.AddLayer(ctx, "charm", layerOf(map[string]pebble.Service{
			"bad":     {Command: "false", BackoffDelay: "1h", BackoffLimit: "1h"},
			"ignored": {Command: "false", OnFailure: "ignore"},
			"done":    {Command: "true", OnSuccess: "ignore"},
			"good":    {Command: "sleep 1000"},
			"held":    {Command: "sleep 1000", Requires: []string{"bad"}, After: []string{"bad"}},
		})))
		tests := []struct {
			names                   []string
			message, state, summary string
		}{
			{[]string{"bad"}, `exited quickly with code 1, will restart`, "backoff", `Start service "bad"`},
			{[]string{"ignored"}, `exited quickly with code 1, will ignore`, "error", `Start service "ignored"`},
			{[]string{"done"}, `exited quickly with code 0, will ignore`, "inactive", `Start service "done"`},
			{[]string{"bad", "good", "held"}, `exited quickly with code 1, will restart`, "backoff", `Start service "bad" and 2 more`},
		}
		for _, test := range tests {
			var failed *pebble.ChangeError
			if err := b.Start(ctx, test.names...); !errors.As(err, &failed) {
				t.Fatalf("start of %q: %v", test.names, err)
			}
			want := "cannot perform the following tasks:\n- Start service \"" + test.names[0] + "\" (service start attempt: " + test.message + ")"
			if failed.Message != want || failed.Summary != test.summary || len(failed.Log) == 0 || strings.Contains(failed.Error(), "\n") {
				t.Errorf("start of %q: %#v", test.names, failed)
			}
			if got := statuses(t, b)[test.names[0]]; got != "disabled "+test.state {
				t.Errorf("%s is %s", test.names[0], got)
			}
		}
		if got := statuses(t, b); got["good"] != "disabled active" || got["held"] != "disabled inactive" {
			t.Errorf("next to a failing service: %v", got)
		}
		check1(t, b.Stop(ctx, "bad")) // out of backoff
		if got := statuses(t, b)["bad"]; got != "disabled inactive" {
			t.Errorf("bad is %s", got)
		}
	})
}

func TestContractFiles(t *testing.T) {
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		in := func(name string) string { return filepath.Join(b.dir, name) }
		if err := b.Push(ctx, pebble.File{Path: in("d/e/plain"), Content: []byte("1\x00\r\n")}); err != nil {
			t.Fatal(err)
		}
		check1(t, b.Push(ctx, pebble.File{Path: in("d/secret"), Content: []byte("old"), Mode: 0o600}))
		check1(t, b.Push(ctx, pebble.File{Path: in("d/secret"), Mode: 0o640}))
		check1(t, b.MakeDir(ctx, in("d/made/below"), 0o700))
		check1(t, b.MakeDir(ctx, in("d/made"), 0)) // exists
		content, err := b.Pull(ctx, in("d/e/plain"))
		if err != nil || !bytes.Equal(content, []byte("1\x00\r\n")) {
			t.Errorf("pull: %q, %v", content, err)
		}
		list := func(name string, itself bool) []string {
			t.Helper()
			infos, err := b.ListFiles(ctx, name, itself)
			check1(t, err)
			var got []string
			for _, info := range infos {
				if info.Path != filepath.Join(filepath.Dir(info.Path), info.Name) || info.User != "root" && b.dir == "/test" {
					t.Errorf("info: %+v", info)
				}
				size := info.Size
				if info.Mode.IsDir() {
					size = 0
				}
				got = append(got, info.Mode.String()+" "+info.Name+" "+string(rune('0'+size)))
			}
			return got
		}
		if diff := cmp.Diff([]string{"drwxr-xr-x e 0", "drwx------ made 0", "-rw-r----- secret 0"}, list(in("d"), false)); diff != "" {
			t.Errorf("list (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"drwxr-xr-x d 0"}, list(in("d"), true)); diff != "" {
			t.Errorf("list itself (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"-rw-r--r-- plain 4"}, list(in("d/e/plain"), false)); diff != "" {
			t.Errorf("list a file (-want +got):\n%s", diff)
		}

		pull := func(name string) error { _, err := b.Pull(ctx, name); return err }
		look := func(name string) error { _, err := b.ListFiles(ctx, name, false); return err }
		tests := []struct {
			name    string
			err     error
			want    string
			missing bool
		}{
			{"pull missing", pull(in("no")), "stat " + in("no") + ": no such file or directory", true},
			{"pull below a file", pull(in("d/secret/x")), "stat " + in("d/secret/x") + ": not a directory", false},
			{"pull a directory", pull(in("d")), `can only read a regular file: "` + in("d") + `"`, false},
			{"pull relative", pull("etc/x"), `paths must be absolute, got "etc/x"`, false},
			{"push relative", b.Push(ctx, pebble.File{Path: "x"}), `paths must be absolute, got "x"`, false},
			{"push below a file", b.Push(ctx, pebble.File{Path: in("d/secret/x/y")}),
				"cannot create directory: mkdir " + in("d/secret") + ": not a directory", false},
			{"push as nobody known", b.Push(ctx, pebble.File{Path: in("x"), User: "nosuchuser"}),
				"cannot look up user and group: user: unknown user nosuchuser", false},
			{"push with a group only", b.Push(ctx, pebble.File{Path: in("x"), Group: "root"}),
				"cannot look up user and group: must specify user, not just group", false},
			{"list missing", look(in("no")), "stat " + in("no") + ": no such file or directory", true},
			{"list relative", look("etc"), `path must be absolute, got "etc"`, false},
			{"list nothing", look(""), "must specify path", false},
			{"make relative", b.MakeDir(ctx, "x", 0), `paths must be absolute, got "x"`, false},
			{"make over a file", b.MakeDir(ctx, in("d/secret"), 0), "mkdir " + in("d/secret") + ": not a directory", false},
			{"remove relative", b.Remove(ctx, "x"), `paths must be absolute, got "x"`, false},
			{"remove missing", b.Remove(ctx, in("no/no")), "", false},
			{"remove a tree", b.Remove(ctx, in("d")), "", false},
			{"pull removed", pull(in("d/e/plain")), "stat " + in("d/e/plain") + ": no such file or directory", true},
		}
		for _, test := range tests {
			if got := refusal(t, test.err); got != test.want || errors.Is(test.err, fs.ErrNotExist) != test.missing {
				t.Errorf("%s: %q (missing %v), want %q", test.name, got, errors.Is(test.err, fs.ErrNotExist), test.want)
			}
		}
	})
}

func TestContractExec(t *testing.T) {
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		check1(t, b.AddLayer(ctx, "charm", layerOf(map[string]pebble.Service{
			"s": {Command: "sleep 1000", Environment: map[string]string{"FROM_SERVICE": "yes"}},
		})))
		input := bytes.Repeat([]byte("0123456789abcdef"), 40<<10/16)
		tests := []struct {
			command pebble.Command
			want    pebble.ExecResult
			refusal string
		}{
			{pebble.Command{Args: []string{"cat"}, Stdin: input}, pebble.ExecResult{Stdout: input}, ""},
			{pebble.Command{Args: []string{"printenv", "A"}, Environment: map[string]string{"A": "b"}}, pebble.ExecResult{Stdout: []byte("b\n")}, ""},
			{pebble.Command{Args: []string{"printenv", "FROM_SERVICE"}, ServiceContext: "s"}, pebble.ExecResult{Stdout: []byte("yes\n")}, ""},
			{pebble.Command{Args: []string{"printenv", "NO_SUCH_VARIABLE"}}, pebble.ExecResult{ExitCode: 1}, ""},
			{pebble.Command{}, pebble.ExecResult{}, "must specify command"},
			{pebble.Command{Args: []string{"no-such-program"}}, pebble.ExecResult{}, `cannot find executable "no-such-program"`},
			{pebble.Command{Args: []string{"cat"}, ServiceContext: "nobody"}, pebble.ExecResult{}, `context service "nobody" not found`},
			{pebble.Command{Args: []string{"cat"}, WorkingDir: "/no/dir"}, pebble.ExecResult{}, `cannot call exec: working directory "/no/dir" does not exist`},
			{pebble.Command{Args: []string{"cat"}, User: "nosuchuser"}, pebble.ExecResult{}, `user: unknown user nosuchuser`},
		}
		for _, test := range tests {
			result, err := b.Exec(ctx, test.command)
			if got := refusal(t, err); got != test.refusal {
				t.Errorf("%q: %q, want %q", test.command.Args, got, test.refusal)
			}
			if result.ExitCode != test.want.ExitCode || !bytes.Equal(result.Stdout, test.want.Stdout) || len(result.Stderr) > 0 {
				t.Errorf("%q: exit %d, %d bytes of output", test.command.Args, result.ExitCode, len(result.Stdout))
			}
		}
		began := time.Now()
		_, err := b.Exec(ctx, pebble.Command{Args: []string{"sleep", "1000"}, Timeout: 50 * time.Millisecond})
		if !errors.Is(err, context.DeadlineExceeded) || pebble.Unavailable(err) || time.Since(began) > 20*time.Second {
			t.Errorf("timeout: %v after %v", err, time.Since(began))
		}
	})
}

func TestContractNotices(t *testing.T) {
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		for _, key := range []string{"", "nodomain", "example.com", "Example.com/x", "example.com/x/"} {
			want := `invalid key "` + key + `" (must be in "example.com/path" format)`
			if got := refusal(t, b.Notify(ctx, key, nil)); got != want {
				t.Errorf("key %q: %q", key, got)
			}
		}
		if got := refusal(t, b.Notify(ctx, "example.com/"+strings.Repeat("x", 256), nil)); got != "key must be 256 bytes or less" {
			t.Errorf("long key: %q", got)
		}
		big := map[string]string{"x": strings.Repeat("y", 4096)}
		if got := refusal(t, b.Notify(ctx, "example.com/x", big)); got != "total size of data must be 4096 bytes or less" {
			t.Errorf("much data: %q", got)
		}
		check1(t, b.Notify(ctx, "example.com/first", map[string]string{"state": "1"}))
		check1(t, b.Notify(ctx, "example.com/second", nil))
		check1(t, b.Notify(ctx, "example.com/first", map[string]string{"state": "2"}))
		notices, err := b.Notices(ctx)
		check1(t, err)
		var got []string
		for _, notice := range notices {
			got = append(got, notice.Key+" "+notice.LastData["state"]+" "+string(rune('0'+notice.Occurrences)))
			if notice.ID == "" || notice.LastRepeated.IsZero() {
				t.Errorf("notice: %+v", notice)
			}
		}
		if want := []string{"example.com/second  1", "example.com/first 2 2"}; !slices.Equal(got, want) {
			t.Errorf("notices %q, want %q", got, want)
		}
	})
}

func TestContractAway(t *testing.T) {
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		check1(t, b.AddLayer(ctx, "charm", layerOf(map[string]pebble.Service{"a": {Command: "sleep 1000", Startup: "enabled"}})))
		check1(t, b.Push(ctx, pebble.File{Path: filepath.Join(b.dir, "kept"), Content: []byte("x")}))
		check1(t, b.Replan(ctx))
		b.kill()
		began := time.Now()
		_, err := b.SystemInfo(ctx)
		calls := []error{err, b.Start(ctx, "a"), b.Push(ctx, pebble.File{Path: "/x"}), b.AddLayer(ctx, "charm", pebble.Layer{})}
		_, err = b.Pull(ctx, "/x")
		_, err2 := b.Exec(ctx, pebble.Command{Args: []string{"cat"}})
		for i, err := range append(calls, err, err2) {
			if !pebble.Unavailable(err) {
				t.Errorf("call %d without a daemon: %v", i, err)
			}
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("six calls without a daemon took %v", took)
		}
		b.boot()
		plan, err := b.Plan(ctx)
		if err != nil || len(plan.Services) > 0 {
			t.Errorf("plan after a boot: %+v, %v", plan, err)
		}
		if content, err := b.Pull(ctx, filepath.Join(b.dir, "kept")); err != nil || string(content) != "x" {
			t.Errorf("file on a mount: %q, %v", content, err)
		}
	})
}

func TestContractContext(t *testing.T) {
	contract(t, func(t *testing.T, b backend) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := b.Plan(ctx)
		_, err2 := b.Exec(ctx, pebble.Command{Args: []string{"cat"}})
		for i, err := range []error{err, err2, b.Start(ctx, "a"), b.Remove(ctx, b.dir)} {
			if !errors.Is(err, context.Canceled) || pebble.Unavailable(err) {
				t.Errorf("call %d with a cancelled context: %v", i, err)
			}
		}
	})
}
