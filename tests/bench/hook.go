package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

// warmUps are the hooks over each transport that do not count.
const warmUps = 3

// hookLimit is more than measuring hooks may take.
const hookLimit = 10 * time.Minute

// sample is what one hook took.
type sample struct {
	taken
	processes     int
	calls, writes int // of hook tools, and those among them that change something
}

// taken is what the launcher prints.
type taken struct {
	Wall, CPU time.Duration // CPU: user and system, with all processes that the charm waited for
	RSS       int64         // peak of the largest process, in kB
}

// series are the hooks over one transport.
type series struct {
	transport transport
	samples   []sample
	// requests to Pebble, and those among them that change something.
	requests, posts int
}

// compareHooks measures hooks of bookie/0, over both transports in turns.
func compareHooks(ctx context.Context, o options) error {
	ctx, cancel := context.WithTimeout(ctx, hookLimit)
	defer cancel()
	s, err := newStage(ctx, o, subject{
		address: "10.1.0.10",
		charm:   o.charm("bookie"), unit: "bookie/0", container: "bookie", model: bookiesModel,
		image: func(dir string) error {
			// In the place of Java there is a double.
			return errors.Join(
				copyFile("/proc/self/exe", filepath.Join(dir, "pulsar/bin", doubleName)),
				os.MkdirAll(filepath.Join(dir, "pulsar/conf"), 0o755),
			)
		},
	})
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.settle(ctx); err != nil {
		return fmt.Errorf("the bookie does not come to rest: %w", err)
	}
	all := []*series{{transport: socket}, {transport: fork}}
	for _, one := range all {
		for n := range warmUps + o.hooks {
			if n == warmUps {
				one.requests, one.posts = s.requests()
			}
			measured, err := s.configChanged(ctx, one.transport)
			if err != nil {
				return err
			}
			if n >= warmUps {
				one.samples = append(one.samples, measured)
			}
		}
		requests, posts := s.requests()
		one.requests, one.posts = requests-one.requests, posts-one.posts
	}
	if status := s.model.WorkloadStatus(s.unit); status.Name != juju.Active {
		return fmt.Errorf("the bookie is not at rest: %s: %s", status.Name, status.Message)
	}
	return printHooks(o, all)
}

// configChanged tells the model of a new pod, which makes config-changed run
// though no option has changed. The other hooks that it brings are only played.
func (s *stage) configChanged(ctx context.Context, over transport) (sample, error) {
	if err := s.model.PodUp(s.unit, model.PodInfo{Fresh: true}); err != nil {
		return sample{}, err
	}
	if err := s.model.ContainerUp(s.unit, s.container, s.boot); err != nil {
		return sample{}, err
	}
	var result sample
	for {
		next := s.model.Next(s.unit)
		if len(next) == 0 {
			break
		}
		c, err := s.model.Begin(s.unit, next[0])
		if err != nil {
			return sample{}, err
		}
		if c.Hook().Kind == juju.ConfigChanged {
			result, err = s.dispatch(ctx, c, over)
		} else {
			err = c.End(model.Outcome{})
		}
		if err != nil {
			return sample{}, err
		}
	}
	if result.Wall == 0 {
		return sample{}, fmt.Errorf("a new pod brought no config-changed")
	}
	return result, nil
}

func printHooks(o options, all []*series) error {
	t := newTable(fmt.Sprintf("One config-changed of bookie/0 (3 bookies, related) that changes nothing (%s)", machine()),
		"min / median of "+fmt.Sprint(o.hooks), string(all[0].transport), string(all[1].transport), "ratio")
	row := func(name string, value func(sample) time.Duration) {
		var cells []string
		var medians []float64
		for _, one := range all {
			var values []time.Duration
			for _, measured := range one.samples {
				values = append(values, value(measured))
			}
			slices.Sort(values)
			median := values[len(values)/2]
			medians = append(medians, float64(median))
			cells = append(cells, milliseconds(values[0])+" / "+milliseconds(median))
		}
		t.add(name, cells[0], cells[1], ratio(medians[1], medians[0]))
	}
	row("wall time, ms", func(s sample) time.Duration { return s.Wall })
	row("CPU of all its processes, ms", func(s sample) time.Duration { return s.CPU })
	each := func(name, format string, value func(*series) float64) {
		t.add(name, fmt.Sprintf(format, value(all[0])), fmt.Sprintf(format, value(all[1])), "")
	}
	each("peak memory of the largest, MB", "%.1f", func(one *series) (peak float64) {
		for _, measured := range one.samples {
			peak = max(peak, float64(measured.RSS)/1000)
		}
		return peak
	})
	mean := func(value func(sample) int) func(*series) float64 {
		return func(one *series) float64 {
			sum := 0
			for _, measured := range one.samples {
				sum += value(measured)
			}
			return float64(sum) / float64(len(one.samples))
		}
	}
	each("processes", "%.0f", mean(func(s sample) int { return s.processes }))
	each("hook tool calls", "%.0f", mean(func(s sample) int { return s.calls }))
	each("  of them writes", "%.0f", mean(func(s sample) int { return s.writes }))
	each("requests to Pebble", "%.0f", func(one *series) float64 { return float64(one.requests) / float64(len(one.samples)) })
	each("  of them writes", "%.0f", func(one *series) float64 { return float64(one.posts) / float64(len(one.samples)) })
	return t.print()
}
