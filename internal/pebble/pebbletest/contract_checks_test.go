package pebbletest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// states are the checks as "name: status successes/failures".
func states(t *testing.T, b backend) []string {
	t.Helper()
	infos, err := b.Checks(t.Context())
	check1(t, err)
	var got []string
	for _, info := range infos {
		got = append(got, fmt.Sprintf("%s: %s %d/%d", info.Name, info.Status, info.Successes, info.Failures))
	}
	return got
}

// settles waits until the daemon's own goroutines have seen what was asked.
func settles(t *testing.T, what string, want any, look func() any) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		diff := cmp.Diff(want, look())
		if diff == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s (-want +got):\n%s", what, diff)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestContractChecks(t *testing.T) {
	exec := func(command string) *pebble.ExecCheck { return &pebble.ExecCheck{Command: command} }
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		check1(t, b.AddLayer(ctx, "charm", pebble.Layer{Checks: map[string]pebble.Check{
			"bad":  {Level: "alive", Exec: exec("false"), Period: "1h", Threshold: 2},
			"good": {Level: "ready", Exec: exec("true"), Period: "1h"},
			"off":  {Exec: exec("false"), Period: "1h", Startup: "disabled", Threshold: 1},
		}}))
		want := []string{"bad: up 0/0", "good: up 0/0", "off: inactive 0/0"}
		if diff := cmp.Diff(want, states(t, b)); diff != "" {
			t.Errorf("new checks (-want +got):\n%s", diff)
		}

		refusals := []struct{ want, got string }{
			{"must specify checks for start action", refused[[]string](t)(b.StartChecks(ctx))},
			{"must specify checks for stop action", refused[[]string](t)(b.StopChecks(ctx))},
			{"cannot start checks: cannot find checks in plan: no, none", refused[[]string](t)(b.StartChecks(ctx, "none", "off", "no"))},
			{"cannot stop checks: cannot find checks in plan: no", refused[[]string](t)(b.StopChecks(ctx, "no"))},
			{`cannot find check with name "no"`, refused[pebble.CheckInfo](t)(b.RefreshCheck(ctx, "no"))},
			{"must specify check name", refused[pebble.CheckInfo](t)(b.RefreshCheck(ctx, ""))},
			{`level must be "alive" or "ready"`, refused[bool](t)(b.Healthy(ctx, "dead"))},
		}
		for _, r := range refusals {
			if r.got != r.want {
				t.Errorf("got %q, want %q", r.got, r.want)
			}
		}

		// Run at once, a check counts; the second failure takes it down.
		info, err := b.RefreshCheck(ctx, "good")
		if err != nil || info.Successes != 1 || info.Name != "good" {
			t.Errorf("refresh of good: %+v, %v", info, err)
		}
		for range 2 {
			_, err := b.RefreshCheck(ctx, "bad")
			failed, ok := errors.AsType[*pebble.CheckError](err)
			if !ok || failed.Message != "exit status 1" || !strings.Contains(err.Error(), `"bad"`) {
				t.Errorf("refresh of bad: %v", err)
			}
			settles(t, "bad is counted", true, func() any { return !slices.Contains(states(t, b), "bad: up 0/0") })
		}
		want = []string{"bad: down 0/2", "good: up 1/0", "off: inactive 0/0"}
		settles(t, "after refresh", want, func() any { return states(t, b) })
		if _, err := b.RefreshCheck(ctx, "off"); err == nil {
			t.Error("off succeeds")
		}
		if diff := cmp.Diff(want, states(t, b)); diff != "" {
			t.Errorf("a check that is off counted (-want +got):\n%s", diff)
		}
		for _, health := range []struct {
			level string
			names []string
			want  bool
		}{
			{"", nil, false}, {"alive", nil, false}, {"ready", nil, false},
			{"ready", []string{"good"}, true}, {"", []string{"off", "good"}, true}, {"", []string{"bad"}, false},
		} {
			if got, err := b.Healthy(ctx, health.level, health.names...); got != health.want || err != nil {
				t.Errorf("health of %q %q: %v, %v", health.level, health.names, got, err)
			}
		}
		infos, err := b.Checks(ctx, "bad")
		check1(t, err)
		change, err := b.Change(ctx, infos[0].ChangeID)
		if err != nil || change.Kind != "recover-check" || change.Ready || change.Summary != `Recover exec check "bad"` {
			t.Errorf("change of bad: %+v, %v", change, err)
		}

		// Stopped, a check keeps its counts; started, it begins anew.
		changed, err := b.StopChecks(ctx, "off", "good", "bad")
		if diff := cmp.Diff([]string{"bad", "good"}, changed); diff != "" || err != nil {
			t.Errorf("stopped: %v\n%s", err, diff)
		}
		want = []string{"bad: inactive 0/2", "good: inactive 1/0", "off: inactive 0/0"}
		if diff := cmp.Diff(want, states(t, b)); diff != "" {
			t.Errorf("stopped (-want +got):\n%s", diff)
		}
		if healthy, err := b.Healthy(ctx, ""); !healthy || err != nil {
			t.Errorf("health of nothing: %v, %v", healthy, err)
		}
		changed, err = b.StartChecks(ctx, "off", "bad", "off")
		if diff := cmp.Diff([]string{"bad", "off"}, changed); diff != "" || err != nil {
			t.Errorf("started: %v\n%s", err, diff)
		}
		want = []string{"bad: up 0/0", "good: inactive 1/0", "off: up 0/0"}
		settles(t, "started", want, func() any { return states(t, b) })

		// Any change of the plan starts what was stopped, but leaves alone what
		// runs and did not change, even if it shall not run from now on.
		check1(t, b.AddLayer(ctx, "charm", pebble.Layer{Checks: map[string]pebble.Check{
			"new": {Exec: exec("true"), Period: "1h"},
			"bad": {Level: "alive", Exec: exec("false"), Period: "1h", Threshold: 2, Startup: "disabled"},
		}}))
		want = []string{"bad: up 0/0", "good: up 0/0", "new: up 0/0", "off: up 0/0"}
		settles(t, "after another layer", want, func() any { return states(t, b) })
		if _, err := b.StopChecks(ctx, "good", "off"); err != nil {
			t.Error(err)
		}
		check1(t, b.Replan(ctx))
		want[3] = "off: inactive 0/0"
		settles(t, "after a replan", want, func() any { return states(t, b) })
	})
}

// refused is refusal of a call that also returns something.
func refused[T any](t *testing.T) func(T, error) string {
	return func(_ T, err error) string {
		t.Helper()
		return refusal(t, err)
	}
}
