package opstest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

// Charm is what Juju reads of a charm's files. It may be used by many tests at
// once.
type Charm struct{ charm *model.Charm }

// containerName is Kubernetes' rule for the name of a container.
var containerName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// Parse reads metadata.yaml and, if the charm has them, config.yaml and
// actions.yaml, by their names, as Juju does. The error is Juju's, or what
// Juju would come to see only later.
func Parse(files map[string][]byte) (*Charm, error) {
	files = maps.Clone(files)
	if files["manifest.yaml"] == nil {
		files["manifest.yaml"] = []byte("bases: [{name: ubuntu, channel: 22.04/stable, architectures: [amd64]}]")
	}
	charm, err := model.ParseCharm(files)
	if err != nil {
		return nil, err
	}
	for _, container := range charm.Containers {
		if len(container.Name) > 63 || !containerName.MatchString(container.Name) || container.Name == "charm" {
			return nil, fmt.Errorf("cannot read charm %q: container %q: Kubernetes takes at most 63 of a to z, 0 to 9 and inner hyphens, and \"charm\" is Juju's", charm.Name, container.Name)
		}
	}
	for _, spec := range charm.Storage {
		if !appName.MatchString(spec.Name) {
			return nil, fmt.Errorf("cannot read charm %q: storage %q: not a name for a storage", charm.Name, spec.Name)
		}
	}
	return &Charm{charm}, nil
}

// Load is Parse that fails the test.
func Load(t testing.TB, files map[string][]byte) *Charm {
	t.Helper()
	charm, err := Parse(files)
	if err != nil {
		t.Fatal(err)
	}
	return charm
}

// State is one in which all that metadata.yaml names is there: containers that
// answer and are empty, peer relations without peers, required storages.
func (c *Charm) State() State {
	s := scene{charm: c.charm, state: State{Containers: map[string]Container{}}}
	s.complete()
	for _, container := range c.charm.Containers {
		s.state.Containers[container.Name] = Container{}
	}
	return State{Relations: s.state.Relations, Containers: s.state.Containers, Storages: s.state.Storages}
}

// ImpossibleError is a state or an event that Juju never lets a unit be in or
// see.
type ImpossibleError struct {
	// What is "state" or the event.
	What string
	Err  error
}

func (e *ImpossibleError) Error() string {
	return fmt.Sprintf("impossible %s: %s", e.What, strings.ReplaceAll(e.Err.Error(), "\n", "\n\t"))
}

// Unwrap is the reason.
func (e *ImpossibleError) Unwrap() error { return e.Err }

// Try gives the unit one event. The error is an *ImpossibleError; a hook that
// fails is in the result.
func (c *Charm) Try(ctx context.Context, charm ops.Charm, state State, event Event) (Result, error) {
	given := state.normal()
	s := &scene{charm: c.charm, state: given, event: event}
	// The relations that are added must not be in given.
	s.state.Relations = append([]Relation(nil), given.Relations...)
	s.state.Storages = append([]Storage(nil), given.Storages...)
	s.complete()
	s.version, _ = juju.ParseVersion(s.state.Juju)
	if err := s.check(); err != nil {
		return Result{}, &ImpossibleError{"state", err}
	}
	hook, err := s.due(ctx)
	if err != nil {
		return Result{}, &ImpossibleError{event.String(), err}
	}
	r := &run{scene: s}
	if err := r.containers(); err != nil {
		return Result{}, &ImpossibleError{"state", err}
	}
	if err := r.begin(hook); err != nil {
		return Result{}, err
	}
	r.dispatch(ctx, charm, given)
	return r.result, nil
}

// Run gives the unit one event. The test fails if state or event are
// impossible, if the hook fails, and for each violation.
func (c *Charm) Run(t testing.TB, charm ops.Charm, state State, event Event) Result {
	t.Helper()
	result := c.run(t, charm, state, event)
	if result.Err != nil {
		t.Fatalf("%s: hook failed: %v", event, result.Err)
	}
	return result
}

// RunFailing is Run for a hook that shall fail: the test fails if it does not.
func (c *Charm) RunFailing(t testing.TB, charm ops.Charm, state State, event Event) Result {
	t.Helper()
	result := c.run(t, charm, state, event)
	if result.Err == nil {
		t.Fatalf("%s: hook did not fail", event)
	}
	return result
}

func (c *Charm) run(t testing.TB, charm ops.Charm, state State, event Event) Result {
	t.Helper()
	result, err := c.Try(t.Context(), charm, state, event)
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range result.Violations {
		t.Errorf("%s: %s", event, violation)
	}
	return result
}

// Twice is Run, and then the same event again on what the first left, which
// must write nothing. After an event that cannot come again, such as a
// departure, it is update-status, or stop in a unit that is Dying. It returns
// the first result.
func (c *Charm) Twice(t testing.TB, charm ops.Charm, state State, event Event) Result {
	t.Helper()
	first := c.Run(t, charm, state, event)
	again := event
	second, err := c.Try(t.Context(), charm, first.State, again)
	if _, impossible := errors.AsType[*ImpossibleError](err); impossible {
		if again = UpdateStatus(); state.Dying {
			again = Stop()
		}
		second, err = c.Try(t.Context(), charm, first.State, again)
	}
	switch {
	case err != nil:
		t.Fatalf("second run: %s cannot come twice, and %s not after it (use Run): %v", event, again, err)
	case second.Err != nil:
		t.Fatalf("second run: %s: hook failed: %v", again, second.Err)
	}
	for _, write := range second.Writes {
		if !strings.HasPrefix(write, "action-") {
			t.Errorf("second run: %s wrote: %s", again, write)
		}
	}
	return first
}

// Chain runs events one after the other, each on what the one before left, as
// Run does. It returns all results.
func (c *Charm) Chain(t testing.TB, charm ops.Charm, state State, events ...Event) []Result {
	t.Helper()
	var results []Result
	for _, event := range events {
		result := c.Run(t, charm, state, event)
		results = append(results, result)
		state = result.State
	}
	return results
}
