package pebbletest

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// namedLayer is a layer that the fake was given. Nobody changes its layer.
type namedLayer struct {
	label string
	layer pebble.Layer
}

// Plan implements pebble.Pebble.
func (f *Fake) Plan(ctx context.Context) (pebble.Layer, error) {
	if err := f.read(ctx, "Plan"); err != nil {
		return pebble.Layer{}, err
	}
	defer f.mu.Unlock()
	return f.plan.Clone(), nil
}

// AddLayer implements pebble.Pebble.
func (f *Fake) AddLayer(ctx context.Context, label string, layer pebble.Layer) error {
	if err := f.write(ctx, "AddLayer", label); err != nil {
		return err
	}
	defer f.mu.Unlock()
	if err := f.tooOldFor(label, layer); err != nil {
		return err
	}
	if err := layer.Validate(label); err != nil {
		return badRequest("%v", err)
	}
	for _, name := range sortedKeys(layer.Checks) {
		if exec := layer.Checks[name].Exec; exec != nil {
			if err := f.knownUser(exec.UserID, exec.GroupID, exec.User, exec.Group); err != nil {
				return badRequest("cannot parse layer YAML: plan check %q has invalid user/group: %v", name, err)
			}
		}
	}
	added := pebble.WithOverride(layer).Clone()
	spell(added)
	layers := slices.Clone(f.layers)
	index := slices.IndexFunc(layers, func(l namedLayer) bool { return l.label == label })
	if index < 0 {
		if err := insertable(layers, label); err != nil {
			return err
		}
		layers = append(layers, namedLayer{label, added})
	} else {
		layers[index].layer = pebble.Combine(layers[index].layer, added)
	}
	inOrder := make([]pebble.Layer, 0, len(layers))
	for _, l := range layers {
		inOrder = append(inOrder, l.layer)
	}
	plan := pebble.Combine(inOrder...)
	if err := pebble.ValidatePlan(plan); err != nil {
		return badRequest("%v", err)
	}
	f.layers = layers
	f.setPlan(plan)
	f.planChanged()
	return nil
}

// insertable refuses a layer whose place is not the last one: those with the
// same label before the slash are kept together, in the daemon's directory of
// layers.
func insertable(layers []namedLayer, label string) error {
	dir, _, _ := strings.Cut(label, "/")
	for i, l := range slices.Backward(layers) {
		if other, _, _ := strings.Cut(l.label, "/"); other == dir {
			if i != len(layers)-1 {
				return serverError("cannot insert sub-directory layer without 'inner' attribute set")
			}
			break
		}
	}
	return nil
}

func (f *Fake) setPlan(plan pebble.Layer) {
	f.plan = plan
	f.serviceNames, f.checkNames = sortedKeys(plan.Services), sortedKeys(plan.Checks)
}

// spell writes durations as Pebble does.
func spell(layer pebble.Layer) {
	for name, s := range layer.Services {
		durations(&s.BackoffDelay, &s.BackoffLimit, &s.KillDelay)
		layer.Services[name] = s
	}
	for name, c := range layer.Checks {
		durations(&c.Period, &c.Timeout)
		layer.Checks[name] = c
	}
}

func durations(fields ...*string) {
	for _, field := range fields {
		if duration, err := time.ParseDuration(*field); err == nil {
			*field = duration.String()
		}
	}
}

// planChanged starts new and changed checks, as the daemon does at once. As
// there, one that was stopped starts again, and one that becomes disabled
// while it runs runs on as it was.
func (f *Fake) planChanged() {
	for _, name := range f.checkNames {
		config := f.effective(name)
		known := f.checks[name]
		switch {
		case known == nil || !known.active():
			f.startCheck(name, config, config.Startup != "disabled")
		case reflect.DeepEqual(known.config, config):
		case config.Startup == "disabled" && known.config.Startup != "disabled":
		default:
			f.startCheck(name, config, true)
		}
	}
}

// withDefaults is the table, and what only the defaults have.
func withDefaults(table, defaults map[string]string) map[string]string {
	merged := maps.Clone(defaults)
	if merged == nil {
		merged = make(map[string]string, len(table))
	}
	maps.Copy(merged, table)
	return merged
}

// overlay sets a field that is not set.
func overlay[T comparable](field *T, otherwise T) {
	var zero T
	if *field == zero {
		*field = otherwise
	}
}

func sortedKeys[V any](table map[string]V) []string { return slices.Sorted(maps.Keys(table)) }
