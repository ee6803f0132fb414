package model

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseCharm(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{
		"metadata.yaml": []byte(`
name: thing
summary: s
description: d
containers: {work: {resource: image, mounts: [{storage: data, location: /data}]}}
resources: {image: {type: oci-image}}
storage: {data: {type: filesystem}}
requires: {db: {interface: pg, limit: 1}}
peers: {cluster: {interface: thing_peers}}
`),
		"manifest.yaml": []byte("bases: [{name: ubuntu, channel: 22.04/stable, architectures: [amd64]}]\n"),
		"config.yaml":   []byte("options: {n: {type: int, default: 4, description: x}}\n"),
		"actions.yaml":  []byte("do-it: {description: x, params: {a: {type: string}}}\n"),
	}
	got, err := ParseCharm(files)
	if err != nil {
		t.Fatal(err)
	}
	if endpoint, ok := got.Endpoint("db"); !ok || endpoint.Role != Requirer || endpoint.Limit != 1 {
		t.Errorf("endpoint db is %+v", endpoint)
	}
	if container, ok := got.Container("work"); !ok || cmp.Diff([]Mount{{"data", "/data"}}, container.Mounts) != "" {
		t.Errorf("container %+v", container)
	}
	if spec, ok := got.StorageSpec("data"); !ok || spec.MinCount != 1 || spec.MaxCount != 1 {
		t.Errorf("storage %+v", spec)
	}
	if got.BaseName != "ubuntu" || got.BaseTrack != "22.04" || got.Options["n"].Default != int64(4) || got.Actions["do-it"].Params == nil {
		t.Errorf("charm %+v", got)
	}
	m := New(Options{Name: "test"})
	if err := m.Deploy(DeployArgs{Charm: got, Units: 1, Config: map[string]string{"n": "x"}}); err == nil || !strings.Contains(err.Error(), `option "n" expected int`) {
		t.Errorf("wrong option: %v", err)
	}
	must(t, m.Deploy(DeployArgs{Charm: got, Units: 1}))
	if _, err := m.EnqueueAction([]string{"thing/0"}, "do-it", map[string]any{"a": "b"}); err != nil {
		t.Error(err)
	}
	delete(files, "manifest.yaml")
	if _, err := ParseCharm(files); err == nil {
		t.Error("a charm with containers and no base was read")
	}
}

func TestOperatorsMistakes(t *testing.T) {
	t.Parallel()
	m := pair(t)
	two := &Charm{Name: "two", Endpoints: []Endpoint{
		{Name: "a", Role: Provider, Interface: "db"}, {Name: "b", Role: Provider, Interface: "db"},
	}, Options: map[string]Option{"token": {Type: "secret"}}}
	must(t, m.Deploy(DeployArgs{Charm: two}))
	integrate := func(a, b string) func() error {
		return func() error { _, err := m.Integrate(a, b); return err }
	}
	for _, test := range []struct {
		name string
		do   func() error
		want string
	}{
		{"twice", integrate("app", "db"), `cannot add relation "app:db db:clients": relation app:db db:clients already exists`},
		{"ambiguous", integrate("app", "two"), `ambiguous relation: "app two" could refer to "app:db two:a"; "app:db two:b"`},
		{"limit", integrate("app", "two:b"), `cannot add relation "app:db two:b": establishing a new relation for app:db would exceed its maximum relation limit of 1`},
		{"none", integrate("db", "two"), "no relations found"},
		{"no application", integrate("app", "x"), `application "x" not found`},
		{"no endpoint", integrate("app:x", "db"), `application "app" has no "x" relation`},
		{"no relation", func() error { return m.RemoveRelation("app", "two") }, `relation "app two" not found`},
		{"same name", func() error { return m.Deploy(DeployArgs{Charm: two}) }, `cannot add application "two": application already exists`},
		{"secret", func() error { return m.SetConfig("two", map[string]string{"token": "plain"}, nil) }, `option "token" expected secret, got "plain"`},
		{"option", func() error { return m.SetConfig("app", map[string]string{"x": "1"}, nil) }, `unknown option "x"`},
		{"reset", func() error { return m.SetConfig("app", nil, []string{"x"}) }, `unknown option "x"`},
		{"resolved", func() error { return m.Resolved("app/0", true) }, `unit "app/0" is not in an error state`},
		{"unit", func() error { return m.PodUp("app/9", PodInfo{}) }, `unit "app/9" not found`},
		{"refresh", func() error { return m.Refresh("db", two, nil) }, `cannot upgrade application "db" to charm "two": would break relation "app:db db:clients"`},
	} {
		if err := test.do(); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
}

func TestScaling(t *testing.T) {
	t.Parallel()
	m := pair(t)
	must(t, m.Scale("app", 4))
	must(t, m.PodUp("app/2", PodInfo{Address: "10.1.0.9", Fresh: true}))
	settle(t, m)
	must(t, m.Scale("app", 1))
	// app/3 never ran an agent: it has nothing to tear down. The pods of the
	// others stay until both are dead.
	for next := m.Next("app/2"); len(next) > 0; next = m.Next("app/2") {
		c, err := m.Begin("app/2", next[0])
		must(t, err)
		must(t, c.End(Outcome{}))
	}
	if got := m.Life("app/2"); got != "dead" {
		t.Errorf("app/2 is %q after its last hook", got)
	}
	if diff := cmp.Diff([]string{"app/0", "app/1", "app/2", "app/3"}, m.WantsPods("app")); diff != "" {
		t.Errorf("pods while app/1 is dying:\n%s", diff)
	}
	ran := settle(t, m)
	if diff := cmp.Diff([]string{"app/0"}, m.WantsPods("app")); diff != "" {
		t.Errorf("pods after: \n%s\n%v", diff, ran)
	}
	for _, hook := range []string{"app/1 stop", "app/1 remove", "db/0 clients-relation-departed", "app/0 peers-relation-departed"} {
		if !strings.Contains(strings.Join(ran, "\n"), hook) {
			t.Errorf("%s did not run: %v", hook, ran)
		}
	}
	must(t, m.Scale("app", 2))
	must(t, m.PodUp("app/1", PodInfo{Address: "10.1.0.10", Fresh: true}))
	if got := m.Next("app/1"); len(got) != 1 || got[0].String() != "install" {
		t.Errorf("a unit of a used name begins with %v", describe(got))
	}
}

func TestLeaderGoes(t *testing.T) {
	t.Parallel()
	m := pair(t)
	must(t, m.SetLeader("app", "app/1"))
	settle(t, m)
	must(t, m.Scale("app", 1))
	settle(t, m)
	if got := m.Leader("app"); got != "app/0" {
		t.Errorf("leader is %q, want app/0", got)
	}
}

func TestRemoveApplication(t *testing.T) {
	t.Parallel()
	m := pair(t)
	must(t, m.RemoveApplication("db", false))
	settle(t, m)
	if diff := cmp.Diff([]string{"app"}, m.Applications()); diff != "" {
		t.Error(diff)
	}
	m = pair(t)
	must(t, m.PodDown("app/0"))
	must(t, m.RemoveApplication("app", true))
	ran := settle(t, m)
	if diff := cmp.Diff([]string{"db"}, m.Applications()); diff != "" {
		t.Errorf("after forced removal:\n%s", diff)
	}
	want := []string{"db/0 clients-relation-departed", "db/0 clients-relation-departed", "db/0 clients-relation-broken"}
	if diff := cmp.Diff(want, ran); diff != "" {
		t.Error(diff)
	}
	if got := m.Relations(); len(got) != 0 {
		t.Errorf("relations are left: %v", got)
	}
}

func TestPebbleHooks(t *testing.T) {
	t.Parallel()
	m := pair(t)
	must(t, m.ContainerUp("app/0", "work", "boot-1"))
	must(t, m.CheckFailed("app/0", "work", "alive"))
	must(t, m.CheckRecovered("app/0", "work", "alive"))
	if diff := cmp.Diff([]string{"app/0 work-pebble-check-failed", "app/0 work-pebble-check-recovered", "app/0 work-pebble-ready"}, settle(t, m)); diff != "" {
		t.Error(diff)
	}
	must(t, m.ContainerUp("app/0", "work", "boot-1"))
	if ran := settle(t, m); len(ran) > 0 {
		t.Errorf("the same boot id ran %v", ran)
	}
	must(t, m.PodUp("app/0", PodInfo{}))
	settle(t, m)
	if !m.Due("app/0").Poll {
		t.Error("after a restart of the agent no poll is due")
	}
	must(t, m.Poll("app/0"))
	if diff := cmp.Diff([]string{"app/0 work-pebble-ready"}, settle(t, m)); diff != "" {
		t.Error(diff)
	}
}

func TestShowUnit(t *testing.T) {
	t.Parallel()
	m := pair(t)
	got, err := m.ShowUnit("app/0")
	must(t, err)
	var ids []int
	for _, r := range got.RelationInfo {
		ids = append(ids, r.ID)
		if r.Endpoint == "db" && (r.RelatedEndpoint != "clients" || r.RelatedUnits["db/0"].Data["private-address"] == "") {
			t.Errorf("relation %+v", r)
		}
	}
	if diff := cmp.Diff([]int{0, 1}, ids); diff != "" {
		t.Error(diff)
	}
}
