package hooktool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Open gives the Runner for a hook: the agent's socket if it can be reached,
// else the tools on PATH. Tools run in dir, which is absolute, or in the
// charm's directory if dir is empty.
//
// A socket that answers the first call in a way this package does not know is
// given up for the tools on PATH too, if that call can have done nothing or
// may be done twice. After the first good answer there is no way back.
//
// Close the Closer before the hook ends: the agent waits for open
// connections.
func Open(env juju.Environment, dir string) (Runner, io.Closer, error) {
	fork := NewFork(env, dir)
	socket, err := DialSocket(context.Background(), env, dir)
	if err == nil {
		c := &chooser{socket: socket, fork: fork}
		return c, c, nil
	}
	// Every version of Juju has this one.
	if _, missing := fork.find("is-leader"); missing != nil {
		return nil, nil, fmt.Errorf("cannot run hook tools: %w; is-leader: %w", err, missing)
	}
	return fork, io.NopCloser(nil), nil
}

// chooser is the socket until it turns out to be of no use.
type chooser struct {
	socket  *Socket
	fork    *Fork
	proven  atomic.Bool // the socket has answered
	forking atomic.Bool
}

func (c *chooser) Run(ctx context.Context, call Call) (Result, error) {
	if c.forking.Load() {
		return c.fork.Run(ctx, call)
	}
	result, err := c.socket.Run(ctx, call)
	switch {
	case err == nil:
		c.proven.Store(true)
		return result, nil
	case c.proven.Load() || ctx.Err() != nil || !errors.Is(err, errNotRun) && !repeatable(call.Tool):
		return Result{}, err
	}
	if _, missing := c.fork.find(call.Tool); missing != nil {
		return Result{}, err
	}
	c.forking.Store(true)
	_ = c.socket.Close()
	return c.fork.Run(ctx, call)
}

func (c *chooser) Close() error { return c.socket.Close() }
