package image

import (
	"context"
	"errors"
	"io"
	"time"
)

// Daemon is what one kind of daemon runs on in a baseline.
type Daemon struct {
	// Environment is what the launchers read, such as PULSAR_MEM; entries here
	// come before the defaults, those of the smallest cluster that works.
	Environment map[string]string
	// Config are properties of the configuration file that come before the
	// defaults. Addresses are not to be set.
	Config map[string]string
}

// BaselineOptions describe a cluster without charms: three ZooKeepers, three
// bookies and three brokers on 127.10.0.0/16 of the caller's network.
type BaselineOptions struct {
	// Image is the tree that Assemble returned.
	Image string
	// Dir is an empty directory for data and logs; it is left behind.
	Dir string
	// Log receives what the script and the daemons print; nil for none.
	Log io.Writer

	ZooKeeper, Bookie, Broker Daemon

	// First is called when all brokers are healthy, with their service URL,
	// and returns when a first message was received; nil for none.
	First func(ctx context.Context, serviceURL string) error
}

// Times are counted from the start of the first ZooKeeper.
type Times struct {
	Quorum       time.Duration // all three ZooKeepers serve
	Metadata     time.Duration // the cluster's metadata are initialised
	Bookies      time.Duration // all three bookies are ready
	Brokers      time.Duration // all three brokers are healthy
	FirstMessage time.Duration // First returned; zero without First
}

// Baseline starts a cluster in the best possible order, without charms, and
// stops it again before it returns.
func Baseline(ctx context.Context, options BaselineOptions) (Times, error) {
	return Times{}, errors.New("cannot run the baseline: not built yet")
}
