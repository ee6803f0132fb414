package simulation

// fault counts an injected fault.
func (w *world) fault(kind string) {
	w.result.Faults[kind]++
	w.external()
}

// faults are what may break next.
func (w *world) faults() []event {
	if len(w.pods) == 0 || !w.chance(50) {
		return nil
	}
	unit := choose(w, sorted(w.pods))
	p := w.pods[unit]
	list := []event{{1, "", w.moveLeader}}
	if w.ticks {
		list = append(list, event{1, "", w.updateStatus})
	}
	if !p.up || w.busy[unit] {
		return list
	}
	injure := func(kind string, do func()) {
		list = append(list, event{1, "", func() {
			w.fault(kind)
			w.logf("! %s: %s", kind, unit)
			do()
		}})
	}
	if p.ending.IsZero() {
		injure("pod replaced", p.terminate)
	}
	injure("pod lost", p.end)
	if p.agent {
		injure("agent restarted", func() {
			_ = w.model.PodDown(unit)
			p.agent = false
		})
	}
	c := choose(w, p.containers)
	if !c.up {
		return list
	}
	injure("container lost: "+c.name, c.kill)
	if _, ok := c.fake.Process(c.name); ok {
		injure("service killed: "+c.name, func() { w.killService(c, c.name) })
		injure("watch killed: "+c.name, func() { w.killService(c, c.name+"-watch") })
	}
	if b := w.bookies[unit]; b != nil && b.joined && !b.ghost && w.chance(30) {
		injure("bookie forgets to register", func() {
			delete(w.zookeeper.sessions, b.id)
			b.ghost = true
		})
	}
	return list
}

func (w *world) killService(c *container, service string) {
	w.kill(func() { _ = c.fake.Exit(service, 137) })
}

// moveLeader makes another unit the leader, or for a while none.
func (w *world) moveLeader() {
	app := choose(w, w.model.Applications())
	units := w.model.UnitsOf(app)
	if len(units) == 0 {
		return
	}
	leader := choose(w, units)
	if w.model.Leader(app) == leader || w.model.Life(leader) != "alive" {
		return
	}
	w.fault("leader changed")
	w.logf("! leader of %s is %s", app, leader)
	must(w, w.model.SetLeader(app, leader))
}
