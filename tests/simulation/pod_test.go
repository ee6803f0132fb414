package simulation

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

// A unit that is removed by force in the middle of a hook takes the hook
// along, even if another one has its name by then.
func TestHookEndsWithItsPod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w *world
		removed, after := "", error(nil)
		w = newWorld(1, Options{Charm: of(clientApp, func(ctx context.Context, u *ops.Unit, charm ops.Charm) error {
			if removed != "" || u.Hook().Kind != juju.Start {
				return charm.Reconcile(ctx, u)
			}
			removed = u.Name()
			must(w, w.model.RemoveApplication(clientApp, true))
			if !deploy(clientApp).do(w) {
				t.Error("cannot deploy again")
			}
			w.operator.again(integrate(clientApp))
			_, after = u.Leader(ctx)
			return after
		})})
		w.turn(0, func() { w.operator = newOperator(w) })
		// An application in a relation would stay until the other side has left.
		related := integrate(clientApp).what
		w.operator.todo = slices.DeleteFunc(w.operator.todo, func(c command) bool { return c.what == related })
		w.converge()
		w.silence()
		if w.failed() {
			t.Error(w.result.Violation)
		}
		if !errors.Is(after, errGone) {
			t.Errorf("the hook of %s, which is gone, goes on with %v", removed, after)
		}
	})
}

// Who comes back in its application gets its volumes back; an application that
// is deployed again has new ones, also for units that had gone earlier.
func TestVolumesStayWithTheApplication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1, Options{})
		w.turn(0, func() { w.operator = newOperator(w) })
		scale := func(n int) {
			w.operator.scale[bookieApp] = n
			if w.living(bookieApp) {
				must(w, w.model.Scale(bookieApp, n))
			}
			w.converge()
		}
		scale(2)
		disk := w.disk("bookie/1")
		scale(1)
		scale(2)
		if w.disk("bookie/1") != disk {
			t.Error("bookie/1 has other volumes than before")
		}
		scale(1)
		must(w, w.model.RemoveApplication(bookieApp, false))
		w.operator.again(redeployBookies())
		w.operator.again(integrate(bookieApp))
		scale(2)
		if w.disk("bookie/1") == disk {
			t.Error("bookie/1 has the volumes of an earlier application")
		}
		if w.failed() {
			t.Error(w.result.Violation)
		}
	})
}
