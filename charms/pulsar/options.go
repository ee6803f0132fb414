package pulsar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/charms/broker"
	"github.com/pulsar-charms/pulsar-charms/charms/zookeeper"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// options are the application's options.
type options struct {
	ZooKeeper zookeeper.Options
	Broker    broker.Options
}

// optionsKey is where the unit's state keeps the last valid options: with a
// wrong value the old ones stay in force, also in a new pod.
const optionsKey = "pulsar.options"

// readOptions gives the options to use, nil if there are none yet, and what is
// wrong with those that are set.
func readOptions(ctx context.Context, u *ops.Unit) (*options, string, error) {
	var o options
	err := u.Config(ctx, &o.ZooKeeper)
	if err == nil {
		err = o.ZooKeeper.Validate()
	}
	if err == nil {
		err = u.Config(ctx, &o.Broker)
	}
	if err == nil {
		err = o.Broker.Validate()
	}
	wrong, isWrong := errors.AsType[*ops.OptionError](err)
	if err != nil && !isWrong {
		return nil, "", err
	}
	if isWrong {
		last, err := lastOptions(ctx, u)
		return last, wrong.Error(), err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, "", fmt.Errorf("cannot keep options: %w", err)
	}
	return &o, "", u.SetState(ctx, optionsKey, string(text))
}

func lastOptions(ctx context.Context, u *ops.Unit) (*options, error) {
	state, err := u.State(ctx)
	if err != nil || state[optionsKey] == "" {
		return nil, err
	}
	var last options
	// What another revision has kept may not fit this one.
	if json.Unmarshal([]byte(state[optionsKey]), &last) != nil || last.ZooKeeper.Validate() != nil || last.Broker.Validate() != nil {
		return nil, nil
	}
	return &last, nil
}

const versionKey = "pulsar.version"

// workloadVersion is Pulsar's version, by the name of its broker's jar. It is
// looked for when a container has started, and kept.
func workloadVersion(ctx context.Context, u *ops.Unit) (string, error) {
	state, err := u.State(ctx)
	if err != nil {
		return "", err
	}
	if u.Hook() != (juju.Hook{Kind: juju.PebbleReady, Name: broker.Container}) {
		return state[versionKey], nil
	}
	files, err := u.Container(broker.Container).ListFiles(ctx, "/pulsar/lib", false)
	if err != nil {
		if !pebble.Unavailable(err) {
			u.Log().Warn("cannot find Pulsar's version", "error", err)
		}
		return state[versionKey], nil
	}
	for _, file := range files {
		if _, rest, ok := strings.Cut(file.Name, "pulsar-broker-"); ok {
			if version, ok := strings.CutSuffix(rest, ".jar"); ok && strings.Count(version, "-") == 0 {
				return version, u.SetState(ctx, versionKey, version)
			}
		}
	}
	return state[versionKey], nil
}
