// Package rolling lets the units of an application restart one at a time, and
// the next only when the last is healthy again.
//
// It is a lock with one arbiter. Each unit says in its own databag that it
// wants to restart, whether it is healthy and which turn it is done with
// (State); the leader writes whose turn it is into the application's databag
// (Turn); a unit restarts only in its turn. All are facts of the present, so
// hooks may repeat, reorder and coalesce, and a new leader goes on where the
// last one was. Four rules make it work with databags that are read late:
//
//   - A turn has a number and ends when its holder says that it is done with
//     that number. So a leader that still reads what the holder wrote before
//     it got the turn does not give it to another.
//   - A turn is a lease. A holder that does not say so, because its pod or its
//     agent is gone, or because it does not become healthy, loses it after
//     Lease, and gets no other before a sign of life. It may begin a restart
//     only in the first half, so that the clocks of the two may differ by the
//     other; later, it gives the turn back.
//   - A holder that may not use its turn, because another is unhealthy as far as
//     it has heard, gives it back, and gets no other before it has heard better
//     (State.Declines). The leader may have heard better already, and Juju runs
//     the hook of a new turn before those of other units' databags: a turn that
//     came back at once would keep the holder from ever hearing.
//   - A unit acts only on a turn that is committed, the leader included: what
//     the leader's own hook has just decided is lost if that hook fails.
//
// No turn is given while a member is unhealthy, except to one that is, because
// its restart may be the cure; so a rollout stops at the first unit that does
// not come back. A unit whose service does not run needs no turn to start it.
// Units that leave are no members.
package rolling

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Lease is how long a turn lasts at most. It bounds how long a holder that is
// lost stops the others, not how long a service may take to start: while it
// does so its unit is not healthy, and nobody else's turn.
//
// The end of a lease wakes nobody. The leader sees it in its next hook: at the
// latest in update-status. Half a lease is longer than that hook's usual
// interval, so that it is early enough for a holder that nothing else wakes.
const Lease = 15 * time.Minute

// State is what one unit says of itself, in a key of its databag in the peer
// relation. The zero value is of a unit that has said nothing: not healthy.
type State struct {
	// Wants says that its service runs on something else than it should.
	Wants bool `json:"wants,omitempty"`
	// Healthy says that the service does its job.
	Healthy bool `json:"healthy,omitempty"`
	// Done is the number of the last turn of this unit that is over.
	Done int `json:"done,omitempty"`
	// Declines says that it has given a turn back because another member was
	// not healthy, and has not heard since that all are.
	Declines bool `json:"declines,omitempty"`
}

// Turn says which unit may restart, in a key of the application's databag in
// the peer relation. The zero value is nobody's. It stays after its end until
// another one begins: so rest writes nothing.
type Turn struct {
	// Unit is the holder's name, such as "bookie/1".
	Unit string `json:"unit,omitempty"`
	// Number is higher for each turn, from 1.
	Number int `json:"number,omitempty"`
	// Since is when the turn was given, by the leader's clock.
	Since time.Time `json:"since,omitzero"`
	// Missed are the units that have lost a turn, by its number, and given no
	// sign of life since: they get no other before.
	Missed map[string]int `json:"missed,omitempty"`
}

// younger says whether the turn is younger than a duration. A turn from the future
// is a sign of clocks that cannot be trusted for it.
func (t Turn) younger(than time.Duration, now time.Time) bool {
	age := now.Sub(t.Since)
	return age < than && age > -Lease/2
}

// Lock is the lock as one unit sees it.
type Lock struct {
	Now time.Time
	// Unit is this unit's name.
	Unit string
	// Leaving says that it goes: it is no member then.
	Leaving bool
	// Own is this unit's state; of it, Done and Declines are what it last wrote.
	Own State
	// Others are the other members by name: units that stay.
	Others map[string]State
	// Turn is the last one that is committed.
	Turn Turn
}

// Next is the turn that the leader should write: the present one until it is
// over, then that of the next unit in order that wants to restart.
func (l Lock) Next() Turn {
	if len(l.Others) == 0 {
		return l.Turn // a unit alone needs none
	}
	members := maps.Clone(l.Others)
	if !l.Leaving {
		members[l.Unit] = l.State()
	}
	missed := map[string]int{}
	if holder, here := members[l.Turn.Unit]; here && holder.Done < l.Turn.Number {
		if l.Turn.younger(Lease, l.Now) {
			return l.Turn
		}
		missed[l.Turn.Unit] = l.Turn.Number
	}
	last, sick := l.Turn.Number, false
	for unit, state := range members {
		sick = sick || !state.Healthy
		last = max(last, state.Done) // a databag that was lost must not make numbers come again
		if number := l.Turn.Missed[unit]; number > state.Done {
			missed[unit] = number
		}
	}
	for _, unit := range after(l.Turn.Unit, members) {
		if state := members[unit]; state.Wants && !state.Declines && state.Healthy != sick && missed[unit] == 0 {
			return Turn{Unit: unit, Number: last + 1, Since: l.Now.UTC().Truncate(time.Second), Missed: missed}
		}
	}
	return l.Turn
}

// after are the members in the order of their numbers, beginning behind a
// unit, so that each has its turn before one has it again.
func after(unit string, members map[string]State) []string {
	rank := func(name string) (before bool, number int) {
		return juju.Ordinal(name) <= juju.Ordinal(unit), juju.Ordinal(name)
	}
	return slices.SortedFunc(maps.Keys(members), func(a, b string) int {
		beforeA, numberA := rank(a)
		beforeB, numberB := rank(b)
		switch {
		case beforeA == beforeB:
			return cmp.Compare(numberA, numberB)
		case beforeA:
			return 1
		}
		return -1
	})
}

// holds says that it is this unit's turn, and not over.
func (l Lock) holds() bool {
	return l.Turn.Number > 0 && l.Turn.Unit == l.Unit && l.Own.Done < l.Turn.Number
}

// May says whether this unit may restart its service now. Ask only when it
// wants to.
func (l Lock) May() bool {
	if len(l.Others) == 0 {
		return true
	}
	return l.holds() && l.Turn.younger(Lease/2, l.Now) && (!l.Own.Healthy || l.sick() == "")
}

// sick is the first other member that is not healthy; "" if there is none.
func (l Lock) sick() string {
	for _, unit := range after(l.Unit, l.Others) {
		if !l.Others[unit].Healthy {
			return unit
		}
	}
	return ""
}

// State is what this unit should write. It is done with its turn when it wants
// nothing and is healthy, and when it wants to restart and may not: then it
// gives the turn back. With one that it has missed it is done by being here.
func (l Lock) State() State {
	state := l.Own
	state.Done = max(state.Done, l.Turn.Missed[l.Unit])
	state.Declines = (state.Declines || l.holds()) && state.Wants && state.Healthy && l.sick() != ""
	if l.holds() && (state.Wants && !l.May() || !state.Wants && state.Healthy) {
		state.Done = l.Turn.Number
	}
	return state
}

// Reason says why this unit, which wants to restart, does not yet, for its
// status: "waiting for bookie/1 to restart first". It is "" if it may.
func (l Lock) Reason() string {
	holder, here := l.Others[l.Turn.Unit]
	switch sick := l.sick(); {
	case l.May():
		return ""
	case here && holder.Done < l.Turn.Number && l.Turn.younger(Lease, l.Now):
		return "waiting for " + l.Turn.Unit + " to restart first" // its databag, then the leader's
	case sick != "" && l.Own.Healthy:
		return "waiting for " + sick + " to be healthy before a restart" // its databag, then the leader's
	}
	return "waiting for its turn to restart" // the leader's databag
}

// Members are the states of the other units that stay, out of what the units of
// the peer relation have written. stay are the ordinals of those that Juju
// plans, own's among them or not; nil means those that have written. A planned
// unit of which own has heard nothing counts as one that is not healthy: own
// may be the first to start, or not have started yet, and is not alone.
func Members[M any](own string, written map[string]M, stay []int, state func(M) State) map[string]State {
	members := map[string]State{}
	for _, ordinal := range stay {
		if unit := fmt.Sprintf("%s/%d", juju.Application(own), ordinal); unit != own {
			members[unit] = State{}
		}
	}
	for unit, member := range written {
		if stay == nil || slices.Contains(stay, juju.Ordinal(unit)) {
			members[unit] = state(member)
		}
	}
	return members
}
