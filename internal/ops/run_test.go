package ops_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

// What somebody has to mend is a status and no failed hook; what was written
// before it was found stays.
func TestErrorsThatAreStatuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault func(ctx context.Context, u *ops.Unit) error
		want  juju.Status
	}{
		"status": {
			func(context.Context, *ops.Unit) error { return &ops.StatusError{Reason: ops.Blocked("do this")} },
			ops.Blocked("do this"),
		},
		"option": {
			func(context.Context, *ops.Unit) error { return &ops.OptionError{Option: "o", Reason: "is wrong"} },
			ops.Blocked("option o: is wrong"),
		},
		"databag": {
			func(context.Context, *ops.Unit) error {
				return ops.Decode(ops.Bag{"n": "x"}, &struct {
					N int `databag:"n"`
				}{})
			},
			ops.Waiting(`cannot read databag key "n": "x" is not an integer`),
		},
		"databag of another": {
			func(context.Context, *ops.Unit) error {
				return &ops.RemoteDataError{Remote: "pg", Err: errors.New("no url")}
			},
			ops.Waiting("cannot use the data of pg: no url"),
		},
		"container": {
			func(ctx context.Context, u *ops.Unit) error {
				_, err := u.Container("server").Plan(ctx)
				return err
			},
			ops.Waiting("for a container to answer"),
		},
		"lines": {
			func(context.Context, *ops.Unit) error {
				return &ops.RemoteDataError{Remote: "pg", Err: errors.Join(errors.New("no url"), errors.New("no name"))}
			},
			ops.Waiting("cannot use the data of pg: no url; no name"),
		},
		"several": {
			func(context.Context, *ops.Unit) error {
				return errors.Join(errors.New("x"), &ops.StatusError{Reason: ops.Blocked("do this")})
			},
			ops.Blocked("do this"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, seed())
			s.pebble.Kill()
			err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
				if _, err := u.Apply(ctx, ops.Plan{
					Databags: []ops.Databag{{Relation: "db:4", Data: ops.Bag{"a": "b"}}}, Statuses: []juju.Status{ops.Active("well")},
				}); err != nil {
					return err
				}
				return fmt.Errorf("cannot do it: %w", test.fault(ctx, u))
			}), updateStatus)
			if err != nil {
				t.Fatal(err)
			}
			after := s.context.After()
			if after.Status != test.want || own(after.UnitData[4])["a"] != "b" {
				t.Errorf("status %v, want %v; databag %v", after.Status, test.want, after.UnitData[4])
			}
			if !strings.Contains(s.log(), "cannot do it") {
				t.Errorf("the reason is not in the log:\n%s", s.log())
			}
		})
	}
}

// JSON has one kind of number, which is no float64: a whole number reaches the
// charm as the operator wrote it.
func TestBigOption(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]int{`{"big":9007199254740993}`: 9007199254740993, `{"big":1} {}`: 0} {
		s := newStage(t, seed())
		s.tamper = func(call hooktool.Call) (hooktool.Result, bool) {
			return hooktool.Result{Stdout: []byte(answer)}, call.Tool == "config-get"
		}
		var options struct {
			Big int `option:"big"`
		}
		err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error { return u.Config(ctx, &options) }), updateStatus)
		if options.Big != want || (err == nil) != (want != 0) {
			t.Errorf("%s was read as %d, %v", answer, options.Big, err)
		}
	}
}

// What others wrote may be in a status or an action's failure: neither gets so
// long, or of such characters, that Juju or a terminal would choke on it, and
// the same status is not set again.
func TestUnshowableStatus(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	charm := charmFunc(func(_ context.Context, u *ops.Unit) error {
		u.AddStatus(ops.Blocked("a\x00b\x1b[2J\nc\xff" + strings.Repeat("x", 1<<20)))
		return nil
	})
	for run := range 2 {
		if err := s.play(charm, updateStatus); err != nil {
			t.Fatal(err)
		}
		if got := s.context.After().Status.Message; !strings.HasPrefix(got, "a\ufffdb\ufffd[2J; c") || len(got) > 5<<10 {
			t.Errorf("message has %d bytes and begins with %.20q", len(got), got)
		}
		if writes := s.writes(); len(writes) != 1-run {
			t.Errorf("hook %d wrote %d times", run, len(writes))
		}
	}
	_, action, err := playAction(t, actor{func(context.Context, *ops.Unit, *ops.Action) error {
		return errors.New("a\x00b\nc" + strings.Repeat("x", 1<<20))
	}}, "act", nil)
	if err != nil || !strings.HasPrefix(action.Message, "a\ufffdb\ncx") || len(action.Message) > 5<<10 {
		t.Errorf("%v, message has %d bytes and begins with %.20q", err, len(action.Message), action.Message)
	}
}

// A failed hook leaves nothing, whatever it had gathered.
func TestFailedHookWritesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	before := s.model.Databag("db:4", "web/1")
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		if err := u.SetState(ctx, "k", "v"); err != nil {
			return err
		}
		if _, err := u.EnsureSecret(ctx, ops.SecretSpec{Label: "new", Content: content("key", "k")}); err != nil {
			return err
		}
		_, err := u.Apply(ctx, ops.Plan{
			Databags: []ops.Databag{{Relation: "db:4", Data: ops.Bag{"a": "b"}}}, Version: "2", Ports: []string{"80/tcp"},
			Statuses: []juju.Status{ops.Blocked("x")}, AppStatuses: []juju.Status{ops.Blocked("y")},
		})
		return errors.Join(err, errors.New("deliberate"))
	}), updateStatus)
	if err == nil || !strings.Contains(err.Error(), "deliberate") {
		t.Fatalf("error is %v", err)
	}
	after := s.context.After()
	if diff := cmp.Diff(before, after.UnitData[4]); diff != "" || len(after.State) > 0 || len(after.Ports) > 0 || len(after.Secrets) != 2 ||
		after.Version != "" || after.Status != (juju.Status{Name: juju.Active}) || after.AppStatus.Name != "" {
		t.Errorf("the failed hook left %+v", after)
	}
	if !strings.Contains(s.log(), "ERROR hook failed hook=update-status error=deliberate") {
		t.Errorf("log is\n%s", s.log())
	}
}

// everything is a plan with each kind of write.
func everything(statuses ...juju.Status) ops.Plan {
	return ops.Plan{
		Databags: []ops.Databag{
			{Relation: "cluster:2", App: true, Data: ops.Bag{"decided": "1"}},
			{Relation: "cluster:2", Data: ops.Bag{"name": "web-1"}},
			{Relation: "db:4", Data: ops.Bag{"a": "b"}},
		},
		Version: "2", Ports: []string{"80/tcp"}, Statuses: statuses, AppStatuses: []juju.Status{ops.Active("serving")},
	}
}

// Each kind of write is one call. The leader's come after the unit's, and what
// stays even if the hook fails comes last. The second time nothing is written.
func TestFlushOrder(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	charm := charmFunc(func(ctx context.Context, u *ops.Unit) error {
		if err := u.SetState(ctx, "k", "v"); err != nil {
			return err
		}
		if _, err := u.EnsureSecret(ctx, ops.SecretSpec{Label: "mine", Content: content("key", "three")}); err != nil {
			return err
		}
		_, err := u.Apply(ctx, everything(ops.Active("a"), ops.Waiting("b"), ops.Waiting("c")))
		return err
	})
	if err := s.play(charm, updateStatus); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, call := range s.writes() {
		if strings.HasPrefix(call, "secret-set") {
			call = "secret-set" // with a temporary file
		}
		got = append(got, call)
	}
	if diff := cmp.Diff([]string{
		"open-port -- 80/tcp",
		"relation-set -r db:4 --file -",
		"relation-set -r cluster:2 --file -",
		"state-set --file -",
		"secret-set",
		"relation-set -r cluster:2 --app --file -",
		"application-version-set -- 2",
		"status-set --application -- active serving",
		"status-set -- waiting b",
	}, got); diff != "" {
		t.Errorf("calls that write (-want +got):\n%s", diff)
	}
	// The leader is told of its own write to the peers. It must settle.
	for _, hook := range []model.Hook{
		{Hook: juju.Hook{Kind: juju.RelationChanged, Name: "cluster"}, RelationID: "cluster:2", RemoteApp: "web"},
		updateStatus,
	} {
		if err := s.play(charm, hook); err != nil {
			t.Fatal(err)
		}
		if writes := s.writes(); len(writes) > 0 {
			t.Errorf("in %s: wrote %v", hook.Describe(), writes)
		}
	}
}

// The worst status is shown, an added one with those of the plan; the same
// status is not set again, and a charm without reasons is active.
func TestStatusCollection(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		leader bool
		plan   ops.Plan
		added  []juju.Status
		writes []string
	}{
		"none":           {plan: ops.Plan{}},
		"same":           {plan: ops.Plan{Statuses: []juju.Status{ops.Active("")}}},
		"first of worst": {plan: ops.Plan{Statuses: []juju.Status{ops.Waiting("a"), ops.Blocked("b"), ops.Blocked("c")}}, writes: []string{"status-set -- blocked b"}},
		"added": {
			plan: ops.Plan{Statuses: []juju.Status{ops.Active("a")}}, added: []juju.Status{ops.Waiting("b")}, writes: []string{"status-set -- waiting b"},
		},
		"application of a leader": {
			leader: true, plan: ops.Plan{AppStatuses: []juju.Status{ops.Active(""), ops.Maintenance("m")}},
			writes: []string{"status-set --application -- maintenance m"},
		},
		"application of another": {plan: ops.Plan{AppStatuses: []juju.Status{ops.Maintenance("m")}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			world := seed()
			world.Leader = test.leader
			s := newStage(t, world)
			for _, want := range [][]string{test.writes, nil} {
				err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
					for _, status := range test.added {
						u.AddStatus(status)
					}
					_, err := u.Apply(ctx, test.plan)
					return err
				}), updateStatus)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, s.writes()); diff != "" {
					t.Errorf("writes (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// Progress is replaced by the hook's status, also if Juju still shows the one
// from before: it reads the status once a hook.
func TestProgress(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	s.tamper = func(call hooktool.Call) (hooktool.Result, bool) {
		return hooktool.Result{Stdout: []byte(`{"status":"active","message":""}`)}, call.Tool == "status-get"
	}
	in(t, s, updateStatus, func(ctx context.Context, u *ops.Unit) error {
		u.Progress(ctx, "working")
		return nil
	})
	if status := s.context.After().Status; status != ops.Active("") {
		t.Errorf("status is %v", status)
	}
}

// A panic fails the hook and leaves its stack in the log, and a line for
// whoever collects events of security.
func TestPanic(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	var nothing map[string]string
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		if err := u.SetState(ctx, "k", "v"); err != nil {
			return err
		}
		nothing["x"] = "y"
		return nil
	}), updateStatus)
	if err == nil || !strings.Contains(err.Error(), "nil map") {
		t.Fatalf("error is %v", err)
	}
	if log := s.log(); !strings.Contains(log, "run_test.go") || !strings.Contains(log, "goroutine") {
		t.Errorf("no stack in the log:\n%s", log)
	}
	if len(s.context.After().State) > 0 {
		t.Error("the hook left state")
	}
	checkSecurity(t, s, "sys_crash:panic")
}

// A refusal for want of rights is an event of security too.
func TestRefusalIsLogged(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		_, err := u.Tools().RelationGet(ctx, "db:4", "other/0", false)
		return err
	}), updateStatus)
	if !errors.Is(err, hooktool.ErrPermission) {
		t.Fatalf("error is %v", err)
	}
	checkSecurity(t, s, "authz_fail:web/1,relation-get")
}

func checkSecurity(t *testing.T, s *stage, want string) {
	t.Helper()
	for _, line := range s.context.Log() {
		var event struct{ Type, Event, Appid, Datetime string }
		if line.Level == "TRACE" && json.Unmarshal([]byte(line.Message), &event) == nil {
			if event.Type != "security" || event.Event != want || !strings.HasSuffix(event.Appid, "-web/1") || event.Datetime != "2026-05-06T07:08:09Z" {
				t.Errorf("event is %s", line.Message)
			}
			return
		}
	}
	t.Errorf("no event of security in the log:\n%s", s.log())
}

// The lowest level spares Juju the lines below it; a long line arrives whole.
func TestLog(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200<<10)
	charm := charmFunc(func(_ context.Context, u *ops.Unit) error {
		log := u.Log().With("who", "me").WithGroup("g")
		log.Debug("debug")
		log.Info("info", "n", 1, "text", `a "b"`)
		log.Warn("warn", "empty", "")
		log.Error(long)
		return nil
	})
	for name, test := range map[string]struct {
		lowest slog.Leveler
		want   []string
	}{
		"all":  {nil, []string{"DEBUG debug who=me", `INFO info who=me g.n=1 g.text="a \"b\""`, `WARNING warn who=me g.empty=""`}},
		"warn": {slog.LevelWarn, []string{`WARNING warn who=me g.empty=""`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, seed())
			host := s.begin(updateStatus)
			host.LogLevel = test.lowest
			if err := ops.Run(t.Context(), host, charm); err != nil {
				t.Fatal(err)
			}
			var got []string
			length := 0
			for _, line := range s.context.Log() {
				if line.Level == "ERROR" {
					length += len(line.Message)
				} else {
					got = append(got, line.Level+" "+line.Message)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" || length != len(long)+len(" who=me") {
				t.Errorf("%d bytes of the long line, log (-want +got):\n%s", length, diff)
			}
		})
	}
}

// What the unit's caches must not do: ask Juju twice for what does not change
// in a hook.
func TestReadsAreCached(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		for range 3 {
			_, err1 := u.Relations(ctx, "db")
			_, err2 := u.Goal(ctx)
			_, err3 := u.Leader(ctx)
			_, err4 := u.State(ctx)
			err5 := u.SetPorts(ctx, "80/tcp")
			storages, err6 := u.Storage(ctx, "data")
			if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
				return err
			}
			if len(storages) != 1 || storages[0].Location != "/data" {
				t.Errorf("storages %v", storages)
			}
			storages[0].Location = "/the caller's own"
		}
		return nil
	}), updateStatus)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, call := range s.calls {
		if seen[call] {
			t.Errorf("%s was called twice", call)
		}
		seen[call] = true
	}
}
