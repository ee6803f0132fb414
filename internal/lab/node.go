package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/pod"
)

// Node is the Runtime of real pods: namespaces of the machine that the
// daemon runs in.
type Node struct {
	Pebble string // the Pebble program
	Jujuc  string // the hook tools' program
}

// Start implements Runtime.
func (n Node) Start(ctx context.Context, spec PodSpec) (Pod, error) {
	s := pod.Spec{
		Unit: spec.Unit, Model: spec.Model, FQDN: spec.Name, Address: spec.Address,
		Hosts: spec.Hosts, Dir: spec.Dir, Pebble: n.Pebble,
		Charm: pod.CharmContainer{Dir: spec.Charm, Jujuc: n.Jujuc, Tools: model.Tools(), Storage: mounts(spec.Storage)},
	}
	for _, c := range spec.Containers {
		s.Containers = append(s.Containers, pod.Container{Name: c.Name, Image: c.Image, Mounts: mounts(c.Storage)})
	}
	p, err := pod.Start(ctx, s)
	if err != nil {
		return nil, err
	}
	return nodePod{p}, nil
}

func mounts(list []Mount) []pod.Mount {
	var out []pod.Mount
	for _, m := range list {
		out = append(out, pod.Mount{Source: m.Source, Target: m.Target})
	}
	return out
}

// Adopt implements Runtime.
func (n Node) Adopt(ctx context.Context, spec PodSpec) (Pod, error) {
	p, err := pod.Adopt(ctx, spec.Dir)
	if err != nil {
		return nil, err
	}
	return nodePod{p}, nil
}

type nodePod struct{ *pod.Pod }

func (p nodePod) Gone() <-chan struct{} { return p.Pod.Done() }

func (p nodePod) Dispatch(ctx context.Context, d Dispatch) (Exit, error) {
	o, err := p.Pod.Dispatch(ctx, pod.Run{Env: d.Env, Command: d.Argv, JujucSocket: d.Tools, Stdout: d.Stdout, Stderr: d.Stderr})
	return Exit{Code: o.ExitCode, Killed: o.Killed, Missing: o.Missing}, err
}

func (p nodePod) Exec(ctx context.Context, e Exec) (int, error) {
	o, err := p.Pod.Exec(ctx, e.Container, pod.Command{Argv: e.Argv, Stdin: e.Stdin, Stdout: e.Stdout, Stderr: e.Stderr})
	return o.ExitCode, err
}

func (p nodePod) Workload(container string) Workload {
	return newPebbleSocket(p.Pod.PebbleSocket(container))
}

// readLimit is how long a hook tool's --file or --output may take: the model
// waits for it.
const readLimit = 10 * time.Second

func (p nodePod) ReadFile(path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	code, err := p.Exec(ctx, Exec{Container: pod.CharmContainerName, Argv: []string{"cat", "--", path}, Stdout: &stdout, Stderr: &stderr})
	if err != nil {
		return nil, err
	}
	if code != 0 {
		if strings.Contains(stderr.String(), "No such file") {
			return nil, fmt.Errorf("open %s: %w", path, os.ErrNotExist)
		}
		return nil, fmt.Errorf("cannot read %s: %s", path, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}

func (p nodePod) WriteFile(path string, content []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	var stderr bytes.Buffer
	code, err := p.Exec(ctx, Exec{
		Container: pod.CharmContainerName, Argv: []string{"sh", "-c", `cat >"$1"`, "sh", path},
		Stdin: bytes.NewReader(content), Stdout: &stderr, Stderr: &stderr,
	})
	if err == nil && code != 0 {
		err = fmt.Errorf("cannot write %s: %s", path, strings.TrimSpace(stderr.String()))
	}
	return err
}

// PebblePIDs finds the Pebbles among the pod's children by the variable that
// names their container.
func (p nodePod) PebblePIDs() map[string]int {
	pids := map[string]int{}
	entries, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return pids
	}
	for _, file := range entries {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// pid (comm) state ppid …; the comm may hold anything but is in the
		// last parentheses.
		_, rest, _ := strings.Cut(string(stat[max(0, bytes.LastIndexByte(stat, ')')):]), " ")
		fields := strings.Fields(rest)
		if len(fields) < 2 || fields[1] != strconv.Itoa(p.PID()) {
			continue
		}
		dir := filepath.Dir(file)
		environ, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil {
			continue
		}
		for _, entry := range strings.Split(string(environ), "\x00") {
			if name, ok := strings.CutPrefix(entry, "JUJU_CONTAINER_NAME="); ok {
				pids[name], _ = strconv.Atoi(filepath.Base(dir))
			}
		}
	}
	return pids
}
