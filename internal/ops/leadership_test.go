package ops_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

// refuse answers a tool as Juju does when leadership is gone.
func refuse(tool, flag, stderr string) func(call hooktool.Call) (hooktool.Result, bool) {
	return func(call hooktool.Call) (hooktool.Result, bool) {
		if call.Tool != tool || !slices.Contains(call.Args, flag) {
			return hooktool.Result{}, false
		}
		return hooktool.Result{Code: 1, Stderr: []byte(stderr)}, true
	}
}

// Leadership that is gone at the flush costs what the leader wrote and nothing
// else.
func TestLeadershipLostAtFlush(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		tamper func(call hooktool.Call) (hooktool.Result, bool)
		lost   func(after model.After) bool
	}{
		"databag": {
			refuse("relation-set", "--app", "ERROR cannot write relation settings\n"),
			func(after model.After) bool { return after.AppData[2]["decided"] == "" },
		},
		"status": {
			refuse("status-set", "--application", "ERROR this unit is not the leader\n"),
			func(after model.After) bool { return after.AppStatus.Name == "" },
		},
		"reading the status": {
			refuse("status-get", "--application", "ERROR this unit is not the leader\n"),
			func(after model.After) bool { return after.AppStatus.Name == "" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, seed())
			s.tamper = test.tamper
			err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
				_, err := u.Apply(ctx, everything(ops.Waiting("b")))
				return err
			}), updateStatus)
			if err != nil {
				t.Fatal(err)
			}
			after := s.context.After()
			if !test.lost(after) || after.UnitData[2]["name"] != "web-1" || after.UnitData[4]["a"] != "b" || after.Status != ops.Waiting("b") {
				t.Errorf("after the hook: %+v", after)
			}
			if !strings.Contains(s.log(), "lost leadership") {
				t.Errorf("log is\n%s", s.log())
			}
		})
	}
}

// Leadership that is gone in the middle makes the unit decide once more, as
// one of many.
func TestLeadershipLostInTheMiddle(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	s.tamper = refuse("secret-add", "application", "ERROR this unit is not the leader\n")
	rounds := 0
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		rounds++
		leader, err := u.Leader(ctx)
		if err != nil {
			return err
		}
		plan := everything(ops.Active("led"))
		if !leader {
			plan.Databags = plan.Databags[1:]
			plan.Statuses = []juju.Status{ops.Active("follows")}
		}
		if _, err := u.Apply(ctx, plan); err != nil {
			return err
		}
		if leader {
			_, err = u.EnsureSecret(ctx, ops.SecretSpec{Label: "new", Content: content("key", "k")})
		}
		return err
	}), updateStatus)
	if err != nil || rounds != 2 {
		t.Fatalf("%d rounds, %v", rounds, err)
	}
	after := s.context.After()
	if after.AppData[2]["decided"] != "" || after.AppStatus.Name != "" || after.UnitData[2]["name"] != "web-1" || after.Status != ops.Active("follows") {
		t.Errorf("after the hook: %+v", after)
	}
}

// leaving is a charm whose leader has much to do when somebody leaves.
type leaving struct{}

func (l leaving) departed(ctx context.Context, u *ops.Unit) error {
	state, err := u.State(ctx)
	if err != nil {
		return err
	}
	bag, err := u.Relations(ctx, "cluster")
	if err != nil {
		return err
	}
	own, err := bag[0].LocalUnit(ctx)
	if err != nil {
		return err
	}
	own["left"] += "x"
	leader, err := u.Leader(ctx)
	if err != nil {
		return err
	}
	databags := []ops.Databag{{Relation: "cluster:2", Data: own}}
	if leader {
		u.AddStatus(ops.Blocked("led"))
		databags = append(databags, ops.Databag{Relation: "cluster:2", App: true, Data: ops.Bag{"decided": "1"}})
	}
	if _, err := u.Apply(ctx, ops.Plan{Databags: databags}); err != nil {
		return err
	}
	if err := errors.Join(u.SetState(ctx, "left", state["left"]+"x"), u.AddStorage("data", 1)); err != nil || !leader {
		return err
	}
	_, err = u.EnsureSecret(ctx, ops.SecretSpec{Label: "new", Content: content("key", "k")})
	return err
}

func (l leaving) RelationDeparted(ctx context.Context, u *ops.Unit, _ ops.Departed) error {
	return l.departed(ctx, u)
}

func (l leaving) CheckFailed(ctx context.Context, u *ops.Unit, _ ops.Check) error {
	return l.departed(ctx, u)
}

func (leaving) Reconcile(context.Context, *ops.Unit) error { return nil }

// leadingReconcile needs leadership only after the handler.
type leadingReconcile struct{ leaving }

func (l leadingReconcile) RelationDeparted(ctx context.Context, u *ops.Unit, _ ops.Departed) error {
	state, err := u.State(ctx)
	if err != nil {
		return err
	}
	return u.SetState(ctx, "handled", state["handled"]+"x")
}

func (l leadingReconcile) Reconcile(ctx context.Context, u *ops.Unit) error {
	return l.departed(ctx, u)
}

// A handler that loses leadership hears the event once more, and what it had
// gathered before is not there twice.
func TestLeadershipLostInAHandler(t *testing.T) {
	t.Parallel()
	departed := model.Hook{Hook: juju.Hook{Kind: juju.RelationDeparted, Name: "db"}, RelationID: "db:4", RemoteUnit: "postgres/1"}
	failed := model.Hook{Hook: juju.Hook{Kind: juju.PebbleCheckFailed, Name: "server"}, CheckName: "up"}
	for name, test := range map[string]struct {
		charm ops.Charm
		hook  model.Hook
		state map[string]string
	}{
		"departed":            {leaving{}, departed, map[string]string{"left": "x"}},
		"check":               {leaving{}, failed, map[string]string{"left": "x"}},
		"after it, Reconcile": {leadingReconcile{leaving{}}, departed, map[string]string{"left": "x", "handled": "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			world := seed()
			charm := *webCharm
			charm.Storage = []model.StorageSpec{{Name: "data", Type: "filesystem", MinCount: 1, MaxCount: -1}}
			world.Charm = &charm
			s := newStage(t, world)
			s.tamper = refuse("secret-add", "application", "ERROR this unit is not the leader\n")
			if err := s.play(test.charm, test.hook); err != nil {
				t.Fatal(err)
			}
			after := s.context.After()
			if after.UnitData[2]["left"] != "x" || len(after.AppData[2]) > 0 || len(after.Storages) != 2 || after.Status != ops.Active("") {
				t.Errorf("after the hook: %+v", after)
			}
			if diff := cmp.Diff(test.state, after.State); diff != "" {
				t.Errorf("state (-want +got):\n%s", diff)
			}
		})
	}
}

// What the plan of a leader said is forgotten with it.
func TestStatusAfterLeadership(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	s.tamper = refuse("secret-add", "application", "ERROR this unit is not the leader\n")
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		if leader, err := u.Leader(ctx); err != nil || !leader {
			return &ops.StatusError{Reason: ops.Waiting("for the leader")}
		}
		if _, err := u.Apply(ctx, everything(ops.Blocked("led"))); err != nil {
			return err
		}
		_, err := u.EnsureSecret(ctx, ops.SecretSpec{Label: "new", Content: content("key", "k")})
		return err
	}), updateStatus)
	if status := s.context.After().Status; err != nil || status != ops.Waiting("for the leader") {
		t.Errorf("status is %v, %v", status, err)
	}
}

// A unit that never led and writes as if is wrong.
func TestWriteWithoutLeadership(t *testing.T) {
	t.Parallel()
	world := seed()
	world.Leader = false
	s := newStage(t, world)
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		_, err := u.Apply(ctx, everything())
		return err
	}), updateStatus)
	if !errors.Is(err, hooktool.ErrNotLeader) {
		t.Errorf("error is %v", err)
	}
}
