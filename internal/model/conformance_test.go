package model

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// trace is one scenario as the real uniter played it.
type trace struct {
	Scenario    string      `json:"scenario"`
	Description string      `json:"description"`
	Inputs      []input     `json:"inputs"`
	Hooks       []traceHook `json:"hooks"`
	Events      []string    `json:"events"`
	Notes       []string    `json:"notes"`
	Variants    []variant   `json:"variants"`
}

// input is something that happened, in words; While names the hook that was
// running ("hook 3 running"), if one was.
type input struct {
	What  string `json:"what"`
	While string `json:"while"`
}

// variant is another order in which the same scenario's hooks were seen.
type variant struct {
	Hooks []string `json:"hooks"`
}

type traceHook struct {
	N             int               `json:"n"`
	After         int               `json:"after_input"`
	Unit          string            `json:"unit"`
	Hook          string            `json:"hook"`
	Relation      string            `json:"relation"`
	RemoteUnit    *string           `json:"remote_unit"`
	RemoteApp     *string           `json:"remote_app"`
	DepartingUnit string            `json:"departing_unit"`
	Workload      string            `json:"workload"`
	Notice        string            `json:"notice"`
	Storage       string            `json:"storage"`
	Secret        string            `json:"secret"`
	Revision      any               `json:"secret_revision"`
	Label         string            `json:"secret_label"`
	Action        string            `json:"action"`
	Leader        string            `json:"leader"`
	RelationList  []string          `json:"relation_list"`
	RelationIDs   []string          `json:"relation_ids"`
	RemoteData    map[string]string `json:"remote_data"`
	RemoteAppData map[string]string `json:"remote_app_data"`
	ReadError     any               `json:"read_error"` // what the charm could not read
	Exit          int               `json:"exit"`
	Note          string            `json:"note"`

	told    bool // of a story: what it does not say is open
	refused bool // the controller refused what it wrote
}

// unfinished are traces whose recording stopped before the agent saw the last
// input's effect, so that at their end the model has more to do.
var unfinished = map[string]string{
	"12a-pebble-ready": "the poll that would see the container come back is not in it",
}

// TestConformance replays traces of the real uniter. Their inputs are read as
// sentences, so that a new file in the folder needs no code; words that are not
// understood do nothing, and a failure names them. Each hook that
// the uniter ran must be among the model's next hooks at that moment, in the
// same context and with the same databags; the model must offer nothing beside
// it but what Juju orders at random; and where the uniter ended idle the model
// must be idle. The variants must be sequences that the model allows, too.
func TestConformance(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/traces/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			recorded := readTrace(t, file)
			if err := explain(recorded, recorded.Hooks, recorded.Inputs, false); err != nil {
				t.Fatal(err)
			}
			for i, v := range recorded.Variants {
				hooks, inputs := recorded.variant(v)
				if err := explain(recorded, hooks, inputs, true); err != nil {
					t.Errorf("variant %d: %v", i+1, err)
				}
			}
		})
	}
}

func readTrace(t *testing.T, file string) *trace {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var recorded trace
	if err := json.Unmarshal(data, &recorded); err != nil {
		t.Fatal(err)
	}
	return &recorded
}

// TestMissingHooks: a trace without one of its hooks is none that the model
// allows, even if what the hook was about is seen by a later one, too.
func TestMissingHooks(t *testing.T) {
	t.Parallel()
	for name, missing := range map[string][]int{
		"03a-relation-added-units-one-by-one": {8, 11, 14},
		"08a-config-changes":                  {13},
		"10d-killed-in-mid-hook":              {9},
		"13-update-status":                    {11, 16},
		"14-actions-queued":                   {18},
		"16a-everything-at-once-alive":        {34, 35},
	} {
		for _, n := range missing {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				t.Parallel()
				recorded := readTrace(t, "testdata/traces/"+name+".json")
				recorded.Hooks = slices.DeleteFunc(recorded.Hooks, func(h traceHook) bool { return h.N == n })
				if explain(recorded, recorded.Hooks, recorded.Inputs, false) == nil {
					t.Error("it was accepted")
				}
			})
		}
	}
}

// who is the unit that runs the i-th hook: the scenario's own, unless the
// trace names it.
func (tr *trace) who(h traceHook) string {
	if h.Unit != "" {
		return h.Unit
	}
	return tr.unit()
}

// unit is the scenario's unit: the one that the first input creates.
func (tr *trace) unit() string {
	if len(tr.Inputs) > 0 {
		for _, name := range unitName.FindAllString(tr.Inputs[0].What, -1) {
			if app(name) == "pulsar" {
				return name
			}
		}
	}
	return "pulsar/0"
}

// real are the units that run hooks in the trace, sorted.
func (tr *trace) real() []string {
	units := []string{tr.unit()}
	if len(tr.Hooks) > 0 && tr.Hooks[0].Unit != "" {
		units = nil
	}
	for _, h := range tr.Hooks {
		if h.Unit != "" {
			units = append(units, h.Unit)
		}
	}
	slices.Sort(units)
	return slices.Compact(units)
}

// short is a hook as the variants write it, without the unit that runs it.
func (h traceHook) short() string {
	words := []string{h.Hook}
	switch {
	case h.Relation != "" && text(h.RemoteUnit) != "":
		words = append(words, h.Relation, *h.RemoteUnit)
	case h.Relation != "":
		words = append(words, h.Relation, "app="+text(h.RemoteApp))
	case h.Storage != "":
		words = append(words, h.Storage)
	case h.Notice != "":
		words = append(words, h.Notice)
	case h.Secret != "":
		words = append(words, h.Secret[max(0, len(h.Secret)-4):])
		if h.Revision != nil {
			words = append(words, fmt.Sprint(h.Revision))
		}
	}
	return strings.Join(words, " ")
}

// readShort is the hook that short writes, as far as that says it.
func readShort(line string) traceHook {
	words := strings.Fields(line)
	h := traceHook{Hook: words[0]}
	rest := words[1:]
	switch {
	case strings.Contains(h.Hook, "-pebble-"):
		h.Workload, _, _ = strings.Cut(h.Hook, "-pebble-")
		if len(rest) > 0 {
			h.Notice = strings.Join(rest, " ")
		}
	case strings.HasPrefix(h.Hook, "secret-"):
		if len(rest) > 0 {
			h.Secret = rest[0]
		}
		if len(rest) > 1 {
			h.Revision = rest[1]
		}
	case strings.Contains(h.Hook, "-storage-") && len(rest) > 0:
		h.Storage = rest[0]
	case strings.Contains(h.Hook, "-relation-") && len(rest) > 1:
		h.Relation = rest[0]
		about, isApp := strings.CutPrefix(rest[1], "app=")
		switch unit := ""; {
		case isApp:
			h.RemoteUnit, h.RemoteApp = &unit, &about
		default:
			name := app(about)
			h.RemoteUnit, h.RemoteApp = &about, &name
		}
	}
	return h
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// variant is the hooks of a variant with what is known of them from the first
// run, and the inputs at their places in it. Inputs that came while nothing ran
// come after as many hooks as in the first run.
func (tr *trace) variant(v variant) ([]traceHook, []input) {
	used := make([]bool, len(tr.Hooks))
	place := make(map[int]int) // n in the first run → n in the variant
	var hooks []traceHook
	for i, line := range v.Hooks {
		line, failed := strings.CutSuffix(line, " FAILED")
		unit, rest, named := strings.Cut(line, ": ")
		if !named {
			unit, rest = "", line
		}
		at := -1
		for j, h := range tr.Hooks {
			if !used[j] && h.Unit == unit && h.short() == strings.TrimSpace(rest) && (h.Exit != 0) == failed {
				at = j
				break
			}
		}
		h := readShort(rest)
		h.Unit = unit
		if at >= 0 {
			h, used[at], place[tr.Hooks[at].N] = tr.Hooks[at], true, i+1
		}
		h.N, h.After = i+1, tr.Hooks[min(i, len(tr.Hooks)-1)].After
		hooks = append(hooks, h)
	}
	inputs := slices.Clone(tr.Inputs)
	for i := range inputs {
		if n := inputs[i].during(); n > 0 && place[n] > 0 {
			inputs[i].While = fmt.Sprintf("hook %d running", place[n])
		}
	}
	return hooks, inputs
}

var whileHook = regexp.MustCompile(`(?:hook )?(\d+)(?: |$)`)

// during is the number of the hook that ran while the input came, or 0.
func (in input) during() int {
	m := whileHook.FindStringSubmatch(in.While)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// hold delays the end of a hook until a later hook of another unit has begun,
// and, unless before is set, has read its databags.
type hold struct {
	until  int
	before bool
}

// problem is where the model and the trace part.
type problem struct {
	hook int // index; -1 if it is no hook's
	err  error
}

func (p *problem) Error() string { return p.err.Error() }

// explain replays hooks. A trace says when hooks began, not when they ended: if
// it has several units, ends are looked for that explain what was seen.
func explain(tr *trace, hooks []traceHook, inputs []input, orderOnly bool) error {
	attempt := func(holds map[int]hold) *problem {
		r := &replay{
			trace: tr, hooks: hooks, inputs: inputs, orderOnly: orderOnly, holds: holds,
			boots: make(map[string]string), waiting: make(map[int][]*ending),
		}
		r.play()
		if r.problem != nil && len(r.unread) > 0 {
			r.problem.err = fmt.Errorf("%w; not read: %s", r.problem.err, strings.Join(r.unread, ", "))
		}
		return r.problem
	}
	first := attempt(nil)
	if first == nil {
		return nil
	}
	type node struct {
		holds map[int]hold
		*problem
	}
	stack := []node{{nil, first}}
	for tries := 0; len(stack) > 0 && tries < 2000; {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		var further []node
		for _, c := range delays(tr, hooks, n.hook) {
			if _, ok := n.holds[c.hook]; ok {
				continue
			}
			holds := map[int]hold{c.hook: c.hold}
			for h, other := range n.holds {
				holds[h] = other
			}
			tries++
			p := attempt(holds)
			if p == nil {
				return nil
			}
			if p.hook > n.hook {
				further = append(further, node{holds, p})
			}
		}
		slices.SortStableFunc(further, func(a, b node) int { return a.hook - b.hook })
		stack = append(stack, further...)
	}
	return first
}

type delay struct {
	hook int
	hold hold
}

// delays are the hooks of other units that may have been running when the
// unit of the f-th hook, or of its last hook before, looked at its world.
func delays(tr *trace, hooks []traceHook, f int) []delay {
	if f < 0 {
		return nil
	}
	unit := tr.who(hooks[f])
	looks := []int{f}
	for i := f - 1; i >= 0; i-- {
		if tr.who(hooks[i]) == unit {
			looks = append(looks, i)
			break
		}
	}
	var out []delay
	for _, g := range looks {
		last := make(map[string]int)
		for i := range g {
			last[tr.who(hooks[i])] = i
		}
		for other, i := range last {
			if other != unit {
				out = append(out, delay{i, hold{g, false}}, delay{i, hold{g, true}})
			}
		}
	}
	slices.SortFunc(out, func(a, b delay) int {
		if a.hook != b.hook {
			return b.hook - a.hook
		}
		if a.hold.until != b.hold.until {
			return b.hold.until - a.hold.until
		}
		if a.hold.before {
			return 1
		}
		return -1
	})
	return out
}

func app(name string) string { return juju.Application(name) }
