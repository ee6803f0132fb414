// Package rolling decides whose turn it is to restart, so that of a cluster
// one unit is down at a time and the next only when the last is healthy.
//
// It is a lock with one arbiter. A unit says in its own databag that it wants
// to restart and whether it is healthy; the leader writes whose turn it is
// into the application's databag; a unit restarts only in its turn. Both are
// facts of the present, so hooks may repeat, reorder and coalesce, and a new
// leader goes on where the last one was. A unit whose service does not run
// needs no turn to start it.
package rolling

import (
	"cmp"
	"slices"
)

// Member is what one unit says of itself.
type Member struct {
	// Ordinal is the unit's number.
	Ordinal int
	// Wants says that its service runs on something else than it should.
	Wants bool
	// Healthy says that the service does its job.
	Healthy bool
}

// Nobody is the turn of no unit.
const Nobody = -1

// Turn is the ordinal of the unit that may restart now, given whose turn it
// was and all members that are not leaving. It is kept until its holder wants
// nothing more and is healthy, or has left; it then goes to an unhealthy
// member that wants it, because what it wants may be the cure, else, if all
// members are healthy, to the first that wants it.
func Turn(holder int, members []Member) int {
	members = slices.SortedFunc(slices.Values(members), func(a, b Member) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	for _, m := range members {
		if m.Ordinal == holder && (m.Wants || !m.Healthy) {
			return holder
		}
	}
	for _, m := range members {
		if m.Wants && !m.Healthy {
			return m.Ordinal
		}
	}
	next := Nobody
	for _, m := range members {
		if !m.Healthy {
			return Nobody
		}
		if m.Wants && next == Nobody {
			next = m.Ordinal
		}
	}
	return next
}
