package zookeeper

import (
	"slices"

	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// votersOf is how many of n servers vote: the largest odd number that fits,
// since an even one needs one vote more and survives no more failures.
func votersOf(n, most int) int {
	n = min(n, most)
	if n%2 == 0 {
		n--
	}
	return max(n, 0)
}

// firstMembers are the ordinals of an ensemble's first members.
func firstMembers(planned []int, votersMax int) []int {
	return slices.Clone(planned[:votersOf(len(planned), votersMax)])
}

// serverID is ZooKeeper's id of a unit.
func serverID(ordinal int) int { return ordinal + 1 }

func ordinalOf(serverID int) int { return serverID - 1 }

// nextChange is the one change of membership that brings the ensemble nearest
// to the planned units: ordinals that stay, sorted. Only servers that serve
// may join or begin to vote. The number of voters is odd after each change, so
// they join and leave in pairs; a voter that goes alone makes another, the
// highest, an observer until there is one to take the place: three voters of
// which one is away are lost with any of two, one voter only with itself.
func nextChange(now zk.Config, planned []int, serving map[int]bool, votersMax int, host func(ordinal int) string) zk.Change {
	if len(planned) == 0 || len(now.Members) == 0 {
		return zk.Change{}
	}
	voters, observers := ordinals(now.Voters()), ordinals(now.Observers())
	wanted := wantedVoters(voters, planned, votersMax)

	var keep, join []int
	for _, o := range wanted {
		switch {
		case slices.Contains(voters, o):
			keep = append(keep, o)
		case serving[o]:
			join = append(join, o)
		}
	}
	switch {
	case (len(keep)+len(join))%2 == 1:
	case len(join) > 0:
		join = join[:len(join)-1]
	case len(keep) > 0:
		keep = keep[:len(keep)-1]
	default:
		// Nobody of the present voters stays and nobody else serves.
		return zk.Change{}
	}

	var change zk.Change
	member := func(o int, role zk.Role) zk.Member {
		return zk.Member{ID: serverID(o), Host: host(o), Role: role}
	}
	for _, o := range voters {
		switch {
		case slices.Contains(keep, o):
		case slices.Contains(planned, o):
			change.Joining = append(change.Joining, member(o, zk.Observer))
		default:
			change.Leaving = append(change.Leaving, serverID(o))
		}
	}
	for _, o := range join {
		change.Joining = append(change.Joining, member(o, zk.Participant))
	}
	for _, o := range observers {
		if !slices.Contains(planned, o) {
			change.Leaving = append(change.Leaving, serverID(o))
		}
	}
	for _, o := range planned {
		_, present := now.Member(serverID(o))
		if !present && !slices.Contains(wanted, o) && serving[o] {
			change.Joining = append(change.Joining, member(o, zk.Observer))
		}
	}
	slices.SortFunc(change.Joining, func(a, b zk.Member) int { return a.ID - b.ID })
	slices.Sort(change.Leaving)
	return change
}

// wantedVoters prefers those that vote already, then low ordinals, which Juju
// removes last.
func wantedVoters(voters, planned []int, votersMax int) []int {
	ranked := slices.Clone(planned)
	slices.SortStableFunc(ranked, func(a, b int) int {
		switch isA, isB := slices.Contains(voters, a), slices.Contains(voters, b); {
		case isA == isB:
			return a - b
		case isA:
			return -1
		}
		return 1
	})
	wanted := ranked[:votersOf(len(ranked), votersMax)]
	slices.Sort(wanted)
	return wanted
}

func ordinals(ids []int) []int {
	out := make([]int, 0, len(ids))
	for _, id := range ids {
		out = append(out, ordinalOf(id))
	}
	return out
}
