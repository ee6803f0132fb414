package pod

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Restarts of a container: the first at once, then after a delay that doubles.
// (A kubelet waits 10 s to 5 min; a lab has less time.)
const (
	shortestBackoff = time.Second
	longestBackoff  = 30 * time.Second
	stableAfter     = time.Minute // running that long forgets earlier deaths
)

// container is one container of the pod, running or between two runs.
type container struct {
	kubelet *kubelet
	name    string
	root    rootSpec
	env     map[string]string

	mu       sync.Mutex
	current  *instance // nil: does not run
	starting bool
	unready  bool
	restarts int
	since    time.Time
	lastExit string
	changed  chan struct{} // closed and replaced when one of these changes
}

// instance is one run of a container.
type instance struct {
	process    *os.Process
	terminated bool // by a failed liveness probe

	mounts    *os.File // its namespaces
	processes *os.File
	entering  sync.RWMutex // held while the namespaces are in use
	ended     bool
}

// end lets go of the namespaces.
func (i *instance) end() {
	i.entering.Lock()
	defer i.entering.Unlock()
	i.ended = true
	i.mounts.Close()
	i.processes.Close()
}

// update changes the container's state and tells those who wait for it.
func (c *container) update(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *container) wake() { c.update(func() {}) }

// await returns when the condition, which is called with the lock held, is
// true.
func (c *container) await(ctx context.Context, condition func() bool) error {
	for {
		c.mu.Lock()
		ok, changed := condition(), c.changed
		c.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// up waits until the container runs.
func (c *container) up(ctx context.Context) (*instance, error) {
	var current *instance
	err := c.await(ctx, func() bool {
		current = c.current
		return current != nil
	})
	return current, err
}

func (c *container) status() ContainerStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ContainerStatus{
		Name: c.name, Running: c.current != nil, Ready: c.current != nil && !c.unready,
		Restarts: c.restarts, Since: c.since, LastExit: c.lastExit,
	}
}

// supervise keeps the container running. It tells of the first start.
func (c *container) supervise(first chan<- error) {
	output := &outputFile{path: filepath.Join(c.kubelet.spec.Dir, outputDir, c.name+".log")}
	var backoff time.Duration
	for {
		c.update(func() { c.starting = true })
		begin := time.Now()
		cmd, current, err := c.start(output)
		if first != nil {
			first <- err
			first = nil
		}
		if err != nil {
			fmt.Fprintln(output, err)
			c.update(func() { c.starting, c.lastExit, c.since = false, err.Error(), time.Now() })
		} else {
			c.update(func() { c.current, c.starting, c.unready, c.since = current, false, false, time.Now() })
			if c.name != CharmContainerName && c.kubelet.isTerminating() {
				c.signal(unix.SIGTERM) // it started while the others were told
			}
			cmd.Wait()
			ended := describe(cmd.ProcessState.Sys().(syscall.WaitStatus))
			fmt.Fprintf(os.Stderr, "container %s ended: %s\n", c.name, ended)
			c.update(func() { c.current, c.lastExit, c.since = nil, ended, time.Now() })
			current.end()
		}
		if time.Since(begin) > stableAfter {
			backoff = 0
		}
		wait, cancel := context.WithTimeout(context.Background(), backoff)
		_ = c.await(wait, c.kubelet.isTerminating) // either is the end of waiting
		cancel()
		if c.name != CharmContainerName && c.kubelet.isTerminating() {
			return
		}
		backoff = min(max(2*backoff, shortestBackoff), longestBackoff)
		c.update(func() { c.restarts++ })
	}
}

// start makes the container's first process, with a filesystem that nobody
// has written to yet.
func (c *container) start(output *outputFile) (*exec.Cmd, *instance, error) {
	failed := func(err error) (*exec.Cmd, *instance, error) {
		return nil, nil, fmt.Errorf("cannot start container %s: %w", c.name, err)
	}
	if err := removeTree(c.root.Dir); err != nil {
		return failed(err)
	}
	child, err := spawn(containerCommand, c.kubelet.spec.Unit+" "+c.name,
		&syscall.SysProcAttr{Setsid: true, Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}, output)
	if err != nil {
		return failed(namespaceError(err))
	}
	answer, err := child.tell(c.root)
	if err == nil && answer != "" {
		err = errors.New(answer)
	}
	if err != nil {
		child.end()
		return failed(err)
	}
	current := &instance{process: child.cmd.Process}
	namespaces := fmt.Sprintf("/proc/%d/ns/", child.cmd.Process.Pid)
	current.mounts, err = os.Open(namespaces + "mnt")
	if err == nil {
		if current.processes, err = os.Open(namespaces + "pid"); err != nil {
			current.mounts.Close()
		}
	}
	if err != nil {
		child.end()
		return failed(errors.New("it ended at once"))
	}
	return child.cmd, current, nil
}

// signal sends a signal to the container's first process, if it runs.
func (c *container) signal(signal unix.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil {
		_ = c.current.process.Signal(signal) // fails if it has just ended
	}
}

// kill ends the run of the container that is on, and returns when it has.
func (c *container) kill(ctx context.Context) error {
	var victim *instance
	c.mu.Lock()
	victim = c.current
	c.mu.Unlock()
	if victim == nil {
		return fmt.Errorf("container %s does not run", c.name)
	}
	c.signal(unix.SIGKILL)
	return c.await(ctx, func() bool { return c.current != victim })
}

func (p Probe) withDefaults() Probe {
	if p.InitialDelay == 0 {
		p.InitialDelay = 30 * time.Second
	}
	if p.Period == 0 {
		p.Period = 5 * time.Second
	}
	if p.Failures == 0 {
		p.Failures = 3
	}
	return p
}

// probe asks a container's Pebble whether it is alive and ready, as the
// probes of Juju's pod template do, and restarts the container if it is not
// alive.
func (k *kubelet) probe(spec Container) {
	c, err := k.container(spec.Name)
	if err != nil {
		return
	}
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	healthy := func(level string) bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/v1/health?level=%s", spec.PebblePort, level), nil)
		if err != nil {
			return false
		}
		resp, err := client.Do(req)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	probe, failures := k.spec.Probe, 0
	var seen *instance
	for range time.Tick(probe.Period) {
		c.mu.Lock()
		current, age, unready := c.current, time.Since(c.since), c.unready
		c.mu.Unlock()
		if current != seen {
			seen, failures = current, 0
		}
		if current == nil || current.terminated || age < probe.InitialDelay || k.isTerminating() {
			continue
		}
		if ready := healthy("ready"); ready == unready {
			c.update(func() { c.unready = !ready })
		}
		if healthy("alive") {
			failures = 0
			continue
		}
		if failures++; failures < probe.Failures {
			continue
		}
		fmt.Fprintf(os.Stderr, "container %s is not alive and is restarted\n", c.name)
		current.terminated = true
		c.signal(unix.SIGTERM)
		time.AfterFunc(DefaultGrace, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.current == current {
				_ = current.process.Kill()
			}
		})
	}
}

// outputFile is a container's output, kept to twice outputLimit.
type outputFile struct {
	path string

	mu   sync.Mutex
	file *os.File
	size int64
}

const outputLimit = 10 << 20

func (f *outputFile) Write(data []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil && f.size > outputLimit {
		f.file.Close()
		f.file = nil
		if err := os.Rename(f.path, f.path+".1"); err != nil {
			return 0, err
		}
	}
	if f.file == nil {
		file, err := os.OpenFile(f.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return 0, err
		}
		f.file, f.size = file, 0
	}
	n, err := f.file.Write(data)
	f.size += int64(n)
	return n, err
}
