package pebbletest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Daemon is a real Pebble in a temporary directory, with the files of this
// machine: push only below Dir.
type Daemon struct {
	// Dir is a temporary directory for the test's files; $PEBBLE is below it.
	Dir    string
	Socket string
	// Client talks to it.
	Client *pebble.Client

	binary string
	cmd    *exec.Cmd
	ended  chan struct{}
}

// Start builds Pebble if this machine has not built that version yet, runs
// `pebble run --hold` and ends it, with its services, with the test.
func Start(t testing.TB) *Daemon {
	t.Helper()
	path := binary(t)
	// Not t.TempDir: with a test's name the socket's path grows beyond 107 bytes.
	dir, err := os.MkdirTemp("", "pebble")
	if err != nil {
		t.Fatal(err)
	}
	d := &Daemon{
		Dir:    dir,
		Socket: filepath.Join(dir, "pebble.socket"),
		binary: path,
		ended:  make(chan struct{}),
	}
	close(d.ended) // nothing to kill yet
	d.Client = pebble.NewClient(d.Socket)
	t.Cleanup(func() {
		d.Client.Close()
		d.Kill(t)
		if t.Failed() {
			t.Logf("pebble:\n%s", d.output())
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	d.Boot(t)
	return d
}

// Boot starts the daemon, with its directory as it is.
func (d *Daemon) Boot(t testing.TB) {
	t.Helper()
	cmd := exec.Command(d.binary, "run", "--create-dirs", "--hold")
	cmd.Env = append(os.Environ(), "PEBBLE="+filepath.Join(d.Dir, "pebble"), "PEBBLE_SOCKET="+d.Socket)
	// A file, not a pipe: the daemon would die of a pipe that nobody reads
	// before it had stopped its services.
	log, err := os.OpenFile(d.log(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	// A test that is killed takes the daemon with it, which then stops its
	// services. The signal comes when the thread ends that started it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	d.cmd, d.ended = cmd, ended
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		_, err := d.Client.SystemInfo(ctx)
		if err == nil {
			return
		}
		select {
		case <-ended:
			t.Fatalf("pebble ended:\n%s", d.output())
		case <-ctx.Done():
			t.Fatalf("pebble does not answer: %v\n%s", err, d.output())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (d *Daemon) log() string { return filepath.Join(d.Dir, "pebble.log") }

func (d *Daemon) output() string {
	content, err := os.ReadFile(d.log())
	if err != nil {
		return err.Error()
	}
	return string(content)
}

// Kill ends the daemon and all its services at once, as the loss of the
// container does, and waits for it.
func (d *Daemon) Kill(t testing.TB) {
	t.Helper()
	select {
	case <-d.ended:
		return // or never started
	default:
	}
	// Stopped, it starts no further process while its present ones are found.
	pid := d.cmd.Process.Pid
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	for _, child := range descendants(pid) {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	if err := d.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	<-d.ended
}

// Terminate asks the daemon to end, as Kubernetes does, and waits for it: it
// stops its services first.
func (d *Daemon) Terminate(t testing.TB) {
	t.Helper()
	select {
	case <-d.ended:
		return
	default:
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	select {
	case <-d.ended:
	case <-time.After(30 * time.Second):
		t.Error("pebble does not end")
		d.Kill(t)
	}
}

// descendants are the processes below pid.
func descendants(pid int) []int {
	children := make(map[int][]int)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		content, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// The name in parentheses may hold anything.
		_, rest, _ := strings.Cut(string(content[bytes.LastIndexByte(content, ')')+1:]), " ")
		fields := strings.Fields(rest)
		if len(fields) < 2 {
			continue
		}
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], child)
	}
	var all []int
	for pending := []int{pid}; len(pending) > 0; pending = pending[1:] {
		all = append(all, children[pending[0]]...)
		pending = append(pending, children[pending[0]]...)
	}
	return all
}

// build is done once a process, and once a machine and version of Pebble.
var build = sync.OnceValues(func() (string, error) {
	const module = "github.com/canonical/pebble"
	version, err := goTool("list", "-m", "-f", "{{.Version}}", module)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "pulsar-charms")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, fmt.Sprintf("pebble-%s-%s", strings.TrimSpace(version), runtime.GOARCH))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	// Another process may build at the same time: the rename decides.
	building := fmt.Sprintf("%s.%d", path, os.Getpid())
	if _, err := goTool("build", "-trimpath", "-o", building, module+"/cmd/pebble"); err != nil {
		return "", err
	}
	return path, os.Rename(building, path)
})

func goTool(args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("cannot run go %s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(output), nil
}

func binary(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
