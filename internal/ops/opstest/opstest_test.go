package opstest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

var files = map[string][]byte{
	"metadata.yaml": []byte(`
name: web
summary: A charm for tests.
description: A charm for tests.
containers:
  server:
    resource: image
resources:
  image: {type: oci-image}
storage:
  data: {type: filesystem}
requires:
  db: {interface: sql}
peers:
  cluster: {interface: web_peers}
`),
	"config.yaml": []byte(`
options:
  port: {type: int, default: 80, description: Where to listen.}
  mode: {type: string, default: fast, description: How.}
`),
	"actions.yaml": []byte(`
greet:
  description: Say hello.
  params:
    name: {type: string, description: To whom.}
    times: {type: integer, description: How often.}
`),
}

// web is a charm that uses every part of the library once.
type web struct{}

type webConfig struct {
	Port int    `option:"port"`
	Mode string `option:"mode" oneof:"fast safe"`
}

type webPeer struct {
	Name  string `databag:"name"`
	Ready bool   `databag:"ready"`
}

func (web) Reconcile(ctx context.Context, u *ops.Unit) error {
	var config webConfig
	if err := u.Config(ctx, &config); err != nil {
		if option, ok := errors.AsType[*ops.OptionError](err); ok {
			u.AddStatus(ops.Blocked(option.Error()))
			return nil
		}
		return err
	}
	return ops.Converge(ctx, u, func(ctx context.Context) (ops.Plan, error) {
		plan := ops.Plan{
			Version: "1.0",
			Ports:   []string{fmt.Sprintf("%d/tcp", config.Port)},
			Containers: map[string]pebble.Desired{"server": {
				Label:    "web",
				Services: map[string]pebble.Service{"server": {Command: fmt.Sprintf("server --port %d", config.Port), Startup: "enabled"}},
			}},
		}
		peers, err := u.Relations(ctx, "cluster")
		if err != nil {
			return plan, err
		}
		for _, peer := range peers {
			data, err := ops.Encode(webPeer{Name: u.FQDN(), Ready: true})
			if err != nil {
				return plan, err
			}
			plan.Databags = append(plan.Databags, ops.Databag{Relation: peer.ID, Data: data})
		}
		databases, err := u.Relations(ctx, "db")
		if err != nil {
			return plan, err
		}
		if len(databases) == 0 {
			plan.Statuses = append(plan.Statuses, ops.Blocked("integrate with a database"))
		}
		for _, db := range databases {
			bag, err := db.RemoteApp(ctx)
			if err != nil {
				return plan, err
			}
			if bag["endpoint"] == "" {
				plan.Statuses = append(plan.Statuses, ops.Waiting("for "+db.App))
			}
		}
		if u.Environment().Hook.Kind == juju.UpdateStatus {
			return plan, errors.New("deliberate failure")
		}
		return plan, nil
	}, func(p ops.Plan) ops.Plan { return p })
}

func (web) Actions() map[string]ops.ActionFunc {
	return map[string]ops.ActionFunc{"greet": func(ctx context.Context, u *ops.Unit, a *ops.Action) error {
		params := struct {
			Name  string `param:"name"`
			Times int    `param:"times" min:"1" max:"3"`
		}{Name: "world", Times: 1}
		if err := a.Params(&params); err != nil {
			return err
		}
		a.Set("greeting", strings.Repeat("hello "+params.Name+" ", params.Times))
		return nil
	}}
}

func related() opstest.State {
	return opstest.State{
		Units:      2,
		Containers: map[string]*pebbletest.Fake{"server": pebbletest.NewFake(pebbletest.Options{})},
		Relations: []opstest.Relation{
			{Endpoint: "db", App: "postgres", RemoteApp: ops.Bag{"endpoint": "db:5432"}, RemoteUnits: map[int]ops.Bag{0: {"x": "y"}}},
			{Endpoint: "cluster", RemoteUnits: map[int]ops.Bag{1: {"name": "web-1"}}},
		},
	}
}

func TestReconcileWritesWhatDiffers(t *testing.T) {
	t.Parallel()
	result := opstest.Run(t, web{}, files, related(), opstest.Hook("config-changed"))
	want := opstest.Result{
		Status:   juju.Status{Name: juju.Active},
		UnitData: map[string]ops.Bag{"cluster": {"name": "web-0.web-endpoints.test.svc.cluster.local", "ready": "true"}},
		AppData:  map[string]ops.Bag{},
		Ports:    []string{"80/tcp"},
		Stored:   ops.Bag{"ops.version": "1.0"},
	}
	result.Log, result.Writes = nil, nil
	if diff := cmp.Diff(want, result); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The second run right after writes nothing at all.
func TestSecondRunIsSilent(t *testing.T) {
	t.Parallel()
	state := related()
	first := opstest.Run(t, web{}, files, state, opstest.Hook("config-changed"))
	state.Containers["server"].ResetCalls()
	state.Stored = first.Stored
	state.Relations[1].LocalUnit = first.UnitData["cluster"]
	second := opstest.Run(t, web{}, files, state, opstest.RelationHook("db-relation-changed", "postgres/0"))
	if second.Err != nil {
		t.Fatal(second.Err)
	}
	if diff := cmp.Diff([]string{"open-port 80/tcp", "status-set active"}, second.Writes, cmp.Transformer("trim", func(s string) string {
		return strings.TrimSpace(strings.ReplaceAll(s, "-- ", ""))
	})); diff != "" {
		// Ports and status belong to the model, which is new in each run.
		t.Errorf("writes (-want +got)\n%s", diff)
	}
	if writes := state.Containers["server"].Writes(); len(writes) > 0 {
		t.Errorf("the second run wrote to Pebble: %v", writes)
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		state opstest.State
		want  juju.Status
	}{
		{"no relation", opstest.State{}, ops.Blocked("integrate with a database")},
		{"relation without data", opstest.State{Relations: []opstest.Relation{{Endpoint: "db", App: "postgres"}}}, ops.Waiting("for postgres")},
		{
			"wrong option", opstest.State{Config: map[string]string{"mode": "wild"}},
			ops.Blocked(`option mode: "wild" is not one of fast, safe`),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			result := opstest.Run(t, web{}, files, test.state, opstest.Hook("config-changed"))
			if result.Err != nil || result.Status != test.want {
				t.Errorf("got %v, %v; want %v", result.Status, result.Err, test.want)
			}
		})
	}
}

// A failed hook leaves no databag, no state and no port.
func TestFailedHookLeavesNothing(t *testing.T) {
	t.Parallel()
	result := opstest.Run(t, web{}, files, related(), opstest.Hook("update-status"))
	if result.Err == nil || !strings.Contains(result.Err.Error(), "deliberate") {
		t.Fatalf("got error %v", result.Err)
	}
	if len(result.UnitData) > 0 || len(result.Stored) > 0 || len(result.Ports) > 0 {
		t.Errorf("the failed hook left %v %v %v", result.UnitData, result.Stored, result.Ports)
	}
	if !strings.Contains(strings.Join(result.Log, "\n"), "deliberate failure") {
		t.Errorf("the failure is not in the log: %q", result.Log)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		action string
		params map[string]any
		want   opstest.ActionResult
	}{
		{"good", "greet", map[string]any{"name": "moon", "times": 2}, opstest.ActionResult{Status: "completed", Results: map[string]any{"greeting": "hello moon hello moon "}}},
		{"out of bounds", "greet", map[string]any{"times": 7}, opstest.ActionResult{Status: "failed", Message: "parameter times: 7 is more than 3"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			result := opstest.Run(t, web{}, files, related(), opstest.Action(test.action, test.params))
			got := result.Action
			delete(got.Results, "return-code")
			if len(got.Results) == 0 {
				got.Results = nil
			}
			if diff := cmp.Diff(test.want, got); diff != "" || result.Err != nil {
				t.Errorf("error %v (-want +got)\n%s", result.Err, diff)
			}
		})
	}
}

// A container whose Pebble does not answer is left for its pebble-ready.
func TestPebbleDown(t *testing.T) {
	t.Parallel()
	state := related()
	state.Containers = nil
	result := opstest.Run(t, web{}, files, state, opstest.Hook("config-changed"))
	if result.Err != nil {
		t.Error(result.Err)
	}
}

func TestEveryEventComes(t *testing.T) {
	t.Parallel()
	for _, event := range []opstest.Event{
		opstest.Hook("start"), opstest.Hook("upgrade-charm"), opstest.Hook("server-pebble-ready"),
		opstest.Hook("server-pebble-custom-notice"), opstest.Hook("server-pebble-check-failed"),
		opstest.RelationHook("db-relation-changed", "postgres/0"), opstest.RelationHook("db-relation-changed", ""),
		opstest.RelationHook("cluster-relation-changed", "web/1"),
		opstest.Hook("db-relation-broken"), opstest.RelationHook("db-relation-departed", "postgres/0"),
		opstest.Hook("data-storage-detaching"), opstest.Hook("stop"), opstest.Hook("remove"),
	} {
		t.Run(fmt.Sprint(event), func(t *testing.T) {
			t.Parallel()
			if result := opstest.Run(t, web{}, files, related(), event); result.Err != nil {
				t.Error(result.Err)
			}
		})
	}
}

func BenchmarkRun(b *testing.B) {
	for b.Loop() {
		state := related()
		if result := opstest.Run(b, web{}, files, state, opstest.Hook("config-changed")); result.Err != nil {
			b.Fatal(result.Err)
		}
	}
}
