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
