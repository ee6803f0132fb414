package zookeeper

import (
	"context"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// Charm is this half as a charm of its own: ZooKeeper for whoever asks.
type Charm struct{ Ensemble Ensemble }

// New is the charm on the real ZooKeeper.
func New() *Charm { return &Charm{Ensemble: zk.Ensemble{}} }

// Actions are the charm's actions by name.
func (c *Charm) Actions() map[string]ops.ActionFunc { return Actions(c.Ensemble) }

// Reconcile brings the unit from what it is to what it should be.
func (c *Charm) Reconcile(ctx context.Context, u *ops.Unit) error {
	h := Begin(u, c.Ensemble)
	return ops.Converge(ctx, u, h.Observe, func(s Snapshot) ops.Plan { return h.Plan(s, Offer{}) })
}
