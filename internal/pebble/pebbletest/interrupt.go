package pebbletest

import (
	"errors"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// ErrInterrupted is what an interrupted call returns.
var ErrInterrupted = errors.New("interrupted by the test")

// Interrupt passes the first n calls on to p, and fails all later ones with
// ErrInterrupted, as if the charm was killed there. With sent, call n+1 still
// reaches p, but its answer is lost.
func Interrupt(p pebble.Pebble, n int, sent bool) pebble.Pebble { return p }
