package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/jujuc"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/pack"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pod"
)

// transport is how the charm reaches the agent.
type transport string

const (
	socket transport = "agent's socket"
	fork   transport = "forked hook tools"
)

// subject is whose hooks are measured.
type subject struct {
	charm           string // archive
	unit, container string
	// address is the pod's, which no other pod of the machine may have: it
	// names the link.
	address string
	// image fills a directory that becomes the container's image.
	image func(dir string) error
	// model makes the model around the unit.
	model func(charm *model.Charm) (*model.Model, error)
}

// stage is a model whose only pod is that of the subject, with a real Pebble;
// the other units' hooks are played. The program is the unit's agent.
type stage struct {
	subject
	dir   string
	model *model.Model
	pod   *pod.Pod
	boot  string // of its Pebble
	// listeners are where hook tools are served, by transport: what the
	// charm can dial itself, and what only the tools' program can.
	listeners map[transport]net.Listener
	addresses map[transport]string
	running   atomic.Pointer[served]
}

// served is the hook whose tools are answered.
type served struct {
	context       *model.Context
	calls, writes int
}

// agentDir is where the charm container sees the agent's socket.
const agentDir = "/agent"

func newStage(ctx context.Context, o options, who subject) (*stage, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	s := &stage{subject: who, dir: dir, listeners: map[transport]net.Listener{}, addresses: map[transport]string{}}
	if err := s.build(ctx, o); err != nil {
		s.close()
		return nil, fmt.Errorf("cannot set the stage for hooks: %w", err)
	}
	return s, nil
}

func (s *stage) close() {
	for _, listener := range s.listeners {
		_ = listener.Close()
	}
	if s.pod != nil {
		_ = s.pod.Kill()
	}
	_ = pod.Remove(s.dir)
}

func (s *stage) build(ctx context.Context, o options) error {
	files, err := unpack(s.charm, filepath.Join(s.dir, "charm"))
	if err != nil {
		return err
	}
	charm, err := model.ParseCharm(files)
	if err != nil {
		return err
	}
	// In the place of dispatch is what measures it.
	dispatch := filepath.Join(s.dir, "charm", "dispatch")
	if err := os.Rename(dispatch, filepath.Join(s.dir, "charm", "measured")); err != nil {
		return err
	}
	for program, to := range map[string]string{"launcher": dispatch, "jujuc": filepath.Join(s.dir, "jujuc")} {
		if err := pack.Build(ctx, ".", "./tests/bench/"+program, runtime.GOARCH, to); err != nil {
			return err
		}
	}
	for _, dir := range []string{"image", "agent"} {
		if err := os.MkdirAll(filepath.Join(s.dir, dir), 0o755); err != nil {
			return err
		}
	}
	if err := s.image(filepath.Join(s.dir, "image")); err != nil {
		return err
	}
	if err := s.listen(); err != nil {
		return err
	}
	if s.model, err = s.subject.model(charm); err != nil {
		return err
	}
	return s.startPod(ctx, o)
}

// listen serves the tools twice: on a unix socket, and on TCP, which hook
// tools know but the charm does not, so that it has to fork them.
func (s *stage) listen() (err error) {
	if s.listeners[socket], err = net.Listen("unix", filepath.Join(s.dir, "agent", "socket")); err != nil {
		return err
	}
	if s.listeners[fork], err = net.Listen("tcp", net.JoinHostPort(pod.Gateway, "0")); err != nil {
		return err
	}
	s.addresses[socket], s.addresses[fork] = agentDir+"/socket", s.listeners[fork].Addr().String()
	for _, listener := range s.listeners {
		jujuc.Serve(listener, s.answer)
	}
	return nil
}

// readOnly are the tools that change nothing.
var readOnly = []string{
	"config-get", "goal-state", "is-leader", "juju-log", "network-get", "opened-ports", "relation-get", "relation-ids",
	"relation-list", "secret-get", "secret-ids", "secret-info-get", "state-get", "status-get", "storage-get", "storage-list",
}

func (s *stage) answer(call jujuc.Request) (jujuc.Response, error) {
	hook := s.running.Load()
	if hook == nil {
		return jujuc.Response{}, errors.New("no hook runs")
	}
	code, stdout, stderr, needStdin := hook.context.Run(call.CommandName, call.Args, call.Stdin, call.StdinSet, nil)
	if needStdin {
		return jujuc.Response{}, jujuc.ErrStdin
	}
	hook.calls++
	if !slices.Contains(readOnly, call.CommandName) {
		hook.writes++
	}
	return jujuc.Response{Code: code, Stdout: stdout, Stderr: stderr}, nil
}

func (s *stage) startPod(ctx context.Context, o options) (err error) {
	name := juju.UnitFQDN(s.unit, "bench", juju.DefaultClusterDomain)
	hosts := filepath.Join(s.dir, "hosts")
	if err := os.WriteFile(hosts, []byte("127.0.0.1 localhost\n"+s.address+" "+name+"\n"), 0o644); err != nil {
		return err
	}
	s.pod, err = pod.Start(ctx, pod.Spec{
		Unit: s.unit, Model: "bench", FQDN: name, Address: s.address, Hosts: hosts,
		Dir: filepath.Join(s.dir, "p"), Pebble: filepath.Join(o.build, "pebble"),
		Containers: []pod.Container{{Name: s.container, Image: filepath.Join(s.dir, "image")}},
		Charm: pod.CharmContainer{
			Dir: filepath.Join(s.dir, "charm"), Jujuc: filepath.Join(s.dir, "jujuc"), Tools: model.Tools(),
			Storage: []pod.Mount{{Source: filepath.Join(s.dir, "agent"), Target: agentDir}},
		},
	})
	if err != nil {
		return err
	}
	client := pebble.NewClient(s.pod.PebbleSocket(s.container))
	defer client.Close()
	return until(ctx, func(ctx context.Context) bool {
		info, err := client.SystemInfo(ctx)
		s.boot = info.BootID
		return err == nil && s.model.ContainerUp(s.unit, s.container, s.boot) == nil
	})
}

// dispatch runs the charm for a hook.
func (s *stage) dispatch(ctx context.Context, c *model.Context, over transport) (sample, error) {
	env := c.Environment()
	env.CharmDir = pod.CharmDir(s.unit)
	env.ContextID = "bench"
	env.AgentSocketAddress, env.AgentSocketNetwork = s.addresses[over], s.listeners[over].Addr().Network()
	env.Path = pod.ToolsDir(s.unit) + ":/usr/sbin:/usr/bin:/sbin:/bin"
	hook := &served{context: c}
	s.running.Store(hook)
	defer s.running.Store(nil)
	var stdout, stderr bytes.Buffer
	outcome, err := s.pod.Dispatch(ctx, pod.Run{Env: env.Environ(), Stdout: &stdout, Stderr: &stderr})
	if err != nil {
		return sample{}, err
	}
	if err := c.End(model.Outcome{ExitCode: outcome.ExitCode}); err != nil {
		return sample{}, err
	}
	result := sample{calls: hook.calls, writes: hook.writes, processes: 1}
	if over == fork {
		result.processes += hook.calls
	}
	if err := json.Unmarshal(stdout.Bytes(), &result.taken); err != nil || outcome.ExitCode != 0 {
		return sample{}, fmt.Errorf("%s failed with code %d: %s", c.Hook(), outcome.ExitCode, strings.TrimSpace(stderr.String()))
	}
	return result, nil
}

// quiet is for how long Pebble's log must not grow to be complete.
const quiet = 200 * time.Millisecond

// requests counts what the charm has asked Pebble over its socket so far, by
// Pebble's own log, and what of it changed something.
func (s *stage) requests() (all, posts int) {
	for last := -1; all != last; {
		last = all
		time.Sleep(quiet)
		log, _ := os.ReadFile(s.pod.Log(s.container))
		all = bytes.Count(log, []byte("(http+unix)"))
		posts = bytes.Count(log, []byte("[pebble] POST "))
	}
	return all, posts
}

// unpack writes a charm's files to a directory and returns the YAML ones.
func unpack(archive, dir string) (map[string][]byte, error) {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return nil, fmt.Errorf("cannot open a charm, run make build: %w", err)
	}
	defer z.Close()
	files := map[string][]byte{}
	for _, entry := range z.File {
		if entry.FileInfo().IsDir() {
			continue
		}
		reader, err := entry.Open()
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(reader)
		_ = reader.Close()
		if err == nil {
			err = writeFile(filepath.Join(dir, entry.Name), content, entry.Mode().Perm())
		}
		if err != nil {
			return nil, err
		}
		if path.Ext(entry.Name) == ".yaml" {
			files[entry.Name] = content
		}
	}
	return files, nil
}

func writeFile(file string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, content, mode)
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return writeFile(to, content, 0o755)
}
