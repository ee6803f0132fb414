package pod

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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
	pid   int
	pidfd *os.File
}

// StartMachine starts a machine that outlives the caller, or returns the one
// that already runs in spec.Dir. It returns when bridge and daemon process
// exist. The error says what the host lacks.
func StartMachine(ctx context.Context, spec MachineSpec) (*Machine, error) {
	if len(spec.Daemon) == 0 || !filepath.IsAbs(spec.Daemon[0]) {
		return nil, fmt.Errorf("cannot start the machine: its daemon %q is no absolute path", spec.Daemon)
	}
	if spec.Env == nil {
		spec.Env = os.Environ()
	}
	if err := os.MkdirAll(spec.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot start the machine: %w", err)
	}
	dir, err := filepath.EvalSymlinks(spec.Dir)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot start the machine: %w", err)
	}
	spec.Dir = dir
	if err := checkSocket(machineSocket(dir)); err != nil {
		return nil, fmt.Errorf("cannot start the machine: %w", err)
	}
	// The machine holds the lock for its life. Who does not get it waits
	// for the machine that another caller is starting.
	lock, err := os.OpenFile(filepath.Join(dir, "machine.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot start the machine: %w", err)
	}
	defer lock.Close()
	for unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		if m, err := FindMachine(dir); err == nil {
			return m, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("cannot start the machine: another one is starting in %s: %w", dir, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	log, err := os.OpenFile(filepath.Join(dir, "machine.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot start the machine: %w", err)
	}
	defer log.Close()
	machine, err := spawn(machineCommand, dir, machineNamespaces(), log, lock)
	if err != nil {
		return nil, fmt.Errorf("cannot start the machine: %w", namespaceError(err))
	}
	stop := context.AfterFunc(ctx, func() { machine.cmd.Process.Kill() })
	defer stop()
	answer, err := machine.tell(spec)
	if err == nil && answer != started {
		if answer == "" {
			answer = "it ended at once: see " + log.Name()
		}
		err = errors.New(answer)
	}
	if err != nil {
		machine.end()
		return nil, fmt.Errorf("cannot start the machine: %w", err)
	}
	go machine.cmd.Wait()
	return FindMachine(dir)
}

// FindMachine is the machine that runs in dir; ErrNotRunning if none does.
func FindMachine(dir string) (*Machine, error) {
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved
	}
	conn, err := dial(machineSocket(dir))
	if err != nil {
		return nil, ErrNotRunning
	}
	defer conn.Close()
	pid, pidfd, err := peer(conn)
	if err != nil {
		return nil, fmt.Errorf("cannot find the machine's process: %w", err)
	}
	return &Machine{pid: pid, pidfd: pidfd}, nil
}

func machineSocket(dir string) string { return filepath.Join(dir, "machine.sock") }

// PID is the machine's process id in the caller's pid namespace.
func (m *Machine) PID() int { return m.pid }

// Stop sends SIGTERM to the daemon, waits for its end until ctx is done, and
// then ends the machine with all that is in it.
func (m *Machine) Stop(ctx context.Context) error {
	if err := signalProcess(m.pidfd, unix.SIGTERM); err != nil {
		return fmt.Errorf("cannot stop the machine: %w", err)
	}
	if awaitProcess(ctx, m.pidfd) == nil {
		return nil
	}
	return m.Kill(context.WithoutCancel(ctx))
}

// Kill ends the machine with all that is in it, and returns when it is gone.
func (m *Machine) Kill(ctx context.Context) error {
	if err := signalProcess(m.pidfd, unix.SIGKILL); err != nil {
		return fmt.Errorf("cannot kill the machine: %w", err)
	}
	if err := awaitProcess(ctx, m.pidfd); err != nil {
		return fmt.Errorf("cannot kill the machine: %w", err)
	}
	return nil
}

// Enter runs this program again, with the arguments and environment given, as
// PID 1 of a new machine's namespaces, with the caller's standard streams,
// and returns its exit code. It is StartMachine for a test binary: no daemon,
// and everything ends with that process or with the caller.
func Enter(args, env []string) (int, error) {
	// The kernel sends the death signal when the starting thread ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	attr := machineNamespaces()
	attr.Setsid = false
	attr.Pdeathsig = unix.SIGKILL
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: append([]string{os.Args[0]}, args...), Env: append(env, enterVariable+"=1"),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, SysProcAttr: attr,
	}
	keepDescriptors()
	if err := cmd.Start(); err != nil {
		return 0, namespaceError(err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitCode(exit.Sys().(syscall.WaitStatus)), nil
	}
	return 0, err
}

func machineNamespaces() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true, Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWNS}
	if !privileged() {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	return attr
}

// setupMachine makes this process's new namespaces a machine.
func setupMachine() error {
	unix.Umask(0o022) // other users of a container must be able to read
	if err := privateProc(); err != nil {
		return err
	}
	if inUserNamespace() {
		if err := ownEtc(); err != nil {
			return fmt.Errorf("cannot copy /etc for the machine: %w", err)
		}
	}
	return makeBridge()
}

// ownEtc puts a copy in the place of /etc. The owners of the host's files
// have no id in a user namespace, so that containers could not change what
// they see of them.
func ownEtc() error {
	host, err := os.Open("/etc")
	if err != nil {
		return err
	}
	defer host.Close()
	if err := unix.Mount("etc", "/etc", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return err
	}
	return copyTree(fmt.Sprintf("/proc/self/fd/%d/", host.Fd()), "/etc")
}

// privateProc keeps this namespace's mounts to itself and shows its own
// processes in /proc.
func privateProc() error {
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("cannot make the mounts private: %w", namespaceError(err))
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		if errors.Is(err, unix.EPERM) && inUserNamespace() {
			return errors.New("cannot mount /proc: this host hides parts of its own /proc, as containers do: run as root, in a privileged container")
		}
		return fmt.Errorf("cannot mount /proc: %w", namespaceError(err))
	}
	return nil
}

// machineMain is the machine: PID 1 of its namespaces.
func machineMain(status *os.File) error {
	var spec MachineSpec
	if err := readConfig(&spec); err != nil {
		return err
	}
	unix.CloseOnExec(lockFD)
	if err := setupMachine(); err != nil {
		return err
	}
	signal.Ignore(unix.SIGHUP, unix.SIGPIPE)
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, unix.SIGTERM, unix.SIGINT)

	socket := machineSocket(spec.Dir)
	os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	go func() {
		// The socket only tells who listens on it.
		for {
			if conn, err := listener.Accept(); err == nil {
				conn.Close()
			}
		}
	}()

	d := &daemonProcess{spec: spec}
	if err := d.start(); err != nil {
		return err
	}
	fmt.Fprint(status, started)
	status.Close()
	go func() {
		<-terminate
		d.stop()
	}()
	d.supervise()
	return nil
}

// daemonProcess is the daemon, as the machine has it.
type daemonProcess struct {
	spec MachineSpec

	mu       sync.Mutex
	pid      int // 0: does not run
	stopping bool
}

func (d *daemonProcess) start() error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping {
		return nil
	}
	d.pid, err = syscall.ForkExec(d.spec.Daemon[0], d.spec.Daemon, &syscall.ProcAttr{
		Dir: "/", Env: d.spec.Env, Files: []uintptr{null.Fd(), 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		d.pid = 0
		return fmt.Errorf("cannot start the daemon %s: %w", d.spec.Daemon[0], err)
	}
	return nil
}

// stop asks the daemon to end, and supervise with it.
func (d *daemonProcess) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopping = true
	if d.pid == 0 {
		os.Exit(0)
	}
	unix.Kill(d.pid, unix.SIGTERM)
}

// supervise reaps whatever ends in the machine (pods become its children when
// their daemon dies) and starts the daemon again, until it is stopped.
func (d *daemonProcess) supervise() {
	const shortest, longest, healthy = 50 * time.Millisecond, 5 * time.Second, 10 * time.Second
	delay := shortest
	since := time.Now()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		d.mu.Lock()
		ended := err != nil || pid == d.pid
		if ended {
			d.pid = 0
		}
		stopping := d.stopping
		d.mu.Unlock()
		if !ended {
			continue
		}
		if stopping {
			return
		}
		if err == nil {
			fmt.Fprintf(os.Stderr, "the daemon ended (%s) and is started again\n", describe(syscall.WaitStatus(status)))
		}
		if time.Since(since) > healthy {
			delay = shortest
		}
		time.Sleep(delay)
		delay = min(2*delay, longest)
		since = time.Now()
		if err := d.start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// describe says how a process ended.
func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "killed by " + unix.SignalName(status.Signal())
	}
	return fmt.Sprintf("exit code %d", status.ExitStatus())
}

// exitCode is an exit code as a shell tells it.
func exitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
