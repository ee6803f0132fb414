package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// ownLabel is an owner's label of a secret.
type ownLabel struct{ owner, label string }

func (m *Model) ownLabels() map[string]ownLabel {
	labels := make(map[string]ownLabel, len(m.secrets))
	for id, s := range m.secrets {
		labels[id] = ownLabel{s.Owner, s.Label}
	}
	return labels
}

// labelTaken refuses the label that an application or a unit wants for a
// secret if it is taken: a label of an application is none of its units',
// neither of what they own nor of what they read, and a unit's is none of its
// application's (Juju 3.6, state: secrets). labels are the owners'.
func (m *Model) labelTaken(by, label, secret string, labels map[string]ownLabel) error {
	app := juju.Application(by)
	concerns := func(holder string) bool {
		return holder == by || juju.Application(holder) == app && (by == app || holder == app)
	}
	taken := func(role, holder string) error {
		return fmt.Errorf("secret label %q for %s %q already exists", label, role, tagOf(holder))
	}
	if label == "" {
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(labels)) {
		if l := labels[id]; id != secret && l.label == label && concerns(l.owner) {
			return taken("owner", l.owner)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.secrets)) {
		consumers := m.secrets[id].Consumers
		for _, unit := range slices.Sorted(maps.Keys(consumers)) {
			if id != secret && consumers[unit].Label == label && concerns(unit) {
				return taken("consumer", unit)
			}
		}
	}
	return nil
}

func tagOf(name string) string {
	if strings.Contains(name, "/") {
		return juju.UnitTag(name)
	}
	return "application-" + name
}

// checkLabels refuses the labels of the hook's changes, all of which count as
// made.
func (c *Context) checkLabels() error {
	labels := c.model.ownLabels()
	changed := slices.Sorted(maps.Keys(c.secrets))
	for _, id := range changed {
		switch change := c.secrets[id]; {
		case change.removed:
			delete(labels, id)
		case change.create != nil:
			labels[id] = ownLabel{change.create.Owner, change.create.Label}
		case change.label != nil:
			labels[id] = ownLabel{labels[id].owner, *change.label}
		}
	}
	for _, id := range changed {
		l, there := labels[id]
		if s := c.model.secrets[id]; !there || s != nil && s.Label == l.label {
			continue
		}
		if err := c.model.labelTaken(l.owner, l.label, id, labels); err != nil {
			return fmt.Errorf("cannot apply changes: %w", err)
		}
	}
	return nil
}
