package ops_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// part draws a plan whose containers and keys begin with its name, as those of
// two parts of a charm do.
func part(t *rapid.T, name string) ops.Plan {
	p := ops.Plan{Containers: map[string]pebble.Desired{}}
	for i := range rapid.IntRange(0, 2).Draw(t, name+" containers") {
		p.Containers[fmt.Sprintf("%s-%d", name, i)] = pebble.Desired{Label: name}
	}
	for i := range rapid.IntRange(0, 3).Draw(t, name+" bags") {
		key := fmt.Sprintf("%s-%d", name, i)
		bag := ops.Databag{Relation: fmt.Sprintf("r:%d", i%2), App: i == 2, Keys: []string{key, key + "-absent"}, Data: ops.Bag{key: "x"}}
		if rapid.Bool().Draw(t, name+" takes its keys away") {
			bag.Data = nil
		}
		if i != 1 || rapid.Bool().Draw(t, name+" second bag") {
			p.Databags = append(p.Databags, bag)
		}
	}
	for i := range rapid.IntRange(0, 2).Draw(t, name+" steps") {
		p.Steps = append(p.Steps, ops.Step{Name: fmt.Sprintf("%s %d", name, i)})
	}
	if rapid.Bool().Draw(t, name+" knows its ports") {
		p.Ports = []string{}
	}
	for range rapid.IntRange(0, 2).Draw(t, name+" ports") {
		p.Ports = append(p.Ports, rapid.SampledFrom([]string{"1/tcp", "2/tcp"}).Draw(t, "port"))
	}
	for range rapid.IntRange(0, 2).Draw(t, name+" statuses") {
		state := rapid.SampledFrom([]juju.StatusName{juju.Active, juju.Waiting, juju.Blocked}).Draw(t, "status")
		p.Statuses = append(p.Statuses, juju.Status{Name: state, Message: name})
	}
	return p
}

// bagsOf are the keys and values of a plan by relation and kind.
func bagsOf(plans ...ops.Plan) map[string]ops.Bag {
	bags := map[string]ops.Bag{}
	for _, plan := range plans {
		for _, bag := range plan.Databags {
			name := fmt.Sprint(bag.Relation, bag.App)
			if bags[name] == nil {
				bags[name] = ops.Bag{}
			}
			for _, key := range bag.Keys {
				bags[name]["owns "+key] = ""
			}
			maps.Copy(bags[name], bag.Data)
		}
	}
	return bags
}

// All that a part wants is wanted by the sum, and nothing else.
func TestSumHoldsItsParts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := part(t, "a"), part(t, "b")
		before := bagsOf(a, b)
		sum := ops.Sum(a, b)
		containers := maps.Clone(a.Containers)
		maps.Copy(containers, b.Containers)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(containers)), slices.Sorted(maps.Keys(sum.Containers))); diff != "" {
			t.Fatalf("containers (-parts +sum):\n%s", diff)
		}
		if diff := cmp.Diff(before, bagsOf(sum)); diff != "" {
			t.Fatalf("databags (-parts +sum):\n%s", diff)
		}
		if diff := cmp.Diff(before, bagsOf(a, b)); diff != "" {
			t.Fatalf("the sum has changed its parts:\n%s", diff)
		}
		if len(sum.Steps) != len(a.Steps)+len(b.Steps) || (sum.Ports == nil) != (a.Ports == nil && b.Ports == nil) {
			t.Fatalf("steps %v, ports %v", sum.Steps, sum.Ports)
		}
		for _, port := range slices.Concat(a.Ports, b.Ports) {
			if !slices.Contains(sum.Ports, port) {
				t.Fatalf("port %s is not in %v", port, sum.Ports)
			}
		}
		worst := juju.Worst(slices.Concat(a.Statuses, b.Statuses)...)
		if got := juju.Worst(sum.Statuses...); got.Name != worst.Name || worst.Name != juju.Active && got != worst {
			t.Fatalf("status %v, want %v", got, worst)
		}
	})
}

func TestSumOfActiveParts(t *testing.T) {
	t.Parallel()
	sum := ops.Sum(
		ops.Plan{Statuses: []juju.Status{ops.Active("left")}, Version: "4.0"},
		ops.Plan{Statuses: []juju.Status{ops.Active(""), ops.Active("right")}, Version: "5.0"})
	if diff := cmp.Diff(ops.Plan{Statuses: []juju.Status{ops.Active("left; right")}, Version: "4.0"}, sum); diff != "" {
		t.Errorf("sum (-want +got):\n%s", diff)
	}
}

// What two parts would fight over is refused.
func TestSumRefusesCollisions(t *testing.T) {
	t.Parallel()
	bag := func(keys ...string) ops.Plan {
		return ops.Plan{Databags: []ops.Databag{{Relation: "r:1", Keys: keys, Data: ops.Bag{}}}}
	}
	for _, test := range []struct {
		name string
		a, b ops.Plan
		want string
	}{
		{"container", ops.Plan{Containers: map[string]pebble.Desired{"c": {}}}, ops.Plan{Containers: map[string]pebble.Desired{"c": {}}},
			"two parts of a charm want container c"},
		{"key", bag("a", "b"), bag("c", "b"), "two parts of a charm write key b of the databag of relation r:1"},
		{"whole databag", bag("a"), bag(), "a part of a charm wants the whole databag of relation r:1, another a part of it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if got := recover(); got != test.want {
					t.Errorf("got %v, want %v", got, test.want)
				}
			}()
			ops.Sum(test.a, test.b)
		})
	}
}
