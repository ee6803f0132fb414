package pebble

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// HashVariable is the environment variable in which Apply keeps Hash. A
// changed file changes it, so that anybody sees in the plan that the service
// runs on something else.
const HashVariable = "PULSAR_CHARMS_HASH"

// Desired is what a container should be. What it does not name is left alone:
// files, services of other layers, and services that an earlier Desired had
// (to stop one, keep it with Startup "disabled").
type Desired struct {
	// Label names the layer, e.g. "charm".
	Label string
	Files []File
	// Services shall run if their Startup is "enabled", and shall not
	// otherwise. Override may be empty: "replace".
	Services map[string]Service
	Checks   map[string]Check
	// RestartOn names, for a service, the paths among Files whose change
	// restarts it.
	RestartOn map[string][]string
	// Memory is the directory in the container where Apply remembers what the
	// processes were started with; it must not outlive them. Empty:
	// /run/pulsar-charms.
	Memory string
}

// Change is what Apply did; the zero value: nothing, no write was sent. All
// lists are sorted.
type Change struct {
	Files     []string // paths pushed
	Layer     bool     // the layer was sent
	Started   []string // services that did not run and were started
	Stopped   []string // services that ran and were stopped
	Restarted []string // services that ran and were started anew
}

// Nothing says whether Apply found everything as it should be.
func (c Change) Nothing() bool {
	return len(c.Files) == 0 && !c.Layer && len(c.Started) == 0 && len(c.Stopped) == 0 && len(c.Restarted) == 0
}

// Apply makes the container what d says, and says what it did, also when it
// fails. If nothing differs it only reads: the plan, the services, its memory
// and each file. Errors of a daemon that is away satisfy Unavailable; services
// that do not stay up for a second after Apply started them yield a
// *ChangeError. One that is in backoff is Pebble's to restart, and no error.
//
// Interrupted anywhere, the next Apply finishes: a process is trusted to run
// on what the plan says only if the memory, written after the daemon had
// answered, says so; else it is restarted. Somebody who starts a service by
// hand just then may cause a needless restart, never a missing one. Apply does not replan: Pebble's
// replan takes 5 to 75 ms even if nothing changed, starts what other layers
// enable, and starts services that are disabled if their configuration moved.
func Apply(ctx context.Context, p Pebble, d Desired) (Change, error) {
	a := applier{p: p, d: d}
	if err := a.check(); err != nil {
		return Change{}, err
	}
	err := a.run(ctx)
	return a.change, err
}

// applier is one Apply.
type applier struct {
	p      Pebble
	d      Desired
	want   Layer // with hashes
	plan   Layer
	now    map[string]ServiceInfo
	memory memory
	change Change
}

// check refuses what no daemon could carry out, before anything is written.
func (a *applier) check() error {
	if a.d.Label == "" {
		return errors.New("cannot apply a layer without label")
	}
	paths := make(map[string]bool, len(a.d.Files))
	for _, file := range a.d.Files {
		if paths[file.Path] {
			return fmt.Errorf("cannot apply file %q: it is desired twice", file.Path)
		}
		paths[file.Path] = true
	}
	for _, name := range slices.Sorted(maps.Keys(a.d.RestartOn)) {
		if _, ok := a.d.Services[name]; !ok {
			return fmt.Errorf("cannot restart service %q on files: it is not among the services", name)
		}
		for _, path := range a.d.RestartOn[name] {
			if !paths[path] {
				return fmt.Errorf("cannot restart service %q on file %q: it is not among the files", name, path)
			}
		}
	}
	return nil
}

func (a *applier) run(ctx context.Context) error {
	a.want = wanted(a.d)
	if err := a.observe(ctx); err != nil {
		return err
	}
	if err := a.forget(ctx); err != nil {
		return err
	}
	if err := a.files(ctx); err != nil {
		return err
	}
	if err := a.layer(ctx); err != nil {
		return err
	}
	return a.services(ctx)
}

// wanted is the layer of d as it is sent.
func wanted(d Desired) Layer {
	layer := WithOverride(Layer{Services: d.Services, Checks: d.Checks})
	for name, service := range layer.Services {
		service.Environment = maps.Clone(service.Environment)
		if service.Environment == nil {
			service.Environment = make(map[string]string, 1)
		}
		service.Environment[HashVariable] = Hash(d, name)
		layer.Services[name] = service
	}
	return layer
}

func (a *applier) observe(ctx context.Context) error {
	var err error
	if a.plan, err = a.p.Plan(ctx); err != nil {
		return fmt.Errorf("cannot read plan: %w", err)
	}
	if err := a.observeServices(ctx); err != nil {
		return err
	}
	content, err := a.p.Pull(ctx, a.memoryPath())
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("cannot read %s: %w", a.memoryPath(), err)
	default:
		// What cannot be read is as good as nothing: services restart once.
		if json.Unmarshal(content, &a.memory) != nil {
			a.memory = memory{}
		}
	}
	return nil
}

func (a *applier) observeServices(ctx context.Context) error {
	a.now = make(map[string]ServiceInfo)
	if len(a.want.Services) == 0 {
		return nil
	}
	infos, err := a.p.Services(ctx, slices.Sorted(maps.Keys(a.want.Services))...)
	if err != nil {
		return fmt.Errorf("cannot read services: %w", err)
	}
	for _, info := range infos {
		a.now[info.Name] = info
	}
	return nil
}

// forget drops, before the plan changes, what the memory says of each service
// that will change. So whatever the memory says of a process has been the
// plan's word since that process started: no crash, no undoing of an update
// that was cut short, and no earlier daemon can make it a lie.
func (a *applier) forget(ctx context.Context) error {
	changed := false
	for name, want := range a.want.Services {
		have, ok := a.plan.Services[name]
		remembered, known := a.memory.Services[name]
		switch {
		case !known || ok && sameService(want, have):
			continue
		case RunningHash(a.plan, name) != RunningHash(a.want, name):
			delete(a.memory.Services, name)
		default: // the process may stay
			a.memory.Services[name] = process{Process: remembered.Process}
		}
		changed = true
	}
	if !changed {
		return nil
	}
	return a.remember(ctx)
}

// files pushes what differs. What the memory says of such a file is dropped
// first, lest it be believed after a crash.
func (a *applier) files(ctx context.Context) error {
	attributes := make(map[string]string)
	var differing []File
	dropped := false
	for _, file := range a.d.Files {
		attribute := attributesOf(file)
		if attribute != "" {
			attributes[file.Path] = attribute
		}
		same, err := a.sameFile(ctx, file, attribute)
		if err != nil {
			return err
		}
		if same {
			continue
		}
		differing = append(differing, file)
		if _, ok := a.memory.Files[file.Path]; ok {
			delete(a.memory.Files, file.Path)
			dropped = true
		}
	}
	if dropped {
		if err := a.remember(ctx); err != nil {
			return err
		}
	}
	for _, file := range differing {
		if err := a.p.Push(ctx, file); err != nil {
			return fmt.Errorf("cannot push %s: %w", file.Path, err)
		}
		a.change.Files = append(a.change.Files, file.Path)
		slices.Sort(a.change.Files)
	}
	if maps.Equal(attributes, a.memory.Files) {
		return nil
	}
	a.memory.Files = attributes
	return a.remember(ctx)
}

// bigFile is the size from which a file is not read back but compared by what
// the memory says of it and its size.
const bigFile = 256 << 10

func (a *applier) sameFile(ctx context.Context, file File, attribute string) (bool, error) {
	if a.memory.Files[file.Path] != attribute {
		return false, nil
	}
	if len(file.Content) >= bigFile {
		infos, err := a.p.ListFiles(ctx, file.Path, true)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("cannot look at %s: %w", file.Path, err)
		}
		return len(infos) == 1 && infos[0].Mode.IsRegular() && infos[0].Size == int64(len(file.Content)), nil
	}
	content, err := a.p.Pull(ctx, file.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot read %s: %w", file.Path, err)
	}
	return bytes.Equal(content, file.Content), nil
}

// layer sends the layer if the plan is not what it would make of it.
func (a *applier) layer(ctx context.Context) error {
	same := true
	for name, service := range a.want.Services {
		have, ok := a.plan.Services[name]
		same = same && ok && sameService(service, have)
	}
	for name, check := range a.want.Checks {
		have, ok := a.plan.Checks[name]
		same = same && ok && sameCheck(check, have)
	}
	if same {
		return nil
	}
	if err := a.p.AddLayer(ctx, a.d.Label, a.want); err != nil {
		return fmt.Errorf("cannot add layer %q: %w", a.d.Label, err)
	}
	a.change.Layer = true
	return nil
}

// services stops what shall not run, and starts what does not run, or runs on
// something else.
func (a *applier) services(ctx context.Context) error {
	var stop, start, adopt []string
	for _, name := range slices.Sorted(maps.Keys(a.want.Services)) {
		remembered := a.memory.Services[name]
		wanted := a.want.Services[name]
		current := a.now[name].Current
		up := current == "active" || current == "backoff"
		switch {
		case wanted.Startup != "enabled":
			if up {
				stop = append(stop, name)
			}
		case !up:
			start = append(start, name)
			a.change.Started = append(a.change.Started, name)
		case remembered.Process != RunningHash(a.want, name),
			remembered.Config != configHash(wanted) && current == "backoff":
			start = append(start, name)
			a.change.Restarted = append(a.change.Restarted, name)
		case remembered.Config != configHash(wanted):
			adopt = append(adopt, name)
		}
	}
	if len(stop) > 0 {
		if err := a.p.Stop(ctx, stop...); err != nil {
			return fmt.Errorf("cannot stop %s: %w", strings.Join(stop, ", "), err)
		}
		a.change.Stopped = stop
	}
	if len(adopt) > 0 {
		// Start of a running service leaves its process alone, and makes the
		// daemon use the plan's configuration (say, on-failure) from now on.
		if err := a.p.Start(ctx, adopt...); err != nil {
			return fmt.Errorf("cannot update %s: %w", strings.Join(adopt, ", "), err)
		}
	}
	if len(start) == 0 && len(adopt) == 0 {
		return nil
	}
	var failed error
	if len(start) > 0 {
		// Restart rather than start: one in backoff or error would keep its
		// old configuration if another's failure holds its start back.
		failed = a.p.Restart(ctx, start...)
		if failed != nil {
			a.change.Started, a.change.Restarted = nil, nil
			failed = fmt.Errorf("cannot start %s: %w", strings.Join(start, ", "), failed)
			if !errors.As(failed, new(*ChangeError)) {
				return failed
			}
		}
	}
	if err := a.started(ctx, append(start, adopt...), failed != nil); err != nil {
		return errors.Join(failed, err)
	}
	return failed
}

// started remembers what the processes run on, once the daemon had answered.
// After a failure only those count that are not inactive: the daemon had
// stopped all before it started any, so they have the new configuration.
func (a *applier) started(ctx context.Context, names []string, failed bool) error {
	if failed {
		if err := a.observeServices(ctx); err != nil {
			return err
		}
	}
	for _, name := range names {
		if failed && a.now[name].Current == "inactive" {
			delete(a.memory.Services, name)
			continue
		}
		if a.memory.Services == nil {
			a.memory.Services = make(map[string]process)
		}
		a.memory.Services[name] = process{
			Process: RunningHash(a.want, name),
			Config:  configHash(a.want.Services[name]),
		}
	}
	return a.remember(ctx)
}
