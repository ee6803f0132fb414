// Package bookie decides what a unit of the charm bookie is: one BookKeeper
// bookie, which stores the messages of a Pulsar cluster.
//
// Every hook observes (options, relations, Pebble, the bookie itself and, if
// it does not stay up, ZooKeeper) into a snapshot; plan, which is pure, says
// what the unit should be. The bookie starts once the other side says that
// the cluster's metadata are initialised. A running bookie restarts only if
// what it runs on changed, one unit of the application at a time; a value
// that cannot be used leaves it running as it is.
package bookie

import (
	"context"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
)

// Names of metadata.yaml.
const (
	containerName     = "bookie"
	zookeeperEndpoint = "zookeeper"
	peerEndpoint      = "cluster"
)

// service is the bookie's service in Pebble's plan.
const service = "bookie"

// label is that of the charm's layer.
const label = "charm"

// The endpoints, and what each side writes there.
var (
	zookeeper = ops.Requires[relation.ZooKeeperOffer, relation.BookieMember](zookeeperEndpoint)
	peers     = ops.Peer[member, decision](peerEndpoint)
)

// member is what a unit tells its peers.
type member struct {
	Restart rolling.State `databag:"restart"`
}

// decision is what the leader tells them.
type decision struct {
	Turn rolling.Turn `databag:"restart-turn"`
}

// Charm is the charm bookie.
type Charm struct {
	// Look asks the bookie of this unit how it is.
	Look func(ctx context.Context, id string) Health
	// Registry reads what ZooKeeper knows of the bookie. It ends with ctx.
	Registry func(ctx context.Context, servers []string, id string) (cookie, instanceID string, err error)
}

// New is the charm as it runs in a pod.
func New() *Charm { return &Charm{Look: lookAt, Registry: readRegistry} }

// Reconcile brings the unit from what it is to what it should be.
func (c *Charm) Reconcile(ctx context.Context, u *ops.Unit) error {
	return ops.Converge(ctx, u, func(ctx context.Context) (snapshot, error) { return c.observe(ctx, u) }, plan)
}
