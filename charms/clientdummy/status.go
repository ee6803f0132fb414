package clientdummy

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

// A human sets the option; the client goes on as it was.
func statusOption(err error) juju.Status { return ops.Blocked(err.Error()) }

// A human packs the charm anew.
func statusNoClient(err error) juju.Status {
	return ops.Blocked(fmt.Sprintf("the charm lacks its client, pack it again: %v", err))
}

// A human mends the other side; its databag wakes the charm.
func statusGarbage(problem *ops.RemoteDataError) juju.Status {
	return ops.Blocked(fmt.Sprintf("%s offers an address that cannot be used: %v", problem.Remote, problem.Err))
}

// Woken by pebble-ready.
func statusNoContainer() juju.Status { return ops.Waiting("waiting for container client to start") }

// Woken by the other side's databag.
func statusNoAddress(app string) juju.Status {
	return ops.Waiting(fmt.Sprintf("waiting for %s to offer its address", app))
}

// Woken by the other side's databag.
func statusNotReady(app string) juju.Status {
	return ops.Waiting(fmt.Sprintf("waiting for the brokers of %s to take messages", app))
}

// A human reads why it ends: this hook has started it, and it ended at once. It
// waits for Pulsar by itself, so that is a refused topic or a full journal. If
// it then runs nevertheless, update-status is the first hook: no port can be
// watched, and the image need not have a shell for a watch or a check.
func statusEnded(unit string) juju.Status {
	return ops.Waiting(fmt.Sprintf("client ends when it is started: juju ssh --container %s %s /charm/bin/pebble logs %s", containerName, unit, service))
}

func statusIdle() juju.Status { return ops.Active("") }

func statusBusy(mode string, rate int, topic string) juju.Status {
	sends := fmt.Sprintf("sends %d messages a second", rate)
	switch mode {
	case "produce":
		return ops.Active(fmt.Sprintf("%s to %s", sends, topic))
	case "consume":
		return ops.Active(fmt.Sprintf("reads %s", topic))
	}
	return ops.Active(fmt.Sprintf("%s to %s and reads it", sends, topic))
}

// Ends with the unit.
func statusLeaving() juju.Status { return ops.Maintenance("leaving") }
