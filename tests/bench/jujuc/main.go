// Command jujuc is the hook tools' program and nothing else, as small as Juju's
// could be: charmlab, which has it inside, takes longer to start.
package main

import (
	"os"

	"github.com/pulsar-charms/pulsar-charms/internal/jujuc"
)

func main() { os.Exit(jujuc.Main(os.Args[0], os.Args[1:])) }
