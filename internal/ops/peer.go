package ops

import (
	"context"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Peering is a peer endpoint: each unit writes a Member into its databag, the
// leader a Plan into the application's.
type Peering[Member, Plan any] struct{ endpoint string }

// Peer is the endpoint of that name in metadata.yaml.
func Peer[Member, Plan any](endpoint string) Peering[Member, Plan] {
	return Peering[Member, Plan]{endpoint}
}

// Peers are the own application's units, as the peer relation tells of them.
type Peers[Member, Plan any] struct {
	// Relation is the relation's id; "" before Juju has made it, and when it
	// is over. Everything else is empty then.
	Relation string
	// Own is what this unit has written, this hook included.
	Own Member
	// Decision is what the leader has decided.
	Decision Decision[Plan]

	relation *Relation
}

// Read reads what this unit and the leader have written. What is wrong with
// the former is as good as nothing, since this unit writes it anew.
func (e Peering[Member, Plan]) Read(ctx context.Context, u *Unit) (Peers[Member, Plan], error) {
	var p Peers[Member, Plan]
	relations, err := u.Relations(ctx, e.endpoint)
	if err != nil || len(relations) == 0 || relations[0].Broken {
		return p, err
	}
	p.relation = relations[0] // Juju makes one
	p.Relation = p.relation.ID
	bag, err := p.relation.read(ctx, u.Name(), false)
	if err != nil {
		return p, err
	}
	p.Own, _ = accept[Member](u.Name(), bag)
	if bag, err = p.relation.read(ctx, u.App(), true); err != nil {
		return p, err
	}
	p.Decision = readDecision[Plan](u, p.Relation, bag)
	return p, nil
}

// Others are the other units' members, by unit. One that wrote nothing yet, or
// what makes no sense, has the zero Member: it is as good as not there. It is
// one call for each unit, so ask only who needs it.
func (p Peers[Member, Plan]) Others(ctx context.Context) (map[string]Member, error) {
	if p.relation == nil {
		return nil, nil
	}
	others := make(map[string]Member, len(p.relation.Units))
	for _, unit := range p.relation.Units {
		bag, err := p.relation.read(ctx, unit, false)
		if err != nil {
			return nil, err
		}
		member, problem := accept[Member](unit, bag)
		if problem != nil {
			p.relation.unit.Log().Warn("ignoring what a peer wrote", "unit", unit, "error", problem.Err)
		}
		others[unit] = member
	}
	return others, nil
}

// Write is this unit's databag.
func (e Peering[Member, Plan]) Write(relation string, member Member) Databag {
	return typedBag(relation, false, member)
}

// Decision is what the leader of an application decides for all its units: it
// is kept in the application's peer databag, where each of them reads it.
// Whatever Juju does meanwhile, the units obey the last one, and a new leader
// goes on from it.
type Decision[Plan any] struct {
	// Relation is the peer relation's id; "" if there is none.
	Relation string
	// Held is the last decision, this hook's included; its zero value before
	// the first, and if Problem is set.
	Held Plan
	// Committed is the last decision that the other units can read. What must
	// not be done by two units waits for it: if this hook fails, or leadership
	// has moved before its end, what it has decided is lost.
	Committed Plan
	// Problem is what is wrong with the databag, or nil. It is a human's to
	// mend, unless the leader knows better.
	Problem error

	raw Bag
}

func readDecision[Plan any](u *Unit, relation string, bag Bag) Decision[Plan] {
	d := Decision[Plan]{Relation: relation, raw: bag}
	var problem *RemoteDataError
	if d.Held, problem = accept[Plan](u.App(), bag); problem != nil {
		d.Problem = problem.Err
	}
	committed, written := u.committed[bagKey{relation, u.App(), true}]
	if !written {
		committed = bag
	}
	d.Committed, _ = accept[Plan](u.App(), committed)
	return d
}

// Decide gives the decision that holds from now on, and the databag that says
// so: the leader's is what decide makes of the last one; to the others it is
// the last one, and they write nothing. decide is pure; false means that there
// is nothing to decide, and leaves the databag as it is, garbage included.
//
// Keys of the databag that Plan lacks, and the text of those that do not
// change, stay as they are: a newer revision of the charm may have written
// them.
func (d Decision[Plan]) Decide(leader bool, decide func(last Plan) (Plan, bool)) (Plan, []Databag) {
	if !leader || d.Relation == "" {
		return d.Held, nil
	}
	next, ok := decide(d.Held)
	if !ok {
		return d.Held, nil
	}
	bag, last := typedBag(d.Relation, true, next), typedBag(d.Relation, true, d.Held).Data
	for key, text := range bag.Data {
		if raw, ok := d.raw[key]; ok && d.Problem == nil && text == last[key] {
			bag.Data[key] = raw
		}
	}
	return next, []Databag{bag}
}

// Ordinals are the numbers of the application's units that stay, sorted; none if
// Juju's answer makes no sense because it lacks the asking unit, though that is
// not dying.
func (g Goal) Ordinals(own string) []int {
	var ordinals []int
	found := false
	for _, unit := range g.Units { // sorted
		found = found || unit == own
		if ordinal := juju.Ordinal(unit); ordinal >= 0 && !(g.Dying && unit == own) {
			ordinals = append(ordinals, ordinal)
		}
	}
	if !g.Dying && !found {
		return nil
	}
	return ordinals
}
