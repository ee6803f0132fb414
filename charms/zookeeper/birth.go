package zookeeper

import (
	"slices"

	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// The first ensemble is made of servers with empty disks, which all vote. Once
// there is one, an empty disk has no vote before the ensemble gives it one: with
// a unit that comes again under a voter's name, those that were left behind could
// bring back what was before.

// fresh says that the own server was never in an ensemble.
func (s Snapshot) fresh() bool { return s.State.Up && s.Storage && s.Mode == "" && !s.State.Version }

// born says whether there is an ensemble: a server that is in it says so once,
// and it lasts until all its voters are gone or have lost their disks.
func (s Snapshot) born() bool {
	if s.Mode != "" || s.State.Version {
		return true
	}
	for _, o := range s.Planned {
		if s.Members[s.unit(o)].State == serving {
			return true
		}
	}
	return s.Peers.Decision.Held.Born && !s.blank()
}

// blank says that none of the voters is left whose server was ever in an
// ensemble, as far as this unit, whose own never was, knows. (A unit whose server
// was in one does not go while it votes.)
func (s Snapshot) blank() bool {
	if s.Dying || !s.fresh() || len(s.Planned) == 0 {
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

// unwritten says that the other units cannot read yet what this one knows.
func (s Snapshot) unwritten() bool {
	return s.Leader && !s.Dying && s.born() != s.Peers.Decision.Committed.Born
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
// with. If there is one, it starts as an observer of it: what the leader has
// written may be old.
//
// Facts on ZooKeeper 3.9: a server takes the membership of the leader that it
// follows, and the role that it has there. An observer that is no member becomes
// a follower without a vote, and can be made a voter.
func (s Snapshot) first(members zk.Config) zk.Config {
	self := zk.Member{ID: serverID(s.Ordinal), Host: s.host(s.Ordinal), Role: zk.Participant}
	switch _, chosen := members.Member(self.ID); {
	case s.Peers.Decision.Committed.Born:
		self.Role = zk.Observer
	case chosen:
		return members
	}
	return zk.Change{Joining: []zk.Member{self}}.Apply(members)
}

// follows says that the own server, which was never in an ensemble, may only
// follow the one that there is. It runs only while that serves: a server that
// looks for a leader takes any membership that is newer than its own, also that
// of one that was left behind, and votes by it.
func (s Snapshot) follows() bool {
	if !s.Peers.Decision.Committed.Born || !s.fresh() {
		return false
	}
	own, ok := s.State.Config.Member(serverID(s.Ordinal))
	return !ok || own.Role == zk.Observer
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
