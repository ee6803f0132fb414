package pebble

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/canonical/pebble/client"
)

// outputLimit is how much of a command's stdout, and of its stderr, is kept.
const outputLimit = 1 << 20

// Exec implements Pebble. A command that outlives the context or its timeout
// is killed; the error is then the context's.
func (c *Client) Exec(ctx context.Context, command Command) (ExecResult, error) {
	if command.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, command.Timeout)
		defer cancel()
	}
	// Should this process die, the daemon still ends the command, later than
	// this side would so that there is one error only.
	timeout := remaining(ctx)
	if timeout > 0 {
		timeout += time.Second
	}
	s := c.session(ctx)
	defer s.close()
	abandon := context.AfterFunc(ctx, s.close)
	defer abandon()
	var stdout, stderr limitedBuffer
	process, err := s.pebble.Exec(&client.ExecOptions{
		Command:        command.Args,
		ServiceContext: command.ServiceContext,
		Environment:    command.Environment,
		WorkingDir:     command.WorkingDir,
		User:           command.User,
		Group:          command.Group,
		Timeout:        timeout,
		Stdin:          bytes.NewReader(command.Stdin),
		Stdout:         &stdout,
		Stderr:         &stderr,
	})
	if err != nil {
		return ExecResult{}, s.wrap(err)
	}
	abandon()
	killed := make(chan struct{})
	kill := context.AfterFunc(ctx, func() {
		defer close(killed)
		_ = process.SendSignal("SIGKILL")
		s.close() // nobody reads the output any more
	})
	defer func() {
		if !kill() {
			<-killed
		}
	}()
	err = process.Wait()
	result := ExecResult{Stdout: stdout.bytes(), Stderr: stderr.bytes()}
	var exit *client.ExitError
	if errors.As(err, &exit) {
		result.ExitCode = exit.ExitCode()
		return result, nil
	}
	wrapped := s.wrap(err)
	if err != nil && wrapped == err {
		// Neither transport nor API: the text of a failed change.
		return result, &ChangeError{Summary: "Execute command " + strconv.Quote(command.Args[0]), Message: err.Error()}
	}
	return result, wrapped
}

// limitedBuffer keeps the first outputLimit bytes.
type limitedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Write(p[:min(len(p), outputLimit-b.buf.Len())])
	return len(p), nil
}

func (b *limitedBuffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}
