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
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// usualPath is the search path of a container.
const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// kubelet is the pod's first process: it has the namespaces that the
// containers share and keeps the containers running.
type kubelet struct {
	spec       Spec
	containers []*container // sorted by name

	mu          sync.Mutex
	terminating bool
}

// podMain is PID 1 of a pod.
func podMain(status *os.File) error {
	var spec Spec
	if err := readConfig(&spec); err != nil {
		return err
	}
	if err := privateProc(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(firstLabel(spec.FQDN))); err != nil {
		return fmt.Errorf("cannot set the host name: %w", err)
	}
	if err := configureNetwork(spec.Address); err != nil {
		return err
	}
	if err := listenNames(spec.Hosts); err != nil {
		return err
	}
	signal.Ignore(unix.SIGHUP, unix.SIGPIPE)
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, unix.SIGTERM, unix.SIGINT)

	k := newKubelet(spec)
	first := make(chan error, len(k.containers))
	for _, c := range k.containers {
		go c.supervise(first)
	}
	for range k.containers {
		if err := <-first; err != nil {
			return err
		}
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(spec.Dir, socketFile), Net: "unix"})
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	// A daemon that died in between knows nothing of this pod and would
	// never find it.
	if _, err := fmt.Fprint(status, started); err != nil {
		return fmt.Errorf("cannot answer the daemon: %w", err)
	}
	status.Close()
	go k.serve(listener)
	for _, c := range spec.Containers {
		go k.probe(c)
	}
	<-terminate
	k.terminate()
	ctx, cancel := context.WithTimeout(context.Background(), DefaultGrace)
	defer cancel()
	_ = k.down(ctx) // the rest dies with this process
	return nil
}

func newKubelet(spec Spec) *kubelet {
	k := &kubelet{spec: spec}
	shared := []Mount{{Source: spec.Pebble, Target: "/charm/bin/pebble", ReadOnly: true}}
	if spec.Charm.Jujuc != "" {
		shared = append(shared, Mount{Source: spec.Charm.Jujuc, Target: "/charm/bin/jujuc", ReadOnly: true})
	}
	searchPath, java := usualPath, javaHome()
	if java != "" {
		searchPath = path.Join(java, "bin") + ":" + usualPath
		if top, _, _ := strings.Cut(java[1:], "/"); !slices.Contains(hostDirs, top) {
			shared = append(shared, Mount{Source: java, Target: java, ReadOnly: true})
		}
	}
	environment := func(more ...map[string]string) map[string]string {
		env := map[string]string{"PATH": searchPath, "HOME": "/root", "LANG": "C.UTF-8", "HOSTNAME": firstLabel(spec.FQDN)}
		if java != "" {
			env["JAVA_HOME"] = java
		}
		for _, m := range more {
			maps.Copy(env, m)
		}
		return env
	}
	add := func(name string, root rootSpec, env map[string]string) {
		root.Dir = filepath.Join(spec.Dir, rootDir, name)
		root.Address, root.FQDN, root.Model = spec.Address, spec.FQDN, spec.Model
		root.Env = environ(env)
		k.containers = append(k.containers, &container{kubelet: k, name: name, root: root, env: env, changed: make(chan struct{})})
	}
	charm := rootSpec{Mounts: append(slices.Clone(shared),
		Mount{Source: filepath.Join(spec.Dir, jujuDir), Target: "/var/lib/juju"},
		Mount{Source: spec.Charm.Dir, Target: CharmDir(spec.Unit)})}
	for _, c := range spec.Containers {
		pebble := filepath.Join(spec.Dir, pebbleDir, c.Name)
		charm.Mounts = append(charm.Mounts, Mount{Source: pebble, Target: "/charm/containers/" + c.Name})
		add(c.Name, rootSpec{
			Image:  c.Image,
			Mounts: append(append(slices.Clone(shared), Mount{Source: pebble, Target: "/charm/container"}), c.Mounts...),
			// The command of Juju's own pod template.
			Argv: []string{"/charm/bin/pebble", "run", "--create-dirs", "--hold", "--http", fmt.Sprintf(":%d", c.PebblePort), "--verbose"},
		}, environment(c.Env, map[string]string{
			"JUJU_CONTAINER_NAME": c.Name,
			"PEBBLE":              "/charm/container/pebble",
			"PEBBLE_COPY_ONCE":    "/var/lib/pebble/default",
			"PEBBLE_SOCKET":       "/charm/container/pebble.socket",
		}))
	}
	charm.Mounts = append(charm.Mounts, spec.Charm.Storage...)
	for _, tool := range spec.Charm.Tools {
		charm.Links = append(charm.Links, link{"/charm/bin/jujuc", path.Join(ToolsDir(spec.Unit), tool)})
	}
	add(CharmContainerName, charm, environment())
	slices.SortFunc(k.containers, func(a, b *container) int { return strings.Compare(a.name, b.name) })
	return k
}

func firstLabel(name string) string {
	label, _, _ := strings.Cut(name, ".")
	return label
}

// environ is an environment as KEY=VALUE, sorted.
func environ(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for key, value := range env {
		list = append(list, key+"="+value)
	}
	slices.Sort(list)
	return list
}

// javaHome is where the host has its Java; empty if it has none.
func javaHome() string {
	home := os.Getenv("JAVA_HOME")
	if home == "" {
		java, err := exec.LookPath("java")
		if err != nil {
			return ""
		}
		if java, err = filepath.EvalSymlinks(java); err != nil {
			return ""
		}
		home = filepath.Dir(filepath.Dir(java))
	}
	home, err := filepath.EvalSymlinks(home)
	if err != nil || !filepath.IsAbs(home) {
		return ""
	}
	if _, err := os.Stat(filepath.Join(home, "bin", "java")); err != nil {
		return ""
	}
	return home
}

func (k *kubelet) container(name string) (*container, error) {
	for _, c := range k.containers {
		if c.name == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("the pod of %s has no container %q", k.spec.Unit, name)
}

func (k *kubelet) isTerminating() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.terminating
}

// terminate asks the workload containers to end, for good.
func (k *kubelet) terminate() {
	k.mu.Lock()
	k.terminating = true
	k.mu.Unlock()
	for _, c := range k.containers {
		if c.name != CharmContainerName {
			c.wake()
			c.signal(unix.SIGTERM)
		}
	}
}

// down returns when no workload container runs, or will again.
func (k *kubelet) down(ctx context.Context) error {
	for _, c := range k.containers {
		if c.name == CharmContainerName {
			continue
		}
		if err := c.await(ctx, func() bool { return c.current == nil && !c.starting }); err != nil {
			return err
		}
	}
	return nil
}

// serve answers the control socket.
func (k *kubelet) serve(listener *net.UnixListener) {
	for {
		conn, err := listener.AcceptUnix()
		if err != nil {
			fmt.Fprintln(os.Stderr, "cannot accept:", err)
			time.Sleep(10 * time.Millisecond) // out of descriptors, at worst
			continue
		}
		go func() {
			defer conn.Close()
			req, files, err := receive(conn)
			defer func() {
				for _, file := range files {
					file.Close()
				}
			}()
			if err != nil {
				return
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			go func() {
				conn.Read(make([]byte, 1)) // ends when the client gives up
				cancel()
			}()
			resp, err := k.handle(ctx, req, files)
			if err != nil {
				resp.Error, resp.NotExist = err.Error(), errors.Is(err, fs.ErrNotExist)
			}
			_ = json.NewEncoder(conn).Encode(resp) // the client may be gone
		}()
	}
}

func (k *kubelet) handle(ctx context.Context, req request, files []*os.File) (resp response, err error) {
	switch req.Op {
	case opWatch:
		<-ctx.Done()
		return resp, nil
	case opContainers:
		for _, c := range k.containers {
			resp.Containers = append(resp.Containers, c.status())
		}
		return resp, nil
	case opTerminate:
		k.terminate()
		return resp, nil
	case opDown:
		return resp, k.down(ctx)
	}
	c, err := k.container(req.Container)
	if err != nil {
		return resp, err
	}
	switch req.Op {
	case opUp:
		_, err = c.up(ctx)
	case opKill:
		err = c.kill(ctx)
	case opRead:
		resp.Content, err = c.readFile(ctx, req.Path)
	case opRun:
		if req.Process == nil || len(files) != 3 {
			return resp, errors.New("a run needs a process and three files")
		}
		resp.Outcome, err = c.run(ctx, *req.Process, files)
	default:
		err = fmt.Errorf("cannot do %q: a pod of another version", req.Op)
	}
	return resp, err
}
