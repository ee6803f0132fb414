package pod

import (
	"context"
	"errors"
)

// ErrNotRunning: there is no machine, or no pod, behind the directory.
var ErrNotRunning = errors.New("not running")

// MachineSpec says what a machine is.
type MachineSpec struct {
	// Dir holds machine.sock, machine.lock and machine.log (the output of
	// the machine and of the daemon). It is made if missing.
	Dir string
	// Daemon is the command that the machine starts inside its namespaces
	// and starts again whenever it ends; Daemon[0] is an absolute path.
	Daemon []string
	// Env is the daemon's environment; nil: the caller's.
	Env []string
}

// Machine is a handle to a machine process, seen from outside of it.
type Machine struct {
	dir string
	pid int
}

// StartMachine starts a machine that outlives the caller, or returns the one
// that already runs in spec.Dir. It returns when bridge and daemon process
// exist. The error says what the host lacks.
func StartMachine(ctx context.Context, spec MachineSpec) (*Machine, error) {
	return nil, errors.ErrUnsupported
}

// FindMachine is the machine that runs in dir; ErrNotRunning if none does.
func FindMachine(dir string) (*Machine, error) { return nil, ErrNotRunning }

// PID is the machine's process id in the caller's pid namespace.
func (m *Machine) PID() int { return m.pid }

// Stop sends SIGTERM to the daemon, waits for its end until ctx is done, and
// then ends the machine with all that is in it.
func (m *Machine) Stop(ctx context.Context) error { return errors.ErrUnsupported }

// Kill ends the machine with all that is in it, and returns when it is gone.
func (m *Machine) Kill(ctx context.Context) error { return errors.ErrUnsupported }

// Enter runs this program again, with the arguments given, as PID 1 of a new
// machine's namespaces, with the caller's standard streams, and returns its
// exit code. It is StartMachine for a test binary: no daemon, and everything
// ends with that process.
func Enter(args []string, env []string) (int, error) { return 0, errors.ErrUnsupported }

// Reexec runs the machine, pod or container subcommand if that is what the
// program was started as, and then does not return before it has ended. A
// main, or TestMain, that uses this package calls it first and returns if it
// is true.
func Reexec() (handled bool) { return false }
