package hooktool_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/jujuc"
)

// What both sides of a tool see is the same over each transport.
func TestRun(t *testing.T) {
	t.Parallel()
	answer := func(call jujuc.Request) (jujuc.Response, error) {
		switch call.CommandName {
		case "juju-log":
			return jujuc.Response{}, jujuc.UnknownCommand(call.CommandName)
		case "state-set":
			if !call.StdinSet {
				return jujuc.Response{}, jujuc.ErrStdin
			}
		}
		return jujuc.Response{Code: len(call.Args), Stdout: call.Stdin, Stderr: []byte("e\n")}, nil
	}
	tests := map[string]struct {
		call hooktool.Call
		want hooktool.Result
	}{
		"no arguments":       {hooktool.Call{Tool: "is-leader"}, hooktool.Result{Stderr: []byte("e\n")}},
		"exit code":          {hooktool.Call{Tool: "is-leader", Args: []string{"", "a b", "\n"}}, hooktool.Result{Code: 3, Stderr: []byte("e\n")}},
		"input":              {hooktool.Call{Tool: "state-set", Stdin: []byte("\x00\xff")}, hooktool.Result{Stdout: []byte("\x00\xff"), Stderr: []byte("e\n")}},
		"empty input":        {hooktool.Call{Tool: "state-set", Stdin: []byte{}}, hooktool.Result{Stderr: []byte("e\n")}},
		"no input":           {hooktool.Call{Tool: "state-set"}, hooktool.Result{Stderr: []byte("e\n")}},
		"tool Juju has not":  {hooktool.Call{Tool: "juju-log"}, hooktool.Result{Code: 1, Stderr: []byte("ERROR bad request: unknown command: juju-log\n")}},
		"argument with dash": {hooktool.Call{Tool: "is-leader", Args: []string{"--help"}}, hooktool.Result{Code: 1, Stderr: []byte("e\n")}},
	}
	overEach(t, answer, func(t *testing.T, _ *agent, runner hooktool.Runner) {
		for name, test := range tests {
			got, err := runner.Run(t.Context(), test.call)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if diff := cmp.Diff(text(test.want), text(got)); diff != "" {
				t.Errorf("%s: result (-want +got):\n%s", name, diff)
			}
		}
	})
}

func text(r hooktool.Result) string { return fmt.Sprintf("%d %q %q", r.Code, r.Stdout, r.Stderr) }

// A tool that the machine or the agent does not have is told from one that
// refuses.
func TestUnknownTool(t *testing.T) {
	t.Parallel()
	overEach(t, func(call jujuc.Request) (jujuc.Response, error) {
		return jujuc.Response{}, jujuc.UnknownCommand(call.CommandName)
	}, func(t *testing.T, _ *agent, runner hooktool.Runner) {
		_, err := hooktool.New(runner).Do(t.Context(), hooktool.Call{Tool: "moon-get"})
		if !errors.Is(err, hooktool.ErrUnsupported) {
			t.Errorf("moon-get: %v, want an unknown tool", err)
		}
		_, err = hooktool.New(runner).RelationModelGet(t.Context(), "db:1")
		if !errors.Is(err, hooktool.ErrUnsupported) {
			t.Errorf("relation-model-get: %v, want an unknown tool", err)
		}
	})
}

// The agent refuses who does not belong to its hook.
func TestOtherContext(t *testing.T) {
	t.Parallel()
	for name, open := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAgent(t, says("true"))
			env := a.env
			env.ContextID = "a/0-install-0"
			_, err := hooktool.New(open(t, env)).IsLeader(t.Context())
			if _, ok := errors.AsType[*hooktool.ToolError](err); !ok || !strings.Contains(err.Error(), `expected context id "a/0-config-changed-1"`) {
				t.Errorf("other context: %v", err)
			}
			env = a.env
			env.AgentToken = "stolen"
			_, err = hooktool.New(open(t, env)).IsLeader(t.Context())
			if err == nil || !strings.Contains(err.Error(), "token does not match") {
				t.Errorf("wrong token: %v", err)
			}
		})
	}
}

// Goroutines may share a runner; the agent sees one call after the other.
func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	var running sync.Map // calls under way, by the charm's directory
	overEach(t, func(call jujuc.Request) (jujuc.Response, error) {
		if _, other := running.LoadOrStore(call.Dir, true); other {
			return jujuc.Response{Code: 1, Stdout: []byte("two at a time")}, nil
		}
		defer running.Delete(call.Dir)
		return jujuc.Response{Stdout: []byte(call.Args[len(call.Args)-1])}, nil
	}, func(t *testing.T, _ *agent, runner hooktool.Runner) {
		var group sync.WaitGroup
		for i := range 4 {
			group.Go(func() {
				for j := range 3 {
					want := fmt.Sprintf("%d-%d", i, j)
					got, err := runner.Run(t.Context(), hooktool.Call{Tool: "resource-get", Args: []string{want}})
					if err != nil || string(got.Stdout) != want {
						t.Errorf("call %s was answered %q, %v", want, got.Stdout, err)
					}
				}
			})
		}
		group.Wait()
	})
}

// After Close the agent has no connection to wait for.
func TestClose(t *testing.T) {
	t.Parallel()
	a := newAgent(t, says("true"))
	runner, closer, err := hooktool.Open(a.env, "")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := hooktool.New(runner).IsLeader(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := a.server.Connections(); n != 1 {
		t.Errorf("%d connections for three calls, want one", n)
	}
	closed := make(chan error)
	go func() { closed <- a.server.Close() }()
	if err := errors.Join(closer.Close(), closer.Close()); err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := runner.Run(t.Context(), hooktool.Call{Tool: "is-leader"}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// A call that is given up leaves the runner usable.
func TestCancel(t *testing.T) {
	t.Parallel()
	for name, open := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entered, leave := make(chan struct{}), make(chan struct{})
			a := newAgent(t, func(call jujuc.Request) (jujuc.Response, error) {
				if call.CommandName == "goal-state" {
					close(entered)
					<-leave
				}
				return jujuc.Response{Stdout: []byte("true")}, nil
			})
			runner := open(t, a.env)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-entered
				cancel()
			}()
			if _, err := runner.Run(ctx, hooktool.Call{Tool: "goal-state"}); !errors.Is(err, context.Canceled) {
				t.Errorf("given up: %v", err)
			}
			if _, err := runner.Run(ctx, hooktool.Call{Tool: "is-leader"}); !errors.Is(err, context.Canceled) {
				t.Errorf("with a context that is over: %v", err)
			}
			close(leave)
			if leader, err := hooktool.New(runner).IsLeader(t.Context()); !leader || err != nil {
				t.Errorf("afterwards: %t, %v", leader, err)
			}
		})
	}
}

// The agent's socket may die between two calls: in the hook's last moments,
// or with an agent that is replaced.
func TestSocketDies(t *testing.T) {
	t.Parallel()
	a := newAgent(t, says("true"))
	runner, closer, err := hooktool.Open(a.env, "")
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, closer)
	tools := hooktool.New(runner)
	if _, err := tools.IsLeader(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.server.Abort(); err != nil {
		t.Fatal(err)
	}
	_, err = tools.IsLeader(t.Context())
	if err == nil || !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("without a server: %v, want the reason", err)
	}

	// The same socket, served again: a call that cannot have reached the
	// dead server runs there, once.
	listener, err := net.Listen("unix", a.env.AgentSocketAddress)
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	second := jujuc.Serve(listener, func(call jujuc.Request) (jujuc.Response, error) {
		calls = append(calls, call.CommandName)
		return jujuc.Response{}, nil
	})
	if err := tools.StorageAdd(t.Context(), "data", 1); err != nil {
		t.Errorf("with a new server: %v", err)
	}
	if diff := cmp.Diff([]string{"storage-add"}, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if err := second.Abort(); err != nil {
		t.Error(err)
	}
}

// listen gives a socket whose every connection serve handles, and the
// environment that leads to it. Its only tools are the given scripts.
func listen(t *testing.T, scripts map[string]string, serve func(conn net.Conn)) juju.Environment {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	env := juju.Environment{
		Hook: juju.Hook{Kind: juju.Start}, UnitName: "a/0", ModelName: "m", CharmDir: dir, ContextID: "c",
		AgentSocketAddress: filepath.Join(dir, "s"), AgentSocketNetwork: "unix", Path: dir,
	}
	listener, err := net.Listen("unix", env.AgentSocketAddress)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		group.Wait()
	})
	return env
}

// strangers are sockets that do not speak Juju's protocol.
var strangers = map[string]func(conn net.Conn){
	"hangs up": func(net.Conn) {},
	"hangs up after the question": func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
	},
	"noise": func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		noise := make([]byte, 64<<10)
		_, _ = rand.Read(noise)
		_, _ = conn.Write(noise)
	},
	"text": func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
	},
	"endless message": func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = conn.Write([]byte{0xf8, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) // gob's length of 2^63 - 1
	},
	"other service": func(conn net.Conn) { rpc.NewServer().ServeConn(conn) },
	"other answers": func(conn net.Conn) {
		server := rpc.NewServer()
		_ = server.RegisterName("Jujuc", stranger{})
		server.ServeConn(conn)
	},
}

// stranger has Jujuc.Main, of another shape.
type stranger struct{}

func (stranger) Main(_ struct{ ContextId string }, answer *map[string]string) error {
	*answer = map[string]string{"Code": "0"}
	return nil
}

// A socket that is none of Juju's is given up for the programs on PATH, if
// there are any, before anything has been done.
func TestStrangeSocket(t *testing.T) {
	t.Parallel()
	for name, serve := range strangers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := listen(t, map[string]string{"is-leader": "#!/bin/sh\necho true\n"}, serve)
			runner, closer, err := hooktool.Open(env, "")
			if err != nil {
				t.Fatal(err)
			}
			closeAtEnd(t, closer)
			for range 2 {
				if leader, err := hooktool.New(runner).IsLeader(t.Context()); !leader || err != nil {
					t.Errorf("IsLeader = %t, %v, want what the program says", leader, err)
				}
			}

			socket, err := hooktool.DialSocket(t.Context(), env, "")
			if err != nil {
				t.Fatal(err)
			}
			closeAtEnd(t, socket)
			for range 2 {
				if leader, err := hooktool.New(socket).IsLeader(t.Context()); err == nil {
					t.Errorf("IsLeader = %t over a socket that is none", leader)
				}
			}
		})
	}
}

// What may have been done is not done again by a program.
func TestNoSecondTry(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{
		"storage-add", "secret-add", "secret-set", "secret-grant", "secret-revoke", "secret-remove", "juju-reboot", "action-log",
	} {
		t.Run(tool, func(t *testing.T) {
			t.Parallel()
			mark := filepath.Join(t.TempDir(), "mark")
			script := "#!/bin/sh\necho ran >>" + mark + "\n"
			asked := make(chan struct{}, 10)
			env := listen(t, map[string]string{tool: script, "is-leader": script}, func(conn net.Conn) {
				if n, _ := conn.Read(make([]byte, 4096)); n > 0 {
					asked <- struct{}{}
				}
			})
			runner, closer, err := hooktool.Open(env, "")
			if err != nil {
				t.Fatal(err)
			}
			closeAtEnd(t, closer)
			if _, err := runner.Run(t.Context(), hooktool.Call{Tool: tool}); err == nil {
				t.Error("no error though the agent gave no answer")
			}
			if n := len(asked); n != 1 {
				t.Errorf("the agent was asked %d times, want once", n)
			}
			if _, err := os.Stat(mark); !errors.Is(err, os.ErrNotExist) {
				t.Error("the program was run too")
			}
		})
	}
}

// Once the socket has answered there is no falling back: what fails then is
// the agent, and the programs need it as well.
func TestNoFallbackAfterAnAnswer(t *testing.T) {
	t.Parallel()
	a := newAgent(t, says("true"))
	runner, closer, err := hooktool.Open(a.env, "")
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, closer)
	if _, err := hooktool.New(runner).IsLeader(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.server.Abort(); err != nil {
		t.Fatal(err)
	}
	_, err = hooktool.New(runner).IsLeader(t.Context())
	if _, ok := errors.AsType[*hooktool.ToolError](err); ok || err == nil {
		t.Errorf("%v, want a fault of the transport", err)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	script := map[string]string{"is-leader": "#!/bin/sh\nprintf '%s %s %s' \"$0\" \"$PWD\" \"$JUJU_UNIT_NAME\"\n"}
	tests := map[string]func(env *juju.Environment){
		"no socket named":  func(env *juju.Environment) { env.AgentSocketAddress = "" },
		"no socket there":  func(env *juju.Environment) { env.AgentSocketAddress += "-gone" },
		"other network":    func(env *juju.Environment) { env.AgentSocketNetwork = "tcp" },
		"abstract socket":  func(env *juju.Environment) { env.AgentSocketAddress = "@" + env.AgentSocketAddress },
		"no network named": func(env *juju.Environment) { env.AgentSocketNetwork = "" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := listen(t, script, func(net.Conn) {})
			change(&env)
			runner, closer, err := hooktool.Open(env, "")
			if err != nil {
				t.Fatal(err)
			}
			closeAtEnd(t, closer)
			got, err := runner.Run(t.Context(), hooktool.Call{Tool: "is-leader"})
			want := strings.Join([]string{filepath.Join(env.Path, "is-leader"), env.CharmDir, "a/0"}, " ")
			if err != nil || string(got.Stdout) != want {
				t.Errorf("Run = %s, %v, want %s", got.Stdout, err, want)
			}

			env.Path = "relative:/nowhere"
			if _, _, err := hooktool.Open(env, ""); err == nil || !strings.Contains(err.Error(), "is-leader") {
				t.Errorf("without tools: %v", err)
			}
		})
	}
}

// An abstract socket is what Juju has.
func TestAbstractSocket(t *testing.T) {
	t.Parallel()
	address := "@hooktool-test-" + filepath.Base(t.TempDir()) + fmt.Sprint(os.Getpid())
	listener, err := net.Listen("unix", address)
	if err != nil {
		t.Fatal(err)
	}
	server := jujuc.Serve(listener, says("true"))
	socket, err := hooktool.DialSocket(t.Context(), juju.Environment{AgentSocketAddress: address, AgentSocketNetwork: "unix"}, "/")
	if err != nil {
		t.Fatal(err)
	}
	if leader, err := hooktool.New(socket).IsLeader(t.Context()); !leader || err != nil {
		t.Errorf("IsLeader = %t, %v", leader, err)
	}
	if err := errors.Join(socket.Close(), server.Close()); err != nil {
		t.Error(err)
	}
	if _, err := hooktool.DialSocket(t.Context(), juju.Environment{AgentSocketAddress: address, AgentSocketNetwork: "unix"}, "here"); err == nil {
		t.Error("a relative directory was accepted, Juju refuses it")
	}
}

func TestFork(t *testing.T) {
	t.Parallel()
	env := listen(t, map[string]string{
		"env":  "#!/bin/sh\nexec /usr/bin/env\n",
		"die":  "#!/bin/sh\nkill -9 $$\n",
		"read": "#!/bin/sh\nread x; echo $?\n",
		"hold": "#!/bin/sh\n/bin/sleep 60 &\necho $! >pid\n",
		"long": "#!/bin/sh\nexec /bin/sleep 60\n",
	}, func(net.Conn) {})
	if err := os.WriteFile(filepath.Join(env.Path, "text"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	fork := hooktool.NewFork(env, "/")
	run := func(tool string, args ...string) (hooktool.Result, error) {
		return fork.Run(t.Context(), hooktool.Call{Tool: tool, Args: args})
	}
	result, err := run("env")
	if err != nil {
		t.Fatal(err)
	}
	// The shell adds some of its own.
	got := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(result.Stdout)), "\n"), func(entry string) bool {
		return strings.HasPrefix(entry, "PWD=") || strings.HasPrefix(entry, "_=") || strings.HasPrefix(entry, "SHLVL=") || strings.HasPrefix(entry, "OLDPWD=")
	})
	slices.Sort(got)
	want := slices.Sorted(slices.Values(env.Environ()))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if _, err := run("die"); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("killed tool: %v", err)
	}
	if result, err := run("read"); err != nil || string(result.Stdout) != "1\n" {
		t.Errorf("a tool that reads without input: %q, %v", result.Stdout, err)
	}
	for _, tool := range []string{"", ".", "..", "../env", "/bin/sh", "text", "moon-get"} {
		if _, err := run(tool); !errors.Is(err, hooktool.ErrUnsupported) && !strings.Contains(fmt.Sprint(err), "not a tool's name") {
			t.Errorf("tool %q: %v", tool, err)
		}
	}
	if _, err := run("env", strings.Repeat("x", 128<<10)); err == nil || !strings.Contains(err.Error(), "kernel") {
		t.Errorf("long argument: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := fork.Run(ctx, hooktool.Call{Tool: "long"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("tool that takes long: %v", err)
	}
	// A tool that leaves a child with its output open holds nobody up.
	start := time.Now()
	if _, err := hooktool.NewFork(env, "").Run(t.Context(), hooktool.Call{Tool: "hold"}); err == nil {
		t.Error("no error though the output may be incomplete")
	}
	if taken := time.Since(start); taken > 30*time.Second {
		t.Errorf("waited %v for the tool's child", taken)
	}
	pid, err := os.ReadFile(filepath.Join(env.CharmDir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}
