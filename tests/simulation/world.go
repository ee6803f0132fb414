// Package simulation lets the real charms run, in this process, through
// random histories of a whole model: many units, operators who change their
// minds, and a Kubernetes that takes away what it gave.
//
// What Juju does is internal/model; the workload's containers are pebbletest's
// fakes; ZooKeeper, bookies and brokers are small fakes here that are honest
// about what the real ones refuse. One seed decides all that is left open, so
// that a history can be run again. Each runs in a synctest bubble, whose time
// passes when the history says so.
//
// A history has three parts. First the operator deploys, integrates, scales
// and configures, while things break. Then all is mended, and the model must
// become active, within a bounded number of hooks. At last nothing may happen
// any more: one more update-status of every unit writes nothing. After each
// hook the invariants in invariant.go must hold.
package simulation

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// Options say how a history is run; the zero value is that of TestSimulation.
type Options struct {
	// Trace is told of every event.
	Trace func(line string)
	// Steps is the length of the first part; 0 lets the seed choose.
	Steps int
}

// Result is how a history went.
type Result struct {
	// Violation is what went wrong; empty: nothing.
	Violation string
	// Tail are the last events.
	Tail  []string
	Hooks int
	// Faults are the injected faults by kind.
	Faults map[string]int
}

// tail is the number of events that a Result shows.
const tail = 40

// The applications' names.
const (
	pulsarApp = "pulsar"
	bookieApp = "bookie"
	clientApp = "pulsar-client-dummy"
)

// world is a history that is being run.
type world struct {
	options Options
	rng     *rand.Rand
	model   *model.Model
	charms  map[string]*model.Charm
	began   time.Time

	// ticks says that the units' update-status timers are on.
	ticks bool
	// activity counts the hooks that were of use: all but an update-status
	// that found nothing to write.
	activity int
	// calm says that nothing breaks any more.
	calm bool
	// silent says that nothing may be written any more.
	silent bool

	operator  operator
	pods      map[string]*pod // by unit
	disks     map[string]*pebbletest.Fake
	addresses int
	busy      map[string]bool // units in the middle of a hook
	depth     int             // of hooks within hooks

	zookeeper ensemble
	bookies   map[string]*bookieProcess // by unit: running processes
	brokers   map[string]*broker
	killing   bool // processes that end now get no chance to say good-bye

	secrets []string
	flaps   map[string]int
	bags    map[string]map[string]string

	result Result
}

// Run plays the history of a seed. It must be called within a synctest bubble.
func Run(seed uint64, o Options) Result {
	w := &world{
		options: o, rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), began: time.Now(),
		model:  model.New(model.Options{Name: "sim"}),
		charms: charms(), pods: map[string]*pod{}, disks: map[string]*pebbletest.Fake{}, busy: map[string]bool{},
		bookies: map[string]*bookieProcess{}, brokers: map[string]*broker{},
		flaps: map[string]int{}, bags: map[string]map[string]string{},
		result: Result{Faults: map[string]int{}},
	}
	w.zookeeper = newEnsemble(w)
	w.ticks = seed%2 == 1
	w.logf("seed %d, update-status %v", seed, w.ticks)
	w.troubles()
	w.converge()
	w.silence()
	return w.result
}

func (w *world) failed() bool { return w.result.Violation != "" }

// violate ends the history; the first reason counts.
func (w *world) violate(format string, args ...any) {
	if w.failed() {
		return
	}
	w.result.Violation = fmt.Sprintf(format, args...)
	w.logf("VIOLATION: %s", w.result.Violation)
}

func (w *world) logf(format string, args ...any) {
	line := fmt.Sprintf("%8.1fs %s", time.Since(w.began).Seconds(), strings.Repeat("    ", w.depth)+fmt.Sprintf(format, args...))
	if w.options.Trace != nil {
		w.options.Trace(line)
	}
	if len(w.result.Tail) == 2*tail {
		w.result.Tail = append(w.result.Tail[:0], w.result.Tail[tail:]...)
	}
	w.result.Tail = append(w.result.Tail, line)
}

// external notes a cause from outside for which databags may change again.
func (w *world) external() { clear(w.flaps) }

func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

func choose[T any](w *world, from []T) T { return from[w.rng.IntN(len(from))] }

// between is a random duration.
func (w *world) between(from, to time.Duration) time.Duration {
	return from + time.Duration(w.rng.Int64N(int64(to-from)+1))
}

// pass lets time pass; daemons and watches live on meanwhile.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	w.live()
}

// live lets every daemon do what is due, and every watch look.
func (w *world) live() {
	w.zookeeper.live()
	for _, unit := range sorted(w.bookies) {
		if b := w.bookies[unit]; b != nil {
			b.live()
		}
	}
	w.zookeeper.live() // a bookie may have gone, sessions may have ended
	for _, unit := range sorted(w.pods) {
		w.pods[unit].watch()
	}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// event is something that may happen next.
type event struct {
	weight int
	what   string
	do     func()
}

// events are what may happen next without operator and faults: hooks, and
// whatever machinery is due.
func (w *world) events() []event {
	w.reconcilePods()
	var list []event
	if w.depth < 2 {
		for _, unit := range w.model.Ready() {
			if !w.busy[unit] {
				list = append(list, event{10, "", func() { w.hook(unit) }})
			}
		}
	}
	for _, unit := range sorted(w.pods) {
		list = append(list, w.pods[unit].events()...)
	}
	return append(list, w.rollouts()...)
}

// pick does one of the events, if there are any.
func (w *world) pick(list []event) bool {
	total := 0
	for _, e := range list {
		total += e.weight
	}
	if total == 0 {
		return false
	}
	n := w.rng.IntN(total)
	for _, e := range list {
		if n -= e.weight; n < 0 {
			if e.what != "" {
				w.logf("%s", e.what)
			}
			e.do()
			break
		}
	}
	w.live()
	return true
}

// step is one event of the first part.
func (w *world) step() {
	list := w.events()
	list = append(list, event{4, "", func() { w.pass(w.between(100*time.Millisecond, 3*time.Second)) }})
	if !w.calm {
		list = append(list, w.operator.events(w)...)
		list = append(list, w.faults()...)
	}
	w.pick(list)
}

// troubles is the first part.
func (w *world) troubles() {
	w.operator = newOperator(w)
	steps := w.options.Steps
	if steps == 0 {
		steps = 150 + w.rng.IntN(500)
	}
	for range steps {
		if w.failed() {
			return
		}
		w.step()
	}
}

// Bounds of the second part.
const (
	hooksPerUnit = 150
	patience     = 20 * time.Minute
)

// converge is the second part: all is mended and must become active.
func (w *world) converge() {
	if w.failed() {
		return
	}
	w.calm = true
	w.operator.mend(w)
	w.external()
	w.logf("calm: from now on nothing breaks")
	first, last, ticked := w.result.Hooks, time.Now(), time.Now()
	for !w.failed() {
		busy := w.activity
		if !w.pick(w.events()) {
			if w.settled() {
				return
			}
			w.pass(w.between(time.Second, 5*time.Second))
		} else if w.chance(20) {
			w.pass(w.between(100*time.Millisecond, 2*time.Second))
		}
		now := time.Now()
		if w.activity > busy {
			last = now
		}
		if w.ticks && now.Sub(ticked) >= 5*time.Minute {
			ticked = now
			w.updateStatus()
		}
		units := len(w.model.Units())
		switch {
		case now.Sub(last) > patience:
			w.violate("nothing happens any more, and not all is well: %s", w.complaints())
		case w.result.Hooks-first > 200+hooksPerUnit*units:
			w.violate("no rest after %d hooks of %d units: %s", w.result.Hooks-first, units, w.complaints())
		}
	}
}

// settled says whether the goal is reached and nothing is under way.
func (w *world) settled() bool { return w.complaints() == "" }

// silence is the third part: time passes, and one more round writes nothing.
func (w *world) silence() {
	if w.failed() {
		return
	}
	w.logf("all is active: from now on nothing may be written")
	w.silent = true
	for range 20 {
		w.pass(w.between(time.Second, 10*time.Second))
		if w.pick(w.events()); w.failed() {
			return
		}
	}
	w.updateStatus()
	for w.pick(w.events()) && !w.failed() {
	}
	if !w.failed() && !w.settled() {
		w.violate("not active after silence: %s", w.complaints())
	}
}

// updateStatus is a tick of every unit's timer.
func (w *world) updateStatus() {
	for _, unit := range w.model.Units() {
		_ = w.model.UpdateStatusDue(unit)
	}
}
