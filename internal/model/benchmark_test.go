package model

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// cycle makes a model of one application whose units write and read their
// peers' databags without end.
func cycle(tb testing.TB, units int) *Model {
	tb.Helper()
	m := New(Options{Name: "bench"})
	m.SetTime("25 Nov 2026 18:00:00Z")
	charm := &Charm{
		Name:      "app",
		Endpoints: []Endpoint{{Name: "peers", Role: Peer, Interface: "peers"}},
		Options:   map[string]Option{"a": {Type: "int", Default: int64(1)}, "b": {Type: "string", Default: "x"}},
	}
	if err := m.Deploy(DeployArgs{Charm: charm, Units: units}); err != nil {
		tb.Fatal(err)
	}
	for i, unit := range m.Units() {
		if err := m.PodUp(unit, PodInfo{Address: fmt.Sprintf("10.1.0.%d", i+1), Fresh: true}); err != nil {
			tb.Fatal(err)
		}
	}
	for ready := m.Ready(); len(ready) > 0; ready = m.Ready() {
		for _, unit := range ready {
			c, err := m.Begin(unit, m.Next(unit)[0])
			if err != nil {
				tb.Fatal(err)
			}
			if err := c.End(Outcome{}); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return m
}

// BenchmarkHookCycle is one hook: choose it, begin, nine hook tools as a charm
// would call, end. Each hook's write causes the next.
func BenchmarkHookCycle(b *testing.B) {
	for _, units := range []int{3, 30, 300} {
		b.Run(fmt.Sprintf("units=%d", units), func(b *testing.B) {
			m := cycle(b, units)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				unit := fmt.Sprintf("app/%d", i%units)
				if len(m.Next(unit)) == 0 {
					if err := m.UpdateStatusDue(unit); err != nil {
						b.Fatal(err)
					}
				}
				c, err := m.Begin(unit, m.Next(unit)[0])
				if err != nil {
					b.Fatal(err)
				}
				for _, call := range [][]string{
					{"is-leader", "--format=json"}, {"config-get", "--format=json"}, {"relation-ids", "peers", "--format=json"},
					{"relation-list", "-r", "peers:0", "--format=json"}, {"relation-get", "-r", "peers:0", "--format=json", "-", unit},
					{"state-get", "--format=json"}, {"network-get", "peers", "--format=json"},
					{"status-set", "active", ""}, {"relation-set", "-r", "peers:0", fmt.Sprintf("n=%d", i)},
				} {
					if code, _, errOut, _ := c.Run(call[0], call[1:], nil, false, nil); code != 0 {
						b.Fatalf("%v: %s", call, errOut)
					}
				}
				if err := c.End(Outcome{}); err != nil {
					b.Fatal(err)
				}
				m.Ready()
			}
		})
	}
}

// BenchmarkTwentyCalls is a hook of a charm with a peer relation of ten units:
// 20 hook tools, four of them writing.
func BenchmarkTwentyCalls(b *testing.B) {
	const units = 10
	m := cycle(b, units)
	var calls [][]string
	for _, line := range []string{
		"is-leader --format=json", "config-get --format=json", "state-get --format=json", "goal-state --format=json",
		"network-get peers --format=json", "relation-ids --format=json -- peers", "relation-list --format=json -r peers:0",
		"opened-ports --format=json", "storage-list --format=json", "relation-set -r peers:0 n=%d", "state-set n=%d",
		"status-set -- active ready", "application-version-set 4.0.1",
	} {
		calls = append(calls, strings.Fields(line))
	}
	for i := range 7 {
		calls = append(calls, strings.Fields(fmt.Sprintf("relation-get --format=json -r peers:0 -- - app/%d", i)))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		unit := m.Units()[i%units]
		if len(m.Next(unit)) == 0 {
			if err := m.UpdateStatusDue(unit); err != nil {
				b.Fatal(err)
			}
		}
		c, err := m.Begin(unit, m.Next(unit)[0])
		if err != nil {
			b.Fatal(err)
		}
		for _, call := range calls {
			args := call[1:]
			if last := len(args) - 1; strings.HasSuffix(args[last], "=%d") {
				args = append(slices.Clone(args[:last]), fmt.Sprintf(args[last], i))
			}
			if code, _, errOut, _ := c.Run(call[0], args, nil, false, nil); code != 0 {
				b.Fatalf("%v: %s", call, errOut)
			}
		}
		if err := c.End(Outcome{}); err != nil {
			b.Fatal(err)
		}
		m.Ready()
	}
}
