package pebbletest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// recorder keeps what a fake tells, in order.
type recorder struct{ events []string }

func (r *recorder) options() Options {
	add := func(format string, args ...any) { r.events = append(r.events, fmt.Sprintf(format, args...)) }
	return Options{
		OnStart: func(p Process) *int {
			add("start %s %d %s", p.Service, p.PID, p.Config.Command)
			return nil
		},
		OnStop:   func(p Process) { add("stop %s %d", p.Service, p.PID) },
		OnSignal: func(p Process, signal string) { add("%s %s", signal, p.Service) },
		OnNotice: func(n pebble.Notice) { add("notice %s %d", n.Key, n.Occurrences) },
	}
}

func (r *recorder) want(t *testing.T, events ...string) {
	t.Helper()
	if diff := cmp.Diff(events, r.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	r.events = nil
}

func status(t *testing.T, f *Fake, name string) string {
	t.Helper()
	infos, err := f.Services(t.Context(), name)
	if err != nil || len(infos) != 1 {
		t.Fatalf("services: %v, %v", infos, err)
	}
	return infos[0].Current
}

func TestFakeExit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		service pebble.Service
		code    int
		want    string
	}{
		{pebble.Service{}, 0, "backoff"},
		{pebble.Service{}, 1, "backoff"},
		{pebble.Service{OnSuccess: "ignore"}, 0, "inactive"},
		{pebble.Service{OnSuccess: "ignore"}, 1, "backoff"},
		{pebble.Service{OnFailure: "ignore"}, 1, "error"},
		{pebble.Service{OnFailure: "restart"}, 143, "backoff"},
		{pebble.Service{OnFailure: "shutdown"}, 1, "away"},
		{pebble.Service{OnSuccess: "failure-shutdown"}, 0, "away"},
	}
	for _, test := range tests {
		var r recorder
		f := NewFake(r.options())
		test.service.Command = "serve"
		check1(t, f.AddLayer(t.Context(), "charm", layerOf(map[string]pebble.Service{"a": test.service})))
		check1(t, f.Start(t.Context(), "a"))
		check1(t, f.Exit("a", test.code))
		r.want(t, "start a 1 serve", "stop a 1")
		if _, err := f.Plan(t.Context()); pebble.Unavailable(err) {
			if test.want != "away" {
				t.Errorf("%+v: the daemon is away", test.service)
			}
			continue
		}
		if got := status(t, f, "a"); got != test.want {
			t.Errorf("%+v after exit %d: %s, want %s", test.service, test.code, got, test.want)
		}
		if err := f.Exit("a", 0); err == nil {
			t.Errorf("%+v: a process ended twice", test.service)
		}
	}
}

// A service that Pebble restarts by itself keeps its old configuration.
func TestFakeBackoff(t *testing.T) {
	t.Parallel()
	var r recorder
	f := NewFake(r.options())
	check1(t, f.AddLayer(t.Context(), "charm", layerOf(map[string]pebble.Service{"a": {Command: "old"}})))
	check1(t, f.Start(t.Context(), "a"))
	check1(t, f.AddLayer(t.Context(), "charm", layerOf(map[string]pebble.Service{"a": {Command: "new"}})))
	check1(t, f.Exit("a", 1))
	if got := f.EndBackoff(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("ended %q", got)
	}
	check1(t, f.Restart(t.Context(), "a"))
	r.want(t, "start a 1 old", "stop a 1", "start a 2 old", "stop a 2", "start a 3 new")
}

func TestFakeChecks(t *testing.T) {
	t.Parallel()
	var r recorder
	f := NewFake(r.options())
	check1(t, f.AddLayer(t.Context(), "charm", pebble.Layer{
		Services: map[string]pebble.Service{
			"a": {Command: "a", OnCheckFailure: map[string]string{"c": "restart"}},
			"b": {Command: "b", OnCheckFailure: map[string]string{"c": "ignore"}},
		},
		Checks: map[string]pebble.Check{"c": {TCP: &pebble.TCPCheck{Port: 1}, Threshold: 2}},
	}))
	check1(t, f.Start(t.Context(), "a", "b"))
	check1(t, f.SetCheck("c", "down", 2))
	check1(t, f.SetCheck("c", "down", 3)) // is down already
	r.want(t, "start a 1 a", "start b 2 b", "stop a 1")
	infos, err := f.Checks(t.Context())
	check1(t, err)
	want := []pebble.CheckInfo{{Name: "c", Startup: "enabled", Status: "down", Failures: 3, Threshold: 2, ChangeID: "3"}}
	if diff := cmp.Diff(want, infos); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	if f.SetCheck("d", "up", 0) == nil || f.SetCheck("c", "sideways", 0) == nil {
		t.Error("an unknown check or status was accepted")
	}
	if f.SetCheck("c", "up", 2) == nil || f.SetCheck("c", "down", 1) == nil || f.SetCheck("c", "up", -1) == nil {
		t.Error("failures that do not fit the status were accepted")
	}
	if _, err := f.StopChecks(t.Context(), "c"); err != nil || f.SetCheck("c", "down", 2) == nil {
		t.Errorf("an inactive check went down, %v", err)
	}
}

func TestFakeKill(t *testing.T) {
	t.Parallel()
	var r recorder
	o := r.options()
	o.Files = []pebble.File{{Path: "/etc/image", Content: []byte("image")}}
	o.Mounts = []string{"/data/deep"}
	o.Users = []string{"pulsar"}
	f := NewFake(o)
	before, err := f.SystemInfo(t.Context())
	check1(t, err)
	check1(t, f.AddLayer(t.Context(), "charm", layerOf(map[string]pebble.Service{"a": {Command: "a"}})))
	check1(t, f.Start(t.Context(), "a"))
	check1(t, f.Push(t.Context(), pebble.File{Path: "/data/deep/x", User: "pulsar"}))
	check1(t, f.Push(t.Context(), pebble.File{Path: "/data/lost"}))
	check1(t, f.Push(t.Context(), pebble.File{Path: "/etc/image", Content: []byte("changed")}))
	f.Kill()
	f.Kill()
	r.want(t, "start a 1 a", "stop a 1")
	if err := f.Stop(t.Context(), "a"); !pebble.Unavailable(err) {
		t.Errorf("stop of a dead daemon: %v", err)
	}
	f.Boot()
	after, err := f.SystemInfo(t.Context())
	check1(t, err)
	if after.BootID == before.BootID {
		t.Errorf("boot ID is still %s", after.BootID)
	}
	if infos, err := f.Services(t.Context()); err != nil || len(infos) > 0 {
		t.Errorf("services: %v, %v", infos, err)
	}
	if content, err := f.Pull(t.Context(), "/etc/image"); string(content) != "image" {
		t.Errorf("image file: %q, %v", content, err)
	}
	if _, err := f.Pull(t.Context(), "/data/lost"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a lost file: %v", err)
	}
	infos, err := f.ListFiles(t.Context(), "/data/deep", false)
	if err != nil || len(infos) != 1 || infos[0].User != "pulsar" || infos[0].Group != "pulsar" {
		t.Errorf("mount: %+v, %v", infos, err)
	}
	if err := f.Remove(t.Context(), "/data"); err == nil {
		t.Error("a mount was removed")
	}
}

// The functions that a test gives may use the fake.
func TestFakeCallbacksMayCall(t *testing.T) {
	t.Parallel()
	var f *Fake
	f = NewFake(Options{
		OnStart: func(p Process) *int {
			if err := f.Notify(context.Background(), "example.com/started", map[string]string{"service": p.Service}); err != nil {
				t.Error(err)
			}
			return nil
		},
		OnNotice: func(pebble.Notice) { _, _ = f.Plan(context.Background()) },
	})
	f.HandleExec("init", func(ctx context.Context, c pebble.Command) (pebble.ExecResult, error) {
		return pebble.ExecResult{}, f.Push(ctx, pebble.File{Path: "/done", Content: []byte(c.Environment["WHO"])})
	})
	check1(t, f.AddLayer(t.Context(), "charm", layerOf(map[string]pebble.Service{"a": {Command: "a", Environment: map[string]string{"WHO": "a"}}})))
	check1(t, f.Start(t.Context(), "a"))
	_, err := f.Exec(t.Context(), pebble.Command{Args: []string{"init"}, ServiceContext: "a"})
	check1(t, err)
	content, err := f.Pull(t.Context(), "/done")
	if string(content) != "a" || err != nil {
		t.Errorf("file of the command: %q, %v", content, err)
	}
	want := []string{"AddLayer charm", "Start a", "Notify example.com/started", "Exec init", "Push /done"}
	if diff := cmp.Diff(want, f.Writes()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	f.ResetCalls()
	if len(f.Calls())+len(f.Writes()) > 0 {
		t.Error("calls were not forgotten")
	}
}

// What is returned or was given is a copy.
func TestFakeSharesNothing(t *testing.T) {
	t.Parallel()
	f := NewFake(Options{})
	environment := map[string]string{"A": "1"}
	check1(t, f.AddLayer(t.Context(), "charm", layerOf(map[string]pebble.Service{"a": {Command: "a", Environment: environment}})))
	environment["A"] = "2"
	for range 2 {
		plan, err := f.Plan(t.Context())
		check1(t, err)
		if got := plan.Services["a"].Environment["A"]; got != "1" {
			t.Fatalf("environment %q", got)
		}
		plan.Services["a"].Environment["A"] = "3"
	}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	for _, sent := range []bool{false, true} {
		f := NewFake(Options{})
		p := Interrupt(f, 1, sent)
		if _, err := p.Plan(t.Context()); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := p.Push(t.Context(), pebble.File{Path: "/x"}); !errors.Is(err, ErrInterrupted) {
				t.Errorf("got %v", err)
			}
		}
		if got := len(f.Writes()); sent && got != 1 || !sent && got != 0 {
			t.Errorf("sent %v: %d writes", sent, got)
		}
	}
}

func TestWipeLosesADisk(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	fake := NewFake(Options{Mounts: []string{"/disk"}, Forget: true})
	for _, name := range []string{"/disk/a/b", "/other"} {
		if err := fake.Push(ctx, pebble.File{Path: name, Content: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	fake.Wipe("/disk")
	if _, err := fake.Pull(ctx, "/disk/a/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file on the lost disk gives %v", err)
	}
	if _, err := fake.ListFiles(ctx, "/disk", false); err != nil {
		t.Errorf("the mount is gone: %v", err)
	}
	if _, err := fake.Pull(ctx, "/other"); err != nil {
		t.Errorf("another file is gone: %v", err)
	}
	if calls := fake.Calls(); len(calls) > 0 {
		t.Errorf("calls are remembered: %v", calls)
	}
}

// A clone goes on by itself, from the same state.
func TestFakeClone(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	f := NewFake(Options{Users: []string{"app"}})
	layer := pebble.Layer{
		Services: map[string]pebble.Service{"a": {Command: "a", Startup: "enabled"}},
		Checks:   map[string]pebble.Check{"c": {TCP: &pebble.TCPCheck{Port: 1}}},
	}
	fill := func(f *Fake, text string) {
		t.Helper()
		check1(t, f.AddLayer(ctx, text, layer))
		check1(t, f.Restart(ctx, "a"))
		check1(t, f.SetCheck("c", "down", 3))
		check1(t, f.Push(ctx, pebble.File{Path: "/x", Content: []byte(text)}))
		check1(t, f.Push(ctx, pebble.File{Path: "/" + text}))
		check1(t, f.Notify(ctx, "example.com/"+text, nil))
		check1(t, f.AddIdentities(ctx, map[string]pebble.Identity{text: {Access: "read", BasicPassword: "x"}}))
		f.Log("a", text)
	}
	fill(f, "first")
	look := func(f *Fake) []any {
		t.Helper()
		identities, err := f.Identities(ctx)
		check1(t, err)
		changes, err := f.Changes(ctx, pebble.ChangeFilter{Select: "all"})
		check1(t, err)
		return []any{f.Contents(), identities, changes, slices.Clone(f.logs)}
	}
	before := look(f)
	c := f.Clone()
	if len(c.Calls()) > 0 {
		t.Errorf("a new clone was asked %q", c.Calls())
	}
	if diff := cmp.Diff(before, look(c)); diff != "" {
		t.Errorf("clone (-of +is):\n%s", diff)
	}
	fill(c, "second")
	check1(t, c.Exit("a", 1))
	c.Kill()
	if diff := cmp.Diff(before, look(f)); diff != "" {
		t.Errorf("the original (-was +is):\n%s", diff)
	}
	g := f.Clone()
	f.Kill()
	if diff := cmp.Diff(before, look(g)); diff != "" {
		t.Errorf("the clone of a fake that died (-was +is):\n%s", diff)
	}
}

// All that waits for a fake ends with it.
func TestFakeKillEndsWaits(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	entered := make(chan struct{}, 10)
	stall := func(ctx context.Context, _ pebble.Command) (pebble.ExecResult, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return pebble.ExecResult{}, context.Cause(ctx)
	}
	command := pebble.Command{Args: []string{"stall"}}
	waits := map[string]func(*Fake) error{
		"exec": func(f *Fake) error { _, err := f.Exec(ctx, command); return err },
		"run": func(f *Fake) error {
			process, err := f.Run(ctx, command, pebble.Streams{})
			check1(t, err)
			_, err = process.Wait()
			return err
		},
		"notices": func(f *Fake) error {
			entered <- struct{}{}
			_, err := f.WaitNotices(ctx, pebble.NoticeFilter{})
			return err
		},
		"change": func(f *Fake) error {
			infos, err := f.Checks(ctx)
			check1(t, err)
			entered <- struct{}{}
			_, err = f.WaitChange(ctx, infos[0].ChangeID)
			return err
		},
		"logs": func(f *Fake) error {
			entered <- struct{}{}
			return f.Logs(ctx, pebble.LogOptions{Follow: true}, func(pebble.LogEntry) error { return nil })
		},
	}
	for name, wait := range waits {
		f := NewFake(Options{})
		f.HandleExec("stall", stall)
		check1(t, f.AddLayer(ctx, "charm", pebble.Layer{Checks: map[string]pebble.Check{"c": {TCP: &pebble.TCPCheck{Port: 1}}}}))
		ended := make(chan error)
		go func() { ended <- wait(f) }()
		<-entered
		f.Kill()
		if err := <-ended; !pebble.Unavailable(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Very many calls do not grow a fake without end.
func TestFakeRecordsTheLatestCalls(t *testing.T) {
	t.Parallel()
	f := NewFake(Options{})
	for range 3*recorded + 1 {
		_, _ = f.Plan(t.Context())
	}
	check1(t, f.Notify(t.Context(), "example.com/last", nil))
	calls := f.Calls()
	if len(calls) < recorded || len(calls) > 2*recorded || calls[len(calls)-1] != "Notify example.com/last" {
		t.Errorf("%d calls", len(calls))
	}
}

func BenchmarkFakeClone(b *testing.B) {
	f := NewFake(Options{})
	layer := pebble.Layer{Services: map[string]pebble.Service{"a": {Command: "a"}, "b": {Command: "b"}}}
	if err := f.AddLayer(b.Context(), "charm", layer); err != nil {
		b.Fatal(err)
	}
	for i := range 10 {
		if err := f.Push(b.Context(), pebble.File{Path: fmt.Sprintf("/etc/%d", i)}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		f.Clone()
	}
}
