package model

import (
	"fmt"
	"testing"
)

// cycle makes a model of one application whose units write and read their
// peers' databags without end.
func cycle(tb testing.TB, units int) *Model {
	tb.Helper()
	m := New(Options{Name: "bench"})
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
