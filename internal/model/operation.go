package model

import (
	"fmt"
	"slices"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Begin starts a hook of Next. A unit runs one hook at a time.
func (m *Model) Begin(unit string, hook Hook) (*Context, error) {
	u, err := m.unit(unit)
	if err != nil {
		return nil, err
	}
	if m.running[unit] != nil {
		return nil, fmt.Errorf("cannot run %s on %q: %s is running", hook.Describe(), unit, m.running[unit].hook.Describe())
	}
	if !slices.Contains(m.next(u), hook) {
		return nil, fmt.Errorf("cannot run %s on %q: it is not among the next hooks", hook.Describe(), unit)
	}
	c := &Context{model: m, unit: u, app: u.app, hook: hook, before: u.Op, handled: u.hashes()}
	if hook.Kind == juju.Action {
		m.startAction(u, hook.ActionID)
		u.Op.Action = hook.ActionID
	} else {
		c.again = u.Op.Step != idle && u.Op.Hook == hook
		version := u.Op.Version
		if !c.again {
			version = m.hookVersion(u, hook)
		}
		u.Op = operation{Step: pending, Hook: hook, Version: version}
	}
	m.prepare(u, hook)
	m.running[unit] = c
	m.touch(u)
	return c, nil
}

// hookVersion is the version of the databag that a relation hook is about.
func (m *Model) hookVersion(u *unit, hook Hook) int {
	if !hook.Relation() {
		return 0
	}
	r := m.relations[relationNumber(hook.RelationID)]
	if v := u.Relations[r.ID]; v != nil {
		_, version, _ := m.relationHook(u, r, v)
		return version
	}
	return 0
}

// prepare is what the agent does before it runs a hook.
func (m *Model) prepare(u *unit, hook Hook) {
	u.Resolved, u.Memory.Retry, u.Memory.Unaware = "", false, false
	running := "running " + hook.String() + " hook"
	switch hook.Kind {
	case juju.Action:
		running = "running action " + hook.Name
	case juju.Start:
		u.Memory.Reboot = false
	case juju.Install:
		if !u.StatusSet {
			u.Workload = statusRecord{juju.Status{Name: juju.Maintenance, Message: "installing charm software"}, m.now}
		}
	case juju.Stop:
		u.Workload = statusRecord{juju.Status{Name: juju.Maintenance, Message: "stopping charm software"}, m.now}
	case juju.Remove:
		u.Workload = statusRecord{juju.Status{Name: juju.Maintenance, Message: "cleaning up prior to charm deletion"}, m.now}
	case juju.ConfigChanged:
		// Juju brings its own keys in the unit's databags up to date.
		for _, r := range m.rels {
			if _, ok := r.inScope(u.Name); ok {
				m.write(r, u.Name, m.addresses(u))
			}
		}
	case juju.RelationJoined, juju.RelationChanged, juju.RelationDeparted:
		if v := u.Relations[relationNumber(hook.RelationID)]; v != nil && hook.RemoteUnit != "" && hook.Kind != juju.RelationDeparted {
			delete(v.Cache, hook.RemoteUnit)
		}
	}
	if hook.RemoteUnit != "" {
		running += " for " + hook.RemoteUnit
	}
	if hook.SecretID != "" {
		running += " for " + hook.SecretID
	}
	if hook.Kind != juju.UpdateStatus {
		u.AgentSays = statusRecord{juju.Status{Name: "executing", Message: running}, m.now}
	}
}

// failed leaves the agent in error.
func (m *Model) failed(u *unit) {
	message := fmt.Sprintf("hook failed: %q", u.Op.Hook.String())
	u.AgentSays = statusRecord{juju.Status{Name: juju.Error, Message: message}, m.now}
	m.touch(u)
}

// skip counts the queued or failed hook as done without running it: what it
// stands for is handled, and the tick of update-status that came before.
func (m *Model) skip(u *unit) {
	u.Resolved, u.Memory.Retry, u.Memory.Tick = "", false, false
	hook, version := u.Op.Hook, u.Op.Version
	m.commit(u, hook, version, u.hashes(), true)
	if u.inError() {
		u.AgentSays = statusRecord{juju.Status{Name: "idle"}, m.now}
	}
}

// commit records that a hook ran. again: it was not chosen by the loop but
// queued or failed before.
func (m *Model) commit(u *unit, hook Hook, version int, handled hashes, again bool) {
	u.Op = operation{}
	switch hook.Kind {
	case juju.Install:
		u.Installed = true
	case juju.ConfigChanged:
		u.Handled = handled
		if !u.Started {
			u.Op = operation{Step: queued, Hook: plain(juju.Start)[0]}
		}
	case juju.UpgradeCharm:
		u.Op = operation{Step: queued, Hook: plain(juju.ConfigChanged)[0]}
	case juju.Start:
		u.Started, u.Stopped = true, false
	case juju.Stop:
		u.Stopped = true
	case juju.Remove:
		m.bury(u)
	case juju.LeaderSettingsChanged:
		u.Memory.LeaderSettings = true
	case juju.PebbleReady:
		if p, err := u.pebble(hook.Name); err == nil {
			p.Done, p.Ready = p.Boot, false
		}
	case juju.PebbleCustomNotice, juju.PebbleCheckFailed, juju.PebbleCheckRecovered:
		u.delivered(hook)
	case juju.StorageAttached, juju.StorageDetaching:
		u.commitStorage(hook)
	case juju.SecretChanged, juju.SecretExpired, juju.SecretRemove, juju.SecretRotate:
		m.commitSecret(u, hook, again)
	default:
		if hook.Relation() {
			m.commitRelation(u, hook, version)
		}
	}
	m.touch(u)
}

func (u *unit) delivered(hook Hook) {
	p, err := u.pebble(hook.Name)
	if err != nil || len(p.Events) == 0 {
		return
	}
	if e := p.Events[0]; e.Kind == hook.Kind && e.ID == hook.NoticeID && e.Check == hook.CheckName {
		p.Events = slices.Delete(p.Events, 0, 1)
		// If it occurred again meanwhile, that one is the later.
		if !slices.Contains(p.Events, e) {
			p.Past = append(p.Past, e)
		}
	}
}

func (m *Model) commitRelation(u *unit, hook Hook, version int) {
	id := relationNumber(hook.RelationID)
	v := u.Relations[id]
	if v == nil {
		return
	}
	switch hook.Kind {
	case juju.RelationCreated:
		v.Created = true
	case juju.RelationJoined:
		v.see(hook.RemoteUnit, version)
		v.Pending = hook.RemoteUnit
	case juju.RelationChanged:
		if hook.RemoteUnit == "" {
			v.App = version
			return
		}
		v.see(hook.RemoteUnit, version)
		v.Pending = ""
	case juju.RelationDeparted:
		v.forget(hook.RemoteUnit)
		delete(v.Cache, hook.RemoteUnit)
	case juju.RelationBroken:
		delete(u.Relations, id)
		if r := m.relations[id]; r != nil {
			m.leave(u.Name, r)
		}
	}
}
