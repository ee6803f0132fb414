// Package pebbletest is Pebble for tests: Fake, in memory, refuses what Pebble
// refuses with Pebble's words and simulates processes; Start runs the real
// daemon. One contract suite holds for both.
package pebbletest

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Options say how a fake behaves; the zero value is a plain empty container in
// which every process that starts stays up.
type Options struct {
	// Files are the image's: there after every Boot.
	Files []pebble.File
	// Mounts are directories whose content survives Kill and Boot.
	Mounts []string
	// Users are the users, each with a group of its name, beside root. Their
	// ids count from 1000.
	Users []string
	// Missing are programs that the image does not have, as services name
	// them: "java" or "/opt/app/run". All others are there, whatever Files says.
	Missing []string
	// OnStart is told of a process that starts. An exit code ≠ nil ends the
	// process within its first second, so that the start fails. It and the
	// other functions may call the fake's methods.
	OnStart func(Process) *int
	// OnStop is told of a process that ended, by Stop, Restart, Replan, Exit
	// or Kill; not of one that OnStart ended.
	OnStop func(Process)
	// OnSignal is told of a signal sent by Signal.
	OnSignal func(Process, string)
	// OnNotice is told of every custom notice that is recorded.
	OnNotice func(pebble.Notice)
	// RunCheck plays a check that RefreshCheck runs; nil: all succeed.
	RunCheck func(name string, config pebble.Check) error
	// Version is what SystemInfo says, and what the daemon is too old for is a
	// *pebble.UnsupportedError; empty: v1.32.1. In all else an old one is as the
	// newest.
	Version string
	// Forget leaves Calls and Writes empty, for a fake that lives long.
	Forget bool
	// Now is the clock; nil: a clock that moves one second a call.
	Now func() time.Time
}

// Process is a simulated process of a service.
type Process struct {
	Service string
	// PID is new for each process of a fake, from 1 up.
	PID int
	// Config is what the process was started with: the plan's service then.
	Config pebble.Service
}

// ExecHandler plays a one-off command. The command has the environment, user
// and directory of its service context. The error is Exec's.
type ExecHandler func(ctx context.Context, command pebble.Command) (pebble.ExecResult, error)

// Fake is an in-memory Pebble. It is safe for concurrent use.
type Fake struct {
	options  Options
	handlers map[string]ExecHandler

	mu    sync.Mutex
	down  bool
	life  context.Context // ends with the daemon
	die   context.CancelCauseFunc
	boots int
	ticks int
	pids  int
	// layers and plan are never changed in place. The names are the plan's,
	// sorted.
	layers       []namedLayer
	plan         pebble.Layer
	serviceNames []string
	checkNames   []string
	services     map[string]*service
	checks       map[string]*check
	files        files
	notices      []pebble.Notice
	noticeIDs    int
	news         chan struct{} // closed when those who wait should look
	identities   map[string]pebble.Identity
	changes      []change
	changeIDs    int
	taskIDs      int
	logs         []pebble.LogEntry
	calls        []call
	writes       []call
}

// call is a request; its text is made when somebody asks.
type call struct {
	verb, name string
	names      []string
}

func (c call) String() string {
	text := c.verb
	if c.name != "" {
		text += " " + c.name
	}
	for _, name := range c.names {
		text += " " + name
	}
	return text
}

var _ pebble.Daemon = (*Fake)(nil)

// Clone is a fake in the same state, with the same Options and handlers, whose
// calls are not yet recorded. From then on the two are independent, but for
// what the Options' functions share.
func (f *Fake) Clone() *Fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &Fake{
		options:      f.options,
		handlers:     maps.Clone(f.handlers),
		down:         f.down,
		boots:        f.boots,
		ticks:        f.ticks,
		pids:         f.pids,
		layers:       slices.Clone(f.layers),
		plan:         f.plan,
		serviceNames: f.serviceNames,
		checkNames:   f.checkNames,
		services:     make(map[string]*service, len(f.services)),
		checks:       make(map[string]*check, len(f.checks)),
		files:        maps.Clone(f.files),
		notices:      slices.Clone(f.notices),
		noticeIDs:    f.noticeIDs,
		news:         make(chan struct{}),
		identities:   maps.Clone(f.identities),
		changes:      slices.Clone(f.changes),
		changeIDs:    f.changeIDs,
		taskIDs:      f.taskIDs,
		logs:         slices.Clone(f.logs),
	}
	c.life, c.die = context.WithCancelCause(context.Background())
	for name, s := range f.services {
		c.services[name] = new(*s)
	}
	for name, known := range f.checks {
		c.checks[name] = new(*known)
	}
	return c
}

// NewFake is a running daemon with an empty plan.
func NewFake(o Options) *Fake {
	f := &Fake{
		options: o, handlers: make(map[string]ExecHandler), files: newFiles(),
		news: make(chan struct{}),
	}
	f.down = true
	f.Boot()
	return f
}

// HandleExec plays the commands whose Args[0] is executable; without a
// handler Exec says that there is no such executable.
func (f *Fake) HandleExec(executable string, handler ExecHandler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handlers[executable] = handler
}

// Kill ends the daemon and all processes, as the loss of the container does:
// every call is Unavailable. The plan, notices and all files outside mounts
// are lost.
func (f *Fake) Kill() {
	f.mu.Lock()
	if f.down {
		f.mu.Unlock()
		return
	}
	f.down = true
	f.die(fmt.Errorf("%w: the fake was killed", pebble.ErrUnavailable))
	var ended []Process
	for _, name := range sortedKeys(f.services) {
		if s := f.services[name]; s.state == running {
			ended = append(ended, s.process())
		}
	}
	f.services, f.checks, f.layers, f.notices = nil, nil, nil, nil
	f.identities, f.changes, f.logs = nil, nil, nil
	f.setPlan(pebble.Layer{})
	f.wake()
	f.files.keep(f.options.Mounts)
	f.mu.Unlock()
	for _, process := range ended {
		f.stopped(process)
	}
}

// Boot brings the daemon up anew, with a new boot ID; one that runs is killed
// first.
func (f *Fake) Boot() {
	f.Kill()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = false
	f.life, f.die = context.WithCancelCause(context.Background())
	f.boots++
	f.services = make(map[string]*service)
	f.checks = make(map[string]*check)
	f.identities = make(map[string]pebble.Identity)
	for _, mount := range f.options.Mounts {
		_ = f.files.makeDir(mount, node{mode: fs.ModeDir | 0o755})
	}
	for _, file := range f.options.Files {
		if err := f.push(file); err != nil {
			panic(fmt.Sprintf("pebbletest: cannot write image file %q: %v", file.Path, err))
		}
	}
}

// Calls are the requests since the last ResetCalls, such as "Push /etc/x" and
// "Start a b"; of very many only the latest.
func (f *Fake) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return texts(f.calls)
}

func texts(calls []call) []string {
	lines := make([]string, 0, len(calls))
	for _, c := range calls {
		lines = append(lines, c.String())
	}
	return lines
}

// recorded is how many calls are kept at least.
const recorded = 1 << 12

func record(calls []call, c call) []call {
	if len(calls) >= 2*recorded {
		calls = append(calls[:0], calls[len(calls)-recorded:]...)
	}
	return append(calls, c)
}

// Writes are those of Calls that change something, or cost the daemon a
// change.
func (f *Fake) Writes() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return texts(f.writes)
}

// ResetCalls forgets Calls and Writes.
func (f *Fake) ResetCalls() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.writes = f.calls[:0], f.writes[:0]
}

// read begins a request that changes nothing: it returns with the lock held
// unless it returns an error.
func (f *Fake) read(ctx context.Context, verb string, names ...string) error {
	return f.request(ctx, call{verb: verb, names: names}, false)
}

// readOne is read for a request that names one thing; it allocates nothing.
func (f *Fake) readOne(ctx context.Context, verb, name string) error {
	return f.request(ctx, call{verb: verb, name: name}, false)
}

// write is read for a request that changes something.
func (f *Fake) write(ctx context.Context, verb string, names ...string) error {
	return f.request(ctx, call{verb: verb, names: names}, true)
}

func (f *Fake) request(ctx context.Context, c call, writes bool) error {
	if ctx.Err() != nil {
		return fmt.Errorf("fake pebble: %w", context.Cause(ctx))
	}
	f.mu.Lock()
	if !f.options.Forget {
		f.calls = record(f.calls, c)
	}
	if f.down {
		f.mu.Unlock()
		return fmt.Errorf("%w: the fake was killed", pebble.ErrUnavailable)
	}
	if writes && !f.options.Forget {
		f.writes = record(f.writes, c)
	}
	if err := f.tooOld(c.verb); err != nil {
		f.mu.Unlock()
		return err
	}
	return nil
}

func (f *Fake) now() time.Time {
	if f.options.Now != nil {
		return f.options.Now()
	}
	f.ticks++
	return time.Date(2024, time.January, 1, 0, 0, f.ticks, 0, time.UTC)
}

// SystemInfo implements pebble.Pebble.
func (f *Fake) SystemInfo(ctx context.Context) (pebble.SystemInfo, error) {
	if err := f.read(ctx, "SystemInfo"); err != nil {
		return pebble.SystemInfo{}, err
	}
	defer f.mu.Unlock()
	return pebble.SystemInfo{Version: f.version(), BootID: fmt.Sprintf("fake-boot-%d", f.boots)}, nil
}

func badRequest(format string, args ...any) error {
	return &pebble.APIError{Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

func serverError(format string, args ...any) error {
	return &pebble.APIError{Status: http.StatusInternalServerError, Message: fmt.Sprintf(format, args...)}
}
