// Package labtest is pods in memory for tests of the lab: charms are Go
// functions, Pebbles are counters, but hook tools go over the real socket.
package labtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/jujuc"
	"github.com/pulsar-charms/pulsar-charms/internal/lab"
)

// Charm is a charm's dispatch; it returns the exit code.
type Charm func(h *Hook) int

// Missing is what a Charm returns that has no code for the hook.
const Missing = -1

// Hook is one run of a charm.
type Hook struct {
	context.Context
	juju.Environment
	Argv           []string // set by juju exec
	Stdout, Stderr io.Writer
	Pod            *Pod

	client *rpc.Client
}

// Tool runs a hook tool; the error holds what it printed as its fault.
func (h *Hook) Tool(name string, args ...string) (string, error) {
	request := jujuc.WireRequest{CommandName: name, Args: args, ContextId: h.ContextID, Dir: h.CharmDir}
	var response jujuc.Response
	if err := h.client.Call("Jujuc.Main", request, &response); err != nil {
		return "", err
	}
	if response.Code != 0 {
		return "", errors.New(strings.TrimSpace(string(response.Stderr)))
	}
	return strings.TrimSpace(string(response.Stdout)), nil
}

// Runtime is a lab.Runtime. Its pods outlive a daemon; Close ends them.
type Runtime struct {
	charms map[string]Charm // by application

	mu      sync.Mutex
	pods    map[string]*Pod // by directory
	started []string
	boots   int
	refusal error
}

// New returns a Runtime that runs these charms, by application. An
// application without one has a charm that does nothing.
func New(charms map[string]Charm) *Runtime {
	return &Runtime{charms: charms, pods: map[string]*Pod{}}
}

// Refuse makes all later starts of pods fail; nil ends that.
func (r *Runtime) Refuse(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusal = err
}

// Start implements lab.Runtime.
func (r *Runtime) Start(_ context.Context, spec lab.PodSpec) (lab.Pod, error) {
	r.mu.Lock()
	refusal := r.refusal
	r.mu.Unlock()
	if refusal != nil {
		return nil, refusal
	}
	for _, container := range spec.Containers {
		for _, m := range container.Storage {
			if _, err := os.Stat(m.Source); err != nil {
				return nil, err
			}
		}
	}
	p := &Pod{Spec: spec, runtime: r, charm: r.charms[juju.Application(spec.Unit)], gone: make(chan struct{}), pebbles: map[string]*pebble{}}
	if p.charm == nil {
		p.charm = func(*Hook) int { return 0 }
	}
	for _, c := range spec.Containers {
		p.pebbles[c.Name] = &pebble{boot: r.boot(), changed: make(chan struct{})}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pods[spec.Dir] = p
	r.started = append(r.started, spec.Unit)
	p.pid = 1000 + len(r.started)
	return p, nil
}

func (r *Runtime) boot() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.boots++
	return fmt.Sprintf("boot-%d", r.boots)
}

// Adopt implements lab.Runtime.
func (r *Runtime) Adopt(_ context.Context, spec lab.PodSpec) (lab.Pod, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pods[spec.Dir]
	if p == nil || p.isGone() {
		return nil, errors.New("no such pod")
	}
	return p, nil
}

// Started lists the units of all pods that were ever started.
func (r *Runtime) Started() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.started...)
}

// Running is the living pods, sorted by unit.
func (r *Runtime) Running() []*Pod {
	r.mu.Lock()
	defer r.mu.Unlock()
	var pods []*Pod
	for _, p := range r.pods {
		if !p.isGone() {
			pods = append(pods, p)
		}
	}
	sort.Slice(pods, func(i, j int) bool { return pods[i].Spec.Unit < pods[j].Spec.Unit })
	return pods
}

// Pod is the living pod of a unit; nil if there is none.
func (r *Runtime) Pod(unit string) *Pod {
	for _, p := range r.Running() {
		if p.Spec.Unit == unit {
			return p
		}
	}
	return nil
}

// Pod is a pod in memory.
type Pod struct {
	Spec    lab.PodSpec
	runtime *Runtime
	charm   Charm
	pid     int
	once    sync.Once
	gone    chan struct{}
	pebbles map[string]*pebble

	mu    sync.Mutex
	files map[string][]byte
}

func (p *Pod) isGone() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// PID implements lab.Pod.
func (p *Pod) PID() int { return p.pid }

// Gone implements lab.Pod.
func (p *Pod) Gone() <-chan struct{} { return p.gone }

// Die ends the pod as if somebody had killed it.
func (p *Pod) Die() { p.once.Do(func() { close(p.gone) }) }

// Dispatch implements lab.Pod.
func (p *Pod) Dispatch(ctx context.Context, d lab.Dispatch) (lab.Exit, error) {
	env, err := juju.ParseEnvironment(d.Env)
	if err != nil {
		return lab.Exit{}, err
	}
	conn, err := net.Dial("unix", d.Tools)
	if err != nil {
		return lab.Exit{}, err
	}
	client := rpc.NewClient(conn)
	defer client.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan int, 1)
	go func() {
		done <- p.charm(&Hook{Context: ctx, Environment: env, Argv: d.Argv, Stdout: d.Stdout, Stderr: d.Stderr, Pod: p, client: client})
	}()
	select {
	case code := <-done:
		if code == Missing {
			return lab.Exit{Missing: true}, nil
		}
		return lab.Exit{Code: code}, nil
	case <-p.gone:
		return lab.Exit{Killed: true}, nil
	case <-ctx.Done():
		return lab.Exit{Killed: true}, nil
	}
}

// Exec implements lab.Pod: it prints the container and the command, then its
// input, and fails with the code that the command "exit" names.
func (p *Pod) Exec(_ context.Context, e lab.Exec) (int, error) {
	if _, ok := p.pebbles[e.Container]; !ok && e.Container != "charm" {
		return 0, fmt.Errorf("container %q not found", e.Container)
	}
	if len(e.Argv) == 2 && e.Argv[0] == "exit" {
		var code int
		_, err := fmt.Sscan(e.Argv[1], &code)
		return code, err
	}
	fmt.Fprintf(e.Stdout, "%s: %s\n", e.Container, strings.Join(e.Argv, " "))
	_, err := io.Copy(e.Stdout, e.Stdin)
	return 0, err
}

// KillContainer implements lab.Pod.
func (p *Pod) KillContainer(_ context.Context, container string) error {
	pebble := p.pebbles[container]
	if pebble == nil {
		return fmt.Errorf("container %q not found", container)
	}
	pebble.restart(p.runtime.boot())
	return nil
}

// Workload implements lab.Pod.
func (p *Pod) Workload(container string) lab.Workload { return p.pebbles[container] }

// PebblePIDs implements lab.Pod.
func (p *Pod) PebblePIDs() map[string]int {
	pids := map[string]int{}
	for name := range p.pebbles {
		pids[name] = p.pid*10 + len(pids)
	}
	return pids
}

// Log implements lab.Pod.
func (p *Pod) Log(string) string { return os.DevNull }

// WriteFile implements lab.Pod, and puts a file where hook tools find it.
func (p *Pod) WriteFile(path string, content []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.files == nil {
		p.files = map[string][]byte{}
	}
	p.files[path] = bytes.Clone(content)
	return nil
}

// ReadFile implements lab.Pod.
func (p *Pod) ReadFile(path string) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if content, ok := p.files[path]; ok {
		return content, nil
	}
	return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
}

// Terminate implements lab.Pod.
func (p *Pod) Terminate(context.Context) error { return nil }

// Stop implements lab.Pod.
func (p *Pod) Stop(context.Context, time.Duration) error { return p.Kill() }

// Kill implements lab.Pod.
func (p *Pod) Kill() error {
	p.Die()
	return nil
}

// Notify makes a custom notice in a container.
func (p *Pod) Notify(container, key string) { p.pebbles[container].notify(key) }

// Check makes a check of a container fail or recover.
func (p *Pod) Check(container, check string, failed bool) { p.pebbles[container].check(check, failed) }
