package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/tests/conformance"
)

// The charms of tests/conformance, at the same state: one in Python on ops,
// the other in Go on internal/ops, which reaches the agent in two ways.
const (
	twinUnit      = "alpha/0"
	twinContainer = "work"
	opsForks      = "ops"
	goForks       = "Go, forked tools"
	goSocket      = "Go, agent's socket"
)

var racers = []string{opsForks, goForks, goSocket}

// raceUnits are how many units each of the two relations has.
var raceUnits = []int{3, 10, 50}

// pastChanges is how many changes an aged Pebble keeps: no more.
const pastChanges = 1000

// heat is one line of the race: the same hook by all racers.
type heat struct {
	units int
	aged  bool
	by    map[string]*series
	// pebble is the processor time of the container's Pebble for one hook.
	pebble map[string]time.Duration
}

func (h heat) name() string {
	if h.aged {
		return fmt.Sprintf("%d, aged Pebble", h.units)
	}
	return fmt.Sprint(h.units)
}

// packRacers packs both charms. It has to be done where registries are in
// reach, not in the machine of the race.
func packRacers(ctx context.Context, o options) error {
	return errors.Join(conformance.PackPython(ctx, ".", o.racer("python")), conformance.PackGo(ctx, ".", o.racer("go")))
}

// racer is the charm in a language.
func (o options) racer(language string) string {
	return filepath.Join(o.build, "race-"+language+".charm")
}

// race lets the charms run one update-status in turns, so that what else runs
// on the machine hits all of them.
func race(ctx context.Context, o options) error {
	python, golang := o.racer("python"), o.racer("go")
	var heats []heat
	for n, units := range raceUnits {
		run, err := raceWith(ctx, o, units, n == 0, python, golang)
		if err != nil {
			return fmt.Errorf("with %d related units: %w", units, err)
		}
		heats = append(heats, run...)
	}
	if err := errors.Join(printRace(o, heats), printArchives(python, golang)); err != nil {
		return err
	}
	return printStart(ctx, o, python, golang)
}

// raceWith makes a unit with so many peers, and so many units to require
// from, for each of the two charms.
func raceWith(ctx context.Context, o options, units int, age bool, python, golang string) ([]heat, error) {
	stages := map[string]*stage{}
	for _, racer := range []struct{ name, archive, address string }{
		{opsForks, python, "10.1.0.10"}, {goSocket, golang, "10.1.0.11"},
	} {
		s, err := newStage(ctx, o, subject{
			charm: racer.archive, unit: twinUnit, container: twinContainer, address: racer.address,
			image: func(string) error { return nil },
			model: func(charm *model.Charm) (*model.Model, error) { return twinModel(charm, units) },
		})
		if err != nil {
			return nil, err
		}
		defer s.close()
		stages[racer.name] = s
	}
	stages[goForks] = stages[goSocket]
	fresh, err := runHeat(ctx, o, stages, heat{units: units})
	if err != nil || !age {
		return []heat{fresh}, err
	}
	if err := ageTogether(ctx, stages[opsForks], stages[goSocket]); err != nil {
		return nil, err
	}
	aged, err := runHeat(ctx, o, stages, heat{units: units, aged: true})
	return []heat{fresh, aged}, err
}

// twinModel is a unit that is no leader in the midst of its life.
func twinModel(charm *model.Charm, units int) (*model.Model, error) {
	seed := model.Seed{
		Options: model.Options{Name: "bench"}, Now: "01 Jan 2026 00:00:00Z", Charm: charm, App: "alpha",
		Address: "10.1.0.10", ServiceAddress: "10.152.183.10",
		Config:     map[string]any{"lines": "# a line\n", "bare": "value"},
		Status:     juju.Status{Name: juju.Active},
		Storages:   []model.Storage{{ID: "data/0", Name: "data", Kind: "filesystem", Location: "/data", Provisioned: true, Attached: true}},
		Containers: []string{twinContainer},
	}
	peers, remotes := map[int]map[string]string{}, map[int]map[string]string{}
	for n := range units + 1 {
		seed.Units = append(seed.Units, n)
		if n > 0 {
			peers[n] = map[string]string{"greeting": fmt.Sprintf("hello from alpha/%d", n)}
			remotes[n-1] = map[string]string{"port": fmt.Sprint(8000 + n)}
		}
	}
	seed.Relations = []model.SeedRelation{
		{ID: 0, Endpoint: "cluster", App: "alpha", Remote: peers, AppData: map[string]string{"text": "hello", "planned": fmt.Sprint(units + 1)}},
		{ID: 1, Endpoint: "sink", App: "beta", Remote: remotes, RemoteAppData: map[string]string{"text": "good day"}},
	}
	return seed.Model()
}

// updateStatus runs the hook that tells nothing new. What comes before it is
// only played.
func (s *stage) updateStatus(ctx context.Context, over transport) (sample, error) {
	for {
		if err := s.model.UpdateStatusDue(s.unit); err != nil {
			return sample{}, err
		}
		next := s.model.Next(s.unit)
		if len(next) == 0 {
			return sample{}, errors.New("no update-status comes")
		}
		c, err := s.model.Begin(s.unit, next[0])
		if err != nil {
			return sample{}, err
		}
		if c.Hook().Kind == juju.UpdateStatus {
			return s.dispatch(ctx, c, over)
		}
		if err := c.End(model.Outcome{}); err != nil {
			return sample{}, err
		}
	}
}

// over is how a racer reaches the agent. The tools that ops forks find the
// socket themselves.
func over(racer string) transport {
	if racer == goForks {
		return fork
	}
	return socket
}

func runHeat(ctx context.Context, o options, stages map[string]*stage, h heat) (heat, error) {
	h.by, h.pebble = map[string]*series{}, map[string]time.Duration{}
	for _, racer := range racers {
		h.by[racer] = &series{transport: over(racer)}
	}
	for n := range warmUps + o.hooks {
		for _, racer := range racers {
			s, one := stages[racer], h.by[racer]
			before, err := s.pebbleTime()
			if err != nil {
				return h, err
			}
			measured, err := s.updateStatus(ctx, over(racer))
			if err != nil {
				return h, fmt.Errorf("%s: %w", racer, err)
			}
			if n < warmUps {
				continue
			}
			if racer == opsForks {
				measured.processes = 1 + measured.calls
			}
			one.samples = append(one.samples, measured)
			after, err := s.pebbleTime()
			if err != nil {
				return h, err
			}
			h.pebble[racer] += (after - before) / time.Duration(o.hooks)
		}
	}
	// What Pebble is asked is the same in each hook: one tells it.
	for _, racer := range racers {
		s, one := stages[racer], h.by[racer]
		requests, posts := s.requests()
		if _, err := s.updateStatus(ctx, over(racer)); err != nil {
			return h, err
		}
		one.requests, one.posts = s.requests()
		one.requests, one.posts = one.requests-requests, one.posts-posts
		if status := s.model.WorkloadStatus(s.unit); status.Name != juju.Active {
			return h, fmt.Errorf("%s is not at rest: %s: %s", racer, status.Name, status.Message)
		}
	}
	return h, nil
}

// pebbleTime is the processor time that the container's Pebble has used.
func (s *stage) pebbleTime() (time.Duration, error) {
	pid, err := s.pod.PebblePID(s.container)
	if err != nil {
		return 0, err
	}
	p, ok := readProcess(fmt.Sprintf("/proc/%d/stat", pid))
	if !ok {
		return 0, fmt.Errorf("there is no process %d", pid)
	}
	return p.own, nil
}

// ageTogether gives Pebbles as many past changes as they keep.
func ageTogether(ctx context.Context, stages ...*stage) error {
	fmt.Fprintf(os.Stderr, "bench: aging Pebble by %d changes\n", pastChanges)
	done := make(chan error, len(stages))
	for _, s := range stages {
		go func() {
			client := pebble.NewClient(s.pod.PebbleSocket(s.container))
			defer client.Close()
			for range pastChanges {
				if err := client.Replan(ctx); err != nil {
					done <- fmt.Errorf("cannot age Pebble: %w", err)
					return
				}
			}
			done <- nil
		}()
	}
	var errs []error
	for range stages {
		errs = append(errs, <-done)
	}
	return errors.Join(errs...)
}

// started is what it takes to start a process and load what its charm needs.
func started(ctx context.Context, count int, program string, args, env []string) (wall, cpu []time.Duration, err error) {
	for n := range warmUps + count {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env = env
		begun := time.Now()
		if output, err := cmd.CombinedOutput(); err != nil {
			return nil, nil, fmt.Errorf("cannot run %s: %w\n%s", program, err, output)
		}
		if n < warmUps {
			continue
		}
		wall = append(wall, time.Since(begun))
		used := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		cpu = append(cpu, time.Duration(used.Utime.Nano()+used.Stime.Nano()))
	}
	slices.Sort(wall)
	slices.Sort(cpu)
	return wall, cpu, nil
}

// printStart measures processes that start and end: Python with ops imported,
// and the charm in Go, which ends at once for a hook that it does not know.
func printStart(ctx context.Context, o options, python, golang string) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for name, archive := range map[string]string{"python": python, "go": golang} {
		if _, err := unpack(archive, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	t := newTable("Start alone: min / median, ms", "process", "wall", "CPU")
	for _, p := range []struct {
		name, program string
		args, env     []string
	}{
		{"python3 -c pass", "/usr/bin/python3", []string{"-c", "pass"}, nil},
		{"python3 -c 'import ops'", "/usr/bin/python3", []string{"-c", "import ops"}, []string{"PYTHONPATH=" + filepath.Join(dir, "python/venv")}},
		{"Go charm, unknown hook", filepath.Join(dir, "go/dispatch"), nil, unknownHook(dir)},
	} {
		wall, cpu, err := started(ctx, o.hooks, p.program, p.args, p.env)
		if err != nil {
			return err
		}
		t.add(p.name, spread(wall), spread(cpu))
	}
	return t.print()
}

// unknownHook is the environment of a hook of a Juju to come.
func unknownHook(dir string) []string {
	return juju.Environment{
		Hook: juju.Hook{Kind: "from-the-future"}, UnitName: twinUnit, ModelName: "bench", ModelUUID: "00000000-0000-0000-0000-000000000000",
		Version: juju.Version{Major: 3, Minor: 6}, CharmDir: dir, ContextID: "bench", AgentSocketAddress: dir + "/none", AgentSocketNetwork: "unix",
	}.Environ()
}
