package ops

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Charm is what an author writes.
type Charm interface {
	// Reconcile brings the unit from what it is to what it should be. It runs
	// in every hook and must write nothing if nothing differs. An error fails
	// the hook: Juju runs it again later and nothing else of the unit until
	// it succeeds.
	Reconcile(ctx context.Context, u *Unit) error
}

// Host is all of the world that one dispatch touches.
type Host struct {
	Environment juju.Environment
	Tools       hooktool.Runner
	// Pebble gives the daemon of a workload container.
	Pebble func(container string) pebble.Pebble
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Main is the whole of a charm's main function: it runs the dispatch that the
// process's environment describes and exits with what Juju expects: 0, or 1
// for a hook that shall be retried.
func Main(charm Charm) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := dispatch(ctx, charm)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "ERROR %v\n", err)
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, charm Charm) error {
	env, err := juju.ParseEnvironment(os.Environ())
	if unknown, ok := errors.AsType[*juju.UnknownHookError](err); ok {
		// A newer Juju; ops ignores these too.
		fmt.Fprintf(os.Stderr, "ignoring %v\n", unknown)
		return nil
	}
	if err != nil {
		return err
	}
	if env.ClusterDomain == "" {
		env.ClusterDomain = readClusterDomain()
	}
	directory, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("cannot find the working directory: %w", err)
	}
	tools, closer, err := hooktool.Open(env, directory)
	if err != nil {
		return err
	}
	// The agent waits for open connections after the hook.
	defer closer.Close()
	return Run(ctx, Host{
		Environment: env,
		Tools:       tools,
		Pebble: func(container string) pebble.Pebble {
			return pebble.NewClient(filepath.Join("/charm/containers", container, "pebble.socket"))
		},
	}, charm)
}

// Run is one dispatch of a charm; nil means exit code 0. Writes that Juju
// keeps to the end of the hook are sent when Reconcile has succeeded, so a
// failed hook leaves none.
func Run(ctx context.Context, host Host, charm Charm) (err error) {
	if host.Now == nil {
		host.Now = time.Now
	}
	u := newUnit(host, host.Environment.Hook)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
			u.log.Error("panic in hook", "hook", u.hook.String(), "panic", r, "stack", string(debug.Stack()))
		}
	}()
	if u.hook.Kind == juju.Action {
		err = u.runAction(ctx, charm)
	} else {
		err = charm.Reconcile(ctx, u)
	}
	if err == nil {
		err = u.flush(ctx)
	}
	if err != nil {
		u.log.Error("hook failed", "hook", u.hook.String(), "error", err)
	}
	return err
}

// flush sends what the hook has gathered, each kind once.
func (u *Unit) flush(ctx context.Context) error {
	if err := u.flushBags(ctx); err != nil {
		return err
	}
	if err := u.flushState(ctx); err != nil {
		return err
	}
	if u.version != "" {
		if err := u.flushVersion(ctx); err != nil {
			return err
		}
	}
	if u.hook.Kind == juju.Action {
		return nil
	}
	return u.flushStatus(ctx)
}

// versionKey remembers what was given to application-version-set, which Juju
// offers no tool to read.
const versionKey = "ops.version"

func (u *Unit) flushVersion(ctx context.Context) error {
	state, err := u.State(ctx)
	if err != nil || state[versionKey] == u.version {
		return err
	}
	if err := u.tools.ApplicationVersionSet(ctx, u.version); err != nil {
		return fmt.Errorf("cannot set workload version: %w", err)
	}
	if err := u.SetState(ctx, versionKey, u.version); err != nil {
		return err
	}
	return u.flushState(ctx)
}

// flushStatus writes the worst status, once, if it differs.
func (u *Unit) flushStatus(ctx context.Context) error {
	want := juju.Worst(u.statuses...)
	if want.Name == "" {
		want = Active("")
	}
	have, err := u.tools.StatusGet(ctx)
	if err != nil {
		return fmt.Errorf("cannot read status: %w", err)
	}
	if have == want {
		return nil
	}
	if err := u.tools.StatusSet(ctx, want); err != nil {
		return fmt.Errorf("cannot set status: %w", err)
	}
	return nil
}
