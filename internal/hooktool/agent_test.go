package hooktool_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/jujuc"
)

// TestMain makes the test binary every hook tool: run under another name it
// is the program of that name, as the agent's own binary is.
func TestMain(m *testing.M) {
	self, err := os.Executable()
	if err == nil && filepath.Base(self) != filepath.Base(os.Args[0]) {
		os.Exit(jujuc.Main(os.Args[0], os.Args[1:]))
	}
	os.Exit(m.Run())
}

// toolNames are the tools that the tests run.
var toolNames = []string{
	"action-fail", "action-get", "action-log", "action-set", "application-version-set", "close-port", "config-get", "credential-get",
	"goal-state", "is-leader", "juju-log", "juju-reboot", "leader-get", "leader-set", "network-get", "open-port", "opened-ports", "relation-get", "relation-ids", "relation-list",
	"relation-model-get", "relation-set", "resource-get", "secret-add", "secret-get", "secret-grant", "secret-ids", "secret-info-get",
	"secret-remove", "secret-revoke", "secret-set", "state-delete", "state-get", "state-set", "status-get", "status-set", "storage-add",
	"storage-get", "storage-list", "unit-get",
}

// agent is Juju's side of a hook, with a scripted answer.
type agent struct {
	env    juju.Environment
	server *jujuc.Server

	mutex sync.Mutex
	calls []jujuc.Request // that were executed
}

// newAgent answers every call with answer, after it has insisted on input
// for the tools that read some.
func newAgent(t *testing.T, answer jujuc.Handler) *agent {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	tools := filepath.Join(dir, "tools")
	if err := os.Mkdir(tools, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range toolNames {
		if err := os.Symlink(self, filepath.Join(tools, name)); err != nil {
			t.Fatal(err)
		}
	}
	a := &agent{env: juju.Environment{
		Hook: juju.Hook{Kind: juju.ConfigChanged}, UnitName: "a/0", ModelName: "m", Version: juju.Version{Major: 3, Minor: 6, Patch: 1},
		CharmDir: dir, ContextID: "a/0-config-changed-1", AgentSocketAddress: socket, AgentSocketNetwork: "unix", Path: tools,
		Other: map[string]string{"GOCOVERDIR": dir}, // a test binary with coverage complains without
	}}
	a.server = jujuc.Serve(listener, jujuc.Expect(a.env.ContextID, "", func(call jujuc.Request) (jujuc.Response, error) {
		if i := slices.Index(call.Args, "--file"); i >= 0 && call.Args[i+1] == "-" && !call.StdinSet {
			return jujuc.Response{}, jujuc.ErrStdin
		}
		a.mutex.Lock()
		a.calls = append(a.calls, call)
		a.mutex.Unlock()
		return answer(call)
	}))
	t.Cleanup(func() { _ = a.server.Abort() })
	return a
}

// executed are the calls so far.
func (a *agent) executed() []jujuc.Request {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return slices.Clone(a.calls)
}

// transports are all ways to run a tool. Each test of the tools runs over
// each of them.
var transports = map[string]func(t *testing.T, env juju.Environment) hooktool.Runner{
	"socket": func(t *testing.T, env juju.Environment) hooktool.Runner {
		socket, err := hooktool.DialSocket(t.Context(), env, "")
		if err != nil {
			t.Fatal(err)
		}
		closeAtEnd(t, socket)
		return socket
	},
	"fork": func(_ *testing.T, env juju.Environment) hooktool.Runner { return hooktool.NewFork(env, "") },
	"open": func(t *testing.T, env juju.Environment) hooktool.Runner {
		runner, closer, err := hooktool.Open(env, "")
		if err != nil {
			t.Fatal(err)
		}
		closeAtEnd(t, closer)
		return runner
	},
}

func closeAtEnd(t *testing.T, closer io.Closer) {
	t.Cleanup(func() {
		if err := closer.Close(); err != nil {
			t.Error(err)
		}
	})
}

// overEach runs a test over each transport, each with an agent of its own.
func overEach(t *testing.T, answer jujuc.Handler, test func(t *testing.T, a *agent, runner hooktool.Runner)) {
	for name, open := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAgent(t, answer)
			test(t, a, open(t, a.env))
		})
	}
}

// says is a tool that prints and succeeds.
func says(stdout string) jujuc.Handler {
	return func(jujuc.Request) (jujuc.Response, error) { return jujuc.Response{Stdout: []byte(stdout)}, nil }
}

// refuses is a tool that fails.
func refuses(code int, stderr string) jujuc.Handler {
	return func(jujuc.Request) (jujuc.Response, error) {
		return jujuc.Response{Code: code, Stderr: []byte(stderr)}, nil
	}
}
