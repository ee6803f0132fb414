package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// trace is one scenario as the real uniter played it.
type trace struct {
	Inputs []struct {
		Step  int    `json:"step"`
		What  string `json:"what"`
		While string `json:"while"`
	} `json:"inputs"`
	Hooks []traceHook `json:"hooks"`
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
	ReadError     any               `json:"read_error"`
	Exit          int               `json:"exit"`
	Note          string            `json:"note"`
}

// view is what a hook's environment and tools show.
type view struct {
	Hook, Relation, RemoteUnit, RemoteApp, Departing string
	Workload, Notice, Storage, Secret, Label         string
	Revision, Action                                 string
	Leader                                           bool
	List, IDs                                        []string
	Unit, App                                        map[string]string
}

// replay plays one trace on a model.
type replay struct {
	t       *testing.T
	m       *Model
	unit    string // the real unit, unless hooks name one
	boots   map[string]string
	bootN   int
	held    map[int]int // hook → the hook of another unit after whose start it ends
	effects func(c *Context, h traceHook)
}

// TestConformance replays traces of the real uniter: each hook it ran must be
// among the model's next hooks at that moment, in the same context, and where
// the uniter ended idle the model must be idle.
func TestConformance(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/traces/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(scenarios) {
		t.Errorf("%d traces and %d scenarios", len(files), len(scenarios))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var recorded trace
			if err := json.Unmarshal(data, &recorded); err != nil {
				t.Fatal(err)
			}
			steps, ok := scenarios[name]
			if !ok {
				t.Fatal("no steps for this trace")
			}
			if len(steps) != len(recorded.Inputs) {
				t.Fatalf("%d steps for %d inputs", len(steps), len(recorded.Inputs))
			}
			r := &replay{t: t, boots: make(map[string]string), held: make(map[int]int)}
			r.play(recorded, steps)
		})
	}
}

var whileHook = regexp.MustCompile(`hook (\d+) running`)

func (r *replay) play(recorded trace, steps []func(r *replay)) {
	given := 0
	during := make(map[int][]int) // hook number → inputs
	for i, input := range recorded.Inputs {
		if match := whileHook.FindStringSubmatch(input.While); match != nil {
			var n int
			fmt.Sscan(match[1], &n)
			during[n] = append(during[n], i)
		}
	}
	waiting := make(map[int]func())
	apply := func(upto int) {
		for ; given < upto; given++ {
			if recorded.Inputs[given].While == "" {
				steps[given](r)
			}
		}
	}
	for _, h := range recorded.Hooks {
		apply(h.After)
		unit := h.Unit
		if unit == "" {
			unit = r.unit
		}
		hook := r.expect(unit, h)
		c, err := r.m.Begin(unit, hook)
		if err != nil {
			r.t.Fatalf("hook %d: %v", h.N, err)
		}
		if diff := cmp.Diff(h.view(), r.view(c)); diff != "" {
			r.t.Errorf("hook %d %s: context differs (-trace +model):\n%s", h.N, hook.Describe(), diff)
		}
		r.write(c, h)
		for _, i := range during[h.N] {
			steps[i](r)
			given = max(given, i+1)
		}
		if until, held := r.held[h.N]; held {
			waiting[until] = func() { r.end(c, h) }
			continue
		}
		if end := waiting[h.N]; end != nil {
			end()
		}
		r.end(c, h)
	}
	apply(len(steps))
	for _, unit := range r.m.Units() {
		r.poll(unit)
	}
	for _, unit := range r.m.Ready() {
		r.t.Errorf("at the end %s is not idle: next %v", unit, describe(r.m.Next(unit)))
	}
	// Whatever happened, the model survives being written down.
	data, err := json.Marshal(r.m)
	if err != nil {
		r.t.Fatal(err)
	}
	var again Model
	if err := json.Unmarshal(data, &again); err != nil {
		r.t.Fatal(err)
	}
	if data2, err := json.Marshal(&again); err != nil || string(data2) != string(data) {
		r.t.Errorf("model changed in a JSON round trip (%v)", err)
	}
	for _, unit := range again.Units() {
		if diff := cmp.Diff(r.m.Next(unit), again.Next(unit)); diff != "" {
			r.t.Errorf("next hooks of %s changed in a JSON round trip:\n%s", unit, diff)
		}
	}
}

// end ends a hook as the trace did, unless the agent died in it.
func (r *replay) end(c *Context, h traceHook) {
	if r.m.Running(c.Unit()) != c {
		return
	}
	outcome := Outcome{ExitCode: h.Exit}
	if h.Exit == 137 {
		outcome = Outcome{Killed: true}
	}
	if err := c.End(outcome); err != nil {
		r.t.Errorf("hook %d: %v", h.N, err)
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
func (r *replay) expect(unit string, h traceHook) Hook {
	want := h.view()
	find := func() (Hook, bool) {
		for _, hook := range r.m.Next(unit) {
			if hook.traced() == traced(want) {
				return hook, true
			}
		}
		return Hook{}, false
	}
	if strings.HasSuffix(h.Hook, "-pebble-ready") {
		r.poll(unit)
	}
	hook, ok := find()
	if !ok && r.m.Due(unit).Retry {
		r.ok(r.m.RetryDue(unit))
		hook, ok = find()
	}
	if !ok {
		u, _ := r.m.unit(unit)
		r.t.Fatalf("hook %d: the uniter ran %s on %s; the model would run %v (operation %+v)", h.N, traced(want), unit, describe(r.m.Next(unit)), u.Op)
	}
	return hook
}

// traced is what tells hooks apart in a trace.
func traced(v view) string {
	return strings.Join([]string{v.Hook, v.Relation, v.RemoteUnit, v.RemoteApp, v.Departing, v.Notice, v.Storage, v.Secret, v.Revision, v.Action}, "|")
}

func (h Hook) traced() string {
	v := view{Hook: h.String(), Relation: h.RelationID, RemoteUnit: h.RemoteUnit, RemoteApp: h.RemoteApp, Departing: h.DepartingUnit, Storage: h.StorageID, Secret: h.SecretID}
	if h.Kind == juju.Action {
		v.Hook = "action:" + h.Name
		v.Action = traceAction(h.ActionID)
	}
	if h.NoticeID != "" {
		v.Notice = h.NoticeID + " " + h.NoticeType + " " + h.NoticeKey
	}
	if h.SecretRevision > 0 {
		v.Revision = fmt.Sprint(h.SecretRevision)
	}
	return traced(v)
}

// traceAction is the number of an action in the traces, where operations are
// not counted.
func traceAction(id string) string {
	var n int
	fmt.Sscan(id, &n)
	return fmt.Sprint(n / 2)
}

func (h traceHook) view() view {
	v := view{
		Hook: h.Hook, Relation: h.Relation, Departing: h.DepartingUnit, Workload: h.Workload, Notice: h.Notice,
		Storage: h.Storage, Secret: h.Secret, Label: h.Label, Action: h.Action, Leader: h.Leader == "true",
		List: h.RelationList, IDs: h.RelationIDs, Unit: h.RemoteData, App: h.RemoteAppData,
	}
	if h.RemoteUnit != nil {
		v.RemoteUnit = *h.RemoteUnit
	}
	if h.RemoteApp != nil {
		v.RemoteApp = *h.RemoteApp
	}
	if h.Revision != nil {
		v.Revision = fmt.Sprint(h.Revision)
	}
	if len(v.List) == 0 {
		v.List = nil
	}
	return v
}

// view asks the hook's environment and tools.
func (r *replay) view(c *Context) view {
	e := c.Environment()
	v := view{
		Hook: e.Hook.String(), Relation: e.RelationID, RemoteUnit: e.RemoteUnit, RemoteApp: e.RemoteApp, Departing: e.DepartingUnit,
		Workload: e.Workload, Storage: e.StorageID, Secret: e.SecretID, Label: e.SecretLabel,
	}
	if e.Hook.Kind == juju.Action {
		v.Hook, v.Action = "action:"+e.ActionName, traceAction(e.ActionUUID)
	}
	if e.NoticeID != "" {
		v.Notice = e.NoticeID + " " + e.NoticeType + " " + e.NoticeKey
	}
	if e.SecretRevision > 0 {
		v.Revision = fmt.Sprint(e.SecretRevision)
	}
	r.ask(c, &v.Leader, "is-leader")
	if !e.Hook.Relation() {
		return v
	}
	r.ask(c, &v.List, "relation-list")
	r.ask(c, &v.IDs, "relation-ids")
	if len(v.List) == 0 {
		v.List = nil
	}
	if len(v.IDs) == 0 {
		v.IDs = nil
	}
	if e.RemoteUnit != "" {
		r.ask(c, &v.Unit, "relation-get", "-", e.RemoteUnit)
		for _, key := range []string{"private-address", "ingress-address", "egress-subnets"} {
			delete(v.Unit, key)
		}
	}
	if e.RemoteApp != "" {
		r.ask(c, &v.App, "relation-get", "--app", "-", e.RemoteApp)
	}
	if len(v.Unit) == 0 {
		v.Unit = nil
	}
	if len(v.App) == 0 {
		v.App = nil
	}
	return v
}

func (r *replay) ask(c *Context, into any, tool string, args ...string) {
	code, out, errOut, _ := c.Run(tool, append([]string{"--format=json"}, args...), nil, false, nil)
	if code != 0 {
		r.t.Errorf("%s: %s: exit %d %s", c.hook.Describe(), tool, code, errOut)
		return
	}
	if err := json.Unmarshal(out, into); err != nil {
		r.t.Errorf("%s: %q: %v", tool, out, err)
	}
}

func (r *replay) run(c *Context, tool string, args ...string) {
	if code, _, errOut, _ := c.Run(tool, args, nil, false, nil); code != 0 {
		r.t.Errorf("%s: %s %v: exit %d %s", c.hook.Describe(), tool, args, code, errOut)
	}
}

var noteTool = regexp.MustCompile(`(relation-set|state-set) (--app )?(\w+)(?:=(\w+)| -> 0)`)

// write does what the trace's note says that the charm did.
func (r *replay) write(c *Context, h traceHook) {
	for _, match := range noteTool.FindAllStringSubmatch(h.Note, -1) {
		key, value := match[3], match[4]
		if value == "" {
			value = map[string]string{"addr": "of-", "token": "from-"}[key] + c.Unit()
		}
		args := []string{key + "=" + value}
		if match[1] == "relation-set" {
			args = append(args, r.relationFlag(c)...)
		}
		if match[2] != "" {
			args = append(args, "--app")
		}
		r.run(c, match[1], args...)
	}
	if strings.Contains(h.Note, "status-set") {
		r.run(c, "status-set", "waiting", "as told")
	}
	if key, found := strings.CutPrefix(h.Note, "writes app "); found {
		r.run(c, "relation-set", append(r.relationFlag(c), "--app", key)...)
	}
	if r.effects != nil {
		r.effects(c, h)
	}
}

func (r *replay) relationFlag(c *Context) []string {
	if c.hook.Relation() {
		return nil
	}
	return []string{"-r", "peers:0"}
}

func (r *replay) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}
