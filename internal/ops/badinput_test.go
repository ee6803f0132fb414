package ops_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/jujuc"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

// TestMain makes the test binary a charm, if the environment names one.
func TestMain(m *testing.M) {
	switch name := os.Getenv("OPS_TEST_CHARM"); name {
	case "":
		os.Exit(m.Run())
	case "busy":
		ops.Main(charmFunc(busy))
	default:
		ops.Main(charmFunc(func(ctx context.Context, u *ops.Unit) error {
			switch name {
			case "fails":
				return errors.New("deliberate")
			case "panics":
				panic("deliberate")
			}
			return errors.Join(u.SetState(ctx, "k", name), os.WriteFile("mark", nil, 0o600))
		}))
	}
}

// busy does not end before it is told to.
func busy(ctx context.Context, u *ops.Unit) error {
	u.Log().Info("busy")
	<-ctx.Done()
	return ctx.Err()
}

// agent serves a stage's hook tools on a socket and gives the environment of
// the hook.
func (s *stage) agent(host ops.Host) (environ []string, server *jujuc.Server) {
	s.t.Helper()
	env := host.Environment
	env.CharmDir = s.t.TempDir()
	env.ContextID, env.AgentSocketNetwork, env.AgentSocketAddress = "c", "unix", filepath.Join(env.CharmDir, "s")
	listener, err := net.Listen("unix", env.AgentSocketAddress)
	if err != nil {
		s.t.Fatal(err)
	}
	server = jujuc.Serve(listener, jujuc.Expect("c", "", func(call jujuc.Request) (jujuc.Response, error) {
		var stdin []byte
		if call.StdinSet {
			stdin = append([]byte{}, call.Stdin...)
		}
		result, err := s.Run(context.Background(), hooktool.Call{Tool: call.CommandName, Args: call.Args, Stdin: stdin})
		return jujuc.Response(result), err
	}))
	s.t.Cleanup(func() { _ = server.Abort() })
	return env.Environ(), server
}

// dispatch runs the test binary as the charm of that name, with more or
// other variables.
func (s *stage) dispatch(charm string, environ []string, more ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	cmd, out, errs := s.command(charm, environ, more...)
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

func (s *stage) command(charm string, environ []string, more ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	cmd = exec.CommandContext(s.t.Context(), self)
	cmd.Env = slices.Concat(environ, []string{"OPS_TEST_CHARM=" + charm, "GOCOVERDIR=" + s.t.TempDir()}, more)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.t.TempDir(), stdout, stderr
	return cmd, stdout, stderr
}

// Exit codes and streams are what Juju expects: 0 for success and for what is
// not this charm's to do, 1 with a reason for what shall be run again.
func TestMainExit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		charm  string
		env    []string
		code   int
		stdout string
		stderr string // part of it
		ran    bool
	}{
		"good":             {charm: "good", ran: true},
		"failure":          {charm: "fails", code: 1, stderr: "ERROR deliberate\n"},
		"panic":            {charm: "panics", code: 1, stderr: "ERROR panic: deliberate\n"},
		"unknown hook":     {charm: "good", env: []string{"JUJU_DISPATCH_PATH=hooks/moon-rising"}, stdout: "ignoring unknown hook \"moon-rising\"\n"},
		"hook of a hook":   {charm: "good", env: []string{"OPERATOR_DISPATCH=1"}, stdout: "ignoring update-status, which was started by a hook of this charm\n"},
		"no hook":          {charm: "good", env: []string{"JUJU_DISPATCH_PATH="}, code: 1, stderr: "ERROR cannot read the hook environment: JUJU_DISPATCH_PATH is not set"},
		"no unit":          {charm: "good", env: []string{"JUJU_UNIT_NAME=web"}, code: 1, stderr: `unit name "web"`},
		"relation without": {charm: "good", env: []string{"JUJU_DISPATCH_PATH=hooks/db-relation-changed"}, code: 1, stderr: "JUJU_RELATION_ID is \"\""},
		"no agent":         {charm: "good", env: []string{"JUJU_AGENT_SOCKET_ADDRESS=/nowhere", "PATH="}, code: 1, stderr: "ERROR cannot run hook tools: cannot reach the agent"},
		"other context":    {charm: "good", env: []string{"JUJU_CONTEXT_ID=x"}, code: 1, stderr: `expected context id "c", got "x"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, seed())
			environ, server := s.agent(s.begin(updateStatus))
			code, stdout, stderr := s.dispatch(test.charm, environ, test.env...)
			if code != test.code || stdout != test.stdout || !strings.Contains(stderr, test.stderr) || test.code == 0 && stderr != "" {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
			}
			// The charm holds no connection, or the agent would wait for it.
			if err := server.Close(); err != nil {
				t.Error(err)
			}
			if err := s.context.End(model.Outcome{ExitCode: code}); err != nil {
				t.Fatal(err)
			}
			if kept := s.context.After().State["k"] == test.charm; kept != test.ran {
				t.Errorf("the hook's state was kept: %t", kept)
			}
		})
	}
}

// A hook that the agent's end cuts short dies of SIGTERM: an exit code would
// leave the unit in error, the signal makes Juju run the hook again.
func TestMainDiesOfSIGTERM(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	logged := make(chan struct{})
	var once sync.Once
	s.tamper = func(call hooktool.Call) (hooktool.Result, bool) {
		if call.Tool == "juju-log" {
			once.Do(func() { close(logged) })
		}
		return hooktool.Result{}, false
	}
	environ, _ := s.agent(s.begin(updateStatus))
	cmd, _, stderr := s.command("busy", environ)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-logged:
	case <-time.After(time.Minute):
		t.Error("the charm does not start")
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("the charm ended with %v, stderr %q", cmd.ProcessState, stderr)
	}
}

// A tool that answers garbage fails the hook before anything is written.
func TestGarbageFromATool(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"state-get", "is-leader", "relation-ids", "relation-list", "relation-get", "goal-state", "opened-ports", "config-get", "status-get"} {
		t.Run(tool, func(t *testing.T) {
			t.Parallel()
			for _, garbage := range []string{"", "{", "<html>", `{"a":{"b":[1]}}x`, "\x00\xff"} {
				s := newStage(t, seed())
				s.tamper = func(call hooktool.Call) (hooktool.Result, bool) {
					return hooktool.Result{Stdout: []byte(garbage)}, call.Tool == tool
				}
				before := maps.Clone(s.model.Databag("db:4", "web/1"))
				err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
					if err := u.Config(ctx, &struct{}{}); err != nil {
						return err
					}
					if _, err := u.Goal(ctx); err != nil {
						return err
					}
					if _, err := u.Relations(ctx, "db"); err != nil {
						return err
					}
					_, err := u.Apply(ctx, everything())
					return err
				}), updateStatus)
				if err == nil || !strings.Contains(err.Error(), "answer of "+tool) {
					t.Errorf("answer %q: error is %v", garbage, err)
				}
				after := s.context.After()
				if !maps.Equal(before, after.UnitData[4]) || len(after.State) > 0 || len(after.Ports) > 0 || after.Status != ops.Active("") {
					t.Errorf("answer %q: the hook left %+v", garbage, after)
				}
			}
		})
	}
}

// An agent whose socket dies between two calls fails the hook with a clear
// reason, and Juju runs it again; a second hook finishes what the first began.
func TestSocketDiesBetweenTwoCalls(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	host := s.begin(updateStatus)
	environ, server := s.agent(host)
	env := host.Environment
	for _, entry := range environ {
		if address, ok := strings.CutPrefix(entry, "JUJU_AGENT_SOCKET_ADDRESS="); ok {
			env.AgentSocketAddress, env.AgentSocketNetwork, env.ContextID = address, "unix", "c"
		}
	}
	socket, err := hooktool.DialSocket(t.Context(), env, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	host.Tools = socket
	die := true
	charm := charmFunc(func(ctx context.Context, u *ops.Unit) error {
		if _, err := u.Apply(ctx, everything()); err != nil {
			return err
		}
		if die {
			return server.Abort()
		}
		return nil
	})
	err = ops.Run(t.Context(), host, charm)
	if err == nil || !strings.Contains(err.Error(), "agent") {
		t.Errorf("error is %v", err)
	}
	if err := s.context.End(model.Outcome{ExitCode: 1}); err != nil {
		t.Fatal(err)
	}
	if after := s.context.After(); len(after.State) > 0 || len(after.Ports) > 0 || own(after.UnitData[4])["a"] != "" {
		t.Errorf("the hook left %+v", after)
	}
	die = false
	if err := s.model.Resolved("web/1", true); err != nil {
		t.Fatal(err)
	}
	if err := s.play(charm, updateStatus); err != nil {
		t.Fatal(err)
	}
	if after := s.context.After(); len(after.State) == 0 || own(after.UnitData[4])["a"] != "b" {
		t.Errorf("the second hook left %+v", after)
	}
}

// A databag of 1 MiB is written and read whole.
func TestDatabagOfOneMiB(t *testing.T) {
	t.Parallel()
	world := seed()
	big := strings.Repeat("ä", 512<<10)
	world.Relations[0].RemoteAppData = map[string]string{"big": big}
	s := newStage(t, world)
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		relations, err := u.Relations(ctx, "db")
		if err != nil {
			return err
		}
		bag, err := relations[0].RemoteApp(ctx)
		if err != nil || bag["big"] != big {
			t.Errorf("read %d bytes, %v", len(bag["big"]), err)
		}
		var number struct {
			Big int `databag:"big"`
		}
		if err := ops.Decode(bag, &number); err == nil || len(err.Error()) > 300 {
			t.Errorf("decoded as a number: %v", err)
		}
		_, err = u.Apply(ctx, ops.Plan{Databags: []ops.Databag{{Relation: "db:4", Data: bag}}})
		return err
	}), updateStatus)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.context.After().UnitData[4]["big"]; got != big {
		t.Errorf("%d bytes were written", len(got))
	}
}

// What is not UTF-8 is refused before anything of the hook is sent.
func TestInvalidUTF8(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(ctx context.Context, u *ops.Unit) error{
		"databag value": func(ctx context.Context, u *ops.Unit) error {
			_, err := u.Apply(ctx, ops.Plan{Databags: []ops.Databag{{Relation: "db:4", Data: ops.Bag{"k": "good"}}, {Relation: "cluster:2", Data: ops.Bag{"k": "\xff"}}}})
			return err
		},
		"databag key": func(ctx context.Context, u *ops.Unit) error {
			_, err := u.Apply(ctx, ops.Plan{Databags: []ops.Databag{{Relation: "db:4", Data: ops.Bag{"k": "good"}}, {Relation: "cluster:2", Data: ops.Bag{"\xff": "v"}}}})
			return err
		},
		"state value": func(ctx context.Context, u *ops.Unit) error { return u.SetState(ctx, "k", "\xff") },
		"state key":   func(ctx context.Context, u *ops.Unit) error { return u.SetState(ctx, "\xff", "v") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, seed())
			err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
				if err := u.SetState(ctx, "good", "v"); err != nil {
					return err
				}
				return write(ctx, u)
			}), updateStatus)
			if err == nil || !strings.Contains(err.Error(), "not UTF-8") {
				t.Errorf("error is %v", err)
			}
			if writes := s.writes(); len(writes) > 0 {
				t.Errorf("the hook wrote %v", writes)
			}
		})
	}
}

// What Juju refuses of the unit's state fails the hook, with Juju's reason.
func TestStateTooBig(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		return u.SetState(ctx, "k", strings.Repeat("x", 65<<10))
	}), updateStatus)
	if _, ok := errors.AsType[*hooktool.ToolError](err); !ok || len(err.Error()) > 300 {
		t.Errorf("error is %v", err)
	}
}
