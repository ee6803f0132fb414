package broker

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
)

// alone is what a charm of this half alone declares.
var alone = map[string][]byte{
	"metadata.yaml": []byte(`
name: broker
summary: A broker for tests.
description: A broker for tests.
containers:
  broker: {resource: image}
resources:
  image: {type: oci-image}
requires:
  zookeeper: {interface: zookeeper, limit: 1}
provides:
  pulsar: {interface: pulsar_client}
  bookkeeper: {interface: bookkeeper}
peers:
  cluster: {interface: broker_cluster}
`),
	"config.yaml": []byte(`
options:
  profile: {type: string, default: testing, description: Sizes.}
  cluster-name: {type: string, default: "", description: Name.}
  log-level: {type: string, default: info, description: Log.}
  broker-heap-size: {type: string, default: auto, description: Heap.}
  broker-direct-memory-size: {type: string, default: auto, description: Memory.}
  broker-extra-config: {type: string, default: "", description: More.}
`),
	"actions.yaml": []byte("broker-health: {description: Health.}\nget-endpoints: {description: Endpoints.}\n"),
}

// cloud is the ZooKeeper with what metadata it has, and the broker.
type cloud struct {
	clusters []string
	complete bool
	away     error
	healthy  bool
}

func (c *cloud) Exist(context.Context, []string, ...string) (bool, error) { return c.complete, c.away }

func (c *cloud) Children(context.Context, []string, string) ([]string, error) {
	return c.clusters, c.away
}

func (c *cloud) Health(context.Context, string) error {
	if !c.healthy {
		return errors.New("not healthy")
	}
	return nil
}

func offer() opstest.Relation {
	return opstest.Relation{Endpoint: "zookeeper", App: "zookeeper", RemoteApp: ops.Bag{"endpoints": "z:2181", "session-timeout": "10000"}}
}

func bookies() opstest.Relation {
	return opstest.Relation{Endpoint: "bookkeeper", App: "bookie", RemoteUnits: map[int]ops.Bag{0: {"bookie-id": "b:3181", "state": "serving"}}}
}

// This half is a charm by itself, on the ZooKeeper of another: it says what it
// lacks, and with all there it starts, serves, offers itself, and keeps a wrong
// option out.
func TestCharmAlone(t *testing.T) {
	t.Parallel()
	juju := opstest.Load(t, alone)
	world := &cloud{clusters: []string{"global", "broker"}, complete: true}
	charm := &Charm{Metadata: world, Admin: world}
	offer, bookies := offer(), bookies()
	state := func(relations ...opstest.Relation) opstest.State {
		relations = append(relations, opstest.Relation{Endpoint: "pulsar", App: "client"})
		return opstest.State{Leader: true, Relations: relations, Containers: map[string]opstest.Container{"broker": {}}}
	}
	garbage := offer
	garbage.RemoteApp = ops.Bag{"endpoints": "z 1"}
	empty := offer
	empty.RemoteApp = nil
	for _, test := range []struct {
		name  string
		state opstest.State
		want  string
	}{
		{"no ZooKeeper", state(bookies), "integrate with zookeeper: juju integrate broker zookeeper"},
		{"no bookies", state(offer), "integrate with bookie: juju integrate bookie broker"},
		{"garbage", state(garbage, bookies), `zookeeper offers a ZooKeeper that cannot be used: endpoints: "z 1" is not <host>:<port>`},
		{"nothing offered yet", state(empty, bookies), "for zookeeper to offer its ZooKeeper"},
	} {
		result := juju.Twice(t, charm, test.state, opstest.PebbleReady("broker"))
		if result.State.Status.Message != test.want || len(result.State.Containers["broker"].Services) > 0 {
			t.Errorf("%s: status %v, services %v", test.name, result.State.Status, result.State.Containers["broker"].Services)
		}
	}

	now := juju.Run(t, charm, state(offer, bookies), opstest.PebbleReady("broker")).State
	if len(now.Containers["broker"].Services) > 0 {
		t.Errorf("a broker runs on what other units cannot read yet: %v", now.Containers["broker"].Services)
	}
	now = juju.Run(t, charm, now, opstest.RelationAppChanged("cluster")).State
	if now.Containers["broker"].Services["broker"].Current != "active" || now.Status != startingBroker {
		t.Fatalf("status %v, services %v", now.Status, now.Containers["broker"].Services)
	}
	world.clusters, world.healthy = nil, false
	if lost := juju.Run(t, charm, now, opstest.UpdateStatus()).State; lost.Status.Name != ops.Blocked("").Name {
		t.Errorf("the metadata are lost, and the status is %v", lost.Status)
	}
	world.healthy = true
	now = juju.Twice(t, charm, now, opstest.UpdateStatus()).State
	if want := ops.Active("broker, quorum 1/1/1, no redundancy (1 bookie)"); now.Status != want {
		t.Errorf("status %v, want %v", now.Status, want)
	}
	for _, relation := range now.Relations {
		if url := relation.LocalApp["service-url"]; relation.Endpoint == "pulsar" && url != "pulsar://broker-0.broker-endpoints.test.svc.cluster.local:6650" {
			t.Errorf("it offers %q", url)
		}
	}
	if diff := cmp.Diff([]string{"6650/tcp", "8080/tcp"}, now.Ports); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}

	before := now.Containers["broker"].Services["broker"]
	now.Config = map[string]any{"broker-heap-size": "big"}
	now = juju.Twice(t, charm, now, opstest.ConfigChanged()).State
	if want := ops.Blocked(`option broker-heap-size: "big" is neither auto nor a size such as 512m or 2g`); now.Status != want {
		t.Errorf("status %v, want %v", now.Status, want)
	}
	if diff := cmp.Diff(before, now.Containers["broker"].Services["broker"]); diff != "" {
		t.Errorf("a wrong option did something to the broker (-before +after):\n%s", diff)
	}
}
