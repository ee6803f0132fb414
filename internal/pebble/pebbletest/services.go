package pebbletest

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// state is what the daemon knows of a service that it has once started.
type state int

const (
	stopped state = iota
	running
	backoff // waits to be restarted
	exited  // ended with a failure that is ignored
)

func (s state) String() string { return [...]string{"inactive", "active", "backoff", "error"}[s] }

type service struct {
	name  string
	state state
	// config is what the daemon uses for the process, and for the next one if
	// it restarts by itself: not always the plan's.
	config pebble.Service
	pid    int
	since  time.Time
}

func (s *service) process() Process {
	return Process{Service: s.name, PID: s.pid, Config: s.config}
}

func (f *Fake) transition(s *service, to state) {
	if s.state != to || s.since.IsZero() {
		s.since = f.now()
	}
	s.state = to
}

func (f *Fake) stopped(process Process) {
	if f.options.OnStop != nil {
		f.options.OnStop(process)
	}
}

// Services implements pebble.Pebble.
func (f *Fake) Services(ctx context.Context, names ...string) ([]pebble.ServiceInfo, error) {
	if err := f.read(ctx, append([]string{"Services"}, names...)...); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	infos := []pebble.ServiceInfo{}
	for _, name := range sortedKeys(f.plan.Services) {
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		info := pebble.ServiceInfo{Name: name, Startup: "disabled", Current: stopped.String()}
		if f.plan.Services[name].Startup == "enabled" {
			info.Startup = "enabled"
		}
		if s := f.services[name]; s != nil {
			info.Current, info.CurrentSince = s.state.String(), s.since
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// Replan implements pebble.Pebble.
func (f *Fake) Replan(ctx context.Context) error {
	if err := f.write(ctx, "Replan"); err != nil {
		return err
	}
	var stop, start []string
	for _, name := range sortedKeys(f.services) {
		config, ok := f.plan.Services[name]
		if s := f.services[name]; ok && !reflect.DeepEqual(config, s.config) {
			s.config = config
			stop = append(stop, name)
		}
	}
	for _, name := range sortedKeys(f.plan.Services) {
		if slices.Contains(stop, name) || f.plan.Services[name].Startup == "enabled" {
			start = append(start, name)
		}
	}
	stopOrder, err := order(f.plan.Services, stop, true)
	if err == nil {
		start, err = order(f.plan.Services, start, false)
	}
	f.mu.Unlock()
	if err != nil {
		return badRequest("cannot replan services: %v", err)
	}
	f.stopAll(stopOrder)
	return f.startAll("Replan", start)
}

// Start implements pebble.Pebble.
func (f *Fake) Start(ctx context.Context, names ...string) error {
	ordered, _, err := f.ordered(ctx, "Start", names)
	if err != nil {
		return err
	}
	return f.startAll("Start", ordered)
}

// Stop implements pebble.Pebble.
func (f *Fake) Stop(ctx context.Context, names ...string) error {
	_, ordered, err := f.ordered(ctx, "Stop", names)
	if err != nil {
		return err
	}
	f.stopAll(ordered)
	return nil
}

// Restart implements pebble.Pebble.
func (f *Fake) Restart(ctx context.Context, names ...string) error {
	start, stop, err := f.ordered(ctx, "Restart", names)
	if err != nil {
		return err
	}
	// Those that require a named one are not restarted with it.
	f.stopAll(slices.DeleteFunc(stop, func(name string) bool { return !slices.Contains(names, name) }))
	return f.startAll("Restart", start)
}

// ordered begins an action on services. It returns with the lock released.
func (f *Fake) ordered(ctx context.Context, action string, names []string) (start, stop []string, err error) {
	if err := f.write(ctx, append([]string{action}, names...)...); err != nil {
		return nil, nil, err
	}
	defer f.mu.Unlock()
	verb := strings.ToLower(action)
	if len(names) == 0 {
		return nil, nil, badRequest("must specify services for %s action", verb)
	}
	stop, err = order(f.plan.Services, names, true)
	if err == nil {
		start, err = order(f.plan.Services, names, false)
	}
	if err != nil {
		return nil, nil, badRequest("cannot %s services: %v", verb, err)
	}
	return start, stop, nil
}

func (f *Fake) stopAll(names []string) {
	for _, name := range names {
		f.mu.Lock()
		s := f.services[name]
		var ended *Process
		if s != nil && s.state != stopped {
			if s.state == running {
				process := s.process()
				ended = &process
			}
			f.transition(s, stopped)
		}
		f.mu.Unlock()
		if ended != nil {
			f.stopped(*ended)
		}
	}
}

// startAll starts the services in order. The failure of one holds back those
// that it is tied to by requires.
func (f *Fake) startAll(action string, names []string) error {
	var failed []string
	var messages, log []string
	for _, name := range names {
		if slices.ContainsFunc(failed, func(other string) bool { return f.tied(names, name, other) }) {
			continue
		}
		if err := f.start(name); err != nil {
			failed = append(failed, name)
			messages = append(messages, fmt.Sprintf("- Start service %q (%v)", name, err))
			log = append(log, "2024-01-01T00:00:00Z ERROR "+err.Error())
		}
	}
	if len(failed) == 0 {
		return nil
	}
	summary := fmt.Sprintf("%s service %q", action, names[0])
	if len(names) > 1 {
		summary += fmt.Sprintf(" and %d more", len(names)-1)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes++
	return &pebble.ChangeError{
		ID:      strconv.Itoa(f.changes),
		Summary: summary,
		Message: "cannot perform the following tasks:\n" + strings.Join(messages, "\n"),
		Log:     log,
	}
}

// tied says whether a and b of names are connected through requires.
func (f *Fake) tied(names []string, a, b string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := map[string]bool{a: true}
	for pending := []string{a}; len(pending) > 0; pending = pending[1:] {
		for _, other := range names {
			if !seen[other] && (slices.Contains(f.plan.Services[pending[0]].Requires, other) ||
				slices.Contains(f.plan.Services[other].Requires, pending[0])) {
				seen[other] = true
				pending = append(pending, other)
			}
		}
	}
	return seen[b]
}

// start starts a service that does not run, with the plan's configuration.
func (f *Fake) start(name string) error {
	f.mu.Lock()
	config, ok := f.plan.Services[name]
	if !ok || f.down {
		f.mu.Unlock()
		return fmt.Errorf("cannot find service %q in plan", name)
	}
	s := f.services[name]
	if s == nil {
		s = &service{name: name}
		f.services[name] = s
	}
	// Also one that runs on takes the plan's configuration.
	s.config = config
	already := s.state == running
	f.mu.Unlock()
	if already {
		return nil
	}
	return f.run(s)
}

// run makes a process of the service's configuration.
func (f *Fake) run(s *service) error {
	f.mu.Lock()
	if err := f.knownUser(s.config.User, s.config.Group); err != nil {
		f.transition(s, stopped)
		f.mu.Unlock()
		return err
	}
	f.pids++
	s.pid = f.pids
	f.transition(s, running)
	process := s.process()
	f.mu.Unlock()
	if f.options.OnStart == nil {
		return nil
	}
	code := f.options.OnStart(process)
	if code == nil {
		return nil
	}
	action := f.ended(process, *code)
	return fmt.Errorf("service start attempt: exited quickly with code %d, will %s", *code, action)
}

// ended does what the service's configuration wants after its process ended
// by itself, and says what.
func (f *Fake) ended(process Process, code int) string {
	f.mu.Lock()
	s := f.services[process.Service]
	if s == nil || s.pid != process.PID || s.state != running {
		f.mu.Unlock()
		return "ignore"
	}
	action := s.config.OnFailure
	if code == 0 {
		action = s.config.OnSuccess
	}
	if action == "" {
		action = "restart"
	}
	switch {
	case action == "restart":
		f.transition(s, backoff)
	case action == "ignore" && code == 0:
		f.transition(s, stopped)
	default:
		f.transition(s, exited)
	}
	f.mu.Unlock()
	if strings.HasSuffix(action, "shutdown") {
		f.Kill()
	}
	return action
}

// Exit ends the service's process with the exit code, as if by itself. The
// service's on-success or on-failure then decides: with "restart" it is in
// "backoff" until EndBackoff, with a shutdown the daemon is killed.
func (f *Fake) Exit(name string, code int) error {
	process, ok := f.Process(name)
	if !ok {
		return fmt.Errorf("cannot end service %q: it does not run", name)
	}
	f.stopped(process)
	f.ended(process, code)
	return nil
}

// EndBackoff lets the backoff time pass of every service that waits in it, in
// order of name, and returns their names. Each starts with the configuration
// that it was last started with, as in Pebble, not the plan's.
func (f *Fake) EndBackoff() []string {
	f.mu.Lock()
	var waiting []string
	for _, name := range sortedKeys(f.services) {
		if f.services[name].state == backoff {
			waiting = append(waiting, name)
		}
	}
	f.mu.Unlock()
	for _, name := range waiting {
		f.mu.Lock()
		s := f.services[name]
		f.mu.Unlock()
		if s != nil {
			_ = f.run(s)
		}
	}
	return waiting
}

// Process is the service's process, if it runs.
func (f *Fake) Process(name string) (Process, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.services[name]
	if s == nil || s.state != running {
		return Process{}, false
	}
	return s.process(), true
}

// Signal implements pebble.Pebble.
func (f *Fake) Signal(ctx context.Context, signal string, names ...string) error {
	if err := f.write(ctx, append([]string{"Signal", signal}, names...)...); err != nil {
		return err
	}
	if len(names) == 0 {
		f.mu.Unlock()
		return badRequest("must specify one or more services")
	}
	var messages []string
	var reached []Process
	for _, name := range names {
		s := f.services[name]
		switch {
		case s == nil || s.state != running:
			messages = append(messages, fmt.Sprintf("cannot send signal to %q: service is not running", name))
		case unix.SignalNum(signal) == 0:
			messages = append(messages, fmt.Sprintf("cannot send signal to %q: invalid signal name %q", name, signal))
		default:
			reached = append(reached, s.process())
		}
	}
	f.mu.Unlock()
	for _, process := range reached {
		if f.options.OnSignal != nil {
			f.options.OnSignal(process, signal)
		}
	}
	if len(messages) > 0 {
		return serverError("%s", strings.Join(messages, "; "))
	}
	return nil
}

// order is the order in which to start or stop the named services and what
// they pull with them: what they require, or what requires them.
func order(services map[string]pebble.Service, names []string, stop bool) ([]string, error) {
	involved := make(map[string]bool)
	for pending := slices.Clone(names); len(pending) > 0; pending = pending[1:] {
		name := pending[0]
		if involved[name] {
			continue
		}
		s, ok := services[name]
		if !ok {
			return nil, fmt.Errorf("service %q does not exist", name)
		}
		involved[name] = true
		if !stop {
			pending = append(pending, s.Requires...)
			continue
		}
		for _, other := range sortedKeys(services) {
			if slices.Contains(services[other].Requires, name) {
				pending = append(pending, other)
			}
		}
	}
	// Who goes first, for each.
	first := make(map[string]map[string]bool)
	for name := range involved {
		first[name] = make(map[string]bool)
	}
	for name := range involved {
		after, before := services[name].After, services[name].Before
		if stop {
			after, before = before, after
		}
		for _, other := range after {
			if involved[other] {
				first[name][other] = true
			}
		}
		for _, other := range before {
			if involved[other] {
				first[other][name] = true
			}
		}
	}
	ordered := make([]string, 0, len(first))
	for len(first) > 0 {
		next := slices.IndexFunc(sortedKeys(first), func(name string) bool { return len(first[name]) == 0 })
		if next < 0 {
			return nil, fmt.Errorf("services in before/after loop: %s", strings.Join(loop(first), ", "))
		}
		name := sortedKeys(first)[next]
		ordered = append(ordered, name)
		delete(first, name)
		for _, others := range first {
			delete(others, name)
		}
	}
	return ordered, nil
}

// loop is the first loop of the graph, by name.
func loop(first map[string]map[string]bool) []string {
	reach := func(from string) map[string]bool {
		seen := make(map[string]bool)
		for pending := sortedKeys(first[from]); len(pending) > 0; pending = pending[1:] {
			if name := pending[0]; !seen[name] {
				seen[name] = true
				pending = append(pending, slices.Collect(maps.Keys(first[name]))...)
			}
		}
		return seen
	}
	for _, name := range sortedKeys(first) {
		seen := reach(name)
		if !seen[name] {
			continue
		}
		var members []string
		for _, other := range sortedKeys(seen) {
			if reach(other)[name] {
				members = append(members, other)
			}
		}
		return members
	}
	return nil
}
