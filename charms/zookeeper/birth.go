package zookeeper

import (
	"slices"
	"strconv"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// The first ensemble is made of servers with empty disks, which all vote. A server
// that has voted and whose disk is empty now, because it was lost or because the
// unit is another of the same name, must not vote before the ensemble tells it
// to: with others that were left behind it could bring back what was before. So
// the leader writes who may have voted, and nobody leaves before that is written.
// One that never has votes with its empty disk, however late it comes: its vote
// may be needed.

// fresh says that the own server was never in an ensemble.
func (s Snapshot) fresh() bool { return s.State.Up && s.Storage && s.Mode == "" && !s.State.Version }

// voted are the ordinals whose servers may have voted, as far as this unit, the
// leader, knows: those that were ever in the ensemble, and those that leave it.
func (s Snapshot) voted() []int {
	var voted []int
	add := func(o int) {
		if !slices.Contains(voted, o) {
			voted = append(voted, o)
		}
	}
	if !s.blank() {
		for _, text := range s.Peers.Decision.Held.Voted {
			if o, err := strconv.Atoi(text); err == nil {
				add(o)
			}
		}
	}
	if s.Mode != "" || s.State.Version {
		add(s.Ordinal)
	}
	for unit, m := range s.Members {
		if m.State == serving {
			add(juju.Ordinal(unit))
		}
	}
	if len(voted) > 0 {
		for _, m := range s.Known.Members {
			if o := ordinalOf(m.ID); !slices.Contains(s.Planned, o) {
				add(o)
			}
		}
	}
	slices.Sort(voted)
	return voted
}

// told says that all units can read who of those that leave has voted.
func (s Snapshot) told() bool {
	for _, m := range s.Known.Members {
		if o := ordinalOf(m.ID); !slices.Contains(s.Planned, o) && !s.Peers.Decision.Committed.voted(o) {
			return false
		}
	}
	return true
}

// blank says that none of the voters is left whose server was ever in an
// ensemble, as far as this unit, whose own never was, knows. (A unit whose server
// was in one does not go while it votes.)
func (s Snapshot) blank() bool {
	if s.Dying || !s.fresh() || s.Joined || len(s.Planned) == 0 {
		return false
	}
	for _, o := range ordinals(s.Known.Voters()) {
		stays := slices.Contains(s.Planned, o)
		if slices.Contains(s.Leaving, o) || stays && o != s.Ordinal && !s.Members[s.unit(o)].Fresh {
			return false
		}
	}
	return true
}

// hopeless says that the members that were chosen first lack a majority of
// units that stay, and that this server was never in an ensemble of them.
func (s Snapshot) hopeless() bool {
	if !s.Leader || s.Dying || !s.fresh() || len(s.Planned) == 0 {
		return false
	}
	voters, stay := ordinals(s.Known.Voters()), 0
	for _, o := range voters {
		if slices.Contains(s.Planned, o) {
			stay++
		}
	}
	return stay < len(voters)/2+1
}

// stillborn says that the members that were chosen first never became an
// ensemble and never can: too few of them stay, and none is left that was in one.
func (s Snapshot) stillborn() bool { return s.hopeless() && s.blank() }

// first are the members that a server which was never in an ensemble starts
// with. One that should only follow starts as an observer: what the leader has
// written may be old. Another that is not a member yet is added.
//
// Facts on ZooKeeper 3.9: a server takes the membership of the leader that it
// follows, and the role that it has there. An observer that is no member becomes
// a follower without a vote, and can be made a voter.
func (s Snapshot) first(members zk.Config) zk.Config {
	self := zk.Member{ID: serverID(s.Ordinal), Host: s.host(s.Ordinal), Role: zk.Participant}
	switch _, chosen := members.Member(self.ID); {
	case s.emptied():
		self.Role = zk.Observer
	case chosen:
		return members
	}
	return zk.Change{Joining: []zk.Member{self}}.Apply(members)
}

// emptied says that the own server may have voted in the ensemble that there is,
// and knows nothing of it.
func (s Snapshot) emptied() bool {
	committed := s.Peers.Decision.Committed
	return s.fresh() && len(committed.Voted) > 0 && (s.Joined || committed.voted(s.Ordinal))
}

// lost says that the own server was in the ensemble that there is, and that its
// disk is empty now.
func (s Snapshot) lost() bool { return s.Joined && s.emptied() }

// beyond are the units whose disks were lost, if they are so many that those
// that are left have no quorum: only a human can tell what the ensemble was.
func (s Snapshot) beyond() []string {
	var lost []string
	voters := ordinals(s.Known.Voters())
	for _, o := range voters {
		if o == s.Ordinal && s.lost() || o != s.Ordinal && s.Members[s.unit(o)].Lost {
			lost = append(lost, s.unit(o))
		}
	}
	if len(voters)-len(lost) > len(voters)/2 {
		return nil
	}
	return lost
}

// follows says that the own server may only follow the ensemble that there is. It
// runs only while that serves: a server that looks for a leader takes any
// membership that is newer than its own, also that of one that was left behind,
// and votes by it.
func (s Snapshot) follows() bool {
	own, ok := s.State.Config.Member(serverID(s.Ordinal))
	return s.emptied() && (!ok || own.Role == zk.Observer)
}

// alone says that the own server may only follow and there is nobody to follow.
func (s Snapshot) alone() bool {
	return s.follows() && (!s.Found || len(s.first(s.chosen()).Voters()) == 0)
}

// chosen are the members that all units know of.
func (s Snapshot) chosen() zk.Config { return s.Peers.Decision.Committed.config(s.host) }

// stale says that the own server waits for members that were chosen before
// others were, or for an ensemble that is no more.
func (s Snapshot) stale() bool {
	wanted := s.chosen()
	_, chosen := wanted.Member(serverID(s.Ordinal))
	if s.Dying || !s.fresh() || s.State.Dynamic == "" || !chosen && !s.follows() {
		return false
	}
	if own, _ := s.State.Config.Member(serverID(s.Ordinal)); own.Role == zk.Observer {
		wanted = s.first(wanted)
	} // else it may vote, also if there is an ensemble now: it began with the others
	return !slices.Equal(s.State.Config.Members, wanted.Members)
}
