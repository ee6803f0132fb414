package model

import (
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Times in answers of tools have other forms than those of juju status; ops
// refuses to read a goal state without them.
func TestTimesInTools(t *testing.T) {
	t.Parallel()
	m := New(Options{Name: "test"})
	m.SetTime("25 Nov 2026 18:00:00Z")
	must(t, m.Deploy(DeployArgs{Charm: &Charm{Name: "app", Endpoints: []Endpoint{{Name: "db", Role: Requirer, Interface: "db"}}}, Units: 1}))
	must(t, m.Deploy(DeployArgs{Charm: &Charm{Name: "db", Endpoints: []Endpoint{{Name: "app", Role: Provider, Interface: "db"}}}, Units: 1}))
	if _, err := m.Integrate("app", "db"); err != nil {
		t.Fatal(err)
	}
	for _, unit := range m.Units() {
		must(t, m.PodUp(unit, PodInfo{Fresh: true}))
	}
	settle(t, m)
	c := during(t, m, "app/0")
	check(t, c, []call{
		{line: "goal-state --format=json", want: `{"units":{"app/0":{"status":"unknown","since":"2026-11-25 18:00:00Z"}},` +
			`"relations":{"db":{"db":{"status":"joined","since":"2026-11-25 18:00:00Z"},"db/0":{"status":"unknown","since":"2026-11-25 18:00:00Z"}}}}`},
		{line: "secret-add --label a --rotate hourly --expire 30m abc=x", want: "secret:d0000000000000000001"},
		{line: "secret-add --label b --expire 2026-11-25T20:00:00Z abc=x", want: "secret:d0000000000000000002"},
	})
	must(t, c.End(Outcome{}))
	c = during(t, m, "app/0")
	check(t, c, []call{
		{line: "secret-info-get --label a --format=json", want: `{"d0000000000000000001":{"revision":1,"label":"a","owner":"application",` +
			`"rotation":"hourly","expiry":"2026-11-25T18:30:00Z","rotates":"2026-11-25T19:00:00Z"}}`},
		{line: "secret-info-get --label b --format=json", want: `{"d0000000000000000002":{"revision":1,"label":"b","owner":"application",` +
			`"expiry":"2026-11-25T20:00:00Z"}}`},
	})
	must(t, c.End(Outcome{}))
}

// Secrets come due by the time that the model is told.
func TestSecretsDue(t *testing.T) {
	t.Parallel()
	m := pair(t)
	m.SetTime("25 Nov 2026 18:00:00Z")
	c := during(t, m, "app/0")
	check(t, c, []call{{line: "secret-add --label pw --rotate hourly --expire 90m password=one", want: "secret:d0000000000000000001"}})
	must(t, c.End(Outcome{}))
	at := func(now string, want ...juju.HookKind) {
		t.Helper()
		m.SetTime(now)
		m.SecretsDue()
		m.SecretsDue() // what is due is so once
		for _, kind := range want {
			hooks := m.Next("app/0")
			if len(hooks) != 1 || hooks[0].Kind != kind {
				t.Fatalf("at %s next are %v, want %s", now, hooks, kind)
			}
			c, err := m.Begin("app/0", hooks[0])
			must(t, err)
			must(t, c.End(Outcome{}))
		}
		if hooks := m.Next("app/0"); len(hooks) > 0 {
			t.Fatalf("at %s there is also %v", now, hooks)
		}
	}
	at("25 Nov 2026 18:59:59Z")
	at("25 Nov 2026 19:00:00Z", juju.SecretRotate)
	at("25 Nov 2026 19:31:00Z", juju.SecretExpired)
	at("25 Nov 2026 19:32:00Z")
	at("25 Nov 2026 20:01:00Z", juju.SecretRotate)

	// A new revision has no expiry but its own.
	c = during(t, m, "app/0")
	check(t, c, []call{{line: "secret-set secret:d0000000000000000001 --expire 2026-11-25T20:30:00Z"}})
	must(t, c.End(Outcome{}))
	c = during(t, m, "app/0")
	check(t, c, []call{{line: "secret-set secret:d0000000000000000001 --rotate never password=two"}})
	must(t, c.End(Outcome{}))
	at("25 Nov 2026 20:40:00Z", juju.SecretRemove) // of revision 1, which nobody reads
	at("25 Dec 2026 20:40:00Z")
}

// An image resource is a file about the image, not what the driver was given.
func TestResourceOfImage(t *testing.T) {
	t.Parallel()
	m := New(Options{Name: "test"})
	charm := &Charm{Name: "app", Resources: map[string]Resource{"image": {Type: "oci-image"}, "blob": {Type: "file"}}}
	must(t, m.Deploy(DeployArgs{Charm: charm, Units: 1, Resources: map[string]string{"image": "registry/name:tag", "blob": "/blob"}}))
	must(t, m.PodUp("app/0", PodInfo{Fresh: true}))
	settle(t, m)
	c := during(t, m, "app/0")
	check(t, c, []call{
		{line: "resource-get image", want: "/var/lib/juju/agents/unit-app-0/resources/image/content.yaml"},
		{line: "resource-get blob", want: "/blob"},
		{line: "resource-get other", want: `!1 could not download resource: resource "other" not found`},
	})
	must(t, c.End(Outcome{}))
}
