package zookeeper

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

func testHost(o int) string { return fmt.Sprintf("host-%d", o) }

func testConfig(voters, observers []int) zk.Config {
	var change zk.Change
	for _, o := range voters {
		change.Joining = append(change.Joining, zk.Member{ID: o + 1, Host: testHost(o), Role: zk.Participant})
	}
	for _, o := range observers {
		change.Joining = append(change.Joining, zk.Member{ID: o + 1, Host: testHost(o), Role: zk.Observer})
	}
	return change.Apply(zk.Config{})
}

func TestVotersAreOdd(t *testing.T) {
	t.Parallel()
	for n, want := range []int{0, 1, 1, 3, 3, 5, 5, 5, 5} {
		if got := votersOf(n, 5); got != want {
			t.Errorf("votersOf(%d, 5) = %d, want %d", n, got, want)
		}
	}
}

func TestNextChange(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                    string
		voters, observers       []int
		planned, serving        []int
		wantVoters, wantObserve []int
	}{
		{name: "nothing to do", voters: []int{0, 1, 2}, planned: []int{0, 1, 2}, wantVoters: []int{0, 1, 2}},
		{name: "unknown plan", voters: []int{0, 1, 2}, wantVoters: []int{0, 1, 2}},
		{name: "1 to 3", voters: []int{0}, planned: []int{0, 1, 2}, serving: []int{1, 2}, wantVoters: []int{0, 1, 2}},
		{name: "1 to 3, one is late", voters: []int{0}, planned: []int{0, 1, 2}, serving: []int{2}, wantVoters: []int{0}},
		{name: "3 to 5", voters: []int{0, 1, 2}, planned: []int{0, 1, 2, 3, 4}, serving: []int{3, 4}, wantVoters: []int{0, 1, 2, 3, 4}},
		{name: "3 to 5, nobody is there", voters: []int{0, 1, 2}, planned: []int{0, 1, 2, 3, 4}, wantVoters: []int{0, 1, 2}},
		{name: "3 to 4", voters: []int{0, 1, 2}, planned: []int{0, 1, 2, 3}, serving: []int{3}, wantVoters: []int{0, 1, 2}, wantObserve: []int{3}},
		{name: "4 to 5", voters: []int{0, 1, 2}, observers: []int{3}, planned: []int{0, 1, 2, 3, 4}, serving: []int{3, 4}, wantVoters: []int{0, 1, 2, 3, 4}},
		{name: "5 to 7", voters: []int{0, 1, 2, 3, 4}, planned: []int{0, 1, 2, 3, 4, 5, 6}, serving: []int{5, 6}, wantVoters: []int{0, 1, 2, 3, 4}, wantObserve: []int{5, 6}},
		{name: "1 to 5, three are there", voters: []int{0}, planned: []int{0, 1, 2, 3, 4}, serving: []int{1, 2, 3}, wantVoters: []int{0, 1, 2}},
		{name: "5 to 3", voters: []int{0, 1, 2, 3, 4}, planned: []int{0, 1, 2}, wantVoters: []int{0, 1, 2}},
		{name: "5 to 4", voters: []int{0, 1, 2, 3, 4}, planned: []int{0, 1, 2, 3}, wantVoters: []int{0, 1, 2}, wantObserve: []int{3}},
		{name: "3 to 2", voters: []int{0, 1, 2}, planned: []int{0, 1}, wantVoters: []int{0}, wantObserve: []int{1}},
		{name: "2 to 1", voters: []int{0}, observers: []int{1}, planned: []int{0}, wantVoters: []int{0}},
		{name: "5 to 1", voters: []int{0, 1, 2, 3, 4}, planned: []int{0}, wantVoters: []int{0}},
		{name: "4 to 3", voters: []int{0, 1, 2}, observers: []int{3}, planned: []int{0, 1, 2}, wantVoters: []int{0, 1, 2}},
		{name: "one voter for another", voters: []int{0, 1, 3}, planned: []int{0, 1, 2}, serving: []int{2}, wantVoters: []int{0, 1, 2}},
		{name: "one voter for another that is late", voters: []int{0, 1, 3}, observers: []int{4}, planned: []int{0, 1, 2}, wantVoters: []int{0}, wantObserve: []int{1}},
		{name: "nobody stays who votes", voters: []int{3}, planned: []int{0, 1, 2}, wantVoters: []int{3}},
		{name: "all are replaced", voters: []int{3}, planned: []int{0, 1, 2}, serving: []int{0, 1, 2}, wantVoters: []int{0, 1, 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			serving := map[int]bool{}
			for _, o := range test.serving {
				serving[o] = true
			}
			now := testConfig(test.voters, test.observers)
			got := nextChange(now, test.planned, serving, 5, testHost).Apply(now)
			if diff := cmp.Diff(testConfig(test.wantVoters, test.wantObserve), got); diff != "" {
				t.Errorf("after the change (-want +got):\n%s", diff)
			}
		})
	}
}

// However units come, go and become ready, voters stay odd, nobody joins who
// does not serve, and when all serve one change leads to the plan.
func TestNextChangeAlwaysLeavesAnEnsemble(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ordinalSet := rapid.SliceOfNDistinct(rapid.IntRange(0, 8), 1, 9, rapid.ID)
		first := ordinalSet.Draw(t, "first")
		slices.Sort(first)
		config := testConfig(firstMembers(first, 5), nil)
		var planned []int
		for range 20 {
			planned = ordinalSet.Draw(t, "planned")
			slices.Sort(planned)
			serving := map[int]bool{}
			for o := range 9 {
				serving[o] = rapid.Bool().Draw(t, "serves")
			}
			change := nextChange(config, planned, serving, 5, testHost)
			for _, m := range change.Joining {
				if _, present := config.Member(m.ID); !present && !serving[m.ID-1] {
					t.Fatalf("server %d joins and does not serve", m.ID)
				}
			}
			config = change.Apply(config)
			if len(config.Voters())%2 != 1 {
				t.Fatalf("%d voters after %+v", len(config.Voters()), change)
			}
		}
		all := map[int]bool{}
		for o := range 9 {
			all[o] = true
		}
		config = nextChange(config, planned, all, 5, testHost).Apply(config)
		if got, want := len(config.Voters()), votersOf(len(planned), 5); got != want {
			t.Fatalf("%d voters in the end, want %d", got, want)
		}
		if len(config.Members) != len(planned) {
			t.Fatalf("members %v in the end, want %v", config.Members, planned)
		}
		if change := nextChange(config, planned, all, 5, testHost); !change.Empty() {
			t.Fatalf("a second change after the last: %+v", change)
		}
	})
}
