package pulsar

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/pulsar-charms/pulsar-charms/charms/broker"
	"github.com/pulsar-charms/pulsar-charms/charms/zookeeper"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// nowhere is a ZooKeeper that serves or not, and brokers that do or do not.
type nowhere struct{ mode string }

var errNowhere = errors.New("nobody is there")

func (n nowhere) Server(context.Context, string) (zk.Server, error) {
	if n.mode == "" {
		return zk.Server{}, errNowhere
	}
	return zk.Server{Mode: n.mode}, nil
}

func (n nowhere) Config(context.Context, []string) (zk.Config, error) { return zk.Config{}, errNowhere }

func (n nowhere) Reconfigure(context.Context, []string, string, func(zk.Config) zk.Change) (zk.Config, error) {
	return zk.Config{}, errNowhere
}

func (n nowhere) Exist(context.Context, []string, ...string) (bool, error) { return n.mode != "", nil }

func (n nowhere) Children(context.Context, []string, string) ([]string, error) { return nil, nil }

func (n nowhere) Health(context.Context, string) error {
	if n.mode == "" {
		return errNowhere
	}
	return nil
}

// plans observes once and keeps the plans of both halves and of the charm.
type plans struct {
	nowhere
	halves []ops.Plan
	whole  ops.Plan
}

func (p *plans) Reconcile(ctx context.Context, u *ops.Unit) error {
	h := hook{zookeeper: zookeeper.Begin(u, p), broker: broker.Begin(u, p, p, zookeeper.Endpoint)}
	s, err := h.observe(ctx)
	if err != nil {
		return err
	}
	p.halves = []ops.Plan{h.zookeeper.Plan(s.zookeeper, offer(s.broker)), h.broker.Plan(s.broker)}
	p.whole = h.plan(s)
	u.AddStatus(ops.Active(""))
	return nil
}

// draw is any state that a unit of pulsar may be in, more or less.
func draw(t *rapid.T) opstest.State {
	one := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
	peers := opstest.Relation{Endpoint: zookeeper.Peers, RemoteUnits: map[int]ops.Bag{}, LocalApp: ops.Bag{}}
	for i := range rapid.IntRange(0, 3).Draw(t, "peers") {
		peers.RemoteUnits[i+1] = ops.Bag{}
		for _, half := range []string{"zookeeper", "broker"} {
			peers.RemoteUnits[i+1][half+"-state"] = one("state", "serving", "starting", "x")
			peers.RemoteUnits[i+1][half+"-restart"] = one("restart", `{"healthy":true}`, `{"wants":true}`, "[")
		}
	}
	set := func(bag ops.Bag, key string, values ...string) {
		if value := one(key, append(values, "")...); value != "" {
			bag[key] = value
		}
	}
	set(peers.LocalApp, "zookeeper-voters", "0", "0,1,2", "x")
	set(peers.LocalApp, "zookeeper-turn", `{"unit":"pulsar/1","number":1}`)
	set(peers.LocalApp, "cluster-name", "pulsar", "a b")
	set(peers.LocalApp, "metadata-initialised", "true", "x")
	set(peers.LocalApp, "broker-quorum", "1/1/1", "2/2/2", "9")
	set(peers.LocalApp, "key-of-a-newer-charm", "x")
	relations := []opstest.Relation{peers}
	if rapid.Bool().Draw(t, "bookies") {
		bookies := opstest.Relation{Endpoint: zookeeper.Endpoint, App: "bookie", RemoteUnits: map[int]ops.Bag{0: {}}}
		set(bookies.RemoteUnits[0], "bookie-id", "b:3181", "b 1")
		set(bookies.RemoteUnits[0], "state", "serving", "starting")
		relations = append(relations, bookies)
	}
	if rapid.Bool().Draw(t, "client") {
		relations = append(relations, opstest.Relation{Endpoint: broker.Endpoint, App: "client"})
	}
	return opstest.State{
		Leader: rapid.Bool().Draw(t, "leader"), Relations: relations,
		Config: map[string]any{"profile": one("profile", "testing", "huge"), "tick-time": rapid.SampledFrom([]int{2000, 1}).Draw(t, "tick")},
		Containers: map[string]opstest.Container{
			zookeeper.Container: {Down: rapid.Bool().Draw(t, "zookeeper is down")}, broker.Container: {Down: rapid.Bool().Draw(t, "broker is down")},
		},
	}
}

// The charm's plan holds what each half wants, as it wants it, and nothing
// else: no half writes a key of a databag, or wants a container, that the other
// knows of.
func TestPlanIsTheSumOfTheHalves(t *testing.T) {
	t.Parallel()
	charm := opstest.Load(t, files(t))
	rapid.Check(t, func(t *rapid.T) {
		p := &plans{nowhere: nowhere{mode: rapid.SampledFrom([]string{"", "leader"}).Draw(t, "mode")}}
		result, err := charm.Try(context.Background(), p, draw(t), opstest.ConfigChanged())
		if err != nil || result.Err != nil {
			t.Fatal(err, result.Err)
		}
		rest := map[string]ops.Bag{}
		for _, bag := range p.whole.Databags {
			rest[fmt.Sprint(bag.Relation, bag.App)] = maps.Clone(bag.Data)
		}
		containers := map[string]pebble.Desired{}
		var steps []string
		for _, half := range p.halves {
			maps.Copy(containers, half.Containers)
			for _, step := range half.Steps {
				steps = append(steps, step.Name)
			}
			for _, bag := range half.Databags {
				whole := rest[fmt.Sprint(bag.Relation, bag.App)]
				for key, value := range bag.Data {
					if got, ok := whole[key]; !ok || got != value {
						t.Fatalf("key %s of relation %s: a half wants %q, the charm %q", key, bag.Relation, value, got)
					}
					delete(whole, key)
				}
			}
			if half.Ports == nil || slices.ContainsFunc(half.Ports, func(port string) bool { return !slices.Contains(p.whole.Ports, port) }) {
				t.Fatalf("ports %v of a half are not in %v", half.Ports, p.whole.Ports)
			}
		}
		for bag, data := range rest {
			if len(data) > 0 {
				t.Fatalf("nobody wants %v of databag %s", data, bag)
			}
		}
		if diff := cmp.Diff(containers, p.whole.Containers, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("containers (-halves +charm):\n%s", diff)
		}
		var whole []string
		for _, step := range p.whole.Steps {
			whole = append(whole, step.Name)
		}
		if diff := cmp.Diff(steps, whole); diff != "" {
			t.Fatalf("steps (-halves +charm):\n%s", diff)
		}
		worst := juju.Worst(slices.Concat(p.halves[0].Statuses, p.halves[1].Statuses)...)
		if got := juju.Worst(p.whole.Statuses...); got.Name != worst.Name {
			t.Fatalf("status %v, of the halves %v", got, worst)
		}
	})
}

// The halves' actions are told apart by name.
func TestActionsOfTheHalves(t *testing.T) {
	t.Parallel()
	charm := New()
	z, b := zookeeper.Actions(charm.ZooKeeper), broker.Actions(charm.Admin)
	if all := charm.Actions(); len(all) != len(z)+len(b) {
		t.Errorf("%d actions, of the halves %d and %d", len(all), len(z), len(b))
	}
}
