package ops_test

import (
	stdcmp "cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// actor is a charm with one action, "act".
type actor struct{ act ops.ActionFunc }

func (actor) Reconcile(context.Context, *ops.Unit) error {
	return errors.New("an action wakes no Reconcile")
}

func (a actor) Actions() map[string]ops.ActionFunc { return map[string]ops.ActionFunc{"act": a.act} }

// playAction runs an action and gives how it ended.
func playAction(t *testing.T, charm ops.Charm, name string, params map[string]any) (*stage, model.Action, error) {
	t.Helper()
	world := seed()
	declared := *webCharm
	declared.Actions = map[string]model.ActionSpec{"act": {}, "other": {}}
	world.Charm = &declared
	s := newStage(t, world)
	actions, err := s.model.EnqueueAction([]string{s.unit}, name, params)
	if err != nil {
		t.Fatal(err)
	}
	if s.context, err = s.model.Begin(s.unit, s.model.Next(s.unit)[0]); err != nil {
		t.Fatal(err)
	}
	err = ops.Run(t.Context(), ops.Host{
		Environment: s.context.Environment(), Tools: s, Pebble: func(string) pebble.Pebble { return s.pebble },
	}, charm)
	outcome := model.Outcome{}
	if err != nil {
		outcome.ExitCode = 1
	}
	if ended := s.context.End(outcome); ended != nil {
		t.Fatal(ended)
	}
	action, gone := s.model.Action(actions[0].ID)
	if gone != nil {
		t.Fatal(gone)
	}
	delete(action.Results, "return-code")
	return s, action, err
}

// An action gives results, nested by dots or maps, and writes like a hook. If
// it does not look at the whole unit it leaves the status alone.
func TestAction(t *testing.T) {
	t.Parallel()
	s, action, err := playAction(t, actor{func(ctx context.Context, u *ops.Unit, a *ops.Action) error {
		a.Set("count", 3)
		a.Set("deep.one", true)
		a.Set("units", map[string]any{"web-0": map[string]string{"state": "up"}, "web-1": 1.5})
		a.Set("password", ops.NewSecret("hunter2"))
		a.Logf(ctx, "%d%% done", 50)
		u.Progress(ctx, "more done")
		if a.Name != "act" || a.ID == "" {
			t.Errorf("action %q %q", a.Name, a.ID)
		}
		u.AddStatus(ops.Blocked("not of an action"))
		return u.SetState(ctx, "k", "v")
	}}, "act", nil)
	if err != nil || action.Status != "completed" {
		t.Fatalf("%v, action is %+v", err, action)
	}
	want := map[string]any{
		"count": "3", "deep": map[string]any{"one": "true"}, "password": "(secret)",
		"units": map[string]any{"web-0": map[string]any{"state": "up"}, "web-1": "1.5"},
	}
	if diff := cmp.Diff(want, action.Results); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if after := s.context.After(); after.State["k"] != "v" || after.Status != (juju.Status{Name: juju.Active}) {
		t.Errorf("the action left %+v", after)
	}
	if !strings.Contains(fmt.Sprint(s.calls), "action-log -- 50% done action-log -- more done") {
		t.Errorf("calls are %v", s.calls)
	}
}

// An action that brings the unit in line shows what it is then, also if it
// fails; if it could not, it does not say that all is well.
func TestActionStatus(t *testing.T) {
	t.Parallel()
	before := juju.Status{Name: juju.Active}
	late := ops.Waiting("for brokers")
	unreadable := errors.New("unreadable")
	for name, test := range map[string]struct {
		observed []error // by round; the first plan has a step, so that there are two
		step     error
		failure  error // of the action itself
		want     juju.Status
	}{
		"in line":             {observed: []error{nil, nil}, want: late},
		"in line but failed":  {observed: []error{nil, nil}, failure: errors.New("timed out"), want: late},
		"not seen":            {observed: []error{unreadable}, want: before},
		"not seen afterwards": {observed: []error{nil, unreadable}, want: before},
		"not changed":         {observed: []error{nil}, step: errors.New("refused"), want: before},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, action, err := playAction(t, actor{func(ctx context.Context, u *ops.Unit, _ *ops.Action) error {
				round := 0
				converged := ops.Converge(ctx, u, func(context.Context) (int, error) {
					round++
					return round, test.observed[round-1]
				}, func(round int) ops.Plan {
					if round > 1 {
						return ops.Plan{Statuses: []juju.Status{late}}
					}
					return ops.Plan{Steps: []ops.Step{{Name: "step", Run: func(context.Context) error { return test.step }}}}
				})
				return stdcmp.Or(converged, test.failure)
			}}, "act", nil)
			if failed := action.Status == "failed"; err != nil || failed != (test.want == before || test.failure != nil) {
				t.Errorf("%v, action is %+v", err, action)
			}
			if got := s.context.After().Status; got != test.want {
				t.Errorf("got status %v, want %v", got, test.want)
			}
		})
	}
}

// How an action fails: with its message and what it wrote, or as a hook does.
func TestActionFailures(t *testing.T) {
	t.Parallel()
	write := func(ctx context.Context, u *ops.Unit, a *ops.Action) error {
		a.Set("seen", true)
		return u.SetState(ctx, "k", "v")
	}
	for name, test := range map[string]struct {
		charm   ops.Charm
		action  string
		message string // of the action
		exit    string // part of the error of the run
		kept    bool   // what the action wrote
	}{
		"error": {
			charm: actor{func(ctx context.Context, u *ops.Unit, a *ops.Action) error {
				return errors.Join(write(ctx, u, a), errors.New("-1 bookies"))
			}},
			action: "act", message: "-1 bookies", kept: true,
		},
		"container away": {
			charm: actor{func(ctx context.Context, u *ops.Unit, a *ops.Action) error {
				return errors.Join(write(ctx, u, a), fmt.Errorf("cannot look: %w", pebble.ErrUnavailable))
			}},
			action: "act", message: "cannot look: pebble is not reachable", kept: true,
		},
		"not known":        {charm: actor{write}, action: "other", message: `action "other" is not known to this revision of the charm`},
		"charm without":    {charm: charmFunc(func(context.Context, *ops.Unit) error { return nil }), action: "act", message: `action "act" is not known to this revision of the charm`},
		"panic":            {charm: actor{func(context.Context, *ops.Unit, *ops.Action) error { panic("deliberate") }}, action: "act", exit: "panic: deliberate"},
		"result of a name": {charm: actor{func(_ context.Context, _ *ops.Unit, a *ops.Action) error { a.Set("Not Allowed", 1); return nil }}, action: "act", exit: "cannot set results Not Allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, action, err := playAction(t, test.charm, test.action, nil)
			if action.Status != "failed" || test.message != "" && action.Message != test.message {
				t.Errorf("action is %+v", action)
			}
			if (err == nil) != (test.exit == "") || err != nil && !strings.Contains(err.Error(), test.exit) {
				t.Errorf("error is %v, want %q", err, test.exit)
			}
			if kept := s.context.After().State["k"] == "v"; kept != test.kept {
				t.Errorf("what it wrote was kept: %t", kept)
			}
		})
	}
}

// Parameters of every type, and what is wrong with them.
func TestActionParams(t *testing.T) {
	t.Parallel()
	type params struct {
		Name  string         `param:"name" oneof:"a b"`
		Count int            `param:"count" min:"1" max:"3"`
		Ratio float64        `param:"ratio" max:"1.5"`
		On    bool           `param:"on"`
		Big   int            `param:"big"`
		Units []int          `param:"units"`
		Tree  map[string]any `param:"tree"`
		Plain string
	}
	const big = 1<<53 + 1
	defaults := params{Name: "a", Count: 1, Plain: "p"}
	for name, test := range map[string]struct {
		given  map[string]any
		want   params
		reason string
	}{
		"none": {want: defaults},
		"all": {
			given: map[string]any{"name": "b", "count": 3.0, "ratio": 0.5, "on": true, "units": []any{1.0, 2.0}, "tree": map[string]any{"x": "y"}},
			want:  params{Name: "b", Count: 3, Ratio: 0.5, On: true, Units: []int{1, 2}, Tree: map[string]any{"x": "y"}, Plain: "p"},
		},
		"beyond what a float64 holds": {
			given: map[string]any{"big": int64(big), "units": []any{int64(big)}, "tree": map[string]any{"x": int64(big)}},
			want:  params{Name: "a", Count: 1, Big: big, Units: []int{big}, Tree: map[string]any{"x": json.Number("9007199254740993")}, Plain: "p"},
		},
		"not in the list": {given: map[string]any{"name": "c"}, reason: `parameter name: "c" is not one of a, b`},
		"too small":       {given: map[string]any{"count": 0.0}, reason: "parameter count: 0 is less than 1"},
		"too big":         {given: map[string]any{"ratio": 2.0}, reason: "parameter ratio: 2 is more than 1.5"},
		"fraction":        {given: map[string]any{"count": 1.5}, reason: `parameter count: "1.5" is not of type int`},
		"text":            {given: map[string]any{"on": "yes"}, reason: `parameter on: "yes" is not of type bool`},
		"wrong elements":  {given: map[string]any{"units": []any{"x"}}, reason: `parameter units: "[x]" is not of type []int`},
		"array for text":  {given: map[string]any{"name": []any{"x"}}, reason: `parameter name: "[x]" is not of type string`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, action, err := playAction(t, actor{func(_ context.Context, _ *ops.Unit, a *ops.Action) error {
				got := defaults
				if err := a.Params(&got); err != nil {
					return err
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("parameters (-want +got):\n%s", diff)
				}
				if err := a.Params(got); err == nil {
					t.Error("no error for a struct that cannot be filled")
				}
				return nil
			}}, "act", test.given)
			if err != nil || action.Message != test.reason {
				t.Errorf("%v, message %q, want %q", err, action.Message, test.reason)
			}
		})
	}
}

// Hooks of machines and of old versions wake nobody.
func TestIgnoredHooks(t *testing.T) {
	t.Parallel()
	for _, kind := range []juju.HookKind{juju.CollectMetrics, juju.MeterStatusChanged, juju.PreSeriesUpgrade, juju.PostSeriesUpgrade} {
		s := newStage(t, seed())
		host := s.begin(updateStatus)
		host.Environment.Hook.Kind = kind
		if err := ops.Run(t.Context(), host, charmFunc(func(context.Context, *ops.Unit) error { return errors.New("woken") })); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if len(s.writes()) > 0 {
			t.Errorf("%s: wrote %v", kind, s.writes())
		}
	}
}
