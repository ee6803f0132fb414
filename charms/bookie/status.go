package bookie

import (
	"fmt"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

// All statuses of the charm. Each waiting one names what wakes the charm.

// A human integrates.
func statusNoRelation(app string) juju.Status {
	return ops.Blocked(fmt.Sprintf("integrate with pulsar: juju integrate %s pulsar", app))
}

// A human sets the option; the bookie goes on with the options it had.
func statusOption(err error) juju.Status { return ops.Blocked(err.Error()) }

// A human mends the other side; its databag wakes the charm.
func statusGarbage(problem *ops.RemoteDataError) juju.Status {
	return ops.Blocked(fmt.Sprintf("%s offers a ZooKeeper that cannot be used: %v", problem.Remote, problem.Err))
}

// Woken by the other side's databag.
func statusNoZooKeeper(app string) juju.Status {
	return ops.Waiting(fmt.Sprintf("waiting for %s to offer its ZooKeeper", app))
}

// Woken by the other side's databag.
func statusNotInitialised(app string) juju.Status {
	return ops.Waiting(fmt.Sprintf("waiting for %s to initialise the cluster's metadata", app))
}

// Woken by pebble-ready.
func statusNoContainer() juju.Status { return ops.Waiting("waiting for container bookie to start") }

// Woken by the watch's notice.
func statusStarting() juju.Status { return ops.Waiting("waiting for the bookie to join the cluster") }

// Woken by the watch's notice; Pebble starts it again and again.
func statusDown(app string) juju.Status {
	return ops.Waiting(fmt.Sprintf("bookie ended and is started again: waiting for the ZooKeeper of %s", app))
}

// Woken by the watch's notice if Pebble starts it with success; else a human
// reads why it ends.
func statusEnded(unit string) juju.Status {
	return ops.Waiting(fmt.Sprintf("bookie ended and is started again, though ZooKeeper answers: juju ssh --container %s %s /charm/bin/pebble logs %s", containerName, unit, service))
}

// Woken by the watch, which repeats itself while this lasts.
func statusUnregistered() juju.Status {
	return ops.Waiting("waiting for the bookie to be registered in ZooKeeper")
}

// A human mends the volume or the cookie; update-status looks again.
func statusVolume(fault string) juju.Status { return ops.Blocked(fault) }

// Another unit has its turn; woken by the peers' databag.
func statusRestartPending(reason string) juju.Status {
	return ops.Active("new configuration: " + reason)
}

func statusReadOnly() juju.Status { return ops.Active("read-only: takes no new messages") }

func statusServing() juju.Status { return ops.Active("") }

// Ends with the unit.
func statusLeaving() juju.Status { return ops.Maintenance("leaving") }
