package ops_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// charmFunc is a charm without handlers.
type charmFunc func(ctx context.Context, u *ops.Unit) error

func (f charmFunc) Reconcile(ctx context.Context, u *ops.Unit) error { return f(ctx, u) }

// webCharm is what Juju knows of the charm under test.
var webCharm = &model.Charm{
	Name:       "web",
	Containers: []model.Container{{Name: "server"}},
	Endpoints: []model.Endpoint{
		{Name: "cluster", Role: model.Peer, Interface: "web"},
		{Name: "db", Role: model.Requirer, Interface: "sql"},
	},
	Storage: []model.StorageSpec{{Name: "data", Type: "filesystem"}},
}

// Secrets of the seed.
const (
	ownID   = "secret:d0000000000000000007" // the application's, label "mine", two revisions
	otherID = "secret:d0000000000000000009" // postgres's, two revisions, the unit is on the first
)

// seed is web/1 of two, the leader, with a database of two units.
func seed() model.Seed {
	return model.Seed{
		Options: model.Options{Name: "test", Version: "3.6.9"}, Charm: webCharm, App: "web", Unit: 1, Units: []int{0, 1}, Leader: true,
		Address: "10.1.0.11", ServiceAddress: "10.152.183.5",
		Status:     juju.Status{Name: juju.Active},
		Containers: []string{"server"},
		Storages:   []model.Storage{{ID: "data/3", Name: "data", Kind: "filesystem", Location: "/data", Provisioned: true, Attached: true}},
		Relations: []model.SeedRelation{
			{ID: 4, Endpoint: "db", App: "postgres", ModelUUID: "other", Remote: map[int]map[string]string{0: {"a": "b"}, 1: nil}, RemoteAppData: map[string]string{"url": "x"}},
			{ID: 2, Endpoint: "cluster", App: "web", Remote: map[int]map[string]string{0: {"name": "web-0"}}},
		},
		Secrets: []model.SeedSecret{
			{ID: strings.TrimPrefix(ownID, "secret:"), Owner: "web", Label: "mine", Revisions: map[int]map[string]string{1: {"key": "one"}, 2: {"key": "two"}}},
			{ID: strings.TrimPrefix(otherID, "secret:"), Owner: "postgres", Tracked: 1, Revisions: map[int]map[string]string{1: {"key": "one"}, 2: {"key": "two"}}, Grants: []model.SeedGrant{{Target: "web", Relation: 4}}},
		},
	}
}

// Hooks of the seed's unit.
var (
	updateStatus = model.Hook{Hook: juju.Hook{Kind: juju.UpdateStatus}}
	dbBroken     = model.Hook{Hook: juju.Hook{Kind: juju.RelationBroken, Name: "db"}, RelationID: "db:4", RemoteApp: "postgres"}
)

// stage is one unit and its world.
type stage struct {
	t         *testing.T
	model     *model.Model
	unit      string
	pebble    *pebbletest.Fake
	tamper    func(call hooktool.Call) (hooktool.Result, bool) // may answer in Juju's stead
	calls     []string
	context   *model.Context
	restarted bool // the agent was, before the hook
}

func newStage(t *testing.T, s model.Seed) *stage {
	t.Helper()
	m, err := s.Model()
	if err != nil {
		t.Fatal(err)
	}
	return &stage{t: t, model: m, unit: s.UnitName(), pebble: pebbletest.NewFake(pebbletest.Options{})}
}

// Run is a hook tool, answered by the model.
func (s *stage) Run(_ context.Context, call hooktool.Call) (hooktool.Result, error) {
	s.calls = append(s.calls, strings.TrimSpace(call.Tool+" "+strings.Join(slices.DeleteFunc(slices.Clone(call.Args), func(a string) bool { return a == "--format=json" }), " ")))
	if s.tamper != nil {
		if result, ok := s.tamper(call); ok {
			return result, nil
		}
	}
	code, stdout, stderr, needStdin := s.context.Run(call.Tool, call.Args, call.Stdin, call.Stdin != nil, os.ReadFile)
	if needStdin {
		return hooktool.Result{}, fmt.Errorf("%s wants standard input", call.Tool)
	}
	return hooktool.Result{Code: code, Stdout: stdout, Stderr: stderr}, nil
}

// begin makes the hook due and starts it. Secret hooks that the last one
// caused run before, without the charm.
func (s *stage) begin(hook model.Hook) ops.Host {
	s.t.Helper()
	for next := s.model.Next(s.unit); len(next) > 0 && next[0].SecretID != ""; next = s.model.Next(s.unit) {
		c, err := s.model.Begin(s.unit, next[0])
		if err == nil {
			err = c.End(model.Outcome{})
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if err := s.model.MakeDue(s.unit, hook, s.restarted); err != nil {
		s.t.Fatal(err)
	}
	for _, next := range s.model.Next(s.unit) {
		if next.Hook == hook.Hook && (hook.RemoteUnit == "" || next.RemoteUnit == hook.RemoteUnit) {
			hook = next
		}
	}
	c, err := s.model.Begin(s.unit, hook)
	if err != nil {
		s.t.Fatal(err)
	}
	s.context, s.calls = c, nil
	return ops.Host{
		Environment: c.Environment(), Tools: s,
		Pebble: func(string) pebble.Pebble { return s.pebble },
		Now:    func() time.Time { return time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC) },
	}
}

// play runs the charm for a hook and gives its error, or that of Juju at the
// end.
func (s *stage) play(charm ops.Charm, hook model.Hook) error {
	s.t.Helper()
	err := ops.Run(s.t.Context(), s.begin(hook), charm)
	outcome := model.Outcome{}
	if err != nil {
		outcome.ExitCode = 1
	}
	if refused := s.context.End(outcome); err == nil {
		err = refused
	}
	return err
}

// writes are the calls so far of tools that change something.
func (s *stage) writes() []string {
	reads := []string{
		"config-get", "credential-get", "goal-state", "is-leader", "juju-log", "network-get", "opened-ports", "relation-get", "relation-ids", "relation-list",
		"relation-model-get", "resource-get", "secret-get", "secret-ids", "secret-info-get", "state-get", "status-get", "storage-get", "storage-list",
	}
	var writes []string
	for _, call := range s.calls {
		if tool, _, _ := strings.Cut(call, " "); !slices.Contains(reads, tool) {
			writes = append(writes, call)
		}
	}
	return writes
}

func (s *stage) log() string {
	var text strings.Builder
	for _, line := range s.context.Log() {
		fmt.Fprintf(&text, "%s %s\n", line.Level, line.Message)
	}
	return text.String()
}

// secret is what the model has of one.
func (s *stage) secret(id string) (model.SeedSecret, bool) {
	for _, secret := range s.context.After().Secrets {
		if "secret:"+secret.ID == id {
			return secret, true
		}
	}
	return model.SeedSecret{}, false
}

// own are the charm's keys of a databag.
func own(bag map[string]string) map[string]string {
	bag = maps.Clone(bag)
	for _, key := range []string{"egress-subnets", "ingress-address", "private-address"} {
		delete(bag, key)
	}
	return bag
}
