package ops

import "github.com/pulsar-charms/pulsar-charms/internal/juju"

// Active says that the unit does its job now; message may be empty.
func Active(message string) juju.Status {
	return juju.Status{Name: juju.Active, Message: message}
}

// Waiting says that another unit or application must act. Something must
// wake the charm when it has: a databag, a notice, a check.
func Waiting(message string) juju.Status {
	return juju.Status{Name: juju.Waiting, Message: message}
}

// Blocked says that a human must act; message names the act.
func Blocked(message string) juju.Status {
	return juju.Status{Name: juju.Blocked, Message: message}
}

// Maintenance says that the charm is busy and will end alone.
func Maintenance(message string) juju.Status {
	return juju.Status{Name: juju.Maintenance, Message: message}
}
