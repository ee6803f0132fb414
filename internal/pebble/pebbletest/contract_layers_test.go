package pebbletest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

func layerOf(services map[string]pebble.Service) pebble.Layer {
	return pebble.Layer{Services: services}
}

func TestContractRefusedLayers(t *testing.T) {
	sleep := pebble.Service{Command: "sleep 1000"}
	with := func(change func(*pebble.Service)) pebble.Layer {
		service := sleep
		change(&service)
		return layerOf(map[string]pebble.Service{"a": service})
	}
	withCheck := func(c pebble.Check) pebble.Layer { return pebble.Layer{Checks: map[string]pebble.Check{"c": c}} }
	withTarget := func(target pebble.LogTarget) pebble.Layer {
		return pebble.Layer{LogTargets: map[string]pebble.LogTarget{"t": target}}
	}
	tcp := &pebble.TCPCheck{Port: 1}
	tests := []struct {
		name  string
		label string
		layer pebble.Layer
		want  string
	}{
		{"bad check override", "charm", withCheck(pebble.Check{Override: "maybe", TCP: tcp}),
			`layer "charm" has invalid "override" value for check "c"`},
		{"bad target override", "charm", withTarget(pebble.LogTarget{Override: "maybe", Type: "loki", Location: "x"}),
			`layer "charm" has invalid "override" value for log target "t"`},
		{"target type", "charm", withTarget(pebble.LogTarget{Type: "carrier pigeon", Location: "x"}),
			`cannot parse layer YAML: log target "t" has unsupported type "carrier pigeon", must be "loki", "opentelemetry" or "syslog"`},
		{"no target type", "charm", withTarget(pebble.LogTarget{Location: "x"}),
			`plan must define "type" ("loki", "opentelemetry" or "syslog") for log target "t"`},
		{"no target location", "charm", withTarget(pebble.LogTarget{Type: "syslog"}),
			`plan must define "location" for log target "t"`},
		{"target of nobody", "charm", withTarget(pebble.LogTarget{Type: "loki", Location: "x", Services: []string{"-nobody"}}),
			`log target "t" specifies unknown service "nobody"`},
		{"target label", "charm", withTarget(pebble.LogTarget{Type: "loki", Location: "x", Labels: map[string]string{"pebble_x": "y"}}),
			`cannot parse layer YAML: log target "t": label "pebble_x" uses reserved prefix "pebble_"`},
		{"check of a stranger", "charm", withCheck(pebble.Check{Exec: &pebble.ExecCheck{Command: "true", User: "nosuchuser"}}),
			`cannot parse layer YAML: plan check "c" has invalid user/group: user: unknown user nosuchuser`},
		{"check of two users", "charm", withCheck(pebble.Check{Exec: &pebble.ExecCheck{Command: "true", User: "root", UserID: new(42)}}),
			`cannot parse layer YAML: plan check "c" has invalid user/group: user "root" UID (0) does not match user-id (42)`},

		{"no label", "", pebble.Layer{}, "label must be set"},
		{"reserved label", "pebble-x", pebble.Layer{}, `cannot parse layer YAML: cannot use reserved label prefix "pebble-"`},
		{"no command", "charm", layerOf(map[string]pebble.Service{"a": {}}), `plan must define "command" for service "a"`},
		{"bad override", "charm", with(func(s *pebble.Service) { s.Override = "maybe" }),
			`layer "charm" has invalid "override" value for service "a"`},
		{"bad quoting", "charm", with(func(s *pebble.Service) { s.Command = `sh -c "` }),
			`cannot parse layer YAML: plan service "a" command invalid: cannot parse service "a" command: EOF found when expecting closing quote`},
		{"nested groups", "charm", with(func(s *pebble.Service) { s.Command = `a [ b [ c ] ]` }),
			`cannot parse layer YAML: plan service "a" command invalid: cannot parse service "a" command: cannot nest [ ... ] groups`},
		{"after group", "charm", with(func(s *pebble.Service) { s.Command = `a [ b ] c` }),
			`cannot parse layer YAML: plan service "a" command invalid: cannot parse service "a" command: cannot have any arguments after [ ... ] group`},
		{"on-success", "charm", with(func(s *pebble.Service) { s.OnSuccess = "success-shutdown" }),
			`cannot parse layer YAML: plan service "a" on-success action "success-shutdown" invalid`},
		{"on-failure", "charm", with(func(s *pebble.Service) { s.OnFailure = "explode" }),
			`cannot parse layer YAML: plan service "a" on-failure action "explode" invalid`},
		{"on-check-failure", "charm", with(func(s *pebble.Service) { s.OnCheckFailure = map[string]string{"c": "explode"} }),
			`cannot parse layer YAML: plan service "a" on-check-failure action "explode" invalid`},
		{"backoff-factor", "charm", with(func(s *pebble.Service) { s.BackoffFactor = 0.5 }),
			`cannot parse layer YAML: plan service "a" backoff-factor must be 1.0 or greater, not 0.5`},
		{"duration", "charm", with(func(s *pebble.Service) { s.KillDelay = "soon" }),
			`cannot parse layer YAML: cannot parse layer "charm" section "services": invalid duration "soon"`},
		{"reserved name", "charm", layerOf(map[string]pebble.Service{"pebble": sleep}),
			`cannot parse layer YAML: cannot use reserved service name "pebble"`},
		{"dashed name", "charm", layerOf(map[string]pebble.Service{"-a": sleep}),
			`cannot parse layer YAML: cannot use service name "-a": starting with "-" not allowed`},
		{"loop", "charm", layerOf(map[string]pebble.Service{
			"a": {Command: "a", After: []string{"b"}}, "b": {Command: "b", After: []string{"a"}}, "c": {Command: "c"},
		}), `services in before/after loop: a, b`},
		{"requires nothing known", "charm", with(func(s *pebble.Service) { s.Requires = []string{"nobody"} }),
			`service "nobody" does not exist`},
		{"level", "charm", withCheck(pebble.Check{TCP: tcp, Level: "dead"}),
			`cannot parse layer YAML: plan check "c" level must be "alive" or "ready"`},
		{"check startup", "charm", withCheck(pebble.Check{TCP: tcp, Startup: "later"}),
			`cannot parse layer YAML: plan check "c" startup must be "enabled" or "disabled"`},
		{"no kind", "charm", withCheck(pebble.Check{}), `plan must specify one of "http", "tcp", or "exec" for check "c"`},
		{"two kinds", "charm", withCheck(pebble.Check{TCP: tcp, Exec: &pebble.ExecCheck{Command: "true"}}),
			`plan must specify one of "http", "tcp", or "exec" for check "c"`},
		{"no port", "charm", withCheck(pebble.Check{TCP: &pebble.TCPCheck{}}), `plan must set "port" for tcp check "c"`},
		{"no url", "charm", withCheck(pebble.Check{HTTP: &pebble.HTTPCheck{}}), `plan must set "url" for http check "c"`},
		{"zero period", "charm", withCheck(pebble.Check{TCP: tcp, Period: "0s"}),
			`cannot parse layer YAML: plan check "c" period must not be zero`},
		{"context", "charm", withCheck(pebble.Check{Exec: &pebble.ExecCheck{Command: "true", ServiceContext: "nobody"}}),
			`plan check "c" service context specifies non-existent service "nobody"`},
	}
	contract(t, func(t *testing.T, b backend) {
		for _, test := range tests {
			if got := refusal(t, b.AddLayer(t.Context(), test.label, test.layer)); got != test.want {
				t.Errorf("%s: got %q, want %q", test.name, got, test.want)
			}
		}
		plan, err := b.Plan(t.Context())
		check1(t, err)
		if len(plan.Services)+len(plan.Checks)+len(plan.LogTargets) > 0 {
			t.Errorf("a refused layer changed the plan: %+v", plan)
		}
	})
}

func TestContractPlan(t *testing.T) {
	full := pebble.Layer{
		Services: map[string]pebble.Service{
			"a": {
				Summary: "first", Startup: "enabled", Command: "sleep 1000", After: []string{"b"}, Requires: []string{"b"},
				Environment: map[string]string{"X": "1", "Y": "2"}, WorkingDir: "/", OnSuccess: "ignore", OnFailure: "shutdown",
				OnCheckFailure: map[string]string{"up": "restart"}, BackoffDelay: "1500ms", BackoffFactor: 3, BackoffLimit: "90s",
				KillDelay: "0.5s", Description: "much", UserID: new(0), GroupID: new(0),
			},
			"b": {Command: "sleep 1000"},
		},
		LogTargets: map[string]pebble.LogTarget{
			"loki": {Type: "loki", Location: "http://localhost:1/", Services: []string{"all"}, Labels: map[string]string{"a": "$X", "b": "1"}},
			"otel": {Type: "opentelemetry", Location: "http://localhost:1/"},
			"log":  {Type: "syslog", Location: "tcp://localhost:1", Services: []string{"a", "b"}},
		},
		Checks: map[string]pebble.Check{
			"up":  {TCP: &pebble.TCPCheck{Port: 1}, Period: "60s", Timeout: "5s", Level: "ready", Threshold: 7},
			"run": {Exec: &pebble.ExecCheck{Command: "true", ServiceContext: "a", Environment: map[string]string{"Z": "3"}, UserID: new(0), User: "root", GroupID: new(0)}, Timeout: "1m"},
			"web": {HTTP: &pebble.HTTPCheck{URL: "http://localhost:1/", Headers: map[string]string{"A": "b"}}, Startup: "disabled"},
		},
	}
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		check1(t, b.AddLayer(ctx, "one", full))
		check1(t, b.AddLayer(ctx, "two", pebble.Layer{
			Services: map[string]pebble.Service{
				"a": {Override: "merge", Environment: map[string]string{"Y": "two"}, Before: []string{"c"}},
				"b": {Startup: "enabled", Command: "sleep 2000"},
				"c": {Override: "merge", Command: "sleep 3000"},
			},
			Checks: map[string]pebble.Check{"up": {Override: "merge", TCP: &pebble.TCPCheck{Host: "::1"}, Period: "2s"}},
			LogTargets: map[string]pebble.LogTarget{
				"loki": {Override: "merge", Services: []string{"-b"}, Labels: map[string]string{"b": "2"}},
				"otel": {Type: "opentelemetry", Location: "http://localhost:2/"},
			},
		}))
		// The same label again combines.
		check1(t, b.AddLayer(ctx, "two", pebble.Layer{
			Services: map[string]pebble.Service{"c": {Override: "merge", Environment: map[string]string{"C": "3"}}},
		}))
		// An earlier layer stays below later ones.
		check1(t, b.AddLayer(ctx, "one", pebble.Layer{
			Services: map[string]pebble.Service{"b": {Override: "merge", Summary: "hidden"}},
		}))
		got, err := b.Plan(ctx)
		check1(t, err)
		want := pebble.Layer{
			Services: map[string]pebble.Service{
				"a": {
					Override: "replace", Summary: "first", Startup: "enabled", Command: "sleep 1000",
					After: []string{"b"}, Before: []string{"c"}, Requires: []string{"b"},
					Environment: map[string]string{"X": "1", "Y": "two"}, WorkingDir: "/", OnSuccess: "ignore", OnFailure: "shutdown",
					OnCheckFailure: map[string]string{"up": "restart"}, BackoffDelay: "1.5s", BackoffFactor: 3, BackoffLimit: "1m30s",
					KillDelay: "500ms", Description: "much", UserID: new(0), GroupID: new(0),
				},
				"b": {Override: "replace", Startup: "enabled", Command: "sleep 2000"},
				"c": {Override: "merge", Command: "sleep 3000", Environment: map[string]string{"C": "3"}},
			},
			Checks: map[string]pebble.Check{
				"up": {
					Override: "replace", TCP: &pebble.TCPCheck{Port: 1, Host: "::1"}, Period: "2s", Timeout: "2s",
					// Combining layer two with itself filled in its default threshold.
					Level: "ready", Threshold: 3,
				},
				"run": {
					Override: "replace", Timeout: "10s", Threshold: 3,
					Exec: &pebble.ExecCheck{Command: "true", ServiceContext: "a", Environment: map[string]string{"Z": "3"}, UserID: new(0), User: "root", GroupID: new(0)},
				},
				"web": {
					Override: "replace", Threshold: 3, Startup: "disabled",
					HTTP: &pebble.HTTPCheck{URL: "http://localhost:1/", Headers: map[string]string{"A": "b"}},
				},
			},
			LogTargets: map[string]pebble.LogTarget{
				"loki": {
					Override: "replace", Type: "loki", Location: "http://localhost:1/", Services: []string{"all", "-b"},
					Labels: map[string]string{"a": "$X", "b": "2"},
				},
				"otel": {Override: "replace", Type: "opentelemetry", Location: "http://localhost:2/"},
				"log":  {Override: "replace", Type: "syslog", Location: "tcp://localhost:1", Services: []string{"a", "b"}},
			},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("plan (-want +got):\n%s", diff)
		}
		checks, err := b.Checks(ctx, "up", "web", "nobody")
		check1(t, err)
		wantChecks := []pebble.CheckInfo{
			{Name: "up", Level: "ready", Startup: "enabled", Status: "up", Threshold: 3},
			{Name: "web", Startup: "disabled", Status: "inactive", Threshold: 3},
		}
		if diff := cmp.Diff(wantChecks, checks, cmpopts.IgnoreFields(pebble.CheckInfo{}, "ChangeID")); diff != "" {
			t.Errorf("checks (-want +got):\n%s", diff)
		}
	})
}
