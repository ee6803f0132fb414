package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/internal/image"
	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
)

// daemons are what the charms run each kind of daemon on.
type daemons struct{ zookeeper, bookie, broker image.Daemon }

// deployPlain starts the same daemons by a script.
func deployPlain(ctx context.Context, tree string, same daemons) (deployment, error) {
	ctx, cancel := context.WithTimeout(ctx, deployLimit)
	defer cancel()
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return deployment{}, err
	}
	defer os.RemoveAll(dir)
	d := deployment{load: load()}
	times, err := image.Baseline(ctx, image.BaselineOptions{
		Image: tree, Dir: dir,
		ZooKeeper: same.zookeeper, Bookie: same.bookie, Broker: same.broker,
		First: func(ctx context.Context, serviceURL string) (err error) {
			if err := firstMessage(ctx, serviceURL); err != nil {
				return err
			}
			d.cpu, err = usageOf(os.Getpid(), false)
			return err
		},
	})
	d.at = map[string]time.Duration{
		quorum: times.Quorum, metadata: times.Metadata, bookies: times.Bookies, brokers: times.Brokers, message: times.FirstMessage,
	}
	return d, err
}

// rendered is a daemon as the charms have set it up.
type rendered struct {
	unit, container, service, config string
	// not are keys of the configuration that say where, not how.
	not []string
	// but are values that nine daemons in one network need.
	but map[string]string
}

// daemons reads what the charms have rendered on each first unit.
func (l lab) daemons(ctx context.Context) (d daemons, err error) {
	for daemon, r := range map[*image.Daemon]rendered{
		&d.zookeeper: {
			"pulsar/0", "zookeeper", "zookeeper", "/pulsar/data/zookeeper/conf/zoo.cfg",
			[]string{"dataDir", "dynamicConfigFile", "clientPort", "quorumListenOnAllIPs", "DigestAuthenticationProvider.superDigest"},
			map[string]string{"admin.enableServer": "true", "admin.serverPort": "0", "metricsProvider.httpPort": "0"},
		},
		&d.bookie: {
			"bookie/0", "bookie", "bookie", "/pulsar/conf/bookkeeper.conf",
			[]string{"advertisedAddress", "metadataServiceUri", "journalDirectories", "ledgerDirectories"}, nil,
		},
		&d.broker: {
			"pulsar/0", "broker", "broker", "/pulsar/conf/broker.conf",
			[]string{"advertisedAddress", "bindAddress", "metadataStoreUrl", "configurationMetadataStoreUrl", "clusterName"}, nil,
		},
	} {
		if *daemon, err = l.daemon(ctx, r); err != nil {
			return d, fmt.Errorf("cannot read what %s of %s runs on: %w", r.service, r.unit, err)
		}
	}
	return d, nil
}

func (l lab) daemon(ctx context.Context, r rendered) (image.Daemon, error) {
	config, err := l.run(ctx, "ssh", "--container", r.container, r.unit, "cat", r.config)
	if err != nil {
		return image.Daemon{}, err
	}
	text, err := l.run(ctx, "ssh", "--container", r.container, r.unit, "/charm/bin/pebble", "plan")
	if err != nil {
		return image.Daemon{}, err
	}
	var plan struct {
		Services map[string]struct {
			Environment map[string]string `yaml:"environment"`
		} `yaml:"services"`
	}
	if err := yaml.Unmarshal([]byte(text), &plan); err != nil {
		return image.Daemon{}, err
	}
	daemon := image.Daemon{Config: javaprops.Parse([]byte(config)), Environment: map[string]string{}}
	for _, key := range r.not {
		delete(daemon.Config, key)
	}
	for key, value := range r.but {
		daemon.Config[key] = value
	}
	for key, value := range plan.Services[r.service].Environment {
		// Where files are is the script's to say; the rest are the charms' marks.
		if !strings.HasSuffix(key, "_CONF") && key != "PULSAR_CHARMS_HASH" && key != "ZOOKEEPER_SETTINGS" {
			daemon.Environment[key] = value
		}
	}
	if len(daemon.Environment) == 0 {
		return image.Daemon{}, fmt.Errorf("no service %s with an environment in Pebble's plan:\n%s", r.service, text)
	}
	return daemon, nil
}
