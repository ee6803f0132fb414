// Command dummy-client is the client of Pulsar that pulsar-client-dummy runs
// in its container; see package dummyclient.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pulsar-charms/pulsar-charms/internal/dummyclient"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	code := dummyclient.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
