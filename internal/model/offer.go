package model

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Offer is an application of another model that applications of this one can
// be integrated with (juju consume, or the consuming side of an own offer,
// which Juju calls remote-<32 hex digits>). Its units have no agent here: the
// driver says what they do.
type Offer struct {
	App       string // its name in this model
	ModelUUID string // its model, which relation-model-get shows
	Endpoints []Endpoint
}

// Consume makes the application known. Integrate, RemoveRelation and
// RemoveApplication (juju remove-saas) take its name like any other.
func (m *Model) Consume(o Offer) error {
	if m.apps[o.App] != nil {
		return fmt.Errorf("cannot add saas application %q: application already exists", o.App)
	}
	charm := &Charm{Name: o.App, Endpoints: o.Endpoints}
	m.apps[o.App] = &application{
		Name: o.App, Life: alive, Units: make(map[int]*unit), Remote: o.ModelUUID, charm: charm, Charm: m.keep(charm),
	}
	m.reorder()
	m.change++
	return nil
}

// remoteEnd is the relation and its application of another model.
func (m *Model) remoteEnd(id int) (*relation, *application, error) {
	r := m.relations[id]
	if r == nil {
		return nil, nil, fmt.Errorf("relation %d not found", id)
	}
	for _, e := range r.Ends {
		if app := m.apps[e.App]; app != nil && app.Remote != "" {
			return r, app, nil
		}
	}
	return nil, nil, fmt.Errorf("relation %d is not with another model", id)
}

// RemoteEnters puts a unit ("app/3") of another model into a relation's scope,
// with the databag it begins with, Juju's own keys included.
func (m *Model) RemoteEnters(relation int, unit string, data map[string]string) error {
	r, app, err := m.remoteEnd(relation)
	if err != nil {
		return err
	}
	if _, _, err := juju.ParseUnit(unit); err != nil || juju.Application(unit) != app.Name {
		return fmt.Errorf("%q is not a unit of %q", unit, app.Name)
	}
	if r.Life != alive || r.Suspended {
		return fmt.Errorf("cannot enter scope of relation %d: it is not alive", relation)
	}
	if _, in := r.inScope(unit); in {
		return fmt.Errorf("%q is in relation %d already", unit, relation)
	}
	m.admit(r, unit, data)
	return nil
}

// RemoteWrites changes the databag of a unit of another model or, with its
// application's name, the application's. An empty value deletes the key.
func (m *Model) RemoteWrites(relation int, owner string, values map[string]string) error {
	r, app, err := m.remoteEnd(relation)
	if err != nil {
		return err
	}
	if _, in := r.inScope(owner); !in && owner != app.Name {
		return fmt.Errorf("%q is not in relation %d", owner, relation)
	}
	m.write(r, owner, values)
	return nil
}

// RemoteDeparts takes a unit of another model out of the relation.
func (m *Model) RemoteDeparts(relation int, unit string) error {
	r, app, err := m.remoteEnd(relation)
	if err != nil {
		return err
	}
	if _, in := r.inScope(unit); !in || juju.Application(unit) != app.Name {
		return fmt.Errorf("%q is not in relation %d", unit, relation)
	}
	m.leave(unit, r)
	return nil
}

// Suspend suspends or resumes a relation with another model: its units leave
// it, with departed and broken, and enter it anew.
func (m *Model) Suspend(relation int, suspended bool) error {
	r, app, err := m.remoteEnd(relation)
	if err != nil {
		return err
	}
	if r.Suspended == suspended {
		return nil
	}
	r.Suspended = suspended
	m.dropRemote(r, app.Name)
	m.touchRelation(r)
	return nil
}

// dropRemote takes all of a remote application's units out of a relation.
func (m *Model) dropRemote(r *relation, app string) {
	r.Scope = slices.DeleteFunc(r.Scope, func(entry scoped) bool { return entry.app == app })
	m.touchRelation(r)
}

// RemoteSecret makes a secret of the relation's other application and grants
// it to the one here. Its URI names the other model.
func (m *Model) RemoteSecret(relation int, content map[string]string) (uri string, err error) {
	r, app, err := m.remoteEnd(relation)
	if err != nil {
		return "", err
	}
	_, own, _ := r.own(app.Name)
	s := &secret{
		ID: m.newSecretID(), Owner: app.Name, Model: app.Remote, Latest: 1,
		Revisions: []*revision{{Number: 1, Content: maps.Clone(content)}},
		Grants:    []grant{{Target: own.App, Relation: r.ID}},
	}
	m.secrets[s.ID] = s
	m.change++
	return s.uri(), nil
}

// RemoteRevision gives a secret of another model a new revision.
func (m *Model) RemoteRevision(uri string, content map[string]string) error {
	s := m.secretByURI(uri)
	if s == nil || s.Model == "" {
		return fmt.Errorf("secret %q not found", uri)
	}
	m.revise(s, maps.Clone(content))
	return nil
}

// RemoteStatus is an application of another model in juju status.
type RemoteStatus struct {
	URL       string                      `json:"url"`
	Life      string                      `json:"life,omitempty"`
	Status    StatusInfo                  `json:"application-status"`
	Relations map[string][]RelationStatus `json:"relations,omitempty"`
}

func (m *Model) remoteStatus(a *application) RemoteStatus {
	out := RemoteStatus{
		URL: "admin/" + a.Remote + "." + a.Name, Life: shown(a.Life), Status: StatusInfo{Current: string(juju.Active)},
		Relations: make(map[string][]RelationStatus),
	}
	for _, r := range m.relationsOf(a.Name) {
		own, other, _ := r.own(a.Name)
		out.Relations[own.Endpoint] = append(out.Relations[own.Endpoint],
			RelationStatus{Application: other.App, Interface: own.Interface, Scope: "global"})
	}
	return out
}
