package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// replay plays one trace on a model.
type replay struct {
	trace     *trace
	hooks     []traceHook
	inputs    []input
	orderOnly bool // a variant: nothing is known but the order
	holds     map[int]hold
	problem   *problem // the first

	m       *Model
	at      int // the input that is being read
	now     int // index of the hook that is being replayed
	boots   map[string]string
	bootN   int
	waiting map[int][]*ending // index of a hook → hooks that end with it

	unread     []string // words of inputs
	lastSecret string   // spoken of
	skipping   bool     // each failed hook is resolved without a retry
}

type ending struct {
	c    *Context
	hook int
}

func (r *replay) wrong(format string, args ...any) {
	if r.problem == nil {
		r.problem = &problem{r.now, fmt.Errorf(format, args...)}
	}
}

func (r *replay) ok(err error) {
	if err != nil {
		r.wrong("input %d %q: %w", r.at+1, r.inputs[r.at].What, err)
	}
}

func (r *replay) play() {
	r.now = -1
	given := 0
	during := make(map[int][]int) // number of a hook → inputs
	for i, in := range r.inputs {
		if n := in.during(); n > 0 {
			during[n] = append(during[n], i)
		}
	}
	apply := func(upto int) {
		for ; given < upto && r.problem == nil; given++ {
			if r.inputs[given].during() == 0 {
				r.settle()
				r.facts(given)
				r.rested(given)
				r.read(given)
			}
		}
	}
	for i, h := range r.hooks {
		if apply(h.After); r.problem != nil {
			return
		}
		r.now = i
		unit := r.trace.who(h)
		hook, ok := r.expect(unit, h)
		for !ok && r.orderOnly && r.problem == nil && given < len(r.inputs) && r.inputs[given].during() == 0 {
			apply(given + 1)
			hook, ok = r.expect(unit, h)
		}
		if !ok {
			var step any
			if u, err := r.m.unit(unit); err == nil {
				step = u.Op
			}
			r.wrong("hook %d: the uniter ran %s on %s; the model would run %v (operation %+v)",
				h.N, traced(h.view()), unit, describe(r.m.Next(unit)), step)
		}
		if r.problem != nil {
			return
		}
		r.fair(unit, hook)
		c, err := r.m.Begin(unit, hook)
		if err != nil {
			r.wrong("hook %d: %w", h.N, err)
			return
		}
		r.release(i, true)
		if got := r.view(c, h); !r.orderOnly {
			if diff := cmp.Diff(h.view(), h.mask(got)); diff != "" {
				r.wrong("hook %d %s: context differs (-trace +model):\n%s", h.N, hook.Describe(), diff)
			}
		}
		r.write(c, h)
		r.reads(c, h)
		until, before, held := r.delayed(c, i)
		for _, n := range during[h.N] {
			r.read(n)
			if given == n {
				given++
			}
		}
		if r.m.Running(unit) == c {
			r.reads(c, h)
		}
		if held {
			r.waiting[until] = append(r.waiting[until], &ending{c, i})
			if before {
				r.waiting[until][len(r.waiting[until])-1].hook = -i - 1
			}
		} else {
			r.end(c, i)
		}
		r.release(i, false)
		if r.problem != nil {
			return
		}
	}
	apply(len(r.inputs))
	r.settle()
	r.facts(len(r.inputs))
	if r.problem == nil {
		r.finish()
	}
}

// settle lets the agents do what they do without a hook: the timer of the
// automatic retry finds a hook that makes no sense any more, which is skipped.
func (r *replay) settle() {
	if r.m == nil {
		return
	}
	for _, unit := range r.m.Units() {
		if u := r.m.units[unit]; r.m.Due(unit).Retry && !r.m.preparable(u, u.Op.Hook) {
			r.ok(r.m.RetryDue(unit))
		}
	}
	r.m.Ready()
}

// rested checks that the agents had nothing left to run when an input came while
// nothing ran. It did not wait for them if no hook ran since the last such input;
// nor does anybody wait for the next poll of a Pebble.
func (r *replay) rested(input int) {
	last := input - 1
	for last >= 0 && r.inputs[last].during() > 0 {
		last--
	}
	if r.orderOnly || r.m == nil || r.now < 0 || r.hooks[r.now].After <= last {
		return
	}
	r.idle(fmt.Sprintf("before input %d", input+1), func(h Hook) bool { return !h.workload() })
}

// idle checks that no real unit has such a hook to run.
func (r *replay) idle(when string, such func(Hook) bool) {
	for _, unit := range r.m.Ready() {
		if next := r.m.Next(unit); slices.Contains(r.trace.real(), unit) && slices.ContainsFunc(next, such) {
			r.wrong("%s %s is not idle: next %v", when, unit, describe(next))
		}
	}
}

// release ends the hooks that wait for hook i: before or after it has read.
func (r *replay) release(i int, before bool) {
	var later []*ending
	for _, e := range r.waiting[i] {
		switch {
		case e.hook < 0 == before && e.hook < 0:
			r.end(e.c, -e.hook-1)
		case e.hook < 0 == before:
			r.end(e.c, e.hook)
		default:
			later = append(later, e)
		}
	}
	r.waiting[i] = later
}

// delayed says with which later hook this one ends. It runs as long as others
// read the databag that it has written without finding that.
func (r *replay) delayed(c *Context, i int) (until int, before, ok bool) {
	if h, ok := r.holds[i]; ok {
		return h.until, h.before, true
	}
	if r.orderOnly {
		return 0, false, false
	}
	for j := i + 1; j < len(r.hooks); j++ {
		h := r.hooks[j]
		if r.trace.who(h) == c.Unit() {
			break
		}
		if h.Relation == "" {
			continue
		}
		id := relationNumber(h.Relation)
		for key, value := range c.unitData[id] {
			if text(h.RemoteUnit) == c.Unit() && !strings.HasSuffix(h.Hook, "-departed") && h.RemoteData[key] != value {
				until, ok = j, true
			}
		}
		for key, value := range c.appData[id] {
			if text(h.RemoteApp) == c.app.Name && h.RemoteAppData[key] != value {
				until, ok = j, true
			}
		}
	}
	return until, false, ok
}

// end ends a hook as the trace did, unless the agent died in it.
func (r *replay) end(c *Context, i int) {
	h := r.hooks[i]
	if r.m.Running(c.Unit()) != c {
		return
	}
	outcome := Outcome{ExitCode: h.Exit}
	if h.Exit == 137 {
		outcome = Outcome{Killed: true}
	}
	refused := r.refused(h)
	err := c.End(outcome)
	switch {
	case err != nil && !refused && !r.orderOnly:
		r.wrong("hook %d: %w", h.N, err)
	case err == nil && refused && !r.orderOnly:
		r.wrong("hook %d: the controller refused what it wrote, the model did not", h.N)
	}
	if r.orderOnly {
		return
	}
	if m := r.event(h, `agent status error: (.*)`); m != nil {
		if got := r.m.AgentStatus(c.Unit()); got.Name != juju.Error || got.Message != m[1] {
			r.wrong("hook %d: after it the agent is %s %q, want error %q", h.N, got.Name, got.Message, m[1])
		}
	}
	if m := r.event(h, `action \S+ \(`+h.Action+`\) finished: (\w+) "(.*)"`); m != nil && c.hook.Kind == juju.Action {
		if got, _ := r.m.Action(c.hook.ActionID); got.Status != m[1] || got.Message != m[2] {
			r.wrong("hook %d: the action is %s %q, want %s %q", h.N, got.Status, got.Message, m[1], m[2])
		}
	}
}

// refused says that the controller refused what the hook wrote: it exits with
// 0 and leaves the unit in error.
func (r *replay) refused(h traceHook) bool {
	return h.refused || h.Exit == 0 && !strings.HasPrefix(h.Hook, "action:") && r.event(h, `agent status error`) != nil
}

// ended checks that the agent ended by itself if the trace says so: after stop,
// or at last.
func (r *replay) ended(unit string, last bool) {
	for i := r.now; i >= 0 && !r.orderOnly; i-- {
		if h := r.hooks[i]; r.trace.who(h) == unit {
			if (last || h.Hook == "stop") && r.event(h, `agent ended by itself`) != nil && r.m.Agent(unit) == AgentUp {
				r.wrong("after hook %d the agent of %s runs, want it ended", h.N, unit)
			}
			return
		}
	}
}

// event finds what the trace saw beside the hook, right after it.
func (r *replay) event(h traceHook, pattern string) []string {
	form := regexp.MustCompile(fmt.Sprintf(`^after hook %d: %s:? .*?%s`, h.N, r.trace.who(h), pattern))
	for _, e := range r.trace.Events {
		if m := form.FindStringSubmatch(e); m != nil {
			return m
		}
	}
	return nil
}

var factForm = regexp.MustCompile(`^controller, after input (\d+): unit (\S+) life=(\w+) agent=(\w+) ("(?:[^"\\]|\\.)*") workload=(\w+) charm-state=map\[(.*)\]$`)

// facts checks what the controller knew once all inputs up to this one were
// settled.
func (r *replay) facts(inputs int) {
	if r.orderOnly || r.m == nil {
		return
	}
	for _, note := range r.trace.Notes {
		if b := readBagNote(note); b != nil && b.input == inputs {
			if diff := cmp.Diff(b.data, r.bag(b)); diff != "" {
				r.wrong("after input %d databag of %s differs (-trace +model):\n%s", inputs, b.owner(r), diff)
			}
		}
		m := factForm.FindStringSubmatch(note)
		if m == nil || m[1] != fmt.Sprint(inputs) || len(r.inputs) > inputs && r.inputs[inputs].during() > 0 {
			continue
		}
		unit := m[2]
		u := r.m.units[unit]
		if u != nil && !u.EverUp {
			continue // another of the same name, already
		}
		if life := r.m.Life(unit); life != "" && life != m[3] {
			r.wrong("after input %d %s is %s, want %s", inputs, unit, life, m[3])
		}
		if m[3] == string(dead) {
			continue
		}
		status := u.AgentSays
		if m[4] != "executing" && (string(status.Name) != m[4] || fmt.Sprintf("%q", status.Message) != m[5]) {
			r.wrong("after input %d agent of %s is %s %q, want %s %s", inputs, unit, status.Name, status.Message, m[4], m[5])
		}
		if got := u.Workload.Name; string(got) != m[6] {
			r.wrong("after input %d workload of %s is %s, want %s", inputs, unit, got, m[6])
		}
		state := fmt.Sprint(r.m.State(unit))
		if want := "map[" + m[7] + "]"; state != want {
			r.wrong("after input %d state of %s is %s, want %s", inputs, unit, state, want)
		}
	}
}

// bagNote is what a note says of a databag.
type bagNote struct {
	input    int
	app      bool
	endpoint string
	data     map[string]string
}

var bagForm = regexp.MustCompile(`^controller, after input (\d+): (?:own (unit|app) bag in (\w+)|(\w+) app data)\b[^={]* = \{(.*)\} version \d+$`)

func readBagNote(note string) *bagNote {
	m := bagForm.FindStringSubmatch(note)
	if m == nil {
		return nil
	}
	b := &bagNote{app: m[2] != "unit", endpoint: m[3], data: pairsOf(m[5])}
	b.input, _ = strconv.Atoi(m[1])
	if m[4] != "" {
		b.endpoint = map[string]string{"peer": "peers"}[m[4]]
	}
	if b.endpoint == "" {
		return nil // another application's
	}
	return b
}

func (b *bagNote) owner(r *replay) string {
	if b.app {
		return "pulsar"
	}
	return r.trace.unit()
}

// bag is the databag without Juju's own keys.
func (r *replay) bag(b *bagNote) map[string]string {
	data := make(map[string]string)
	if rel := r.relation(b.endpoint); rel != nil && rel.Bags[b.owner(r)] != nil {
		for key, value := range rel.Bags[b.owner(r)].Data {
			if !strings.HasSuffix(key, "-address") && key != "egress-subnets" {
				data[key] = value
			}
		}
	}
	return data
}

// finish checks that everything is done, and that the model survives being
// written down.
func (r *replay) finish() {
	for i := range r.hooks {
		r.release(i, true)
		r.release(i, false)
	}
	if unfinished[r.trace.Scenario] == "" {
		for _, unit := range r.m.Units() {
			r.poll(unit)
		}
	}
	for _, unit := range r.trace.real() {
		r.ended(unit, true)
	}
	r.idle("at the end", func(Hook) bool { return true })
	data, err := json.Marshal(r.m)
	if err != nil {
		r.wrong("%w", err)
		return
	}
	var again Model
	if err := json.Unmarshal(data, &again); err != nil {
		r.wrong("%w", err)
		return
	}
	if data2, err := json.Marshal(&again); err != nil || string(data2) != string(data) {
		r.wrong("the model changed in a JSON round trip (%v)", err)
	}
	for _, unit := range again.Units() {
		if diff := cmp.Diff(r.m.Next(unit), again.Next(unit)); diff != "" {
			r.wrong("next hooks of %s changed in a JSON round trip:\n%s", unit, diff)
		}
	}
}

func describe(hooks []Hook) []string {
	var out []string
	for _, h := range hooks {
		out = append(out, h.Describe())
	}
	return out
}

// poll shows the agent the boot ids of the containers that are up.
func (r *replay) poll(unit string) {
	if r.m.Agent(unit) != AgentUp {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(r.boots)) {
		if container, ok := strings.CutPrefix(key, unit+" "); ok {
			r.ok(r.m.ContainerUp(unit, container, r.boots[key]))
		}
	}
}

// expect finds the trace's hook among the next ones, letting the agent's own
// timers go off if it takes that.
func (r *replay) expect(unit string, h traceHook) (Hook, bool) {
	if r.m == nil {
		return Hook{}, false
	}
	want := h.view()
	find := func() (Hook, bool) {
		for _, hook := range r.m.Next(unit) {
			got := hook.traced()
			// A variant does not say who departs, nor the actions' numbers.
			if r.orderOnly || h.told {
				got.Departing, want.Departing, got.Action, want.Action = "", "", "", ""
			}
			if traced(got) == traced(want) {
				return hook, true
			}
		}
		return Hook{}, false
	}
	if strings.HasSuffix(h.Hook, "-pebble-ready") {
		r.poll(unit)
	}
	hook, ok := find()
	if !ok {
		r.m.Ready() // other agents may have looked meanwhile
		hook, ok = find()
	}
	if u, err := r.m.unit(unit); !ok && err == nil && r.skipping && u.inError() {
		r.ok(r.m.Resolved(unit, false))
		hook, ok = find()
	}
	if !ok && r.m.Due(unit).Retry {
		r.ok(r.m.RetryDue(unit))
		hook, ok = find()
	}
	return hook, ok
}

// fair checks that all that the model offers beside the hook, its own choice
// among it, is what Juju orders at random.
func (r *replay) fair(unit string, hook Hook) {
	for _, other := range r.m.Next(unit) {
		if other != hook && !unordered(r.m.units[unit], other, hook) {
			r.wrong("hook %d: beside %s the model offers %s", r.hooks[r.now].N, hook.Describe(), other.Describe())
		}
	}
}

// unordered says whether Juju leaves the order of two hooks of one unit open:
// it does for hooks of different relations, storages, containers and secrets,
// and for the first hook of an application that is removed, because its agent
// may hear of the relations' end before its own.
func unordered(u *unit, a, b Hook) bool {
	kind := func(h Hook) string {
		switch {
		case h.Kind == juju.RelationCreated:
			return "created"
		case h.Relation():
			return "relation"
		case h.Kind == juju.StorageAttached || h.Kind == juju.StorageDetaching:
			return "storage"
		case h.workload():
			return "workload"
		case h.Kind == juju.SecretChanged || h.Kind == juju.SecretRemove:
			return h.String()
		}
		return ""
	}
	if u.app.Life != alive && kind(a)+kind(b) == "relationstorage" || kind(a)+kind(b) == "storagerelation" && u.app.Life != alive {
		return true
	}
	if kind(a) == "" || kind(a) != kind(b) {
		return false
	}
	switch kind(a) {
	case "created", "relation":
		return a.RelationID != b.RelationID
	case "storage":
		return a.StorageID != b.StorageID
	case "workload":
		return a.Name != b.Name || a.Kind != b.Kind && (a.Kind == juju.PebbleReady || b.Kind == juju.PebbleReady)
	}
	return a.SecretID != b.SecretID
}
