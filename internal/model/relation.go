package model

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Relation is a relation as juju status --relations shows it.
type Relation struct {
	ID        int
	Provider  string // "app:endpoint"; of a peer relation both are the same
	Requirer  string
	Interface string
	Peer      bool
	Life      string // alive or dying
}

// relation is what the controller keeps of a relation.
type relation struct {
	ID   int   `json:"id"`
	Life life  `json:"life"`
	Ends []end `json:"ends"` // requirer, provider; of a peer relation one
	// Scope are the units in the relation, sorted by name as Juju sorts.
	Scope []scoped `json:"scope,omitempty"`
	// Bags are the databags by unit or application. A unit's stays readable
	// after it left.
	Bags map[string]*bag `json:"bags"`
	// Model is the UUID of the other application's model; empty: this one.
	Model string `json:"model,omitempty"`
	// Since is when the relation was made, or began to die.
	Since string `json:"since,omitempty"`

	// Suspended is for relations with other models.
	Suspended bool `json:"suspended,omitempty"`

	ids []string // as the charm of each end sees it, "db:3"
}

type end struct {
	App       string `json:"app"`
	Endpoint  string `json:"endpoint"`
	Role      Role   `json:"role"`
	Interface string `json:"interface"`
}

func (e end) String() string { return e.App + ":" + e.Endpoint }

// scoped is a unit in a relation's scope. A departing one is no longer shown
// to others.
type scoped struct {
	Unit      string `json:"unit"`
	Departing bool   `json:"departing,omitempty"`

	app string
	bag *bag
}

// bag is a databag. Data is never changed in place, so that readers may keep
// it; Version grows with each change.
type bag struct {
	Version int               `json:"version"`
	Data    map[string]string `json:"data,omitempty"`
}

// member is what one unit's agent knows of one relation it is in.
type member struct {
	// Members and Apps are the versions its hooks have seen; Pending is the
	// unit for which joined ran and changed must follow. They survive restarts.
	Members []seen `json:"members,omitempty"` // sorted by unit
	App     int    `json:"app,omitempty"`
	Pending string `json:"pending,omitempty"`
	// The rest is the agent's memory: Created, that relation-created ran
	// (assumed after a restart); Fresh, that it entered since its start; Late,
	// that the relation was already dying at its start; Cache, databags of
	// units as its hooks last read them.
	Created bool                         `json:"created,omitempty"`
	Fresh   bool                         `json:"fresh,omitempty"`
	Late    bool                         `json:"late,omitempty"`
	Cache   map[string]map[string]string `json:"cache,omitempty"`
}

type seen struct {
	Unit    string `json:"unit"`
	Version int    `json:"version"`
}

func (v *member) find(unit string) (int, bool) {
	i := sort.Search(len(v.Members), func(i int) bool { return v.Members[i].Unit >= unit })
	return i, i < len(v.Members) && v.Members[i].Unit == unit
}

func (v *member) see(unit string, version int) {
	i, ok := v.find(unit)
	if ok {
		v.Members[i].Version = version
		return
	}
	v.Members = slices.Insert(v.Members, i, seen{unit, version})
}

func (v *member) forget(unit string) {
	if i, ok := v.find(unit); ok {
		v.Members = slices.Delete(v.Members, i, i+1)
	}
}

func (r *relation) peer() bool { return len(r.Ends) == 1 }

// own is the end of an application, other the opposite one (of a peer
// relation the same); ok is false if the application is not in the relation.
func (r *relation) own(app string) (own, other end, ok bool) {
	if r.Ends[0].App == app {
		return r.Ends[0], r.Ends[len(r.Ends)-1], true
	}
	if !r.peer() && r.Ends[1].App == app {
		return r.Ends[1], r.Ends[0], true
	}
	return end{}, end{}, false
}

// juju is the relation's id as the application's charm sees it.
func (r *relation) juju(app string) string {
	if r.Ends[0].App == app {
		return r.ids[0]
	}
	return r.ids[len(r.ids)-1]
}

// index fills in what is worked out from the rest.
func (r *relation) index() {
	r.ids = r.ids[:0]
	for _, e := range r.Ends {
		r.ids = append(r.ids, fmt.Sprintf("%s:%d", e.Endpoint, r.ID))
	}
	for i := range r.Scope {
		entry := &r.Scope[i]
		entry.app, entry.bag = juju.Application(entry.Unit), r.Bags[entry.Unit]
	}
}

func (r *relation) String() string {
	if r.peer() {
		return r.Ends[0].String()
	}
	return r.Ends[0].String() + " " + r.Ends[1].String()
}

func (r *relation) inScope(unit string) (int, bool) {
	i := sort.Search(len(r.Scope), func(i int) bool { return r.Scope[i].Unit >= unit })
	return i, i < len(r.Scope) && r.Scope[i].Unit == unit
}

// shows says whether the entry is a unit that u's agent is told of.
func (r *relation) shows(u *unit, entry *scoped) bool {
	if entry.Departing {
		return false
	}
	if r.peer() {
		return entry.Unit != u.Name
	}
	return entry.app != u.app.Name
}

// visible says whether u's agent is told of the unit.
func (r *relation) visible(u *unit, unit string) bool {
	i, ok := r.inScope(unit)
	return ok && r.shows(u, &r.Scope[i])
}

func (r *relation) version(owner string) int {
	if b := r.Bags[owner]; b != nil {
		return b.Version
	}
	return 0
}

// addresses are the keys that Juju itself writes. They are the Service's, not
// the pod's.
func (m *Model) addresses(u *unit) map[string]string {
	address := u.app.ServiceAddress
	if address == "" {
		address = u.Address
	}
	if address == "" {
		return nil
	}
	return map[string]string{
		"private-address": address,
		"ingress-address": address,
		"egress-subnets":  address + "/32",
	}
}

// enter puts a unit into a relation's scope. A unit of a name that was there
// before starts with a new databag of a later version.
func (m *Model) enter(u *unit, r *relation) {
	u.Relations[r.ID] = &member{Fresh: true}
	m.admit(r, u.Name, m.addresses(u))
}

func (m *Model) admit(r *relation, unit string, data map[string]string) {
	version := 0
	if old := r.Bags[unit]; old != nil {
		version = old.Version + 1
	}
	b := &bag{Version: version, Data: maps.Clone(data)}
	r.Bags[unit] = b
	i, _ := r.inScope(unit)
	r.Scope = slices.Insert(r.Scope, i, scoped{Unit: unit, app: juju.Application(unit), bag: b})
	m.touchRelation(r)
}

// leave takes a unit out of a relation; the last one ends a dying relation.
func (m *Model) leave(unit string, r *relation) {
	if i, ok := r.inScope(unit); ok {
		r.Scope = slices.Delete(r.Scope, i, i+1)
		m.touchRelation(r)
	}
	m.endRelation(r)
}

func (m *Model) endRelation(r *relation) {
	if r.Life == alive || m.relations[r.ID] == nil || m.occupied(r) {
		return
	}
	m.touchRelation(r)
	delete(m.relations, r.ID)
	for _, s := range m.secrets {
		s.Grants = slices.DeleteFunc(s.Grants, func(g grant) bool { return g.Relation == r.ID })
	}
	m.reorder()
	for _, e := range r.Ends {
		if app := m.apps[e.App]; app != nil {
			m.endApplication(app)
		}
	}
}

// occupied says whether a unit of this model is in the relation's scope.
func (m *Model) occupied(r *relation) bool {
	return slices.ContainsFunc(r.Scope, func(entry scoped) bool {
		app := m.apps[entry.app]
		return app == nil || app.Remote == ""
	})
}

// write changes a databag; an empty value deletes the key.
func (m *Model) write(r *relation, owner string, values map[string]string) {
	b := r.Bags[owner]
	if b == nil {
		b = &bag{}
		r.Bags[owner] = b
	}
	var data map[string]string
	for key, value := range values {
		old, ok := b.Data[key]
		if old == value && (ok || value == "") {
			continue
		}
		if data == nil {
			if data = maps.Clone(b.Data); data == nil {
				data = make(map[string]string, len(values))
			}
		}
		if value == "" {
			delete(data, key)
		} else {
			data[key] = value
		}
	}
	if data != nil {
		b.Data = data
		b.Version++
		// Only a peer relation shows the writer's side what it wrote.
		for _, e := range r.Ends {
			if app := m.apps[e.App]; app != nil && (r.peer() || e.App != juju.Application(owner)) {
				m.touchApp(app)
			}
		}
	}
}

func (m *Model) relationsOf(app string) []*relation {
	var out []*relation
	for _, r := range m.rels {
		if _, _, ok := r.own(app); ok {
			out = append(out, r)
		}
	}
	return out
}

func (m *Model) addRelation(ends ...end) *relation {
	r := &relation{ID: m.counters.Relation, Life: alive, Ends: ends, Bags: make(map[string]*bag), Since: m.now}
	m.counters.Relation++
	for _, e := range ends {
		r.Bags[e.App] = &bag{}
	}
	r.index()
	m.relations[r.ID] = r
	m.reorder()
	m.touchRelation(r)
	return r
}

// Integrate adds a relation; a and b are "app" or "app:endpoint". The errors
// are juju's: ambiguous, none, limit, exists.
func (m *Model) Integrate(a, b string) (Relation, error) {
	left, err := m.endsOf(a)
	if err != nil {
		return Relation{}, err
	}
	right, err := m.endsOf(b)
	if err != nil {
		return Relation{}, err
	}
	var pairs [][]end
	for _, x := range left {
		for _, y := range right {
			if x.Interface == y.Interface && x.App != y.App {
				switch {
				case x.Role == Requirer && y.Role == Provider:
					pairs = append(pairs, []end{x, y})
				case x.Role == Provider && y.Role == Requirer:
					pairs = append(pairs, []end{y, x})
				}
			}
		}
	}
	switch len(pairs) {
	case 0:
		return Relation{}, fmt.Errorf("no relations found")
	case 1:
	default:
		var names []string
		for _, pair := range pairs {
			names = append(names, fmt.Sprintf("%q", pair[0].String()+" "+pair[1].String()))
		}
		sort.Strings(names)
		return Relation{}, fmt.Errorf("ambiguous relation: %q could refer to %s", a+" "+b, strings.Join(names, "; "))
	}
	ends := pairs[0]
	key := ends[0].String() + " " + ends[1].String()
	for _, r := range m.rels {
		if r.String() == key {
			return Relation{}, fmt.Errorf("cannot add relation %q: relation %s already exists", key, key)
		}
	}
	for _, e := range ends {
		app := m.apps[e.App]
		if app.Life != alive {
			return Relation{}, fmt.Errorf("cannot add relation %q: application %q is not alive", key, e.App)
		}
		if endpoint, _ := app.charm.Endpoint(e.Endpoint); endpoint.Limit > 0 && m.count(e) >= endpoint.Limit {
			return Relation{}, fmt.Errorf("cannot add relation %q: establishing a new relation for %s would exceed its maximum relation limit of %d", key, e, endpoint.Limit)
		}
	}
	r := m.addRelation(ends...)
	for _, e := range ends {
		if remote := m.apps[e.App].Remote; remote != "" {
			r.Model = remote
		}
	}
	return r.public(), nil
}

func (m *Model) count(e end) int {
	n := 0
	for _, r := range m.rels {
		if slices.Contains(r.Ends, e) {
			n++
		}
	}
	return n
}

// endsOf are the endpoints that "app" or "app:endpoint" may mean.
func (m *Model) endsOf(name string) ([]end, error) {
	application, endpoint, named := strings.Cut(name, ":")
	app, err := m.application(application)
	if err != nil {
		return nil, err
	}
	var ends []end
	for _, e := range app.charm.Endpoints {
		if e.Role != Peer && (!named || e.Name == endpoint) {
			ends = append(ends, end{App: application, Endpoint: e.Name, Role: e.Role, Interface: e.Interface})
		}
	}
	if named && len(ends) == 0 {
		return nil, fmt.Errorf("application %q has no %q relation", application, endpoint)
	}
	return ends, nil
}

// RemoveRelation makes a relation die; it is gone when all units left it.
func (m *Model) RemoveRelation(a, b string) error {
	left, err := m.endsOf(a)
	if err != nil {
		return err
	}
	right, err := m.endsOf(b)
	if err != nil {
		return err
	}
	var found []*relation
	for _, r := range m.rels {
		if r.peer() {
			continue
		}
		if slices.Contains(left, r.Ends[0]) && slices.Contains(right, r.Ends[1]) ||
			slices.Contains(left, r.Ends[1]) && slices.Contains(right, r.Ends[0]) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return fmt.Errorf("relation %q not found", a+" "+b)
	case 1:
	default:
		var names []string
		for _, r := range found {
			names = append(names, fmt.Sprintf("%q", r.String()))
		}
		sort.Strings(names)
		return fmt.Errorf("ambiguous relation: %q could refer to %s", a+" "+b, strings.Join(names, "; "))
	}
	m.killRelation(found[0])
	return nil
}

func (m *Model) killRelation(r *relation) {
	if r.Life == alive {
		r.Life, r.Since = dying, m.now
		m.touchRelation(r)
		m.endRelation(r)
	}
}

func (r *relation) public() Relation {
	out := Relation{ID: r.ID, Interface: r.Ends[0].Interface, Peer: r.peer(), Life: string(r.Life)}
	out.Requirer, out.Provider = r.Ends[0].String(), r.Ends[len(r.Ends)-1].String()
	return out
}

// Relations are all relations by id.
func (m *Model) Relations() []Relation {
	out := make([]Relation, len(m.rels))
	for i, r := range m.rels {
		out[i] = r.public()
	}
	return out
}

// Databag is the data that a unit, or with an application's name the
// application, wrote into a relation ("db:3"), with Juju's own keys; nil if
// there is none. The caller must not change it.
func (m *Model) Databag(relationID, owner string) map[string]string {
	if r := m.relations[relationNumber(relationID)]; r != nil {
		if b := r.Bags[owner]; b != nil {
			return b.Data
		}
	}
	return nil
}

// relationNumber is the number in "db:3" or "3"; -1 if there is none.
func relationNumber(id string) int {
	_, number, found := strings.Cut(id, ":")
	if !found {
		number = id
	}
	n := 0
	for _, c := range number {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	if number == "" {
		return -1
	}
	return n
}
