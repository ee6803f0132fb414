package pebble_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// broker is a container with a main service, one beside it, and a file for
// each.
func broker(dir string) pebble.Desired {
	return pebble.Desired{
		Label: "charm",
		Files: []pebble.File{
			{Path: filepath.Join(dir, "conf/broker.conf"), Content: []byte("a=1\n")},
			{Path: filepath.Join(dir, "conf/password"), Content: []byte("secret"), Mode: 0o600},
			{Path: filepath.Join(dir, "watch.sh"), Content: []byte("#!/bin/sh\n"), Mode: 0o755},
		},
		Services: map[string]pebble.Service{
			"broker": {
				Summary: "Pulsar broker", Startup: "enabled", Command: "sleep 1000", Environment: map[string]string{"MEM": "1g"},
				OnSuccess: "restart", OnFailure: "restart", BackoffDelay: "1500ms", BackoffFactor: 1.5, BackoffLimit: "60s",
				KillDelay: "20s", WorkingDir: "/", OnCheckFailure: map[string]string{"port": "ignore"},
			},
			"watch": {Startup: "enabled", Command: "sleep 2000", After: []string{"broker"}},
			"once":  {Startup: "disabled", Command: "sleep 3000"},
		},
		Checks: map[string]pebble.Check{
			"port": {Level: "alive", Period: "60s", Timeout: "90s", TCP: &pebble.TCPCheck{Port: 1}},
			"web":  {HTTP: &pebble.HTTPCheck{URL: "http://localhost:1/", Headers: map[string]string{}}, Threshold: 5},
			"exec": {Exec: &pebble.ExecCheck{Command: "true", Environment: map[string]string{}}, Startup: "disabled"},
		},
		RestartOn: map[string][]string{
			"broker": {filepath.Join(dir, "conf/broker.conf"), filepath.Join(dir, "conf/password")},
		},
		Memory: filepath.Join(dir, "run"),
	}
}

// with is a changed copy of d.
func with(d pebble.Desired, changes ...func(*pebble.Desired)) pebble.Desired {
	copied := d
	copied.Files = append([]pebble.File(nil), d.Files...)
	copied.Services = make(map[string]pebble.Service)
	for name, service := range d.Services {
		copied.Services[name] = service
	}
	copied.Checks = make(map[string]pebble.Check)
	for name, check := range d.Checks {
		copied.Checks[name] = check
	}
	for _, change := range changes {
		change(&copied)
	}
	return copied
}

func content(index int, text string) func(*pebble.Desired) {
	return func(d *pebble.Desired) { d.Files[index].Content = []byte(text) }
}

func service(name string, change func(*pebble.Service)) func(*pebble.Desired) {
	return func(d *pebble.Desired) {
		s := d.Services[name]
		change(&s)
		d.Services[name] = s
	}
}

func apply(t *testing.T, p pebble.Pebble, d pebble.Desired) pebble.Change {
	t.Helper()
	change, err := pebble.Apply(t.Context(), p, d)
	if err != nil {
		t.Fatal(err)
	}
	return change
}

// both runs the test on the fake and on a real Pebble.
func both(t *testing.T, test func(t *testing.T, p pebble.Pebble, dir string)) {
	t.Helper()
	t.Parallel()
	t.Run("fake", func(t *testing.T) {
		t.Parallel()
		test(t, pebbletest.NewFake(pebbletest.Options{}), "/data")
	})
	t.Run("daemon", func(t *testing.T) {
		t.Parallel()
		d := pebbletest.Start(t)
		test(t, d.Client, d.Dir)
	})
}

func TestApply(t *testing.T) {
	both(t, func(t *testing.T, p pebble.Pebble, dir string) {
		base := broker(dir)
		conf, password, script := base.Files[0].Path, base.Files[1].Path, base.Files[2].Path
		tests := []struct {
			name    string
			desired pebble.Desired
			want    pebble.Change
		}{
			{"everything", base, pebble.Change{
				Files: []string{conf, password, script}, Layer: true, Started: []string{"broker", "watch"},
			}},
			{"nothing", base, pebble.Change{}},
			{"a file that restarts", with(base, content(0, "a=2\n")), pebble.Change{
				Files: []string{conf}, Layer: true, Restarted: []string{"broker"},
			}},
			{"a file that does not", with(base, content(0, "a=2\n"), content(2, "#!/bin/bash\n")), pebble.Change{
				Files: []string{script},
			}},
			{"environment", with(base, service("watch", func(s *pebble.Service) { s.Environment = map[string]string{"A": "b"} })),
				pebble.Change{Files: []string{conf, script}, Layer: true, Restarted: []string{"broker", "watch"}}},
			{"back", base, pebble.Change{Layer: true, Restarted: []string{"watch"}}},
			{"a mode", with(base, func(d *pebble.Desired) { d.Files[1].Mode = 0o640 }), pebble.Change{Files: []string{password}}},
			{"the mode back", base, pebble.Change{Files: []string{password}}},
			{"policy only", with(base, service("broker", func(s *pebble.Service) { s.KillDelay, s.OnFailure = "1s", "ignore" })),
				pebble.Change{Layer: true}},
			{"a check only", with(base, func(d *pebble.Desired) { d.Checks["port"] = pebble.Check{TCP: &pebble.TCPCheck{Port: 2}} }),
				pebble.Change{Layer: true}},
			{"disabled", with(base, service("watch", func(s *pebble.Service) { s.Startup = "disabled" })),
				pebble.Change{Layer: true, Stopped: []string{"watch"}}},
			{"changed while disabled", with(base, service("watch", func(s *pebble.Service) { s.Startup, s.Command = "", "sleep 4000" })),
				pebble.Change{Layer: true}},
			{"enabled again", base, pebble.Change{Layer: true, Started: []string{"watch"}}},
		}
		for _, test := range tests {
			if diff := cmp.Diff(test.want, apply(t, p, test.desired), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", test.name, diff)
			}
			if change := apply(t, p, test.desired); !change.Nothing() {
				t.Fatalf("%s: once more did %+v", test.name, change)
			}
		}

		// Pebble itself sees nothing that it would restart.
		before, err := p.Services(t.Context(), "broker", "watch")
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Replan(t.Context()); err != nil {
			t.Fatal(err)
		}
		after, err := p.Services(t.Context(), "broker", "watch")
		if diff := cmp.Diff(before, after); diff != "" || err != nil {
			t.Errorf("replan after apply (-before +after): %v\n%s", err, diff)
		}
		files, err := p.ListFiles(t.Context(), password, true)
		if err != nil || len(files) != 1 || files[0].Mode != 0o600 {
			t.Errorf("the password: %+v, %v", files, err)
		}
	})
}

// What merges lies over the image's layer, is sent once, and starts what the
// image enables.
func TestApplyMerges(t *testing.T) {
	both(t, func(t *testing.T, p pebble.Pebble, dir string) {
		ctx := t.Context()
		image := pebble.Layer{
			Services: map[string]pebble.Service{
				"app":  {Command: "sleep 1000", Startup: "enabled", After: []string{"side"}, Environment: map[string]string{"A": "1", "B": "2"}},
				"side": {Command: "sleep 1000"},
			},
			Checks:     map[string]pebble.Check{"up": {TCP: &pebble.TCPCheck{Port: 1}, Period: "60s", Timeout: "5s"}},
			LogTargets: map[string]pebble.LogTarget{"logs": {Type: "loki", Location: "http://localhost:1/", Services: []string{"app"}}},
		}
		if err := p.AddLayer(ctx, "image", image); err != nil {
			t.Fatal(err)
		}
		d := pebble.Desired{
			Label: "charm",
			Services: map[string]pebble.Service{
				"app": {Override: "merge", After: []string{"side"}, Environment: map[string]string{"B": "3"}, KillDelay: "1s"},
			},
			Checks:     map[string]pebble.Check{"up": {Override: "merge", Threshold: 9}},
			LogTargets: map[string]pebble.LogTarget{"logs": {Override: "merge", Services: []string{"side"}, Labels: map[string]string{"a": "b"}}},
			Memory:     filepath.Join(dir, "run"),
		}
		if diff := cmp.Diff(pebble.Change{Layer: true, Started: []string{"app"}}, apply(t, p, d)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		plan, err := p.Plan(ctx)
		if err != nil {
			t.Fatal(err)
		}
		app, target := plan.Services["app"], plan.LogTargets["logs"]
		if app.Environment["A"] != "1" || app.Environment["B"] != "3" || plan.Checks["up"].Threshold != 9 || len(target.Services) != 2 {
			t.Errorf("plan: %+v", plan)
		}
		if change := apply(t, p, d); !change.Nothing() {
			t.Errorf("once more did %+v", change)
		}
		other := with(d, service("app", func(s *pebble.Service) { s.Environment = map[string]string{"B": "4"} }))
		if diff := cmp.Diff(pebble.Change{Layer: true, Restarted: []string{"app"}}, apply(t, p, other)); diff != "" {
			t.Errorf("changed (-want +got):\n%s", diff)
		}
		stopped := with(other, service("app", func(s *pebble.Service) { s.Startup = "disabled" }))
		if diff := cmp.Diff(pebble.Change{Layer: true, Stopped: []string{"app"}}, apply(t, p, stopped)); diff != "" {
			t.Errorf("disabled (-want +got):\n%s", diff)
		}
	})
}

// A log target or a check that differs is sent; nothing restarts.
func TestApplyLogTargets(t *testing.T) {
	both(t, func(t *testing.T, p pebble.Pebble, dir string) {
		d := broker(dir)
		apply(t, p, d)
		target := pebble.LogTarget{Type: "loki", Location: "http://localhost:1/", Services: []string{"all", "-watch"}, Labels: map[string]string{"unit": "x"}}
		for _, change := range []func(*pebble.LogTarget){
			func(*pebble.LogTarget) {},
			func(t *pebble.LogTarget) { t.Location = "http://localhost:2/" },
			func(t *pebble.LogTarget) { t.Labels = map[string]string{"unit": "y"} },
			func(t *pebble.LogTarget) { t.Services = []string{"-all"} },
			func(t *pebble.LogTarget) { t.Services = nil },
			func(t *pebble.LogTarget) { t.Type = "syslog" },
		} {
			change(&target)
			d.LogTargets = map[string]pebble.LogTarget{"logs": target}
			if diff := cmp.Diff(pebble.Change{Layer: true}, apply(t, p, d)); diff != "" {
				t.Errorf("%+v (-want +got):\n%s", target, diff)
			}
			if change := apply(t, p, d); !change.Nothing() {
				t.Errorf("%+v: once more did %+v", target, change)
			}
		}
	})
}

// What the operator stops by hand runs again after the next hook; what the
// operator starts that shall not run is stopped.
func TestApplyAfterTheOperator(t *testing.T) {
	both(t, func(t *testing.T, p pebble.Pebble, dir string) {
		d := broker(dir)
		apply(t, p, d)
		if err := errors.Join(p.Stop(t.Context(), "watch"), p.Start(t.Context(), "once")); err != nil {
			t.Fatal(err)
		}
		want := pebble.Change{Started: []string{"watch"}, Stopped: []string{"once"}}
		if diff := cmp.Diff(want, apply(t, p, d)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestApplyNothingOnlyReads(t *testing.T) {
	t.Parallel()
	f := pebbletest.NewFake(pebbletest.Options{})
	d := broker("/data")
	apply(t, f, d)
	f.ResetCalls()
	apply(t, f, d)
	want := []string{
		"Plan", "Services broker once watch", "Pull /data/run/charm.applied",
		"Pull /data/conf/broker.conf", "Pull /data/conf/password", "Pull /data/watch.sh",
	}
	if diff := cmp.Diff(want, f.Calls()); diff != "" || len(f.Writes()) > 0 {
		t.Errorf("(-want +got), writes %q:\n%s", f.Writes(), diff)
	}
}

// The same desired state, built anew, is sent as the same bytes: maps have no
// order to leak.
func TestHash(t *testing.T) {
	t.Parallel()
	d := broker("/data")
	// These are in the plans of running containers: a change restarts the world.
	for name, want := range map[string]string{"broker": "75053fd09a48b1a5", "nobody": ""} {
		if got := pebble.Hash(d, name); got != want {
			t.Errorf("hash of %s: %q, want %q", name, got, want)
		}
	}
	different := map[string]pebble.Desired{
		"command":     with(d, service("broker", func(s *pebble.Service) { s.Command += "0" })),
		"environment": with(d, service("broker", func(s *pebble.Service) { s.Environment = map[string]string{"MEM": "1", "g": ""} })),
		"user":        with(d, service("broker", func(s *pebble.Service) { s.User = "pulsar" })),
		"directory":   with(d, service("broker", func(s *pebble.Service) { s.WorkingDir = "/tmp" })),
		"user id":     with(d, service("broker", func(s *pebble.Service) { s.UserID = new(1) })),
		"group id":    with(d, service("broker", func(s *pebble.Service) { s.GroupID = new(1) })),
		"file":        with(d, content(1, "other")),
	}
	seen := map[string]string{pebble.Hash(d, "broker"): "none"}
	for name, changed := range different {
		hash := pebble.Hash(changed, "broker")
		if seen[hash] != "" {
			t.Errorf("%s makes no difference to %s", name, seen[hash])
		}
		seen[hash] = name
	}
	same := map[string]pebble.Desired{
		"other file":  with(d, content(2, "other")),
		"startup":     with(d, service("broker", func(s *pebble.Service) { s.Startup = "disabled" })),
		"other order": with(d, func(d *pebble.Desired) { d.Files[0], d.Files[1] = d.Files[1], d.Files[0] }),
	}
	for name, changed := range same {
		if pebble.Hash(changed, "broker") != pebble.Hash(d, "broker") {
			t.Errorf("%s changes the hash", name)
		}
	}
	f := pebbletest.NewFake(pebbletest.Options{})
	apply(t, f, d)
	plan, err := f.Plan(t.Context())
	if got := pebble.RunningHash(plan, "broker"); got != pebble.Hash(d, "broker") || err != nil {
		t.Errorf("hash in the plan: %q, %v", got, err)
	}
}

// crash is where an Apply ends: after its first calls, with the next one
// perhaps still carried out.
type crash struct {
	calls int
	sent  bool
}

// TestApplyInterrupted kills Apply after each single call to Pebble, with what
// may happen then, or the one after it again; the next Apply must finish, and
// the one after find nothing.
func TestApplyInterrupted(t *testing.T) {
	t.Parallel()
	base := broker("/data")
	next := with(base, content(0, "a=2\n"), content(1, "hunter2"),
		service("broker", func(s *pebble.Service) { s.Environment = map[string]string{"MEM": "2g"} }),
		service("once", func(s *pebble.Service) { s.Startup = "enabled" }),
		func(d *pebble.Desired) {
			d.Services["new"] = pebble.Service{Startup: "enabled", Command: "sleep 5000"}
			d.Files[1].Mode = 0o640
		})
	away := with(next, service("broker", func(s *pebble.Service) { s.Startup = "disabled" }),
		service("once", func(s *pebble.Service) { s.Startup = "disabled" }))
	tests := []struct {
		name  string
		start []pebble.Desired // applied in full
		steps []pebble.Desired // each interrupted, the last then applied
	}{
		{"fresh", nil, []pebble.Desired{base, base}},
		{"update", []pebble.Desired{base}, []pebble.Desired{next, next}},
		{"update undone", []pebble.Desired{base}, []pebble.Desired{next, base}},
		{"updated again", []pebble.Desired{base}, []pebble.Desired{next, away}},
		{"disable", []pebble.Desired{next}, []pebble.Desired{away, away}},
		{"disable undone", []pebble.Desired{next}, []pebble.Desired{away, next}},
	}
	between := map[string]func(*pebbletest.Fake){
		"nothing": func(*pebbletest.Fake) {},
		"reboot":  func(f *pebbletest.Fake) { f.Boot() },
		// Pebble restarts it by itself, with the configuration it had.
		"exit": func(f *pebbletest.Fake) { _ = f.Exit("broker", 1); f.EndBackoff() },
		// It is left waiting to be restarted.
		"backoff": func(f *pebbletest.Fake) { _ = f.Exit("broker", 1) },
	}
	for _, test := range tests {
		for happening, happen := range between {
			// The memory outlives the daemon where /run is a mount.
			for _, mounts := range [][]string{nil, {"/data/run"}} {
				if mounts != nil && happening != "reboot" {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%d", test.name, happening, len(mounts)), func(t *testing.T) {
					t.Parallel()
					for first, more := (crash{}), true; more; first = first.next() {
						for second, again := (crash{}), true; again && (second == crash{} || happening == "nothing"); second = second.next() {
							f := pebbletest.NewFake(pebbletest.Options{Mounts: mounts})
							for _, d := range test.start {
								apply(t, f, d)
							}
							more = interrupt(t, f, test.steps[0], first)
							happen(f)
							again = interrupt(t, f, test.steps[1], second)
							last := test.steps[1]
							apply(t, f, last)
							f.EndBackoff()
							converged(t, f, last)
							if t.Failed() {
								t.Fatalf("after crashes %+v and %+v", first, second)
							}
						}
					}
				})
			}
		}
	}
}

func (c crash) next() crash {
	if !c.sent {
		return crash{c.calls, true}
	}
	return crash{c.calls + 1, false}
}

// interrupt says whether the crash came before Apply was done.
func interrupt(t *testing.T, f *pebbletest.Fake, d pebble.Desired, at crash) bool {
	t.Helper()
	_, err := pebble.Apply(t.Context(), pebbletest.Interrupt(f, at.calls, at.sent), d)
	if err != nil && !errors.Is(err, pebbletest.ErrInterrupted) {
		t.Fatal(err)
	}
	return err != nil
}

// converged checks that the fake is what d says, processes included.
func converged(t *testing.T, f *pebbletest.Fake, d pebble.Desired) {
	t.Helper()
	f.ResetCalls()
	if change := apply(t, f, d); !change.Nothing() || len(f.Writes()) > 0 {
		t.Errorf("the next apply did %+v, writes %q", change, f.Writes())
	}
	for _, file := range d.Files {
		content, err := f.Pull(t.Context(), file.Path)
		infos, err2 := f.ListFiles(t.Context(), file.Path, true)
		if err != nil || err2 != nil || !bytes.Equal(content, file.Content) || file.Mode != 0 && infos[0].Mode != file.Mode {
			t.Errorf("%s is %q %+v: %v", file.Path, content, infos, errors.Join(err, err2))
		}
	}
	plan, err := f.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range d.Services {
		process, runs := f.Process(name)
		if runs != (want.Startup == "enabled") {
			t.Errorf("%s runs: %v", name, runs)
		}
		if !runs {
			continue
		}
		if got := process.Config.Environment[pebble.HashVariable]; got != pebble.Hash(d, name) {
			t.Errorf("%s runs on %s, want %s", name, got, pebble.Hash(d, name))
		}
		if diff := cmp.Diff(plan.Services[name], process.Config); diff != "" {
			t.Errorf("%s (-plan +process):\n%s", name, diff)
		}
	}
}

// Wherever an Apply was cut short, StartedHash tells whether the next one
// restarts the process. (The plan's hash does not.)
func TestStartedHash(t *testing.T) {
	t.Parallel()
	base := broker("/data")
	base.Memory = ""
	next := with(base, content(0, "a=2\n"), content(1, "hunter2"))
	for name, start := range map[string][]pebble.Desired{"start": nil, "update": {base}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			misled := false
			for at, more := (crash{}), true; more; at = at.next() {
				f := pebbletest.NewFake(pebbletest.Options{})
				for _, d := range start {
					apply(t, f, d)
				}
				more = interrupt(t, f, next, at)
				plan, err := f.Plan(t.Context())
				hash, err2 := pebble.StartedHash(t.Context(), f, next.Label, "broker")
				if err := errors.Join(err, err2); err != nil {
					t.Fatal(err)
				}
				_, runs := f.Process("broker")
				restarts := slices.Contains(apply(t, f, next).Restarted, "broker")
				if differs := runs && hash != pebble.Hash(next, "broker"); differs != restarts {
					t.Errorf("crash %+v: the hash %q says that it will restart: %v; it does: %v", at, hash, differs, restarts)
				}
				misled = misled || restarts && pebble.RunningHash(plan, "broker") == pebble.Hash(next, "broker")
			}
			if !misled {
				t.Error("no crash came between the change of the plan and what Apply remembers")
			}
		})
	}
	if hash, err := pebble.StartedHash(t.Context(), pebbletest.NewFake(pebbletest.Options{}), "charm", "broker"); hash != "" || err != nil {
		t.Errorf("in an empty container: %q, %v", hash, err)
	}
}

// A process that did not change survives every crash.
func TestApplyInterruptedRestartsNothingElse(t *testing.T) {
	t.Parallel()
	base := broker("/data")
	next := with(base, content(0, "a=2\n"))
	for at, more := (crash{}), true; more; at = at.next() {
		f := pebbletest.NewFake(pebbletest.Options{})
		apply(t, f, base)
		before, _ := f.Process("watch")
		more = interrupt(t, f, next, at)
		apply(t, f, next)
		if after, _ := f.Process("watch"); after.PID != before.PID {
			t.Errorf("crash %+v: watch was restarted", at)
		}
	}
}

func TestApplyFailingService(t *testing.T) {
	t.Parallel()
	fails := true
	f := pebbletest.NewFake(pebbletest.Options{OnStart: func(p pebbletest.Process) *int {
		if code := 3; p.Service == "broker" && fails {
			return &code
		}
		return nil
	}})
	d := broker("/data")
	change, err := pebble.Apply(t.Context(), f, d)
	var failed *pebble.ChangeError
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "exited quickly with code 3, will restart") {
		t.Fatalf("got %v", err)
	}
	if !change.Layer || len(change.Started) > 0 {
		t.Errorf("change: %+v", change)
	}
	// From here on it is Pebble's to restart: no hook restarts it again.
	if change := apply(t, f, d); !change.Nothing() {
		t.Errorf("in backoff: %+v", change)
	}
	fails = false
	f.EndBackoff()
	if change := apply(t, f, d); !change.Nothing() {
		t.Errorf("recovered: %+v", change)
	}
	converged(t, f, d)
}

func TestApplyBigFile(t *testing.T) {
	t.Parallel()
	f := pebbletest.NewFake(pebbletest.Options{})
	d := broker("/data")
	d.Files = append(d.Files, pebble.File{Path: "/data/client", Content: bytes.Repeat([]byte("x"), 1<<20), Mode: 0o755})
	apply(t, f, d)
	f.ResetCalls()
	if change := apply(t, f, d); !change.Nothing() || !strings.Contains(strings.Join(f.Calls(), ","), "ListFiles /data/client") {
		t.Errorf("%+v, calls %q", change, f.Calls())
	}
	changed := with(d, func(d *pebble.Desired) { d.Files[3].Content = bytes.Repeat([]byte("y"), 1<<20) })
	if change := apply(t, f, changed); len(change.Files) != 1 {
		t.Errorf("changed: %+v", change)
	}
	converged(t, f, changed)
	if err := f.Remove(t.Context(), "/data/client"); err != nil {
		t.Fatal(err)
	}
	if change := apply(t, f, changed); len(change.Files) != 1 {
		t.Errorf("removed: %+v", change)
	}
}

// Without its memory Apply cannot tell what runs: once, it restarts.
func TestApplyLostMemory(t *testing.T) {
	t.Parallel()
	f := pebbletest.NewFake(pebbletest.Options{})
	d := broker("/data")
	apply(t, f, d)
	if err := f.Push(t.Context(), pebble.File{Path: "/data/run/charm.applied", Content: []byte("{")}); err != nil {
		t.Fatal(err)
	}
	if change := apply(t, f, d); len(change.Restarted) != 2 {
		t.Errorf("change: %+v", change)
	}
	converged(t, f, d)
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	d := broker("/data")
	tests := map[string]pebble.Desired{
		`cannot apply a layer without label`:                       with(d, func(d *pebble.Desired) { d.Label = "" }),
		`cannot apply file "/data/watch.sh": it is desired twice`:  with(d, func(d *pebble.Desired) { d.Files[0].Path = d.Files[2].Path }),
		`cannot restart service "x" on files: it is not among the`: with(d, func(d *pebble.Desired) { d.RestartOn = map[string][]string{"x": nil} }),
		`cannot restart service "broker" on file "/nope": it is`:   with(d, func(d *pebble.Desired) { d.RestartOn = map[string][]string{"broker": {"/nope"}} }),
		`cannot add layer "charm": plan must define "command"`:     with(d, service("once", func(s *pebble.Service) { s.Command = "" })),
		`cannot add layer "charm": cannot parse layer YAML: plan service "once" on-failure action "x" invalid`: with(d,
			service("once", func(s *pebble.Service) { s.OnFailure = "x" })),
		`cannot add layer "charm": layer "charm" has invalid "override" value for service "once"`: with(d,
			service("once", func(s *pebble.Service) { s.Override = "x" })),
	}
	for want, desired := range tests {
		f := pebbletest.NewFake(pebbletest.Options{})
		if _, err := pebble.Apply(t.Context(), f, desired); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if writes := f.Writes(); len(writes) > 0 {
			t.Errorf("%s: refused after %q", want, writes)
		}
	}
	f := pebbletest.NewFake(pebbletest.Options{})
	f.Kill()
	if _, err := pebble.Apply(t.Context(), f, d); !pebble.Unavailable(err) {
		t.Errorf("without a daemon: %v", err)
	}
}
