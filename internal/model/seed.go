package model

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Seed is one unit in the midst of its life: a model that did not have to
// happen hook by hook. Nothing in it is checked but by Model; the caller
// leaves it alone afterwards.
type Seed struct {
	Options Options
	Now     string // as SetTime has it
	Charm   *Charm
	// App is the application, Unit the unit's number, Units those of all
	// living units of it, Leaving of those that are dying (the unit itself
	// may be in either).
	App            string
	Unit           int
	Units, Leaving []int
	Leader         bool
	Trust          bool
	// Config are typed as in the charm: string, int64, float64, bool.
	Config          map[string]any
	Resources       map[string]string
	CloudCredential any // of credential-get; nil: none
	// Address is the pod's, ServiceAddress the application's; Networks are
	// bindings that have others.
	Address, ServiceAddress string
	Networks                map[string]Network
	// Status is the zero Status if the charm never set one.
	Status, AppStatus juju.Status
	Version           string
	Ports             []string // "80/tcp", or "80/tcp (db)" for one endpoint
	State             map[string]string
	Storages          []Storage
	Relations         []SeedRelation
	Secrets           []SeedSecret
	// Containers are those whose Pebble answers.
	Containers []string
}

// SeedRelation is a relation of the unit, whose remote units have all joined.
type SeedRelation struct {
	ID       int
	Endpoint string
	// App is the other application; the own one of a peer relation.
	App string
	// ModelUUID is the other application's model; empty: this one.
	ModelUUID string
	Dying     bool
	// Remote are the databags of the remote units by number, Planned the
	// numbers of those that have not joined yet.
	Remote  map[int]map[string]string
	Planned []int
	// Data are the databags that are not remote units': of the own unit, the
	// own application and the other one. That of a peer relation is AppData.
	UnitData, AppData, RemoteAppData map[string]string
}

// SeedSecret is a secret that the unit or its application owns or may read.
type SeedSecret struct {
	ID, Owner, Label, Description, Rotate, Expire string
	Revisions                                     map[int]map[string]string
	// Tracked is the revision that the unit reads, Told whether it had a
	// secret-changed; ConsumerLabel is its own label of another's secret.
	Tracked       int
	Told          bool
	ConsumerLabel string
	Grants        []SeedGrant
}

// SeedGrant lets an application or unit read; Relation is -1 for one that no
// relation carries.
type SeedGrant struct {
	Target   string
	Relation int
}

// Network are the addresses of a binding: to bind to, for others to come in
// by, and the networks (CIDR) that the unit comes from.
type Network struct{ Bind, Ingress, Egress []string }

// UnitName is the name of the seed's unit.
func (s Seed) UnitName() string { return s.App + "/" + strconv.Itoa(s.Unit) }

// Model makes the model. Its unit has nothing to do: see MakeDue.
func (s Seed) Model() (*Model, error) {
	m := New(s.Options)
	m.SetTime(s.Now)
	app := &application{
		Name: s.App, Life: alive, Modified: 1, Trust: s.Trust, Config: s.Config, Resources: s.Resources,
		Version: s.Version, Status: statusRecord{Status: s.AppStatus}, ServiceAddress: s.ServiceAddress,
		Units: make(map[int]*unit, len(s.Units)+len(s.Leaving)), charm: s.Charm, Charm: m.keep(s.Charm),
		credential: s.CloudCredential,
	}
	app.hash = app.configHash()
	m.apps[s.App] = app
	for _, number := range s.Units {
		m.seedUnit(app, number, alive)
		app.Scale = max(app.Scale, number+1)
	}
	for _, number := range s.Leaving {
		m.seedUnit(app, number, dying)
	}
	u := app.Units[s.Unit]
	if u == nil {
		return nil, fmt.Errorf("unit %d is neither among the living nor the leaving", s.Unit)
	}
	if err := s.fill(m, u); err != nil {
		return nil, err
	}
	for i := range s.Relations {
		m.seedRelation(app, u, &s.Relations[i])
	}
	m.reorder()
	for i := range s.Secrets {
		if err := m.seedSecret(u, &s.Secrets[i]); err != nil {
			return nil, err
		}
	}
	m.touch(u)
	return m, nil
}

func (m *Model) seedUnit(a *application, number int, l life) {
	a.Units[number] = &unit{
		Name: a.Name + "/" + strconv.Itoa(number), Number: number, Life: l, Charm: a.Charm, Modified: a.Modified,
		Agent: AgentDown, EverUp: true, Installed: true, Started: true,
		Workload: statusRecord{Status: juju.Status{Name: juju.Active}}, AgentSays: statusRecord{Status: juju.Status{Name: "idle"}},
		app: a, charm: a.charm,
	}
}

// fill is the unit itself.
func (s Seed) fill(m *Model, u *unit) error {
	u.Agent, u.Address, u.networks = AgentUp, s.Address, s.Networks
	u.Relations = make(map[int]*member, len(s.Relations))
	u.Handled, u.Memory.LeaderSettings, u.State = u.hashes(), true, s.State
	if s.Leader {
		u.app.Leader, u.Leader = u.Name, u.Life == alive
	}
	if u.Workload = (statusRecord{Status: s.Status}); s.Status.Name == "" {
		u.Workload.Name = juju.Unknown
	} else {
		u.StatusSet = true
	}
	for _, text := range s.Ports {
		number, endpoint, _ := strings.Cut(text, " (")
		port, err := parsePort(number)
		if err != nil {
			return err
		}
		port.Endpoint = strings.TrimSuffix(endpoint, ")")
		u.Ports = append(u.Ports, port)
	}
	sortPorts(u.Ports)
	for _, storage := range s.Storages {
		storage.Unit, storage.Life = u.Name, string(alive)
		u.Storages = append(u.Storages, &storage)
		_, number, _ := strings.Cut(storage.ID, "/")
		if n, err := strconv.Atoi(number); err == nil {
			m.counters.Storage[""] = max(m.counters.Storage[""], n+1)
		}
	}
	u.setContainers()
	for _, p := range u.Pebbles {
		if slices.Contains(s.Containers, p.Container) {
			p.Up, p.Boot, p.Done = true, "boot", "boot"
		}
	}
	return nil
}

func (m *Model) seedRelation(app *application, u *unit, s *SeedRelation) {
	endpoint, _ := app.charm.Endpoint(s.Endpoint)
	own := end{App: app.Name, Endpoint: endpoint.Name, Role: endpoint.Role, Interface: endpoint.Interface}
	r := &relation{ID: s.ID, Life: alive, Ends: []end{own}, Model: s.ModelUUID, Bags: make(map[string]*bag, len(s.Remote)+3)}
	if s.Dying {
		r.Life = dying
	}
	remote := app
	if endpoint.Role != Peer {
		other := end{App: s.App, Endpoint: "remote", Role: Provider, Interface: endpoint.Interface}
		if r.Ends = []end{own, other}; endpoint.Role == Provider {
			other.Role = Requirer
			r.Ends = []end{other, own}
		}
		remote = m.seedRemote(s)
		r.Bags[s.App] = &bag{Version: 1, Data: s.RemoteAppData}
	}
	r.Bags[app.Name] = &bag{Version: 1, Data: s.AppData}
	r.Bags[u.Name] = &bag{Version: 1, Data: withAddresses(m.addresses(u), s.UnitData)}
	v := &member{Created: true, Fresh: true, App: 1}
	r.Scope = append(r.Scope, scoped{Unit: u.Name, Departing: u.Life != alive})
	// All units of an application have its Service's address.
	addresses := m.addresses(&unit{app: remote})
	for number, data := range s.Remote {
		other := m.seedOther(remote, number)
		r.Bags[other.Name] = &bag{Version: 1, Data: withAddresses(addresses, data)}
		r.Scope = append(r.Scope, scoped{Unit: other.Name})
		v.Members = append(v.Members, seen{other.Name, 1})
	}
	slices.SortFunc(r.Scope, func(a, b scoped) int { return strings.Compare(a.Unit, b.Unit) })
	slices.SortFunc(v.Members, func(a, b seen) int { return strings.Compare(a.Unit, b.Unit) })
	r.index()
	m.relations[r.ID], u.Relations[r.ID] = r, v
	m.counters.Relation = max(m.counters.Relation, r.ID+1)
}

// seedRemote makes the application at the other end, which may be there.
func (m *Model) seedRemote(s *SeedRelation) *application {
	remote := m.apps[s.App]
	if remote == nil {
		m.counters.Service++
		charm := &Charm{Name: s.App}
		remote = &application{
			Name: s.App, Life: alive, Modified: 1, Units: make(map[int]*unit, len(s.Remote)), charm: charm, Charm: s.App,
			ServiceAddress: fmt.Sprintf("10.152.183.%d", 10+m.counters.Service),
		}
		m.apps[s.App], m.charms[s.App] = remote, charm
	}
	for _, number := range s.Planned {
		m.seedOther(remote, number)
	}
	return remote
}

func (m *Model) seedOther(a *application, number int) *unit {
	if a.Units[number] == nil {
		m.seedUnit(a, number, alive)
	}
	return a.Units[number]
}

// withAddresses adds Juju's own keys, unless they are given.
func withAddresses(addresses, data map[string]string) map[string]string {
	all := make(map[string]string, len(addresses)+len(data))
	maps.Copy(all, addresses)
	maps.Copy(all, data)
	return all
}

func (m *Model) seedSecret(u *unit, s *SeedSecret) error {
	if _, ok := secretID(s.ID); !ok {
		return fmt.Errorf("secret URI %q not valid", s.ID)
	}
	out := &secret{
		ID: s.ID, Owner: s.Owner, Label: s.Label, Description: s.Description, Rotate: s.Rotate, Expire: s.Expire,
		Rotates: nextRotation(s.Rotate, m.clock()),
	}
	for _, number := range slices.Sorted(maps.Keys(s.Revisions)) {
		out.Latest = number
		out.Revisions = append(out.Revisions, &revision{Number: number, Content: s.Revisions[number]})
	}
	for _, g := range s.Grants {
		out.Grants = append(out.Grants, grant(g))
	}
	if s.Tracked > 0 {
		out.Consumers = map[string]*consumer{u.Name: {Current: s.Tracked, Label: s.ConsumerLabel, Told: s.Told}}
	}
	m.secrets[s.ID] = out
	// Ids that this model makes must be new.
	if digits, ok := strings.CutPrefix(s.ID, "d0000000000000"); ok {
		if n, err := strconv.ParseInt(digits, 32, 0); err == nil {
			m.counters.Secret = max(m.counters.Secret, int(n))
		}
	}
	return nil
}

// errNotDue is of a hook that nothing can make due.
var errNotDue = errors.New("nothing makes Juju run it")

// MakeDue makes what a hook is about happen to a seeded unit, so that Next has
// it. Only RelationID, RemoteUnit, StorageID, SecretID, SecretRevision, NoticeID
// and its kin of the hook count; restarted says that the agent was started
// anew before, so that it has forgotten what it keeps in memory of a relation
// that ends.
func (m *Model) MakeDue(unit string, hook Hook, restarted bool) error {
	u, err := m.unit(unit)
	if err != nil {
		return err
	}
	m.touch(u)
	switch hook.Kind {
	case juju.Install:
		m.uninstall(u)
	case juju.LeaderElected:
		u.Leader = false
	case juju.LeaderSettingsChanged:
		u.Memory.LeaderSettings = false
	case juju.ConfigChanged:
		u.Handled = hashes{}
	case juju.Start:
		u.Memory.Reboot = true
	case juju.UpgradeCharm:
		u.Op = operation{Step: queued, Hook: plain(juju.UpgradeCharm)[0]}
	case juju.UpdateStatus:
		u.Memory.Tick = true
	case juju.Stop:
		u.Memory.Shutdown = u.Life == alive
	case juju.Remove:
		u.Stopped = true
	case juju.StorageAttached, juju.StorageDetaching:
		s := u.storage(hook.StorageID)
		if s == nil {
			return errNotDue
		}
		if s.Attached = hook.Kind == juju.StorageDetaching; s.Attached {
			s.Life = string(dying)
		}
	case juju.PebbleReady:
		p, err := u.pebble(hook.Name)
		if err != nil {
			return err
		}
		p.Ready = true
	case juju.PebbleCustomNotice, juju.PebbleCheckFailed, juju.PebbleCheckRecovered:
		return m.event(unit, hook.Name, event{Kind: hook.Kind, ID: hook.NoticeID, Type: hook.NoticeType, Key: hook.NoticeKey, Check: hook.CheckName})
	case juju.SecretChanged, juju.SecretExpired, juju.SecretRemove, juju.SecretRotate:
		return m.secretDue(u, hook)
	default:
		if !hook.Relation() {
			return errNotDue
		}
		return m.relationDue(u, hook, restarted)
	}
	return nil
}

// uninstall takes a unit back to before its first hook: it is in no relation.
func (m *Model) uninstall(u *unit) {
	u.Installed, u.Started, u.Leader = false, false, false
	u.Op = operation{Step: queued, Hook: plain(juju.Install)[0]}
	for _, r := range m.rels {
		if i, ok := r.inScope(u.Name); ok {
			r.Scope = slices.Delete(r.Scope, i, i+1)
		}
	}
	clear(u.Relations)
	for _, s := range u.Storages {
		s.Attached = false
	}
}

func (m *Model) secretDue(u *unit, hook Hook) error {
	s := m.secretByURI(hook.SecretID)
	if s == nil {
		return errNotDue
	}
	due := secretRevision{s.ID, hook.SecretRevision}
	switch hook.Kind {
	case juju.SecretChanged:
		u.Memory.Changed = []string{s.ID}
	case juju.SecretRotate:
		return m.SecretRotationDue(hook.SecretID)
	case juju.SecretExpired:
		return m.SecretExpire(hook.SecretID, hook.SecretRevision)
	default:
		u.Memory.Obsolete = []secretRevision{due}
		if r := s.revision(hook.SecretRevision); r != nil {
			r.Obsolete = true
		}
	}
	return nil
}

func (m *Model) relationDue(u *unit, hook Hook, restarted bool) error {
	id := relationNumber(hook.RelationID)
	r, v := m.relations[id], u.Relations[id]
	if r == nil || v == nil {
		return errNotDue
	}
	at, known := v.find(hook.RemoteUnit)
	switch {
	case hook.Kind == juju.RelationCreated:
		v.Created, v.Members = false, nil
	case hook.Kind == juju.RelationBroken:
		if v.Late = restarted && r.Life != alive; u.Life == alive {
			r.Life = dying
		}
		v.Members, v.Fresh = nil, !restarted
	case hook.Kind == juju.RelationChanged && hook.RemoteUnit == "":
		v.App--
	case !known:
		return errNotDue
	case hook.Kind == juju.RelationJoined:
		v.forget(hook.RemoteUnit)
	case hook.Kind == juju.RelationChanged:
		v.Members[at].Version--
	case u.Life == alive && r.Life == alive: // departed, by itself
		if i, ok := r.inScope(hook.RemoteUnit); ok {
			r.Scope = slices.Delete(r.Scope, i, i+1)
		}
	}
	return nil
}

// After is what the hook left of what a Seed says of its unit, once End was
// called. Maps are the model's own.
type After struct {
	Status, AppStatus juju.Status // as the charm set them
	Version           string
	Ports             []string
	State             map[string]string
	Storages          []Storage
	// UnitData and AppData are the own databags by relation id.
	UnitData, AppData map[int]map[string]string
	// Secrets are all that there are now, by id.
	Secrets []SeedSecret
}

// After is what there is of the unit now.
func (c *Context) After() After {
	m, u := c.model, c.unit
	after := After{
		Status: u.Workload.Status, AppStatus: c.app.Status.Status, Version: c.app.Version, State: u.State,
		UnitData: make(map[int]map[string]string, len(m.rels)), AppData: make(map[int]map[string]string, len(m.rels)),
	}
	for _, port := range u.Ports {
		text := port.String()
		if port.Endpoint != "" {
			text += " (" + port.Endpoint + ")"
		}
		after.Ports = append(after.Ports, text)
	}
	for _, s := range u.Storages {
		after.Storages = append(after.Storages, *s)
	}
	for _, r := range m.rels {
		if b := r.Bags[u.Name]; b != nil {
			after.UnitData[r.ID] = b.Data
		}
		if b := r.Bags[c.app.Name]; b != nil {
			after.AppData[r.ID] = b.Data
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.secrets)) {
		s := m.secrets[id]
		out := SeedSecret{
			ID: id, Owner: s.Owner, Label: s.Label, Description: s.Description, Rotate: s.Rotate, Expire: s.Expire,
			Revisions: make(map[int]map[string]string, len(s.Revisions)),
		}
		for _, r := range s.Revisions {
			out.Revisions[r.Number] = r.Content
		}
		for _, g := range s.Grants {
			out.Grants = append(out.Grants, SeedGrant(g))
		}
		if consumer := s.Consumers[u.Name]; consumer != nil {
			out.Tracked, out.Told, out.ConsumerLabel = consumer.Current, consumer.Told, consumer.Label
		}
		after.Secrets = append(after.Secrets, out)
	}
	return after
}
