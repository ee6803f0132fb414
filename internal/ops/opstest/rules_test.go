package opstest_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// plan is a container with a service and a check.
func plan(services map[string]pebble.Service) opstest.Container {
	return opstest.Container{Layers: []opstest.Layer{{Label: "web", Layer: pebble.Layer{
		Services: services, Checks: map[string]pebble.Check{"up": {TCP: &pebble.TCPCheck{Port: 80}}},
	}}}}
}

func one(r opstest.Relation) []opstest.Relation { return []opstest.Relation{r} }

func secret(change func(*opstest.Secret)) opstest.State {
	s := opstest.Secret{ID: opstest.SecretID("a"), Label: "a", Revisions: map[int]map[string]string{1: {"key": "one"}, 2: {"key": "two"}}}
	change(&s)
	return opstest.State{Leader: true, Secrets: []opstest.Secret{s}, Relations: one(opstest.Relation{Endpoint: "db", App: "postgres"})}
}

// Each row is a rule of Scenario's consistency checker, or one that nobody
// checks, and a state or event that breaks it.
func TestRules(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	of := func(container opstest.Container) opstest.State {
		return opstest.State{Containers: map[string]opstest.Container{"server": container}}
	}
	db := func(change func(*opstest.Relation)) opstest.State {
		r := opstest.Relation{Endpoint: "db", App: "postgres", RemoteUnits: map[int]ops.Bag{0: nil, 1: nil}}
		change(&r)
		return opstest.State{Relations: one(r)}
	}
	same := func(*opstest.Relation) {}
	asis := func(*opstest.Secret) {}
	for _, test := range []struct {
		rule  string
		state opstest.State
		event opstest.Event // UpdateStatus if zero
		want  string
	}{
		// containers
		{"container of an event is in metadata", opstest.State{}, opstest.PebbleReady("nope"), `impossible nope-pebble-ready: container "nope" is not in metadata.yaml`},
		{"container of an event is in the state", opstest.State{}, opstest.PebbleReady("server"), `container "server" does not answer in this state`},
		{"container of an event answers", of(opstest.Container{Down: true}), opstest.PebbleReady("server"), `container "server" does not answer in this state`},
		{"container of the state is in metadata", opstest.State{Containers: map[string]opstest.Container{"nope": {}}}, opstest.Event{}, `impossible state: container "nope" is not in metadata.yaml`},
		{"notice of an event is in its container", of(opstest.Container{}), opstest.CustomNotice("server", "a.b/c"), `container "server" has no notice "a.b/c"`},
		{"check of an event is in its container", of(opstest.Container{}), opstest.CheckFailed("server", "up"), `container "server" has no check "up" in its plan`},
		{"check that failed is down", of(plan(nil)), opstest.CheckFailed("server", "up"), `check "up" of container "server" is not down`},
		{"check that recovered is not down", of(func() opstest.Container {
			c := plan(nil)
			c.Checks = map[string]opstest.Check{"up": {Status: "down", Failures: 3}}
			return c
		}()), opstest.CheckRecovered("server", "up"), `check "up" of container "server" is down`},
		{"check of the state is in the plan", of(opstest.Container{Checks: map[string]opstest.Check{"up": {Status: "down"}}}), opstest.Event{}, `container "server": check "up" is not in the plan`},
		{"check has a status that Pebble knows", of(func() opstest.Container {
			c := plan(nil)
			c.Checks = map[string]opstest.Check{"up": {Status: "red"}}
			return c
		}()), opstest.Event{}, `check "up": status "red" is not one of up, down, inactive`},
		{"service of the state is in the plan", of(opstest.Container{Services: map[string]opstest.Service{"a": {Current: "active"}}}), opstest.Event{}, `container "server": service "a": it is not in the plan`},
		{"layers are as Pebble takes them", of(plan(map[string]pebble.Service{"a": {}})), opstest.Event{}, `container "server": layer "web": plan must define "command" for service "a"`},
		{"notices are as Pebble takes them", of(opstest.Container{Notices: []pebble.Notice{{Key: "nope"}}}), opstest.Event{}, `notice "nope": invalid key "nope" (must be in "example.com/path" format)`},
		{"users of files exist", of(opstest.Container{Files: map[string]opstest.File{"/x": {User: "app"}}}), opstest.Event{}, `file "/x": user: unknown user app`},
		{"a container that is down has no plan", of(func() opstest.Container {
			c := plan(nil)
			c.Down = true
			return c
		}()), opstest.Event{}, `container "server" is down: it has no layers, services, checks or notices`},
		{"a Pebble of the test says all itself", of(opstest.Container{Pebble: pebbletest.NewFake(pebbletest.Options{}), Users: []string{"app"}}), opstest.Event{}, `container "server" has a Pebble that the test keeps: all else of it belongs there`},

		// config
		{"option is declared", opstest.State{Config: map[string]any{"nope": 1}}, opstest.Event{}, `option "nope" is not in config.yaml`},
		{"option is of its type: int", opstest.State{Config: map[string]any{"port": "80"}}, opstest.Event{}, `option "port" is of type int, the value "80" is not`},
		{"option is of its type: string", opstest.State{Config: map[string]any{"mode": 1}}, opstest.Event{}, `option "mode" is of type string, the value 1 is not`},
		{"option is of its type: float", opstest.State{Config: map[string]any{"ratio": 1}}, opstest.Event{}, `option "ratio" is of type float, the value 1 is not`},
		{"option is of its type: boolean", opstest.State{Config: map[string]any{"debug": "true"}}, opstest.Event{}, `option "debug" is of type boolean, the value "true" is not`},
		{"a list of strings is not a string", opstest.State{Config: map[string]any{"mode": []string{"fast"}}}, opstest.Event{}, `option "mode" is of type string, the value []string{"fast"} is not`},
		{"secret option is a secret's URI", opstest.State{Config: map[string]any{"token": "secret:short"}}, opstest.Event{}, `option "token" is of type secret, "secret:short" is not secret: and 20 characters`},
		{"secret option needs Juju 3.3", opstest.State{Juju: "3.1.8", Config: map[string]any{"token": opstest.SecretURI("a")}}, opstest.Event{}, `option "token" is of type secret, which Juju has from 3.3, this is 3.1.8`},

		// resources
		{"resource is declared", opstest.State{Resources: map[string]string{"nope": "/x"}}, opstest.Event{}, `resource "nope" is not in metadata.yaml`},

		// events of relations
		{"endpoint of an event is declared", opstest.State{}, opstest.RelationCreated("nope"), `endpoint "nope" is not in metadata.yaml`},
		{"relation of an event is in the state", opstest.State{}, opstest.RelationCreated("db"), `the state has no such relation of endpoint "db"`},
		{"relation of an event is one", opstest.State{Relations: []opstest.Relation{{Endpoint: "db", App: "a"}, {Endpoint: "db", App: "b"}}}, opstest.RelationBroken("db"), `endpoint "db" has 2 relations that it could be of: choose one with In`},
		{"relation chosen is in the state", db(same), opstest.RelationBroken("db").In(7), `the state has no such relation of endpoint "db"`},
		{"joined has a remote unit", db(same), opstest.RelationJoined("db", ""), `it needs a remote unit`},
		{"departed has a remote unit", db(same), opstest.RelationDeparted("db", ""), `it needs a remote unit`},
		{"remote unit of an event is in the relation", db(same), opstest.RelationChanged("db", "postgres/7"), `unit "postgres/7" is not among the RemoteUnits of relation db:1`},
		{"remote unit of an event is of the application", db(same), opstest.RelationChanged("db", "mysql/0"), `no relation of endpoint "db" is with the application of "mysql/0"`},
		{"own unit does not join its peers", opstest.State{}, opstest.RelationJoined("cluster", "web/0"), `unit "web/0" is not among the RemoteUnits of relation cluster:1`},
		{"peer relations do not break", opstest.State{}, opstest.RelationBroken("cluster"), `peer relations do not break, but in a Dying unit with AfterRestart`},
		{"a removed relation begins nothing", db(func(r *opstest.Relation) { r.Dying = true }), opstest.RelationJoined("db", "postgres/0"), `relation db:1 is at its end for this unit`},
		{"a dying unit joins nothing", func() opstest.State {
			s := db(same)
			s.Dying = true
			return s
		}(), opstest.RelationCreated("db"), `relation db:1 is at its end for this unit`},
		{"units of a removed relation depart in order", db(func(r *opstest.Relation) { r.Dying = true }), opstest.RelationDeparted("db", "postgres/1"), `units depart in the order of their names: postgres/0 first`},
		{"a restart matters to relation-broken alone", db(same), opstest.RelationCreated("db").AfterRestart(), `AfterRestart is for relation-broken`},
		{"a restart matters to relation hooks alone", opstest.State{}, opstest.Start().AfterRestart(), `AfterRestart is for relation-broken`},
		{"In is for relations", opstest.State{}, opstest.ConfigChanged().In(1), `In is for relation hooks`},

		// events of containers: above; of actions
		{"action is declared", opstest.State{}, opstest.Action("nope", nil), `impossible nope: action "nope" is not in actions.yaml`},
		{"parameter is declared", opstest.State{}, opstest.Action("greet", map[string]any{"nope": 1}), `parameter "nope" of action "greet" is not in actions.yaml`},
		{"parameter is of its type", opstest.State{}, opstest.Action("greet", map[string]any{"times": "often"}), `validation failed: (root).times : must be of type integer, given "often"`},

		// events of storages
		{"storage of an event is declared", opstest.State{}, opstest.StorageAttached("nope/0"), `storage "nope" is not in metadata.yaml`},
		{"storage of an event is in the state", opstest.State{}, opstest.StorageAttached("data/7"), `the state has no storage "data/7"`},
		{"storage of an event is there", opstest.State{Storages: []opstest.Storage{{Name: "data", Pending: true}}}, opstest.StorageAttached("data/0"), `storage "data/0" is Pending`},
		{"a dying unit gets no storage", opstest.State{Dying: true, Storages: []opstest.Storage{{Name: "data"}}}, opstest.StorageAttached("data/0"), `the unit is Dying`},

		// secrets
		{"secret of an event is in the state", opstest.State{}, opstest.SecretChanged("nope"), `the state has no secret "nope"`},
		{"secrets need Juju 3", func() opstest.State {
			s := secret(asis)
			s.Juju = "2.9.50"
			return s
		}(), opstest.Event{}, `Juju has secrets from 3.0, this is 2.9.50`},
		{"users' secrets need Juju 3.3", func() opstest.State {
			s := secret(func(s *opstest.Secret) { s.Owner = "model" })
			s.Juju = "3.1.8"
			return s
		}(), opstest.Event{}, `Juju has users' secrets from 3.3, this is 3.1.8`},
		{"secret has Juju's id", secret(func(s *opstest.Secret) { s.ID = "mine" }), opstest.Event{}, `secret "mine": an ID has 20 characters of 0 to 9 and a to v: see SecretID`},
		{"secret ids are unique", func() opstest.State {
			s := secret(asis)
			s.Secrets = append(s.Secrets, s.Secrets[0])
			return s
		}(), opstest.Event{}, ` is there twice`},
		{"secret labels are unique", func() opstest.State {
			s := secret(asis)
			other := s.Secrets[0]
			other.ID = opstest.SecretID("b")
			s.Secrets = append(s.Secrets, other)
			return s
		}(), opstest.Event{}, `label "a" is there twice`},
		{"secret has content", secret(func(s *opstest.Secret) { s.Revisions = nil }), opstest.Event{}, `it has no revision`},
		{"secret content is not empty", secret(func(s *opstest.Secret) { s.Revisions[1] = nil }), opstest.Event{}, `revision 1: revisions count from 1 and have content`},
		{"secret keys are Juju's", secret(func(s *opstest.Secret) { s.Revisions[1] = map[string]string{"K": "v"} }), opstest.Event{}, `key "K" not valid`},
		{"tracked revision is there", secret(func(s *opstest.Secret) { s.Tracked = 7 }), opstest.Event{}, `the tracked revision 7 is not there`},
		{"rotate policy is Juju's", secret(func(s *opstest.Secret) { s.Rotate = "often" }), opstest.Event{}, `rotate policy "often" not valid`},
		{"expire is a time", secret(func(s *opstest.Secret) { s.Expire = "soon" }), opstest.Event{}, `expire time "soon" is not as in RFC 3339`},
		{"owner of a secret is related", secret(func(s *opstest.Secret) { s.Owner = "mysql" }), opstest.Event{}, `its owner "mysql" is in no relation of this unit`},
		{"secret is granted over a relation that is there", secret(func(s *opstest.Secret) { s.Grants = []opstest.Grant{{Relation: "site"}} }), opstest.Event{}, `it is granted over relation "site", which is not there`},
		{"secret is granted to a unit of the relation", secret(func(s *opstest.Secret) { s.Grants = []opstest.Grant{{Relation: "db", Unit: "mysql/0"}} }), opstest.Event{}, `cannot specify unit "mysql/0" in relation to application "postgres"`},
		{"secret of another is granted over its relation", func() opstest.State {
			s := secret(func(s *opstest.Secret) { s.Owner, s.Grants = "postgres", []opstest.Grant{{Relation: "site"}} })
			s.Relations = append(s.Relations, opstest.Relation{Endpoint: "site", App: "proxy"})
			return s
		}(), opstest.Event{}, `it is granted over relation site:2, which is not with its owner "postgres"`},
		{"secret of another is granted to this unit", secret(func(s *opstest.Secret) {
			s.Owner, s.Grants = "postgres", []opstest.Grant{{Relation: "db", Unit: "web/7"}}
		}), opstest.Event{}, `a grant to web/7 is none to web/0`},
		{"a user grants to the application", secret(func(s *opstest.Secret) { s.Owner, s.Grants = "model", []opstest.Grant{{Relation: "db"}} }), opstest.Event{}, `a user grants it to the application, not over a relation`},
		{"secret-changed is not for who writes it", secret(func(s *opstest.Secret) { s.Tracked = 1 }), opstest.SecretChanged("a"), `the unit owns secret "a": it is not told of what it writes`},
		{"secret-changed is for who reads", secret(func(s *opstest.Secret) { s.Owner = "postgres" }), opstest.SecretChanged("a"), `the unit has not read secret "a": set Tracked`},
		{"secret-changed is of something newer", secret(func(s *opstest.Secret) { s.Owner, s.Tracked = "postgres", 2 }), opstest.SecretChanged("a"), `the unit tracks the latest revision of secret "a" already`},
		{"secret-rotate is for the owner", secret(func(s *opstest.Secret) { s.Owner, s.Rotate = "postgres", "daily" }), opstest.SecretRotate("a"), `secret "a" is owned by postgres, which gets this hook`},
		{"secret-rotate is for the leader", func() opstest.State {
			s := secret(func(s *opstest.Secret) { s.Rotate = "daily" })
			s.Leader = false
			return s
		}(), opstest.SecretRotate("a"), `secret "a" is the application's: only its leader gets this hook`},
		{"secret-rotate needs a policy", secret(asis), opstest.SecretRotate("a"), `secret "a" has no rotate policy`},
		{"secret-expired needs an end", secret(asis), opstest.SecretExpired("a", 1), `secret "a" does not expire`},
		{"secret-expired is of a revision that is there", secret(func(s *opstest.Secret) { s.Expire = "2026-01-01T00:00:00Z" }), opstest.SecretExpired("a", 7), `secret "a" has no revision 7`},
		{"secret-remove is of no revision in use", secret(asis), opstest.SecretRemove("a", 2), `revision 2 of secret "a" is the latest: it is in use`},

		// storages
		{"storage is declared", opstest.State{Storages: []opstest.Storage{{Name: "nope"}}}, opstest.Event{}, `storage "nope" is not in metadata.yaml`},
		{"storages are unique", opstest.State{Storages: []opstest.Storage{{Name: "cache"}, {Name: "cache"}}}, opstest.Event{}, `storage cache/0 is there twice`},
		{"storages are not too many", opstest.State{Storages: []opstest.Storage{{Name: "data"}, {Name: "data", Index: 1}}}, opstest.Event{}, `storage "data" has more than the 1 instances of metadata.yaml`},
		{"storage numbers are not negative", opstest.State{Storages: []opstest.Storage{{Name: "data", Index: -1}}}, opstest.Event{}, `storage data/-1 has a negative number`},
		{"a dying unit's storages go first", opstest.State{Dying: true, Storages: []opstest.Storage{{Name: "data"}}}, opstest.Stop(), `storage data/0: a dying unit's storages are detached before its relations end`},

		// relations
		{"endpoint is declared", opstest.State{Relations: one(opstest.Relation{Endpoint: "nope"})}, opstest.Event{}, `endpoint "nope" is not in metadata.yaml`},
		{"relation ids are unique", opstest.State{Relations: []opstest.Relation{{Endpoint: "db", ID: 4}, {Endpoint: "site", ID: 4}}}, opstest.Event{}, `relation id 4 is there twice`},
		{"relation ids are not negative", opstest.State{Relations: one(opstest.Relation{Endpoint: "db", ID: -4})}, opstest.Event{}, `relation id -4 is negative`},
		{"a peer relation is with oneself", opstest.State{Relations: one(opstest.Relation{Endpoint: "cluster", App: "postgres"})}, opstest.Event{}, `peer relation cluster:1 is with the own application, not with "postgres"`},
		{"a peer relation has no remote application", opstest.State{Relations: one(opstest.Relation{Endpoint: "cluster", RemoteApp: ops.Bag{"a": "b"}})}, opstest.Event{}, `peer relation cluster:1: the application's data are LocalApp, there is no RemoteApp`},
		{"a peer relation is there once", opstest.State{Relations: []opstest.Relation{{Endpoint: "cluster"}, {Endpoint: "cluster"}}}, opstest.Event{}, `peer relation "cluster" is there twice: Juju makes one`},
		{"a peer relation is not removed", opstest.State{Relations: one(opstest.Relation{Endpoint: "cluster", Dying: true})}, opstest.Event{}, `peer relation cluster:1 cannot be removed`},
		{"planned peers are the units", opstest.State{Relations: one(opstest.Relation{Endpoint: "cluster", Planned: []int{1}})}, opstest.Event{}, `peer relation cluster:1: planned units are State.Units`},
		{"own unit is not among its peers", opstest.State{Relations: one(opstest.Relation{Endpoint: "cluster", RemoteUnits: map[int]ops.Bag{0: nil}})}, opstest.Event{}, `peer relation cluster:1: RemoteUnits names web/0 itself: its data are LocalUnit`},
		{"peers are among the planned units", opstest.State{Units: 2, Relations: one(opstest.Relation{Endpoint: "cluster", RemoteUnits: map[int]ops.Bag{2: nil}})}, opstest.Event{}, `peer relation cluster:1: web/2 is neither among the 2 units nor Leaving`},
		{"container-scoped endpoints are for subordinates", opstest.State{Relations: one(opstest.Relation{Endpoint: "monitor"})}, opstest.Event{}, `relation monitor:1: endpoint "monitor" is for subordinates, which Kubernetes has not`},
		{"limit of an endpoint", opstest.State{Relations: []opstest.Relation{{Endpoint: "auth", App: "a"}, {Endpoint: "auth", App: "b"}}}, opstest.Event{}, `establishing a new relation for web:auth would exceed its maximum relation limit of 1`},
		{"remote application is not the own one", opstest.State{Relations: one(opstest.Relation{Endpoint: "db", App: "web"})}, opstest.Event{}, `relation db:1 is with the own application`},
		{"remote application has a name", opstest.State{Relations: one(opstest.Relation{Endpoint: "db", App: "Postgres"})}, opstest.Event{}, `relation db:1: "Postgres" is not a name for an application`},
		{"remote unit numbers are not negative", db(func(r *opstest.Relation) { r.RemoteUnits[-1] = nil }), opstest.Event{}, `relation db:1: unit number -1 is negative`},
		{"planned units have not joined", db(func(r *opstest.Relation) { r.Planned = []int{0} }), opstest.Event{}, `relation db:1: Planned names postgres/0, which has joined`},
		{"databags have no empty key", db(func(r *opstest.Relation) { r.RemoteApp = ops.Bag{"": "x"} }), opstest.Event{}, `databag of postgres in db:1 has an empty key`},
		{"databags have no empty value", db(func(r *opstest.Relation) { r.RemoteUnits[0] = ops.Bag{"x": ""} }), opstest.Event{}, `databag of postgres/0 in db:1: "x" is empty: Juju keeps no key without a value`},
		{"databags are UTF-8", db(func(r *opstest.Relation) { r.LocalUnit = ops.Bag{"x": "\xff"} }), opstest.Event{}, `databag of web/0 in db:1: "x" is not UTF-8`},

		// network
		{"network is of a binding", opstest.State{Networks: map[string]opstest.Network{"nope": {}}}, opstest.Event{}, `network "nope" is neither an endpoint nor an extra-binding of metadata.yaml, nor juju-info`},

		// cloud spec
		{"cloud spec needs Juju 3.6.10", opstest.State{Juju: "3.6.9", Trust: true, CloudSpec: &hooktool.CloudSpec{}}, opstest.Event{}, `CloudSpec: Juju has credential-get on Kubernetes only from 3.6.10, this is 3.6.9`},
		{"cloud spec needs trust", opstest.State{Juju: "3.6.10", CloudSpec: &hooktool.CloudSpec{}}, opstest.Event{}, `CloudSpec: Juju gives it only to a trusted application: set Trust`},

		// stored state
		{"stored state has no empty key", opstest.State{Stored: ops.Bag{"": "x"}}, opstest.Event{}, `stored state has an empty key`},
		{"stored state's keys are short", opstest.State{Stored: ops.Bag{strings.Repeat("k", 257): "x"}}, opstest.Event{}, `stored state: key of 257 bytes, Juju takes 256`},
		{"stored state's values are short", opstest.State{Stored: ops.Bag{"k": strings.Repeat("x", 64<<10+1)}}, opstest.Event{}, `stored state: value of "k" has 65537 bytes, Juju takes 64 KiB`},
		{"stored state is small", opstest.State{Stored: func() ops.Bag {
			big := ops.Bag{}
			for i := range 33 {
				big[strings.Repeat("k", i+1)] = strings.Repeat("x", 64<<10)
			}
			return big
		}()}, opstest.Event{}, `stored state has more than the 2 MiB that Juju takes`},

		// ports, statuses, unit, model
		{"port is a port", opstest.State{Ports: []string{"0/tcp"}}, opstest.Event{}, `port "0/tcp" is not one of 1 to 65535 with /tcp or /udp, nor icmp`},
		{"port is not beyond", opstest.State{Ports: []string{"65536/tcp"}}, opstest.Event{}, `port "65536/tcp" is not one of`},
		{"icmp has no port", opstest.State{Ports: []string{"8/icmp"}}, opstest.Event{}, `port "8/icmp" is not one of`},
		{"no ranges of ports on Kubernetes", opstest.State{Ports: []string{"80-90/tcp"}}, opstest.Event{}, `port "80-90/tcp" is not one of`},
		{"port's endpoint is declared", opstest.State{Ports: []string{"80/tcp (nope)"}}, opstest.Event{}, `port "80/tcp (nope)": endpoint "nope" is not in metadata.yaml`},
		{"ports are unique", opstest.State{Ports: []string{"80/tcp", "80/tcp"}}, opstest.Event{}, `port "80/tcp" is there twice`},
		{"status is one that a charm can set", opstest.State{Status: juju.Status{Name: juju.Error}}, opstest.Event{}, `Status: a charm cannot set "error"`},
		{"application's status is one that a charm can set", opstest.State{AppStatus: juju.Status{Name: juju.Unknown}}, opstest.Event{}, `AppStatus: a charm cannot set "unknown"`},
		{"a message belongs to a status", opstest.State{Status: juju.Status{Message: "x"}}, opstest.Event{}, `Status has a message and no name`},
		{"application's name is Juju's", opstest.State{App: "web_1"}, opstest.Event{}, `"web_1" is not a name for an application`},
		{"unit is among the planned", opstest.State{Unit: 3, Units: 3}, opstest.Event{}, `unit web/3 is beyond the 3 units of its application`},
		{"unit number is not negative", opstest.State{Unit: -1}, opstest.Event{}, `unit number -1 is negative`},
		{"leaving are others", opstest.State{Leaving: []int{0}}, opstest.Event{}, `Leaving names web/0 itself: set Dying`},
		{"Juju's version is one", opstest.State{Juju: "new"}, opstest.Event{}, `Juju "new" is not a version`},

		// events of the unit
		{"leader-elected is for the leader", opstest.State{}, opstest.LeaderElected(), `the unit does not lead: set Leader`},
		{"leader-settings-changed is for others", opstest.State{Leader: true}, opstest.LeaderSettingsChanged(), `the unit leads`},
		{"leader-settings-changed is gone in Juju 4", opstest.State{Juju: "4.0.0"}, opstest.LeaderSettingsChanged(), `Juju has it only before 4, this is 4.0.0`},
		{"install is the first hook: stored state", opstest.State{Stored: ops.Bag{"a": "b"}}, opstest.Install(), `it is the unit's first hook: there can be no Stored, Ports or Status yet`},
		{"install is the first hook: databags", db(func(r *opstest.Relation) { r.LocalUnit = ops.Bag{"a": "b"} }), opstest.Install(), `it cannot have written into relation db:1 yet`},
		{"install is for the living", opstest.State{Dying: true}, opstest.Install(), `a unit that dies before it is installed runs no hook but remove`},
		{"remove is for the dying", opstest.State{}, opstest.Remove(), `it comes only to a unit that goes away: set Dying`},
		{"relations end before a dying unit stops", func() opstest.State {
			s := db(same)
			s.Dying = true
			return s
		}(), opstest.Stop(), `a dying unit's relations have ended before: relation db:1 must go`},
		{"peers depart before a dying unit stops", opstest.State{Dying: true, Units: 2, Relations: one(opstest.Relation{Endpoint: "cluster", RemoteUnits: map[int]ops.Bag{1: nil}})}, opstest.Stop(), `a dying unit's peers have departed before: relation cluster:1 must have no RemoteUnits`},
		{"a dying unit runs no config-changed", opstest.State{Dying: true}, opstest.ConfigChanged(), `impossible config-changed: Juju runs first: `},
		{"units of a removed relation depart first", db(func(r *opstest.Relation) { r.Dying = true }), opstest.UpdateStatus(), `impossible update-status: Juju runs first: db-relation-departed db:1 postgres/0 departing=postgres/0`},
		{"custom notices need Juju 3.4", func() opstest.State {
			s := of(opstest.Container{Notices: []pebble.Notice{{Key: "a.b/c"}}})
			s.Juju = "3.3.1"
			return s
		}(), opstest.CustomNotice("server", "a.b/c"), `Juju has custom notices from 3.4, this is 3.3.1`},
		{"hooks of checks need Juju 3.6", func() opstest.State {
			s := of(plan(nil))
			s.Juju = "3.5.1"
			return s
		}(), opstest.CheckRecovered("server", "up"), `Juju has hooks of checks from 3.6, this is 3.5.1`},
	} {
		t.Run(test.rule, func(t *testing.T) {
			t.Parallel()
			if test.event.String() == "" {
				test.event = opstest.UpdateStatus()
			}
			_, err := charm.Try(t.Context(), web{}, test.state, test.event)
			impossible, ok := errors.AsType[*opstest.ImpossibleError](err)
			if !ok || !strings.Contains(impossible.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// Juju deploys no charm whose assumptions it does not meet.
func TestAssumptions(t *testing.T) {
	t.Parallel()
	changed := maps.Clone(files)
	changed["metadata.yaml"] = append([]byte("assumes: [k8s-api, juju >= 3.4]\n"), files["metadata.yaml"]...)
	charm := opstest.Load(t, changed)
	charm.Run(t, web{}, opstest.State{Juju: "3.4.1"}, opstest.UpdateStatus())
	_, err := charm.Try(t.Context(), web{}, opstest.State{Juju: "3.3.7"}, opstest.UpdateStatus())
	if want := `impossible state: charm "web" assumes juju >= 3.4.0, this is Juju 3.3.7 on Kubernetes`; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// What Scenario checks of metadata, Juju's own reader refuses.
func TestRulesOfMetadata(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ rule, file, old, new, want string }{
		{"endpoint names are unique", "metadata.yaml", "site: {interface: http}", "db: {interface: http}", `charm "web" using a duplicated relation name: "db"`},
		{"an extra-binding has a name of its own", "metadata.yaml", "admin: null", "db: null", `relation names (db) cannot be used in extra bindings`},
		{"mounts are of declared storages", "metadata.yaml", "storage: data,", "storage: nope,", `"nope"`},
		{"container's resource is declared", "metadata.yaml", "resource: image", "resource: nope", `"nope"`},
		{"option has a type that is known", "config.yaml", "type: int", "type: number", `invalid config: option "port" has unknown type "number"`},
		{"option's default is of its type", "config.yaml", "default: 80", "default: x", `"port"`},
		{"action names are Juju's", "actions.yaml", "greet:", "Greet:", `bad action name Greet`},
		{"storage names are Juju's", "metadata.yaml", "cache: {", "cache_1: {", `storage "cache_1": not a name for a storage`},
		{"container names are Kubernetes'", "metadata.yaml", "helper:", "Helper_1:", `container "Helper_1": Kubernetes takes at most 63`},
		{"container names are short", "metadata.yaml", "helper:", strings.Repeat("h", 64) + ":", `Kubernetes takes at most 63`},
		{"no container is Juju's", "metadata.yaml", "helper:", "charm:", `container "charm": `},
	} {
		t.Run(test.rule, func(t *testing.T) {
			t.Parallel()
			changed := maps.Clone(files)
			changed[test.file] = []byte(strings.Replace(string(files[test.file]), test.old, test.new, 1))
			if _, err := opstest.Parse(changed); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// A container's Pebble is the one that Juju brings.
func TestPebbleOfTheJuju(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	for version, want := range map[string]struct {
		pebble string
		lacks  []string
	}{
		"2.9.50": {"v1.1.1", []string{"notices", "identities", "starting and stopping checks"}},
		"3.1.10": {"v1.4.2", []string{"notices", "identities", "starting and stopping checks"}},
		"3.2.4":  {"v1.4.0", []string{"notices", "identities", "starting and stopping checks"}},
		"3.3.7":  {"v1.4.2", []string{"notices", "identities", "starting and stopping checks"}},
		"3.4.6":  {"v1.7.4", []string{"identities", "starting and stopping checks"}},
		"3.5.7":  {"v1.10.2", []string{"identities", "starting and stopping checks"}},
		"3.6.9":  {"v1.32.1", nil},
		"4.0.0":  {"v1.32.1", nil},
		"":       {"v1.32.1", nil},
	} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			state := opstest.State{Juju: version, Containers: map[string]opstest.Container{"server": plan(nil)}}
			charm.Run(t, does(func(ctx context.Context, u *ops.Unit) error {
				server, err := pebble.As[pebble.Daemon](u.Container("server"))
				if err != nil {
					return err
				}
				info, err := server.SystemInfo(ctx)
				if err != nil || info.Version != want.pebble {
					t.Errorf("version %q, %v, want %s", info.Version, err, want.pebble)
				}
				_, notices := server.Notices(ctx)
				_, identities := server.Identities(ctx)
				_, stop := server.StopChecks(ctx, "up")
				var lacks []string
				for _, err := range []error{errors.Join(server.Notify(ctx, "a.b/c", nil), notices), identities, stop} {
					if unsupported, ok := errors.AsType[*pebble.UnsupportedError](err); ok && unsupported.Version == want.pebble {
						lacks = append(lacks, unsupported.Feature.Name)
					} else if err != nil {
						t.Error(err)
					}
				}
				if diff := cmp.Diff(want.lacks, lacks); diff != "" {
					t.Errorf("lacks (-want +got):\n%s", diff)
				}
				return nil
			}), state, opstest.UpdateStatus())
		})
	}
	state := opstest.State{Juju: "3.3.7", Containers: map[string]opstest.Container{"server": {Notices: []pebble.Notice{{Key: "a.b/c"}}}}}
	_, err := charm.Try(t.Context(), web{}, state, opstest.UpdateStatus())
	if want := `impossible state: container "server": notice "a.b/c": pebble v1.4.2 is too old for notices`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
