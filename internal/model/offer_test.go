package model

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// across is pair with "db" replaced by one of another model, at relation 1.
func across(t *testing.T) *Model {
	t.Helper()
	m := pair(t)
	must(t, m.RemoveApplication("db", false))
	settle(t, m)
	must(t, m.Consume(Offer{App: "far", ModelUUID: "11111111-2222-4333-8444-555555555555", Endpoints: []Endpoint{{Name: "clients", Role: Provider, Interface: "db"}}}))
	r, err := m.Integrate("app", "far")
	must(t, err)
	must(t, m.RemoteWrites(r.ID, "far", map[string]string{"v": "1"}))
	must(t, m.RemoteEnters(r.ID, "far/3", map[string]string{"k": "1", "ingress-address": "192.0.2.7"}))
	return m
}

// TestOtherModel is a relation with an application of another model: its hooks
// are the usual, its model and its secrets bear its UUID, and goal-state knows
// no units of it.
func TestOtherModel(t *testing.T) {
	t.Parallel()
	m := across(t)
	want := []string{
		"app/0 db-relation-created", "app/0 db-relation-changed", "app/0 db-relation-joined", "app/0 db-relation-changed",
		"app/1 db-relation-created", "app/1 db-relation-changed", "app/1 db-relation-joined", "app/1 db-relation-changed",
	}
	if diff := cmp.Diff(want, settle(t, m)); diff != "" {
		t.Fatal(diff)
	}
	uri, err := m.RemoteSecret(2, map[string]string{"token": "one"})
	must(t, err)
	if !strings.HasPrefix(uri, "secret://11111111-2222-4333-8444-555555555555/") {
		t.Errorf("secret %s", uri)
	}
	c := during(t, m, "app/0")
	check(t, c, []call{
		{line: "relation-model-get -r db:2 --format=json", want: `{"uuid":"11111111-2222-4333-8444-555555555555"}`},
		{line: "relation-list -r db:2 --app --format=json", want: `"far"`},
		{line: "relation-list -r db:2 --format=json", want: `["far/3"]`},
		{line: "relation-get -r db:2 --format=json - far/3", want: `{"ingress-address":"192.0.2.7","k":"1"}`},
		{line: "relation-get -r db:2 --app v far", want: "1"},
		{line: "goal-state --format=json", want: `{"units":{"app/0":{"status":"unknown"},"app/1":{"status":"unknown"}},"relations":{"db":{"far":{"status":"joined"}}}}`},
		{line: "secret-get " + uri + " token --label far", want: "one"},
		{line: "relation-set -r db:2 back=yes"},
	})
	must(t, c.End(Outcome{}))
	if got := m.Databag("db:2", "app/0")["back"]; got != "yes" {
		t.Errorf("our databag has back=%q", got)
	}
	must(t, m.RemoteRevision(uri, map[string]string{"token": "two"}))
	next := m.Next("app/0")
	if len(next) != 1 || next[0].Describe() != "secret-changed "+uri {
		t.Fatalf("after a new revision %v", describe(next))
	}
	c, err = m.Begin("app/0", next[0])
	must(t, err)
	if e := c.Environment(); e.SecretID != uri || e.SecretLabel != "far" {
		t.Errorf("environment %+v", e)
	}
	check(t, c, []call{{line: "secret-get " + uri + " token --refresh", want: "two"}})
	must(t, c.End(Outcome{}))
	must(t, m.RemoteWrites(2, "far/3", map[string]string{"k": "2"}))
	must(t, m.RemoteDeparts(2, "far/3"))
	if diff := cmp.Diff([]string{"app/0 db-relation-departed", "app/1 db-relation-departed"}, settle(t, m)); diff != "" {
		t.Error(diff)
	}
	if apps := m.Applications(); len(apps) != 1 || m.Status().Remote["far"].Relations["clients"][0].Application != "app" {
		t.Errorf("applications %v, status %+v", apps, m.Status().Remote)
	}
	data, err := json.Marshal(m)
	must(t, err)
	var again Model
	must(t, json.Unmarshal(data, &again))
	if ready := again.Ready(); len(ready) > 0 {
		t.Errorf("after a round trip %v are not at rest", ready)
	}
}

// TestOtherModelGoes: removing the relation or the other application ends as
// within one model, and without waiting for units that are not here.
func TestOtherModelGoes(t *testing.T) {
	t.Parallel()
	want := []string{
		"app/0 db-relation-departed", "app/0 db-relation-broken", "app/1 db-relation-departed", "app/1 db-relation-broken",
	}
	for name, remove := range map[string]func(m *Model) error{
		"relation": func(m *Model) error { return m.RemoveRelation("app", "far") },
		"saas":     func(m *Model) error { return m.RemoveApplication("far", false) },
	} {
		m := across(t)
		settle(t, m)
		must(t, remove(m))
		if diff := cmp.Diff(want, settle(t, m)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if left := m.Relations(); len(left) != 1 {
			t.Errorf("%s: relations left: %v", name, left)
		}
	}
}

// TestSuspended: a suspended relation is left and, when it is resumed, entered
// anew, with its id.
func TestSuspended(t *testing.T) {
	t.Parallel()
	m := across(t)
	settle(t, m)
	must(t, m.Suspend(2, true))
	want := []string{
		"app/0 db-relation-departed", "app/0 db-relation-broken", "app/1 db-relation-departed", "app/1 db-relation-broken",
	}
	if diff := cmp.Diff(want, settle(t, m)); diff != "" {
		t.Error(diff)
	}
	if err := m.RemoteEnters(2, "far/3", nil); err == nil {
		t.Error("a unit entered a suspended relation")
	}
	must(t, m.Suspend(2, false))
	must(t, m.RemoteEnters(2, "far/3", nil))
	ran := settle(t, m)
	if diff := cmp.Diff([]string{"app/0 db-relation-created", "app/0 db-relation-changed", "app/0 db-relation-joined", "app/0 db-relation-changed"}, ran[:4]); diff != "" {
		t.Error(diff)
	}
	if err := m.Suspend(0, true); err == nil {
		t.Error("a peer relation was suspended")
	}
}
