package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// record is what a charm and its lab leave after each step of the story.
type record struct {
	steps []step
	// traces are the hooks that each unit's charm ran, in order.
	traces map[string][]string
}

// step is what is there after a step, secrets' ids and addresses masked.
type step struct {
	name  string
	facts map[string]any
}

// TestConformance drives the charm in Python and the charm in Go through the
// same story, and requires that both leave the same.
func TestConformance(t *testing.T) {
	t.Parallel()
	program := programs(t, t.TempDir())
	charms := map[string]string{}
	for language, pack := range map[string]func(file string) error{
		"python": func(file string) error { return PackPython(t.Context(), "../..", file) },
		"go":     func(file string) error { return PackGo(t.Context(), "../..", file) },
	} {
		charms[language] = filepath.Join(t.TempDir(), "twin.charm")
		if err := pack(charms[language]); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	records := map[string]*record{}
	t.Run("story", func(t *testing.T) {
		for language, charm := range charms {
			t.Run(language, func(t *testing.T) {
				t.Parallel()
				r := &record{traces: map[string][]string{}}
				l := newLab(t, program, charm)
				story(l, r)
				r.traces = traces(l.log())
				t.Logf("%d hooks and actions", len(done.FindAllString(l.log(), -1)))
				mu.Lock()
				defer mu.Unlock()
				records[language] = r
			})
		}
	})
	if t.Failed() {
		return
	}
	python, golang := records["python"], records["go"]
	for n, step := range python.steps {
		other := golang.steps[n].facts
		for _, fact := range slices.Sorted(maps.Keys(merged(step.facts, other))) {
			if diff := cmp.Diff(step.facts[fact], other[fact]); diff != "" {
				t.Errorf("after %q, %s (-python +go):\n%s", step.name, fact, diff)
			}
		}
	}
	compareTraces(t, python.traces, golang.traces)
	covered(t, python.traces)
}

// covered requires that the story has brought every hook that a sidecar knows.
func covered(t *testing.T, traces map[string][]string) {
	t.Helper()
	var want []string
	for _, kind := range []juju.HookKind{
		juju.Install, juju.LeaderElected, juju.LeaderSettingsChanged, juju.ConfigChanged, juju.Start, juju.UpdateStatus, juju.UpgradeCharm,
		juju.Stop, juju.Remove, juju.SecretChanged, juju.SecretRotate, juju.SecretExpired, juju.SecretRemove,
	} {
		want = append(want, juju.Hook{Kind: kind}.String())
	}
	for name, kinds := range map[string][]juju.HookKind{
		// A peer relation breaks in a dying unit whose agent was restarted.
		"cluster": {juju.RelationCreated, juju.RelationJoined, juju.RelationChanged, juju.RelationDeparted, juju.RelationBroken},
		"source":  {juju.RelationCreated, juju.RelationJoined, juju.RelationChanged, juju.RelationDeparted, juju.RelationBroken},
		"sink":    {juju.RelationCreated, juju.RelationJoined, juju.RelationChanged, juju.RelationDeparted, juju.RelationBroken},
		"data":    {juju.StorageAttached, juju.StorageDetaching},
		"cache":   {juju.StorageAttached, juju.StorageDetaching},
		"work":    {juju.PebbleReady, juju.PebbleCustomNotice, juju.PebbleCheckFailed, juju.PebbleCheckRecovered},
	} {
		for _, kind := range kinds {
			want = append(want, juju.Hook{Kind: kind, Name: name}.String())
		}
	}
	seen := map[string]bool{}
	for _, trace := range traces {
		for _, hook := range trace {
			name, _, _ := strings.Cut(hook, " ")
			seen[name] = true
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(seen))); diff != "" {
		t.Errorf("hooks that ran (-all +story):\n%s", diff)
	}
}

func merged(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// note records what is there now, with what the step itself brought.
func (r *record) note(l *lab, name string, facts map[string]any) {
	l.t.Helper()
	m := masks{}
	all := map[string]any{}
	maps.Copy(all, facts)
	s := l.status()
	all["status"] = s
	for _, unit := range s.units() {
		all["databags of "+unit] = l.relations(unit)
		all["container of "+unit] = l.container(unit)
	}
	text, err := json.Marshal(all)
	if err != nil {
		l.t.Fatal(err)
	}
	var masked map[string]any
	if err := json.Unmarshal([]byte(m.mask(string(text))), &masked); err != nil {
		l.t.Fatal(err)
	}
	r.steps = append(r.steps, step{name, masked})
	l.t.Logf("%5.1f s %-6s %s", time.Since(l.begun).Seconds(), filepath.Base(l.t.Name()), name)
}

// masks give equal names to what differs from model to model.
type masks struct{ secrets []string }

var (
	secretURI  = regexp.MustCompile(`secret:(//[-0-9a-f]+/)?[0-9a-v]{20}`)
	podAddress = regexp.MustCompile(`\b10\.1\.\d+\.\d+`)
)

func (m *masks) mask(text string) string {
	text = secretURI.ReplaceAllStringFunc(text, func(uri string) string {
		n := slices.Index(m.secrets, uri)
		if n < 0 {
			n = len(m.secrets)
			m.secrets = append(m.secrets, uri)
		}
		return fmt.Sprintf("secret:%d", n)
	})
	return podAddress.ReplaceAllString(text, "POD")
}

// relation is one that show-unit has.
type relation struct {
	Endpoint     string
	Related      string            `json:"related-endpoint"`
	ID           int               `json:"relation-id"`
	Application  map[string]string `json:"application-data"`
	LocalUnit    member            `json:"local-unit"`
	RelatedUnits map[string]member `json:"related-units"`
}

type member struct {
	InScope bool `json:"in-scope"`
	Data    map[string]string
}

// relations are a unit's with all databags.
func (l *lab) relations(unit string) []relation {
	l.t.Helper()
	var shown map[string]struct {
		Relations []relation `json:"relation-info"`
	}
	if err := json.Unmarshal([]byte(l.run("show-unit", "--format=json", unit)), &shown); err != nil {
		l.t.Fatal(err)
	}
	return shown[unit].Relations
}

// container is the plan, the services, the checks and the configuration file
// of a unit's container.
func (l *lab) container(unit string) map[string]any {
	l.t.Helper()
	facts := map[string]any{}
	for name, command := range map[string]string{
		"plan":     "/charm/bin/pebble plan",
		"services": "/charm/bin/pebble services | sed 's/ \\+/ /g' | cut -d' ' -f1-3",
		"checks":   "/charm/bin/pebble checks | sed 's/ \\+/ /g' | cut -d' ' -f1-4",
		"file":     "stat -c '%a %U %s' /etc/twin.conf && cat /etc/twin.conf",
	} {
		facts[name] = l.run("ssh", "--container", "work", unit, "sh", "-c", command)
	}
	var plan struct {
		Services map[string]map[string]any
		Rest     map[string]any `yaml:",inline"`
	}
	if err := yaml.Unmarshal([]byte(facts["plan"].(string)), &plan); err != nil {
		l.t.Fatal(err)
	}
	for _, service := range plan.Services {
		if environment, ok := service["environment"].(map[string]any); ok {
			// By this internal/pebble ties files to services. It is all that the
			// charm in Go has more.
			delete(environment, "PULSAR_CHARMS_HASH")
		}
	}
	plan.Rest["services"] = plan.Services
	facts["plan"] = plan.Rest
	return facts
}

// traced is a hook that a charm tells of in the debug log.
var traced = regexp.MustCompile(`(?m)^unit-\S+: \S+ INFO unit\.(\S+)\.juju-log (?:\S+:\d+: )?trace (.*)$`)

// done is a hook that the agent tells of.
var done = regexp.MustCompile(`(?m)^unit-\S+: \S+ INFO juju.worker.uniter.operation ran`)

func traces(log string) map[string][]string {
	all := map[string][]string{}
	for _, match := range traced.FindAllStringSubmatch(log, -1) {
		all[match[1]] = append(all[match[1]], match[2])
	}
	return all
}

// thread says which order of hooks a hook belongs to: Juju promises an order
// within one, and none between two.
func thread(trace string) string {
	for _, field := range []string{"relation", "storage", "workload", "label"} {
		if match := regexp.MustCompile(` ` + field + `=(\S+)`).FindStringSubmatch(trace); match != nil {
			name := field + " " + match[1]
			if field == "relation" {
				// A remote unit has a thread of its own within its relation.
				if unit := regexp.MustCompile(` unit=(\S+)`).FindStringSubmatch(trace); unit != nil {
					name += " " + unit[1]
				}
			}
			return name
		}
	}
	switch {
	case strings.HasSuffix(trace, "-pebble-ready"):
		return "workload"
	case trace == juju.Hook{Kind: juju.UpdateStatus}.String():
		return "clock"
	}
	return "life"
}

// threads sorts a unit's hooks into their threads. Equal hooks that follow
// each other are one: how many writes they tell of is a matter of speed.
func threads(trace []string) map[string][]string {
	all := map[string][]string{}
	for _, hook := range trace {
		name := thread(hook)
		if of := all[name]; len(of) == 0 || of[len(of)-1] != hook {
			all[name] = append(of, hook)
		}
	}
	return all
}

func compareTraces(t *testing.T, python, golang map[string][]string) {
	t.Helper()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(python)), slices.Sorted(maps.Keys(golang))); diff != "" {
		t.Errorf("units that ran hooks (-python +go):\n%s", diff)
	}
	for _, unit := range slices.Sorted(maps.Keys(python)) {
		if diff := cmp.Diff(threads(python[unit]), threads(golang[unit])); diff != "" {
			t.Errorf("hooks of %s (-python +go):\n%s", unit, diff)
		}
	}
}

// expected compares a fact that is known from Juju itself.
func expected(l *lab, what string, want, got any) {
	l.t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(call{})); diff != "" {
		l.t.Errorf("%s (-juju +lab):\n%s", what, diff)
	}
}

func mustWrite(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
