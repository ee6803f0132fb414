// Command pulsar-client-dummy is the charm of a client that tests a Pulsar
// cluster.
package main

import (
	"github.com/pulsar-charms/pulsar-charms/charms/clientdummy"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

func main() { ops.Main(clientdummy.New()) }
