package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// application is what the controller keeps of an application.
type application struct {
	Name      string            `json:"name"`
	Life      life              `json:"life"`
	Charm     string            `json:"charm"`
	Modified  int               `json:"modified"` // counts charm and resource changes
	Scale     int               `json:"scale"`
	Trust     bool              `json:"trust,omitempty"`
	Config    map[string]any    `json:"config,omitempty"` // set by the operator; replaced, never changed
	Resources map[string]string `json:"resources,omitempty"`
	Leader    string            `json:"leader,omitempty"`
	Settings  map[string]string `json:"leader-settings,omitempty"`
	Units     map[int]*unit     `json:"units"`
	// ServiceAddress is the ClusterIP of the application's Service.
	ServiceAddress string       `json:"service-address,omitempty"`
	Version        string       `json:"version,omitempty"` // application-version-set
	Status         statusRecord `json:"status"`            // zero: not set by the leader

	// Remote is the model of an application that is not of this one; see Consume.
	Remote string `json:"remote,omitempty"`

	charm      *Charm
	credential any     // of credential-get; nil: none
	hash       string  // of the configuration
	order      []*unit // Units by number
}

// statusRecord is a status and when it was set.
type statusRecord struct {
	juju.Status
	Since string `json:"since,omitempty"`
}

// DeployArgs describe a new application. App defaults to the charm's name.
// Resources are name → whatever the driver understands.
type DeployArgs struct {
	App       string
	Charm     *Charm
	Units     int
	Config    map[string]string
	Trust     bool
	Resources map[string]string
}

// Deploy adds an application with its peer relations, its units and their
// storages (not yet provisioned). The first unit is made leader.
func (m *Model) Deploy(args DeployArgs) error {
	if args.Charm == nil {
		return fmt.Errorf("cannot deploy %q: no charm", args.App)
	}
	if args.App == "" {
		args.App = args.Charm.Name
	}
	if m.apps[args.App] != nil {
		return fmt.Errorf("cannot add application %q: application already exists", args.App)
	}
	if args.Units < 0 {
		return fmt.Errorf("cannot deploy %q: number of units %d is negative", args.App, args.Units)
	}
	config, err := args.Charm.parseOptions(args.Config)
	if err != nil {
		return err
	}
	m.counters.Service++
	app := &application{
		Name: args.App, Life: alive, Modified: 1, Trust: args.Trust, Config: config,
		Resources: maps.Clone(args.Resources), Units: make(map[int]*unit),
		// A cluster address that pods and machines are unlikely to have.
		ServiceAddress: fmt.Sprintf("10.152.%d.%d", 183+m.counters.Service/250, 1+m.counters.Service%250),
	}
	app.Charm, app.charm = m.keep(args.Charm), args.Charm
	app.hash = app.configHash()
	m.apps[app.Name] = app
	m.addPeers(app)
	m.setScale(app, args.Units)
	if args.Units > 0 {
		app.Leader = app.Name + "/0"
	}
	m.reorder()
	m.touchApp(app)
	return nil
}

// keep stores a charm and returns its key.
func (m *Model) keep(c *Charm) string {
	for key, have := range m.charms {
		if have == c {
			return key
		}
	}
	key := fmt.Sprintf("%s-%d", c.Name, c.Revision)
	for n := 2; m.charms[key] != nil; n++ {
		key = fmt.Sprintf("%s-%d.%d", c.Name, c.Revision, n)
	}
	m.charms[key] = c
	return key
}

// addPeers makes the peer relations that the charm has and the application
// lacks.
func (m *Model) addPeers(app *application) {
	for _, endpoint := range app.charm.Endpoints {
		e := end{App: app.Name, Endpoint: endpoint.Name, Role: Peer, Interface: endpoint.Interface}
		if endpoint.Role == Peer && m.count(e) == 0 {
			m.addRelation(e)
		}
	}
}

// Refresh gives the application another revision of its charm, or only other
// resources if charm is nil. Agents keep the old one until their pod is
// replaced: see OutdatedPods.
func (m *Model) Refresh(app string, charm *Charm, resources map[string]string) error {
	a, err := m.application(app)
	if err != nil {
		return err
	}
	if charm != nil {
		for _, r := range m.relationsOf(app) {
			own, _, _ := r.own(app)
			have, ok := charm.Endpoint(own.Endpoint)
			if !ok || have.Role != own.Role || have.Interface != own.Interface {
				return fmt.Errorf("cannot upgrade application %q to charm %q: would break relation %q", app, charm.Name, r)
			}
		}
		a.Charm, a.charm = m.keep(charm), charm
		// Settings of options that are gone or of another type are dropped.
		kept := make(map[string]any)
		for name, value := range a.Config {
			if option, ok := charm.Options[name]; ok && fits(option.Type, value) {
				kept[name] = value
			}
		}
		a.Config = kept
		a.hash = a.configHash()
		m.addPeers(a)
	}
	if len(resources) > 0 {
		all := maps.Clone(a.Resources)
		if all == nil {
			all = make(map[string]string)
		}
		maps.Copy(all, resources)
		a.Resources = all
	}
	a.Modified++
	m.touchApp(a)
	return nil
}

func fits(kind string, value any) bool {
	switch value.(type) {
	case string:
		return kind == "string" || kind == "secret"
	case int64:
		return kind == "int"
	case float64:
		return kind == "float"
	case bool:
		return kind == "boolean"
	}
	return false
}

// retype gives settings read from JSON their types back.
func (a *application) retype() {
	for name, value := range a.Config {
		if number, ok := value.(float64); ok && a.charm.Options[name].Type == "int" {
			a.Config[name] = int64(number)
		}
	}
	for name, option := range a.charm.Options {
		if number, ok := option.Default.(float64); ok && option.Type == "int" {
			option.Default = int64(number)
			a.charm.Options[name] = option
		}
	}
}

// configHash stands for the settings as the agent hashes them.
func (a *application) configHash() string {
	if len(a.Config) == 0 {
		return "none"
	}
	data, err := json.Marshal(a.Config)
	if err != nil {
		return fmt.Sprint(a.Config)
	}
	return string(data)
}

// setting is the value that juju config shows.
func (a *application) setting(name string) (any, bool) { return a.charm.setting(a.Config, name) }

// setting is the value of an option, or its default.
func (c *Charm) setting(config map[string]any, name string) (any, bool) {
	if value, ok := config[name]; ok {
		return value, true
	}
	if option, ok := c.Options[name]; ok && option.Default != nil {
		return option.Default, true
	}
	return nil, false
}

// Scale sets the number of units. New units are made at once; of the old ones
// the highest ordinals begin to die.
func (m *Model) Scale(app string, units int) error {
	a, err := m.application(app)
	if err != nil {
		return err
	}
	if a.Life != alive {
		return fmt.Errorf("cannot scale application %q: application is not alive", app)
	}
	if units < 0 {
		return fmt.Errorf("cannot scale application %q: number of units %d is negative", app, units)
	}
	m.setScale(a, units)
	return nil
}

// RemoveUnits lowers the scale by n.
func (m *Model) RemoveUnits(app string, n int) error {
	a, err := m.application(app)
	if err != nil {
		return err
	}
	if n < 1 || n > a.Scale {
		return fmt.Errorf("cannot remove %d units of application %q: it has %d", n, app, a.Scale)
	}
	return m.Scale(app, a.Scale-n)
}

// ForceRemoveUnits lowers the scale by n and does not wait for the hooks of the
// units that go (juju remove-unit --force).
func (m *Model) ForceRemoveUnits(app string, n int) error {
	if err := m.RemoveUnits(app, n); err != nil {
		return err
	}
	a := m.apps[app]
	for _, u := range slices.Clone(a.order) {
		if u.Number >= a.Scale && u.Life != dead && a.Units[u.Number] == u {
			m.bury(u)
		}
	}
	return nil
}

func (m *Model) setScale(a *application, units int) {
	a.Scale = units
	m.fill(a)
	for _, number := range slices.Sorted(maps.Keys(a.Units)) {
		// A unit may have gone with the one before it.
		if u := a.Units[number]; u != nil && number >= units {
			m.killUnit(u)
		}
	}
	m.sweep(a)
	m.touchApp(a)
}

// fill makes the missing units. A number whose last unit is not gone yet waits.
func (m *Model) fill(a *application) {
	for number := range a.Scale {
		if a.Units[number] == nil {
			m.addUnit(a, number)
		}
	}
	if a.Leader == "" && a.Life == alive && !m.options.KeepLeases {
		m.elect(a)
	}
}

// sweep takes dead units, and so their pods, out of the model, once all that
// are to go are dead.
func (m *Model) sweep(a *application) {
	for number, u := range a.Units {
		if u.Life != dead && (number >= a.Scale || a.Life != alive) {
			return
		}
	}
	removed := false
	for number, u := range a.Units {
		if u.Life == dead {
			delete(a.Units, number)
			delete(m.running, u.Name)
			removed = true
		}
	}
	if !removed {
		return
	}
	m.reorder()
	if a.Life == alive {
		m.fill(a)
	}
	m.touchApp(a)
	m.endApplication(a)
}

// elect gives the lease to the first living unit, those whose agent runs
// before others. It is what time does in Juju when a leader is gone.
func (m *Model) elect(a *application) {
	leader := ""
	for _, number := range slices.Sorted(maps.Keys(a.Units)) {
		u := a.Units[number]
		if u.Life == alive && u.Agent == AgentUp {
			leader = u.Name
			break
		}
		if u.Life == alive && leader == "" {
			leader = u.Name
		}
	}
	m.lead(a, leader)
}

// RemoveApplication makes the application, its relations and units die. With
// force it is gone at once, hooks or not.
func (m *Model) RemoveApplication(app string, force bool) error {
	a, err := m.application(app)
	if err != nil {
		return err
	}
	a.Life, a.Scale = dying, 0
	for _, r := range m.relationsOf(app) {
		if a.Remote != "" {
			m.dropRemote(r, app)
		}
		m.killRelation(r)
	}
	for _, number := range slices.Sorted(maps.Keys(a.Units)) {
		switch u := a.Units[number]; {
		case u == nil: // gone with the one before it
		case force:
			m.bury(u)
		default:
			m.killUnit(u)
			// Relations die at once, units a moment later: an idle agent may
			// run a hook between.
			u.Memory.Unaware = u.Life == dying && m.running[u.Name] == nil
		}
	}
	m.sweep(a)
	m.touchApp(a)
	m.endApplication(a)
	return nil
}

// endApplication removes a dying application that has nothing left.
func (m *Model) endApplication(a *application) {
	if a.Life == alive || len(a.Units) > 0 || m.apps[a.Name] != a {
		return
	}
	for _, r := range m.relationsOf(a.Name) {
		if m.occupied(r) {
			return // the other side has not left yet
		}
	}
	delete(m.apps, a.Name)
	for _, r := range m.relationsOf(a.Name) {
		delete(m.relations, r.ID)
	}
	for id, s := range m.secrets {
		if juju.Application(s.Owner) == a.Name {
			delete(m.secrets, id)
		}
	}
	m.reorder()
	m.change++
}

// SetConfig sets and resets options ("trust" is one of them), all or none.
func (m *Model) SetConfig(app string, set map[string]string, reset []string) error {
	a, err := m.application(app)
	if err != nil {
		return err
	}
	trust := a.Trust
	values := maps.Clone(set)
	if text, ok := values["trust"]; ok {
		if trust, err = strconv.ParseBool(text); err != nil {
			return fmt.Errorf("option %q expected boolean, got %q", "trust", text)
		}
		delete(values, "trust")
	}
	parsed, err := a.charm.parseOptions(values)
	if err != nil {
		return err
	}
	config := maps.Clone(a.Config)
	if config == nil {
		config = make(map[string]any)
	}
	for _, name := range reset {
		if name == "trust" {
			trust = false
		} else if _, ok := a.charm.Options[name]; !ok {
			return fmt.Errorf("unknown option %q", name)
		}
		delete(config, name)
	}
	maps.Copy(config, parsed)
	a.Config, a.Trust = config, trust
	a.hash = a.configHash()
	m.touchApp(a)
	return nil
}

// Setting is one option as juju config shows it; Source is default, user or
// unset, Value nil if there is none.
type Setting struct {
	Type        string
	Description string
	Default     any
	Value       any
	Source      string
}

// Config is the options of an application and whether it is trusted.
func (m *Model) Config(app string) (options map[string]Setting, trust bool, err error) {
	a, err := m.application(app)
	if err != nil {
		return nil, false, err
	}
	options = make(map[string]Setting, len(a.charm.Options))
	for name, option := range a.charm.Options {
		s := Setting{Type: option.Type, Description: option.Description, Default: option.Default, Source: "unset"}
		if value, ok := a.setting(name); ok {
			s.Value, s.Source = value, "default"
		}
		if _, ok := a.Config[name]; ok {
			s.Source = "user"
		}
		options[name] = s
	}
	return options, a.Trust, nil
}

// SetLeader makes a unit the leader; "" leaves the application without one.
func (m *Model) SetLeader(app, unit string) error {
	a, err := m.application(app)
	if err != nil {
		return err
	}
	if unit != "" {
		if u, err := m.unit(unit); err != nil {
			return err
		} else if u.app != a {
			return fmt.Errorf("cannot make %q leader of application %q: not one of its units", unit, app)
		}
	}
	m.lead(a, unit)
	return nil
}

// lead moves the lease. An agent that gains or loses it watches other secrets
// from then on: revisions that are obsolete by then are not announced. One that
// is running a hook gets to it when that ends.
func (m *Model) lead(a *application, unit string) {
	if a.Leader == unit {
		return
	}
	for _, u := range a.order {
		if u.Name == unit || u.Name == a.Leader {
			u.Memory.Obsolete = nil
			if c := m.running[u.Name]; c != nil {
				c.led = true
			}
		}
	}
	a.Leader = unit
	m.touchApp(a)
}

// Leader is the application's leader, or "".
func (m *Model) Leader(app string) string {
	if a := m.apps[app]; a != nil {
		return a.Leader
	}
	return ""
}

// SetServiceAddress sets the address of the application's Kubernetes Service.
func (m *Model) SetServiceAddress(app, address string) error {
	a, err := m.application(app)
	if err != nil {
		return err
	}
	a.ServiceAddress = address
	m.touchApp(a)
	return nil
}

// CharmOf is the charm that a unit's agent runs (its pod's), or with an
// application's name the application's; nil if there is none of that name.
func (m *Model) CharmOf(name string) *Charm {
	if a := m.apps[name]; a != nil {
		return a.charm
	}
	if u, err := m.unit(name); err == nil {
		return u.charm
	}
	return nil
}

// ResourcesOf are the resources of an application as they were given.
func (m *Model) ResourcesOf(app string) map[string]string {
	if a := m.apps[app]; a != nil {
		return maps.Clone(a.Resources)
	}
	return nil
}

// WantsPods are the units of an application that shall have a pod: dead ones
// keep it until all units that are to go are dead; then they are gone from the
// model.
func (m *Model) WantsPods(app string) []string { return m.UnitsOf(app) }

// OutdatedPods are the units whose pod was made for an earlier charm, in the
// order in which Kubernetes replaces them: highest ordinal first.
func (m *Model) OutdatedPods(app string) []string {
	var names []string
	for _, u := range m.order {
		if u.app.Name == app && u.Life == alive && u.EverUp && u.Modified != u.app.Modified {
			names = append(names, u.Name)
		}
	}
	slices.Reverse(names)
	return names
}
