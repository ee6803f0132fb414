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
// and configures, while things break: from the beginning, or once all is well. Then all is mended, and the model must
// become active, within a bounded number of hooks. At last nothing may happen
// any more: one more update-status of every unit writes nothing. After each
// hook the invariants in invariant.go must hold.
//
// Not played are the ledgers that bookies store, and so nothing of what is lost
// with a bookie; a bookie that hangs with its HTTP server alive, which was seen
// with Pulsar's metadata driver only; and the network between pods.
package simulation

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// Options say how a history is run; the zero value is that of TestSimulation.
type Options struct {
	// Trace is told of every event.
	Trace func(line string)
	// Steps is the length of the first part; 0 lets the seed choose, so that
	// there are at least minHooks hooks.
	Steps int
	// Skip are steps of the first part in which nothing happens, Smooth those
	// whose hook runs to its end with nothing in between, Without the troubles
	// that never come. They serve to make a history smaller.
	Skip, Smooth Steps
	Without      Kinds
	// Charm may put something around a charm, to break it on purpose.
	Charm func(name string, charm ops.Charm) ops.Charm
}

// minHooks is the least number of hooks of a history.
const minHooks = 200

// Result is how a history went.
type Result struct {
	// Violation is what went wrong; empty: nothing. Rule is the same for all
	// violations of one kind.
	Violation, Rule string
	// Hooks and Steps are counts, Steps of the first part alone.
	Hooks, Steps int
	// Rough are the steps that Options.Smooth would have made smooth.
	Rough []int
	// Faults are the troubles by kind, Surprises the oddities of Juju that the
	// charms have lived through.
	Faults, Surprises map[string]int
}

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
	draw    uint64 // see turn
	model   *model.Model
	charms  map[string]*model.Charm
	began   time.Time

	// ticks says that the units' update-status timers are on.
	ticks bool
	// activity counts the hooks that were of use: all but an update-status
	// that found nothing to write.
	activity int
	// calm says that nothing breaks any more.
	calm     bool
	calmStep uint64 // the number of the last step without troubles
	// smooth says that the hook of this step is not disturbed.
	smooth bool
	// gone are the leaders by application whose agents are away.
	gone map[string]absence
	// owed are units whose action died: what it did to Pebble stays and what it
	// said is lost, Juju does not run it again, and so only the next hook of
	// whatever kind can put it right.
	owed map[string]bool
	// silent says that nothing may be written any more.
	silent bool

	operator  operator
	pods      map[string]*pod // by unit
	disks     map[string]*pebbletest.Fake
	addresses int
	services  int              // addresses of Services given
	podNames  []string         // the keys of pods, sorted; nil: to be made
	list      []event          // the array that events uses
	busy      map[string]*gate // of the units in the middle of a hook
	depth     int              // of hooks within hooks

	zookeeper ensemble
	bookies   map[string]*bookieProcess // by unit: running processes
	brokers   map[string]*broker
	instances int               // of BookKeeper's metadata ever made
	lost      map[string]string // bookies that lost a volume
	acting    string            // the unit whose charm is just telling Pebble something
	refreshed bool              // a charm was, ever
	// reconciled is the change of the model up to which pods were.
	reconciled uint64
	restarting map[string]restart // the last of each service
	killing    bool               // processes that end now get no chance to say good-bye

	observer observer
	secrets  []string
	flaps    map[string]int
	bags     map[string]map[string]string

	result Result
}

// newWorld is a world in which nothing is deployed.
func newWorld(seed uint64, o Options) *world {
	w := &world{
		options: o, draw: mix(seed), began: time.Now(),
		model:  model.New(model.Options{Name: "sim"}),
		charms: charms(), pods: map[string]*pod{}, disks: map[string]*pebbletest.Fake{}, busy: map[string]*gate{}, owed: map[string]bool{}, gone: map[string]absence{},
		bookies: map[string]*bookieProcess{}, brokers: map[string]*broker{}, lost: map[string]string{}, restarting: map[string]restart{},
		flaps: map[string]int{}, bags: map[string]map[string]string{},
		observer: newObserver(),
		result:   Result{Faults: map[string]int{}},
	}
	w.zookeeper = newEnsemble(w)
	w.ticks = seed%2 == 1
	return w
}

// Run plays the history of a seed. It must be called within a synctest bubble.
func Run(seed uint64, o Options) Result {
	w := newWorld(seed, o)
	w.logf("seed %d, update-status %v", seed, w.ticks)
	w.troubles()
	w.converge()
	w.silence()
	w.result.Surprises = w.observer.surprises
	return w.result
}

func (w *world) failed() bool { return w.result.Violation != "" }

// violate ends the history; the first reason counts.
func (w *world) violate(format string, args ...any) {
	if w.failed() {
		return
	}
	w.result.Violation, w.result.Rule = fmt.Sprintf(format, args...), format
	w.logf("VIOLATION: %s", w.result.Violation)
}

func (w *world) logf(format string, args ...any) {
	if w.options.Trace != nil {
		w.options.Trace(fmt.Sprintf("%8.1fs %s", time.Since(w.began).Seconds(), strings.Repeat("    ", w.depth)+fmt.Sprintf(format, args...)))
	}
}

// external notes a cause from outside for which databags may change again.
func (w *world) external() { clear(w.flaps) }

// pass lets time pass; daemons and watches live on meanwhile.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	w.live()
}

// live lets every daemon do what is due, and every watch look.
func (w *world) live() {
	w.zookeeper.live()
	for _, unit := range w.names() {
		if b := w.bookies[unit]; b != nil {
			b.live()
		}
	}
	for _, unit := range w.names() {
		w.pods[unit].watch()
	}
	for service, last := range w.restarting {
		if w.serves(service, last.unit) {
			delete(w.restarting, service)
		}
	}
}

// names are the units with pods, sorted.
func (w *world) names() []string {
	if w.podNames == nil {
		w.podNames = sorted(w.pods)
	}
	return w.podNames
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// events are what may happen next without operator and faults: hooks, and
// whatever machinery is due.
func (w *world) events() []event {
	w.reconcilePods()
	list := w.list[:0]
	if w.depth < 2 {
		for _, unit := range w.model.Ready() {
			if w.busy[unit] == nil {
				list = append(list, event{10, unit, func() { w.hook(unit) }})
			}
		}
	}
	for _, unit := range w.names() {
		list = w.pods[unit].events(list)
	}
	list = w.rollouts(list)
	for _, app := range w.model.Applications() {
		if w.model.Leader(app) == "" && w.model.Life(app) == "alive" {
			list = append(list, event{2, "lease " + app, w.lead})
		} else if w.leaseEnds(app) {
			list = append(list, event{2, "lease " + app, func() { w.expire(app) }})
		}
	}
	w.list = list[:0]
	return list
}

// step is one event of the first part.
func (w *world) step() {
	list := w.events()
	list = append(list, event{4, "time passes", func() { w.pass(w.between(100*time.Millisecond, 3*time.Second)) }})
	if !w.calm {
		list = append(list, w.operator.events(w)...)
		list = append(list, w.faults()...)
	}
	w.pick(list)
}

// troubles is the first part.
func (w *world) troubles() {
	steps, calm := w.options.Steps, false
	w.turn(0, func() {
		w.operator = newOperator(w)
		calm = w.chance(40)
		if steps == 0 {
			steps = 60 + w.rng.IntN(200)
		}
	})
	if calm { // troubles begin when all is well
		w.converge()
		w.calm = false
	}
	for n := 1; n <= steps || w.options.Steps == 0 && w.result.Hooks < minHooks; n++ {
		if w.failed() {
			return
		}
		w.result.Steps = n
		if n > 20*minHooks {
			w.violate("only %d hooks in %d steps", w.result.Hooks, n)
		}
		w.smooth = w.options.Smooth[n]
		if !w.options.Skip[n] {
			w.turn(uint64(n), w.step)
		}
	}
}

// Bounds of the second part.
const (
	hooksPerUnit = 150
	patience     = 20 * time.Minute
	calmSteps    = 1 << 30 // the numbers of its steps begin here
)

// converge is the second part: all is mended and must become active.
func (w *world) converge() {
	if w.failed() {
		return
	}
	w.calm, w.smooth = true, true
	w.external()
	w.logf("calm: from now on nothing breaks")
	first, last, ticked := w.result.Hooks, time.Now(), time.Now()
	done := false
	for !done && !w.failed() {
		busy := w.activity
		w.calmStep++
		w.turn(calmSteps+w.calmStep, func() {
			w.operator.mend(w)
			if !w.pick(w.events()) {
				if done = w.settled() && !w.repay(); !done {
					w.pass(w.between(time.Second, 5*time.Second))
				}
			} else if w.chance(20) {
				w.pass(w.between(100*time.Millisecond, 2*time.Second))
			}
		})
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

// repay gives an update-status to units that are owed one, if any are.
func (w *world) repay() bool {
	owed := len(w.owed) > 0
	for _, unit := range sorted(w.owed) {
		_ = w.model.UpdateStatusDue(unit)
	}
	clear(w.owed)
	return owed
}

// settled says whether the goal is reached and nothing is under way.
func (w *world) settled() bool { return w.complaints() == "" }

// silence is the third part: time passes, and one more round of update-status
// and one of config-changed write nothing.
func (w *world) silence() {
	if w.failed() {
		return
	}
	w.logf("all is active: from now on nothing may be written")
	w.silent = true
	more := true
	next := func() {
		w.calmStep++
		w.turn(calmSteps+w.calmStep, func() { more = w.pick(w.events()) })
	}
	for range 20 {
		w.turn(calmSteps+w.calmStep, func() { w.pass(w.between(time.Second, 10*time.Second)) })
		if next(); w.failed() {
			return
		}
	}
	for _, round := range []func(){w.updateStatus, w.reconfigure} {
		round()
		for more = true; more && !w.failed(); {
			next()
		}
	}
	if !w.failed() && !w.settled() {
		w.violate("not active after silence: %s", w.complaints())
	}
}

// updateStatus is a tick of every unit's timer.
func (w *world) updateStatus() {
	for _, unit := range w.model.Units() {
		_ = w.model.UpdateStatusDue(unit)
		w.observer.tick(unit)
	}
}

// reconfigure gives every unit a config-changed in which no option differs.
func (w *world) reconfigure() {
	for _, app := range w.model.Applications() {
		w.moveService(app)
	}
}

// moveService gives an application's Service another address.
func (w *world) moveService(app string) {
	w.services++
	must(w, w.model.SetServiceAddress(app, fmt.Sprintf("10.152.%d.%d", w.services/250, 1+w.services%250)))
}
