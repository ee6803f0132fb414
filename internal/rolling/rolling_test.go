package rolling_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// States of a unit.
var (
	fine     = rolling.State{Healthy: true}
	due      = rolling.State{Healthy: true, Wants: true}
	down     = rolling.State{}
	downDue  = rolling.State{Wants: true}
	fineDone = rolling.State{Healthy: true, Done: 7}
)

func turn(unit string, age time.Duration) rolling.Turn {
	return rolling.Turn{Unit: unit, Number: 7, Since: now.Add(-age)}
}

// next is the turn after number 7.
func next(unit string) rolling.Turn { return rolling.Turn{Unit: unit, Number: 8, Since: now} }

// The leader is app/0.
func TestNext(t *testing.T) {
	t.Parallel()
	type members = map[string]rolling.State
	none := rolling.Turn{}
	// missed is a turn after another was lost.
	missed := func(turn rolling.Turn, unit string, number int) rolling.Turn {
		turn.Missed = map[string]int{unit: number}
		return turn
	}
	for _, test := range []struct {
		name   string
		turn   rolling.Turn
		own    rolling.State
		others members
		want   rolling.Turn
	}{
		{"a unit alone needs no turn", none, due, nil, none},
		{"nobody wants", none, fine, members{"app/1": fine}, none},
		{"the first that wants", none, fine, members{"app/2": due, "app/1": due, "app/10": due}, rolling.Turn{Unit: "app/1", Number: 1, Since: now}},
		{"the leader too", none, due, members{"app/1": due}, rolling.Turn{Unit: "app/0", Number: 1, Since: now}},
		{"the holder has not restarted yet", turn("app/2", 0), due, members{"app/2": due}, turn("app/2", 0)},
		{"the holder is starting", turn("app/2", time.Minute), due, members{"app/2": down}, turn("app/2", time.Minute)},
		{"the holder's databag is of before its turn", turn("app/2", 0), due, members{"app/2": fine}, turn("app/2", 0)},
		{"the holder is done", turn("app/2", 0), due, members{"app/1": due, "app/2": fineDone}, next("app/0")},
		{"the next in order, not the first again", turn("app/0", 0), rolling.State{Healthy: true, Wants: true, Done: 7}, members{"app/1": due, "app/2": due}, next("app/1")},
		{"nobody wants any more: the last turn stays, and nothing is written", turn("app/2", 0), fine, members{"app/2": fineDone}, turn("app/2", 0)},
		{"the holder has left", turn("app/5", 0), fine, members{"app/1": due}, next("app/1")},
		{"the holder has lost its lease", turn("app/1", rolling.Lease), fine, members{"app/1": due, "app/2": due}, missed(next("app/2"), "app/1", 7)},
		{"who has lost one gets no other", missed(turn("app/2", 0), "app/1", 6), fine, members{"app/1": due, "app/2": fineDone}, missed(turn("app/2", 0), "app/1", 6)},
		{"before a sign of life", missed(turn("app/2", 0), "app/1", 6), fine, members{"app/1": {Healthy: true, Wants: true, Done: 6}, "app/2": fineDone}, next("app/1")},
		{"the same, and nobody else wants: it must come back first", turn("app/1", rolling.Lease), fine, members{"app/1": due, "app/2": fine}, turn("app/1", rolling.Lease)},
		{"a holder that does not come back up stops a rollout", turn("app/1", rolling.Lease), due, members{"app/1": down, "app/2": due}, turn("app/1", rolling.Lease)},
		{"but not the cure of another", turn("app/1", rolling.Lease), due, members{"app/1": down, "app/2": downDue}, missed(next("app/2"), "app/1", 7)},
		{"a holder that gives its turn back has it again", turn("app/1", 0), fine, members{"app/1": {Healthy: true, Wants: true, Done: 7}}, next("app/1")},
		{"but not before it has heard that all are healthy", turn("app/1", 0), fine, members{"app/1": {Healthy: true, Wants: true, Done: 7, Declines: true}}, turn("app/1", 0)},
		{"others do not wait for that", turn("app/1", 0), due, members{"app/1": {Healthy: true, Wants: true, Done: 7, Declines: true}}, next("app/0")},
		{"somebody is down", none, due, members{"app/1": due, "app/2": down}, none},
		{"the one that is down wants", none, due, members{"app/1": due, "app/2": downDue}, rolling.Turn{Unit: "app/2", Number: 1, Since: now}},
		{"a turn of the future counts for nothing", turn("app/1", -time.Hour), due, members{"app/1": due}, missed(next("app/0"), "app/1", 7)},
		{"a lost databag does not bring numbers again", none, due, members{"app/1": fineDone}, next("app/0")},
		{"the unit of the same name is another: it has said nothing", turn("app/1", time.Minute), due, members{"app/1": down}, turn("app/1", time.Minute)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			lock := rolling.Lock{Now: now, Unit: "app/0", Own: test.own, Others: test.others, Turn: test.turn}
			if diff := cmp.Diff(test.want, lock.Next(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Next() (-want +got):\n%s", diff)
			}
			lock.Turn = lock.Next()
			if diff := cmp.Diff(lock.Turn, lock.Next()); diff != "" {
				t.Errorf("told of its own write, the leader gives the turn on:\n%s", diff)
			}
		})
	}
	dying := rolling.Lock{Now: now, Unit: "app/0", Leaving: true, Own: down, Others: members{"app/1": due, "app/2": fine}, Turn: turn("app/0", 0)}
	if diff := cmp.Diff(next("app/1"), dying.Next(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Next() of a leader that leaves (-want +got):\n%s", diff)
	}
}

// The unit is app/1.
func TestHolder(t *testing.T) {
	t.Parallel()
	type members = map[string]rolling.State
	others := members{"app/0": fine, "app/2": fine}
	for _, test := range []struct {
		name   string
		turn   rolling.Turn
		own    rolling.State
		others members
		may    bool
		done   int
		reason string
	}{
		{"alone", rolling.Turn{}, due, nil, true, 0, ""},
		{"nobody's turn", rolling.Turn{}, due, others, false, 0, "waiting for its turn to restart"},
		{"another's turn", turn("app/2", 0), due, others, false, 0, "waiting for app/2 to restart first"},
		{"another's turn, over", turn("app/2", 0), due, members{"app/2": fineDone}, false, 0, "waiting for its turn to restart"},
		{"another's turn, lost", turn("app/2", rolling.Lease), due, members{"app/2": down}, false, 0, "waiting for app/2 to be healthy before a restart"},
		{"somebody is down", rolling.Turn{}, due, members{"app/0": fine, "app/2": down}, false, 0, "waiting for app/2 to be healthy before a restart"},
		{"its turn", turn("app/1", time.Minute), due, others, true, 0, ""},
		{"its turn, over", turn("app/1", 0), rolling.State{Healthy: true, Wants: true, Done: 7}, others, false, 7, "waiting for its turn to restart"},
		{"its turn, and somebody is down: it gives it back", turn("app/1", 0), due, members{"app/0": down}, false, 7, "waiting for app/0 to be healthy before a restart"},
		{"the same, but down itself", turn("app/1", 0), downDue, members{"app/0": down}, true, 0, ""},
		{"too late in its turn: it gives it back", turn("app/1", rolling.Lease/2), due, others, false, 7, "waiting for its turn to restart"},
		{"restarted, and starting", turn("app/1", 0), down, others, false, 0, ""},
		{"restarted, and healthy again", turn("app/1", time.Hour), fine, others, false, 7, ""},
		{"it has missed a turn, and is here again", rolling.Turn{Unit: "app/2", Number: 8, Missed: map[string]int{"app/1": 7}}, due, others, false, 7, "waiting for its turn to restart"},
		{"a new unit, of the name of one that had the turn", turn("app/1", 0), down, others, false, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			lock := rolling.Lock{Now: now, Unit: "app/1", Own: test.own, Others: test.others, Turn: test.turn}
			if test.own.Wants && lock.May() != test.may {
				t.Errorf("May() = %v", lock.May())
			}
			if got := lock.State(); got.Done != test.done || got.Wants != test.own.Wants || got.Healthy != test.own.Healthy {
				t.Errorf("State() = %+v, want done %d", got, test.done)
			}
			if test.own.Wants && lock.Reason() != test.reason {
				t.Errorf("Reason() = %q, want %q", lock.Reason(), test.reason)
			}
		})
	}
}

// A holder that gives its turn back because another is not healthy declines
// further ones until it has heard better, whoever has them meanwhile.
func TestDeclines(t *testing.T) {
	t.Parallel()
	type members = map[string]rolling.State
	declines := rolling.State{Healthy: true, Wants: true, Done: 7, Declines: true}
	for _, test := range []struct {
		name   string
		turn   rolling.Turn
		own    rolling.State
		others members
		want   rolling.State
	}{
		{"its turn, and somebody is down", turn("app/1", 0), due, members{"app/0": down}, declines},
		{"the same, long after", turn("app/1", rolling.Lease/2), due, members{"app/0": down}, declines},
		{"its turn, too late", turn("app/1", rolling.Lease/2), due, members{"app/0": fine}, rolling.State{Healthy: true, Wants: true, Done: 7}},
		{"told of its own write", turn("app/1", 0), declines, members{"app/0": down}, declines},
		{"another has the next turn", rolling.Turn{Unit: "app/0", Number: 8, Since: now}, declines, members{"app/0": fine, "app/2": down}, declines},
		{"it hears that all are healthy", turn("app/1", 0), declines, members{"app/0": fine}, rolling.State{Healthy: true, Wants: true, Done: 7}},
		{"who was down has left, and it is alone", turn("app/1", 0), declines, nil, rolling.State{Healthy: true, Wants: true, Done: 7}},
		{"it is down itself, and a turn may be the cure", turn("app/1", 0), rolling.State{Wants: true, Done: 7, Declines: true}, members{"app/0": down}, rolling.State{Wants: true, Done: 7}},
		{"it wants no more", turn("app/1", 0), rolling.State{Healthy: true, Done: 7, Declines: true}, members{"app/0": down}, fineDone},
		{"it has had no turn", turn("app/2", 0), due, members{"app/0": down}, due},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			lock := rolling.Lock{Now: now, Unit: "app/1", Own: test.own, Others: test.others, Turn: test.turn}
			if diff := cmp.Diff(test.want, lock.State()); diff != "" {
				t.Errorf("State() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMembersAreThosePlanned(t *testing.T) {
	t.Parallel()
	type members = map[string]rolling.State
	written := members{"app/0": fine, "app/3": due}
	for _, test := range []struct {
		name string
		stay []int
		want members
	}{
		{"who has said nothing is not healthy", []int{0, 1, 2}, members{"app/0": fine, "app/2": {}}},
		{"who goes is no member", []int{0, 1}, members{"app/0": fine}},
		{"nothing is planned as far as is known", nil, written},
		{"alone", []int{1}, members{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := rolling.Members("app/1", written, test.stay, func(s rolling.State) rolling.State { return s })
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("Members (-want +got):\n%s", diff)
			}
		})
	}
	// A unit that has not started yet has heard of nobody, and is not alone.
	lock := rolling.Lock{Now: now, Unit: "app/1", Own: due, Others: rolling.Members("app/1", members{}, []int{0, 1}, func(s rolling.State) rolling.State { return s })}
	if lock.May() {
		t.Error("a unit that has heard of nobody restarts")
	}
}
