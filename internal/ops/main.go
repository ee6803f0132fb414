package ops

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Main is the whole of a charm's main function: it runs the dispatch that the
// process's environment describes and exits with what Juju expects: 0, or 1
// for a hook that shall be retried. A hook that SIGTERM ended dies of it:
// Juju then runs it again instead of calling it failed.
func Main(charm Charm) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := dispatch(ctx, charm)
	terminated := ctx.Err() != nil
	stop()
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "ERROR %v\n", err)
	if terminated {
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		select {} // until it arrives
	}
	os.Exit(1)
}

// dispatching is set for all that a dispatch starts. Python's ops sets it for
// the same reason.
const dispatching = "OPERATOR_DISPATCH"

func dispatch(ctx context.Context, charm Charm) error {
	env, err := juju.ParseEnvironment(os.Environ())
	if unknown, ok := errors.AsType[*juju.UnknownHookError](err); ok {
		// A newer Juju; standard output is logged at DEBUG.
		fmt.Printf("ignoring %v\n", unknown)
		return nil
	}
	if err != nil {
		return err
	}
	if os.Getenv(dispatching) != "" {
		fmt.Printf("ignoring %s, which was started by a hook of this charm\n", env.Hook)
		return nil
	}
	if err := os.Setenv(dispatching, "1"); err != nil {
		return fmt.Errorf("cannot mark the dispatch: %w", err)
	}
	env.Namespace, env.ClusterDomain = readCluster()
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
	if _, slow := tools.(*hooktool.Fork); slow && env.Hook.Kind != juju.Action {
		fmt.Println("running the hook tools on PATH: the agent's socket cannot be reached")
	}
	return Run(ctx, Host{
		Environment: env,
		Tools:       tools,
		Pebble: func(container string) pebble.Pebble {
			return pebble.NewClient(filepath.Join("/charm/containers", container, "pebble.socket"))
		},
	}, charm)
}
