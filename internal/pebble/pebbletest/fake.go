// Package pebbletest is Pebble for tests: Fake, in memory, refuses what Pebble
// refuses with Pebble's words and simulates processes; Start runs the real
// daemon. One contract suite holds for both.
package pebbletest

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Options say how a fake behaves; the zero value is a plain empty container in
// which every process that starts stays up.
type Options struct {
	// Mounts are directories whose content survives Kill and Boot.
	Mounts []string
	// OnStart is told of a process that starts. An exit code ≠ nil ends the
	// process within its first second, so that the start fails. It and
	// OnStop may call the fake's methods.
	OnStart func(Process) *int
	// OnStop is told of a process that ended, by Stop, Restart, Replan, Exit
	// or Kill.
	OnStop func(Process)
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

// ExecHandler plays a one-off command.
type ExecHandler func(ctx context.Context, command pebble.Command) (pebble.ExecResult, error)

// Fake is an in-memory Pebble. It is safe for concurrent use.
type Fake struct {
	options Options
}

var _ pebble.Pebble = (*Fake)(nil)

// NewFake is a running daemon with an empty plan.
func NewFake(o Options) *Fake { return &Fake{options: o} }

// HandleExec plays the commands whose Args[0] is executable; without a
// handler Exec says that there is no such executable.
func (f *Fake) HandleExec(executable string, handler ExecHandler) {}

// Kill ends the daemon and all processes: every call is Unavailable. The plan
// and all files outside mounts are lost.
func (f *Fake) Kill() {}

// Boot brings the daemon up anew, with a new boot ID, after Kill or as one.
func (f *Fake) Boot() {}

// Exit ends the service's process with the exit code, as if by itself. The
// service's on-success or on-failure then decides: with "restart" it is in
// "backoff" until EndBackoff.
func (f *Fake) Exit(service string, code int) error { return nil }

// EndBackoff lets the backoff time pass of every service that waits in it, in
// order of name, and returns their names.
func (f *Fake) EndBackoff() []string { return nil }

// Process is the service's process, if it runs.
func (f *Fake) Process(service string) (Process, bool) { return Process{}, false }

// SetCheck sets a check of the plan to "up" or "down", and its failures.
func (f *Fake) SetCheck(name, status string, failures int) error { return nil }

// Calls are the requests since the last ResetCalls, each as `Method argument…`.
func (f *Fake) Calls() []string { return nil }

// Writes are those of Calls that change something or cost a change.
func (f *Fake) Writes() []string { return nil }

// ResetCalls forgets Calls and Writes.
func (f *Fake) ResetCalls() {}

var errTodo = errors.New("not written yet")

func (f *Fake) SystemInfo(ctx context.Context) (pebble.SystemInfo, error) {
	return pebble.SystemInfo{}, errTodo
}
func (f *Fake) Plan(ctx context.Context) (pebble.Layer, error) { return pebble.Layer{}, errTodo }
func (f *Fake) AddLayer(ctx context.Context, label string, layer pebble.Layer) error {
	return errTodo
}
func (f *Fake) Services(ctx context.Context, names ...string) ([]pebble.ServiceInfo, error) {
	return nil, errTodo
}
func (f *Fake) Replan(ctx context.Context) error                                 { return errTodo }
func (f *Fake) Start(ctx context.Context, names ...string) error                 { return errTodo }
func (f *Fake) Stop(ctx context.Context, names ...string) error                  { return errTodo }
func (f *Fake) Restart(ctx context.Context, names ...string) error               { return errTodo }
func (f *Fake) Signal(ctx context.Context, signal string, names ...string) error { return errTodo }
func (f *Fake) Checks(ctx context.Context, names ...string) ([]pebble.CheckInfo, error) {
	return nil, errTodo
}
func (f *Fake) Pull(ctx context.Context, path string) ([]byte, error) { return nil, errTodo }
func (f *Fake) Push(ctx context.Context, file pebble.File) error      { return errTodo }
func (f *Fake) ListFiles(ctx context.Context, path string, itself bool) ([]pebble.FileInfo, error) {
	return nil, errTodo
}
func (f *Fake) MakeDir(ctx context.Context, path string, mode fs.FileMode) error { return errTodo }
func (f *Fake) Remove(ctx context.Context, path string) error                    { return errTodo }
func (f *Fake) Exec(ctx context.Context, command pebble.Command) (pebble.ExecResult, error) {
	return pebble.ExecResult{}, errTodo
}
func (f *Fake) Notify(ctx context.Context, key string, data map[string]string) error { return errTodo }
func (f *Fake) Notices(ctx context.Context) ([]pebble.Notice, error)                 { return nil, errTodo }
