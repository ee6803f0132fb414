package opstest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// acts is a charm with an action that no file declares.
type acts struct{ does }

func (acts) Actions() map[string]ops.ActionFunc {
	return map[string]ops.ActionFunc{"free": quiet, "hidden": quiet}
}

func quiet(context.Context, *ops.Unit, *ops.Action) error { return nil }

func calls(tool string, args ...string) does {
	return func(ctx context.Context, u *ops.Unit) error {
		_, _ = u.Tools().Do(ctx, hooktool.Call{Tool: tool, Args: args}) // a charm that does not look
		return nil
	}
}

const hidden = "correct-horse"

// What a charm must not do is told, and with Juju's or Pebble's words where
// they have some.
func TestViolations(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	show := func(in func(ctx context.Context, u *ops.Unit) error) does { return does(in) }
	for _, test := range []struct {
		rule string
		does ops.Charm
		want string // "": none
	}{
		// leader-only writes
		{"application databag is the leader's", calls("relation-set", "-r", "db:1", "--app", "a=b"), `Juju refuses "relation-set -r db:1 --app a=b": cannot write relation settings`},
		{"application status is the leader's", calls("status-set", "--application", "active"), `Juju refuses "status-set --application active": this unit is not the leader`},
		{"application secrets are the leader's", calls("secret-add", "key=value"), `Juju refuses "secret-add key=…": this unit is not the leader`},
		{"leader settings are the leader's", calls("leader-set", "a=b"), `Juju refuses "leader-set a=b": cannot write leadership settings`},
		// what Juju does not take
		{"a charm cannot set error", calls("status-set", "error", "x"), `Juju refuses "status-set error x": invalid status "error"`},
		{"a charm cannot set unknown", calls("status-set", "unknown"), `Juju refuses "status-set unknown": invalid status "unknown"`},
		{"no ranges of ports on Kubernetes", calls("open-port", "80-90/tcp"), `Juju refuses "open-port 80-90/tcp": port ranges are not supported for k8s applications`},
		{"storage is declared", calls("storage-add", "nope"), `Juju refuses "storage-add nope": cannot add storage: charm storage "nope" not found`},
		{"relation is there", calls("relation-set", "-r", "db:9", "a=b"), `Juju refuses "relation-set -r db:9 a=b": invalid value "db:9" for option -r: relation not found`},
		{"no reboot on Kubernetes", calls("juju-reboot"), `Juju refuses "juju-reboot": juju-reboot is not supported`},
		{"secret is granted to a related unit", calls("secret-grant", opstest.SecretURI("unit"), "-r", "db:1", "--unit", "mysql/0"), `cannot specify unit "mysql/0" in relation to application "postgres"`},
		{"action results are for actions", calls("action-set", "a=b"), `Juju refuses "action-set a=b": not running an action`},
		{"tool is one", calls("leader-elect"), `Juju refuses "leader-elect": `},
		{"stored state has Juju's size", calls("state-set", "k="+strings.Repeat("x", 64<<10+1)), `max allowed value size (65536) exceeded`},
		// names that Juju lets pass
		{"endpoint is declared", calls("relation-ids", "nope"), `relation-ids: endpoint "nope" is not in metadata.yaml`},
		{"option is declared", calls("config-get", "nope"), `config-get: option "nope" is not in config.yaml`},
		{"storage to list is declared", calls("storage-list", "nope"), `storage-list: storage "nope" is not in metadata.yaml`},
		{"resource is declared", calls("resource-get", "nope"), `resource-get: resource "nope" is not in metadata.yaml`},
		{"binding is declared", calls("network-get", "nope"), `network-get: binding "nope" is not in metadata.yaml`},
		{"container is declared", show(func(_ context.Context, u *ops.Unit) error {
			u.Container("nope")
			return nil
		}), `container "nope" is not in metadata.yaml`},
		// what Pebble does not take
		{"layers are as Pebble takes them", show(func(ctx context.Context, u *ops.Unit) error {
			_ = u.Container("server").AddLayer(ctx, "x", pebble.Layer{Services: map[string]pebble.Service{"a": {Command: "a", After: []string{"a"}}}})
			return nil
		}), `container "server": Pebble refuses the layer: services in before/after loop: a`},
		// what others could not read
		{"status is one line", show(func(ctx context.Context, u *ops.Unit) error { return u.Tools().StatusSet(ctx, ops.Waiting("a\nb")) }), `status message is not one line of at most 1000 bytes of UTF-8: "a\nb"`},
		{"status is short", show(func(ctx context.Context, u *ops.Unit) error {
			return u.Tools().StatusSet(ctx, ops.Waiting(strings.Repeat("x", 1001)))
		}), `status message is not one line of at most 1000 bytes`},
		{"databags are UTF-8", calls("relation-set", "-r", "db:1", "a=\xff"), `databag of web/0 in db:1: "a" is not UTF-8`},
		// secrets in the open
		{"no secret in own databag", show(func(ctx context.Context, u *ops.Unit) error {
			return u.Tools().RelationSet(ctx, "db:1", false, ops.Bag{"url": "user:" + hidden + "@db"})
		}), `a databag of db:1 shows key "password" of secret ` + opstest.SecretID("unit")},
		{"no secret in the log", show(func(_ context.Context, u *ops.Unit) error {
			u.Log().Info("got", "it", hidden)
			return nil
		}), `the log shows key "password" of secret`},
		{"no secret in the status", show(func(ctx context.Context, u *ops.Unit) error { return u.Tools().StatusSet(ctx, ops.Active(hidden)) }), `a status shows key "password"`},
		{"no secret in the version", show(func(ctx context.Context, u *ops.Unit) error { return u.Tools().ApplicationVersionSet(ctx, hidden) }), `the workload version shows key "password"`},
		{"no secret in an argument", calls("secret-set", opstest.SecretURI("unit"), "password="+hidden), `an argument of a hook tool shows key "password"`},
		{"no secret in a file for all", show(func(ctx context.Context, u *ops.Unit) error {
			return u.Container("server").Push(ctx, pebble.File{Path: "/etc/x", Content: []byte("p=" + hidden)})
		}), `file /etc/x of container "server", which all may read, shows key "password"`},
		{"a secret may be in a file for some", show(func(ctx context.Context, u *ops.Unit) error {
			return u.Container("server").Push(ctx, pebble.File{Path: "/etc/x", Content: []byte("p=" + hidden), Mode: 0o640})
		}), ""},
		{"what is public is no secret", show(func(ctx context.Context, u *ops.Unit) error { return u.Tools().StatusSet(ctx, ops.Active("postgres")) }), ""},
		{"reads that Juju refuses are answers", calls("relation-get", "-r", "db:1", "--app", "-", "web"), ""},
	} {
		t.Run(test.rule, func(t *testing.T) {
			t.Parallel()
			state := opstest.State{
				Containers: map[string]opstest.Container{"server": {}},
				Relations:  []opstest.Relation{{Endpoint: "db", App: "postgres"}},
				Secrets: []opstest.Secret{{ID: opstest.SecretID("unit"), Owner: "web/0", Label: "unit", Revisions: map[int]map[string]string{
					1: {"password": hidden, "username": "postgres", "short": "a"},
				}}},
			}
			result, err := charm.Try(t.Context(), test.does, state, opstest.UpdateStatus())
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(result.Violations, "\n")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestViolationsOfActions(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	result, err := charm.Try(t.Context(), acts{}, opstest.State{}, opstest.Action("free", nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`action "hidden" is not in actions.yaml`}, result.Violations); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Run and its kin fail the test where they should.
func TestRunFailsTheTest(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	fails := does(func(context.Context, *ops.Unit) error { return fmt.Errorf("deliberate") })
	restless := does(func(ctx context.Context, u *ops.Unit) error { return u.Tools().StatusSet(ctx, ops.Waiting("again")) })
	for _, test := range []struct {
		name string
		run  func(testing.TB)
		want string
	}{
		{"impossible state", func(t testing.TB) {
			charm.Run(t, web{}, opstest.State{Unit: -1}, opstest.Start())
		}, "impossible state: unit number -1 is negative"},
		{"failed hook", func(t testing.TB) { charm.Run(t, fails, opstest.State{}, opstest.Start()) }, "start: hook failed: deliberate"},
		{"hook that did not fail", func(t testing.TB) { charm.RunFailing(t, web{}, opstest.State{}, opstest.Start()) }, "start: hook did not fail"},
		{"violation", func(t testing.TB) {
			charm.Run(t, calls("relation-ids", "nope"), opstest.State{}, opstest.Start())
		}, `start: relation-ids: endpoint "nope" is not in metadata.yaml`},
		{"second run that writes", func(t testing.TB) { charm.Twice(t, restless, opstest.State{}, opstest.Start()) }, "second run: start wrote: status-set -- waiting again"},
		{"second run that fails", func(t testing.TB) {
			runs := 0
			charm.Twice(t, does(func(context.Context, *ops.Unit) error {
				if runs++; runs > 1 {
					return fmt.Errorf("deliberate")
				}
				return nil
			}), opstest.State{}, opstest.Start())
		}, "second run: start: hook failed: deliberate"},
		{"event that comes once, and then another", func(t testing.TB) {
			charm.Twice(t, restless, opstest.State{Relations: []opstest.Relation{{Endpoint: "db"}}}, opstest.RelationBroken("db"))
		}, "second run: update-status wrote: status-set -- waiting again"},
		{"event that comes once, and then the end", func(t testing.TB) {
			charm.Twice(t, restless, opstest.State{Dying: true, Relations: []opstest.Relation{{Endpoint: "db"}}}, opstest.RelationBroken("db"))
		}, "second run: stop wrote: status-set -- waiting again"},
		{"event that comes once, and nothing else", func(t testing.TB) {
			charm.Twice(t, web{}, opstest.State{Dying: true, Storages: []opstest.Storage{{Name: "data"}}, Relations: []opstest.Relation{{Endpoint: "db"}}}, opstest.StorageDetaching("data/0"))
		}, "second run: data-storage-detaching data/0 cannot come twice, and stop not after it (use Run): impossible stop"},
		{"link of a chain", func(t testing.TB) {
			charm.Chain(t, web{}, opstest.State{}, opstest.Start(), opstest.Remove())
		}, "impossible remove: it comes only to a unit that goes away"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fake := &failures{TB: t}
			done := make(chan struct{})
			go func() { // Fatal ends its goroutine
				defer close(done)
				test.run(fake)
			}()
			<-done
			if got := strings.Join(fake.messages, "\n"); !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
