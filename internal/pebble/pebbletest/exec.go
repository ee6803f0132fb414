package pebbletest

import (
	"context"
	"errors"
	"io"
	"path"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Exec implements pebble.Pebble.
func (f *Fake) Exec(ctx context.Context, command pebble.Command) (pebble.ExecResult, error) {
	handler, ctx, cancel, err := f.prepare(ctx, &command)
	if err != nil {
		return pebble.ExecResult{}, err
	}
	defer cancel()
	result, err := handler(ctx, command)
	if cause := context.Cause(ctx); pebble.Unavailable(cause) {
		return pebble.ExecResult{}, cause
	}
	f.executed(command, err)
	result.Stdout, result.Stderr = cut(result.Stdout), cut(result.Stderr)
	return result, err
}

func cut(output []byte) []byte { return output[:min(len(output), pebble.OutputLimit)] }

// prepare checks the command and fills in its service's context.
func (f *Fake) prepare(ctx context.Context, command *pebble.Command) (ExecHandler, context.Context, context.CancelFunc, error) {
	if err := f.write(ctx, "Exec", command.Args...); err != nil {
		return nil, nil, nil, err
	}
	defer f.mu.Unlock()
	handler, err := f.handler(command)
	if err != nil {
		return nil, nil, nil, err
	}
	cancel := context.CancelFunc(func() {})
	if command.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, command.Timeout)
	}
	ctx, die := context.WithCancelCause(ctx)
	life := f.life
	forget := context.AfterFunc(life, func() { die(context.Cause(life)) })
	return handler, ctx, func() { forget(); die(nil); cancel() }, nil
}

func (f *Fake) handler(command *pebble.Command) (ExecHandler, error) {
	if len(command.Args) == 0 {
		return nil, badRequest("must specify command")
	}
	handler := f.handlers[command.Args[0]]
	if handler == nil {
		return nil, badRequest("cannot find executable %q", command.Args[0])
	}
	if command.ServiceContext != "" {
		s, ok := f.plan.Services[command.ServiceContext]
		if !ok {
			return nil, badRequest("context service %q not found", command.ServiceContext)
		}
		command.Environment = withDefaults(command.Environment, s.Environment)
		overlay(&command.User, s.User)
		overlay(&command.Group, s.Group)
		overlay(&command.UserID, s.UserID)
		overlay(&command.GroupID, s.GroupID)
		overlay(&command.WorkingDir, s.WorkingDir)
	}
	if err := f.knownUser(command.UserID, command.GroupID, command.User, command.Group); err != nil {
		return nil, badRequest("%v", err)
	}
	if dir := command.WorkingDir; dir != "" {
		found, err := f.files.stat("stat", path.Clean(dir))
		switch {
		case err != nil:
			return nil, serverError("cannot call exec: working directory %q does not exist", dir)
		case !found.mode.IsDir():
			return nil, serverError("cannot call exec: working directory %q not a directory", dir)
		}
	}
	return handler, nil
}

// executed records the command's change.
func (f *Fake) executed(command pebble.Command, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return
	}
	summary := "Execute command " + strconv.Quote(command.Args[0])
	status, message := "Done", ""
	if err != nil {
		status, message = "Error", err.Error()
	}
	id := f.addChange(pebble.ChangeInfo{Kind: "exec", Summary: summary, Status: status, Tasks: []pebble.TaskInfo{
		{Kind: "exec", Summary: summary, Status: status},
	}})
	f.endChange(id, status, message)
}

// Run implements pebble.Runner with the handler that Exec uses: it is given
// all of Stdin, and what it returns is written when it ends. A signal ends its
// context, with a *Signalled as the cause; the exit code is then 128+n, unless
// the handler returns without an error.
func (f *Fake) Run(ctx context.Context, command pebble.Command, streams pebble.Streams) (pebble.Process, error) {
	handler, ctx, cancel, err := f.prepare(ctx, &command)
	if err != nil {
		return nil, err
	}
	ctx, signal := context.WithCancelCause(ctx)
	p := &fakeProcess{signal: signal, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		p.code, p.err = f.play(ctx, handler, command, streams)
	}()
	return p, nil
}

func (f *Fake) play(ctx context.Context, handler ExecHandler, command pebble.Command, streams pebble.Streams) (int, error) {
	if streams.Stdin != nil {
		input, err := io.ReadAll(streams.Stdin)
		if err != nil {
			return 0, err
		}
		command.Stdin = input
	}
	result, err := handler(ctx, command)
	if signalled, ok := errors.AsType[*Signalled](context.Cause(ctx)); ok && err != nil {
		result.ExitCode, err = 128+int(unix.SignalNum(signalled.Name)), nil
	}
	if cause := context.Cause(ctx); pebble.Unavailable(cause) {
		return 0, cause
	}
	f.executed(command, err)
	if err != nil {
		return 0, err
	}
	for _, output := range []struct {
		to      io.Writer
		content []byte
	}{{streams.Stdout, result.Stdout}, {streams.Stderr, result.Stderr}} {
		if output.to != nil && len(output.content) > 0 {
			_, _ = output.to.Write(output.content) // as in Pebble, nobody is told
		}
	}
	return result.ExitCode, nil
}

// Signalled is why the context of an ExecHandler ended.
type Signalled struct{ Name string }

func (s *Signalled) Error() string { return "signalled with " + s.Name }

type fakeProcess struct {
	signal context.CancelCauseFunc
	cancel context.CancelFunc
	ended  chan struct{}
	code   int
	err    error
}

func (p *fakeProcess) Signal(name string) error {
	if err := pebble.CheckSignal(name); err != nil {
		return err
	}
	p.signal(&Signalled{name})
	return nil
}

func (p *fakeProcess) Wait() (int, error) {
	<-p.ended
	p.cancel()
	return p.code, p.err
}
