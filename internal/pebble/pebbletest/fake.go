// Package pebbletest is Pebble for tests: Fake, in memory, refuses what Pebble
// refuses with Pebble's words and simulates processes; Start runs the real
// daemon. One contract suite holds for both.
package pebbletest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
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
	// Users are the users, each with a group of its name, beside root.
	Users []string
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

	mu       sync.Mutex
	down     bool
	boots    int
	ticks    int
	pids     int
	changes  int
	layers   []namedLayer
	plan     pebble.Layer
	services map[string]*service
	checks   map[string]*check
	files    files
	notices  []pebble.Notice
	calls    []string
	writes   []string
}

var _ pebble.Pebble = (*Fake)(nil)

// NewFake is a running daemon with an empty plan.
func NewFake(o Options) *Fake {
	f := &Fake{options: o, handlers: make(map[string]ExecHandler), files: newFiles()}
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
	var ended []Process
	for _, name := range sortedKeys(f.services) {
		if s := f.services[name]; s.state == running {
			ended = append(ended, s.process())
		}
	}
	f.services, f.checks, f.layers, f.notices = nil, nil, nil, nil
	f.plan = pebble.Layer{}
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
	f.boots++
	f.services = make(map[string]*service)
	f.checks = make(map[string]*check)
	for _, mount := range f.options.Mounts {
		_ = f.files.makeDir(mount, 0o755, "root", "root")
	}
	for _, file := range f.options.Files {
		if err := f.files.write(file); err != nil {
			panic(fmt.Sprintf("pebbletest: cannot write image file %q: %v", file.Path, err))
		}
	}
}

// Calls are the requests since the last ResetCalls, such as "Push /etc/x" and
// "Start a b".
func (f *Fake) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Writes are those of Calls that change something, or cost the daemon a
// change.
func (f *Fake) Writes() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.writes)
}

// ResetCalls forgets Calls and Writes.
func (f *Fake) ResetCalls() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.writes = nil, nil
}

// read begins a request that changes nothing: it returns with the lock held
// unless it returns an error.
func (f *Fake) read(ctx context.Context, call ...string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("fake pebble: %w", context.Cause(ctx))
	}
	f.mu.Lock()
	f.calls = append(f.calls, strings.Join(call, " "))
	if f.down {
		f.mu.Unlock()
		return fmt.Errorf("%w: the fake was killed", pebble.ErrUnavailable)
	}
	return nil
}

// write is read for a request that changes something.
func (f *Fake) write(ctx context.Context, call ...string) error {
	if err := f.read(ctx, call...); err != nil {
		return err
	}
	f.writes = append(f.writes, strings.Join(call, " "))
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
	return pebble.SystemInfo{Version: "v1.32.1", BootID: fmt.Sprintf("fake-boot-%d", f.boots)}, nil
}

func badRequest(format string, args ...any) error {
	return &pebble.APIError{Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

func serverError(format string, args ...any) error {
	return &pebble.APIError{Status: http.StatusInternalServerError, Message: fmt.Sprintf(format, args...)}
}
