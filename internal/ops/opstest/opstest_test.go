package opstest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

var files = map[string][]byte{
	"metadata.yaml": []byte(`
name: web
summary: A charm for tests.
description: A charm for tests.
containers:
  server:
    resource: image
    mounts: [{storage: data, location: /data}]
  helper:
    resource: image
resources:
  image: {type: oci-image}
  page: {type: file, filename: page.html}
storage:
  data: {type: filesystem}
  cache: {type: filesystem, multiple: {range: 0-2}}
requires:
  db: {interface: sql}
  auth: {interface: oauth, limit: 1}
  monitor: {interface: monitor, scope: container}
provides:
  site: {interface: http}
peers:
  cluster: {interface: web_peers}
extra-bindings:
  admin: null
`),
	"config.yaml": []byte(`
options:
  port: {type: int, default: 80, description: Where to listen.}
  mode: {type: string, default: fast, description: How.}
  ratio: {type: float, description: No default.}
  debug: {type: boolean, default: false, description: Say more.}
  token: {type: secret, description: A secret.}
`),
	"actions.yaml": []byte(`
greet:
  description: Say hello.
  params:
    name: {type: string, description: To whom.}
    times: {type: integer, description: How often.}
free:
  description: Take anything.
  additionalProperties: true
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
				Files:    []pebble.File{{Path: "/etc/web.conf", Content: []byte("mode " + config.Mode + "\n")}},
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
			if bag["endpoint"] == "" && !db.Broken {
				plan.Statuses = append(plan.Statuses, ops.Waiting("for "+db.App))
			}
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
		a.Logf(ctx, "greeting %s", params.Name)
		a.Set("greeting", strings.Repeat("hello "+params.Name+" ", params.Times))
		return nil
	}}
}

// does is a charm in a function.
type does func(ctx context.Context, u *ops.Unit) error

func (d does) Reconcile(ctx context.Context, u *ops.Unit) error { return d(ctx, u) }

func related() opstest.State {
	return opstest.State{
		Units:      2,
		Containers: map[string]opstest.Container{"server": {}},
		Relations: []opstest.Relation{
			{Endpoint: "db", App: "postgres", RemoteApp: ops.Bag{"endpoint": "db:5432"}, RemoteUnits: map[int]ops.Bag{0: {"x": "y"}}},
			{Endpoint: "cluster", RemoteUnits: map[int]ops.Bag{1: {"name": "web-1"}}},
		},
	}
}

func TestRunShowsTheWholeState(t *testing.T) {
	t.Parallel()
	result := opstest.Load(t, files).Twice(t, web{}, related(), opstest.ConfigChanged())
	want := related()
	want.Status, want.Version, want.Ports = ops.Active(""), "1.0", []string{"80/tcp"}
	want.Stored = ops.Bag{"ops.version": "1.0"}
	want.Relations[1].LocalUnit = ops.Bag{"name": "web-0.web-endpoints.test.svc.cluster.local", "ready": "true"}
	got := result.State
	// What pebble.Apply keeps for itself is its own business.
	server := got.Containers["server"]
	layers := server.Layers
	files := map[string]opstest.File{"/etc/web.conf": server.Files["/etc/web.conf"]}
	server.Layers, server.Files = nil, files
	got.Containers["server"] = server
	want.Containers["server"] = opstest.Container{
		Services: map[string]opstest.Service{"server": {Current: "active", PID: 1}},
		Files:    map[string]opstest.File{"/etc/web.conf": {Content: "mode fast\n"}},
	}
	if diff := opstest.Diff(want, got); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	if len(layers) != 1 || layers[0].Label != "web" || layers[0].Layer.Services["server"].Command != "server --port 80" {
		t.Errorf("layers: %+v", layers)
	}
	if diff := cmp.Diff([]juju.Status{ops.Active("")}, result.Statuses); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	var tools []string
	for _, write := range result.Writes {
		if !strings.HasPrefix(write, "server: ") {
			tools = append(tools, write)
		}
	}
	writes := []string{
		"application-version-set -- 1.0",
		"open-port -- 80/tcp",
		"relation-set -r cluster:2 < name=web-0.web-endpoints.test.svc.cluster.local ready=true",
		"state-set < ops.version=1.0",
		"status-set -- active",
	}
	slices.Sort(tools) // their order is the library's choice
	if diff := cmp.Diff(writes, tools); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(result.Writes[0], "server: ") {
		t.Errorf("containers come first: %v", result.Writes)
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	for _, test := range []struct {
		name  string
		state opstest.State
		want  juju.Status
	}{
		{"no relation", opstest.State{}, ops.Blocked("integrate with a database")},
		{"relation without data", opstest.State{Relations: []opstest.Relation{{Endpoint: "db", App: "postgres"}}}, ops.Waiting("for postgres")},
		{"wrong option", opstest.State{Config: map[string]any{"mode": "wild"}}, ops.Blocked(`option mode: "wild" is not one of fast, safe`)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := charm.Twice(t, web{}, test.state, opstest.ConfigChanged()).State.Status; got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// After a failed hook there is what Juju keeps: status, log, version, and what
// was done to containers. All else is as it was.
func TestFailedHookLeavesWhatJujuKeeps(t *testing.T) {
	t.Parallel()
	state := related()
	state.Leader = true
	state.Stored, state.Ports = ops.Bag{"old": "1"}, []string{"22/tcp"}
	state.Secrets = []opstest.Secret{{ID: opstest.SecretID("a"), Label: "a", Revisions: map[int]map[string]string{1: {"key": "old"}}}}
	fails := does(func(ctx context.Context, u *ops.Unit) error {
		tools := u.Tools()
		err := errors.Join(
			tools.RelationSet(ctx, "cluster:2", false, ops.Bag{"name": "x"}),
			tools.RelationSet(ctx, "cluster:2", true, ops.Bag{"chair": "x"}),
			tools.StateSet(ctx, ops.Bag{"new": "2"}),
			tools.OpenPort(ctx, "80/tcp"), tools.ClosePort(ctx, "22/tcp"),
			tools.StatusSet(ctx, ops.Waiting("kept")),
			tools.ApplicationVersionSet(ctx, "2.0"),
			u.Container("server").Push(ctx, pebble.File{Path: "/x", Content: []byte("kept")}),
		)
		if _, add := u.AddAppSecret(ctx, "b", map[string]ops.Secret{"key": ops.NewSecret("value")}); add != nil {
			err = errors.Join(err, add)
		}
		if err != nil {
			return fmt.Errorf("refused: %w", err)
		}
		return errors.New("deliberate")
	})
	charm := opstest.Load(t, files)
	result := charm.RunFailing(t, fails, state, opstest.UpdateStatus())
	if result.Err.Error() != "deliberate" || !strings.Contains(strings.Join(result.Log, "\n"), "deliberate") {
		t.Errorf("error %v, log %q", result.Err, result.Log)
	}
	want := state
	want.Status, want.Version = ops.Waiting("kept"), "2.0"
	want.Containers = map[string]opstest.Container{"server": {Files: map[string]opstest.File{"/x": {Content: "kept"}}}}
	if diff := opstest.Diff(want, result.State); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	for _, test := range []struct {
		name   string
		params map[string]any
		want   opstest.ActionResult
	}{
		{"good", map[string]any{"name": "moon", "times": 2}, opstest.ActionResult{
			Status: "completed", Results: map[string]any{"greeting": "hello moon hello moon "}, Log: []string{"greeting moon"},
		}},
		{"out of bounds", map[string]any{"times": 7}, opstest.ActionResult{Status: "failed", Message: "parameter times: 7 is more than 3"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			result := charm.Twice(t, web{}, related(), opstest.Action("greet", test.params))
			if diff := cmp.Diff(test.want, result.Action, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// A program that the image lacks does not start, which is no failed hook.
func TestMissingProgram(t *testing.T) {
	t.Parallel()
	container := plan(map[string]pebble.Service{"a": {Command: "nosuchprogram -x", Startup: "enabled"}})
	container.Missing = []string{"nosuchprogram"}
	result := opstest.Load(t, files).Run(t, does(func(ctx context.Context, u *ops.Unit) error {
		err := u.Container("server").Replan(ctx)
		if failed, ok := errors.AsType[*pebble.ChangeError](err); !ok || !strings.Contains(failed.Message, "executable file not found") {
			t.Errorf("replan: %v", err)
		}
		return nil
	}), opstest.State{Containers: map[string]opstest.Container{"server": container}}, opstest.UpdateStatus())
	if services := result.State.Containers["server"].Services; len(services) > 0 {
		t.Errorf("services %v", services)
	}
}

// A container whose Pebble does not answer is left for its pebble-ready.
func TestPebbleDown(t *testing.T) {
	t.Parallel()
	for _, containers := range []map[string]opstest.Container{nil, {"server": {Down: true}}} {
		state := related()
		state.Containers = containers
		result := opstest.Load(t, files).Twice(t, web{}, state, opstest.ConfigChanged())
		if diff := cmp.Diff(containers, result.State.Containers, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(opstest.Container{}, "Execs", "OnStart")); diff != "" {
			t.Errorf("containers (-want +got):\n%s", diff)
		}
	}
}
