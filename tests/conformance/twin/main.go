// Command twin is the Go half of the charm of tests/conformance.
package main

import "github.com/pulsar-charms/pulsar-charms/internal/ops"

func main() { ops.Main(&charm{}) }
