package broker

import (
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
)

// The endpoints, and what is written there.
var (
	peers  = ops.Peer[member, cluster](Peers)
	offers = ops.Provides[relation.PulsarOffer, ops.None](Endpoint)
)

// States of a broker in its unit's peer databag.
const (
	serving  = "serving" // healthy: it can write
	starting = "starting"
)

// member is what a unit says of its broker in its peer databag.
type member struct {
	State   string        `databag:"broker-state"`
	Restart rolling.State `databag:"broker-restart"`
}

// cluster is what the leader decides.
type cluster struct {
	// Name is the Pulsar cluster's; it stays once Initialising or Initialised.
	Name string `databag:"cluster-name"`
	// Initialising says that the metadata of Name may be written from now on.
	Initialising bool `databag:"metadata-initialising"`
	Initialised  bool `databag:"metadata-initialised"`
	// Quorum is a Quorum, such as "2/2/2"; "" before the first decision.
	Quorum string `databag:"broker-quorum"`
	// Turn says which unit may restart its broker now.
	Turn rolling.Turn `databag:"broker-turn"`
}

// Validate checks what would go into a configuration.
func (c cluster) Validate() error {
	if c.Name != "" && !clusterNames.MatchString(c.Name) {
		return &ops.DataError{Key: "cluster-name", Reason: "not a cluster's name"}
	}
	if c.Quorum != "" {
		if _, err := ParseQuorum(c.Quorum); err != nil {
			return &ops.DataError{Key: "broker-quorum", Reason: err.Error()}
		}
	}
	return nil
}
