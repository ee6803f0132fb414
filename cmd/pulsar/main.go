// Command pulsar is the dispatch of the charm pulsar.
package main

import (
	"github.com/pulsar-charms/pulsar-charms/charms/pulsar"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

func main() { ops.Main(pulsar.New()) }
