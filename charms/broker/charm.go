package broker

import (
	"context"
	"fmt"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// Endpoints of the charm broker, where pulsar has both over its own zookeeper.
const (
	storeEndpoint  = "zookeeper"
	bookieEndpoint = "bookkeeper"
)

var store = ops.Requires[relation.ZooKeeperOffer, ops.None](storeEndpoint)

// Charm is this half as a charm of its own: brokers on the ZooKeeper of
// another application.
type Charm struct {
	Metadata Metadata
	Admin    Admin
}

// New is the charm on the real ZooKeeper and brokers.
func New() *Charm { return &Charm{Metadata: zk.Ensemble{}, Admin: HTTPAdmin{}} }

// Actions are the charm's actions by name.
func (c *Charm) Actions() map[string]ops.ActionFunc { return Actions(c.Admin) }

// Reconcile brings the unit from what it is to what it should be.
func (c *Charm) Reconcile(ctx context.Context, u *ops.Unit) error {
	h := Begin(u, c.Metadata, c.Admin, bookieEndpoint)
	var missing []juju.Status
	observe := func(ctx context.Context) (Snapshot, error) {
		remote, err := store.Remote(ctx, u)
		if err != nil {
			return Snapshot{}, err
		}
		var zookeeper ZooKeeper
		zookeeper, missing = storeOf(u.App(), remote)
		return h.Observe(ctx, zookeeper)
	}
	return ops.Converge(ctx, u, observe, func(s Snapshot) ops.Plan {
		return ops.Sum(ops.Plan{Statuses: missing}, h.Plan(s))
	})
}

// storeOf is what the broker needs of the ZooKeeper that is offered to app,
// and what is missing.
func storeOf(app string, remote *ops.RemoteApp[relation.ZooKeeperOffer]) (ZooKeeper, []juju.Status) {
	switch {
	case remote == nil:
		return ZooKeeper{}, []juju.Status{ops.Blocked(fmt.Sprintf("integrate with zookeeper: juju integrate %s zookeeper", app))}
	case remote.Problem != nil:
		return ZooKeeper{}, []juju.Status{ops.Blocked(fmt.Sprintf("%s offers a ZooKeeper that cannot be used: %v", remote.App, remote.Problem.Err))}
	case len(remote.Offer.Endpoints) == 0:
		return ZooKeeper{}, []juju.Status{ops.Waiting(fmt.Sprintf("for %s to offer its ZooKeeper", remote.App))} // its databag
	}
	endpoints := remote.Offer.Endpoints
	return ZooKeeper{Endpoints: endpoints, Servers: endpoints, SessionTimeout: remote.Offer.SessionTimeout}, nil
}
