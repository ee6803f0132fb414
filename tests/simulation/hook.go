package simulation

import (
	"context"
	"errors"
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
	w      *world
	unit   string
	calls  int
	kill   int  // the number of the call that kills; 0: none
	sent   bool // that call is still done, its answer lost
	gone   bool
	buried bool // its unit is gone for good; another may have the name
	led    bool // the unit was the leader when the hook began
	world  int  // the number of the call before which the world goes on; 0: none
	steps  int
	depose bool // it begins with the loss of leadership
	late   bool // leadership is lost when the hook writes as the leader
	// disturbed says that the world went on since the hook began.
	disturbed bool

	wroteApp bool // into the application's databag of the peers
	writes   []string
}

// pass lets a call through the gate.
func pass[T any](g *gate, call func() (T, error)) (T, error) {
	var zero T
	if g.gone {
		return zero, errGone
	}
	g.calls++
	if g.calls == g.world {
		g.disturbed = true
		g.w.result.Faults[interleaved]++
		if g.depose {
			g.w.depose(g.unit)
		}
		for i := range g.steps {
			g.w.turn(uint64(i), g.w.step)
		}
		if g.gone {
			return zero, errGone
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

// deposed is the trouble that a unit loses the leadership in a hook.
const deposed = "leadership lost in a hook"

// interleaved is the trouble that other things happen in the middle of a hook.
const interleaved = "world goes on in a hook"

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
	g := &gate{w: w, unit: unit, led: w.leads(unit)}
	mode := w.disturb(g)
	w.result.Hooks++
	if w.options.Trace != nil {
		w.logf("%s: %s", unit, hook.Describe())
	}
	w.observer.begin(w, hook, unit)
	w.busy[unit] = g
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

// disturb decides what happens in the middle of a hook, and how it dies.
func (w *world) disturb(g *gate) (mode string) {
	kills, mode := w.chance(4), choose(w, modes)
	g.sent = w.chance(50)
	call := 1 + w.rng.IntN(60)
	interleaves, before, steps := w.chance(8), 1+w.rng.IntN(40), 1+w.rng.IntN(4)
	depose, late := w.chance(20), w.chance(3)
	may := !w.calm && !w.smooth && !w.options.Without[deposed]
	g.late = may && late
	kills = kills && !w.calm && !w.options.Without[mode]
	interleaves = interleaves && !w.silent && w.depth < 2 && !w.options.Without[interleaved]
	if w.smooth && !w.calm || !kills && !interleaves {
		kills, interleaves = false, false
	} else if !w.calm {
		w.result.Rough = append(w.result.Rough, w.result.Steps)
	}
	if interleaves {
		g.world, g.steps, g.depose = before, steps, may && depose
	}
	if !kills {
		return ""
	}
	g.kill = call
	return mode
}

// endHook tells the model how the hook ended.
func (w *world) endHook(run *model.Context, g *gate, mode string, err error) {
	unit, hook := run.Unit(), run.Hook()
	for _, line := range run.Log() {
		w.public("log of ", unit, line.Message)
	}
	if life := w.model.Life(unit); g.buried || life == "" || life == "dead" {
		return // removed by force
	}
	if w.model.Running(unit) != run {
		w.violate("%s of %s ended before its end", hook.Describe(), unit)
		return
	}
	if !g.gone {
		outcome := model.Outcome{}
		if err != nil {
			outcome.ExitCode = 1
			w.logf("%s: %s fails: %v", unit, hook.Describe(), err)
		}
		if refused := run.End(outcome); refused != nil {
			err = refused
			w.observer.see(refusedWrite)
			w.logf("%s: Juju refuses what was written: %v", unit, err)
		} else if g.wroteApp && err == nil {
			w.observer.writers[juju.Application(unit)] = unit
		}
		w.observer.end(w, hook, unit, err == nil)
		if err == nil {
			delete(w.owed, unit)
		}
		// Whoever loses the leadership in the middle may be refused, and a
		// dying voter may hold on while there is no quorum to let it out.
		held := err != nil && w.model.Life(unit) == "dying" && strings.Contains(err.Error(), "leave ZooKeeper's members")
		if err != nil && !(g.led && !w.leads(unit)) && !held {
			w.violate("%s of %s fails: %v", hook.Describe(), unit, err)
		}
		return
	}
	if hook.Kind == juju.Action {
		w.owed[unit] = true
	}
	w.fault(mode)
	w.logf("%s: %s in %s, at call %d, sent %v", unit, mode, hook.Describe(), g.kill, g.sent)
	w.external()
	p := w.pods[unit]
	switch mode {
	case "dispatch is killed":
		_ = run.End(model.Outcome{Killed: true})
		w.observer.unit(unit).killed = hook
	case "dispatch fails":
		_ = run.End(model.Outcome{ExitCode: 1})
		w.observer.end(w, hook, unit, false)
	case "agent dies":
		_ = w.model.PodDown(unit)
		p.agent = false
	case "pod is lost":
		p.end()
		w.observer.unit(unit).died = hook.Kind != juju.Install && hook.Kind != juju.UpgradeCharm && hook.Kind != juju.Action
	}
}

// host is all of the world that the hook's charm touches.
func (w *world) host(run *model.Context, g *gate) ops.Host {
	environment := run.Environment()
	environment.CharmDir = "/charm"
	p := w.pods[run.Unit()]
	return ops.Host{
		Environment: environment,
		Tools:       tools{run, g},
		Now:         time.Now,
		Pebble: func(container string) pebble.Pebble {
			return gated{p.container(container).fake, g}
		},
	}
}

// charm is the unit's charm, with a world of fakes.
func (w *world) charm(unit string, g *gate) ops.Charm {
	name := w.model.CharmOf(unit).Name
	charm := w.original(name, unit, g)
	if w.options.Charm != nil {
		charm = w.options.Charm(name, charm)
	}
	return charm
}

func (w *world) original(name, unit string, g *gate) ops.Charm {
	c := client{&w.zookeeper, unit, g}
	switch name {
	case foreignApp:
		return foreignCharm{w}
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
		leads := call.Tool == "relation-set" && slices.Contains(call.Args, "--app")
		if leads && t.gate.late {
			w.depose(t.gate.unit)
		}
		if slices.Contains(writing, call.Tool) {
			t.gate.write(call.Tool, call.Args, call.Stdin)
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
		if len(w.secrets) > 0 {
			w.public("arguments of ", call.Tool, strings.Join(call.Args, " "))
			w.public("input of ", call.Tool, string(call.Stdin))
		}
		if leads && slices.ContainsFunc(call.Args, ofPeers) {
			t.gate.wroteApp = true
		}
		return hooktool.Result{Code: code, Stdout: stdout, Stderr: stderr}, nil
	})
}

// ofPeers says whether an argument is the id of a peer relation.
func ofPeers(argument string) bool { return strings.HasPrefix(argument, "cluster:") }

// write notes what a hook writes.
func (g *gate) write(what string, args []string, input []byte) {
	if g.w.silent {
		what += " " + strings.Join(args, " ") + " " + string(input)
	}
	g.writes = append(g.writes, what)
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
