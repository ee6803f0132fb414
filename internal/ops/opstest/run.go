package opstest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// Run gives the charm, whose files are metadata.yaml and so on, one event.
// Tests that need an impossible state or event fail.
func Run(t testing.TB, charm ops.Charm, files map[string][]byte, state State, event Event) Result {
	t.Helper()
	s, err := build(files, state)
	if err != nil {
		t.Fatalf("impossible state: %v", err)
	}
	hook, err := s.await(event)
	if err != nil {
		t.Fatalf("impossible event: %v", err)
	}
	return s.dispatch(t.Context(), charm, hook)
}

// stage is a model in which the unit under test is in the given state.
type stage struct {
	model  *model.Model
	unit   string
	app    string
	state  State
	charm  *model.Charm
	silent bool // everything that the state says has been played
}

const maxHooks = 10000

// build plays the state: nothing is put into the model that Juju itself would
// not have let happen.
func build(files map[string][]byte, state State) (*stage, error) {
	files = maps.Clone(files)
	if files["manifest.yaml"] == nil {
		files["manifest.yaml"] = []byte("bases: [{name: ubuntu, channel: 22.04/stable, architectures: [amd64]}]")
	}
	charm, err := model.ParseCharm(files)
	if err != nil {
		return nil, err
	}
	if state.Units == 0 {
		state.Units = state.Unit + 1
	}
	if state.Model == "" {
		state.Model = "test"
	}
	s := &stage{
		model: model.New(model.Options{Name: state.Model}),
		app:   charm.Name, unit: fmt.Sprintf("%s/%d", charm.Name, state.Unit),
		state: state, charm: charm,
	}
	if err := s.deploy(); err != nil {
		return nil, err
	}
	return s, s.settle()
}

// deploy makes the applications and relations.
func (s *stage) deploy() error {
	if err := s.model.Deploy(model.DeployArgs{App: s.app, Charm: s.charm, Units: s.state.Units, Config: s.state.Config}); err != nil {
		return err
	}
	leader := s.unit
	if !s.state.Leader {
		leader = ""
		for _, unit := range s.model.UnitsOf(s.app) {
			if unit != s.unit {
				leader = unit
			}
		}
	}
	if err := s.model.SetLeader(s.app, leader); err != nil {
		return err
	}
	for i, relation := range s.state.Relations {
		endpoint, ok := s.charm.Endpoint(relation.Endpoint)
		if !ok {
			return fmt.Errorf("the charm has no endpoint %q", relation.Endpoint)
		}
		if endpoint.Role == model.Peer {
			continue
		}
		if relation.App == "" {
			relation.App = "remote"
			s.state.Relations[i].App = relation.App
		}
		if err := s.deployRemote(endpoint, relation); err != nil {
			return err
		}
	}
	for i, unit := range s.model.Units() {
		if err := s.model.PodUp(unit, model.PodInfo{Address: fmt.Sprintf("10.1.0.%d", i+10), Fresh: true}); err != nil {
			return err
		}
		for _, storage := range s.model.Storages(unit) {
			if err := s.model.StorageProvisioned(unit, storage.ID, "/var/lib/juju/storage/"+storage.ID); err != nil {
				return err
			}
		}
	}
	for name := range s.state.Containers {
		if _, ok := s.charm.Container(name); !ok {
			return fmt.Errorf("the charm has no container %q", name)
		}
	}
	return nil
}

func (s *stage) deployRemote(endpoint model.Endpoint, relation Relation) error {
	role := model.Provider
	if endpoint.Role == model.Provider {
		role = model.Requirer
	}
	units := 0
	for ordinal := range relation.RemoteUnits {
		units = max(units, ordinal+1)
	}
	err := s.model.Deploy(model.DeployArgs{
		App: relation.App, Units: max(units, 1),
		Charm: &model.Charm{Name: relation.App, Endpoints: []model.Endpoint{{Name: "there", Role: role, Interface: endpoint.Interface}}},
	})
	if err != nil {
		return err
	}
	_, err = s.model.Integrate(s.app+":"+relation.Endpoint, relation.App+":there")
	return err
}

// settle runs every hook but those of the charm under test's event as an
// empty one, and lets each unit write what the state says it has written.
func (s *stage) settle() error {
	for name := range maps.Keys(s.state.Containers) {
		if err := s.containerUp(name); err != nil {
			return err
		}
	}
	written := map[string]bool{}
	for range maxHooks {
		ready := s.model.Ready()
		if len(ready) == 0 {
			s.silent = true
			return nil
		}
		unit := ready[0]
		c, err := s.model.Begin(unit, s.model.Next(unit)[0])
		if err != nil {
			return err
		}
		if c.Hook().Kind == juju.ConfigChanged && !written[unit] {
			written[unit] = true
			if err := s.write(c, unit); err != nil {
				return err
			}
		}
		if err := c.End(model.Outcome{}); err != nil {
			return err
		}
	}
	return fmt.Errorf("the model does not settle")
}

func (s *stage) containerUp(name string) error {
	info, err := s.state.Containers[name].SystemInfo(context.Background())
	if err != nil {
		return err
	}
	return s.model.ContainerUp(s.unit, name, info.BootID)
}

// write lets a unit write its part of the state, in its own hook.
func (s *stage) write(c *model.Context, unit string) error {
	app, ordinal, err := juju.ParseUnit(unit)
	if err != nil {
		return err
	}
	for _, relation := range s.state.Relations {
		endpoint, _ := s.charm.Endpoint(relation.Endpoint)
		peer := endpoint.Role == model.Peer
		var unitData, appData ops.Bag
		name := relation.Endpoint
		switch {
		case unit == s.unit:
			unitData, appData = relation.LocalUnit, relation.LocalApp
			if peer {
				appData = relation.RemoteApp
			}
		case peer && app == s.app, !peer && app == relation.App:
			unitData, appData = relation.RemoteUnits[ordinal], relation.RemoteApp
			if !peer {
				name = "there"
			}
		default:
			continue
		}
		if s.model.Leader(app) != unit {
			appData = nil
		}
		if err := s.writeBags(c, name, unitData, appData); err != nil {
			return err
		}
	}
	if unit == s.unit && len(s.state.Stored) > 0 {
		return tool(c, "state-set", pairs(s.state.Stored)...)
	}
	return nil
}

func (s *stage) writeBags(c *model.Context, endpoint string, unitData, appData ops.Bag) error {
	if len(unitData) == 0 && len(appData) == 0 {
		return nil
	}
	result, err := runner{c: c}.Run(context.Background(), hooktool.Call{Tool: "relation-ids", Args: []string{endpoint}})
	if err != nil {
		return err
	}
	id := strings.TrimSpace(string(result.Stdout))
	if len(unitData) > 0 {
		if err := tool(c, "relation-set", append([]string{"-r", id}, pairs(unitData)...)...); err != nil {
			return err
		}
	}
	if len(appData) == 0 {
		return nil
	}
	return tool(c, "relation-set", append([]string{"-r", id, "--app"}, pairs(appData)...)...)
}

func pairs(bag ops.Bag) []string {
	args := []string{"--"}
	for _, key := range slices.Sorted(maps.Keys(bag)) {
		args = append(args, key+"="+bag[key])
	}
	return args
}

func tool(c *model.Context, name string, args ...string) error {
	code, _, stderr, _ := c.Run(name, args, nil, false, nil)
	if code != 0 {
		return fmt.Errorf("%s: %s", name, strings.TrimSpace(string(stderr)))
	}
	return nil
}

// runner lets a charm in this process use a context's hook tools, and notes
// what changes something.
type runner struct {
	c      *model.Context
	writes *[]string
}

var readOnly = []string{
	"action-get", "config-get", "credential-get", "goal-state", "is-leader", "juju-log", "leader-get", "network-get", "opened-ports",
	"relation-get", "relation-ids", "relation-list", "relation-model-get", "resource-get", "secret-get", "secret-ids", "secret-info-get",
	"state-get", "status-get", "storage-get", "storage-list", "unit-get",
}

func (r runner) Run(ctx context.Context, call hooktool.Call) (hooktool.Result, error) {
	if err := ctx.Err(); err != nil {
		return hooktool.Result{}, err
	}
	code, stdout, stderr, needStdin := r.c.Run(call.Tool, call.Args, call.Stdin, call.Stdin != nil, nil)
	if needStdin {
		return hooktool.Result{}, fmt.Errorf("%s wants standard input", call.Tool)
	}
	if r.writes != nil && !slices.Contains(readOnly, call.Tool) {
		*r.writes = append(*r.writes, strings.TrimSpace(call.Tool+" "+strings.Join(call.Args, " ")))
	}
	return hooktool.Result{Code: code, Stdout: stdout, Stderr: stderr}, nil
}

// dispatch runs the charm for a hook and reads the state after it.
func (s *stage) dispatch(ctx context.Context, charm ops.Charm, hook model.Hook) Result {
	var result Result
	c, err := s.model.Begin(s.unit, hook)
	if err != nil {
		return Result{Err: err}
	}
	result.Err = ops.Run(ctx, ops.Host{
		Environment: c.Environment(),
		Tools:       runner{c, &result.Writes},
		Pebble:      s.pebble,
	}, charm)
	for _, line := range c.Log() {
		result.Log = append(result.Log, line.Level+" "+line.Message)
	}
	outcome := model.Outcome{}
	if result.Err != nil {
		outcome.ExitCode = 1
	}
	if err := c.End(outcome); err != nil && result.Err == nil {
		result.Err = err
	}
	if hook.ActionID != "" {
		if action, err := s.model.Action(hook.ActionID); err == nil {
			result.Action = ActionResult{Status: action.Status, Message: action.Message, Results: action.Results}
		}
	}
	s.read(&result)
	return result
}

// pebble gives the container's fake; one that does not answer if the state
// has none.
func (s *stage) pebble(name string) pebble.Pebble {
	if fake, ok := s.state.Containers[name]; ok {
		return fake
	}
	fake := pebbletest.NewFake(pebbletest.Options{})
	fake.Kill()
	return fake
}

var jujuKeys = []string{"egress-subnets", "ingress-address", "private-address"}

func (s *stage) read(result *Result) {
	result.Status = s.model.WorkloadStatus(s.unit)
	result.Stored = s.model.State(s.unit)
	result.UnitData, result.AppData = map[string]ops.Bag{}, map[string]ops.Bag{}
	detail, err := s.model.ShowUnit(s.unit)
	if err != nil {
		return
	}
	result.Ports = detail.OpenedPorts
	for _, relation := range detail.RelationInfo {
		id := fmt.Sprintf("%s:%d", relation.Endpoint, relation.ID)
		if bag := without(s.model.Databag(id, s.unit), jujuKeys); len(bag) > 0 {
			result.UnitData[relation.Endpoint] = bag
		}
		if bag := s.model.Databag(id, s.app); len(bag) > 0 {
			result.AppData[relation.Endpoint] = bag
		}
	}
}

func without(bag ops.Bag, keys []string) ops.Bag {
	bag = maps.Clone(bag)
	for _, key := range keys {
		delete(bag, key)
	}
	return bag
}
