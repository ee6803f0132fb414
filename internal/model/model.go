package model

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// DefaultVersion is the Juju version of a model that names none.
const DefaultVersion = "3.6.8"

// Options describe a new model.
type Options struct {
	Name string
	// UUID is made from Name if empty.
	UUID string
	// Version is Juju's; DefaultVersion if empty.
	Version string
	// NoRetry switches off Juju's automatic retry of failed hooks.
	NoRetry bool
	// KeepLeases leaves leadership to SetLeader alone. Otherwise an application
	// whose leader is gone gets another at once, as if its lease ended then.
	KeepLeases bool
	// ClusterDomain is juju.DefaultClusterDomain if empty.
	ClusterDomain string
}

// Model is the whole of a Juju model with its agents' state. The zero value is
// of no use but to unmarshal into; see New. It can be marshalled to JSON and
// back. Contexts of running hooks are not part of that: after reading a model
// back, call PodUp for each agent that is still there (it was restarted).
type Model struct {
	options   Options
	version   juju.Version // of options
	now       string
	change    uint64
	counters  counters
	charms    map[string]*Charm
	apps      map[string]*application
	relations map[int]*relation
	secrets   map[string]*secret
	actions   map[string]*Action

	running map[string]*Context
	order   []*unit // all units, by application and number
	units   map[string]*unit
	rels    []*relation // all relations by id
	dirty   []*unit     // units whose next hooks must be worked out again
}

// counters number what Juju numbers model-wide.
type counters struct {
	Relation  int
	Operation int // operations and their tasks share one sequence
	Storage   map[string]int
	Secret    int
	Service   int
}

type life string

const (
	alive life = "alive"
	dying life = "dying"
	dead  life = "dead"
)

// New makes an empty model.
func New(o Options) *Model {
	if o.Version == "" {
		o.Version = DefaultVersion
	}
	if o.ClusterDomain == "" {
		o.ClusterDomain = juju.DefaultClusterDomain
	}
	if o.UUID == "" {
		o.UUID = madeUUID(o.Name)
	}
	m := &Model{options: o}
	m.init()
	return m
}

// madeUUID is the same for the same name, so that runs can be compared.
func madeUUID(name string) string {
	h := fnv.New128a()
	h.Write([]byte(name))
	b := h.Sum(nil)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	x := hex.EncodeToString(b)
	return strings.Join([]string{x[:8], x[8:12], x[12:16], x[16:20], x[20:]}, "-")
}

func (m *Model) init() {
	// A version that cannot be read is as old as can be.
	m.version, _ = juju.ParseVersion(m.options.Version)
	if m.counters.Storage == nil {
		m.counters.Storage = make(map[string]int)
	}
	if m.charms == nil {
		m.charms = make(map[string]*Charm)
	}
	if m.apps == nil {
		m.apps = make(map[string]*application)
	}
	if m.relations == nil {
		m.relations = make(map[int]*relation)
	}
	if m.secrets == nil {
		m.secrets = make(map[string]*secret)
	}
	if m.actions == nil {
		m.actions = make(map[string]*Action)
	}
	m.running = make(map[string]*Context)
}

// saved is a Model as JSON.
type saved struct {
	Options   Options                 `json:"options"`
	Now       string                  `json:"now,omitempty"`
	Change    uint64                  `json:"change"`
	Counters  counters                `json:"counters"`
	Charms    map[string]*Charm       `json:"charms"`
	Apps      map[string]*application `json:"applications"`
	Relations map[int]*relation       `json:"relations"`
	Secrets   map[string]*secret      `json:"secrets"`
	Actions   map[string]*Action      `json:"actions"`
}

// MarshalJSON is the whole state.
func (m *Model) MarshalJSON() ([]byte, error) {
	return json.Marshal(saved{
		Options: m.options, Now: m.now, Change: m.change, Counters: m.counters, Charms: m.charms,
		Apps: m.apps, Relations: m.relations, Secrets: m.secrets, Actions: m.actions,
	})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (m *Model) UnmarshalJSON(data []byte) error {
	var s saved
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	*m = Model{
		options: s.Options, now: s.Now, change: s.Change, counters: s.Counters, charms: s.Charms,
		apps: s.Apps, relations: s.Relations, secrets: s.Secrets, actions: s.Actions,
	}
	m.init()
	for _, app := range m.apps {
		charm, ok := m.charms[app.Charm]
		if !ok {
			return fmt.Errorf("cannot read model: application %q has no charm", app.Name)
		}
		app.charm = charm
		app.retype()
		app.hash = app.configHash()
		for _, u := range app.Units {
			u.app, u.charm = app, m.charms[u.Charm]
			if u.charm == nil {
				return fmt.Errorf("cannot read model: unit %q has no charm", u.Name)
			}
		}
	}
	for _, r := range m.relations {
		r.index()
	}
	m.reorder()
	for _, u := range m.order {
		m.touch(u)
	}
	m.change = s.Change
	return nil
}

// reorder rebuilds the sorted lists after units or relations came or went.
func (m *Model) reorder() {
	m.order = m.order[:0:0]
	m.units = make(map[string]*unit, len(m.units))
	for _, name := range slices.Sorted(maps.Keys(m.apps)) {
		app := m.apps[name]
		app.order = app.order[:0:0]
		for _, number := range slices.Sorted(maps.Keys(app.Units)) {
			app.order = append(app.order, app.Units[number])
			m.units[app.Units[number].Name] = app.Units[number]
		}
		m.order = append(m.order, app.order...)
	}
	m.rels = m.rels[:0:0]
	for _, id := range slices.Sorted(maps.Keys(m.relations)) {
		m.rels = append(m.rels, m.relations[id])
	}
}

// touch marks a unit whose next hooks may have changed.
func (m *Model) touch(u *unit) {
	m.change++
	if !u.dirty {
		u.dirty = true
		m.dirty = append(m.dirty, u)
	}
}

func (m *Model) touchApp(app *application) {
	m.change++
	for _, u := range app.order {
		m.touch(u)
	}
}

func (m *Model) touchRelation(r *relation) {
	for _, end := range r.Ends {
		if app := m.apps[end.App]; app != nil {
			m.touchApp(app)
		}
	}
}

func (m *Model) unit(name string) (*unit, error) {
	if u := m.units[name]; u != nil {
		return u, nil
	}
	if _, _, err := juju.ParseUnit(name); err != nil {
		return nil, fmt.Errorf("%q is not a valid name for a unit", name)
	}
	return nil, fmt.Errorf("unit %q not found", name)
}

func (m *Model) application(name string) (*application, error) {
	if app := m.apps[name]; app != nil {
		return app, nil
	}
	return nil, fmt.Errorf("application %q not found", name)
}

// Options are what the model was made with, defaults filled in.
func (m *Model) Options() Options { return m.options }

// SetTime tells the time as juju status prints it, in UTC:
// "02 Jan 2006 15:04:05Z". The model writes it into "since" fields and
// measures the lives of secrets by it; a model that is told no time has
// neither.
func (m *Model) SetTime(now string) { m.now = now }

// timeLayout is that of SetTime.
const timeLayout = "02 Jan 2006 15:04:05Z"

// clock is the time; zero if the model was told none.
func (m *Model) clock() time.Time {
	now, err := time.Parse(timeLayout, m.now)
	if err != nil {
		return time.Time{}
	}
	return now
}

// goalTime is a time as goal-state prints it.
func goalTime(since string) string {
	t, err := time.Parse(timeLayout, since)
	if err != nil {
		return since
	}
	return t.Format("2006-01-02 15:04:05Z")
}

// Change is a number that grows with each change of the model.
func (m *Model) Change() uint64 { return m.change }

// Units are the names of all units, sorted by application and number.
func (m *Model) Units() []string {
	names := make([]string, len(m.order))
	for i, u := range m.order {
		names[i] = u.Name
	}
	return names
}

// UnitsOf are the units of one application, by number.
func (m *Model) UnitsOf(app string) []string {
	var names []string
	for _, u := range m.order {
		if u.app.Name == app {
			names = append(names, u.Name)
		}
	}
	return names
}

// Applications are the names of this model's applications, sorted.
func (m *Model) Applications() []string {
	var names []string
	for name, app := range m.apps {
		if app.Remote == "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Ready are the units for which Next is not empty, sorted.
func (m *Model) Ready() []string {
	var names []string
	// An agent that looks may enter a relation's scope, which others see.
	for len(m.dirty) > 0 {
		u := m.dirty[len(m.dirty)-1]
		m.dirty = m.dirty[:len(m.dirty)-1]
		m.next(u)
	}
	for _, u := range m.order {
		if len(u.next) > 0 {
			names = append(names, u.Name)
		}
	}
	return names
}

// Next is the hooks that the unit's agent may run next; the first is the
// model's own choice. More than one means that Juju's choice is random. Empty:
// the agent is idle, busy, in error or not there. The caller must not change
// the slice.
func (m *Model) Next(unit string) []Hook {
	u, err := m.unit(unit)
	if err != nil {
		return nil
	}
	return m.next(u)
}

// next works out a unit's next hooks if anything changed since last time.
func (m *Model) next(u *unit) []Hook {
	if u.dirty {
		u.dirty = false
		u.next = m.resolve(u)
	}
	return u.next
}
