package main

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// bars are the aims of the race, for its first and last heat: CPU and wall
// time of ops over that of Go at the agent's socket.
var bars = map[int]struct{ cpu, wall float64 }{3: {30, 20}, 50: {40, 25}}

// sorted are one figure of all hooks.
func (one *series) sorted(value func(sample) time.Duration) []time.Duration {
	var all []time.Duration
	for _, s := range one.samples {
		all = append(all, value(s))
	}
	slices.Sort(all)
	return all
}

func (one *series) wall() []time.Duration {
	return one.sorted(func(s sample) time.Duration { return s.Wall })
}
func (one *series) cpu() []time.Duration {
	return one.sorted(func(s sample) time.Duration { return s.CPU })
}

func (one *series) mean(value func(sample) int) float64 {
	sum := 0
	for _, s := range one.samples {
		sum += value(s)
	}
	return float64(sum) / float64(len(one.samples))
}

// peak is the memory of the largest process, in MB.
func (one *series) peak() (peak float64) {
	for _, s := range one.samples {
		peak = max(peak, float64(s.RSS)/1000)
	}
	return peak
}

func median(sorted []time.Duration) time.Duration { return sorted[len(sorted)/2] }

func spread(sorted []time.Duration) string {
	return milliseconds(sorted[0]) + " / " + milliseconds(median(sorted))
}

// times says how often one time holds the other, by their medians.
func times(more, less []time.Duration) string {
	return fmt.Sprintf("%.0f×", float64(median(more))/float64(median(less)))
}

func printRace(o options, heats []heat) error {
	t := newTable(fmt.Sprintf("One update-status that changes nothing, by the same charm: min / median of %d (%s)", o.hooks, machine()),
		"related units", "charm", "wall, ms", "less", "CPU, ms", "less", "memory, MB", "processes", "tool calls", "writes", "Pebble requests", "writes", "Pebble CPU, ms")
	for _, h := range heats {
		slow := h.by[opsForks]
		for _, racer := range racers {
			one := h.by[racer]
			t.add(h.name(), racer, spread(one.wall()), times(slow.wall(), one.wall()), spread(one.cpu()), times(slow.cpu(), one.cpu()),
				fmt.Sprintf("%.1f", one.peak()),
				fmt.Sprintf("%.0f", one.mean(func(s sample) int { return s.processes })),
				fmt.Sprintf("%.0f", one.mean(func(s sample) int { return s.calls })),
				fmt.Sprintf("%.0f", one.mean(func(s sample) int { return s.writes })),
				fmt.Sprint(one.requests), fmt.Sprint(one.posts), milliseconds(h.pebble[racer]))
		}
	}
	for _, h := range heats {
		bar, ok := bars[h.units]
		if !ok || h.aged {
			continue
		}
		slow, fast := h.by[opsForks], h.by[goSocket]
		t.note("%d units: CPU 1/%.0f of that of ops (aim 1/%.0f), wall 1/%.0f (aim 1/%.0f).", h.units,
			float64(median(slow.cpu()))/float64(median(fast.cpu())), bar.cpu,
			float64(median(slow.wall()))/float64(median(fast.wall())), bar.wall)
	}
	few, many := heats[len(heats)-2], heats[len(heats)-1]
	for _, racer := range racers {
		units := float64(many.units - few.units)
		slope := func(a, b []time.Duration) float64 { return float64((b[0] - a[0]).Microseconds()) / 1000 / units }
		t.note("One more unit in each relation, %s: wall %.2f ms, CPU %.2f ms (%d → %d units, minima).", racer,
			slope(few.by[racer].wall(), many.by[racer].wall()), slope(few.by[racer].cpu(), many.by[racer].cpu()), few.units, many.units)
	}
	return t.print()
}

// printArchives shows what the racers weigh as packed charms.
func printArchives(python, golang string) error {
	t := newTable("The racers as packed charms", "charm", "MB")
	for _, charm := range []struct{ name, file string }{{"ops, with byte code", python}, {"Go", golang}} {
		info, err := os.Stat(charm.file)
		if err != nil {
			return err
		}
		t.add(charm.name, fmt.Sprintf("%.1f", float64(info.Size())/1e6))
	}
	return t.print()
}
