package ops_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

// in runs do as the Reconcile of a hook.
func in(t *testing.T, s *stage, hook model.Hook, do func(ctx context.Context, u *ops.Unit) error) {
	t.Helper()
	if err := s.play(charmFunc(do), hook); err != nil {
		t.Fatal(err)
	}
}

func TestRelations(t *testing.T) {
	t.Parallel()
	broken := model.SeedRelation{ID: 4, Endpoint: "db", App: "postgres", Dying: true}
	for name, test := range map[string]struct {
		relations []model.SeedRelation
		hook      model.Hook
		restarted bool
		want      []*ops.Relation
	}{
		"none": {hook: updateStatus, want: []*ops.Relation{}},
		"sorted by number": {
			relations: []model.SeedRelation{{ID: 10, Endpoint: "db", App: "mysql"}, {ID: 9, Endpoint: "db", App: "postgres", Remote: map[int]map[string]string{10: nil, 2: nil}}},
			hook:      updateStatus,
			want: []*ops.Relation{
				{ID: "db:9", Endpoint: "db", App: "postgres", Units: []string{"postgres/10", "postgres/2"}},
				{ID: "db:10", Endpoint: "db", App: "mysql", Units: []string{}},
			},
		},
		"broken": {
			relations: []model.SeedRelation{broken}, hook: dbBroken,
			want: []*ops.Relation{{ID: "db:4", Endpoint: "db", App: "postgres", Units: []string{}, Broken: true}},
		},
		// Juju 3.6 leaves it out then.
		"broken for an agent that was restarted": {relations: []model.SeedRelation{broken}, hook: dbBroken, restarted: true, want: []*ops.Relation{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			world := seed()
			world.Relations = test.relations
			s := newStage(t, world)
			s.restarted = test.restarted
			in(t, s, test.hook, func(ctx context.Context, u *ops.Unit) error {
				got, err := u.Relations(ctx, "db")
				if diff := cmp.Diff(test.want, got, cmpopts.IgnoreUnexported(ops.Relation{})); diff != "" {
					t.Errorf("relations (-want +got):\n%s", diff)
				}
				return err
			})
		})
	}
}

// JUJU_REMOTE_APP is empty in the broken of an agent that was restarted, but
// the relation may still be listed; its application is known all the same.
func TestRemoteAppOfABrokenRelation(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	host := s.begin(dbBroken)
	host.Environment.RemoteApp = ""
	for _, answer := range []string{`"postgres"`, "null", ""} {
		s.tamper = func(call hooktool.Call) (hooktool.Result, bool) {
			if call.Tool != "relation-list" || call.Args[1] != "--app" {
				return hooktool.Result{}, false
			}
			if answer == "" {
				return hooktool.Result{Code: 2, Stderr: []byte("ERROR invalid value \"4\" for option -r: relation not found\n")}, true
			}
			return hooktool.Result{Stdout: []byte(answer)}, true
		}
		want := map[string]string{`"postgres"`: "postgres"}[answer]
		err := ops.Run(t.Context(), host, charmFunc(func(ctx context.Context, u *ops.Unit) error {
			relations, err := u.Relations(ctx, "db")
			if err != nil {
				return err
			}
			bag, err := relations[0].RemoteApp(ctx)
			if relations[0].App != want || want == "" && len(bag) > 0 {
				t.Errorf("answer %q: application %q with data %v", answer, relations[0].App, bag)
			}
			return err
		}))
		if err != nil {
			t.Errorf("answer %q: %v", answer, err)
		}
	}
}

// What a remote side that goes away refuses is empty; what is refused of the
// own side is an error.
func TestRefusedDatabags(t *testing.T) {
	t.Parallel()
	world := seed()
	world.Leader = false
	s := newStage(t, world)
	in(t, s, updateStatus, func(ctx context.Context, u *ops.Unit) error {
		relations, err := u.Relations(ctx, "db")
		if err != nil {
			return err
		}
		if bag, err := relations[0].RemoteUnit(ctx, "postgres/9"); err != nil || len(bag) > 0 {
			t.Errorf("a unit that is not there: %v, %v", bag, err)
		}
		if _, err := relations[0].LocalApp(ctx); !errors.Is(err, hooktool.ErrPermission) {
			t.Errorf("the own application, not leading: %v", err)
		}
		return nil
	})
}

// What a relation knows beside its databags.
func TestRelationsSurroundings(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	in(t, s, updateStatus, func(ctx context.Context, u *ops.Unit) error {
		relations, err := u.Relations(ctx, "db")
		if err != nil {
			return err
		}
		uuid, err := relations[0].RemoteModel(ctx)
		if err != nil || uuid != "other" {
			t.Errorf("model is %q, %v", uuid, err)
		}
		network, err := relations[0].Network(ctx)
		if err != nil || network.BindAddress() != "10.1.0.11" {
			t.Errorf("network is %+v, %v", network, err)
		}
		if network, err = u.Network(ctx, "cluster"); err != nil || network.IngressAddresses[0] != "10.152.183.5" {
			t.Errorf("network is %+v, %v", network, err)
		}
		if _, err := u.Network(ctx, "moon"); !errors.Is(err, hooktool.ErrNotFound) {
			t.Errorf("network of nothing: %v", err)
		}
		return nil
	})
	old := seed()
	old.Options.Version = "3.6.1"
	s = newStage(t, old)
	in(t, s, updateStatus, func(ctx context.Context, u *ops.Unit) error {
		relations, err := u.Relations(ctx, "db")
		if err != nil {
			return err
		}
		_, err = relations[0].RemoteModel(ctx)
		if unsupported, ok := errors.AsType[*hooktool.UnsupportedError](err); !ok || unsupported.Since.String() != "3.6.2" || u.Version().HasRelationModel() {
			t.Errorf("model in Juju 3.6.1: %v", err)
		}
		return nil
	})
}

// SetPorts opens and closes what differs, within a hook and over hooks.
func TestSetPorts(t *testing.T) {
	t.Parallel()
	world := seed()
	world.Ports = []string{"80/tcp", "81/tcp"}
	s := newStage(t, world)
	in(t, s, updateStatus, func(ctx context.Context, u *ops.Unit) error {
		return errors.Join(u.SetPorts(ctx, "82/tcp", "81/tcp"), u.SetPorts(ctx, "81/tcp", "82/tcp"), u.SetPorts(ctx, "81/tcp", "83/tcp", "82/tcp"))
	})
	if diff := cmp.Diff([]string{"close-port -- 80/tcp", "open-port -- 82/tcp", "open-port -- 83/tcp"}, s.writes()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	in(t, s, updateStatus, func(ctx context.Context, u *ops.Unit) error { return u.SetPorts(ctx) })
	if after := s.context.After(); len(after.Ports) > 0 {
		t.Errorf("ports are %v", after.Ports)
	}
	// However a charm spells a port, the next hook finds it open.
	spelled := func(ctx context.Context, u *ops.Unit) error {
		return u.SetPorts(ctx, "80", "81/TCP", "82-82/udp", "083/tcp", "80/tcp", "ICMP")
	}
	in(t, s, updateStatus, spelled)
	if diff := cmp.Diff([]string{"icmp", "80/tcp", "81/tcp", "83/tcp", "82/udp"}, s.context.After().Ports); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	in(t, s, updateStatus, spelled)
	if writes := s.writes(); len(writes) > 0 {
		t.Errorf("the second hook wrote %v", writes)
	}
	s = newStage(t, seed())
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error { return u.SetPorts(ctx, "80-90/tcp") }), updateStatus)
	if !errors.Is(err, hooktool.ErrUnsupported) {
		t.Errorf("a range of ports: %v", err)
	}
}

// What else a unit can ask for.
func TestUnit(t *testing.T) {
	t.Parallel()
	world := seed()
	charm := *webCharm
	charm.Resources = map[string]model.Resource{"file": {Type: "file"}}
	world.Charm, world.Resources, world.Trust = &charm, map[string]string{"file": "/res/file"}, true
	world.CloudCredential = map[string]any{"type": "kubernetes", "name": "k8s"}
	world.Status = ops.Waiting("for x")
	s := newStage(t, world)
	in(t, s, updateStatus, func(ctx context.Context, u *ops.Unit) error {
		if path, err := u.Resource(ctx, "file"); err != nil || !strings.HasPrefix(path, "/") {
			t.Errorf("resource is at %q, %v", path, err)
		}
		if _, err := u.Resource(ctx, "moon"); err == nil {
			t.Error("a resource that is not there has a path")
		}
		if spec, err := u.CloudSpec(ctx); !errors.Is(err, hooktool.ErrUnsupported) {
			t.Errorf("cloud spec in Juju %s: %v, %v", u.Version(), spec, err)
		}
		if _, units, err := u.AppStatus(ctx); err != nil || units["web/1"] != ops.Waiting("for x") || len(units) != 2 {
			t.Errorf("statuses of units: %v, %v", units, err)
		}
		if storages, err := u.Storage(ctx, "data"); err != nil || len(storages) != 1 || storages[0] != (ops.Storage{ID: "data/3", Location: "/data"}) {
			t.Errorf("storages are %v, %v", storages, err)
		}
		u.Progress(ctx, "working")
		return nil
	})
	if got := s.writes(); len(got) != 2 || got[0] != "status-set -- maintenance working" || got[1] != "status-set -- active" {
		t.Errorf("writes are %v", got)
	}
}

// A storage is asked for once, and only if the hook succeeds.
func TestAddStorage(t *testing.T) {
	t.Parallel()
	world := seed()
	charm := *webCharm
	charm.Storage = []model.StorageSpec{{Name: "data", Type: "filesystem", MinCount: 1, MaxCount: -1}}
	world.Charm = &charm
	s := newStage(t, world)
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		return errors.Join(u.AddStorage("data", 1), errors.New("deliberate"))
	}), updateStatus)
	if err == nil || len(s.context.After().Storages) != 1 {
		t.Errorf("a failed hook added a storage: %v, %v", s.context.After().Storages, err)
	}
	s = newStage(t, world)
	in(t, s, updateStatus, func(ctx context.Context, u *ops.Unit) error { return u.AddStorage("data", 2) })
	if storages := s.context.After().Storages; len(storages) != 3 {
		t.Errorf("storages are %v", storages)
	}
	in(t, s, updateStatus, func(ctx context.Context, u *ops.Unit) error {
		if err := u.AddStorage("data", 0); err == nil {
			t.Error("no error for no storage")
		}
		return nil
	})
}

// A unit's state is written once, and only what differs.
func TestState(t *testing.T) {
	t.Parallel()
	world := seed()
	world.State = map[string]string{"same": "1", "gone": "1", "back": "1"}
	s := newStage(t, world)
	in(t, s, updateStatus, func(ctx context.Context, u *ops.Unit) error {
		for _, step := range [][2]string{{"same", "1"}, {"gone", ""}, {"new", "2"}, {"back", "2"}, {"back", "1"}, {"never", ""}} {
			if err := u.SetState(ctx, step[0], step[1]); err != nil {
				return err
			}
		}
		return nil
	})
	if diff := cmp.Diff([]string{"state-delete -- gone", "state-set --file -"}, s.writes()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"same": "1", "new": "2", "back": "1"}, s.context.After().State); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

// Who plans to be there, and who leaves.
func TestGoal(t *testing.T) {
	t.Parallel()
	world := seed()
	world.Units, world.Leaving, world.Storages = []int{0, 2, 10}, []int{1}, nil
	world.Relations[0].Planned = []int{7}
	s := newStage(t, world)
	hook := model.Hook{Hook: juju.Hook{Kind: juju.RelationDeparted, Name: "db"}, RelationID: "db:4", RemoteUnit: "postgres/0"}
	in(t, s, hook, func(ctx context.Context, u *ops.Unit) error {
		goal, err := u.Goal(ctx)
		want := ops.Goal{
			Units: []string{"web/0", "web/2", "web/10"}, Leaving: []string{"web/1"}, Dying: true,
			Relations: map[string][]string{"db": {"postgres/0", "postgres/1", "postgres/7"}},
		}
		delete(goal.Relations, "cluster")
		if diff := cmp.Diff(want, goal); diff != "" {
			t.Errorf("goal (-want +got):\n%s", diff)
		}
		return err
	})
}

// What a caller does with what it has read is its own until it is applied.
func TestReadsAreCopies(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	in(t, s, updateStatus, func(ctx context.Context, u *ops.Unit) error {
		relations, err := u.Relations(ctx, "db")
		if err != nil {
			return err
		}
		for _, read := range []func(context.Context) (ops.Bag, error){relations[0].LocalUnit, relations[0].LocalApp, relations[0].RemoteApp, u.State} {
			bag, err := read(ctx)
			if err != nil {
				return err
			}
			bag["scratch"] = "x"
			if again, err := read(ctx); err != nil || again["scratch"] != "" {
				t.Errorf("the second read has what the caller put into the first: %v, %v", again, err)
			}
		}
		state, err := u.State(ctx)
		if err != nil {
			return err
		}
		state["url"] = "x"
		bag, err := relations[0].LocalUnit(ctx)
		if err != nil {
			return err
		}
		bag["url"] = "x"
		_, err = u.Apply(ctx, ops.Plan{Databags: []ops.Databag{{Relation: "db:4", Data: bag}}})
		return errors.Join(err, u.SetState(ctx, "url", "x"))
	})
	if after := s.context.After(); after.UnitData[4]["url"] != "x" || after.State["url"] != "x" {
		t.Errorf("never sent: databag %v, state %v", after.UnitData[4], after.State)
	}
}
