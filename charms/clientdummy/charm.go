// Package clientdummy decides what a unit of pulsar-client-dummy is: a client
// of Pulsar that tests the cluster and reports what it sent, received and
// lost.
//
// The charm carries the client as a file beside dispatch and pushes it into
// the container. Actions run it once; continuous writes and reads are a
// service. The client keeps its books on a storage, so that a check compares
// also what was sent before a crash of whatever it may be.
package clientdummy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
)

// Names of metadata.yaml.
const (
	containerName  = "client"
	pulsarEndpoint = "pulsar"
)

var pulsar = ops.Requires[relation.PulsarOffer, ops.None](pulsarEndpoint)

// Paths of the container.
const (
	clientPath = "/var/lib/dummy-client/client"
	stampPath  = "/var/lib/dummy-client/client.pushed"
	journalDir = "/var/lib/dummy-client/journal"
)

// service is the client's service in Pebble's plan.
const service = "client"

// label is that of the charm's layer.
const label = "charm"

// stateWrites is the key of the unit's state that overrules the option mode:
// "on", "off", or nothing.
const stateWrites = "continuous-writes"

// Charm is the charm pulsar-client-dummy.
type Charm struct {
	// Client finds the client's binary in the charm's directory.
	Client func(charmDir string) (Binary, error)
}

// New is the charm as it runs in a pod.
func New() *Charm { return &Charm{Client: findClient} }

// Reconcile brings the unit from what it is to what it should be.
func (c *Charm) Reconcile(ctx context.Context, u *ops.Unit) error {
	tried := false
	return ops.Converge(ctx, u, func(ctx context.Context) (snapshot, error) {
		s, err := c.observe(ctx, u)
		s.ended = s.ended && !tried
		s.start = func(ctx context.Context) error {
			tried = true
			return startAgain(ctx, u)
		}
		return s, err
	}, plan)
}

// options are the options of config.yaml.
type options struct {
	Topic            string `option:"topic"`
	Partitions       int    `option:"partitions"`
	Mode             string `option:"mode" oneof:"produce consume both off"`
	MessageRate      int    `option:"message-rate"`
	MessageSize      int    `option:"message-size"`
	SubscriptionType string `option:"subscription-type" oneof:"exclusive shared failover key-shared"`
}

// validate is what the tags cannot say. Its errors are *ops.OptionError.
func (o options) validate() error {
	if _, err := relation.ParseTopic(o.Topic); err != nil {
		return &ops.OptionError{Option: "topic", Reason: err.Error()}
	}
	for _, number := range []struct {
		option          string
		value, min, max int
	}{
		{"partitions", o.Partitions, 1, 100},
		{"message-rate", o.MessageRate, 1, 10000},
		{"message-size", o.MessageSize, 1, 1 << 20},
	} {
		if number.value < number.min || number.value > number.max {
			return &ops.OptionError{Option: number.option, Reason: fmt.Sprintf("%d is not within %d and %d", number.value, number.min, number.max)}
		}
	}
	return nil
}

// snapshot is all that plan depends on.
type snapshot struct {
	unit        string
	options     options
	optionError error
	writes      string // "on", "off" or ""
	leaving     bool   // the unit is on its way out, and its journal with it

	pulsar *ops.RemoteApp[relation.PulsarOffer] // nil without relation

	reachable bool
	// command is that of the service in Pebble's plan, "" if there is none.
	command string
	running bool
	// ended says that Pebble waits to start it again, and that this hook has
	// not tried to.
	ended bool
	// binary is the one to use; binaryError says why there is none.
	binary      Binary
	binaryError error
	pushed      bool

	push, start func(ctx context.Context) error
}

func (c *Charm) observe(ctx context.Context, u *ops.Unit) (snapshot, error) {
	s := snapshot{unit: u.Name()}
	err := u.Config(ctx, &s.options)
	if err == nil {
		err = s.options.validate()
	}
	if wrong, ok := errors.AsType[*ops.OptionError](err); ok {
		s.optionError, err = wrong, nil
	}
	if err != nil {
		return s, err
	}
	state, err := u.State(ctx)
	if err != nil {
		return s, err
	}
	s.writes = state[stateWrites]
	goal, err := u.Goal(ctx)
	if err != nil {
		return s, err
	}
	s.leaving = goal.Dying
	if s.pulsar, err = pulsar.Remote(ctx, u); err != nil {
		return s, err
	}
	err = c.observeContainer(ctx, u, &s)
	if pebble.Unavailable(err) {
		s.reachable, err = false, nil
	}
	return s, err
}

func (c *Charm) observeContainer(ctx context.Context, u *ops.Unit, s *snapshot) error {
	client, err := u.Service(ctx, containerName, label, service)
	if err != nil || !client.Up {
		return err
	}
	s.reachable, s.running, s.ended = true, client.Running(), client.Info.Restarting()
	s.command = client.Layer.Services[service].Command
	container := u.Container(containerName)
	if s.binary, s.binaryError = c.Client(u.Environment().CharmDir); s.binaryError != nil {
		return nil
	}
	if s.pushed, err = s.comparePushed(ctx, container); err != nil {
		return err
	}
	binary := s.binary
	s.push = func(ctx context.Context) error { return push(ctx, container, binary) }
	return nil
}

// startAgain starts the service if Pebble still waits to do so. One that ends
// at once is Pebble's to start, and the status tells.
func startAgain(ctx context.Context, u *ops.Unit) error {
	client, err := u.Service(ctx, containerName, label, service)
	if err != nil || !client.Info.Restarting() {
		return err
	}
	err = u.Container(containerName).Restart(ctx, service)
	if _, ended := errors.AsType[*pebble.ChangeError](err); ended || pebble.Unavailable(err) {
		u.Log().Warn("cannot start the client again", "error", err)
		return nil
	}
	return err
}

// comparePushed says whether the container has the charm's client. It reads
// 30 MB neither from the container, whose stamp says what was pushed, nor, if
// the charm's file is still the same one, from the charm.
func (s *snapshot) comparePushed(ctx context.Context, container pebble.Pebble) (bool, error) {
	text, err := container.Pull(ctx, stampPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	var last stamp
	last.parse(string(text))
	if last.File == s.binary.File && last.Hash != "" {
		s.binary.Hash = last.Hash
	} else if s.binary.Hash, err = s.binary.Sum(); err != nil {
		return false, err
	}
	infos, err := container.ListFiles(ctx, clientPath, true)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || len(infos) != 1 {
		return false, err
	}
	return last.Hash == s.binary.Hash && infos[0].Size == s.binary.Size, nil
}

// runName is the first part of the names of this unit's runs.
func runName(unit string) string { return strings.ReplaceAll(unit, "/", "-") }
