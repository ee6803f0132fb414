package opstest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// owner offers a password over the endpoint site to whom it is related, makes
// a new one when it is time, and removes old ones.
type owner struct{ password string }

func (o owner) Reconcile(ctx context.Context, u *ops.Unit) error {
	sites, err := u.Relations(ctx, "site")
	if err != nil {
		return err
	}
	readers := []string{}
	for _, r := range sites {
		if !r.Broken {
			readers = append(readers, r.ID)
		}
	}
	secret, err := u.EnsureSecret(ctx, ops.SecretSpec{
		Label: "password", Readers: readers,
		Make:       func() (map[string]ops.Secret, error) { return o.content(), nil },
		SecretInfo: ops.SecretInfo{Rotate: ops.RotateDaily, Description: "of the site"},
	})
	if err != nil {
		return err
	}
	plan := ops.Plan{}
	for _, r := range sites {
		plan.Databags = append(plan.Databags, ops.Databag{Relation: r.ID, App: true, Data: ops.Bag{"secret": secret.ID}})
	}
	_, err = u.Apply(ctx, plan)
	return err
}

func (o owner) content() map[string]ops.Secret {
	return map[string]ops.Secret{"password": ops.NewSecret(o.password)}
}

func (o owner) SecretRotate(ctx context.Context, u *ops.Unit, event ops.SecretEvent) error {
	_, err := u.EnsureSecret(ctx, ops.SecretSpec{Label: event.Label, Content: o.content()})
	return err
}

func (o owner) SecretRemove(ctx context.Context, _ *ops.Unit, event ops.SecretEvent) error {
	return event.RemoveRevision(ctx)
}

func TestSecretsOfAnOwner(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	state := opstest.State{Leader: true, Relations: []opstest.Relation{{Endpoint: "site", App: "proxy"}}}
	only := func(s opstest.State) opstest.Secret {
		t.Helper()
		if len(s.Secrets) != 1 {
			t.Fatalf("secrets: %+v", s.Secrets)
		}
		return s.Secrets[0]
	}

	state = charm.Twice(t, owner{"first-password"}, state, opstest.RelationCreated("site")).State
	made := only(state)
	want := opstest.Secret{
		ID: made.ID, Label: "password", Description: "of the site", Rotate: "daily",
		Revisions: map[int]map[string]string{1: {"password": "first-password"}}, Grants: []opstest.Grant{{Relation: "site:1"}},
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	if got := state.Relations[0].LocalApp["secret"]; got != "secret:"+made.ID {
		t.Errorf("databag names %q", got)
	}

	// It is time for another; the first goes when nobody reads it any more.
	state = charm.Run(t, owner{"second-password"}, state, opstest.SecretRotate("password")).State
	want.Revisions[2] = map[string]string{"password": "second-password"}
	if diff := cmp.Diff(want, only(state)); diff != "" {
		t.Errorf("rotated (-want +got):\n%s", diff)
	}
	state = charm.Run(t, owner{"second-password"}, state, opstest.SecretRemove("password", 1)).State
	delete(want.Revisions, 1)
	if diff := cmp.Diff(want, only(state)); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}

	// The relation ends, and with it the grant.
	state = charm.Twice(t, owner{"second-password"}, state, opstest.RelationBroken("site")).State
	if grants := only(state).Grants; len(grants) > 0 {
		t.Errorf("still granted: %v", grants)
	}
}

// reader reads the secret that its database offers and stays with its latest
// revision.
func reader(into *string) does {
	return func(ctx context.Context, u *ops.Unit) error {
		*into = ""
		databases, err := u.Relations(ctx, "db")
		if err != nil || len(databases) == 0 {
			return err
		}
		bag, err := databases[0].RemoteApp(ctx)
		if err != nil || bag["secret"] == "" {
			return err
		}
		content, ok, err := u.SecretContent(ctx, bag["secret"])
		if ok {
			*into = content["password"].Reveal()
		}
		return err
	}
}

func TestSecretsOfAReader(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	state := opstest.State{
		Relations: []opstest.Relation{{Endpoint: "db", App: "postgres", RemoteApp: ops.Bag{"secret": opstest.SecretURI("db")}}},
		Secrets:   []opstest.Secret{{ID: opstest.SecretID("db"), Owner: "postgres", Revisions: map[int]map[string]string{1: {"password": "first-password"}}}},
	}
	for _, step := range []struct {
		name          string
		change        func(*opstest.Secret)
		event         opstest.Event
		want          string
		wantToBeOnRev int
	}{
		{"not granted", func(*opstest.Secret) {}, opstest.RelationAppChanged("db"), "", 0},
		{"granted", func(s *opstest.Secret) { s.Grants = []opstest.Grant{{Relation: "db"}} }, opstest.RelationAppChanged("db"), "first-password", 1},
		{"changed", func(s *opstest.Secret) { s.Revisions[2] = map[string]string{"password": "second-password"} }, opstest.SecretChanged(opstest.SecretURI("db")), "second-password", 2},
	} {
		step.change(&state.Secrets[0])
		var got string
		state = charm.Twice(t, reader(&got), state, step.event).State
		if tracked := state.Secrets[0].Tracked; got != step.want || tracked != step.wantToBeOnRev {
			t.Errorf("%s: got %q on revision %d", step.name, got, tracked)
		}
	}
}

// hears tells what its handlers heard.
type hears struct {
	does
	heard *[]string
}

func (h hears) note(format string, args ...any) error {
	*h.heard = append(*h.heard, fmt.Sprintf(format, args...))
	return nil
}

func (h hears) RelationDeparted(_ context.Context, _ *ops.Unit, d ops.Departed) error {
	return h.note("%s left %s, remote %s, self %v", d.Leaving, d.Relation.ID, d.Remote, d.Self)
}

func (h hears) RelationBroken(_ context.Context, _ *ops.Unit, r *ops.Relation) error {
	return h.note("%s with %q broke", r.ID, r.App)
}

func (h hears) StorageDetaching(_ context.Context, _ *ops.Unit, s ops.Storage) error {
	return h.note("%s at %s goes", s.ID, s.Location)
}
func (h hears) Stop(context.Context, *ops.Unit) error   { return h.note("stop") }
func (h hears) Remove(context.Context, *ops.Unit) error { return h.note("remove") }

func (h hears) SecretExpired(_ context.Context, _ *ops.Unit, e ops.SecretEvent) error {
	return h.note("%s/%d expired", e.Label, e.Revision)
}

func (h hears) SecretRotate(_ context.Context, _ *ops.Unit, e ops.SecretEvent) error {
	return h.note("%s rotates", e.Label)
}

func (h hears) SecretRemove(_ context.Context, _ *ops.Unit, e ops.SecretEvent) error {
	return h.note("%s/%d unused", e.Label, e.Revision)
}

func (h hears) CustomNotice(ctx context.Context, _ *ops.Unit, n ops.Notice) error {
	data, err := n.Data(ctx)
	return errors.Join(err, h.note("%s: %s %s %v", n.Container, n.ID, n.Key, data))
}

func (h hears) CheckFailed(ctx context.Context, _ *ops.Unit, c ops.Check) error {
	info, _, err := c.Info(ctx)
	return errors.Join(err, h.note("%s: %s failed %d times", c.Container, c.Name, info.Failures))
}

func (h hears) CheckRecovered(_ context.Context, _ *ops.Unit, c ops.Check) error {
	return h.note("%s: %s recovered", c.Container, c.Name)
}

// What Juju says once reaches the handler for it.
func TestEachOnceEventIsHeard(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	want := map[string][]string{
		"db-relation-departed postgres/1":               {"postgres/1 left db:4, remote postgres/1, self false"},
		"db-relation-departed postgres/0":               {"site/1 left db:4, remote postgres/0, self true"},
		"db-relation-departed postgres/0 removed":       {"postgres/0 left db:4, remote postgres/0, self false"},
		"db-relation-broken":                            {`db:4 with "postgres" broke`},
		"db-relation-broken restarted":                  {`db:4 with "postgres" broke`},
		"site-relation-broken":                          {`site:9 with "proxy" broke`},
		"cluster-relation-broken":                       {`cluster:2 with "site" broke`},
		"cache-storage-detaching cache/6":               {"cache/6 at /cache goes"},
		"stop":                                          {"stop"},
		"remove":                                        {"remove"},
		"secret-expired app":                            {"app/2 expired"},
		"secret-rotate " + opstest.SecretURI("app"):     {"app rotates"},
		"secret-remove app":                             {"app/1 unused"},
		"server-pebble-custom-notice example.com/ready": {"server: 3 example.com/ready map[k:v]"},
		"server-pebble-check-failed up":                 {"server: up failed 3 times"},
		"server-pebble-check-recovered up":              {"server: up recovered"},
	}
	heardOf := map[string]bool{}
	for _, test := range every() {
		state := full()
		if test.change != nil {
			test.change(&state)
		}
		name := test.event.String()
		switch {
		case state.Relations != nil && state.Relations[0].Dying:
			name += " removed"
		case name == "db-relation-broken" && test.env.RemoteApp == "":
			name += " restarted"
		}
		heardOf[name] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var heard []string
			charm.Run(t, hears{does(nothing), &heard}, state, test.event)
			if diff := cmp.Diff(want[name], heard); diff != "" {
				t.Errorf("heard (-want +got):\n%s", diff)
			}
		})
	}
	for name := range want {
		if !heardOf[name] {
			t.Errorf("%s never came", name)
		}
	}
}

func nothing(context.Context, *ops.Unit) error { return nil }

// The tools show what the state says, all of it.
func TestToolsShowTheState(t *testing.T) {
	t.Parallel()
	state := full()
	state.CloudSpec = &hooktool.CloudSpec{Type: "kubernetes", Name: "k8s", Credential: hooktool.CloudCredential{AuthType: "certificate"}}
	state.CloudSpec.Credential.Attributes = map[string]string{"key": "k"}
	var got []any
	opstest.Load(t, files).Run(t, does(func(ctx context.Context, u *ops.Unit) error {
		tools := u.Tools()
		note := func(value any, err error) {
			if err != nil {
				value = err
			}
			got = append(got, value)
		}
		note(tools.ConfigGet(ctx, false))
		note(tools.ConfigGet(ctx, true))
		note(tools.ResourceGet(ctx, "page"))
		note(tools.CredentialGet(ctx))
		note(tools.OpenedPorts(ctx))
		note(tools.StatusGet(ctx))
		note(tools.StorageList(ctx, "cache"))
		goal, err := u.Goal(ctx)
		note(goal, err)
		for _, binding := range []string{"admin", "db"} {
			network, err := tools.NetworkGet(ctx, binding, "")
			note([]any{network.BindAddress(), network.IngressAddresses, network.EgressSubnets}, err)
		}
		note(tools.RelationGet(ctx, "cluster:2", "site/0", false))
		note(u.Now(), nil)
		u.AddStatus(state.Status)
		return nil
	}), state, opstest.ConfigChanged())
	set := map[string]any{"port": json.Number("8080"), "mode": "safe", "ratio": json.Number("0.5"), "debug": true, "token": opstest.SecretURI("token")}
	want := []any{
		set, set, "/var/lib/page.html", *state.CloudSpec, []string{"icmp", "22/tcp", "80/tcp"}, state.Status, []string{"cache/6"},
		ops.Goal{
			Units: []string{"site/0", "site/1"}, Leaving: []string{"site/2"},
			Relations: map[string][]string{"db": {"postgres/0", "postgres/1", "postgres/2"}},
		},
		[]any{"10.9.9.9", []string{"10.9.9.1"}, []string{"10.9.9.0/24"}},
		[]any{"10.1.2.3", []string{"10.152.183.99"}, []string{"10.152.183.99/32"}},
		map[string]string{"name": "site-0", "ingress-address": "10.152.183.99", "private-address": "10.152.183.99", "egress-subnets": "10.152.183.99/32"},
		time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What Juju always makes is there without a word; an option without a default
// is not.
func TestWhatJujuAlwaysMakes(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	see := func(state opstest.State, event opstest.Event) (peers, storages int, ratio any) {
		result := charm.Run(t, does(func(ctx context.Context, u *ops.Unit) error {
			relations, err := u.Relations(ctx, "cluster")
			if err != nil {
				return err
			}
			data, err := u.Storage(ctx, "data")
			if err != nil {
				return err
			}
			config, err := u.Tools().ConfigGet(ctx, false)
			peers, storages, ratio = len(relations), len(data), config["ratio"]
			return err
		}), state, event)
		if len(result.State.Relations) > 0 || len(result.State.Storages) != len(state.Storages) {
			t.Errorf("the state has what nobody said: %+v", result.State)
		}
		return peers, storages, ratio
	}
	if peers, storages, ratio := see(opstest.State{}, opstest.ConfigChanged()); peers != 1 || storages != 1 || ratio != nil {
		t.Errorf("got %d peer relations, %d storages, ratio %v", peers, storages, ratio)
	}
	if peers, _, _ := see(opstest.State{}, opstest.Install()); peers != 0 {
		t.Errorf("install sees %d peer relations", peers)
	}
	if _, storages, _ := see(opstest.State{Storages: []opstest.Storage{{Name: "data", Pending: true}}}, opstest.ConfigChanged()); storages != 0 {
		t.Errorf("a pending storage is seen")
	}
}

// What metadata.yaml names is a state that says nothing more than the empty
// one, but for containers.
func TestStateOfMetadata(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	want := opstest.State{
		Containers: map[string]opstest.Container{"server": {}, "helper": {}},
		Relations:  []opstest.Relation{{Endpoint: "cluster"}},
		Storages:   []opstest.Storage{{Name: "data"}},
	}
	if diff := opstest.Diff(want, charm.State()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	charm.Twice(t, web{}, charm.State(), opstest.ConfigChanged())
}

// A container is mounted where it has a storage that is there, and only there.
func TestMounts(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	for _, pending := range []bool{false, true} {
		state := opstest.State{
			Containers: map[string]opstest.Container{"server": {}, "helper": {}},
			Storages:   []opstest.Storage{{Name: "data", Pending: pending}},
		}
		charm.Run(t, does(func(ctx context.Context, u *ops.Unit) error {
			for container, want := range map[string]bool{"server": !pending, "helper": false} {
				if _, err := u.Container(container).ListFiles(ctx, "/data", true); (err == nil) != want {
					t.Errorf("pending %v: %s has /data: error %v", pending, container, err)
				}
			}
			return nil
		}), state, opstest.ConfigChanged())
	}
}

// The life of a unit, hook by hook, in the order in which Juju lets it go.
func TestChain(t *testing.T) {
	t.Parallel()
	state := related()
	state.Storages = []opstest.Storage{{Name: "data", Index: 3}}
	charm := opstest.Load(t, files)
	results := charm.Chain(
		t, web{}, state, opstest.Install(), opstest.RelationCreated("cluster"), opstest.RelationCreated("db"), opstest.ConfigChanged(), opstest.Start(),
		opstest.PebbleReady("server"), opstest.RelationJoined("db", "postgres/0"), opstest.RelationChanged("db", "postgres/0"), opstest.UpdateStatus(),
	)
	last := results[len(results)-1]
	if len(last.Writes) > 0 || last.State.Status != ops.Active("") {
		t.Errorf("grown up: wrote %v, status %v", last.Writes, last.State.Status)
	}
	state = last.State
	state.Dying, state.Units = true, 2
	state.Unit = 0
	results = charm.Chain(
		t, web{}, state, opstest.StorageDetaching("data/3"), opstest.RelationDeparted("cluster", "web/1"), opstest.RelationDeparted("db", "postgres/0"),
		opstest.RelationBroken("db"), opstest.Stop(), opstest.Remove(),
	)
	end := results[len(results)-1].State
	if len(end.Relations) != 1 || len(end.Relations[0].RemoteUnits) > 0 || len(end.Storages) > 0 || end.Status.Name != "terminated" {
		t.Errorf("at the end: %+v", end)
	}
}

// A test may keep a container, with what the charm did to it.
func TestPebbleOfTheTest(t *testing.T) {
	t.Parallel()
	fake := pebbletest.NewFake(pebbletest.Options{})
	state := related()
	state.Containers = map[string]opstest.Container{"server": {Pebble: fake}}
	result := opstest.Load(t, files).Twice(t, web{}, state, opstest.PebbleReady("server"))
	if _, running := fake.Process("server"); !running || result.Writes[0] != "server: Push /etc/web.conf" {
		t.Errorf("running %v, wrote %v", running, result.Writes)
	}
	if diff := cmp.Diff(state.Containers, result.State.Containers, cmp.Comparer(func(a, b opstest.Container) bool { return a.Pebble == b.Pebble })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Events of a container that the test keeps are of what that has.
func TestEventsOfThePebbleOfTheTest(t *testing.T) {
	t.Parallel()
	ctx, charm := t.Context(), opstest.Load(t, files)
	quiet := does(func(context.Context, *ops.Unit) error { return nil })
	for name, container := range map[string]opstest.Container{
		"fake": {Pebble: pebbletest.NewFake(pebbletest.Options{})}, "real": opstest.RealPebble(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := errors.Join(container.Pebble.Notify(ctx, "example.com/a", nil), container.Pebble.Notify(ctx, "example.com/b", nil),
				container.Pebble.AddLayer(ctx, "web", pebble.Layer{Checks: map[string]pebble.Check{"up": {TCP: &pebble.TCPCheck{Port: 1}}}}))
			if err != nil {
				t.Fatal(err)
			}
			state := opstest.State{Containers: map[string]opstest.Container{"server": container}}
			for _, test := range []struct {
				event opstest.Event
				want  string
			}{
				{opstest.CustomNotice("server", "example.com/c"), `container "server" has no notice "example.com/c"`},
				{opstest.CheckFailed("server", "down"), `container "server" has no check "down" in its plan`},
				{opstest.CheckFailed("server", "up"), `check "up" of container "server" is not down`},
			} {
				_, err := charm.Try(ctx, quiet, state, test.event)
				if impossible, ok := errors.AsType[*opstest.ImpossibleError](err); !ok || !strings.Contains(impossible.Error(), test.want) {
					t.Errorf("got %v, want %s", err, test.want)
				}
			}
			if result := charm.Run(t, quiet, state, opstest.CustomNotice("server", "example.com/b")); result.Environment.NoticeID != "2" {
				t.Errorf("notice %q, want the daemon's number 2", result.Environment.NoticeID)
			}
		})
	}
}

// Every kind of container offers all that Pebble can do.
func TestEveryContainerIsADaemon(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]opstest.State{
		"fake":       {Containers: map[string]opstest.Container{"server": {}}},
		"the test's": {Containers: map[string]opstest.Container{"server": {Pebble: pebbletest.NewFake(pebbletest.Options{})}}},
		"real":       {Containers: map[string]opstest.Container{"server": opstest.RealPebble(t)}},
		"down":       {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opstest.Load(t, files).Run(t, does(func(_ context.Context, u *ops.Unit) error {
				_, err := pebble.As[pebble.Daemon](u.Container("server"))
				return err
			}), state, opstest.UpdateStatus())
		})
	}
}

// A charm can be tested on a real Pebble, which judges for itself.
func TestRealPebble(t *testing.T) {
	t.Parallel()
	real := opstest.RealPebble(t)
	state := related()
	state.Containers = map[string]opstest.Container{"server": real}
	charm := opstest.Load(t, files)
	sleeper := does(func(ctx context.Context, u *ops.Unit) error {
		_, err := u.Apply(ctx, ops.Plan{Containers: map[string]pebble.Desired{"server": {
			Label: "web", Memory: "/run",
			Files:    []pebble.File{{Path: "/etc/web.conf", Content: []byte("x")}},
			Services: map[string]pebble.Service{"server": {Command: "sleep 3600", Startup: "enabled"}},
		}}})
		return err
	})
	result := charm.Twice(t, sleeper, state, opstest.PebbleReady("server"))
	services, err := real.Pebble.Services(t.Context())
	if err != nil || len(services) != 1 || !services[0].Running() || len(result.Writes) == 0 {
		t.Errorf("services %v, error %v, wrote %v", services, err, result.Writes)
	}
	if content, err := real.Pebble.Pull(t.Context(), "/etc/web.conf"); err != nil || string(content) != "x" {
		t.Errorf("file: %q, %v", content, err)
	}
	bad, err := charm.Try(t.Context(), does(func(ctx context.Context, u *ops.Unit) error {
		return u.Container("server").AddLayer(ctx, "bad", pebble.Layer{Services: map[string]pebble.Service{"pebble": {Command: "x"}}})
	}), state, opstest.UpdateStatus())
	if err != nil || len(bad.Violations) != 1 {
		t.Errorf("a layer that Pebble refuses: %v, violations %v", err, bad.Violations)
	}
}
