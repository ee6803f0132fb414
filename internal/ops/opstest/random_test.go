package opstest_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// randomCall draws a call of a hook tool that may or may not make sense.
func randomCall(t *rapid.T) hooktool.Call {
	pick := func(label string, choices ...string) string { return rapid.SampledFrom(choices).Draw(t, label) }
	relation := pick("relation", "db:4", "cluster:2", "site:9", "db:7")
	secret := opstest.SecretURI(pick("secret", "app", "unit", "theirs", "token", "none"))
	value := pick("value", "a=1", "b=2", "a=", "name=x", "lu=2")
	switch tool := pick("tool", "relation-set", "relation-set --app", "state-set", "state-delete", "open-port", "close-port", "status-set", "status-set --application",
		"secret-add", "secret-set", "secret-grant", "secret-revoke", "secret-remove", "secret-get", "storage-add", "application-version-set", "leader-set"); tool {
	case "relation-set":
		return hooktool.Call{Tool: tool, Args: []string{"-r", relation, value}}
	case "relation-set --app":
		return hooktool.Call{Tool: "relation-set", Args: []string{"-r", relation, "--app", value}}
	case "state-set", "leader-set":
		return hooktool.Call{Tool: tool, Args: []string{value}}
	case "state-delete":
		return hooktool.Call{Tool: tool, Args: []string{pick("key", "a", "k", "none")}}
	case "open-port", "close-port":
		args := []string{pick("port", "22/tcp", "80/tcp", "53/udp", "icmp", "1-9/tcp")}
		if rapid.Bool().Draw(t, "limited") {
			args = append(args, "--endpoints", pick("endpoint", "site", "db", "nope"))
		}
		return hooktool.Call{Tool: tool, Args: args}
	case "status-set", "status-set --application":
		args := []string{pick("status", "active", "blocked", "error"), pick("message", "", "x")}
		if tool != "status-set" {
			args = append([]string{"--application"}, args...)
		}
		return hooktool.Call{Tool: "status-set", Args: args}
	case "secret-add":
		args := []string{pick("content", "key=one", "key=two", "k=x"), "--owner", pick("owner", "application", "unit"), "--rotate", pick("rotate", "never", "daily")}
		if label := pick("label", "", "app", "new"); label != "" {
			args = append(args, "--label", label)
		}
		return hooktool.Call{Tool: tool, Args: args}
	case "secret-set":
		return hooktool.Call{Tool: tool, Args: []string{secret, pick("content", "key=one", "key=three"), "--label", pick("label", "app", "new", "other")}}
	case "secret-grant", "secret-revoke":
		args := []string{secret, "-r", relation}
		if tool == "secret-grant" && rapid.Bool().Draw(t, "to unit") {
			args = append(args, "--unit", pick("unit", "postgres/0", "proxy/0", "site/0"))
		}
		return hooktool.Call{Tool: tool, Args: args}
	case "secret-remove":
		args := []string{secret}
		if rapid.Bool().Draw(t, "one revision") {
			args = append(args, "--revision", pick("revision", "1", "2", "7"))
		}
		return hooktool.Call{Tool: tool, Args: args}
	case "secret-get":
		return hooktool.Call{Tool: tool, Args: []string{secret, pick("how", "--peek", "--refresh", "--format=json"), "--label", pick("label", "app", "new", "theirs")}}
	case "storage-add":
		return hooktool.Call{Tool: tool, Args: []string{pick("storage", "cache", "cache=2", "data", "nope")}}
	default:
		return hooktool.Call{Tool: tool, Args: []string{pick("version", "1", "2")}}
	}
}

// Whatever a charm does, what it leaves is a state: the next event finds it
// possible, and a hook that does nothing leaves it as it is.
func TestWhatIsLeftIsAState(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files)
	rapid.Check(t, func(t *rapid.T) {
		state := full()
		state.Leader = rapid.Bool().Draw(t, "leader")
		state.Storages = state.Storages[:1]
		events := []opstest.Event{
			opstest.ConfigChanged(), opstest.UpdateStatus(), opstest.PebbleReady("server"), opstest.RelationJoined("db", "postgres/0"),
			opstest.RelationDeparted("db", "postgres/1"), opstest.RelationBroken("site"), opstest.Action("free", nil),
		}
		event := events[rapid.IntRange(0, len(events)-1).Draw(t, "event")]
		var calls []hooktool.Call
		for range rapid.IntRange(0, 8).Draw(t, "calls") {
			calls = append(calls, randomCall(t))
		}
		fails := rapid.Bool().Draw(t, "fails")
		first, err := charm.Try(context.Background(), does(func(ctx context.Context, u *ops.Unit) error {
			for _, call := range calls {
				_, _ = u.Tools().Do(ctx, call)
			}
			if rapid.Bool().Draw(t, "container") {
				_ = u.Container("server").AddLayer(ctx, "new", pebble.Layer{Services: map[string]pebble.Service{"c": {Command: "c", Startup: "enabled"}}})
				_ = u.Container("server").Replan(ctx)
			}
			if fails {
				return errors.New("deliberate")
			}
			return nil
		}), state, event)
		if err != nil {
			t.Fatal(err)
		}
		if fails && event.String() != "free" {
			// Nothing but status, version, containers, and what a secret was read at.
			kept := state.Clone()
			kept.Status, kept.AppStatus, kept.Version, kept.Containers = first.State.Status, first.State.AppStatus, first.State.Version, first.State.Containers
			for i, s := range first.State.Secrets {
				kept.Secrets[i].Tracked, kept.Secrets[i].Label = s.Tracked, s.Label
			}
			if diff := opstest.Diff(kept, first.State); diff != "" {
				t.Fatalf("a failed hook left (-want +got):\n%s", diff)
			}
		}
		status := first.State.Status
		second, err := charm.Try(context.Background(), does(func(_ context.Context, u *ops.Unit) error {
			if slices.Contains([]juju.StatusName{juju.Active, juju.Blocked, juju.Waiting, juju.Maintenance}, status.Name) {
				u.AddStatus(status)
			}
			return nil
		}), first.State, opstest.UpdateStatus())
		if err != nil {
			t.Fatal(err)
		}
		if diff := opstest.Diff(first.State, second.State); diff != "" || second.Err != nil {
			t.Fatalf("a hook that does nothing: error %v, (-before +after)\n%s", second.Err, diff)
		}
	})
}
