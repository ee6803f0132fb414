// Package pulsar is the charm pulsar: a ZooKeeper server and a Pulsar broker
// in each unit. What either should be is decided in charms/zookeeper and
// charms/broker; this package reads the options, tells each half what it needs
// to know of the other, and makes one plan of two.
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
		unit:      u,
		zookeeper: zookeeper.Begin(u, c.ZooKeeper),
		broker:    broker.Begin(u, c.ZooKeeper, c.Admin),
	}
	return ops.Converge(ctx, u, h.observe, h.plan)
}

// hook is one hook of the charm.
type hook struct {
	unit      *ops.Unit
	zookeeper *zookeeper.Hook
	broker    *broker.Hook
}

// snapshot is all that the plan depends on.
type snapshot struct {
	zookeeper zookeeper.Snapshot
	broker    broker.Snapshot
	problem   string // what is wrong with the options
	version   string // of the workload
}

func (h *hook) observe(ctx context.Context) (snapshot, error) {
	var s snapshot
	options, problem, err := readOptions(ctx, h.unit)
	if err != nil {
		return s, err
	}
	s.problem = problem
	var zookeeperOptions *zookeeper.Options
	var brokerOptions *broker.Options
	if options != nil {
		zookeeperOptions, brokerOptions = &options.ZooKeeper, &options.Broker
	}
	if s.zookeeper, err = h.zookeeper.Observe(ctx, zookeeperOptions); err != nil {
		return s, err
	}
	view := zookeeper.ViewOf(s.zookeeper)
	store := broker.ZooKeeper{Endpoints: view.Endpoints, Servers: view.Servers, SessionTimeout: view.SessionTimeout}
	if s.broker, err = h.broker.Observe(ctx, brokerOptions, store); err != nil {
		return s, err
	}
	s.version, err = workloadVersion(ctx, h.unit)
	return s, err
}

// ports are all that the application's Service forwards.
var ports = []string{"2181/tcp", "6650/tcp", "8080/tcp"}

func (h *hook) plan(s snapshot) ops.Plan {
	name, initialised := s.broker.Offer()
	plan := merge(
		h.zookeeper.Plan(s.zookeeper, zookeeper.Offer{
			ClusterName: name, Initialised: initialised,
			MaxFrameSize: broker.MaxFrameSize, Pending: s.broker.Pending(),
		}),
		h.broker.Plan(s.broker),
	)
	plan.Ports, plan.Version = ports, s.version
	plan.Statuses = summary(s.problem, plan.Statuses)
	return plan
}
