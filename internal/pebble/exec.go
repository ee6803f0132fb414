package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"sync"

	"github.com/canonical/pebble/client"
	"golang.org/x/sys/unix"
)

// OutputLimit is how much of a command's stdout, and of its stderr, Exec keeps.
const OutputLimit = 1 << 20

// Exec implements Pebble. A command that outlives the context or its timeout
// is killed; the error is then the context's.
func (c *Client) Exec(ctx context.Context, command Command) (ExecResult, error) {
	var stdout, stderr limitedBuffer
	process, err := c.Run(ctx, command, Streams{Stdin: bytes.NewReader(command.Stdin), Stdout: &stdout, Stderr: &stderr})
	if err != nil {
		return ExecResult{}, err
	}
	code, err := process.Wait()
	return ExecResult{ExitCode: code, Stdout: stdout.bytes(), Stderr: stderr.bytes()}, err
}

// process is a running command.
type process struct {
	session *session
	inner   *client.ExecProcess
	command string
	// stop undoes what ends the command with the context; killed is closed
	// once the command is killed.
	stop   func() bool
	killed chan struct{}
	cancel context.CancelFunc
}

// Run implements Runner.
func (c *Client) Run(ctx context.Context, command Command, streams Streams) (Process, error) {
	cancel := context.CancelFunc(func() {})
	if command.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, command.Timeout)
	}
	s := c.session(ctx)
	abandon := context.AfterFunc(ctx, s.close)
	options := &client.ExecOptions{
		Command:        command.Args,
		ServiceContext: command.ServiceContext,
		Environment:    command.Environment,
		WorkingDir:     command.WorkingDir,
		User:           command.User,
		UserID:         command.UserID,
		Group:          command.Group,
		GroupID:        command.GroupID,
		Timeout:        limit(ctx), // should this process die
		Stdin:          streams.Stdin,
		Stdout:         streams.Stdout,
		Stderr:         streams.Stderr,
	}
	switch {
	case streams.Stderr == nil:
		options.Stderr = io.Discard
	case same(streams.Stdout, streams.Stderr):
		options.Stderr = nil // Pebble joins the two
	}
	inner, err := s.pebble.Exec(options)
	abandon()
	if err != nil {
		err = s.wrap(err)
		s.close()
		cancel()
		return nil, err
	}
	p := &process{session: s, inner: inner, command: command.Args[0], killed: make(chan struct{}), cancel: cancel}
	p.stop = context.AfterFunc(ctx, func() {
		defer close(p.killed)
		_ = inner.SendSignal("SIGKILL")
		s.close() // nobody reads the output any more
	})
	return p, nil
}

// same says whether both are one writer, without a panic on those that cannot
// be compared.
func same(a, b io.Writer) bool {
	return a != nil && reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.TypeOf(a).Comparable() && a == b
}

func (p *process) Signal(name string) error {
	if err := CheckSignal(name); err != nil {
		return err
	}
	// If it cannot be sent the command or the daemon has ended; Wait says which.
	_ = p.inner.SendSignal(name)
	return nil
}

// CheckSignal refuses what is no name of a signal. Pebble does so for services,
// and only logs it for commands.
func CheckSignal(name string) error {
	if unix.SignalNum(name) == 0 {
		return fmt.Errorf("invalid signal name %q", name)
	}
	return nil
}

func (p *process) Wait() (int, error) {
	defer p.cancel()
	defer p.session.close()
	err := p.inner.Wait()
	if !p.stop() {
		<-p.killed
	}
	if exit, ok := errors.AsType[*client.ExitError](err); ok {
		return exit.ExitCode(), nil
	}
	wrapped := p.session.wrap(err)
	if err != nil && wrapped == err {
		// Neither transport nor API: the text of a failed change.
		return 0, &ChangeError{Summary: "Execute command " + strconv.Quote(p.command), Message: err.Error()}
	}
	return 0, wrapped
}

// limitedBuffer keeps the first OutputLimit bytes.
type limitedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Write(p[:min(len(p), OutputLimit-b.buf.Len())])
	return len(p), nil
}

func (b *limitedBuffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}
