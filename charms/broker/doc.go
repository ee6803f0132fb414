// Package broker decides what a unit's Pulsar broker should be, and sees to
// the cluster's metadata. It is one half of the charm pulsar.
//
// A broker starts when ZooKeeper serves, the metadata are initialised and as
// many bookies are registered as a ledger is spread over. Once started it is
// never stopped for the lack of any of them: it comes back by itself. The
// leader initialises the metadata, once, by the image's own command; decides
// ensemble size and quorums from the number of planned bookies; and says whose
// turn it is to restart. What it decides counts when it is committed: so two
// leaders at a time, or a second after a first that died, initialise the same
// cluster, and the command does nothing more where it was run before.
package broker

import "context"

// Names in metadata.yaml.
const (
	Container = "broker"
	Endpoint  = "pulsar" // provides pulsar_client
	Peers     = "cluster"
)

// service is the broker's in Pebble's plan, label that of its layer.
const (
	service = "broker"
	label   = "broker"
)

// Ports of a broker.
const (
	ServicePort = 6650
	WebPort     = 8080
)

// Metadata is what the charm asks of the metadata store. servers are host:port.
type Metadata interface {
	// Exist says whether all the znodes exist.
	Exist(ctx context.Context, servers []string, paths ...string) (bool, error)
	// Children are the names below a znode; none if it does not exist.
	Children(ctx context.Context, servers []string, path string) ([]string, error)
}

// Admin is what the charm asks of a broker's admin API.
type Admin interface {
	// Health is nil if the broker at host:port can send itself a message.
	Health(ctx context.Context, address string) error
}
