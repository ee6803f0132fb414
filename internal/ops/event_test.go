package ops_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

// listener is a charm with every handler. It writes down what it hears.
type listener struct {
	heard []string
	fail  error // of every handler
}

var _ interface {
	ops.Charm
	ops.RelationDepartedHandler
	ops.RelationBrokenHandler
	ops.StorageDetachingHandler
	ops.StopHandler
	ops.RemoveHandler
	ops.SecretExpiredHandler
	ops.SecretRotateHandler
	ops.SecretRemoveHandler
	ops.NoticeHandler
	ops.CheckFailedHandler
	ops.CheckRecoveredHandler
} = (*listener)(nil)

func (l *listener) hear(format string, args ...any) error {
	l.heard = append(l.heard, fmt.Sprintf(format, args...))
	return l.fail
}

func (l *listener) Reconcile(context.Context, *ops.Unit) error {
	l.heard = append(l.heard, "reconcile")
	return nil
}

func (l *listener) RelationDeparted(_ context.Context, _ *ops.Unit, d ops.Departed) error {
	return l.hear("departed %s %s: %s leaves, seen by %s, self %t, left %v", d.Relation.ID, d.Relation.App, d.Leaving, d.Remote, d.Self, d.Relation.Units)
}

func (l *listener) RelationBroken(_ context.Context, _ *ops.Unit, r *ops.Relation) error {
	return l.hear("broken %s %s %s %t", r.ID, r.Endpoint, r.App, r.Broken)
}

func (l *listener) StorageDetaching(_ context.Context, _ *ops.Unit, s ops.Storage) error {
	return l.hear("detaching %s %s", s.ID, s.Location)
}

func (l *listener) Stop(ctx context.Context, u *ops.Unit) error {
	goal, err := u.Goal(ctx)
	return errors.Join(err, l.hear("stop, dying %t", goal.Dying))
}

func (l *listener) Remove(context.Context, *ops.Unit) error { return l.hear("remove") }

func (l *listener) SecretExpired(ctx context.Context, _ *ops.Unit, e ops.SecretEvent) error {
	return errors.Join(e.RemoveRevision(ctx), l.hear("expired %s %s %d", e.ID, e.Label, e.Revision))
}

func (l *listener) SecretRotate(ctx context.Context, _ *ops.Unit, e ops.SecretEvent) error {
	if err := e.RemoveRevision(ctx); err == nil {
		return errors.New("a revision that is none was removed")
	}
	return l.hear("rotate %s %s %d", e.ID, e.Label, e.Revision)
}

func (l *listener) SecretRemove(ctx context.Context, _ *ops.Unit, e ops.SecretEvent) error {
	return errors.Join(e.RemoveRevision(ctx), l.hear("obsolete %s %s %d", e.ID, e.Label, e.Revision))
}

func (l *listener) CustomNotice(ctx context.Context, _ *ops.Unit, n ops.Notice) error {
	data, err := n.Data(ctx)
	return errors.Join(err, l.hear("notice %s %s %s %s %v", n.Container, n.ID, n.Type, n.Key, data))
}

func (l *listener) CheckFailed(ctx context.Context, _ *ops.Unit, c ops.Check) error {
	_, known, err := c.Info(ctx)
	return errors.Join(err, l.hear("failed %s %s, known %t", c.Container, c.Name, known))
}

func (l *listener) CheckRecovered(_ context.Context, _ *ops.Unit, c ops.Check) error {
	return l.hear("recovered %s %s", c.Container, c.Name)
}

// events has each hook that says something once, and what the charm hears.
var events = map[string]struct {
	seed      func(s *model.Seed)
	hook      model.Hook
	restarted bool // the agent was, before
	want      string
}{
	"remote unit leaves": {
		hook: model.Hook{Hook: juju.Hook{Kind: juju.RelationDeparted, Name: "db"}, RelationID: "db:4", RemoteUnit: "postgres/1"},
		want: "departed db:4 postgres: postgres/1 leaves, seen by postgres/1, self false, left [postgres/0]",
	},
	"unit itself leaves": {
		seed: func(s *model.Seed) { s.Units, s.Leaving, s.Storages = []int{0}, []int{1}, nil },
		hook: model.Hook{Hook: juju.Hook{Kind: juju.RelationDeparted, Name: "db"}, RelationID: "db:4", RemoteUnit: "postgres/0"},
		want: "departed db:4 postgres: web/1 leaves, seen by postgres/0, self true, left [postgres/1]",
	},
	"relation ends": {hook: dbBroken, want: "broken db:4 db postgres true"},
	"relation ends for an agent that was restarted": {
		seed:      func(s *model.Seed) { s.Relations[0].Dying = true },
		hook:      model.Hook{Hook: juju.Hook{Kind: juju.RelationBroken, Name: "db"}, RelationID: "db:4"},
		restarted: true,
		want:      "broken db:4 db postgres true",
	},
	"storage goes": {
		hook: model.Hook{Hook: juju.Hook{Kind: juju.StorageDetaching, Name: "data"}, StorageID: "data/3"},
		want: "detaching data/3 /data",
	},
	"pod goes": {hook: model.Hook{Hook: juju.Hook{Kind: juju.Stop}}, want: "stop, dying false"},
	"unit goes": {
		seed: func(s *model.Seed) { s.Units, s.Leaving, s.Storages, s.Relations = []int{0}, []int{1}, nil, nil },
		hook: model.Hook{Hook: juju.Hook{Kind: juju.Remove}},
		want: "remove",
	},
	"secret expires":  {hook: model.Hook{Hook: juju.Hook{Kind: juju.SecretExpired}, SecretID: ownID, SecretRevision: 1}, want: "expired " + ownID + " mine 1"},
	"secret rotates":  {hook: model.Hook{Hook: juju.Hook{Kind: juju.SecretRotate}, SecretID: ownID}, want: "rotate " + ownID + " mine 0"},
	"secret obsolete": {hook: model.Hook{Hook: juju.Hook{Kind: juju.SecretRemove}, SecretID: ownID, SecretRevision: 1}, want: "obsolete " + ownID + " mine 1"},
	"notice": {
		hook: model.Hook{Hook: juju.Hook{Kind: juju.PebbleCustomNotice, Name: "server"}, NoticeID: "2", NoticeType: "custom", NoticeKey: "example.com/b"},
		want: "notice server 2 custom example.com/b map[k:b]",
	},
	"notice that has expired": {
		hook: model.Hook{Hook: juju.Hook{Kind: juju.PebbleCustomNotice, Name: "server"}, NoticeID: "9", NoticeType: "custom", NoticeKey: "example.com/c"},
		want: "notice server 9 custom example.com/c map[]",
	},
	"check fails":    {hook: model.Hook{Hook: juju.Hook{Kind: juju.PebbleCheckFailed, Name: "server"}, CheckName: "up"}, want: "failed server up, known false"},
	"check recovers": {hook: model.Hook{Hook: juju.Hook{Kind: juju.PebbleCheckRecovered, Name: "server"}, CheckName: "up"}, want: "recovered server up"},
}

func eventStage(t *testing.T, name string) *stage {
	t.Helper()
	world := seed()
	if change := events[name].seed; change != nil {
		change(&world)
	}
	s := newStage(t, world)
	s.restarted = events[name].restarted
	for _, name := range []string{"a", "b"} { // their ids are 1 and 2
		if err := s.pebble.Notify(t.Context(), "example.com/"+name, map[string]string{"k": name}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// The handler hears the event with all that Juju tells, and Reconcile runs
// after it in the same hook.
func TestEvents(t *testing.T) {
	t.Parallel()
	for name, test := range events {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, charm := eventStage(t, name), &listener{}
			if err := s.play(charm, test.hook); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{test.want, "reconcile"}, charm.heard); diff != "" {
				t.Errorf("heard (-want +got):\n%s", diff)
			}
			if secret, ok := s.secret(ownID); ok && test.hook.SecretRevision > 0 && secret.Revisions[test.hook.SecretRevision] != nil {
				t.Errorf("the revision is still there: %v", secret.Revisions)
			}
		})
	}
}

// A charm without handlers is woken all the same.
func TestEventsWithoutHandlers(t *testing.T) {
	t.Parallel()
	for name, test := range events {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			woken := 0
			err := eventStage(t, name).play(charmFunc(func(context.Context, *ops.Unit) error { woken++; return nil }), test.hook)
			if err != nil || woken != 1 {
				t.Errorf("woken %d times, %v", woken, err)
			}
		})
	}
}

// A handler's error makes Juju tell the event again, before Reconcile saw
// it; but not where a failed hook would take the agent down, and not if the
// error is a status.
func TestHandlerErrors(t *testing.T) {
	t.Parallel()
	for name, test := range events {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, charm := eventStage(t, name), &listener{fail: errors.New("deliberate")}
			err := s.play(charm, test.hook)
			if strings.Contains(string(test.hook.Kind), "pebble") {
				want := juju.Status{Name: juju.Waiting, Message: "cannot handle server-" + string(test.hook.Kind) + ": deliberate"}
				if err != nil || charm.heard[len(charm.heard)-1] != "reconcile" || s.context.After().Status != want {
					t.Errorf("error %v, heard %v, status %v", err, charm.heard, s.context.After().Status)
				}
				return
			}
			if err == nil || slices.Contains(charm.heard, "reconcile") {
				t.Errorf("error %v, heard %v, want a failure before Reconcile", err, charm.heard)
			}
			if secret, ok := s.secret(ownID); !ok || secret.Revisions[1] == nil {
				t.Error("the failed hook removed a revision")
			}

			s, charm = eventStage(t, name), &listener{fail: fmt.Errorf("cannot: %w", &ops.StatusError{Reason: ops.Blocked("do this")})}
			if err := s.play(charm, test.hook); err != nil || charm.heard[len(charm.heard)-1] != "reconcile" {
				t.Errorf("error %v, heard %v, want Reconcile after a status", err, charm.heard)
			}
			if got := s.context.After().Status; test.hook.Kind != juju.Stop && test.hook.Kind != juju.Remove && got != ops.Blocked("do this") {
				t.Errorf("status is %v", got)
			}
		})
	}
}

// What the handler and Reconcile write is sent together.
func TestHandlerAndReconcileWriteTogether(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	if err := s.play(&writer{}, dbBroken); err != nil {
		t.Fatal(err)
	}
	sets := slices.DeleteFunc(s.writes(), func(call string) bool { return !strings.HasPrefix(call, "state-set") })
	if len(sets) != 1 {
		t.Errorf("state was written %d times, want once", len(sets))
	}
	if diff := cmp.Diff(map[string]string{"handler": "was here", "reconcile": "saw was here"}, s.context.After().State); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

type writer struct{}

func (writer) RelationBroken(ctx context.Context, u *ops.Unit, _ *ops.Relation) error {
	return u.SetState(ctx, "handler", "was here")
}

func (writer) Reconcile(ctx context.Context, u *ops.Unit) error {
	state, err := u.State(ctx)
	if err != nil {
		return err
	}
	return u.SetState(ctx, "reconcile", "saw "+state["handler"])
}
