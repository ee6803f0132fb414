package juju_test

import (
	"errors"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

func TestHooks(t *testing.T) {
	t.Parallel()
	tests := map[string]juju.Hook{
		"hooks/install":                         {Kind: juju.Install},
		"hooks/leader-settings-changed":         {Kind: juju.LeaderSettingsChanged},
		"hooks/secret-remove":                   {Kind: juju.SecretRemove},
		"hooks/remove":                          {Kind: juju.Remove},
		"hooks/db-relation-created":             {Kind: juju.RelationCreated, Name: "db"},
		"hooks/my-relation-relation-changed":    {Kind: juju.RelationChanged, Name: "my-relation"},
		"hooks/a-storage-storage-detaching":     {Kind: juju.StorageDetaching, Name: "a-storage"},
		"hooks/relation-joined-relation-joined": {Kind: juju.RelationJoined, Name: "relation-joined"},
		"hooks/w-pebble-ready":                  {Kind: juju.PebbleReady, Name: "w"},
		"hooks/w-1-pebble-custom-notice":        {Kind: juju.PebbleCustomNotice, Name: "w-1"},
		"hooks/w-pebble-check-recovered":        {Kind: juju.PebbleCheckRecovered, Name: "w"},
		"actions/stop":                          {Kind: juju.Action, Name: "stop"},
		"actions/a-relation-joined":             {Kind: juju.Action, Name: "a-relation-joined"},
	}
	for path, want := range tests {
		got, err := juju.ParseHook(path)
		if err != nil || got != want {
			t.Errorf("ParseHook(%q) = %+v, %v, want %+v", path, got, err, want)
		}
		if got.DispatchPath() != path {
			t.Errorf("DispatchPath() = %q, want %q", got.DispatchPath(), path)
		}
	}
	for _, path := range []string{"hooks/relation-joined", "hooks/-relation-joined", "hooks/leader-deposed", "hooks/db-relation"} {
		if _, err := juju.ParseHook(path); !isUnknown(err) {
			t.Errorf("ParseHook(%q): %v, want an unknown hook", path, err)
		}
	}
	for _, path := range []string{"", "hooks", "hooks/", "actions/", "/install", "dispatch/install"} {
		if _, err := juju.ParseHook(path); err == nil || isUnknown(err) {
			t.Errorf("ParseHook(%q): %v, want a malformed path", path, err)
		}
	}
	if !(juju.Hook{Kind: juju.RelationBroken, Name: "db"}).Relation() || (juju.Hook{Kind: juju.PebbleReady, Name: "db"}).Relation() {
		t.Error("Relation() is wrong")
	}
}

func isUnknown(err error) bool {
	_, ok := errors.AsType[*juju.UnknownHookError](err)
	return ok
}

func TestUnitNames(t *testing.T) {
	t.Parallel()
	app, ordinal, err := juju.ParseUnit("pulsar-client/10")
	if app != "pulsar-client" || ordinal != 10 || err != nil {
		t.Errorf("ParseUnit = %q, %d, %v", app, ordinal, err)
	}
	for _, name := range []string{"", "/", "a/", "/0", "a/-1", "a/+1", "a/00", "a/1/2", "a/1 ", "a/99999999999999999999", "../0", "A/0", "a b/0", "1a/0", "-/0"} {
		if _, _, err := juju.ParseUnit(name); err == nil {
			t.Errorf("ParseUnit(%q): no error", name)
		}
		if got := juju.Ordinal(name); got != -1 {
			t.Errorf("Ordinal(%q) = %d, want -1", name, got)
		}
		if got := juju.UnitFQDN(name, "m", juju.DefaultClusterDomain); got != "" {
			t.Errorf("UnitFQDN(%q) = %q", name, got)
		}
	}
	if got, want := juju.UnitFQDN("pulsar-client/10", "m", juju.DefaultClusterDomain), "pulsar-client-10.pulsar-client-endpoints.m.svc.cluster.local"; got != want {
		t.Errorf("UnitFQDN = %q, want %q", got, want)
	}
	if got := juju.Application("a-b/3"); got != "a-b" {
		t.Errorf("Application = %q", got)
	}
	if got := juju.Application("a-b"); got != "a-b" {
		t.Errorf("Application = %q", got)
	}
	if got := juju.UnitTag("pulsar-client/10"); got != "unit-pulsar-client-10" {
		t.Errorf("UnitTag = %q", got)
	}
}

func TestWorst(t *testing.T) {
	t.Parallel()
	active, waiting := juju.Status{Name: juju.Active}, juju.Status{Name: juju.Waiting, Message: "for a"}
	blocked, maintenance := juju.Status{Name: juju.Blocked, Message: "b"}, juju.Status{Name: juju.Maintenance}
	tests := []struct {
		statuses []juju.Status
		want     juju.Status
	}{
		{nil, juju.Status{}},
		{[]juju.Status{active}, active},
		{[]juju.Status{active, waiting, {Name: juju.Waiting, Message: "for b"}}, waiting},
		{[]juju.Status{waiting, maintenance}, maintenance},
		{[]juju.Status{blocked, maintenance, active}, blocked},
		{[]juju.Status{{Name: juju.Unknown}, active}, active},
		{[]juju.Status{{Name: juju.Error}, blocked}, juju.Status{Name: juju.Error}},
	}
	for _, test := range tests {
		if got := juju.Worst(test.statuses...); got != test.want {
			t.Errorf("Worst(%v) = %v, want %v", test.statuses, got, test.want)
		}
	}
}
