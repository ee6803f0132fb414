package account

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// found is one message at its place in a partition.
type found struct {
	run       string
	number    uint64
	partition int
}

func upTo(run string, last uint64) []found {
	var list []found
	for n := uint64(1); n <= last; n++ {
		list = append(list, found{run, n, 0})
	}
	return list
}

func TestAccount(t *testing.T) {
	t.Parallel()
	ended := func(run string, n uint64) Record {
		return Record{Run: run, Sent: n, Acked: Ranges{{1, n}}, Ended: true}
	}
	for _, test := range []struct {
		name     string
		records  []Record
		messages []found
		want     Report
	}{
		{"nothing was ever sent", nil, nil, Report{}},
		{"everything arrived", []Record{ended("a", 100)}, upTo("a", 100),
			Report{Runs: 1, Sent: 100, Acked: 100, Received: 100}},
		{"two acknowledged messages are missing", []Record{ended("a", 6)},
			[]found{{"a", 1, 0}, {"a", 2, 0}, {"a", 5, 0}, {"a", 6, 0}},
			Report{Runs: 1, Sent: 6, Acked: 6, Received: 4, Lost: 2, Missing: []string{"a: 3-4"}}},
		{"an empty topic has lost all", []Record{ended("a", 6)}, nil,
			Report{Runs: 1, Sent: 6, Acked: 6, Lost: 6, Missing: []string{"a: 1-6"}}},
		{"not acknowledged and not there is no loss", []Record{{Run: "a", Sent: 5, Acked: Ranges{{1, 3}}}}, upTo("a", 3),
			Report{Runs: 1, Sent: 5, Acked: 3, Received: 3}},
		{"not acknowledged but there is received", []Record{{Run: "a", Sent: 5, Acked: Ranges{{1, 3}}}}, upTo("a", 5),
			Report{Runs: 1, Sent: 5, Acked: 3, Received: 5}},
		{"a crash left the journal behind what was sent", []Record{{Run: "a", Sent: 3, Acked: Ranges{{1, 3}}}}, upTo("a", 5),
			Report{Runs: 1, Sent: 5, Acked: 3, Received: 5}},
		{"a live run is taken as it was when the check began", []Record{{Run: "a", Sent: 3, Acked: Ranges{{1, 3}}, Live: true}}, upTo("a", 5),
			Report{Runs: 1, Sent: 3, Acked: 3, Received: 3}},
		{"sent again after a lost connection", []Record{ended("a", 3)},
			[]found{{"a", 1, 0}, {"a", 2, 0}, {"a", 3, 0}, {"a", 2, 0}, {"a", 3, 0}},
			Report{Runs: 1, Sent: 3, Acked: 3, Received: 3, Duplicates: 2}},
		{"out of order within a partition only", []Record{ended("a", 5)},
			[]found{{"a", 2, 0}, {"a", 1, 1}, {"a", 5, 0}, {"a", 3, 0}, {"a", 4, 1}},
			Report{Runs: 1, Sent: 5, Acked: 5, Received: 5, OutOfOrder: 1}},
		{"producers with equal numbers do not mix", []Record{ended("a", 2), ended("b", 2)},
			[]found{{"a", 1, 0}, {"b", 1, 0}, {"b", 2, 0}},
			Report{Runs: 2, Sent: 4, Acked: 4, Received: 3, Lost: 1, Missing: []string{"a: 2"}}},
		{"messages of others", []Record{ended("a", 1)},
			[]found{{"", 0, 0}, {"a", 1, 0}, {"other", 7, 0}, {"a", 0, 0}, {"a", 1 << 60, 0}},
			Report{Runs: 1, Sent: 1, Acked: 1, Received: 1, Foreign: 4}},
		{"the longest pause of all runs", []Record{{Run: "a", Pause: time.Second}, {Run: "b", Pause: 3 * time.Second}}, nil,
			Report{Runs: 2, LongestPauseMS: 3000}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			account := New(test.records)
			for _, m := range test.messages {
				account.Receive(m.run, m.number, m.partition)
			}
			if diff := cmp.Diff(test.want, account.Report()); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

// A set of ranges is the same set as a map of its numbers.
func TestRanges(t *testing.T) {
	t.Parallel()
	set := func(rs Ranges) map[uint64]bool {
		m := map[uint64]bool{}
		for i, r := range rs {
			if i > 0 && rs[i-1].Last+1 >= r.First {
				t.Fatalf("ranges touch: %v", rs)
			}
			for n := r.First; n <= r.Last; n++ {
				m[n] = true
			}
		}
		return m
	}
	rapid.Check(t, func(t *rapid.T) {
		build := func(label string) (Ranges, map[uint64]bool) {
			var rs Ranges
			want := map[uint64]bool{}
			for range rapid.IntRange(0, 20).Draw(t, label) {
				first := rapid.Uint64Range(1, 60).Draw(t, "first")
				last := first + rapid.Uint64Range(0, 8).Draw(t, "length")
				rs.Add(Range{first, last})
				for n := first; n <= last; n++ {
					want[n] = true
				}
			}
			return rs, want
		}
		a, inA := build("a")
		b, inB := build("b")
		if diff := cmp.Diff(inA, set(a)); diff != "" {
			t.Fatalf("Add (-want +got):\n%s", diff)
		}
		if got := a.Count(); got != uint64(len(inA)) {
			t.Fatalf("Count of %v: got %d", a, got)
		}
		limit := rapid.Uint64Range(0, 70).Draw(t, "limit")
		rest, below := map[uint64]bool{}, map[uint64]bool{}
		for n := range inA {
			if !inB[n] {
				rest[n] = true
			}
			if n <= limit {
				below[n] = true
			}
		}
		if diff := cmp.Diff(rest, set(a.Minus(b))); diff != "" {
			t.Fatalf("%v minus %v (-want +got):\n%s", a, b, diff)
		}
		if diff := cmp.Diff(below, set(a.UpTo(limit))); diff != "" {
			t.Fatalf("%v up to %d (-want +got):\n%s", a, limit, diff)
		}
	})
}
