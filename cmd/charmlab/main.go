// Command charmlab runs Juju charms on this machine, without Juju and without
// Kubernetes; inside the pods that it makes it is also the hook tools.
package main

import (
	"os"

	"github.com/pulsar-charms/pulsar-charms/internal/charmlab"
	"github.com/pulsar-charms/pulsar-charms/internal/pod"
)

func main() {
	if pod.Reexec() {
		return
	}
	os.Exit(charmlab.Main(os.Args))
}
