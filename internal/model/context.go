package model

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Context is a running hook: what its tools see and what they wrote so far.
// Nothing that Juju keeps until the hook's success is in the model before End.
type Context struct {
	model   *Model
	unit    *unit
	app     *application
	hook    Hook
	before  operation // what the hook took the place of
	again   bool      // it is a queued or failed one that is run again
	handled hashes    // when it began
	ticked  bool      // update-status became due while it ran
	led     bool      // leadership came or went while it ran

	// What was read stays so until the hook ends.
	notLeader bool           // is-leader said no
	config    map[string]any // as set by the operator; nil: not read
	status    *juju.Status
	storages  []Storage // nil: not read
	appBags   map[string]map[string]string
	log       []LogLine
	writer    func(path string, data []byte) error

	// Written, not yet sent.
	unitData map[int]map[string]string
	appData  map[int]map[string]string
	state    map[string]*string // nil: deleted
	ports    []openPort
	portsSet bool
	storage  []string // names of storages to add
	secrets  map[string]*secretChange
	// strangers are secrets that the hook wants changed and its unit does not own.
	strangers []string
	results   map[string]any
	failure   *string
}

// LogLine is a line of juju-log.
type LogLine struct{ Level, Message string }

// Unit is the name of the unit.
func (c *Context) Unit() string { return c.unit.Name }

// Hook is the hook that runs.
func (c *Context) Hook() Hook { return c.hook }

// SetWriter gives the tools' option -o/--output its files. Without it they are
// refused, as on a file system that cannot be written.
func (c *Context) SetWriter(write func(path string, data []byte) error) { c.writer = write }

// Log is what the hook logged so far.
func (c *Context) Log() []LogLine { return c.log }

// Charm is the charm that the unit's pod runs.
func (c *Context) Charm() *Charm { return c.unit.charm }

// Running is the unit's running hook, or nil.
func (m *Model) Running(unit string) *Context { return m.running[unit] }

// Environment is what the hook is told, but for what only the driver knows:
// charm directory, context id, socket and paths.
func (c *Context) Environment() juju.Environment {
	m, u, h := c.model, c.unit, c.hook
	e := juju.Environment{
		Hook: h.Hook, UnitName: u.Name, ModelName: m.options.Name, ModelUUID: m.options.UUID,
		Version: m.version, ClusterDomain: m.options.ClusterDomain,
	}
	if h.Relation() {
		e.Relation, e.RelationID = h.Name, h.RelationID
		e.RemoteUnit, e.RemoteApp, e.DepartingUnit = h.RemoteUnit, h.RemoteApp, h.DepartingUnit
	}
	e.Workload = h.Container()
	e.NoticeID, e.NoticeType, e.NoticeKey, e.CheckName = h.NoticeID, h.NoticeType, h.NoticeKey, h.CheckName
	if h.secret() {
		e.SecretID, e.SecretLabel = h.SecretID, m.secretLabel(u, h.SecretID)
		if h.Kind == juju.SecretExpired || h.Kind == juju.SecretRemove {
			e.SecretRevision = h.SecretRevision
		}
	}
	if s := u.storage(h.StorageID); s != nil && s.Provisioned {
		e.StorageID, e.StorageLocation, e.StorageKind = s.ID, s.Location, s.Kind
	}
	if h.Kind == juju.Action {
		e.ActionName, e.ActionUUID, e.ActionTag = h.Name, h.ActionID, "action-"+h.ActionID
	}
	return e
}

// leader is is-leader: once it said no, it says no until the hook ends.
func (c *Context) leader() bool {
	if c.notLeader || c.app.Leader != c.unit.Name {
		c.notLeader = true
		return false
	}
	return true
}

// Outcome is how a hook ended, as the agent sees it: dispatch's ExitCode, or
// Killed by SIGKILL or SIGTERM, or Missing: the charm has no code for the hook
// (it counts as success; an action fails).
type Outcome struct {
	ExitCode int
	Killed   bool
	Missing  bool
	// Stdout and Stderr become an action's results.
	Stdout []byte
	Stderr []byte
}

// End ends the hook: what it wrote is kept if it succeeded, else dropped. An
// error says why Juju refused what a successful hook wrote: it counts as
// failed then.
func (c *Context) End(o Outcome) error {
	m, u := c.model, c.unit
	if m.running[u.Name] != c {
		return fmt.Errorf("cannot end %s on %q: it does not run any more", c.hook.Describe(), u.Name)
	}
	delete(m.running, u.Name)
	m.touch(u)
	u.AgentSays = statusRecord{juju.Status{Name: "idle"}, m.now}
	if c.led {
		u.Memory.Obsolete = nil
	}
	if c.hook.Kind == juju.Action {
		return c.endAction(o)
	}
	switch {
	case o.Killed && !c.hook.workload():
		// The agent takes it for its own shutdown and runs the hook again.
		u.Op.Step = queued
		return nil
	case o.Killed || !o.Missing && o.ExitCode != 0:
		c.fail()
		return nil
	}
	if err := c.flush(); err != nil {
		c.fail()
		return err
	}
	c.afterHook()
	if !c.ticked {
		u.Memory.Tick = false
	}
	m.commit(u, u.Op.Hook, u.Op.Version, c.handled, c.again)
	return nil
}

// fail leaves a failed hook to be retried; that of a container has its own
// ways: pebble-ready waits for the next poll, and a notice or check takes the
// worker down, which starts anew.
func (c *Context) fail() {
	m, u := c.model, c.unit
	switch c.hook.Kind {
	case juju.PebbleReady:
		u.Op = operation{}
		if p, err := u.pebble(c.hook.Name); err == nil {
			p.Ready = false
		}
	case juju.PebbleCustomNotice, juju.PebbleCheckFailed, juju.PebbleCheckRecovered:
		u.Op = operation{}
		m.startWorker(u)
	default:
		m.failed(u)
	}
}

// afterHook is the status that the agent itself sets.
func (c *Context) afterHook() {
	u, m := c.unit, c.model
	switch c.hook.Kind {
	case juju.Stop:
		u.Workload = statusRecord{juju.Status{Name: juju.Maintenance}, m.now}
	case juju.Remove:
		u.Workload = statusRecord{juju.Status{Name: "terminated"}, m.now}
	case juju.Start:
		if !u.StatusSet {
			u.Workload = statusRecord{juju.Status{Name: juju.Unknown}, m.now}
		}
	}
}

// flush sends what the hook wrote in one piece, or nothing.
func (c *Context) flush() error {
	m, u := c.model, c.unit
	leader := c.app.Leader == u.Name
	for _, values := range c.appData {
		if len(values) > 0 && !leader {
			return fmt.Errorf("cannot apply changes: %q is not leader of %q", u.Name, c.app.Name)
		}
	}
	if err := c.checkSecrets(leader); err != nil {
		return err
	}
	if err := c.checkLabels(); err != nil {
		return err
	}
	if err := c.checkState(); err != nil {
		return err
	}
	if err := c.checkStorage(); err != nil {
		return err
	}
	if err := c.checkBags(); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(c.unitData)) {
		if r := m.relations[id]; r != nil {
			m.write(r, u.Name, c.unitData[id])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.appData)) {
		if r := m.relations[id]; r != nil {
			m.write(r, c.app.Name, c.appData[id])
		}
	}
	c.flushState()
	if c.portsSet {
		u.Ports = c.ports
	}
	for _, name := range c.storage {
		if spec, ok := u.charm.StorageSpec(name); ok {
			m.addStorage(u, spec)
		}
	}
	c.flushSecrets()
	return nil
}

// flushState replaces the charm's state, so that readers may keep the old.
func (c *Context) flushState() {
	if len(c.state) == 0 {
		return
	}
	state := maps.Clone(c.unit.State)
	if state == nil {
		state = make(map[string]string, len(c.state))
	}
	for key, value := range c.state {
		if value == nil {
			delete(state, key)
		} else {
			state[key] = *value
		}
	}
	c.unit.State = state
}

// maxCharmState is the default of max-charm-state-size: 2 MiB.
const maxCharmState = 2 << 20

func (c *Context) checkState() error {
	if len(c.state) == 0 {
		return nil
	}
	size := 0
	for key, value := range c.unit.State {
		if _, changed := c.state[key]; !changed {
			size += len(key) + len(value)
		}
	}
	for key, value := range c.state {
		if value != nil {
			size += len(key) + len(*value)
		}
	}
	if size > maxCharmState {
		return fmt.Errorf("cannot apply changes: max allowed size (%d) exceeded", maxCharmState)
	}
	return nil
}

// maxBag is the size of one document of the controller's database, in Juju
// before 4.0.
const maxBag = 16 << 20

func (c *Context) checkBags() error {
	for _, written := range []map[int]map[string]string{c.unitData, c.appData} {
		for _, values := range written {
			size := 0
			for key, value := range values {
				size += len(key) + len(value)
			}
			if size > maxBag && c.model.before(4) {
				return fmt.Errorf("cannot apply changes: an attempt to write %d bytes of relation data exceeds the maximum of %d", size, maxBag)
			}
		}
	}
	return nil
}

// currentState is the state with what the hook wrote.
func (c *Context) currentState() map[string]string {
	if len(c.state) == 0 {
		return c.unit.State
	}
	state := maps.Clone(c.unit.State)
	if state == nil {
		state = make(map[string]string)
	}
	for key, value := range c.state {
		if value == nil {
			delete(state, key)
		} else {
			state[key] = *value
		}
	}
	return state
}

// State is a unit's charm state (state-get). The caller must not change it.
func (m *Model) State(unit string) map[string]string {
	if u, err := m.unit(unit); err == nil {
		return u.State
	}
	return nil
}
