package model

import (
	"fmt"
	"slices"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// AgentState is the state of a unit's agent process.
type AgentState string

// The states of an agent.
const (
	AgentDown   AgentState = "down"   // no pod, or killed
	AgentUp     AgentState = "up"     // runs
	AgentExited AgentState = "exited" // ended by itself: after stop, remove, or as outdated
)

// unit is what the controller and the unit's agent keep of a unit.
type unit struct {
	Name     string     `json:"name"`
	Number   int        `json:"number"`
	Life     life       `json:"life"`
	Charm    string     `json:"charm"`    // of its pod
	Modified int        `json:"modified"` // the application's count when the pod was made
	Agent    AgentState `json:"agent"`
	EverUp   bool       `json:"ever-up,omitempty"`
	Address  string     `json:"address,omitempty"`

	Workload  statusRecord      `json:"workload"`
	AgentSays statusRecord      `json:"agent-status"`         // as recorded; see lost
	StatusSet bool              `json:"status-set,omitempty"` // the charm set the workload's status once
	Ports     []openPort        `json:"ports,omitempty"`
	State     map[string]string `json:"state,omitempty"` // state-set; nil: never any
	Queue     []string          `json:"queue,omitempty"` // ids of actions that wait
	Storages  []*Storage        `json:"storages,omitempty"`
	Resolved  string            `json:"resolved,omitempty"` // "", retry or skip

	// What the agent keeps through restarts.
	Op        operation       `json:"op"`
	Installed bool            `json:"installed,omitempty"`
	Started   bool            `json:"started,omitempty"`
	Stopped   bool            `json:"stopped,omitempty"`
	Leader    bool            `json:"leader,omitempty"` // accepted leadership
	Handled   hashes          `json:"handled"`
	Relations map[int]*member `json:"relations,omitempty"`
	Memory    memory          `json:"memory"`
	Pebbles   []*pebble       `json:"pebbles,omitempty"` // by container

	app      *application
	charm    *Charm
	networks map[string]Network // that differ from what addresses say
	dirty    bool
	next     []Hook
}

// operation is what the agent is doing: nothing (Step empty), a hook that is
// queued or pending (running, interrupted or failed). An action lies on top.
type operation struct {
	Step    step   `json:"step,omitempty"`
	Hook    Hook   `json:"hook"`
	Version int    `json:"version,omitempty"` // of the databag that the relation hook is about
	Action  string `json:"action,omitempty"`
}

type step string

const (
	idle    step = ""
	queued  step = "queued"
	pending step = "pending"
)

// hashes are what a config-changed is about.
type hashes struct {
	Config  string `json:"config,omitempty"`
	Trust   bool   `json:"trust,omitempty"`
	Address string `json:"address,omitempty"`
}

// memory is what the agent forgets at a restart.
type memory struct {
	Reboot         bool `json:"reboot,omitempty"`          // start is to be run for the agent's own start
	LeaderSettings bool `json:"leader-settings,omitempty"` // this version of leader settings was seen
	Shutdown       bool `json:"shutdown,omitempty"`
	Unaware        bool `json:"unaware,omitempty"` // heard of its relations' end, not yet of its own
	Tick           bool `json:"tick,omitempty"`    // update-status is due
	Retry          bool `json:"retry,omitempty"`   // the retry timer went off
	Rotations      []string
	Expired        []secretRevision
	Changed        []string
	Obsolete       []secretRevision
}

// pebble is a container's Pebble as the agent knows it.
type pebble struct {
	Container string  `json:"container"`
	Up        bool    `json:"up,omitempty"`
	Boot      string  `json:"boot,omitempty"` // last seen by a poll
	Done      string  `json:"done,omitempty"` // boot id whose pebble-ready ran
	Ready     bool    `json:"ready,omitempty"`
	Events    []event `json:"events,omitempty"` // wait for their hook, in order
	Past      []event `json:"past,omitempty"`   // delivered; again after an agent restart
}

// event is a notice, or a check that failed or recovered.
type event struct {
	Kind  juju.HookKind `json:"kind"`
	ID    string        `json:"id,omitempty"`
	Type  string        `json:"type,omitempty"`
	Key   string        `json:"key,omitempty"`
	Check string        `json:"check,omitempty"`
}

func (u *unit) pebble(container string) (*pebble, error) {
	for _, p := range u.Pebbles {
		if p.Container == container {
			return p, nil
		}
	}
	return nil, fmt.Errorf("unit %q has no container %q", u.Name, container)
}

func (m *Model) addUnit(a *application, number int) *unit {
	u := &unit{
		Name: fmt.Sprintf("%s/%d", a.Name, number), Number: number, Life: alive,
		Charm: a.Charm, Modified: a.Modified, Agent: AgentDown,
		Op:        operation{Step: queued, Hook: Hook{Hook: juju.Hook{Kind: juju.Install}}},
		Relations: make(map[int]*member),
		Workload:  statusRecord{juju.Status{Name: juju.Waiting, Message: "installing agent"}, m.now},
		AgentSays: statusRecord{juju.Status{Name: "allocating"}, m.now},
		app:       a, charm: a.charm,
	}
	a.Units[number] = u
	u.setContainers()
	for _, spec := range a.charm.Storage {
		for range spec.MinCount {
			m.addStorage(u, spec)
		}
	}
	m.reorder()
	m.touch(u)
	m.touchApp(a)
	return u
}

func (u *unit) setContainers() {
	u.Pebbles = nil
	for _, container := range u.charm.Containers {
		u.Pebbles = append(u.Pebbles, &pebble{Container: container.Name})
	}
}

// killUnit makes a unit die: others see it depart at once. One whose agent
// never ran has nothing to tear down.
func (m *Model) killUnit(u *unit) {
	if u.Life != alive {
		return
	}
	if !u.EverUp {
		m.bury(u)
		return
	}
	u.Life = dying
	for _, r := range m.rels {
		if i, ok := r.inScope(u.Name); ok {
			r.Scope[i].Departing = true
			m.touchRelation(r)
		}
	}
	m.touch(u)
}

// bury makes a unit dead: its agent exits, its leases and scopes end.
func (m *Model) bury(u *unit) {
	u.Life = dead
	if u.Agent == AgentUp {
		u.Agent = AgentExited
	}
	delete(m.running, u.Name)
	for _, r := range slices.Clone(m.rels) {
		if _, ok := r.inScope(u.Name); ok {
			m.leave(u.Name, r)
		}
	}
	for _, id := range u.Queue {
		m.finish(m.actions[id], "cancelled", "unit is gone", nil)
	}
	u.Queue = nil
	for id, s := range m.secrets {
		delete(s.Consumers, u.Name)
		if s.Owner == u.Name {
			delete(m.secrets, id)
		}
	}
	m.touch(u)
	if u.app.Leader == u.Name && !m.options.KeepLeases {
		m.elect(u.app)
	}
	m.sweep(u.app)
}

// PodInfo is what is known of a unit's pod when its agent starts.
type PodInfo struct {
	// Address is the pod's; empty keeps the last one.
	Address string
	// Fresh is a new pod: nothing in its charm directory, and nothing known of
	// its workload containers; tell ContainerUp and notices after PodUp.
	// Otherwise only the charm container was restarted.
	Fresh bool
}

// PodUp tells that a unit's agent started. If one was running it is counted as
// killed. A unit whose agent exits at once, because its pod is of another
// charm revision than the application, is not up afterwards: see Agent.
func (m *Model) PodUp(unit string, info PodInfo) error {
	u, err := m.unit(unit)
	if err != nil {
		return err
	}
	if u.Life == dead {
		return fmt.Errorf("cannot start agent of unit %q: it is dead", unit)
	}
	delete(m.running, unit)
	if info.Address != "" {
		u.Address = info.Address
	}
	if info.Fresh || !u.EverUp {
		u.Charm, u.charm, u.Modified = u.app.Charm, u.app.charm, u.app.Modified
		u.setContainers()
	} else if u.Modified != u.app.Modified {
		// Its pod was built for another revision: the agent does not start.
		u.Agent = AgentExited
		m.touch(u)
		return nil
	}
	u.Agent, u.EverUp = AgentUp, true
	m.interrupted(u)
	if u.Life == dead {
		return nil // the skipped hook was its last
	}
	if info.Fresh {
		// The charm is fetched again; a hook that was under way is kept, and
		// nothing else of what was queued.
		switch {
		case !u.Installed && u.Op.Step != pending, u.Op.Step != idle && u.Op.Hook.Kind == juju.Install:
			u.Op = operation{Step: queued, Hook: Hook{Hook: juju.Hook{Kind: juju.Install}}}
		case u.Op.Step != idle:
			u.Op.Step = pending
		default:
			u.Op = operation{Step: queued, Hook: Hook{Hook: juju.Hook{Kind: juju.UpgradeCharm}}}
		}
	}
	m.startWorker(u)
	if u.Op.Step == pending && !u.Op.Hook.workload() {
		m.failed(u)
	} else {
		u.AgentSays = statusRecord{juju.Status{Name: "idle"}, m.now}
	}
	m.touch(u)
	return nil
}

// interrupted settles an action that the last agent was running: it fails, and
// a hook that had failed before it is skipped.
func (m *Model) interrupted(u *unit) {
	if u.Op.Action == "" {
		return
	}
	m.finish(m.actions[u.Op.Action], "failed", "action terminated", nil)
	u.Op.Action = ""
	if u.Op.Step != idle {
		m.skip(u)
	}
}

// startWorker is the start of the part of the agent that runs hooks: what it
// had in memory is gone.
func (m *Model) startWorker(u *unit) {
	u.Memory = memory{Reboot: true}
	for id, v := range u.Relations {
		r := m.relations[id]
		if r == nil {
			delete(u.Relations, id)
			continue
		}
		v.Created, v.Fresh, v.Late, v.Cache = true, false, r.Life != alive, nil
	}
	for _, p := range u.Pebbles {
		p.Done, p.Ready = "", false
		p.Events, p.Past = append(p.Past, p.Events...), nil
	}
	m.recallSecrets(u)
}

// PodTerminating tells that the agent got SIGTERM: it ends the present hook,
// runs stop and exits. It does nothing for a unit that is to go away.
func (m *Model) PodTerminating(unit string) error {
	u, err := m.unit(unit)
	if err != nil {
		return err
	}
	if u.Agent == AgentUp && u.Life == alive && u.app.Life == alive && u.Number < u.app.Scale {
		u.Memory.Shutdown = true
		m.touch(u)
	}
	return nil
}

// PodDown tells that a unit's agent is gone; a hook that was running is
// interrupted, its Context of no more use.
func (m *Model) PodDown(unit string) error {
	u, err := m.unit(unit)
	if err != nil {
		return err
	}
	delete(m.running, unit)
	u.Agent = AgentDown
	m.touch(u)
	return nil
}

// ContainerUp tells that the Pebble of a container answers, with its boot id,
// as the agent's poll sees it; a new boot id makes pebble-ready pending.
func (m *Model) ContainerUp(unit, container, bootID string) error {
	u, err := m.unit(unit)
	if err != nil {
		return err
	}
	p, err := u.pebble(container)
	if err != nil {
		return err
	}
	if p.Boot != bootID {
		// Pebble keeps its notices no longer than its container; what the
		// agent has fetched it will still run.
		p.Past = nil
		if len(p.Events) > 1 {
			p.Events = p.Events[:1]
		}
	}
	p.Up, p.Boot = true, bootID
	if p.Boot != p.Done {
		p.Ready = true
	}
	m.touch(u)
	return nil
}

// ContainerDown tells that a container's Pebble does not answer.
func (m *Model) ContainerDown(unit, container string) error {
	u, err := m.unit(unit)
	if err != nil {
		return err
	}
	p, err := u.pebble(container)
	if err != nil {
		return err
	}
	p.Up = false
	m.touch(u)
	return nil
}

// Poll is the agent's periodic look (5 s) at its Pebbles: pebble-ready of every
// container whose boot id it has not handled becomes pending, as after the
// agent's start or a pebble-ready that failed.
func (m *Model) Poll(unit string) error {
	u, err := m.unit(unit)
	if err != nil {
		return err
	}
	for _, p := range u.Pebbles {
		if p.Up && p.Boot != p.Done {
			p.Ready = true
		}
	}
	m.touch(u)
	return nil
}

// Notice tells of a custom notice of a container's Pebble; typ is "custom".
// Before Juju 3.4 nobody listens.
func (m *Model) Notice(unit, container, id, typ, key string) error {
	return m.event(unit, container, event{Kind: juju.PebbleCustomNotice, ID: id, Type: typ, Key: key})
}

// CheckFailed tells that a check reached its threshold of failures. Before Juju
// 3.6 nobody listens to checks.
func (m *Model) CheckFailed(unit, container, check string) error {
	return m.event(unit, container, event{Kind: juju.PebbleCheckFailed, Check: check})
}

// CheckRecovered tells that a failed check succeeds again.
func (m *Model) CheckRecovered(unit, container, check string) error {
	return m.event(unit, container, event{Kind: juju.PebbleCheckRecovered, Check: check})
}

func (m *Model) event(unit, container string, e event) error {
	u, err := m.unit(unit)
	if err != nil {
		return err
	}
	p, err := u.pebble(container)
	if err != nil {
		return err
	}
	if e.Kind == juju.PebbleCustomNotice && !m.version.HasCustomNotices() ||
		e.Kind != juju.PebbleCustomNotice && !m.version.HasCheckHooks() {
		return nil
	}
	same := func(other event) bool {
		return other.Kind == e.Kind && other.ID == e.ID && other.Key == e.Key && other.Check == e.Check
	}
	// A notice that occurs again is one notice, with a later time; but the
	// first in the queue may have been fetched already.
	p.Past = slices.DeleteFunc(p.Past, same)
	if len(p.Events) > 1 {
		p.Events = append(p.Events[:1], slices.DeleteFunc(p.Events[1:], same)...)
	}
	p.Events = append(p.Events, e)
	m.touch(u)
	return nil
}

// UpdateStatusDue is a tick of the update-status timer.
func (m *Model) UpdateStatusDue(unit string) error {
	u, err := m.unit(unit)
	if err != nil {
		return err
	}
	u.Memory.Tick = true
	if c := m.running[unit]; c != nil {
		c.ticked = true
	}
	m.touch(u)
	return nil
}

// RetryDue is the timer of the automatic retry of the unit's failed hook.
func (m *Model) RetryDue(unit string) error {
	u, err := m.unit(unit)
	if err != nil {
		return err
	}
	if u.Op.Step == pending && !m.options.NoRetry {
		u.Memory.Retry = true
		m.touch(u)
	}
	return nil
}

// Resolved ends the unit's error: the hook is run again, or skipped. While the
// agent is away the error is still recorded, and may be resolved.
func (m *Model) Resolved(unit string, retry bool) error {
	u, err := m.unit(unit)
	if err != nil {
		return err
	}
	if !u.inError() {
		return fmt.Errorf("unit %q is not in an error state", unit)
	}
	if u.Resolved != "" {
		return fmt.Errorf("cannot set resolved mode for unit %q: already resolved", unit)
	}
	u.Resolved = "skip"
	if retry {
		u.Resolved = "retry"
	}
	m.touch(u)
	return nil
}

func (u *unit) inError() bool { return u.AgentSays.Name == juju.Error }

// lost says that juju shows the agent as lost. That is recorded nowhere: what
// the agent said last, an error above all, stays.
func (u *unit) lost() bool { return u.Agent != AgentUp && u.EverUp && u.Life != dead }

// Due says which of the driver's timers a unit waits for.
type Due struct {
	Retry     bool     // failed hook, automatic retry on
	Poll      bool     // Poll would find something
	Provision []string // storage ids not yet provisioned
	Kill      string   // id of the running action that was cancelled
}

// Due is what the unit waits for from the driver.
func (m *Model) Due(unit string) Due {
	u, err := m.unit(unit)
	if err != nil {
		return Due{}
	}
	var due Due
	up := u.Agent == AgentUp
	due.Retry = up && u.Op.Step == pending && m.running[unit] == nil && !u.Memory.Retry && !m.options.NoRetry
	for _, p := range u.Pebbles {
		due.Poll = due.Poll || up && p.Up && p.Boot != p.Done && !p.Ready
	}
	for _, s := range u.Storages {
		if !s.Provisioned && s.Life == string(alive) {
			due.Provision = append(due.Provision, s.ID)
		}
	}
	if a := m.actions[u.Op.Action]; a != nil && a.Status == "aborting" {
		due.Kill = a.ID
	}
	return due
}

// Agent is the state of a unit's agent; AgentDown if there is no such unit.
func (m *Model) Agent(unit string) AgentState {
	u, err := m.unit(unit)
	if err != nil {
		return AgentDown
	}
	m.next(u) // it may be about to exit
	return u.Agent
}
