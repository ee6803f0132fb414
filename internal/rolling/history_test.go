package rolling_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
)

// world is an application whose units roll: what really runs, and the databags
// as Juju keeps them. The application's is read anew in each hook, a unit's as
// the reader's agent last heard of it.
type world struct {
	t      *rapid.T
	now    time.Time
	target int // what all should run on
	leader string
	turn   rolling.Turn // committed
	units  map[string]*unit
}

type unit struct {
	runs    int // what its service was started with
	healthy bool
	// began is when the last restart in a turn of its own began; zero if the
	// unit has been healthy since.
	began time.Time
	skew  time.Duration // of its clock
	lost  bool          // no agent, no process
	bag   rolling.State // committed
	heard map[string]rolling.State
	hook  *hook
}

// hook is a hook that runs: what it has read, and when.
type hook struct {
	at     time.Time
	lock   rolling.Lock
	leads  bool
	target int
}

// Bounds of what the lock is made for, together less than half a lease.
const (
	maxHook = 2 * time.Minute
	maxSkew = time.Minute
)

func (w *world) names() []string { return slices.Sorted(maps.Keys(w.units)) }

// begin starts a hook of a unit.
func (w *world) begin(name string) {
	u := w.units[name]
	h := &hook{at: w.now, leads: w.leader == name, target: w.target}
	h.lock = rolling.Lock{Now: w.now.Add(u.skew), Unit: name, Own: u.bag, Turn: w.turn}
	var planned []int
	for other := range w.units {
		planned = append(planned, juju.Ordinal(other))
	}
	heard := maps.Clone(u.heard) // what was written by units that are gone, too
	delete(heard, name)
	h.lock.Others = rolling.Members(name, heard, planned, func(s rolling.State) rolling.State { return s })
	u.hook = h
	w.look(u)
}

// look is what a round of the hook sees of its service.
func (w *world) look(u *unit) {
	u.hook.lock.Own.Wants, u.hook.lock.Own.Healthy = u.runs != u.hook.target, u.healthy
}

// restart does what the hook may do, against the rule that counts.
func (w *world) restart(name string) {
	u := w.units[name]
	w.look(u)
	if lock := u.hook.lock; !lock.Own.Wants || !lock.May() {
		return
	}
	if u.healthy {
		for other, v := range w.units {
			if other != name && !v.began.IsZero() && w.now.Sub(v.began) < rolling.Lease/2-maxHook-2*maxSkew {
				w.t.Fatalf("%s goes down while %s has not come back", name, other)
			}
		}
	}
	u.runs, u.healthy = u.hook.target, false
	if len(u.hook.lock.Others) > 0 { // one that was alone needs no turn
		u.began = w.now
	}
}

// end commits a hook, unless it fails; leadership that was lost meanwhile is a
// failure too.
func (w *world) end(name string, fails bool) {
	u := w.units[name]
	h := u.hook
	u.hook = nil
	h.lock.Own.Wants, h.lock.Own.Healthy = u.runs != h.target, u.healthy
	next := h.lock.Next()
	if fails || h.leads && next.Number != h.lock.Turn.Number && w.leader != name {
		return
	}
	if h.leads {
		w.turn = next
	}
	u.bag = h.lock.State()
}

// recover lets a unit's service come up.
func (u *unit) recover() {
	if !u.lost {
		u.healthy, u.began = true, time.Time{}
	}
}

// hear lets a unit's agent hear what another has written.
func (w *world) hear(name, other string) {
	if v := w.units[other]; v != nil && name != other {
		w.units[name].heard[other] = v.bag
	}
}

func (w *world) add(name string) {
	w.units[name] = &unit{
		runs: w.target, heard: map[string]rolling.State{},
		skew: time.Duration(rapid.IntRange(-int(maxSkew), int(maxSkew)).Draw(w.t, "skew")),
	}
}

// events are what may happen in a history, the usual more often.
var events = slices.Concat(
	slices.Repeat([]string{"hook", "hear all"}, 8), slices.Repeat([]string{"part of a hook", "recover"}, 5),
	slices.Repeat([]string{"hear", "time", "config"}, 2), []string{"crash", "lose", "find", "leader", "remove", "add"},
)

// trouble is one step of a history.
func (w *world) trouble() {
	t := w.t
	name := rapid.SampledFrom(w.names()).Draw(t, "unit")
	u := w.units[name]
	switch rapid.SampledFrom(events).Draw(t, "event") {
	case "hook":
		if !u.lost {
			if u.hook == nil {
				w.begin(name)
			}
			w.restart(name)
			w.end(name, false)
		}
	case "part of a hook":
		switch {
		case u.lost:
		case u.hook == nil:
			w.begin(name)
		case rapid.Bool().Draw(t, "restarts"):
			w.restart(name)
		default:
			w.end(name, rapid.IntRange(0, 9).Draw(t, "fails") == 0)
		}
	case "hear":
		if !u.lost {
			w.hear(name, rapid.SampledFrom(w.names()).Draw(t, "of"))
		}
	case "hear all":
		for _, other := range w.names() {
			if !u.lost {
				w.hear(name, other)
			}
		}
	case "recover":
		u.recover()
	case "time":
		step := time.Duration(rapid.IntRange(1, 120).Draw(t, "seconds")) * time.Second
		for _, other := range w.names() {
			if v := w.units[other]; v.hook != nil && w.now.Add(step).Sub(v.hook.at) > maxHook {
				w.end(other, rapid.Bool().Draw(t, "cut"))
			}
		}
		w.now = w.now.Add(step)
	case "config":
		w.target++
	case "crash":
		u.healthy = false
	case "lose":
		u.lost, u.healthy, u.hook = true, false, nil
	case "find":
		// A new pod starts the service on what it should, without a turn.
		if u.lost {
			u.lost, u.runs = false, w.target
		}
	case "leader":
		if !u.lost {
			w.leader = name
		}
	case "remove":
		if len(w.units) > 1 && name != w.leader {
			delete(w.units, name)
		}
	case "add":
		if free := fmt.Sprintf("app/%d", rapid.IntRange(0, 5).Draw(t, "ordinal")); w.units[free] == nil {
			w.add(free)
		}
	}
}

// calm lets every unit that is not lost run one hook, hear all, and come up.
func (w *world) calm() { w.round(func(string) bool { return true }) }

// round lets every unit that is not lost run one hook and come up, and those
// that listen hear all.
func (w *world) round(listens func(unit string) bool) {
	for _, name := range w.names() {
		if u := w.units[name]; !u.lost {
			if u.hook == nil {
				w.begin(name)
			}
			w.restart(name)
			u.recover()
			w.end(name, false)
		}
		for _, reader := range w.names() {
			if !w.units[reader].lost && listens(reader) {
				w.hear(reader, name)
			}
		}
	}
}

// rolled says that all units that are not lost run on what they should.
func (w *world) rolled() bool {
	for _, u := range w.units {
		if !u.lost && (u.runs != w.target || !u.healthy) {
			return false
		}
	}
	return true
}

// troubled is a world after some history.
func troubled(t *rapid.T) *world {
	w := &world{t: t, now: now, leader: "app/0", units: map[string]*unit{}}
	for i := range rapid.IntRange(1, 5).Draw(t, "units") {
		w.add(fmt.Sprintf("app/%d", i))
	}
	for range rapid.IntRange(0, 300).Draw(t, "steps") {
		w.trouble()
	}
	return w
}

// Whatever happens, no healthy unit goes down for a restart while another has
// not come back from its own; and once nothing breaks any more all restart
// that should. That needs no time, unless a unit is lost for good; and then
// nothing is written any more.
func TestHistories(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := troubled(t)
		lost := 0
		for _, name := range w.names() {
			u := w.units[name]
			switch {
			case !u.lost:
			case name != w.leader && u.bag.Healthy && rapid.Bool().Draw(t, "for good"):
				lost++ // and nobody knows
			default:
				u.lost, u.runs = false, w.target
			}
		}
		rounds := 5 * (len(w.units) + 2)
		for range rounds * (1 + 10*lost) {
			w.calm()
			if lost > 0 {
				w.now = w.now.Add(2 * time.Minute)
			}
		}
		if !w.rolled() {
			t.Fatalf("with %d units lost not all have restarted; turn %+v of %s", lost, w.turn, w.now)
		}
		last := w.turn
		for range 3 {
			w.calm()
			w.now = w.now.Add(rolling.Lease)
		}
		if w.turn.Number != last.Number {
			t.Fatalf("at rest the turn changes from %+v to %+v", last, w.turn)
		}
	})
}

// The turn comes to rest though nobody but the leader hears anything new of the
// others: Juju runs the hook of a turn before those that would tell, so a turn
// that goes round for want of news keeps the news away.
func TestTurnRestsWithoutNews(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := troubled(t)
		if u := w.units[w.leader]; u.lost {
			u.lost, u.runs = false, w.target
		}
		leads := func(unit string) bool { return unit == w.leader }
		for range 5 * (len(w.units) + 2) {
			w.round(leads)
		}
		last := w.turn
		for range 3 {
			w.round(leads)
		}
		if w.turn.Number != last.Number {
			t.Fatalf("nothing happens, and the turn changes from %+v to %+v", last, w.turn)
		}
	})
}
