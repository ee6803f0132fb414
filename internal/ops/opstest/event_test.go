package opstest_test

import (
	"context"
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

// full is a state with something in every field.
func full() opstest.State {
	container := plan(map[string]pebble.Service{"a": {Command: "a", Startup: "enabled"}, "b": {Command: "b"}})
	container.Services = map[string]opstest.Service{"a": {Current: "active", PID: 4}}
	container.Checks = map[string]opstest.Check{"up": {Status: "down", Failures: 3}}
	container.Files = map[string]opstest.File{"/etc/x": {Content: "x", Mode: 0o600, User: "app", Group: "app"}, "/data/y": {Content: "y"}, "/z/": {Mode: 0o700}}
	container.Notices = []pebble.Notice{{ID: "3", Key: "example.com/ready", Occurrences: 2, LastData: map[string]string{"k": "v"}}}
	container.Users, container.Missing = []string{"app"}, []string{"nosuchprogram"}
	return opstest.State{
		App: "site", Unit: 1, Units: 3, Leaving: []int{2}, Leader: true,
		Model: "prod", ModelUUID: "deadbeef-0bad-400d-8000-4b1d0d06f00d", Juju: "3.6.10", Trust: true,
		Config:    map[string]any{"port": 8080, "mode": "safe", "ratio": 0.5, "debug": true, "token": opstest.SecretURI("token")},
		Resources: map[string]string{"page": "/var/lib/page.html"},
		Address:   "10.1.2.3", ServiceAddress: "10.152.183.99",
		Networks: map[string]opstest.Network{"admin": {Bind: []string{"10.9.9.9"}, Ingress: []string{"10.9.9.1"}, Egress: []string{"10.9.9.0/24"}}},
		Relations: []opstest.Relation{
			{Endpoint: "db", ID: 4, App: "postgres", ModelUUID: "other", RemoteApp: ops.Bag{"endpoint": "db:5432"}, RemoteUnits: map[int]ops.Bag{0: {"x": "y"}, 1: {}}, Planned: []int{2}, LocalApp: ops.Bag{"la": "1"}, LocalUnit: ops.Bag{"lu": "1"}},
			{Endpoint: "cluster", ID: 2, RemoteUnits: map[int]ops.Bag{0: {"name": "site-0"}, 2: {}}, LocalApp: ops.Bag{"chair": "site/1"}, LocalUnit: ops.Bag{"name": "site-1"}},
			{Endpoint: "site", ID: 9, App: "proxy"},
		},
		Containers: map[string]opstest.Container{"server": container, "helper": {Down: true}},
		Storages:   []opstest.Storage{{Name: "data", Index: 5}, {Name: "cache", Index: 6, Location: "/cache"}, {Name: "cache", Index: 7, Pending: true}},
		Secrets: []opstest.Secret{
			{ID: opstest.SecretID("app"), Label: "app", Description: "d", Rotate: "daily", Expire: "2026-02-01T00:00:00Z", Revisions: map[int]map[string]string{1: {"key": "one"}, 2: {"key": "two"}}, Grants: []opstest.Grant{{Relation: "site:9"}}},
			{ID: opstest.SecretID("unit"), Owner: "site/1", Label: "unit", Tracked: 1, Revisions: map[int]map[string]string{1: {"key": "one"}}, Grants: []opstest.Grant{{Relation: "db:4", Unit: "postgres/1"}}},
			{ID: opstest.SecretID("theirs"), Owner: "postgres", Label: "theirs", Tracked: 1, Revisions: map[int]map[string]string{1: {"key": "one"}, 2: {"key": "two"}}, Grants: []opstest.Grant{{Relation: "db:4"}}},
			{ID: opstest.SecretID("token"), Owner: "model", Revisions: map[int]map[string]string{1: {"key": "one"}}, Grants: []opstest.Grant{{}}},
		},
		Ports:  []string{"22/tcp", "80/tcp (site)", "icmp"},
		Stored: ops.Bag{"k": "v"},
		Status: ops.Waiting("for something"), AppStatus: ops.Blocked("on something"),
		Version: "1.2",
	}
}

// every is every event that can come in the full state, and what else has to
// be for it.
func every() []struct {
	event  opstest.Event
	change func(*opstest.State)
	env    juju.Environment
} {
	relation := func(endpoint, id, unit, app, departing string) juju.Environment {
		return juju.Environment{Relation: endpoint, RelationID: id, RemoteUnit: unit, RemoteApp: app, DepartingUnit: departing}
	}
	dying := func(s *opstest.State) { s.Dying = true }
	detached := func(s *opstest.State) { s.Dying, s.Storages = true, nil }
	follower := func(s *opstest.State) { s.Leader = false }
	return []struct {
		event  opstest.Event
		change func(*opstest.State)
		env    juju.Environment
	}{
		{event: opstest.Install(), change: func(s *opstest.State) {
			s.Stored, s.Ports, s.Status = nil, nil, juju.Status{}
			for i := range s.Relations {
				s.Relations[i].LocalUnit = nil
			}
		}},
		{event: opstest.LeaderElected()},
		{event: opstest.LeaderSettingsChanged(), change: follower},
		{event: opstest.ConfigChanged()},
		{event: opstest.Start()},
		{event: opstest.UpgradeCharm()},
		{event: opstest.UpdateStatus()},
		{event: opstest.Stop()},
		{event: opstest.Stop(), change: func(s *opstest.State) {
			detached(s)
			s.Relations, s.Secrets, s.Units, s.Leaving, s.Ports = nil, nil, 1, nil, nil
		}},
		{event: opstest.Remove(), change: func(s *opstest.State) {
			detached(s)
			s.Relations, s.Secrets, s.Units, s.Leaving, s.Ports = nil, nil, 1, nil, nil
		}},
		{event: opstest.RelationCreated("site"), env: relation("site", "site:9", "", "proxy", "")},
		{event: opstest.RelationCreated("cluster"), env: relation("cluster", "cluster:2", "", "site", "")},
		{event: opstest.RelationJoined("db", "postgres/0"), env: relation("db", "db:4", "postgres/0", "postgres", "")},
		{event: opstest.RelationChanged("db", "postgres/1"), env: relation("db", "db:4", "postgres/1", "postgres", "")},
		{event: opstest.RelationChanged("cluster", "site/0"), env: relation("cluster", "cluster:2", "site/0", "site", "")},
		{event: opstest.RelationAppChanged("db"), env: relation("db", "db:4", "", "postgres", "")},
		{event: opstest.RelationAppChanged("cluster"), env: relation("cluster", "cluster:2", "", "site", "")},
		{event: opstest.RelationDeparted("db", "postgres/1"), env: relation("db", "db:4", "postgres/1", "postgres", "postgres/1")},
		{event: opstest.RelationDeparted("db", "postgres/0"), change: detached, env: relation("db", "db:4", "postgres/0", "postgres", "site/1")},
		{event: opstest.RelationDeparted("db", "postgres/0"), change: func(s *opstest.State) { s.Relations[0].Dying = true }, env: relation("db", "db:4", "postgres/0", "postgres", "postgres/0")},
		{event: opstest.RelationBroken("db"), env: relation("db", "db:4", "", "postgres", "")},
		{event: opstest.RelationBroken("site").In(9), change: detached, env: relation("site", "site:9", "", "proxy", "")},
		{event: opstest.RelationBroken("db").AfterRestart(), env: relation("db", "db:4", "", "", "")},
		{event: opstest.RelationBroken("cluster").AfterRestart(), change: detached, env: relation("cluster", "cluster:2", "", "", "")},
		{event: opstest.StorageAttached("data/5"), env: juju.Environment{StorageID: "data/5", StorageKind: "filesystem", StorageLocation: "/var/lib/juju/storage/data/5"}},
		{event: opstest.StorageDetaching("cache/6"), change: dying, env: juju.Environment{StorageID: "cache/6", StorageKind: "filesystem", StorageLocation: "/cache"}},
		{event: opstest.PebbleReady("server"), env: juju.Environment{Workload: "server"}},
		{event: opstest.CustomNotice("server", "example.com/ready"), env: juju.Environment{Workload: "server", NoticeID: "3", NoticeType: "custom", NoticeKey: "example.com/ready"}},
		{event: opstest.CheckFailed("server", "up"), env: juju.Environment{Workload: "server", CheckName: "up"}},
		{event: opstest.CheckRecovered("server", "up"), change: func(s *opstest.State) {
			c := s.Containers["server"]
			c.Checks = nil
			s.Containers["server"] = c
		}, env: juju.Environment{Workload: "server", CheckName: "up"}},
		{event: opstest.SecretChanged("theirs"), env: juju.Environment{SecretID: opstest.SecretURI("theirs"), SecretLabel: "theirs"}},
		{event: opstest.SecretRotate(opstest.SecretURI("app")), env: juju.Environment{SecretID: opstest.SecretURI("app"), SecretLabel: "app"}},
		{event: opstest.SecretExpired("app", 2), env: juju.Environment{SecretID: opstest.SecretURI("app"), SecretLabel: "app", SecretRevision: 2}},
		{event: opstest.SecretRemove("app", 1), env: juju.Environment{SecretID: opstest.SecretURI("app"), SecretLabel: "app", SecretRevision: 1}},
		{event: opstest.Action("free", map[string]any{"any": 1})},
	}
}

// Every event comes, tells the charm what Juju tells, and leaves the state as
// it was but for what the event itself ends. None of them, nor a change of
// what came out, changes the state that went in.
func TestEveryEvent(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	for _, test := range every() {
		t.Run(test.event.String(), func(t *testing.T) {
			t.Parallel()
			state, same := full(), full()
			if test.change != nil {
				test.change(&state)
				test.change(&same)
			}
			result := charm.Run(t, does(func(ctx context.Context, u *ops.Unit) error {
				u.AddStatus(state.Status) // else the library says active
				return nil
			}), state, test.event)
			hook := result.Environment.Hook
			test.env.Hook, test.env.UnitName, test.env.ModelName, test.env.ModelUUID = hook, "site/1", "prod", state.ModelUUID
			test.env.Version, test.env.ClusterDomain = juju.Version{Major: 3, Minor: 6, Patch: 10}, "cluster.local"
			got := result.Environment
			if hook.Kind == juju.Action {
				test.env.ActionName, test.env.ActionTag, test.env.ActionUUID = "free", got.ActionTag, got.ActionUUID
			}
			if diff := cmp.Diff(test.env, got); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}

			want := same
			switch hook.Kind {
			case juju.RelationDeparted:
				delete(want.Relations[0].RemoteUnits, juju.Ordinal(got.RemoteUnit))
			case juju.RelationBroken:
				want.Relations = slices.DeleteFunc(want.Relations, func(r opstest.Relation) bool { return r.Endpoint == hook.Name })
				for i, secret := range want.Secrets {
					want.Secrets[i].Grants = slices.DeleteFunc(secret.Grants, func(g opstest.Grant) bool { return strings.HasPrefix(g.Relation, hook.Name+":") })
				}
				if hook.Name == "db" {
					want.Secrets = slices.Delete(want.Secrets, 2, 3) // its owner is a stranger now
				}
			case juju.StorageDetaching:
				want.Storages = want.Storages[:1] // what was never attached goes without a hook
			case juju.Install, juju.Stop, juju.Remove, juju.Start: // the agent's own statuses
				want.Status = result.State.Status
			}
			if diff := opstest.Diff(want, result.State); diff != "" {
				t.Errorf("state (-want +got):\n%s", diff)
			}

			// What an event leaves is a state for the next.
			if next := result.State; !next.Dying {
				charm.Run(t, does(nothing), next, opstest.ConfigChanged())
			}

			spoil(&result.State)
			same = full()
			if test.change != nil {
				test.change(&same)
			}
			if diff := cmp.Diff(same, state, cmpopts.IgnoreFields(opstest.Container{}, "Execs", "OnStart")); diff != "" {
				t.Errorf("the state that went in was changed (-before +after):\n%s", diff)
			}
		})
	}
}

// spoil writes into everything that a state may share with another.
func spoil(s *opstest.State) {
	for _, bag := range []map[string]string{s.Resources, s.Stored} {
		clear(bag)
	}
	clear(s.Config)
	clear(s.Networks)
	clear(s.Ports)
	clear(s.Storages)
	for _, r := range s.Relations {
		clear(r.RemoteApp)
		clear(r.LocalApp)
		clear(r.LocalUnit)
		clear(r.Planned)
		for _, bag := range r.RemoteUnits {
			clear(bag)
		}
		clear(r.RemoteUnits)
	}
	for _, secret := range s.Secrets {
		for _, content := range secret.Revisions {
			clear(content)
		}
		clear(secret.Revisions)
		clear(secret.Grants)
	}
	for _, c := range s.Containers {
		for _, l := range c.Layers {
			clear(l.Layer.Services)
			clear(l.Layer.Checks)
		}
		clear(c.Layers)
		clear(c.Files)
		clear(c.Services)
		clear(c.Checks)
		for _, n := range c.Notices {
			clear(n.LastData)
		}
		clear(c.Users)
		clear(c.Missing)
	}
}

// A clone shares nothing that can be written into.
func TestClone(t *testing.T) {
	t.Parallel()
	state := full()
	clone := state.Clone()
	if diff := opstest.Diff(state, clone); diff != "" {
		t.Errorf("(-state +clone):\n%s", diff)
	}
	spoil(&clone)
	if diff := cmp.Diff(full(), state, cmpopts.IgnoreFields(opstest.Container{}, "Execs", "OnStart")); diff != "" {
		t.Errorf("a change of the clone changed the state (-before +after):\n%s", diff)
	}
}

// One State serves many tests at once.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	charm, state := opstest.Load(t, files), full()
	for range 50 {
		t.Run("one", func(t *testing.T) {
			t.Parallel()
			result := charm.Run(t, web{}, state, opstest.ConfigChanged())
			spoil(&result.State)
		})
	}
	t.Cleanup(func() {
		if diff := cmp.Diff(full(), state, cmpopts.IgnoreFields(opstest.Container{}, "Execs", "OnStart")); diff != "" {
			t.Errorf("the state was changed (-before +after):\n%s", diff)
		}
	})
}
