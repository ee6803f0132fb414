package broker

import (
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
)

// States of a broker in its unit's peer databag.
const (
	serving  = "serving" // healthy: it can write
	starting = "starting"
)

// member is what a unit says of its broker in its peer databag.
type member struct {
	State string `databag:"broker-state"`
	Wants bool   `databag:"broker-wants-restart"`
}

// cluster is what the leader says in the application's peer databag.
type cluster struct {
	// Name is the Pulsar cluster's; it stays once Initialised.
	Name        string `databag:"cluster-name"`
	Initialised bool   `databag:"metadata-initialised"`
	// Quorum is a Quorum, such as "2/2/2".
	Quorum string `databag:"broker-quorum"`
	// Turn is the unit that may restart its broker now.
	Turn string `databag:"broker-turn"`
}

// readCluster decodes and validates; what is wrong is the error.
func readCluster(bag ops.Bag) (c cluster, q Quorum, err error) {
	if err := ops.Decode(bag, &c); err != nil {
		return cluster{}, Quorum{}, err
	}
	if c.Name != "" && !clusterNames.MatchString(c.Name) {
		return cluster{}, Quorum{}, &ops.DataError{Key: "cluster-name", Reason: "not a cluster's name"}
	}
	if c.Quorum != "" {
		if q, err = ParseQuorum(c.Quorum); err != nil {
			return cluster{}, Quorum{}, &ops.DataError{Key: "broker-quorum", Reason: err.Error()}
		}
	}
	return c, q, nil
}

// turnHolder is the ordinal whose turn it is.
func (c cluster) turnHolder(app string) int {
	if juju.Application(c.Turn) != app {
		return rolling.Nobody
	}
	return juju.Ordinal(c.Turn)
}
