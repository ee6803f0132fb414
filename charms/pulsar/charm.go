// Package pulsar is the charm pulsar: a ZooKeeper server and a Pulsar broker
// in each unit. What either should be is decided in charms/zookeeper and
// charms/broker; this package tells each half what it needs to know of the
// other, and takes the sum.
package pulsar

import (
	"context"
	"maps"

	"github.com/pulsar-charms/pulsar-charms/charms/broker"
	"github.com/pulsar-charms/pulsar-charms/charms/zookeeper"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// Ensemble is all that the charm asks of ZooKeeper.
type Ensemble interface {
	zookeeper.Ensemble
	broker.Metadata
}

// Charm is the charm. New makes the real one; a simulation gives its own
// ZooKeeper and brokers.
type Charm struct {
	ZooKeeper Ensemble
	Admin     broker.Admin
}

// New is the charm on the real ZooKeeper and brokers.
func New() *Charm { return &Charm{ZooKeeper: zk.Ensemble{}, Admin: broker.HTTPAdmin{}} }

// Actions are those of both halves.
func (c *Charm) Actions() map[string]ops.ActionFunc {
	actions := zookeeper.Actions(c.ZooKeeper)
	maps.Copy(actions, broker.Actions(c.Admin))
	return actions
}

// Reconcile brings the unit from what it is to what it should be.
func (c *Charm) Reconcile(ctx context.Context, u *ops.Unit) error {
	h := hook{
		zookeeper: zookeeper.Begin(u, c.ZooKeeper),
		broker:    broker.Begin(u, c.ZooKeeper, c.Admin, zookeeper.Endpoint),
	}
	return ops.Converge(ctx, u, h.observe, h.plan)
}

// hook is one hook of both halves.
type hook struct {
	zookeeper *zookeeper.Hook
	broker    *broker.Hook
}

// snapshot is what both halves see.
type snapshot struct {
	zookeeper zookeeper.Snapshot
	broker    broker.Snapshot
}

// observe looks at ZooKeeper first, because the broker's metadata are there.
func (h *hook) observe(ctx context.Context) (s snapshot, err error) {
	if s.zookeeper, err = h.zookeeper.Observe(ctx); err != nil {
		return s, err
	}
	view := zookeeper.ViewOf(s.zookeeper)
	s.broker, err = h.broker.Observe(ctx, broker.ZooKeeper{
		Endpoints: view.Endpoints, Servers: view.Servers, SessionTimeout: view.SessionTimeout,
	})
	return s, err
}

// plan is the sum of the halves' plans.
func (h *hook) plan(s snapshot) ops.Plan {
	return ops.Sum(h.zookeeper.Plan(s.zookeeper, offer(s.broker)), h.broker.Plan(s.broker))
}

// offer is what the broker knows and bookies have to: they come over
// ZooKeeper's relation.
func offer(s broker.Snapshot) zookeeper.Offer {
	name, initialised := s.Offer()
	return zookeeper.Offer{ClusterName: name, Initialised: initialised, MaxFrameSize: broker.MaxFrameSize, Pending: s.Pending()}
}
