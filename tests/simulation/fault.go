package simulation

import (
	"context"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// fault counts an injected trouble.
func (w *world) fault(kind string) {
	w.result.Faults[kind]++
	w.external()
}

// faults are what may break next.
func (w *world) faults() []event {
	if len(w.pods) == 0 || !w.chance(50) {
		return nil
	}
	var list []event
	add := func(kind, whom string, do func()) {
		if !w.options.Without[kind] {
			list = append(list, event{1, "fault " + kind, func() {
				w.fault(kind)
				w.logf("! %s: %s", kind, whom)
				do()
			}})
		}
	}
	w.modelFaults(add)
	unit := choose(w, w.names())
	if len(w.busy) > 0 && w.chance(30) {
		unit = choose(w, sorted(w.busy))
	}
	p := w.pods[unit]
	if p == nil || !p.up {
		return list
	}
	if w.busy[unit] == nil {
		if p.ending.IsZero() {
			add("pod replaced", unit, p.terminate)
		}
		add("pod lost", unit, p.end)
		if p.agent {
			add("charm container restarted", unit, func() {
				_ = w.model.PodDown(unit)
				p.agent = false
			})
		}
	}
	if len(p.containers) == 0 {
		return list
	}
	c := choose(w, p.containers)
	if !c.up {
		return list
	}
	if w.busy[unit] != nil {
		add("container lost in its unit's hook", unit+" "+c.name, c.kill)
	} else {
		add("container lost: "+c.name, unit, c.kill)
	}
	if _, ok := c.fake.Process(c.name); ok {
		add("service killed: "+c.name, unit, func() { w.killService(c, c.name) })
		add("watch killed: "+c.name, unit, func() { w.killService(c, c.name+"-watch") })
	}
	if p.agent && w.chance(20) {
		if checks, err := c.fake.Checks(context.Background()); err == nil && len(checks) > 0 {
			check := choose(w, checks).Name
			add("check fails and recovers", unit+" "+check, func() {
				_ = w.model.CheckFailed(unit, c.name, check)
				_ = w.model.CheckRecovered(unit, c.name, check)
			})
		}
	}
	w.bookieFaults(add, c)
	if s := w.zookeeper.servers[unit]; s != nil && c.name == "zookeeper" && w.chance(30) && w.zookeeper.spare(s) {
		add("disk lost: zookeeper", unit, func() {
			c.kill()
			c.fake.Wipe(zooMount)
			delete(w.zookeeper.joined, unit) // its vote is worth nothing until it has followed again
		})
	}
	return list
}

// modelFaults are those that need no pod.
func (w *world) modelFaults(add func(kind, whom string, do func())) {
	app := choose(w, w.model.Applications())
	if units := w.model.UnitsOf(app); len(units) > 0 {
		leader := choose(w, units)
		if w.model.Leader(app) != leader && w.model.Life(leader) == "alive" {
			add("leader changed", app+" "+leader, func() { must(w, w.model.SetLeader(app, leader)) })
		}
	}
	if w.chance(10) {
		add("no leader", app, func() { must(w, w.model.SetLeader(app, "")) })
	}
	if w.chance(30) {
		add("Service moved", app, func() { w.moveService(app) })
	}
	if w.ticks {
		add("update-status due", "all", w.updateStatus)
	}
}

func (w *world) bookieFaults(add func(kind, whom string, do func()), c *container) {
	unit := c.pod.unit
	b := w.bookies[unit]
	if b == nil || !b.joined || b.ghost {
		return
	}
	if w.chance(30) {
		add("bookie forgets to register", unit, func() {
			delete(w.zookeeper.sessions, b.id)
			b.ghost = true
		})
	}
	if w.chance(50) {
		add("ZooKeeper session expired", unit, func() { delete(w.zookeeper.sessions, b.id) })
	}
	// The others hold what it held; nobody gets it back from here.
	if w.chance(20) && w.busy[unit] == nil && w.lost[unit] == "" {
		volume := choose(w, bookieVolumes)
		add("disk lost: bookie", unit, func() {
			w.lost[unit] = volume
			w.pods[unit].end()
			w.disk(unit).Wipe(volume)
		})
	}
}

func (w *world) killService(c *container, service string) {
	w.kill(func() { _ = c.fake.Exit(service, 137) })
}

// lease is how long Juju keeps the leadership for an agent that is away.
const lease = time.Minute

// absence is that of a leader's agent.
type absence struct {
	leader string
	since  time.Time
}

// leaseEnds says whether the leader's agent is away for so long, and another's,
// of a unit that goes if there is no better, is there to take over.
func (w *world) leaseEnds(app string) bool {
	leader := w.model.Leader(app)
	if leader == "" || w.model.Agent(leader) == model.AgentUp {
		delete(w.gone, app)
		return false
	}
	if w.gone[app].leader != leader {
		w.gone[app] = absence{leader, time.Now()}
	}
	return time.Since(w.gone[app].since) >= lease && len(w.running(app)) > 0
}

// running are an application's units whose agents run; those that stay, if any
// do.
func (w *world) running(app string) []string {
	var stay, leave []string
	for _, unit := range w.model.UnitsOf(app) {
		switch {
		case w.model.Agent(unit) != model.AgentUp:
		case w.model.Life(unit) == "alive":
			stay = append(stay, unit)
		case w.model.Life(unit) == "dying":
			leave = append(leave, unit)
		}
	}
	if len(stay) > 0 {
		return stay
	}
	return leave
}

// expire gives the lease of a leader whose agent is away to another.
func (w *world) expire(app string) {
	leader := choose(w, w.running(app))
	w.logf("the lease of %s ends, %s leads", w.model.Leader(app), leader)
	must(w, w.model.SetLeader(app, leader))
}

// depose takes the leadership from a unit.
func (w *world) depose(unit string) {
	if !w.leads(unit) {
		return
	}
	app := juju.Application(unit)
	leader := choose(w, w.model.UnitsOf(app))
	if leader == unit || w.model.Life(leader) != "alive" {
		leader = ""
	}
	w.fault(deposed)
	w.logf("! %s: %s, for %q", deposed, unit, leader)
	must(w, w.model.SetLeader(app, leader))
}

// lead gives applications without a leader one, as time does.
func (w *world) lead() {
	for _, app := range w.model.Applications() {
		if w.model.Leader(app) != "" {
			continue
		}
		for _, unit := range w.model.UnitsOf(app) {
			if w.model.Life(unit) == "alive" {
				must(w, w.model.SetLeader(app, unit))
				break
			}
		}
	}
}

// restore is what an operator does about the lost volume of a bookie: the
// others have copied what it held, so its cookie goes, and the pod starts with
// empty volumes.
func (w *world) restore(unit string) {
	w.logf("$ give up what bookie %s held", unit)
	delete(w.zookeeper.nodes, "/ledgers/cookies/"+host(unit)+":3181")
	if p := w.pods[unit]; p != nil {
		p.end()
	}
	for _, volume := range bookieVolumes {
		w.disk(unit).Wipe(volume)
	}
	delete(w.lost, unit)
	w.external()
}

// disk are the volumes of a bookie.
func (w *world) disk(bookie string) *pebbletest.Fake { return w.disks[bookie+" bookie"] }

// troubles are all kinds of trouble that histories meet.
func troubles() []string {
	return append([]string{
		"action run", "answer to a change of membership lost", "application removed", "bookie forgets to register", "bookie gives up and stays",
		"change of membership refused: no quorum of the new members", "charm container restarted", "charm refreshed",
		"check fails and recovers", "config repaired", "config set", "config set wrong", "container lost: bookie",
		"container lost: broker", "container lost: client", "container lost: zookeeper", "container lost in its unit's hook", "disk lost: bookie", "disk lost: zookeeper",
		"foreign application", "foreign application removed", "garbage in a databag", halfInitialised,
		"leader changed", "membership changed by another", "no leader", "pod lost", "pod replaced", "relation removed", "resolved",
		"scale", "Service moved", "service killed: bookie", "service killed: broker", "service killed: client",
		"service killed: zookeeper", "update-status due", "volume given up", "watch killed: bookie", "watch killed: broker",
		"watch killed: zookeeper", "ZooKeeper session expired", interleaved, deposed,
	}, modes...)
}
