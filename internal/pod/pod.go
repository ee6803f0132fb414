package pod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Pod is a running pod, seen from the daemon. Its methods may be called from
// any goroutine.
type Pod struct {
	spec  Spec
	pid   int
	pidfd *os.File
	done  chan struct{}
}

// entries of a pod's directory.
const (
	specFile   = "pod.json"
	socketFile = "pod.sock"
	logFile    = "pod.log"
	pebbleDir  = "c" // each Pebble's directory: socket and state
	rootDir    = "r" // filesystems of containers
	outputDir  = "l"
	jujuDir    = "j" // the charm container's /var/lib/juju
)

// Start makes a pod and returns when its containers' Pebbles have been
// started (they may not answer yet). The pod outlives the caller.
func Start(ctx context.Context, spec Spec) (*Pod, error) {
	p, err := start(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("cannot start the pod of %s: %w", spec.Unit, err)
	}
	return p, nil
}

func start(ctx context.Context, spec Spec) (*Pod, error) {
	spec, err := spec.resolve()
	if err != nil {
		return nil, err
	}
	if conn, err := dial(filepath.Join(spec.Dir, socketFile)); err == nil {
		conn.Close()
		return nil, fmt.Errorf("a pod runs in %s already", spec.Dir)
	}
	if err := makeDirs(spec); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(spec.Dir, logFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	attr := &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
	}
	child, err := spawn(podCommand, spec.Unit, attr, log)
	if err != nil {
		return nil, namespaceError(err)
	}
	defer context.AfterFunc(ctx, func() { child.cmd.Process.Kill() })()
	if err = connect(child.cmd.Process.Pid, spec.Address); err == nil {
		var answer string
		answer, err = child.tell(spec)
		if err == nil && answer != started {
			if answer == "" {
				answer = "it ended at once: see " + log.Name()
			}
			err = errors.New(answer)
		}
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		child.end()
		disconnect(spec.Address)
		return nil, err
	}
	p, err := Adopt(ctx, spec.Dir)
	if err != nil {
		child.end()
		return nil, err
	}
	go child.cmd.Wait()
	return p, nil
}

// Adopt is the pod that a former daemon started in dir; ErrNotRunning if it
// has died.
func Adopt(ctx context.Context, dir string) (*Pod, error) {
	data, err := os.ReadFile(filepath.Join(dir, specFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotRunning
	}
	p := &Pod{done: make(chan struct{})}
	if err == nil {
		err = json.Unmarshal(data, &p.spec)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot adopt the pod in %s: %w", dir, err)
	}
	conn, err := dial(p.socket())
	if err != nil {
		return nil, ErrNotRunning
	}
	if p.pid, p.pidfd, err = peer(conn); err == nil {
		err = send(conn, request{Op: opWatch}, nil)
	}
	// A pod that was killed while its daemon was away leaves no doubt.
	if err == nil {
		_, err = call(ctx, p.socket(), request{Op: opContainers})
	}
	if err != nil {
		conn.Close()
		if errors.Is(err, errGone) {
			return nil, ErrNotRunning
		}
		return nil, fmt.Errorf("cannot adopt the pod in %s: %w", dir, err)
	}
	go p.watch(conn)
	return p, nil
}

// watch closes done when the pod's processes are gone. The connection only
// ends with the pod's first process.
func (p *Pod) watch(conn *net.UnixConn) {
	conn.Read(make([]byte, 1))
	conn.Close()
	awaitProcess(context.Background(), p.pidfd)
	disconnect(p.spec.Address)
	close(p.done)
}

// Remove deletes the directory of a pod that has died. It refuses while
// something is mounted below it.
func Remove(dir string) error {
	if err := removeTree(dir); err != nil {
		return fmt.Errorf("cannot remove the pod's directory: %w", err)
	}
	return nil
}

// Spec is what the pod was started from, with symbolic links resolved.
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
	return filepath.Join(p.spec.Dir, pebbleDir, container, "pebble.socket")
}

// PebblePID is the process id, in the machine, of a container's Pebble.
func (p *Pod) PebblePID(container string) (int, error) {
	conn, err := dial(p.PebbleSocket(container))
	if err != nil {
		return 0, fmt.Errorf("cannot find Pebble of container %q: %w", container, err)
	}
	defer conn.Close()
	pid, pidfd, err := peer(conn)
	if err != nil {
		return 0, fmt.Errorf("cannot find Pebble of container %q: %w", container, err)
	}
	pidfd.Close()
	return pid, nil
}

// Log is the path of the file with a container's output: Pebble's and, as it
// runs with --verbose, its services'. At 10 MiB it becomes <path>.1.
func (p *Pod) Log(container string) string {
	return filepath.Join(p.spec.Dir, outputDir, container+".log")
}

// Containers is how the containers are, sorted by name, with the charm's.
func (p *Pod) Containers(ctx context.Context) ([]ContainerStatus, error) {
	resp, err := call(ctx, p.socket(), request{Op: opContainers})
	return resp.Containers, err
}

// ReadFile reads a file as a container ("charm" or a workload's) sees it;
// errors.Is(err, fs.ErrNotExist) if there is none.
func (p *Pod) ReadFile(ctx context.Context, container, path string) ([]byte, error) {
	resp, err := call(ctx, p.socket(), request{Op: opRead, Container: container, Path: path})
	if resp.NotExist {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return resp.Content, err
}

// KillContainer kills all processes of a container. The pod starts it again
// at once, or after a back-off if it died shortly before, with a fresh
// filesystem, the same mounts and, for the charm's, the same /var/lib/juju.
func (p *Pod) KillContainer(ctx context.Context, container string) error {
	_, err := call(ctx, p.socket(), request{Op: opKill, Container: container})
	return err
}

// RestartCharmContainer kills the charm container with the hook that runs in
// it, and returns when it is there again.
func (p *Pod) RestartCharmContainer(ctx context.Context) error {
	if err := p.KillContainer(ctx, CharmContainerName); err != nil {
		return err
	}
	_, err := call(ctx, p.socket(), request{Op: opUp, Container: CharmContainerName})
	return err
}

// Terminate begins the pod's end: SIGTERM to the Pebble of each workload
// container (which stops its services), and no container is started again.
// The charm container stays, so that the stop hook can run. It does not wait.
func (p *Pod) Terminate(ctx context.Context) error {
	_, err := call(ctx, p.socket(), request{Op: opTerminate})
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}

// Stop is Terminate, waits for the workload containers' end, at most for
// grace or until ctx ends, and then Kill. 0 is DefaultGrace.
func (p *Pod) Stop(ctx context.Context, grace time.Duration) error {
	if grace == 0 {
		grace = DefaultGrace
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	// Whatever goes wrong here, Kill ends it.
	if p.Terminate(ctx) == nil {
		_, _ = call(ctx, p.socket(), request{Op: opDown})
	}
	return p.Kill()
}

// Kill ends the pod and all in it at once, as a lost node does, and returns
// when it is gone.
func (p *Pod) Kill() error {
	if err := signalProcess(p.pidfd, unix.SIGKILL); err != nil {
		return fmt.Errorf("cannot kill the pod of %s: %w", p.spec.Unit, err)
	}
	<-p.done
	return nil
}

func (p *Pod) socket() string { return filepath.Join(p.spec.Dir, socketFile) }

// resolve checks a spec and makes its paths absolute and free of symbolic
// links, so that they mean the same below another root.
func (s Spec) resolve() (Spec, error) {
	if s.Unit == "" || s.FQDN == "" || s.Dir == "" {
		return s, errors.New("unit, name or directory is missing")
	}
	if err := checkAddress(s.Address); err != nil {
		return s, err
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return s, err
	}
	var failed error
	resolve := func(what, path string) string {
		resolved, err := filepath.Abs(path)
		if err == nil {
			resolved, err = filepath.EvalSymlinks(resolved)
		}
		if err != nil && failed == nil {
			failed = fmt.Errorf("cannot find %s: %w", what, err)
		}
		return resolved
	}
	mounts := func(what string, list []Mount) []Mount {
		list = slices.Clone(list)
		for i := range list {
			list[i].Source = resolve("the source of a mount of "+what, list[i].Source)
			if !filepath.IsAbs(list[i].Target) && failed == nil {
				failed = fmt.Errorf("target %q of a mount of %s is not absolute", list[i].Target, what)
			}
		}
		return list
	}
	s.Dir = resolve("the pod's directory", s.Dir)
	s.Hosts = resolve("the hosts file", s.Hosts)
	s.Pebble = resolve("Pebble's binary", s.Pebble)
	s.Charm.Dir = resolve("the charm", s.Charm.Dir)
	if s.Charm.Jujuc != "" {
		s.Charm.Jujuc = resolve("the hook-tool binary", s.Charm.Jujuc)
	}
	s.Charm.Storage = mounts("the charm container", s.Charm.Storage)
	s.Containers = slices.Clone(s.Containers)
	slices.SortFunc(s.Containers, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	names := map[string]bool{CharmContainerName: true}
	for i := range s.Containers {
		c := &s.Containers[i]
		if names[c.Name] || c.Name == "" || strings.ContainsAny(c.Name, "/.") {
			return s, fmt.Errorf("container name %q is reserved, taken or not a name", c.Name)
		}
		names[c.Name] = true
		if c.Image != "" {
			c.Image = resolve("the image of container "+c.Name, c.Image)
			if failed != nil {
				return s, failed
			}
			if c.Image == "/" || strings.HasPrefix(s.Dir+"/", c.Image+"/") {
				return s, fmt.Errorf("image %s of container %s contains the pod's own directory %s", c.Image, c.Name, s.Dir)
			}
		}
		c.Mounts = mounts("container "+c.Name, c.Mounts)
		if c.PebblePort == 0 {
			c.PebblePort = firstPebblePort + i
		}
		if err := checkSocket(filepath.Join(s.Dir, pebbleDir, c.Name, "pebble.socket")); err != nil {
			return s, err
		}
		c.Env = maps.Clone(c.Env)
	}
	s.Probe = s.Probe.withDefaults()
	return s, failed
}

// makeDirs makes the pod's own directory as empty as a new pod is.
func makeDirs(spec Spec) error {
	for _, entry := range []string{specFile, socketFile, logFile, pebbleDir, rootDir, outputDir, jujuDir} {
		if err := removeTree(filepath.Join(spec.Dir, entry)); err != nil {
			return err
		}
	}
	dirs := []string{rootDir, outputDir, jujuDir}
	for _, c := range spec.Containers {
		dirs = append(dirs, filepath.Join(pebbleDir, c.Name))
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(filepath.Join(spec.Dir, dir), 0o755); err != nil {
			return err
		}
	}
	data, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(spec.Dir, specFile), data, 0o600)
}

// removeTree removes a tree, but never the content of something mounted into
// it: that would be a storage, or the host.
func removeTree(path string) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(unescapeMount(fields[4])+"/", path+"/") {
			return fmt.Errorf("%s is mounted there", fields[4])
		}
	}
	return os.RemoveAll(path)
}

// unescapeMount undoes what mountinfo does to white space.
func unescapeMount(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}
