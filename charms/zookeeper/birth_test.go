package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// stillborn makes the unit the only one left of three, none of which was ever
// in an ensemble.
func stillborn(s *Snapshot) {
	s.Leader, s.Planned, s.Members, s.Mode, s.Offers = true, []int{1}, nil, "", nil
	s.State.Version, s.State.Dynamic = false, firstDynamicPath
	desired := layer(*s, s.Known)
	s.State.Hash = pebble.Hash(desired, service)
}

// unborn makes the unit one of three voters whose server was never in the
// ensemble that they made.
func unborn(s *Snapshot) {
	s.Mode, s.State = "", containerState{Up: true, Hash: s.State.Hash}
}

// Servers that lost their disks do not begin anew: they would be an ensemble
// beside what was stored. If too few are left for a quorum, all say so.
func TestLostDisks(t *testing.T) {
	t.Parallel()
	lost := func(s *Snapshot) {
		unborn(s)
		s.Joined, s.Offers = true, nil
		s.Peers.Decision.Committed.Voted = texts(ordinals(s.Known.Voters()))
		s.Peers.Decision.Held.Voted = s.Peers.Decision.Committed.Voted
	}
	single := func(s *Snapshot) {
		s.Ordinal, s.Leader, s.Planned, s.Members, s.Known = 0, true, []int{0}, nil, pulsarConfig([]int{0}, nil)
		s.Peers = related(nil, cluster{Voters: []string{"0"}, Voted: []string{"0"}, Secret: "secret:s"})
	}
	const other = "ZooKeeper's volumes of %s are empty: bring them back or deploy pulsar anew"
	for _, test := range []struct {
		name   string
		change func(*Snapshot)
		who    string // of the status; "" if it is another
	}{
		{"the only one", func(s *Snapshot) { single(s); lost(s) }, "pulsar/0"},
		{"one of three", lost, ""},
		{"two of three, at one of them", func(s *Snapshot) {
			lost(s)
			s.Members = map[string]member{"pulsar/0": {Lost: true}, "pulsar/2": {State: starting}}
		}, "pulsar/0, pulsar/1"},
		{"two of three, at the third", func(s *Snapshot) {
			s.Mode, s.Members = "", map[string]member{"pulsar/0": {Lost: true}, "pulsar/2": {Lost: true}}
		}, "pulsar/0, pulsar/2"},
		{"two of three that serve nevertheless", func(s *Snapshot) {
			s.Members = map[string]member{"pulsar/0": {Lost: true}, "pulsar/2": {Lost: true}}
		}, ""},
		{"one that never was in an ensemble", func(s *Snapshot) { single(s); lost(s); s.Joined = false }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := settled()
			test.change(&s)
			o := outlineOf(plan(s, Offer{Initialised: true}))
			want := statusList(juju.Blocked, fmt.Sprintf(other, test.who))
			if (test.who != "") != cmp.Equal(want, o.Statuses) {
				t.Errorf("statuses are %v, want %q: %v", o.Statuses, want, test.who != "")
			}
			if s.Leader && s.Joined && o.App["zookeeper-voted"] != "0" {
				t.Errorf("the leader forgets who has voted: %v", o.App)
			}
			if (o.Unit["zookeeper-lost"] == "true") != s.lost() || s.lost() && (o.Unit["zookeeper-fresh"] != "" || slices.Contains(o.Services, service)) {
				t.Errorf("it says %v and runs %v", o.Unit, o.Services)
			}
		})
	}
}

// A server may run since the life of an earlier unit of the same name. It may
// vote today, so it makes way for the new one only as in a restart; if it serves
// nobody, at once.
func TestInherited(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*Snapshot)
		steps  []string
		wants  bool
	}{
		{"it waits for its turn", func(*Snapshot) {}, nil, true},
		{"in its turn", func(s *Snapshot) { turn(s, "pulsar/1") }, []string{stepForget}, true},
		{"in no quorum", func(s *Snapshot) { s.Mode = "" }, []string{stepForget}, true},
		{"about to start again", func(s *Snapshot) { s.Mode, s.State.Running, s.State.Restarting = "", false, true }, []string{stepForget}, false},
		{"in the first hook, which may be lost", func(s *Snapshot) { s.Young = true; turn(s, "pulsar/1") }, nil, false},
		{"the unit goes and it votes", func(s *Snapshot) { s.Dying, s.Teardown, s.Planned, s.Password = true, true, []int{0, 2}, false }, []string{stepHold}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := settled()
			s.State = containerState{Up: true, Running: true, Hash: s.State.Hash, Stale: []string{staticPath}}
			test.change(&s)
			o := outlineOf(plan(s, Offer{}))
			if diff := cmp.Diff(test.steps, o.Steps); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if s.lock().Own.Wants != test.wants {
				t.Errorf("it wants a restart: %v, want %v", !test.wants, test.wants)
			}
			if len(o.Services) > 0 || len(o.Files) > 0 {
				t.Errorf("services %v, files %v are written beside those of the earlier unit", o.Services, o.Files)
			}
		})
	}
}

// The first members are chosen anew while none of them was in an ensemble; then
// the empty disk of one that may have voted has no vote.
func TestPlanOfBirth(t *testing.T) {
	t.Parallel()
	checkPlans(t, []planTest{
		{
			name: "nobody leaves before all can read who has voted",
			change: func(s *Snapshot) {
				s.Leader, s.Planned, s.Offers = true, []int{0, 1}, nil
				s.Peers.Decision.Held.Voted, s.Peers.Decision.Committed.Voted = []string{"0", "1"}, []string{"0", "1"}
				delete(s.Members, "pulsar/2")
			},
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "follower\n",
				Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": isWell}, App: ops.Bag{"zookeeper-voters": "0,1,2", "zookeeper-voted": "0,1,2", "zookeeper-secret": "secret:s"},
				Statuses: statusList(juju.Active, "ZooKeeper follower, 3 voters"),
			},
		},
		{
			name: "who serves alone is written too",
			change: func(s *Snapshot) {
				s.Leader, s.Ordinal, s.Planned, s.Known, s.Members, s.Offers = true, 0, []int{0}, pulsarConfig([]int{0}, nil), nil, nil
				s.Peers.Decision.Held, s.Peers.Decision.Committed = cluster{Voters: []string{"0"}, Secret: "secret:s"}, cluster{Voters: []string{"0"}, Secret: "secret:s"}
			},
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "follower\n",
				Unit: ops.Bag{"zookeeper-state": serving, "zookeeper-restart": isWell}, App: ops.Bag{"zookeeper-voters": "0", "zookeeper-voted": "0", "zookeeper-secret": "secret:s"},
				Statuses: statusList(juju.Active, "ZooKeeper follower, 1 voter, not redundant"),
			},
		},
		{
			name: "a leader whose server is slower than others hears of it from one of them",
			change: func(s *Snapshot) {
				unborn(s)
				s.Leader, s.Offers = true, nil
				s.Peers.Decision.Held.Voted, s.Peers.Decision.Committed.Voted = nil, nil
				s.State.Running, s.State.Dynamic, s.State.Config = true, firstDynamicPath, s.Known
			},
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "down\n",
				Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}, App: ops.Bag{"zookeeper-voters": "0,1,2", "zookeeper-voted": "0,2", "zookeeper-secret": "secret:s"},
				Statuses: []juju.Status{startingServer},
			},
		},
		{
			name: "the ensemble is no more when all its voters say that they were never in it",
			change: func(s *Snapshot) {
				unborn(s)
				s.Leader, s.Members, s.Offers = true, map[string]member{"pulsar/0": {State: starting, Fresh: true}, "pulsar/2": {State: starting, Fresh: true}}, nil
			},
			want: outline{
				Services: onlyWatch, Files: []string{watchScript}, Seen: "down\n",
				Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}, App: ops.Bag{"zookeeper-voters": "0,1,2", "zookeeper-secret": "secret:s"},
				Statuses: statusList(juju.Waiting, "for a quorum of ZooKeeper's 3 voters"),
			},
		},
		{
			name: "it is, as long as one of them has not said so",
			change: func(s *Snapshot) {
				unborn(s)
				s.Leader, s.Members, s.Offers = true, map[string]member{"pulsar/0": {State: starting}, "pulsar/2": {State: starting, Fresh: true}}, nil
			},
			want: outline{
				Services: onlyWatch, Files: []string{watchScript}, Seen: "down\n",
				Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}, App: ops.Bag{"zookeeper-voters": "0,1,2", "zookeeper-voted": "0,1,2", "zookeeper-secret": "secret:s"},
				Statuses: statusList(juju.Waiting, "for a quorum of ZooKeeper's 3 voters"),
			},
		},
		{
			name:   "a server that should follow its ensemble starts when that serves",
			change: func(s *Snapshot) { unborn(s); s.Found, s.Offers = true, nil },
			want: outline{
				Services: both, Files: []string{staticPath, myIDPath, firstDynamicPath, watchScript}, Seen: "down\n",
				Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}, Statuses: []juju.Status{startingServer},
			},
		},
		{
			name:   "not when a unit only says so",
			change: func(s *Snapshot) { unborn(s); s.Lost, s.Offers = true, nil },
			want: outline{
				Services: onlyWatch, Files: []string{watchScript}, Seen: "again\n",
				Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}, Statuses: []juju.Status{startingServer},
			},
		},
		{
			name: "it stops when nothing serves any more before it has followed",
			change: func(s *Snapshot) {
				unborn(s)
				s.State.Running, s.State.Dynamic, s.State.Config, s.Offers = true, firstDynamicPath, s.first(s.Known), nil
			},
			want: outline{
				Services: onlyWatch, Files: []string{watchScript}, Seen: "down\n",
				Unit:  ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting},
				Steps: []string{stepWait}, Statuses: []juju.Status{startingServer},
			},
		},
		{
			name: "also when it has ended and would start again",
			change: func(s *Snapshot) {
				unborn(s)
				s.State.Restarting, s.State.Dynamic, s.State.Config, s.Offers = true, firstDynamicPath, s.first(s.Known), nil
			},
			want: outline{
				Services: onlyWatch, Files: []string{watchScript}, Seen: "down\n",
				Unit:  ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting},
				Steps: []string{stepWait}, Statuses: []juju.Status{startingServer},
			},
		},
		{
			name: "it ends if members were chosen anew",
			change: func(s *Snapshot) {
				unborn(s)
				s.State.Running, s.State.Dynamic, s.State.Config, s.Offers = true, firstDynamicPath, s.first(s.Known), nil
				s.Peers.Decision.Committed.Voters, s.Found = []string{"0"}, true
			},
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "down\n",
				Unit:  ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting},
				Steps: []string{stepMove}, Statuses: []juju.Status{startingServer},
			},
		},
		{
			name: "and starts on those",
			change: func(s *Snapshot) {
				unborn(s)
				s.State.Dynamic, s.State.Config, s.Offers = firstDynamicPath, s.first(s.Known), nil
				s.Peers.Decision.Committed.Voters, s.Found = []string{"0"}, true
			},
			want: outline{
				Services: both, Files: []string{staticPath, myIDPath, firstDynamicPath, watchScript}, Seen: "down\n",
				Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}, Statuses: []juju.Status{startingServer},
			},
		},
		{
			name: "a server that should follow its ensemble does not start if nobody else is in it",
			change: func(s *Snapshot) {
				unborn(s)
				s.Ordinal, s.Planned, s.Known, s.Found, s.Offers = 0, []int{0}, pulsarConfig([]int{0}, nil), true, nil
				s.Peers.Decision.Held.Voters, s.Peers.Decision.Committed.Voters = []string{"0"}, []string{"0"}
			},
			want: outline{
				Services: onlyWatch, Files: []string{watchScript}, Seen: "down\n",
				Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}, Statuses: []juju.Status{startingServer},
			},
		},
		{
			name: "one that should follow an ensemble that is no more begins anew",
			change: func(s *Snapshot) {
				unborn(s)
				s.State.Running, s.State.Dynamic, s.Offers = true, firstDynamicPath, nil
				s.State.Config = s.first(s.Known)
				s.Peers.Decision.Held.Voted, s.Peers.Decision.Committed.Voted = nil, nil
			},
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "down\n",
				Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}, Steps: []string{stepMove},
				Statuses: []juju.Status{startingServer},
			},
		},
		{
			name: "one that began with the others and is slower stays as it is",
			change: func(s *Snapshot) {
				unborn(s)
				s.State.Running, s.State.Dynamic, s.State.Config, s.Offers = true, firstDynamicPath, s.Known, nil
			},
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "down\n",
				Unit:     ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting},
				Statuses: []juju.Status{startingServer},
			},
		},
		{
			name:   "first members that went before they started are chosen anew",
			change: stillborn,
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "again\n",
				Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}, App: ops.Bag{"zookeeper-voters": "1", "zookeeper-secret": "secret:s"},
				Statuses: []juju.Status{startingServer},
			},
		},
		{
			name: "a server that was never in an ensemble moves to first members that were chosen anew",
			change: func(s *Snapshot) {
				stillborn(s)
				s.Peers.Decision.Held.Voters, s.Peers.Decision.Held.Voted = []string{"1"}, nil
				s.Known, s.Peers.Decision.Committed = pulsarConfig([]int{1}, nil), s.Peers.Decision.Held
			},
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "down\n",
				Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}, App: ops.Bag{"zookeeper-voters": "1", "zookeeper-secret": "secret:s"},
				Steps: []string{stepMove}, Statuses: []juju.Status{startingServer},
			},
		},
		{
			name:   "first members are not chosen anew while one of them is there",
			change: func(s *Snapshot) { stillborn(s); s.Leaving = []int{2} },
			want: outline{
				Services: both, Files: []string{watchScript}, Seen: "again\n",
				Unit: ops.Bag{"zookeeper-fresh": "true", "zookeeper-state": starting}, App: ops.Bag{"zookeeper-voters": "0,1,2", "zookeeper-voted": "0,1,2", "zookeeper-secret": "secret:s"},
				Statuses: statusList(juju.Waiting, "for a quorum of ZooKeeper's 3 voters"),
			},
		},
	})
}

// A server that may have voted and whose disk is empty has no vote in the
// ensemble that there is, until that gives it one.
func TestFirstMembers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		ordinal  int
		voted    []string
		joined   bool
		decided  zk.Config
		voters   []int
		observer bool
	}{
		{"the first ensemble", 1, nil, false, pulsarConfig([]int{0, 1, 2}, nil), []int{1, 2, 3}, false},
		{"the same again, when all its disks are gone", 1, nil, true, pulsarConfig([]int{0, 1, 2}, nil), []int{1, 2, 3}, false},
		{"a newcomer before there is an ensemble", 3, nil, false, pulsarConfig([]int{0, 1, 2}, nil), []int{1, 2, 3, 4}, false},
		{"a voter that is late", 1, []string{"0", "2"}, false, pulsarConfig([]int{0, 1, 2}, nil), []int{1, 2, 3}, false},
		{"a voter whose disk was lost", 1, []string{"0", "2"}, true, pulsarConfig([]int{0, 1, 2}, nil), []int{1, 3}, true},
		{"another unit of a voter's name", 1, []string{"0", "1", "2"}, false, pulsarConfig([]int{0, 1, 2}, nil), []int{1, 3}, true},
		{"a newcomer", 3, []string{"0", "1", "2"}, false, pulsarConfig([]int{0, 1, 2}, nil), []int{1, 2, 3, 4}, false},
		{"one of the name of a member that has left", 3, []string{"0", "1", "2", "3"}, false, pulsarConfig([]int{0, 1, 2}, nil), []int{1, 2, 3}, true},
		{"an observer", 3, []string{"0", "1", "2"}, false, pulsarConfig([]int{0, 1, 2}, []int{3}), []int{1, 2, 3}, true},
	} {
		s := settled()
		unborn(&s)
		s.Storage, s.Joined = true, c.joined
		s.Ordinal, s.Peers.Decision.Committed.Voted = c.ordinal, c.voted
		got := s.first(c.decided)
		own, _ := got.Member(serverID(c.ordinal))
		if diff := cmp.Diff(c.voters, got.Voters()); diff != "" || (own.Role == zk.Observer) != c.observer {
			t.Errorf("%s: itself %v, voters (-want +got):\n%s", c.name, own, diff)
		}
	}
}

// reachable are the servers that serve, by address.
type reachable map[string]bool

func (a reachable) Server(_ context.Context, address string) (zk.Server, error) {
	if !a[address] {
		return zk.Server{}, errors.New("no quorum")
	}
	return zk.Server{Mode: "follower"}, nil
}

func (reachable) Config(context.Context, []string) (zk.Config, error) {
	return zk.Config{}, errors.New("not asked")
}

func (reachable) Reconfigure(context.Context, []string, string, func(zk.Config) zk.Change) (zk.Config, error) {
	return zk.Config{}, errors.New("not asked")
}

func TestFind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		members     map[string]member
		leaving     []int
		serve       []int
		found, lost bool
	}{
		{"one says so and does", map[string]member{"pulsar/0": {State: starting}, "pulsar/2": well}, nil, []int{2}, true, false},
		{"one says so and does not", map[string]member{"pulsar/0": well, "pulsar/2": {State: starting}}, nil, []int{2}, false, true},
		{"nobody says so: a databag will tell", map[string]member{"pulsar/0": {State: starting}}, nil, nil, false, false},
		{"one that goes and waits for this one, of which nothing is heard here", nil, []int{2, 3}, []int{3}, true, false},
		{"itself does not count", nil, []int{1}, []int{1}, false, false},
	} {
		serve := reachable{}
		for _, o := range c.serve {
			serve[clientAddress(pulsarHost(o))] = true
		}
		s := settled()
		s.Members, s.Leaving = c.members, c.leaving
		(&Hook{ensemble: serve}).find(t.Context(), &s)
		if s.Found != c.found || s.Lost != c.lost {
			t.Errorf("%s: found %v, lost %v", c.name, s.Found, s.Lost)
		}
	}
}
