package pod

import (
	"context"
	"errors"
	"path/filepath"
	"time"
)

// Pod is a running pod, seen from the daemon. Its methods may be called from
// any goroutine.
type Pod struct {
	spec Spec
	pid  int
	done chan struct{}
}

// Start makes a pod and returns when its containers' Pebbles have been
// started (they may not answer yet). The pod outlives the caller.
func Start(ctx context.Context, spec Spec) (*Pod, error) { return nil, errors.ErrUnsupported }

// Adopt is the pod that a former daemon started in dir; ErrNotRunning if it
// has died.
func Adopt(ctx context.Context, dir string) (*Pod, error) { return nil, ErrNotRunning }

// Remove deletes the directory of a pod that has died.
func Remove(dir string) error { return errors.ErrUnsupported }

// Spec is what the pod was started from.
func (p *Pod) Spec() Spec { return p.spec }

// Address is the pod's address.
func (p *Pod) Address() string { return p.spec.Address }

// PID is the process id of the pod's first process in the machine.
func (p *Pod) PID() int { return p.pid }

// Done is closed when the pod is gone, for whatever reason.
func (p *Pod) Done() <-chan struct{} { return p.done }

// PebbleSocket is the path, for the daemon, of a workload container's Pebble
// socket. It exists while that Pebble runs.
func (p *Pod) PebbleSocket(container string) string {
	return filepath.Join(p.spec.Dir, "c", container, "pebble.socket")
}

// Log is the path of the file with a container's output: Pebble's and, as it
// runs with --verbose, its services'.
func (p *Pod) Log(container string) string {
	return filepath.Join(p.spec.Dir, "l", container+".log")
}

// Containers is how the containers are, sorted by name, with the charm's.
func (p *Pod) Containers(ctx context.Context) ([]ContainerStatus, error) {
	return nil, errors.ErrUnsupported
}

// Dispatch runs the charm in the charm container, and waits for its end. It
// waits for the charm container if that is just being restarted. When ctx
// ends, or the daemon dies, the run is killed; detached children live on.
func (p *Pod) Dispatch(ctx context.Context, run Run) (Outcome, error) {
	return Outcome{}, errors.ErrUnsupported
}

// Exec runs a command in a container ("charm" or a workload's) to its end.
func (p *Pod) Exec(ctx context.Context, container string, command Command) (Outcome, error) {
	return Outcome{}, errors.ErrUnsupported
}

// KillContainer kills all processes of a container. The pod starts it again
// at once, or after a back-off if it died shortly before, with a fresh
// filesystem, the same mounts and, for the charm's, the same /var/lib/juju.
func (p *Pod) KillContainer(ctx context.Context, container string) error {
	return errors.ErrUnsupported
}

// RestartCharmContainer kills the charm container with the hook that runs in
// it, and returns when it is there again.
func (p *Pod) RestartCharmContainer(ctx context.Context) error { return errors.ErrUnsupported }

// Terminate begins the pod's end: SIGTERM to the Pebble of each workload
// container (which stops its services), and no container is started again.
// The charm container stays, so that the stop hook can run. It does not wait.
func (p *Pod) Terminate(ctx context.Context) error { return errors.ErrUnsupported }

// Stop is Terminate, waits for the workload containers' end, at most for
// grace, and then Kill. 0 is DefaultGrace.
func (p *Pod) Stop(ctx context.Context, grace time.Duration) error { return errors.ErrUnsupported }

// Kill ends the pod and all in it at once, as a lost node does, and returns
// when it is gone.
func (p *Pod) Kill() error { return errors.ErrUnsupported }
