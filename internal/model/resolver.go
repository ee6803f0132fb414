package model

import (
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// resolve is the agent's loop: it settles what needs no hook and ends with the
// hooks that may be run now. The order of the questions is Juju's; where Juju
// ranges over a map, all of its candidates are legal.
func (m *Model) resolve(u *unit) []Hook {
	for u.Agent == AgentUp && m.running[u.Name] == nil {
		hooks, again := m.turn(u)
		if !again {
			return hooks
		}
	}
	return nil
}

func plain(kind juju.HookKind) []Hook { return []Hook{{Hook: juju.Hook{Kind: kind}}} }

// turn is one round of the loop. again: something was settled without a hook.
func (m *Model) turn(u *unit) (hooks []Hook, again bool) {
	if u.Memory.Reboot {
		if !u.Started {
			u.Memory.Reboot = false
		} else if u.Op.Step == idle {
			return plain(juju.Start), false
		}
	}
	if u.Op.Step == idle && u.Installed && u.Life == alive {
		m.enterScopes(u)
		if hooks := m.created(u); len(hooks) > 0 {
			return hooks, false
		}
	}
	if hooks, again := m.leadership(u); again || len(hooks) > 0 {
		return hooks, again
	}
	if u.Op.Step == idle {
		if hooks := u.workloads(); len(hooks) > 0 {
			return hooks, false
		}
	} else if u.Op.Step == pending && u.Op.Hook.workload() {
		u.Op = operation{} // left by an agent that died in it: not done, and no error
		return nil, true
	}
	if u.Op.Step == idle && u.Installed && u.Life == alive {
		if hooks, again := m.secretHooks(u); again || len(hooks) > 0 {
			return hooks, again
		}
	}
	if u.Op.Step != queued && len(u.Queue) > 0 {
		return []Hook{m.actionHook(u.Queue[0])}, false
	}
	m.dropStorages(u)
	if u.Op.Step == idle || u.Op.Step == queued && u.Started {
		// A storage hook takes the place of a queued hook: that is how
		// leader-elected and upgrade-charm get lost.
		if hooks := u.storageHooks(); len(hooks) > 0 {
			if u.Memory.Unaware && u.Life == dying && u.Op.Step == idle {
				hooks = append(m.relationHooks(u), hooks...)
			}
			return hooks, false
		}
	}
	if u.Memory.Shutdown {
		return m.rest(u)
	}
	switch u.Op.Step {
	case pending:
		return m.failure(u)
	case queued:
		if u.Op.Hook.Kind == juju.Install {
			return m.rest(u)
		}
		if !m.preparable(u, u.Op.Hook) {
			m.skip(u)
			return nil, true
		}
		return []Hook{u.Op.Hook}, false
	}
	return m.rest(u)
}

// enterScopes joins the living relations that the agent does not know yet and
// its charm implements.
func (m *Model) enterScopes(u *unit) {
	for _, r := range m.rels {
		if r.Life != alive || r.Suspended || u.Relations[r.ID] != nil {
			continue
		}
		own, _, ok := r.own(u.app.Name)
		if !ok {
			continue
		}
		if endpoint, ok := u.charm.Endpoint(own.Endpoint); ok && endpoint.Role == own.Role && endpoint.Interface == own.Interface {
			m.enter(u, r)
		}
	}
}

func (m *Model) created(u *unit) []Hook {
	var hooks []Hook
	for _, r := range m.rels {
		if v := u.Relations[r.ID]; v != nil && !v.Created && r.Life == alive && !r.Suspended {
			own, other, _ := r.own(u.app.Name)
			hooks = append(hooks, Hook{
				Hook:       juju.Hook{Kind: juju.RelationCreated, Name: own.Endpoint},
				RelationID: r.juju(u.app.Name), RemoteApp: other.App,
			})
		}
	}
	return hooks
}

func (m *Model) leadership(u *unit) (hooks []Hook, again bool) {
	if !u.Installed {
		return nil, false
	}
	leads := u.app.Leader == u.Name
	switch {
	case leads && !u.Leader && u.Op.Step == idle && u.Life == alive:
		u.Leader = true
		u.Op = operation{Step: queued, Hook: plain(juju.LeaderElected)[0]}
		return nil, true
	case u.Leader && (!leads || u.Life != alive):
		u.Leader = false
		return nil, true
	}
	if u.Op.Step == idle && u.Life == alive && !u.Leader && !u.Memory.LeaderSettings && m.before(4) {
		return plain(juju.LeaderSettingsChanged), false
	}
	return nil, false
}

// workloads are the events of containers: each container's own wait in line,
// pebble-ready beside them.
func (u *unit) workloads() []Hook {
	var hooks []Hook
	for _, p := range u.Pebbles {
		if len(p.Events) > 0 {
			e := p.Events[0]
			hooks = append(hooks, Hook{
				Hook:     juju.Hook{Kind: e.Kind, Name: p.Container},
				NoticeID: e.ID, NoticeType: e.Type, NoticeKey: e.Key, CheckName: e.Check,
			})
		}
	}
	for _, p := range u.Pebbles {
		if p.Ready {
			hooks = append(hooks, Hook{Hook: juju.Hook{Kind: juju.PebbleReady, Name: p.Container}})
		}
	}
	return hooks
}

// failure is what may happen to a hook that failed or was interrupted.
func (m *Model) failure(u *unit) (hooks []Hook, again bool) {
	if !u.Memory.Retry && u.Resolved == "" {
		return nil, false
	}
	if u.Resolved == "skip" || !m.preparable(u, u.Op.Hook) {
		m.skip(u)
		return nil, true
	}
	return []Hook{u.Op.Hook}, false
}

// preparable says whether a queued or failed hook still makes sense.
func (m *Model) preparable(u *unit, h Hook) bool {
	switch {
	case h.Kind == juju.LeaderElected:
		return u.app.Leader == u.Name
	case h.Relation():
		return u.Relations[relationNumber(h.RelationID)] != nil
	case h.secret() && h.Kind != juju.SecretChanged:
		return m.handlesSecret(u, h.SecretID)
	}
	return true
}

// rest is what an agent does that has nothing of higher rank to do.
func (m *Model) rest(u *unit) (hooks []Hook, again bool) {
	if u.Life == dying {
		if u.Op.Step == idle {
			if hooks := m.relationHooks(u); len(hooks) > 0 {
				return hooks, false
			}
		}
		switch {
		case u.Started && !u.Stopped:
			return plain(juju.Stop), false
		case u.Installed:
			return plain(juju.Remove), false
		}
		m.bury(u)
		return nil, false
	}
	if u.Memory.Shutdown {
		if u.Started && !u.Stopped {
			return plain(juju.Stop), false
		}
		u.Agent = AgentExited
		return nil, false
	}
	if !u.Installed && !u.Started {
		return plain(juju.Install), false
	}
	if u.Handled != u.hashes() {
		return plain(juju.ConfigChanged), false
	}
	if hooks := m.relationHooks(u); len(hooks) > 0 {
		return hooks, false
	}
	if u.Memory.Tick {
		return plain(juju.UpdateStatus), false
	}
	return nil, false
}

func (u *unit) hashes() hashes {
	return hashes{Config: u.app.hash, Trust: u.app.Trust, Address: u.app.ServiceAddress}
}

func (m *Model) relationHooks(u *unit) []Hook {
	if u.Life == alive {
		m.enterScopes(u)
	}
	var hooks []Hook
	for _, r := range m.rels {
		if v := u.Relations[r.ID]; v != nil {
			if hook, _, ok := m.relationHook(u, r, v); ok {
				hooks = append(hooks, hook)
			}
		}
	}
	return hooks
}

// relationHook is a relation's one next hook, and the version of the databag
// that it is about.
func (m *Model) relationHook(u *unit, r *relation, v *member) (Hook, int, bool) {
	own, other, _ := r.own(u.app.Name)
	broken := u.Life != alive || r.Life != alive || r.Suspended
	hook := func(kind juju.HookKind, unit, app string) Hook {
		return Hook{
			Hook:       juju.Hook{Kind: kind, Name: own.Endpoint},
			RelationID: r.juju(u.app.Name), RemoteUnit: unit, RemoteApp: app,
		}
	}
	if v.Pending != "" {
		version := 0
		if !broken && r.visible(u, v.Pending) {
			version = r.version(v.Pending)
		}
		return hook(juju.RelationChanged, v.Pending, juju.Application(v.Pending)), version, true
	}
	left, joined, changed := r.differences(u, v, broken)
	if left >= 0 {
		known := v.Members[left]
		h := hook(juju.RelationDeparted, known.Unit, juju.Application(known.Unit))
		h.DepartingUnit = known.Unit
		if u.Life != alive || u.app.Life != alive {
			h.DepartingUnit = u.Name
		}
		return h, known.Version, true
	}
	if broken {
		// An agent that was restarted has forgotten which relations are peer
		// relations, and the name of the other application.
		switch {
		case !v.Fresh:
			return hook(juju.RelationBroken, "", ""), 0, true
		case !r.peer():
			return hook(juju.RelationBroken, "", other.App), 0, true
		}
		return Hook{}, 0, false
	}
	if version := r.version(other.App); version != v.App {
		return hook(juju.RelationChanged, "", other.App), version, true
	}
	if joined >= 0 {
		entry := r.Scope[joined]
		return hook(juju.RelationJoined, entry.Unit, entry.app), entry.bag.Version, true
	}
	if changed >= 0 {
		entry := r.Scope[changed]
		return hook(juju.RelationChanged, entry.Unit, entry.app), entry.bag.Version, true
	}
	return Hook{}, 0, false
}

// differences walks through what the agent has seen and what is there, both
// sorted by unit. left is the first of v.Members that is there no more, joined
// and changed are the first of r.Scope that are new or of another version; -1
// if there is none.
func (r *relation) differences(u *unit, v *member, broken bool) (left, joined, changed int) {
	left, joined, changed = -1, -1, -1
	if broken {
		if len(v.Members) > 0 {
			left = 0
		}
		return left, joined, changed
	}
	i := 0
	for at := range r.Scope {
		entry := &r.Scope[at]
		if !r.shows(u, entry) {
			continue
		}
		if i < len(v.Members) && v.Members[i].Unit < entry.Unit {
			return i, joined, changed
		}
		switch known := i < len(v.Members) && v.Members[i].Unit == entry.Unit; {
		case !known && joined < 0:
			joined = at
		case known:
			if changed < 0 && v.Members[i].Version != entry.bag.Version {
				changed = at
			}
			i++
		}
	}
	if i < len(v.Members) {
		left = i
	}
	return left, joined, changed
}

// before says whether Juju's major version is below.
func (m *Model) before(major int) bool { return m.version.Major < major }
