package pebbletest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

func contents() pebbletest.Contents {
	return pebbletest.Contents{
		Layers: []pebbletest.LabelledLayer{
			{Label: "base", Layer: pebble.Layer{Services: map[string]pebble.Service{
				"a": {Override: "replace", Command: "a", Startup: "enabled", Environment: map[string]string{"X": "1"}},
				"b": {Override: "replace", Command: "b", After: []string{"a"}},
			}}},
			{Label: "charm", Layer: pebble.Layer{
				Services: map[string]pebble.Service{"a": {Override: "merge", Environment: map[string]string{"Y": "2"}}},
				Checks: map[string]pebble.Check{
					"up": {Override: "replace", TCP: &pebble.TCPCheck{Port: 80}}, "off": {Override: "replace", Startup: "disabled", TCP: &pebble.TCPCheck{Port: 81}},
				},
			}},
		},
		Services: map[string]pebbletest.ServiceState{
			"a": {Current: "active", PID: 7}, "b": {Current: "backoff", PID: 3, Config: &pebble.Service{Override: "replace", Command: "old b"}},
		},
		Checks: map[string]pebbletest.CheckState{"up": {Status: "down", Failures: 3}},
		Files: map[string]pebbletest.FileState{
			"/etc/app/x.conf": {Content: "x"}, "/etc/key": {Content: "k", Mode: 0o600, User: "app", Group: "app"}, "/empty/": {}, "/own/": {Mode: 0o700}, "/own/f": {},
		},
		Notices: []pebble.Notice{{ID: "9", Key: "example.com/ready", Occurrences: 2, LastData: map[string]string{"a": "b"}}},
	}
}

func TestContentsComeBack(t *testing.T) {
	t.Parallel()
	fake := pebbletest.NewFake(pebbletest.Options{Users: []string{"app"}, Mounts: []string{"/data"}})
	if err := fake.Restore(contents()); err != nil {
		t.Fatal(err)
	}
	options := cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(pebble.Notice{}, "LastRepeated")}
	if diff := cmp.Diff(contents(), fake.Contents(), options); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if calls := fake.Calls(); len(calls) > 0 {
		t.Errorf("restoring counts as calls: %v", calls)
	}
	if err := fake.Notify(t.Context(), "example.com/next", nil); err != nil {
		t.Fatal(err)
	}
	if notices := fake.Contents().Notices; len(notices) != 2 || notices[1].ID != "10" {
		t.Errorf("the next notice: %+v", notices)
	}
	// A replan restarts what runs on another configuration than the plan's.
	if err := fake.Replan(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[string]pebbletest.ServiceState{"a": {Current: "active", PID: 7}, "b": {Current: "active", PID: 8}}
	if diff := cmp.Diff(want, fake.Contents().Services); diff != "" {
		t.Errorf("after a replan (-want +got):\n%s", diff)
	}
}

// A check that comes back is as Pebble shows it, with its change, and does
// nothing to services.
func TestChecksComeBack(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, check string
		given       pebbletest.CheckState
		want        pebble.CheckInfo
		change      string
	}{
		{"down", "up", pebbletest.CheckState{Status: "down"}, pebble.CheckInfo{Status: "down", Failures: 3}, "recover-check"},
		{"down for long", "up", pebbletest.CheckState{Status: "down", Failures: 9}, pebble.CheckInfo{Status: "down", Failures: 9}, "recover-check"},
		{"failing", "up", pebbletest.CheckState{Status: "up", Failures: 2}, pebble.CheckInfo{Status: "up", Failures: 2}, "perform-check"},
		{"stopped", "up", pebbletest.CheckState{Status: "inactive", Failures: 4}, pebble.CheckInfo{Status: "inactive", Failures: 4}, ""},
		{"started", "off", pebbletest.CheckState{Status: "up"}, pebble.CheckInfo{Status: "up"}, "perform-check"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx, fake, c := t.Context(), pebbletest.NewFake(pebbletest.Options{Users: []string{"app"}}), contents()
			c.Layers[0].Layer.Services["a"] = pebble.Service{Override: "replace", Command: "a", OnCheckFailure: map[string]string{"up": "restart"}}
			c.Checks = map[string]pebbletest.CheckState{test.check: test.given}
			if err := fake.Restore(c); err != nil {
				t.Fatal(err)
			}
			infos, err := fake.Checks(ctx, test.check)
			if err != nil || len(infos) != 1 {
				t.Fatalf("checks %v, %v", infos, err)
			}
			id := infos[0].ChangeID
			if diff := cmp.Diff(test.want, pebble.CheckInfo{Status: infos[0].Status, Failures: infos[0].Failures}); diff != "" {
				t.Errorf("check (-want +got):\n%s", diff)
			}
			if test.change == "" && id != "" {
				t.Errorf("it has change %s", id)
			} else if test.change != "" {
				if change, err := fake.Change(ctx, id); err != nil || change.Kind != test.change || change.Ready {
					t.Errorf("change %+v, %v", change, err)
				}
			}
			if _, running := fake.Process("a"); !running {
				t.Error("a check that was down before ended a service")
			}
		})
	}
}

func TestContentsThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		want   string
		change func(*pebbletest.Contents)
	}{
		{`plan must define "command" for service "c"`, func(c *pebbletest.Contents) {
			c.Layers[0].Layer.Services["c"] = pebble.Service{}
		}},
		{`layer "base" is there twice`, func(c *pebbletest.Contents) { c.Layers[1].Label = "base" }},
		{`service "c": it is not in the plan`, func(c *pebbletest.Contents) { c.Services["c"] = pebbletest.ServiceState{Current: "active"} }},
		{`"up" is not one of active`, func(c *pebbletest.Contents) { c.Services["a"] = pebbletest.ServiceState{Current: "up"} }},
		{`check "x" is not in the plan`, func(c *pebbletest.Contents) { c.Checks["x"] = pebbletest.CheckState{Status: "up"} }},
		{`status "bad" is not one of`, func(c *pebbletest.Contents) { c.Checks["up"] = pebbletest.CheckState{Status: "bad"} }},
		{`check "up": it is down with 3 failures: its threshold is 3`, func(c *pebbletest.Contents) { c.Checks["up"] = pebbletest.CheckState{Status: "up", Failures: 3} }},
		{`check "up": it is up with 2 failures: its threshold is 3`, func(c *pebbletest.Contents) { c.Checks["up"] = pebbletest.CheckState{Status: "down", Failures: 2} }},
		{`check "up": -1 failures`, func(c *pebbletest.Contents) { c.Checks["up"] = pebbletest.CheckState{Status: "up", Failures: -1} }},
		{`paths must be absolute`, func(c *pebbletest.Contents) { c.Files["etc/x"] = pebbletest.FileState{} }},
		{`unknown user nobody`, func(c *pebbletest.Contents) { c.Files["/x"] = pebbletest.FileState{User: "nobody"} }},
		{`invalid key "x"`, func(c *pebbletest.Contents) { c.Notices[0].Key = "x" }},
	} {
		t.Run(test.want, func(t *testing.T) {
			t.Parallel()
			c := contents()
			test.change(&c)
			fake := pebbletest.NewFake(pebbletest.Options{Users: []string{"app"}})
			if err := fake.Restore(c); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v", err)
			}
		})
	}
}
