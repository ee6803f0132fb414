package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
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
	// With "merge" what is set lies over what the image's layers have.
	Services   map[string]Service
	Checks     map[string]Check
	LogTargets map[string]LogTarget
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
	p        Pebble
	d        Desired
	services []desiredService // sorted by name
	plan     Layer
	now      []ServiceInfo
	memory   memory
	change   Change
}

type desiredService struct {
	name string
	Service
	hash   string // Hash
	config string // of all that the daemon keeps
}

// enabled says whether the service shall run: one that merges and says nothing
// about it as the plan has it.
func (a *applier) enabled(s desiredService) bool {
	startup := s.Startup
	if startup == "" && s.Override == "merge" {
		startup = a.plan.Services[s.name].Startup
	}
	return startup == "enabled"
}

// check refuses what no daemon could carry out, before anything is asked.
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
	// The order of refusals does not matter where there is none.
	for name, files := range a.d.RestartOn {
		_, ok := a.d.Services[name]
		if !ok || slices.ContainsFunc(files, func(path string) bool { return !paths[path] }) {
			return a.badRestart(paths)
		}
	}
	return nil
}

func (a *applier) badRestart(paths map[string]bool) error {
	for _, name := range sortedNames(a.d.RestartOn) {
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
	a.want()
	if err := a.observe(ctx); err != nil {
		return err
	}
	same := a.sameLayer()
	if !same {
		if err := a.validate(); err != nil {
			return fmt.Errorf("cannot add layer %q: %w", a.d.Label, err)
		}
	}
	if err := a.forget(ctx); err != nil {
		return err
	}
	if err := a.files(ctx); err != nil {
		return err
	}
	if !same {
		if err := a.p.AddLayer(ctx, a.d.Label, a.layer()); err != nil {
			return fmt.Errorf("cannot add layer %q: %w", a.d.Label, err)
		}
		a.change.Layer = true
	}
	return a.startAndStop(ctx)
}

func (a *applier) want() {
	a.services = make([]desiredService, 0, len(a.d.Services))
	sum := sum{text: make([]byte, 0, 1024), keys: make([]string, 0, 16)}
	for _, name := range sortedNames(a.d.Services) {
		service := a.d.Services[name]
		a.services = append(a.services, desiredService{name, service, sum.process(a.d, name, service), sum.config(service)})
	}
}

// layer is the layer of d as it is sent.
func (a *applier) layer() Layer {
	services := make(map[string]Service, len(a.services))
	for _, s := range a.services {
		environment := maps.Clone(s.Environment)
		if environment == nil {
			environment = make(map[string]string, 1)
		}
		environment[HashVariable] = s.hash
		s.Environment = environment
		services[s.name] = s.Service
	}
	return WithOverride(Layer{Services: services, Checks: a.d.Checks, LogTargets: a.d.LogTargets})
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
		a.memory = parseMemory(content)
	}
	return nil
}

func (a *applier) observeServices(ctx context.Context) error {
	if len(a.services) == 0 {
		return nil
	}
	names := make([]string, 0, len(a.services))
	for _, s := range a.services {
		names = append(names, s.name)
	}
	infos, err := a.p.Services(ctx, names...)
	if err != nil {
		return fmt.Errorf("cannot read services: %w", err)
	}
	a.now = infos
	return nil
}

// current is the service's state in Pebble; "" if the plan lacks it.
func (a *applier) current(name string) string {
	for _, info := range a.now {
		if info.Name == name {
			return info.Current
		}
	}
	return ""
}

// sameLayer says whether the plan is what the layer would make of it.
func (a *applier) sameLayer() bool {
	for _, s := range a.services {
		have, ok := a.plan.Services[s.name]
		if !ok || !sameService(s.Service, s.hash, have) {
			return false
		}
	}
	for name, check := range a.d.Checks {
		have, ok := a.plan.Checks[name]
		if !ok || !sameCheck(check, have) {
			return false
		}
	}
	for name, target := range a.d.LogTargets {
		have, ok := a.plan.LogTargets[name]
		if !ok || !sameLogTarget(target, have) {
			return false
		}
	}
	return true
}

// validate refuses a layer that Pebble would refuse, before anything is
// written.
func (a *applier) validate() error {
	layer := a.layer()
	if err := layer.Validate(a.d.Label); err != nil {
		return err
	}
	return ValidatePlan(Combine(a.plan, layer))
}

// forget drops, before the plan changes, what the memory says of each service
// that will change. So whatever the memory says of a process has been the
// plan's word since that process started: no crash, no undoing of an update
// that was cut short, and no earlier daemon can make it a lie.
func (a *applier) forget(ctx context.Context) error {
	changed := false
	for _, s := range a.services {
		have, ok := a.plan.Services[s.name]
		remembered, known := a.memory.services[s.name]
		switch {
		case !known || ok && sameService(s.Service, s.hash, have):
			continue
		case RunningHash(a.plan, s.name) != s.hash:
			delete(a.memory.services, s.name)
		default: // the process may stay
			a.memory.services[s.name] = origin{process: remembered.process}
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
	var attributes map[string]string
	var differing []File
	dropped := false
	for _, file := range a.d.Files {
		attribute := attributesOf(file)
		if attribute != "" {
			set(&attributes, file.Path, attribute)
		}
		same, err := a.sameFile(ctx, file, attribute)
		if err != nil {
			return err
		}
		if same {
			continue
		}
		differing = append(differing, file)
		if _, ok := a.memory.files[file.Path]; ok {
			delete(a.memory.files, file.Path)
			dropped = true
		}
	}
	if dropped {
		if err := a.remember(ctx); err != nil {
			return err
		}
	}
	for _, file := range differing {
		if err := a.clean(ctx, file.Path); err != nil {
			return err
		}
		if err := a.p.Push(ctx, file); err != nil {
			return fmt.Errorf("cannot push %s: %w", file.Path, err)
		}
		a.change.Files = append(a.change.Files, file.Path)
		slices.Sort(a.change.Files)
	}
	if maps.Equal(attributes, a.memory.files) {
		return nil
	}
	a.memory.files = attributes
	return a.remember(ctx)
}

// literal escapes a name for path.Match. Pebble writes none with a star.
var literal = strings.NewReplacer(`\`, `\\`, `?`, `\?`, `[`, `\[`)

// clean removes what a daemon left that died while it wrote the file: the file
// then differs, so it is done here, and costs nothing where nothing differs.
func (a *applier) clean(ctx context.Context, file string) error {
	keeper, err := As[FileKeeper](a.p)
	if err != nil {
		return nil // a test's wrapper; it leaves nothing
	}
	infos, err := keeper.FindFiles(ctx, path.Dir(file), literal.Replace(path.Base(file))+".[0-9]*~")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot list %s: %w", path.Dir(file), err)
	}
	for _, info := range infos {
		if leftoverOf(info.Path) != file {
			continue
		}
		if err := keeper.RemoveOne(ctx, info.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot remove %s: %w", info.Path, err)
		}
	}
	return nil
}

// bigFile is the size from which a file is not read back but compared by what
// the memory says of it and its size.
const bigFile = 256 << 10

func (a *applier) sameFile(ctx context.Context, file File, attribute string) (bool, error) {
	if a.memory.files[file.Path] != attribute {
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

// startAndStop stops what shall not run, and starts what does not run, or runs
// on something else.
func (a *applier) startAndStop(ctx context.Context) error {
	var stop, start, adopt []string
	for _, s := range a.services {
		remembered := a.memory.services[s.name]
		current := a.current(s.name)
		up := current == "active" || current == "backoff"
		switch {
		case !a.enabled(s):
			if up {
				stop = append(stop, s.name)
			}
		case !up:
			start = append(start, s.name)
			a.change.Started = append(a.change.Started, s.name)
		case remembered.process != s.hash, remembered.config != s.config && current == "backoff":
			start = append(start, s.name)
			a.change.Restarted = append(a.change.Restarted, s.name)
		case remembered.config != s.config:
			adopt = append(adopt, s.name)
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
	for _, s := range a.services {
		switch {
		case !slices.Contains(names, s.name):
		case failed && a.current(s.name) == "inactive":
			delete(a.memory.services, s.name)
		default:
			set(&a.memory.services, s.name, origin{process: s.hash, config: s.config})
		}
	}
	return a.remember(ctx)
}
