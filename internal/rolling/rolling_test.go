package rolling_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
)

func TestTurn(t *testing.T) {
	t.Parallel()
	type m = rolling.Member
	tests := []struct {
		name    string
		holder  int
		members []m
		want    int
	}{
		{"no members", rolling.Nobody, nil, rolling.Nobody},
		{"nobody wants", rolling.Nobody, []m{{0, false, true}, {1, false, true}}, rolling.Nobody},
		{"first that wants", rolling.Nobody, []m{{2, true, true}, {0, false, true}, {1, true, true}}, 1},
		{"holder has not restarted yet", 2, []m{{0, true, true}, {2, true, true}}, 2},
		{"holder is starting", 2, []m{{0, true, true}, {2, false, false}}, 2},
		{"holder is done", 2, []m{{0, true, true}, {2, false, true}}, 0},
		{"holder has left", 5, []m{{0, true, true}, {2, false, true}}, 0},
		{"somebody is down", rolling.Nobody, []m{{0, true, true}, {2, false, false}}, rolling.Nobody},
		{"the one that is down wants", rolling.Nobody, []m{{0, true, true}, {2, true, false}}, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := rolling.Turn(test.holder, test.members); got != test.want {
				t.Errorf("Turn(%d, %v) = %d, want %d", test.holder, test.members, got, test.want)
			}
		})
	}
}

// Whatever the order in which units act, at most one is down by a restart of
// its own, and in the end all run on what they should.
func TestTurnRollsOneAtATime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		members := make([]rolling.Member, rapid.IntRange(1, 6).Draw(t, "units"))
		for i := range members {
			members[i] = rolling.Member{Ordinal: i, Wants: rapid.Bool().Draw(t, "wants"), Healthy: true}
		}
		turn := rolling.Nobody
		for range 200 {
			i := rapid.IntRange(0, len(members)).Draw(t, "who acts")
			switch {
			case i == len(members):
				turn = rolling.Turn(turn, members)
			case members[i].Wants && turn == i:
				members[i].Wants, members[i].Healthy = false, false
			case !members[i].Healthy:
				members[i].Healthy = true
			}
			down := 0
			for _, m := range members {
				if !m.Healthy {
					down++
				}
			}
			if down > 1 {
				t.Fatalf("%d units are down: %v", down, members)
			}
		}
		for range len(members) {
			turn = rolling.Turn(turn, members)
			if turn != rolling.Nobody {
				members[turn] = rolling.Member{Ordinal: turn, Healthy: true}
			}
		}
		for _, m := range members {
			if m.Wants || !m.Healthy {
				t.Fatalf("unit %d never had its turn: %v", m.Ordinal, members)
			}
		}
	})
}
