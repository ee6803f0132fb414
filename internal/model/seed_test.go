package model

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

const seededSecret = "d0000000000000000007"

func seed(t *testing.T) Seed {
	t.Helper()
	charm, err := ParseCharm(map[string][]byte{
		"metadata.yaml": []byte(`
name: web
summary: s
description: d
containers: {server: {resource: image}}
resources: {image: {type: oci-image}}
storage: {data: {type: filesystem}}
requires: {db: {interface: sql}}
peers: {cluster: {interface: web}}
extra-bindings: {admin: null}
`),
		"manifest.yaml": []byte("bases: [{name: ubuntu, channel: 22.04/stable, architectures: [amd64]}]"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return Seed{
		Options: Options{Name: "test"}, Charm: charm, App: "web", Unit: 1, Units: []int{0, 1}, Leader: true,
		Address: "10.1.0.11", ServiceAddress: "10.152.183.5",
		Networks:   map[string]Network{"admin": {Bind: []string{"10.9.9.9"}}},
		Ports:      []string{"80/tcp"},
		State:      map[string]string{"k": "v"},
		Containers: []string{"server"},
		Storages:   []Storage{{ID: "data/3", Name: "data", Kind: "filesystem", Location: "/data", Provisioned: true, Attached: true}},
		Relations: []SeedRelation{
			{ID: 4, Endpoint: "db", App: "postgres", ModelUUID: "other", Remote: map[int]map[string]string{0: {"a": "b"}, 1: nil}, RemoteAppData: map[string]string{"url": "x"}},
			{ID: 2, Endpoint: "cluster", App: "web", Remote: map[int]map[string]string{0: {"name": "web-0"}}, UnitData: map[string]string{"name": "web-1"}},
		},
		Secrets: []SeedSecret{
			{ID: seededSecret, Owner: "web", Label: "mine", Revisions: map[int]map[string]string{1: {"key": "one"}, 2: {"key": "two"}}},
			{ID: "d0000000000000000009", Owner: "postgres", Tracked: 1, Revisions: map[int]map[string]string{1: {"key": "one"}, 2: {"key": "two"}}, Grants: []SeedGrant{{Target: "web", Relation: 4}}},
		},
	}
}

// A seeded unit is idle; whatever is made due is the one next hook.
func TestSeed(t *testing.T) {
	t.Parallel()
	db := func(kind juju.HookKind, unit string) Hook {
		return Hook{Hook: juju.Hook{Kind: kind, Name: "db"}, RelationID: "db:4", RemoteUnit: unit, RemoteApp: "postgres"}
	}
	departed := db(juju.RelationDeparted, "postgres/1")
	departed.DepartingUnit = "postgres/1"
	secret := func(kind juju.HookKind, id string, revision int) Hook {
		return Hook{Hook: juju.Hook{Kind: kind}, SecretID: "secret:" + id, SecretRevision: revision}
	}
	pebble := func(kind juju.HookKind) juju.Hook { return juju.Hook{Kind: kind, Name: "server"} }
	for _, hook := range []Hook{
		plain(juju.Install)[0], plain(juju.LeaderElected)[0], plain(juju.ConfigChanged)[0], plain(juju.Start)[0],
		plain(juju.UpgradeCharm)[0], plain(juju.UpdateStatus)[0], plain(juju.Stop)[0],
		db(juju.RelationCreated, ""), db(juju.RelationJoined, "postgres/1"), db(juju.RelationChanged, "postgres/0"),
		db(juju.RelationChanged, ""), departed, db(juju.RelationBroken, ""),
		{Hook: juju.Hook{Kind: juju.StorageAttached, Name: "data"}, StorageID: "data/3"},
		{Hook: juju.Hook{Kind: juju.StorageDetaching, Name: "data"}, StorageID: "data/3"},
		{Hook: pebble(juju.PebbleReady)},
		{Hook: pebble(juju.PebbleCustomNotice), NoticeID: "1", NoticeType: "custom", NoticeKey: "a.b/c"},
		{Hook: pebble(juju.PebbleCheckFailed), CheckName: "up"},
		{Hook: pebble(juju.PebbleCheckRecovered), CheckName: "up"},
		secret(juju.SecretChanged, "d0000000000000000009", 0), secret(juju.SecretRotate, seededSecret, 0),
		secret(juju.SecretExpired, seededSecret, 1), secret(juju.SecretRemove, seededSecret, 1),
	} {
		t.Run(hook.Describe(), func(t *testing.T) {
			t.Parallel()
			m, err := seed(t).Model()
			if err != nil {
				t.Fatal(err)
			}
			if next := m.Next("web/1"); len(next) > 0 {
				t.Fatalf("a seeded unit has hooks: %v", next)
			}
			if err := m.MakeDue("web/1", hook, false); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]Hook{hook}, m.Next("web/1")); diff != "" {
				t.Fatalf("next hooks (-want +got):\n%s", diff)
			}
			c, err := m.Begin("web/1", hook)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.End(Outcome{}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// What a seed says is what the tools show, and what After gives back.
func TestSeedIsSeen(t *testing.T) {
	t.Parallel()
	s := seed(t)
	m, err := s.Model()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.MakeDue("web/1", plain(juju.UpdateStatus)[0], false); err != nil {
		t.Fatal(err)
	}
	c, err := m.Begin("web/1", plain(juju.UpdateStatus)[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		want string
		call []string
	}{
		{"true\n", []string{"is-leader", "--format=json"}},
		{`["postgres/0","postgres/1"]` + "\n", []string{"relation-list", "--format=json", "-r", "db:4"}},
		{"b\n", []string{"relation-get", "-r", "db:4", "a", "postgres/0"}},
		{"10.152.183.5\n", []string{"relation-get", "-r", "cluster:2", "ingress-address", "web/0"}},
		{"x\n", []string{"relation-get", "-r", "db:4", "--app", "url", "postgres"}},
		{"uuid: other\n", []string{"relation-model-get", "-r", "db:4"}},
		{"10.9.9.9\n", []string{"network-get", "admin", "--bind-address"}},
		{"/data\n", []string{"storage-get", "-s", "data/3", "location"}},
		{"one\n", []string{"secret-get", "d0000000000000000009", "key"}},
		{"secret:d000000000000000000a\n", []string{"secret-add", "key=value", "--label", "new"}},
	} {
		code, stdout, stderr, _ := c.Run(test.call[0], test.call[1:], nil, false, nil)
		if string(stdout) != test.want || code != 0 {
			t.Errorf("%v: got %q, code %d: %s", test.call, stdout, code, stderr)
		}
	}
	if err := c.End(Outcome{}); err != nil {
		t.Fatal(err)
	}
	after := c.After()
	if len(after.Secrets) != 3 || after.Secrets[1].Tracked != 1 || after.UnitData[2]["name"] != "web-1" || after.State["k"] != "v" || after.Ports[0] != "80/tcp" || after.Storages[0].ID != "data/3" {
		t.Errorf("after: %+v", after)
	}
}
