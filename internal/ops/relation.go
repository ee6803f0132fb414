package ops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Relation is one relation of an endpoint as this hook sees it. Its databags
// are read when asked for and cached for the hook; the caller gets a copy, to
// change and give to Databag.Data.
type Relation struct {
	// ID is the relation's id, such as "zookeeper:3".
	ID       string
	Endpoint string
	// App is the remote application; the own one for a peer relation; empty
	// if Juju does not know it any more.
	App string
	// Units are the remote units that have joined, sorted. A unit that is
	// departing is already gone from it.
	Units []string
	// Broken says that this hook is the relation's relation-broken: it is
	// over, and what it gave must not be used any more. (Juju still lists it.)
	Broken bool

	unit *Unit
}

// Relations are all relations of an endpoint, sorted by id.
func (u *Unit) Relations(ctx context.Context, endpoint string) ([]*Relation, error) {
	if relations, ok := u.relations[endpoint]; ok {
		return relations, nil
	}
	ids, err := u.tools.RelationIDs(ctx, endpoint)
	if err != nil {
		return nil, fmt.Errorf("cannot list relations of endpoint %q: %w", endpoint, err)
	}
	relations := make([]*Relation, 0, len(ids))
	for _, id := range ids {
		relation, err := u.readRelation(ctx, endpoint, id)
		if err != nil {
			return nil, err
		}
		relations = append(relations, relation)
	}
	slices.SortFunc(relations, func(a, b *Relation) int { return compareIDs(a.ID, b.ID) })
	u.relations[endpoint] = relations
	return relations, nil
}

// readRelation asks for a relation. JUJU_REMOTE_APP is empty in the
// relation-broken of an agent that was restarted since the relation was
// joined (Juju 3.6 and 4.0); relation-list --app knows it still.
func (u *Unit) readRelation(ctx context.Context, endpoint, id string) (*Relation, error) {
	r := &Relation{ID: id, Endpoint: endpoint, unit: u}
	if u.env.RelationID == id {
		r.App = u.env.RemoteApp
		r.Broken = u.hook.Kind == juju.RelationBroken
	}
	var err error
	if r.Units, err = u.tools.RelationList(ctx, id); err != nil {
		return nil, fmt.Errorf("cannot list units of relation %s: %w", id, err)
	}
	slices.Sort(r.Units)
	if r.App == "" && len(r.Units) > 0 {
		r.App = juju.Application(r.Units[0])
	}
	if r.App != "" {
		return r, nil
	}
	if r.App, err = u.tools.RelationRemoteApp(ctx, id); err != nil && !r.Broken {
		return nil, fmt.Errorf("cannot read remote application of relation %s: %w", id, err)
	}
	return r, nil
}

// hookRelation is the relation that the hook is about. An agent that was
// started when the relation was already ending does not list it any more.
func (u *Unit) hookRelation(ctx context.Context) (*Relation, error) {
	relations, err := u.Relations(ctx, u.env.Relation)
	if err != nil {
		return nil, err
	}
	for _, r := range relations {
		if r.ID == u.env.RelationID {
			return r, nil
		}
	}
	return u.readRelation(ctx, u.env.Relation, u.env.RelationID)
}

// compareIDs sorts db:2 before db:10.
func compareIDs(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if a < b {
		return -1
	}
	return 1
}

// RemoteApp is the databag of the remote application; for a peer relation,
// the own application's, which every unit may read. It is empty if Juju
// refuses it, as it does when the relation is going away.
func (r *Relation) RemoteApp(ctx context.Context) (Bag, error) {
	return copied(r.read(ctx, r.App, true))
}

// RemoteUnit is the databag of a remote unit. Its content is that of the
// unit's last relation-joined or -changed, which may be older than what the
// unit has written since.
func (r *Relation) RemoteUnit(ctx context.Context, unit string) (Bag, error) {
	return copied(r.read(ctx, unit, false))
}

// LocalUnit is the databag of this unit with what this hook has written.
func (r *Relation) LocalUnit(ctx context.Context) (Bag, error) {
	return copied(r.read(ctx, r.unit.Name(), false))
}

// LocalApp is the databag of the own application. Only the leader may read
// it, except in peer relations.
func (r *Relation) LocalApp(ctx context.Context) (Bag, error) {
	return copied(r.read(ctx, r.unit.App(), true))
}

// RemoteModel is the UUID of the model that the remote application is in. It
// needs Juju 3.6.2; older ones give a *hooktool.UnsupportedError.
func (r *Relation) RemoteModel(ctx context.Context) (uuid string, err error) {
	if uuid, err = r.unit.tools.RelationModelGet(ctx, r.ID); err != nil {
		return "", fmt.Errorf("cannot read the model of relation %s: %w", r.ID, err)
	}
	return uuid, nil
}

// Network is what network-get says now of the endpoint for this relation.
func (r *Relation) Network(ctx context.Context) (hooktool.Network, error) {
	network, err := r.unit.tools.NetworkGet(ctx, r.Endpoint, r.ID)
	if err != nil {
		return network, fmt.Errorf("cannot read the network of relation %s: %w", r.ID, err)
	}
	return network, nil
}

// bagKey names a databag within the cache of a hook.
type bagKey struct {
	relation, owner string
	app             bool
}

// read gives the cached databag itself, which must not be changed: a write
// is told from it. Without an owner, as Juju may not know the remote
// application, it is empty.
func (r *Relation) read(ctx context.Context, owner string, app bool) (Bag, error) {
	if owner == "" {
		return Bag{}, nil
	}
	return r.unit.readBag(ctx, bagKey{r.ID, owner, app})
}

func copied(bag Bag, err error) (Bag, error) { return maps.Clone(bag), err }

func (u *Unit) readBag(ctx context.Context, key bagKey) (Bag, error) {
	if bag, ok := u.bags[key]; ok {
		return bag, nil
	}
	bag, err := u.tools.RelationGet(ctx, key.relation, key.owner, key.app)
	if own := juju.Application(key.owner) == u.App(); !own && err != nil &&
		(errors.Is(err, hooktool.ErrPermission) || errors.Is(err, hooktool.ErrNotFound) || errors.Is(err, hooktool.ErrRelationGone)) {
		// A remote side that is going away is not this unit's fault.
		bag, err = Bag{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read databag of %s in relation %s: %w", key.owner, key.relation, err)
	}
	if bag == nil {
		bag = Bag{}
	}
	u.bags[key] = bag
	return bag, nil
}

// writeBag remembers a write of an own databag for the flush at the end.
func (u *Unit) writeBag(ctx context.Context, want Databag) error {
	key := bagKey{want.Relation, u.Name(), want.App}
	if want.App {
		key.owner = u.App()
		leader, err := u.Leader(ctx)
		if err != nil {
			return err
		}
		if !leader {
			return fmt.Errorf("cannot write application databag of relation %s: %w", want.Relation, hooktool.ErrNotLeader)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(want.Data)) {
		if !utf8.ValidString(k) || !utf8.ValidString(want.Data[k]) {
			return fmt.Errorf("cannot write databag of %s in relation %s: key %q is not UTF-8", key.owner, want.Relation, k)
		}
	}
	have, err := u.readBag(ctx, key)
	if err != nil {
		return err
	}
	diff := difference(have, want.Data)
	for key := range have {
		if want.Keys != nil && !slices.Contains(want.Keys, key) {
			delete(diff, key) // another's
		}
	}
	if len(diff) == 0 {
		return nil
	}
	if _, again := u.committed[key]; !again {
		u.committed[key] = have
	}
	next := maps.Clone(have)
	for k, v := range diff {
		if v == "" {
			delete(next, k)
		} else {
			next[k] = v
		}
	}
	u.bags[key] = next
	// What an earlier round of this hook wanted may be as it was before.
	if u.writes[key] = difference(u.committed[key], next); len(u.writes[key]) == 0 {
		delete(u.writes, key)
	}
	return nil
}
