package image

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"
)

// Daemon is what one kind of daemon runs on in a baseline.
type Daemon struct {
	// Environment is what the launchers read, such as PULSAR_MEM or, for
	// bookies, BOOKIE_MEM. It is laid over defaults, those of the smallest
	// cluster that works.
	Environment map[string]string
	// Config are properties of the configuration file, laid over defaults.
	// Addresses and directories are not to be set.
	Config map[string]string
}

// BaselineOptions describe a cluster without charms: three ZooKeepers, three
// bookies and three brokers on 127.10.0.0/16 of the caller's network.
type BaselineOptions struct {
	// Image is the tree that Assemble returned.
	Image string
	// Dir is an empty directory for configuration, data and logs (log/*.log).
	// It is left behind.
	Dir string

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

// Baseline starts the nine JVMs of a cluster in the best possible order, with
// the image's launchers but without charms, and stops them before it returns.
// It needs root or unprivileged user namespaces.
func Baseline(ctx context.Context, options BaselineOptions) (Times, error) {
	dir, err := filepath.Abs(options.Dir)
	if err != nil {
		return Times{}, err
	}
	c := cluster{
		tree: options.Image, dir: dir, size: 3,
		zookeeper: options.ZooKeeper, bookie: options.Bookie, broker: options.Broker,
	}
	if err := c.free(ctx); err != nil {
		return Times{}, fmt.Errorf("cannot run the baseline: %w", err)
	}
	var times Times
	var start time.Time
	err = c.run(ctx, func(word string) error {
		switch word {
		case "start":
			start = time.Now()
		case "quorum":
			times.Quorum = time.Since(start)
		case "metadata":
			times.Metadata = time.Since(start)
		case "bookies":
			times.Bookies = time.Since(start)
		case "brokers":
			times.Brokers = time.Since(start)
			if options.First == nil {
				return nil
			}
			if err := options.First(ctx, "pulsar://"+c.each(2, "%s:6650", ",")); err != nil {
				return fmt.Errorf("cannot get a first message through: %w", err)
			}
			times.FirstMessage = time.Since(start)
		}
		return nil
	})
	if err != nil {
		return times, fmt.Errorf("cannot run the baseline: %w", err)
	}
	return times, nil
}

// free tells which address of the cluster is taken.
func (c cluster) free(ctx context.Context) error {
	for kind, ports := range []string{"2181 2888 3888", "3181 8000", "6650 8080"} {
		for _, n := range c.numbers() {
			for port := range strings.FieldsSeq(ports) {
				listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(address(kind, n), port))
				if err != nil {
					return fmt.Errorf("an address is taken, end what listens there: %w", err)
				}
				_ = listener.Close()
			}
		}
	}
	return nil
}
