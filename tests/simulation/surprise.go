package simulation

import (
	"maps"
	"slices"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

// Oddities of Juju that traces of its real agent show, and that the charms
// must live through.
const (
	ownWrites        = "leader told of its own peer writes"
	noUpgrade        = "pod died in mid-hook: neither upgrade-charm nor config-changed"
	noUpgradeStorage = "upgrade-charm swallowed by a waiting storage"
	electedStorage   = "leader-elected swallowed by a waiting storage"
	electedNever     = "leadership gained and lost, leader-elected never run"
	tickSwallowed    = "update-status swallowed by another hook"
	changedAgain     = "relation-changed again with the same data"
	retriedOther     = "hook retried with other data"
	droppedByStop    = "failed hook dropped by stop"
	skipped          = "failed hook skipped by the operator"
	ranTwice         = "killed hook run again at once"
	refusedWrite     = "hook refused, leadership lost in the middle"
	brokenNameless   = "relation-broken without JUJU_REMOTE_APP"
	brokenPeer       = "peer relation broken for a restarted dying unit"
	noticeKills      = "failing notice kills the worker"
	readyFails       = "failing pebble-ready offered again"
	noticeAgain      = "notice delivered again"
	noticeFirst      = "notice before pebble-ready"
	readyFirst       = "pebble-ready before a waiting notice"
	beforeStart      = "container's or action's hook before start"
	changedLeft      = "relation-changed of a unit that leaves"
	replacedUnseen   = "remote unit replaced under its name, no departed"
	dyingLeader      = "dying unit still leads"
	neverStarted     = "removed without ever having started"
	sameName         = "unit of the same name installed anew"
	startAgain       = "start without a new pod"
)

// surprises are all of them.
func surprises() []string {
	return []string{
		ownWrites, noUpgrade, noUpgradeStorage, electedStorage, electedNever, tickSwallowed, changedAgain, retriedOther, droppedByStop,
		skipped, ranTwice, refusedWrite, brokenNameless, brokenPeer, noticeKills, readyFails, noticeAgain, noticeFirst, readyFirst,
		beforeStart, changedLeft, replacedUnseen, dyingLeader, neverStarted, sameName, startAgain,
	}
}

// observer looks at the hooks that the units get, and counts the surprises.
type observer struct {
	units     map[string]*observed
	installed map[string]int    // how many units of this name were
	past      map[string]int    // how many of them are gone
	leaders   map[string]string // by application
	elected   map[string]bool   // leader-elected ran for that leader
	writers   map[string]string // who wrote the peers' application databag last, by application
	surprises map[string]int
}

// observed is what is known of one unit.
type observed struct {
	started  bool
	fresh    bool // a new pod that has not run start
	upgraded bool // upgrade-charm ran in it
	died     bool // the last pod died in the middle of a hook
	failing  model.Hook
	ticked   bool
	killed   model.Hook // the last hook, if its dispatch was killed

	bags    map[string]map[string]string // by relation and remote: as the last hook saw it
	failed  map[string]string            // that of the failed hook
	joined  map[string]int               // which of the units of that name joined
	notices map[string]bool              // by container: a notice waits to be seen
	ready   map[string]bool              // by container: pebble-ready ran since agent and container started
}

func newObserver() observer {
	return observer{
		units: map[string]*observed{}, installed: map[string]int{}, past: map[string]int{}, leaders: map[string]string{},
		elected: map[string]bool{}, writers: map[string]string{}, surprises: map[string]int{},
	}
}

func (o *observer) see(what string) { o.surprises[what]++ }

func (o *observer) unit(name string) *observed {
	u := o.units[name]
	if u == nil {
		u = &observed{
			bags: map[string]map[string]string{}, joined: map[string]int{},
			notices: map[string]bool{}, ready: map[string]bool{},
		}
		o.units[name] = u
	}
	return u
}

func (o *observer) gone(unit string) {
	delete(o.units, unit)
	o.past[unit] = o.installed[unit]
}

func (o *observer) tick(unit string) { o.unit(unit).ticked = true }

func (o *observer) notice(unit, container string) { o.unit(unit).notices[container] = true }

// agentStarted is told of each start, fresh in a new pod.
func (o *observer) agentStarted(unit string, fresh bool) {
	u := o.unit(unit)
	clear(u.ready)
	u.ticked = false
	if fresh {
		u.fresh, u.upgraded = true, false
	} else {
		u.died = false
	}
}

func (o *observer) booted(unit, container string) {
	u := o.unit(unit)
	delete(u.ready, container)
	delete(u.notices, container)
}

// lead follows the leadership of an application.
func (o *observer) lead(app, leader string) {
	if o.leaders[app] == leader {
		return
	}
	if last := o.leaders[app]; last != "" && !o.elected[app] && o.unit(last).started {
		o.see(electedNever)
	}
	o.leaders[app], o.elected[app] = leader, false
}

// begin is a hook that begins.
func (o *observer) begin(w *world, hook model.Hook, unit string) {
	app := juju.Application(unit)
	o.lead(app, w.model.Leader(app))
	u, leads := o.unit(unit), w.leads(unit)
	if u.killed == hook {
		o.see(ranTwice)
	}
	u.killed = model.Hook{}
	if leads && w.model.Life(unit) == "dying" {
		o.see(dyingLeader)
	}
	peer := hook.Relation() && hook.Name == "cluster"
	switch hook.Kind {
	case juju.Install:
		if o.installed[unit] == o.past[unit] {
			o.installed[unit]++
			if o.past[unit] > 0 {
				o.see(sameName)
			}
		}
	case juju.LeaderElected:
		o.elected[app] = true
	case juju.UpgradeCharm:
		u.upgraded = true
	case juju.Start:
		o.start(u)
	case juju.Stop:
		if u.failing != (model.Hook{}) {
			o.see(droppedByStop)
		}
	case juju.Remove:
		if !u.started {
			o.see(neverStarted)
		}
	case juju.Action:
		if !u.started {
			o.see(beforeStart)
		}
	case juju.PebbleReady, juju.PebbleCustomNotice:
		o.container(u, hook)
	case juju.RelationBroken:
		if hook.RemoteApp == "" {
			o.see(brokenNameless)
		}
		if peer {
			o.see(brokenPeer)
		}
	case juju.RelationJoined:
		u.joined[hook.RelationID+hook.RemoteUnit] = o.installed[hook.RemoteUnit]
	case juju.RelationDeparted:
		delete(u.joined, hook.RelationID+hook.RemoteUnit)
	case juju.RelationChanged:
		o.changed(w, u, hook)
		if peer && hook.RemoteUnit == "" && leads && o.writers[app] == unit {
			o.see(ownWrites)
		}
	}
}

func (o *observer) start(u *observed) {
	switch {
	case !u.started:
	case !u.fresh:
		o.see(startAgain)
	case !u.upgraded && u.died:
		o.see(noUpgrade)
	case !u.upgraded:
		o.see(noUpgradeStorage)
	}
}

func (o *observer) container(u *observed, hook model.Hook) {
	if !u.started {
		o.see(beforeStart)
	}
	if hook.Kind == juju.PebbleReady {
		if u.notices[hook.Name] {
			o.see(readyFirst)
		}
		return
	}
	if !u.ready[hook.Name] {
		o.see(noticeFirst)
	}
	if !u.notices[hook.Name] {
		o.see(noticeAgain)
	}
}

func (o *observer) changed(w *world, u *observed, hook model.Hook) {
	owner := hook.RemoteUnit
	if owner == "" {
		owner = hook.RemoteApp
	}
	key, bag := hook.RelationID+owner, w.model.Databag(hook.RelationID, owner)
	if last, ok := u.bags[key]; ok && u.failing != hook && maps.Equal(last, bag) {
		o.see(changedAgain)
	}
	if u.failing == hook && u.failed != nil && !maps.Equal(u.failed, bag) {
		o.see(retriedOther)
	}
	u.bags[key], u.failed = bag, bag
	if hook.RemoteUnit == "" {
		return
	}
	if life := w.model.Life(hook.RemoteUnit); life != "alive" {
		o.see(changedLeft)
	}
	if was, ok := u.joined[key]; ok && was < o.installed[hook.RemoteUnit] {
		o.see(replacedUnseen)
		u.joined[key] = o.installed[hook.RemoteUnit]
	}
}

// end is a hook that ended, well or not.
func (o *observer) end(w *world, hook model.Hook, unit string, ok bool) {
	u, app := o.unit(unit), juju.Application(unit)
	if !ok {
		switch {
		case hook.Kind == juju.PebbleCustomNotice:
			o.see(noticeKills)
			clear(u.ready)
		case hook.Kind == juju.PebbleReady:
			o.see(readyFails)
		case hook.Kind != juju.Action:
			u.failing = hook
		}
		return
	}
	if hook.Kind != juju.Action {
		u.failing = model.Hook{}
	}
	switch hook.Kind {
	case juju.Start:
		u.started, u.fresh, u.died = true, false, false
	case juju.PebbleReady:
		u.ready[hook.Name] = true
	case juju.PebbleCustomNotice:
		u.notices[hook.Name] = false
	case juju.UpdateStatus:
		u.ticked = false
	case juju.StorageAttached:
		elects := func(h model.Hook) bool { return h.Kind == juju.LeaderElected }
		if u.started && w.leads(unit) && o.leaders[app] == unit && !o.elected[app] && !slices.ContainsFunc(w.model.Next(unit), elects) {
			o.see(electedStorage)
			o.elected[app] = true
		}
	}
	if hook.Kind != juju.Action && u.ticked {
		o.see(tickSwallowed)
		u.ticked = false
	}
}
