package pod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Dispatch runs the charm in the charm container, and waits for its end. It
// waits for the charm container if that is just being restarted. When ctx
// ends, or the daemon dies, the run is killed; detached children live on.
func (p *Pod) Dispatch(ctx context.Context, run Run) (Outcome, error) {
	proc := process{
		Charm: len(run.Command) == 0, Argv: run.Command, Env: run.Env, WholeEnv: true, Dir: run.Dir, JujucSocket: run.JujucSocket,
	}
	if proc.Dir == "" {
		proc.Dir = CharmDir(p.spec.Unit)
	}
	return p.run(ctx, CharmContainerName, proc, nil, run.Stdout, run.Stderr)
}

// Exec runs a command in a container ("charm" or a workload's) to its end.
func (p *Pod) Exec(ctx context.Context, container string, command Command) (Outcome, error) {
	if len(command.Argv) == 0 {
		return Outcome{}, errors.New("cannot run an empty command")
	}
	proc := process{
		Argv: command.Argv, Env: environ(command.Env), Dir: command.Dir,
		Terminal: command.Terminal, Rows: command.Rows, Columns: command.Columns,
	}
	return p.run(ctx, container, proc, command.Stdin, command.Stdout, command.Stderr)
}

// run lends the pod pipes as the process's standard streams.
func (p *Pod) run(ctx context.Context, container string, proc process, stdin io.Reader, stdout, stderr io.Writer) (Outcome, error) {
	var files []*os.File
	defer func() {
		for _, file := range files {
			file.Close()
		}
	}()
	if stdin == nil {
		null, err := os.Open(os.DevNull)
		if err != nil {
			return Outcome{}, err
		}
		files = append(files, null)
	} else {
		read, write, err := os.Pipe()
		if err != nil {
			return Outcome{}, err
		}
		files = append(files, read)
		go func() {
			io.Copy(write, stdin)
			write.Close()
		}()
	}
	var outputs []*output
	for _, w := range []io.Writer{stdout, stderr} {
		if w == nil {
			w = io.Discard
		}
		o, write, err := newOutput(w)
		if err != nil {
			return Outcome{}, err
		}
		defer o.finish()
		outputs = append(outputs, o)
		files = append(files, write)
	}
	resp, err := call(ctx, p.socket(), request{Op: opRun, Container: container, Process: &proc}, files...)
	for _, file := range files {
		file.Close()
	}
	files = nil
	for _, o := range outputs {
		o.finish()
	}
	if errors.Is(err, errGone) {
		return Outcome{ExitCode: 128 + int(unix.SIGKILL), Killed: true}, nil
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("cannot run a process in container %s of %s: %w", container, p.spec.Unit, err)
	}
	return resp.Outcome, nil
}

// output copies a pipe to a writer.
type output struct {
	read *os.File
	done chan struct{}
}

func newOutput(w io.Writer) (*output, *os.File, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	o := &output{read: read, done: make(chan struct{})}
	go func() {
		defer close(o.done)
		io.Copy(w, read)
		io.Copy(io.Discard, read) // a writer that failed must not stop the process
	}()
	return o, write, nil
}

// finish returns when all output has been written. A detached child that
// kept the pipe costs 100 ms, as with Juju's agent; what it writes later is
// dropped.
func (o *output) finish() {
	for range 20 {
		select {
		case <-o.done:
			o.read.Close()
			return
		case <-time.After(100 * time.Millisecond):
		}
		if left, err := o.left(); err != nil || left == 0 {
			break
		}
	}
	o.read.Close()
	<-o.done
}

// left is how much of the output has not been read yet.
func (o *output) left() (int, error) {
	raw, err := o.read.SyscallConn()
	if err != nil {
		return 0, err
	}
	var left int
	var leftErr error
	err = raw.Control(func(fd uintptr) { left, leftErr = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	return left, errors.Join(err, leftErr)
}

// errEnded: the container died before a process could be started in it.
var errEnded = errors.New("the container has ended")

// inside calls f on a thread that is in the container: its files are the
// container's, and a process that f starts is one of the container's.
func (i *instance) inside(f func() error) error {
	result := make(chan error)
	go func() {
		// Never unlocked: the thread ends with this goroutine, for it can
		// serve nothing else any more.
		runtime.LockOSThread()
		result <- func() error {
			i.entering.RLock()
			defer i.entering.RUnlock()
			if i.ended {
				return errEnded
			}
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				return os.NewSyscallError("unshare", err)
			}
			if err := unix.Setns(int(i.processes.Fd()), unix.CLONE_NEWPID); err != nil {
				return os.NewSyscallError("setns", err)
			}
			if err := unix.Setns(int(i.mounts.Fd()), unix.CLONE_NEWNS); err != nil {
				return os.NewSyscallError("setns", err)
			}
			if err := dropCapabilities(); err != nil {
				return err
			}
			return f()
		}()
	}()
	return <-result
}

func (c *container) readFile(ctx context.Context, name string) (content []byte, err error) {
	current, err := c.running(ctx)
	if err != nil {
		return nil, err
	}
	err = current.inside(func() error {
		content, err = os.ReadFile(name)
		return err
	})
	return content, err
}

// running is the container's present run. The charm's container is waited
// for: it is only away while it restarts.
func (c *container) running(ctx context.Context) (*instance, error) {
	if c.name == CharmContainerName {
		return c.up(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return nil, fmt.Errorf("container %s does not run (%s)", c.name, c.lastExit)
	}
	return c.current, nil
}

// run runs a process in the container with the three files as its standard
// streams.
func (c *container) run(ctx context.Context, proc process, files []*os.File) (Outcome, error) {
	current, err := c.running(ctx)
	if err != nil {
		return Outcome{}, err
	}
	env := proc.Env
	if proc.WholeEnv {
		env = agentDefaults(env, ToolsDir(c.kubelet.spec.Unit)+":"+c.env["PATH"]+":/charm/bin")
	} else {
		env = append(environ(c.env), env...)
	}
	if proc.JujucSocket != "" {
		stop, err := relay(AgentSocket(c.kubelet.spec.Unit), proc.JujucSocket)
		if err != nil {
			return Outcome{}, err
		}
		defer stop()
	}
	cmd := &exec.Cmd{
		Args: proc.Argv, Env: env, Dir: proc.Dir, SysProcAttr: &syscall.SysProcAttr{Setsid: true},
		Stdin: files[0], Stdout: files[1], Stderr: files[2],
	}
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	var early *Outcome // nothing was started
	var terminal *terminal
	err = current.inside(func() error {
		if proc.Charm {
			if early = findCharm(cmd); early != nil {
				return nil
			}
		} else if cmd.Path = lookPath(cmd.Args[0], cmd.Dir, valueOf(env, "PATH")); cmd.Path == "" {
			fmt.Fprintf(files[2], "%s: command not found\n", cmd.Args[0])
			early = &Outcome{ExitCode: 127}
			return nil
		}
		if proc.Terminal {
			var err error
			if terminal, err = openTerminal(cmd, proc.Rows, proc.Columns); err != nil {
				return err
			}
		}
		err := cmd.Start()
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.ENOEXEC) || errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(files[2], "cannot run %s: %v\n", cmd.Path, err)
			early = &Outcome{ExitCode: 126}
			return nil
		}
		return err
	})
	if terminal != nil {
		defer terminal.close()
	}
	if errors.Is(err, errEnded) || errors.Is(err, unix.ENOMEM) {
		// ENOMEM: the pid namespace takes no more processes, for its first
		// has died.
		return Outcome{ExitCode: 128 + int(unix.SIGKILL), Killed: true}, nil
	}
	if err != nil {
		return Outcome{}, err
	}
	if early != nil {
		return *early, nil
	}
	if terminal != nil {
		terminal.start(files[0], files[1])
	}
	// The process leads a process group: its children die with it unless
	// they left the group.
	defer context.AfterFunc(ctx, func() { _ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) })()
	cmd.Wait()
	if terminal != nil {
		terminal.finish()
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	killed := status.Signaled() && (status.Signal() == unix.SIGKILL || status.Signal() == unix.SIGTERM)
	return Outcome{ExitCode: exitCode(status), Killed: killed}, nil
}

// agentDefaults adds what Juju's agent gives to each hook.
func agentDefaults(env []string, searchPath string) []string {
	env = append([]string(nil), env...)
	for _, entry := range []string{
		"APT_LISTCHANGES_FRONTEND=none", "DEBIAN_FRONTEND=noninteractive", "LANG=C.UTF-8", "PATH=" + searchPath, "TERM=tmux-256color",
	} {
		if key, _, _ := strings.Cut(entry, "="); valueOf(env, key) == "" {
			env = append(env, entry)
		}
	}
	return env
}

// valueOf is a variable of an environment; empty if it has none.
func valueOf(env []string, key string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(env[i], key+"="); ok {
			return value
		}
	}
	return ""
}

// findCharm sets the file that Juju's agent would run, or says how the run
// ends without one. It is called inside of the charm container.
func findCharm(cmd *exec.Cmd) *Outcome {
	complain := func(code int, format string, args ...any) *Outcome {
		fmt.Fprintf(cmd.Stderr, format+"\n", args...)
		return &Outcome{ExitCode: code}
	}
	dir := cmd.Dir
	if _, err := os.Stat(filepath.Join(dir, "metadata.yaml")); err != nil {
		return complain(1, "charm missing from disk: %v", err)
	}
	for _, name := range []string{"dispatch", valueOf(cmd.Env, "JUJU_DISPATCH_PATH")} {
		if name == "" {
			continue
		}
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		if unix.Access(file, unix.X_OK) != nil {
			return complain(126, "cannot run %s: permission denied", file)
		}
		cmd.Path, cmd.Args = file, []string{file}
		return nil
	}
	return &Outcome{Missing: true}
}

// lookPath finds a command as a shell does; it is called inside of the
// container.
func lookPath(name, dir, searchPath string) string {
	if strings.Contains(name, "/") {
		if !path.IsAbs(name) {
			name = path.Join(dir, name)
		}
		return name
	}
	for _, entry := range filepath.SplitList(searchPath) {
		file := path.Join(entry, name)
		if info, err := os.Stat(file); err == nil && !info.IsDir() && unix.Access(file, unix.X_OK) == nil {
			return file
		}
	}
	return ""
}

// relay listens on an abstract socket of this network namespace and connects
// each caller with the socket at a path. stop ends the listening; connections
// last until one side closes.
func relay(address, socket string) (stop func(), err error) {
	listener, err := net.Listen("unix", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for hook tools: %w", err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				agent, err := dial(socket)
				if err != nil {
					return
				}
				defer agent.Close()
				go func() {
					io.Copy(agent, conn)
					agent.CloseWrite() // the agent may still answer
				}()
				io.Copy(conn, agent)
			}()
		}
	}()
	return func() { listener.Close() }, nil
}

// terminal is a pseudo-terminal of a container.
type terminal struct {
	master, slave *os.File
	done          chan struct{}
}

// openTerminal makes a terminal the command's; inside of the container.
func openTerminal(cmd *exec.Cmd, rows, columns int) (*terminal, error) {
	if rows == 0 || columns == 0 {
		rows, columns = 24, 80
	}
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*terminal, error) {
		master.Close()
		return nil, fmt.Errorf("cannot open a terminal: %w", err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return fail(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return fail(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: uint16(columns)}); err != nil {
		return fail(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return fail(err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr.Setctty = true
	return &terminal{master: master, slave: slave, done: make(chan struct{})}, nil
}

// start copies between the terminal and the streams.
func (t *terminal) start(stdin, stdout *os.File) {
	t.slave.Close()
	go io.Copy(t.master, stdin) // ends with the caller's stdin
	go func() {
		defer close(t.done)
		io.Copy(stdout, t.master) // ends with EIO when nobody has the slave
	}()
}

// finish waits for the output; a background process may keep the terminal.
func (t *terminal) finish() {
	select {
	case <-t.done:
	case <-time.After(time.Second):
	}
}

func (t *terminal) close() {
	t.slave.Close()
	t.master.Close()
}
