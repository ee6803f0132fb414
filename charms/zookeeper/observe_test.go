package zookeeper

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// answering is an ensemble whose servers tell a membership, or nothing.
type answering struct{ members *zk.Config }

func (a answering) Server(context.Context, string) (zk.Server, error) {
	return zk.Server{}, errors.New("connection refused")
}

func (a answering) Config(context.Context, []string) (zk.Config, error) {
	if a.members == nil {
		return zk.Config{}, errors.New("connection refused")
	}
	return *a.members, nil
}

func (a answering) Reconfigure(context.Context, []string, string, func(zk.Config) zk.Change) (zk.Config, error) {
	return zk.Config{}, errors.New("not authenticated")
}

// A unit that goes may have neither its peer relation, which Juju breaks early
// if the agent was restarted, nor a container that tells what its server is a
// member of. If the server was ever started it may have been in an ensemble, and
// votes until others say that it does not.
func TestVoteOfAUnitThatIsToldNothing(t *testing.T) {
	t.Parallel()
	without, with := pulsarConfig([]int{0}, nil), pulsarConfig([]int{0, 1, 2}, nil)
	for _, test := range []struct {
		name            string
		started, joined bool
		others          *zk.Config
		want            bool
	}{
		{"never started", false, false, nil, false},
		{"started, and nobody answers", true, false, nil, true},
		{"started, and not in the ensemble", true, false, &without, false},
		{"in an ensemble, and nobody answers", true, true, nil, true},
		{"in an ensemble that counts it", true, true, &with, true},
		{"in an ensemble that has taken it out", true, true, &without, false},
		{"so an older revision of the charm has written", false, true, nil, true},
	} {
		s := Snapshot{App: "pulsar", Suffix: suffix, Ordinal: 2, Planned: []int{0}, Dying: true, Teardown: true, Started: test.started, Joined: test.joined}
		(&Hook{ensemble: answering{test.others}}).observeMembership(t.Context(), &s)
		if s.votes() != test.want || mustHold(s) != test.want {
			t.Errorf("%s: votes %v, is held %v, want %v", test.name, s.votes(), mustHold(s), test.want)
		}
	}
}

// A unit that goes takes others in only if no voter stays that could do so: what
// answers by the name of one may be the pod of an earlier unit.
func TestWhoADyingUnitTakesIn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		dying   bool
		voters  []int
		planned []int
		want    map[int]bool
	}{
		{"the leader takes in who serves", false, []int{0, 1, 2}, []int{0, 1, 3}, map[int]bool{3: true}},
		{"a unit that goes leaves that to those that stay", true, []int{0, 1, 2}, []int{0, 1, 3}, map[int]bool{}},
		{"and hands over if none does", true, []int{2}, []int{0}, map[int]bool{0: true}},
	} {
		s := settled()
		s.Leader, s.Dying, s.Ordinal, s.Planned = true, test.dying, 2, test.planned
		s.Members["pulsar/3"] = well
		s.Known = pulsarConfig(test.voters, nil)
		s.State.Config = s.Known
		s.Peers.Decision.Committed.Voted = []string{"0", "1", "2"}
		serve := reachable{clientAddress(pulsarHost(0)): true, clientAddress(pulsarHost(3)): true}
		(&Hook{ensemble: serve}).observeMembership(t.Context(), &s)
		if diff := cmp.Diff(test.want, s.Serving); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// A leader whose server follows and is no member asks what the members are: what
// is written may be older.
func TestMembersOfALeaderThatFollows(t *testing.T) {
	t.Parallel()
	now := pulsarConfig([]int{0}, []int{1})
	s := settled()
	s.Leader, s.Ordinal, s.State.Version, s.State.Dynamic, s.State.Config = true, 2, false, "", zk.Config{}
	(&Hook{ensemble: answering{&now}}).observeMembership(t.Context(), &s)
	if diff := cmp.Diff(now, s.Known); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}
