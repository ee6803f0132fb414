package ops_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

func server(command string) map[string]pebble.Desired {
	return map[string]pebble.Desired{"server": {
		Label: "web", Services: map[string]pebble.Service{"server": {Command: command, Startup: "enabled"}},
	}}
}

// converge runs Converge with a plan of each round.
func converge(t *testing.T, s *stage, plan func(round int) ops.Plan) (rounds int, err error) {
	t.Helper()
	err = s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		return ops.Converge(ctx, u, func(context.Context) (int, error) { rounds++; return rounds, nil }, plan)
	}), updateStatus)
	return rounds, err
}

// A hook looks again after it changed a container or ran a step, and ends when
// there is nothing left to do, or after ten rounds.
func TestConverge(t *testing.T) {
	t.Parallel()
	step := ops.Step{Name: "count", Run: func(context.Context) error { return nil }}
	for name, test := range map[string]struct {
		plan   func(round int) ops.Plan
		rounds int
	}{
		"nothing":   {func(int) ops.Plan { return ops.Plan{} }, 1},
		"container": {func(int) ops.Plan { return ops.Plan{Containers: server("sleep 1")} }, 2},
		"databag": {func(int) ops.Plan {
			return ops.Plan{Databags: []ops.Databag{{Relation: "db:4", Data: ops.Bag{"a": "b"}}}}
		}, 1},
		"two steps": {func(round int) ops.Plan {
			if round > 2 {
				return ops.Plan{}
			}
			return ops.Plan{Steps: []ops.Step{step}}
		}, 3},
		"a guard that never falls": {func(int) ops.Plan { return ops.Plan{Steps: []ops.Step{step}} }, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rounds, err := converge(t, newStage(t, seed()), test.plan)
			if err != nil || rounds != test.rounds {
				t.Errorf("%d rounds, %v, want %d", rounds, err, test.rounds)
			}
		})
	}
}

// The last round's plan gives the status, whatever the rounds before said.
func TestLastRoundGivesTheStatus(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	_, err := converge(t, s, func(round int) ops.Plan {
		if round == 1 {
			return ops.Plan{Containers: server("sleep 1"), Statuses: []juju.Status{ops.Blocked("at first")}}
		}
		return ops.Plan{Statuses: []juju.Status{ops.Waiting("in the end")}}
	})
	if status := s.context.After().Status; err != nil || status != ops.Waiting("in the end") {
		t.Errorf("status is %v, %v", status, err)
	}
}

// A container that is away or a service that does not stay up keeps nothing
// else from being done, and no hook from succeeding.
func TestContainersThatDoNotDo(t *testing.T) {
	t.Parallel()
	failed := 1
	for name, test := range map[string]struct {
		pebble *pebbletest.Fake
		want   string // the beginning of the status's message
		status juju.StatusName
	}{
		"away":      {pebbletest.NewFake(pebbletest.Options{}), "", juju.Active},
		"dies soon": {pebbletest.NewFake(pebbletest.Options{OnStart: func(pebbletest.Process) *int { return &failed }}), "container server: ", juju.Waiting},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, seed())
			if s.pebble = test.pebble; name == "away" {
				s.pebble.Kill()
			}
			_, err := converge(t, s, func(int) ops.Plan {
				return ops.Plan{Containers: server("sleep 1"), Databags: []ops.Databag{{Relation: "db:4", Data: ops.Bag{"a": "b"}}}}
			})
			after := s.context.After()
			if err != nil || own(after.UnitData[4])["a"] != "b" || after.Status.Name != test.status || !strings.HasPrefix(after.Status.Message, test.want) {
				t.Errorf("%v, status %v, databag %v", err, after.Status, after.UnitData[4])
			}
		})
	}
}

// A step that fails names itself, and those after it do not run.
func TestStepFails(t *testing.T) {
	t.Parallel()
	var ran []string
	step := func(name string, err error) ops.Step {
		return ops.Step{Name: name, Run: func(context.Context) error { ran = append(ran, name); return err }}
	}
	_, err := converge(t, newStage(t, seed()), func(int) ops.Plan {
		return ops.Plan{Steps: []ops.Step{step("a", nil), step("do b", errors.New("no")), step("c", nil)}}
	})
	if err == nil || err.Error() != "cannot do b: no" || !slices.Equal(ran, []string{"a", "do b"}) {
		t.Errorf("%v, ran %v", err, ran)
	}
}

// What a later round takes back is not written.
func TestRoundsTakeBack(t *testing.T) {
	t.Parallel()
	world := seed()
	world.Relations[0].UnitData, world.State = map[string]string{"a": "1", "gone": "1"}, map[string]string{"k": "1"}
	s := newStage(t, world)
	in(t, s, updateStatus, func(ctx context.Context, u *ops.Unit) error {
		for _, data := range []ops.Bag{{"a": "2", "new": "1"}, {"a": "1", "gone": "1"}} {
			if _, err := u.Apply(ctx, ops.Plan{Databags: []ops.Databag{{Relation: "db:4", Data: data}}}); err != nil {
				return err
			}
		}
		return errors.Join(u.SetState(ctx, "k", "2"), u.SetState(ctx, "x", "1"), u.SetState(ctx, "k", "1"), u.SetState(ctx, "x", ""))
	})
	if writes := s.writes(); len(writes) > 0 {
		t.Errorf("wrote %v", writes)
	}
}

// Keys that Juju or another part of the charm writes stay; those that are not
// wanted any more go.
func TestDatabagKeys(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		keys []string
		want map[string]string
	}{
		"whole": {nil, map[string]string{"new": "1"}},
		"part":  {[]string{"new", "old"}, map[string]string{"new": "1", "other": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			world := seed()
			world.Relations[0].UnitData = map[string]string{"old": "1", "other": "1"}
			s := newStage(t, world)
			_, err := converge(t, s, func(int) ops.Plan {
				return ops.Plan{Databags: []ops.Databag{{Relation: "db:4", Data: ops.Bag{"new": "1"}, Keys: test.keys}}}
			})
			after := s.context.After().UnitData[4]
			if err != nil || after["ingress-address"] == "" || len(own(after)) != len(test.want) || after["new"] != "1" || after["other"] != test.want["other"] {
				t.Errorf("%v, databag is %v", err, after)
			}
		})
	}
}
