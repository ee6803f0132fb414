package pebbletest

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"syscall"
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
	starts int
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
	if err := f.read(ctx, "Services", names...); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	infos := make([]pebble.ServiceInfo, 0, len(f.serviceNames))
	for _, name := range f.serviceNames {
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
	for _, name := range f.serviceNames {
		if slices.Contains(stop, name) || f.plan.Services[name].Startup == "enabled" {
			start = append(start, name)
		}
	}
	a := action{verb: "Replan"}
	var err error
	if a.stop, err = pebble.StopOrder(f.plan, stop...); err == nil {
		a.start, err = pebble.StartOrder(f.plan, start...)
	}
	a.services = slices.Compact(slices.Sorted(slices.Values(slices.Concat(a.stop, a.start))))
	a.involved = len(a.services)
	for _, name := range f.checkNames {
		if c := f.checks[name]; err == nil && !c.active() && c.config.Startup != "disabled" {
			f.startCheck(name, f.effective(name), true)
		}
	}
	f.mu.Unlock()
	if err != nil {
		return badRequest("cannot replan services: %v", err)
	}
	return f.act(a)
}

// AutoStart implements pebble.AutoStarter.
func (f *Fake) AutoStart(ctx context.Context) error {
	if err := f.write(ctx, "AutoStart"); err != nil {
		return err
	}
	enabled := slices.DeleteFunc(slices.Clone(f.serviceNames), func(name string) bool {
		return f.plan.Services[name].Startup != "enabled"
	})
	ordered, err := pebble.StartOrder(f.plan, enabled...)
	f.mu.Unlock()
	switch {
	case err != nil:
		return serverError("%v", err)
	case len(ordered) == 0:
		return &pebble.APIError{Status: http.StatusBadRequest, Kind: "no-default-services", Message: "no default services"}
	}
	return f.act(action{verb: "Autostart", services: ordered, start: ordered, involved: len(ordered)})
}

// Start implements pebble.Pebble.
func (f *Fake) Start(ctx context.Context, names ...string) error {
	ordered, _, err := f.ordered(ctx, "Start", names)
	if err != nil {
		return err
	}
	return f.act(action{verb: "Start", services: names, start: ordered, involved: len(ordered)})
}

// Stop implements pebble.Pebble.
func (f *Fake) Stop(ctx context.Context, names ...string) error {
	_, ordered, err := f.ordered(ctx, "Stop", names)
	if err != nil {
		return err
	}
	return f.act(action{verb: "Stop", services: names, stop: ordered, involved: len(ordered)})
}

// Restart implements pebble.Pebble.
func (f *Fake) Restart(ctx context.Context, names ...string) error {
	start, stop, err := f.ordered(ctx, "Restart", names)
	if err != nil {
		return err
	}
	// Those that require a named one are not restarted with it.
	stop = slices.DeleteFunc(stop, func(name string) bool { return !slices.Contains(names, name) })
	return f.act(action{verb: "Restart", services: names, stop: stop, start: start, involved: len(start)})
}

// ordered begins an action on services. It returns with the lock released.
func (f *Fake) ordered(ctx context.Context, action string, names []string) (start, stop []string, err error) {
	if err := f.write(ctx, action, names...); err != nil {
		return nil, nil, err
	}
	defer f.mu.Unlock()
	verb := strings.ToLower(action)
	if len(names) == 0 {
		return nil, nil, badRequest("must specify services for %s action", verb)
	}
	stop, err = pebble.StopOrder(f.plan, names...)
	if err == nil {
		start, err = pebble.StartOrder(f.plan, names...)
	}
	if err != nil {
		return nil, nil, badRequest("cannot %s services: %v", verb, err)
	}
	return start, stop, nil
}

// action is one change of services.
type action struct {
	verb     string
	services []string // asked for
	stop     []string // in order
	start    []string
	involved int // how many the summary counts
}

func (a action) summary() string {
	switch {
	case len(a.services) == 0:
		return a.verb + " - no services"
	case a.involved == 1:
		return fmt.Sprintf("%s service %q", a.verb, a.services[0])
	}
	return fmt.Sprintf("%s service %q and %d more", a.verb, a.services[0], a.involved-1)
}

// act stops and then starts services in order. The failure of one holds back
// those that it is tied to by requires.
func (f *Fake) act(a action) error {
	tasks := make([]pebble.TaskInfo, 0, len(a.stop)+len(a.start))
	for _, name := range a.stop {
		f.stop(name)
		tasks = append(tasks, pebble.TaskInfo{Kind: "stop", Summary: fmt.Sprintf("Stop service %q", name), Status: "Done"})
	}
	var failed, messages, log []string
	for _, name := range a.start {
		task := pebble.TaskInfo{Kind: "start", Summary: fmt.Sprintf("Start service %q", name), Status: "Done"}
		if slices.ContainsFunc(failed, func(other string) bool { return f.tied(a.start, name, other) }) {
			task.Status = "Hold"
		} else if err := f.start(name); err != nil {
			failed = append(failed, name)
			messages = append(messages, fmt.Sprintf("- %s (%v)", task.Summary, err))
			task.Status, task.Log = "Error", []string{"2024-01-01T00:00:00Z ERROR " + err.Error()}
			log = append(log, task.Log...)
		}
		tasks = append(tasks, task)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return fmt.Errorf("%w: the fake was killed", pebble.ErrUnavailable)
	}
	id := f.addChange(pebble.ChangeInfo{
		Kind: strings.ToLower(a.verb), Summary: a.summary(), Status: "Doing", Tasks: tasks,
	}, a.services...)
	if len(failed) == 0 {
		f.endChange(id, "Done", "")
		return nil
	}
	message := "cannot perform the following tasks:\n" + strings.Join(messages, "\n")
	f.endChange(id, "Error", message)
	return &pebble.ChangeError{ID: id, Summary: a.summary(), Message: message, Log: log}
}

func (f *Fake) stop(name string) {
	f.mu.Lock()
	s := f.services[name]
	var ended *Process
	if s != nil && s.state != stopped {
		if s.state == running {
			ended = new(s.process())
		}
		f.transition(s, stopped)
	}
	f.mu.Unlock()
	if ended != nil {
		f.stopped(*ended)
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
	return f.run(s, stopped)
}

// run makes a process of the service's configuration; where there can be none,
// the service is in the state otherwise.
func (f *Fake) run(s *service, otherwise state) error {
	f.mu.Lock()
	if err := f.canRun(s.config); err != nil {
		f.transition(s, otherwise)
		f.mu.Unlock()
		return err
	}
	f.pids++
	s.pid = f.pids
	s.starts++
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

// canRun finds, as the daemon and the kernel do, why there is no process.
func (f *Fake) canRun(config pebble.Service) error {
	if err := f.knownUser(config.UserID, config.GroupID, config.User, config.Group); err != nil {
		return err
	}
	if len(f.options.Missing) == 0 && config.WorkingDir == "" {
		return nil
	}
	program, _, _ := strings.Cut(strings.TrimSpace(config.Command), " ")
	missing, isPath := slices.Contains(f.options.Missing, program), strings.Contains(program, "/")
	if missing && !isPath {
		return fmt.Errorf("cannot start service: exec: %q: executable file not found in $PATH", program)
	}
	if !isPath {
		program = "/usr/bin/" + program
	}
	var err error
	if dir := config.WorkingDir; dir != "" {
		err = f.files.enter(dir)
	}
	if err == nil && missing {
		err = syscall.ENOENT
	}
	if err != nil {
		return fmt.Errorf("cannot start service: %w", &fs.PathError{Op: "fork/exec", Path: program, Err: err})
	}
	return nil
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
// that it was last started with, as in Pebble, not the plan's. One whose program
// is not there stays in backoff, also as in Pebble.
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
			_ = f.run(s, backoff)
		}
	}
	return waiting
}

// InBackoff says whether a service waits in backoff.
func (f *Fake) InBackoff() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.services {
		if s.state == backoff {
			return true
		}
	}
	return false
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
	if err := f.write(ctx, "Signal", append([]string{signal}, names...)...); err != nil {
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
