package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// history is a random life of a model: operators, Kubernetes and charms do
// what they can do, hooks run in any legal order, fail, are killed.
type history struct {
	t     *testing.T
	m     *Model
	rand  *rand.Rand
	seen  map[string]*lifetime // by unit
	boots int
	log   []string
}

// lifetime is what one unit's charm has been told since its install.
type lifetime struct {
	removed, restarted bool
	// unsure: an agent that died in an action has skipped the failed hook
	// below it, as Juju does.
	unsure    bool
	relations map[string]*told
}

type told struct {
	created, broken bool
	joined          map[string]bool
	pending         string
}

func (h *history) fail(format string, args ...any) {
	h.t.Helper()
	for _, line := range h.log[max(0, len(h.log)-40):] {
		h.t.Log(line)
	}
	h.t.Fatalf(format, args...)
}

func (h *history) must(err error) {
	h.t.Helper()
	if err != nil {
		h.fail("%v", err)
	}
}

func (h *history) say(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

func pick[T any](h *history, from []T) T { return from[h.rand.IntN(len(from))] }

// TestHistories plays random lives and then lets them come to rest. In each,
// every charm is told of its relations in Juju's guaranteed order, and at rest
// every agent has seen all there is.
func TestHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			first, second := play(t, seed), play(t, seed)
			if !bytes.Equal(first, second) {
				t.Error("the same calls gave another model")
			}
		})
	}
}

// play lives one history and returns the model at its end.
func play(t *testing.T, seed uint64) []byte {
	t.Helper()
	h := &history{t: t, rand: rand.New(rand.NewPCG(seed, 7)), seen: make(map[string]*lifetime)}
	h.m = New(Options{Name: "history"})
	for _, name := range []string{"one", "two"} {
		role := map[string]Role{"one": Requirer, "two": Provider}[name]
		charm := &Charm{
			Name: name, Containers: []Container{{Name: "work"}},
			Endpoints: []Endpoint{{Name: "link", Role: role, Interface: "link"}, {Name: "peers", Role: Peer, Interface: "p"}},
			Storage:   []StorageSpec{{Name: "data", MinCount: 1, MaxCount: 1}},
			Options:   map[string]Option{"a": {Type: "int"}},
			Actions:   map[string]ActionSpec{"go": {}},
		}
		h.must(h.m.Deploy(DeployArgs{Charm: charm, Units: 1 + h.rand.IntN(3)}))
	}
	for range 400 {
		h.step()
	}
	return h.rest()
}

func (h *history) step() {
	if ready := h.m.Ready(); len(ready) > 0 && h.rand.IntN(5) > 0 {
		h.hook(pick(h, ready), true)
		return
	}
	app := pick(h, []string{"one", "two"})
	switch h.rand.IntN(12) {
	case 0:
		n := h.rand.IntN(5)
		h.say("scale %s %d", app, n)
		h.must(h.m.Scale(app, n))
	case 1:
		if _, err := h.m.Integrate("one", "two"); err == nil {
			h.say("integrate")
		}
	case 2:
		if h.rand.IntN(3) == 0 && h.m.RemoveRelation("one", "two") == nil {
			h.say("remove-relation")
		}
	case 3:
		h.must(h.m.SetConfig(app, map[string]string{"a": fmt.Sprint(h.rand.IntN(3))}, nil))
	}
	units := h.m.UnitsOf(app)
	if len(units) == 0 {
		return
	}
	unit := pick(h, units)
	switch h.rand.IntN(9) {
	case 0:
		h.say("leader %s", unit)
		if h.m.Life(unit) == string(alive) {
			h.must(h.m.SetLeader(app, unit))
		}
	case 1:
		h.say("down %s", unit)
		h.must(h.m.PodDown(unit))
	case 2:
		h.say("sigterm %s", unit)
		h.must(h.m.PodTerminating(unit))
	case 3:
		h.must(h.m.UpdateStatusDue(unit))
	case 4:
		h.must(h.m.Notice(unit, "work", fmt.Sprint(h.rand.IntN(3)), "custom", "example.com/x"))
	case 5:
		if _, err := h.m.EnqueueAction([]string{unit}, "go", nil); err != nil && h.m.Life(unit) != string(dead) {
			h.fail("%v", err)
		}
	default:
		h.nurse(unit, h.rand.IntN(2) == 0)
	}
}

// nurse does what Kubernetes and the timers do for a unit that needs it.
func (h *history) nurse(unit string, fresh bool) {
	state := h.m.Agent(unit) // it may have ended just now
	if h.m.Life(unit) != string(alive) && h.m.Life(unit) != string(dying) {
		return
	}
	if state != AgentUp {
		h.say("up %s fresh=%v (%s)", unit, fresh, state)
		h.must(h.m.PodUp(unit, PodInfo{Address: "10.1.0.1", Fresh: fresh}))
		if s := h.seen[unit]; s != nil {
			s.restarted = true
		}
		if h.m.Life(unit) == "" || h.m.Life(unit) == string(dead) {
			return // the start skipped its last hook
		}
		h.boots++
		h.must(h.m.ContainerUp(unit, "work", fmt.Sprint(h.boots)))
	}
	due := h.m.Due(unit)
	for _, id := range due.Provision {
		h.must(h.m.StorageProvisioned(unit, id, "/"+id))
	}
	if due.Retry {
		h.must(h.m.RetryDue(unit))
	}
	if due.Poll {
		h.must(h.m.Poll(unit))
	}
}

func (h *history) hook(unit string, trouble bool) {
	next := h.m.Next(unit)
	for i, a := range next {
		for _, b := range next[i+1:] {
			if !unordered(h.m.units[unit], a, b) {
				h.fail("%s may run %s or %s, which Juju orders", unit, a.Describe(), b.Describe())
			}
		}
	}
	hook := pick(h, next)
	c, err := h.m.Begin(unit, hook)
	h.must(err)
	h.say("%s %s", unit, hook.Describe())
	for _, r := range h.m.Relations() {
		if c.unit.Relations[r.ID] != nil && h.rand.IntN(6) == 0 {
			code, _, errOut, _ := c.Run("relation-set", []string{"-r", fmt.Sprint(r.ID), fmt.Sprintf("k=%d", h.rand.IntN(3))}, nil, false, nil)
			if code != 0 {
				h.fail("relation-set: %s", errOut)
			}
		}
	}
	if trouble {
		switch h.rand.IntN(12) {
		case 0:
			h.say("  fails")
			h.must(c.End(Outcome{ExitCode: 1}))
			return
		case 1:
			h.say("  is killed")
			h.must(c.End(Outcome{Killed: true}))
			return
		case 2:
			h.say("  agent is killed")
			if hook.Kind == juju.Action && c.unit.Op.Step == pending {
				h.seen[unit] = &lifetime{unsure: true, relations: make(map[string]*told)}
			}
			h.must(h.m.PodDown(unit))
			return
		}
	}
	h.must(c.End(Outcome{}))
	h.tell(unit, hook)
}

// tell checks a hook that succeeded against what its charm knows.
func (h *history) tell(unit string, hook Hook) {
	l := h.seen[unit]
	if hook.Kind == juju.Install {
		l = &lifetime{relations: make(map[string]*told)}
		h.seen[unit] = l
		return
	}
	if hook.Kind == juju.Action || l != nil && l.unsure {
		return
	}
	if l == nil || l.removed {
		h.fail("%s ran %s without an install", unit, hook.Describe())
	}
	l.removed = hook.Kind == juju.Remove
	if !hook.Relation() {
		return
	}
	r := l.relations[hook.RelationID]
	if r == nil {
		r = &told{joined: make(map[string]bool)}
		l.relations[hook.RelationID] = r
	}
	// A unit that begins to die, or a relation, after it was entered is broken
	// without ever having been created.
	first := hook.Kind == juju.RelationCreated || hook.Kind == juju.RelationBroken
	wrong := r.broken || !first && !r.created && !l.restarted
	if r.pending != "" && (hook.Kind != juju.RelationChanged || hook.RemoteUnit != r.pending) {
		wrong = true
	}
	r.pending = ""
	switch hook.Kind {
	case juju.RelationCreated:
		wrong = wrong || r.created
		r.created = true
	case juju.RelationJoined:
		wrong = wrong || r.joined[hook.RemoteUnit]
		r.joined[hook.RemoteUnit], r.pending = true, hook.RemoteUnit
	case juju.RelationChanged:
		wrong = wrong || hook.RemoteUnit != "" && !r.joined[hook.RemoteUnit]
	case juju.RelationDeparted:
		wrong = wrong || !r.joined[hook.RemoteUnit]
		delete(r.joined, hook.RemoteUnit)
	case juju.RelationBroken:
		wrong = wrong || len(r.joined) > 0
		r.broken = true
	}
	if wrong {
		h.fail("%s ran %s out of order: %+v", unit, hook.Describe(), r)
	}
}

// rest heals everything and runs hooks until nobody has any.
func (h *history) rest() []byte {
	h.say("--- rest")
	for range 3000 {
		for _, unit := range h.m.Units() {
			h.nurse(unit, true)
		}
		ready := h.m.Ready()
		if len(ready) == 0 {
			return h.atRest()
		}
		h.hook(pick(h, ready), false)
	}
	h.fail("no rest; ready: %v", h.m.Ready())
	return nil
}

// atRest checks that everything is done and seen.
func (h *history) atRest() []byte {
	for _, u := range h.m.order {
		if u.Life != alive || u.Agent != AgentUp || !u.Started {
			h.fail("at rest %s is %s, agent %s, started %v", u.Name, u.Life, u.Agent, u.Started)
		}
		if (u.app.Leader == u.Name) != u.Leader {
			h.fail("at rest leader of %s is %q, and %s believes %v", u.app.Name, u.app.Leader, u.Name, u.Leader)
		}
		for _, r := range h.m.rels {
			if _, _, ok := r.own(u.app.Name); !ok {
				continue
			}
			v := u.Relations[r.ID]
			if v == nil {
				h.fail("at rest %s is not in %s", u.Name, r)
			}
			var there []seen
			for i := range r.Scope {
				if r.shows(u, &r.Scope[i]) {
					there = append(there, seen{r.Scope[i].Unit, r.version(r.Scope[i].Unit)})
				}
			}
			if !slices.Equal(there, v.Members) {
				h.fail("at rest %s has seen %v of %s, and there is %v", u.Name, v.Members, r, there)
			}
		}
	}
	for _, r := range h.m.rels {
		if r.Life != alive {
			h.fail("at rest %s is %s, scope %v", r, r.Life, r.Scope)
		}
	}
	for _, id := range h.m.ActionIDs() {
		if a, _ := h.m.Action(id); a.Status == "pending" || a.Status == "running" {
			h.fail("at rest action %s on %s is %s", id, a.Unit, a.Status)
		}
	}
	data, err := json.Marshal(h.m)
	h.must(err)
	var again Model
	h.must(json.Unmarshal(data, &again))
	if data2, err := json.Marshal(&again); err != nil || !bytes.Equal(data, data2) {
		h.fail("a JSON round trip changed the model (%v)", err)
	}
	if ready := again.Ready(); len(ready) > 0 {
		h.fail("after a JSON round trip %v are not at rest", ready)
	}
	return data
}
