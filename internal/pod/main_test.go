package pod

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The tests run inside a machine's namespaces, where they are the daemon:
// once as root, in plain namespaces, and once as an ordinary user, in a user
// namespace.
const (
	pebbleVariable = "POD_TEST_PEBBLE"
	daemonVariable = "POD_TEST_DAEMON"
)

func TestMain(m *testing.M) {
	if Reexec() {
		return
	}
	switch {
	case os.Getenv(daemonVariable) != "":
		os.Exit(testDaemon())
	case os.Getpid() == 1 && os.Getenv(pebbleVariable) != "":
		os.Exit(m.Run())
	}
	code, err := runInside()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runInside() (int, error) {
	if pebble := os.Getenv(pebbleVariable); pebble != "" {
		return Enter(os.Args[1:], os.Environ())
	}
	// Everybody must be able to run what is here.
	dir, err := os.MkdirTemp("", "pod")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return 0, err
	}
	pebble := filepath.Join(dir, "pebble")
	build := exec.Command("go", "build", "-o", pebble, "github.com/canonical/pebble/cmd/pebble")
	if output, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("cannot build Pebble: %w\n%s", err, output)
	}
	code, err := Enter(os.Args[1:], append(os.Environ(), pebbleVariable+"="+pebble))
	if err != nil || code != 0 || os.Geteuid() != 0 {
		return code, err
	}
	fmt.Println("again, as an ordinary user:")
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return 0, err
	}
	test := filepath.Join(dir, "pod.test")
	if err := os.WriteFile(test, program, 0o755); err != nil {
		return 0, err
	}
	cmd := exec.Command(test)
	for _, arg := range os.Args[1:] {
		if !strings.HasPrefix(arg, "-test.testlogfile") && !strings.HasPrefix(arg, "-test.coverprofile") {
			cmd.Args = append(cmd.Args, arg)
		}
	}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), pebbleVariable+"="+pebble)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	const nobody = 65534
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Pdeathsig: syscall.SIGKILL,
	}
	err = cmd.Run()
	if cmd.ProcessState != nil {
		return cmd.ProcessState.ExitCode(), nil
	}
	return 0, err
}
