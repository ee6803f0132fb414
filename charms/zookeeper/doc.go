// Package zookeeper decides what a unit's ZooKeeper server should be, and what
// the ensemble's membership should be. It is one half of the charm pulsar.
//
// The first members are decided once, by the leader, from the units that Juju
// plans, and written into the peer databag; a server is only ever started from
// that decision. Who has voted is written there too: with an empty disk such a
// server only follows until it is told that it votes. Later changes of
// membership are ZooKeeper's own dynamic reconfiguration: the leader, or a unit
// that goes for itself, makes one atomic change that leaves the number of voters
// odd. ZooKeeper rewrites its configuration files then, so they are on the
// storage and the charm changes nothing in them but static settings.
package zookeeper

import (
	"context"
	"fmt"

	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// Names in metadata.yaml.
const (
	Container = "zookeeper"
	Storage   = "zookeeper"
	Endpoint  = "zookeeper"
	Peers     = "cluster"
)

// service is ZooKeeper's in Pebble's plan, label that of its layer.
const (
	service = "zookeeper"
	label   = "zookeeper"
)

// Ensemble is what the charm asks of ZooKeeper. zk.Ensemble is the real one.
// Addresses are host:port.
type Ensemble interface {
	// Server is the state of one server; an error if it is in no quorum.
	Server(ctx context.Context, address string) (zk.Server, error)
	// Config is the present membership.
	Config(ctx context.Context, servers []string) (zk.Config, error)
	// Reconfigure reads the membership, makes the change that decide asks
	// for, if any, unless another came between, and gives what it then is.
	Reconfigure(ctx context.Context, servers []string, password string, decide func(zk.Config) zk.Change) (zk.Config, error)
}

// localServer is this unit's server: all containers of a pod share addresses.
var localServer = fmt.Sprintf("127.0.0.1:%d", zk.ClientPort)

// clientAddress is where a host's server takes clients.
func clientAddress(host string) string { return fmt.Sprintf("%s:%d", host, zk.ClientPort) }
