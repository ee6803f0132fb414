package pod

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// First arguments under which the program is one of this package's processes.
const (
	machineCommand   = "charmlab-machine"
	podCommand       = "charmlab-pod"
	containerCommand = "charmlab-container"
)

// enterVariable marks a program that Enter started: PID 1 of fresh
// namespaces that are still to be set up.
const enterVariable = "CHARMLAB_POD_ENTER"

// File descriptors of a process started by spawn.
const (
	configFD = 3 // the process's configuration as JSON
	statusFD = 4 // its answer: started, or an error's text
	lockFD   = 5 // machine only: its lock file
)

const started = "+"

// Reexec runs the machine, pod or container subcommand if that is what the
// program was started as, and then does not return before it has ended. A
// main, or TestMain, that uses this package calls it first and returns if it
// is true.
func Reexec() (handled bool) {
	if os.Getenv(enterVariable) != "" {
		os.Unsetenv(enterVariable)
		if err := setupMachine(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(125)
		}
		return false
	}
	if len(os.Args) < 2 {
		return false
	}
	var run func(status *os.File) error
	switch os.Args[1] {
	case machineCommand:
		run = machineMain
	case podCommand:
		run = podMain
	case containerCommand:
		run = containerMain
	default:
		return false
	}
	unix.CloseOnExec(configFD)
	unix.CloseOnExec(statusFD)
	status := os.NewFile(statusFD, "status")
	if err := run(status); err != nil {
		fmt.Fprintln(os.Stderr, err)
		fmt.Fprint(status, err)
		os.Exit(1)
	}
	return true
}

// readConfig reads what the parent sent. A parent that died before it had
// sent anything is an error.
func readConfig(config any) error {
	file := os.NewFile(configFD, "config")
	defer file.Close()
	data, err := io.ReadAll(file)
	if err == nil && len(data) == 0 {
		err = errors.New("the process that started this one is gone")
	}
	if err == nil {
		err = json.Unmarshal(data, config)
	}
	if err != nil {
		return fmt.Errorf("cannot read the configuration: %w", err)
	}
	return nil
}

// offspring is a process of this package that has been started but not yet
// told what to do.
type offspring struct {
	cmd    *exec.Cmd
	config *os.File
	status *os.File
}

// spawn starts this program again under one of the commands. The label is
// for the reader of a process list.
func spawn(command, label string, attr *syscall.SysProcAttr, output io.Writer, extra ...*os.File) (*offspring, error) {
	configRead, configWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer configRead.Close()
	statusRead, statusWrite, err := os.Pipe()
	if err != nil {
		configWrite.Close()
		return nil, err
	}
	defer statusWrite.Close()
	cmd := &exec.Cmd{
		Path:        "/proc/self/exe",
		Args:        []string{"charmlab", command, label},
		Env:         os.Environ(),
		Dir:         "/",
		Stdout:      output,
		Stderr:      output,
		ExtraFiles:  append([]*os.File{configRead, statusWrite}, extra...),
		SysProcAttr: attr,
	}
	keepDescriptors()
	if err := cmd.Start(); err != nil {
		configWrite.Close()
		statusRead.Close()
		return nil, err
	}
	return &offspring{cmd: cmd, config: configWrite, status: statusRead}, nil
}

// keepDescriptors keeps to this process what it has inherited by accident,
// such as a pipe of the shell that waits for its end: our processes live on.
func keepDescriptors() {
	// An old kernel does not know it, and then nothing but tidiness is lost.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
}

// tell sends the configuration and returns the answer: started, an error's
// text, or nothing if the process became another program or died.
func (o *offspring) tell(config any) (string, error) {
	defer o.status.Close()
	data, err := json.Marshal(config)
	if err != nil {
		o.config.Close()
		return "", err
	}
	_, err = o.config.Write(data)
	if closed := o.config.Close(); err == nil {
		err = closed
	}
	answer, readErr := io.ReadAll(o.status)
	if len(answer) > 0 || err == nil {
		err = readErr
	}
	return string(answer), err
}

// end kills and reaps the process.
func (o *offspring) end() {
	o.config.Close()
	o.status.Close()
	o.cmd.Process.Kill()
	o.cmd.Wait()
}

// namespaceError says why a process with namespaces of its own could not be
// started, and what to do.
func namespaceError(err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		switch {
		case sysctl("kernel/unprivileged_userns_clone") == "0":
			return errors.New("cannot make namespaces: user namespaces are switched off: run as root, or `sysctl kernel.unprivileged_userns_clone=1`")
		case sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
			return errors.New("cannot make namespaces: AppArmor restricts user namespaces: run as root, or `sysctl kernel.apparmor_restrict_unprivileged_userns=0`")
		}
		return errors.New("cannot make namespaces: not permitted: run as root; inside of a container, let it be a privileged one")
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EUSERS):
		return errors.New("cannot make namespaces: the limit is reached: raise the values below /proc/sys/user (`sysctl user.max_user_namespaces=10000`), or run as root")
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		return errors.New("cannot make namespaces: this kernel lacks pid, network, mount, uts, ipc or user namespaces")
	}
	return fmt.Errorf("cannot make namespaces: %w", err)
}

// sysctl is a kernel setting; empty if this kernel has none of the name.
func sysctl(name string) string {
	value, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(value))
}

// privileged says whether this process may make namespaces without a user
// namespace.
func privileged() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	wanted := uint32(1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SYS_CHROOT)
	return os.Geteuid() == 0 && data[0].Effective&wanted == wanted
}

// inUserNamespace says whether this process is in another user namespace than
// the host's first one.
func inUserNamespace() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(data)), " ") != "0 0 4294967295"
}
