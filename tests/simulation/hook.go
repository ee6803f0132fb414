package simulation

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/charms/bookie"
	"github.com/pulsar-charms/pulsar-charms/charms/clientdummy"
	"github.com/pulsar-charms/pulsar-charms/charms/pulsar"
	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// errGone is what a charm's call gives once the charm was killed.
var errGone = errors.New("the simulated charm was killed")

// gate stands before everything that a hook calls. It can kill the charm at
// a call, and let the world go on in the middle of the hook.
type gate struct {
	w     *world
	calls int
	kill  int  // the number of the call that kills; 0: none
	sent  bool // that call is still done, its answer lost
	gone  bool
	led   bool // the unit was the leader when the hook began
	world int  // the number of the call before which the world goes on; 0: none
	steps int

	writes []string
}

// pass lets a call through the gate.
func pass[T any](g *gate, call func() (T, error)) (T, error) {
	var zero T
	if g.gone {
		return zero, errGone
	}
	g.calls++
	if g.calls == g.world {
		for range g.steps {
			g.w.step()
		}
	}
	if g.calls == g.kill {
		g.gone = true
		if g.sent {
			_, _ = call()
		}
		return zero, errGone
	}
	return call()
}

// modes are the ways in which a charm dies in the middle of a hook.
var modes = []string{"dispatch is killed", "agent dies", "pod is lost", "dispatch fails"}

// hook runs one of the hooks that a unit may run next.
func (w *world) hook(unit string) {
	hooks := w.model.Next(unit)
	hook := hooks[0]
	if len(hooks) > 1 && w.chance(60) {
		hook = choose(w, hooks)
	}
	run, err := w.model.Begin(unit, hook)
	if err != nil {
		w.violate("cannot begin %s on %s: %v", hook.Describe(), unit, err)
		return
	}
	if hook.Kind == juju.ConfigChanged {
		delete(w.operator.unread, unit)
	}
	g := &gate{w: w, led: w.leads(unit)}
	mode := ""
	if !w.calm && w.chance(4) {
		g.kill, g.sent = 1+w.rng.IntN(60), w.chance(50)
		mode = choose(w, modes)
	}
	if !w.silent && w.depth < 2 && w.chance(8) {
		g.world, g.steps = 1+w.rng.IntN(40), 1+w.rng.IntN(4)
	}
	w.result.Hooks++
	w.logf("%s: %s", unit, hook.Describe())
	w.busy[unit] = true
	w.depth++
	err = ops.Run(context.Background(), w.host(run, g), w.charm(unit, g))
	w.depth--
	delete(w.busy, unit)
	if hook.Kind != juju.UpdateStatus || len(g.writes) > 0 {
		w.activity++
	}
	w.endHook(run, g, mode, err)
	w.check(unit)
	if w.silent && len(g.writes) > 0 {
		w.violate("%s of %s writes after all was well: %s", hook.Describe(), unit, strings.Join(g.writes, "; "))
	}
}

func (w *world) leads(unit string) bool { return w.model.Leader(juju.Application(unit)) == unit }

// endHook tells the model how the hook ended.
func (w *world) endHook(run *model.Context, g *gate, mode string, err error) {
	unit, what := run.Unit(), run.Hook().Describe()
	for _, line := range run.Log() {
		w.public("log of "+unit, line.Message)
	}
	if w.model.Running(unit) != run {
		w.violate("%s of %s ended before its end", what, unit)
		return
	}
	if !g.gone {
		outcome := model.Outcome{}
		if err != nil {
			outcome.ExitCode = 1
			w.logf("%s: %s fails: %v", unit, what, err)
		}
		if refused := run.End(outcome); refused != nil {
			err = refused
			w.logf("%s: Juju refuses what was written: %v", unit, err)
		}
		// Whoever loses the leadership in the middle may be refused, and a
		// dying voter may hold on while there is no quorum to let it out.
		held := err != nil && w.model.Life(unit) == "dying" && strings.Contains(err.Error(), "leave ZooKeeper's members")
		if err != nil && !(g.led && !w.leads(unit)) && !held {
			w.violate("%s of %s fails: %v", what, unit, err)
		}
		return
	}
	w.fault(mode)
	w.logf("%s: %s in %s, at call %d, sent %v", unit, mode, what, g.kill, g.sent)
	w.external()
	p := w.pods[unit]
	switch mode {
	case "dispatch is killed":
		_ = run.End(model.Outcome{Killed: true})
	case "dispatch fails":
		_ = run.End(model.Outcome{ExitCode: 1})
	case "agent dies":
		_ = w.model.PodDown(unit)
		p.agent = false
	case "pod is lost":
		p.end()
	}
}

// host is all of the world that the hook's charm touches.
func (w *world) host(run *model.Context, g *gate) ops.Host {
	environment := run.Environment()
	environment.CharmDir = "/charm"
	return ops.Host{
		Environment: environment,
		Tools:       tools{run, g},
		Now:         time.Now,
		Pebble: func(container string) pebble.Pebble {
			return gated{w.pods[run.Unit()].container(container).fake, g}
		},
	}
}

// charm is the unit's charm, with a world of fakes.
func (w *world) charm(unit string, g *gate) ops.Charm {
	c := client{&w.zookeeper, unit, g}
	switch w.model.CharmOf(unit).Name {
	case "pulsar":
		return &pulsar.Charm{ZooKeeper: c, Admin: c}
	case "bookie":
		return &bookie.Charm{
			Look: func(context.Context, string) bookie.Health {
				h, _ := pass(g, func() (bookie.Health, error) { return w.bookies[unit].health(), nil })
				return h
			},
			Registry: c.registry,
		}
	}
	return &clientdummy.Charm{Client: func(string) (clientdummy.Binary, error) {
		content := []byte("client")
		return clientdummy.Binary{Size: int64(len(content)), File: "1-6-0.000000000", Read: func() ([]byte, error) { return content, nil }}, nil
	}}
}

// tools are the hook tools, by way of the gate.
type tools struct {
	run  *model.Context
	gate *gate
}

// writing are the hook tools that change something for others.
var writing = []string{
	"action-set", "application-version-set", "close-port", "open-port", "relation-set", "secret-add", "secret-grant", "secret-remove",
	"secret-revoke", "secret-set", "state-delete", "state-set", "status-set",
}

// Run implements hooktool.Runner.
func (t tools) Run(_ context.Context, call hooktool.Call) (hooktool.Result, error) {
	return pass(t.gate, func() (hooktool.Result, error) {
		w := t.gate.w
		if slices.Contains(writing, call.Tool) {
			t.gate.writes = append(t.gate.writes, call.Tool+" "+strings.Join(call.Args, " ")+" "+string(call.Stdin))
		}
		files := func(name string) ([]byte, error) {
			content, err := os.ReadFile(name)
			if err == nil && (call.Tool == "secret-add" || call.Tool == "secret-set") {
				w.learn(content)
			}
			return content, err
		}
		code, stdout, stderr, needStdin := t.run.Run(call.Tool, call.Args, call.Stdin, call.Stdin != nil, files)
		if needStdin {
			return hooktool.Result{}, errors.New("no standard input")
		}
		w.public("arguments of "+call.Tool, strings.Join(call.Args, " "))
		w.public("input of "+call.Tool, string(call.Stdin))
		return hooktool.Result{Code: code, Stdout: stdout, Stderr: stderr}, nil
	})
}

// learn remembers the values of a secret.
func (w *world) learn(content []byte) {
	var values map[string]string
	if err := yaml.Unmarshal(content, &values); err != nil {
		w.violate("the content of a secret cannot be read: %v", err)
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		w.secrets = append(w.secrets, values[key])
	}
}

// gated is a Pebble behind the gate.
type gated struct {
	inner pebble.Pebble
	gate  *gate
}

func (g gated) tell(call string, do func() error) error {
	_, err := pass(g.gate, func() (struct{}, error) {
		g.gate.writes = append(g.gate.writes, "pebble "+call)
		return struct{}{}, do()
	})
	return err
}

func (g gated) SystemInfo(ctx context.Context) (pebble.SystemInfo, error) {
	return pass(g.gate, func() (pebble.SystemInfo, error) { return g.inner.SystemInfo(ctx) })
}

func (g gated) Plan(ctx context.Context) (pebble.Layer, error) {
	return pass(g.gate, func() (pebble.Layer, error) { return g.inner.Plan(ctx) })
}

func (g gated) AddLayer(ctx context.Context, label string, layer pebble.Layer) error {
	for name, s := range layer.Services {
		g.gate.w.public("command of service "+name, s.Command)
		for key, value := range s.Environment {
			g.gate.w.public("environment of service "+name, key+"="+value)
		}
	}
	return g.tell("add layer "+label, func() error { return g.inner.AddLayer(ctx, label, layer) })
}

func (g gated) Services(ctx context.Context, names ...string) ([]pebble.ServiceInfo, error) {
	return pass(g.gate, func() ([]pebble.ServiceInfo, error) { return g.inner.Services(ctx, names...) })
}

func (g gated) Replan(ctx context.Context) error {
	return g.tell("replan", func() error { return g.inner.Replan(ctx) })
}

func (g gated) Start(ctx context.Context, names ...string) error {
	return g.tell("start "+strings.Join(names, " "), func() error { return g.inner.Start(ctx, names...) })
}

func (g gated) Stop(ctx context.Context, names ...string) error {
	return g.tell("stop "+strings.Join(names, " "), func() error { return g.inner.Stop(ctx, names...) })
}

func (g gated) Restart(ctx context.Context, names ...string) error {
	return g.tell("restart "+strings.Join(names, " "), func() error { return g.inner.Restart(ctx, names...) })
}

func (g gated) Signal(ctx context.Context, signal string, names ...string) error {
	return g.tell("signal", func() error { return g.inner.Signal(ctx, signal, names...) })
}

func (g gated) Checks(ctx context.Context, names ...string) ([]pebble.CheckInfo, error) {
	return pass(g.gate, func() ([]pebble.CheckInfo, error) { return g.inner.Checks(ctx, names...) })
}

func (g gated) Pull(ctx context.Context, path string) ([]byte, error) {
	return pass(g.gate, func() ([]byte, error) { return g.inner.Pull(ctx, path) })
}

func (g gated) Push(ctx context.Context, file pebble.File) error {
	g.gate.w.public("file "+file.Path, string(file.Content))
	return g.tell("push "+file.Path, func() error { return g.inner.Push(ctx, file) })
}

func (g gated) ListFiles(ctx context.Context, path string, itself bool) ([]pebble.FileInfo, error) {
	return pass(g.gate, func() ([]pebble.FileInfo, error) { return g.inner.ListFiles(ctx, path, itself) })
}

func (g gated) MakeDir(ctx context.Context, path string, mode fs.FileMode) error {
	return g.tell("mkdir "+path, func() error { return g.inner.MakeDir(ctx, path, mode) })
}

func (g gated) Remove(ctx context.Context, path string) error {
	return g.tell("remove "+path, func() error { return g.inner.Remove(ctx, path) })
}

func (g gated) Exec(ctx context.Context, command pebble.Command) (pebble.ExecResult, error) {
	g.gate.w.public("command", strings.Join(command.Args, " "))
	return pass(g.gate, func() (pebble.ExecResult, error) {
		g.gate.writes = append(g.gate.writes, "pebble exec "+command.Args[0])
		return g.inner.Exec(ctx, command)
	})
}

func (g gated) Notify(ctx context.Context, key string, data map[string]string) error {
	return g.tell("notify "+key, func() error { return g.inner.Notify(ctx, key, data) })
}

func (g gated) Notices(ctx context.Context) ([]pebble.Notice, error) {
	return pass(g.gate, func() ([]pebble.Notice, error) { return g.inner.Notices(ctx) })
}
