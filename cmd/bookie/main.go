// Command bookie is the charm of BookKeeper's bookies.
package main

import (
	"github.com/pulsar-charms/pulsar-charms/charms/bookie"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

func main() { ops.Main(bookie.New()) }
