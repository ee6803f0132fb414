package pulsar

import (
	"maps"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// merge is one plan of several. Databags of the same relation hold the keys of
// all, since a plan names a databag's whole content; no key belongs to two.
func merge(plans ...ops.Plan) ops.Plan {
	merged := ops.Plan{Containers: map[string]pebble.Desired{}}
	for _, plan := range plans {
		maps.Copy(merged.Containers, plan.Containers)
		merged.Steps = append(merged.Steps, plan.Steps...)
		merged.Statuses = append(merged.Statuses, plan.Statuses...)
		for _, bag := range plan.Databags {
			merged.Databags = mergeBag(merged.Databags, bag)
		}
	}
	return merged
}

func mergeBag(bags []ops.Databag, bag ops.Databag) []ops.Databag {
	for i, have := range bags {
		if have.Relation == bag.Relation && have.App == bag.App {
			bags[i].Data = maps.Clone(have.Data)
			maps.Copy(bags[i].Data, bag.Data)
			return bags
		}
	}
	return append(bags, bag)
}

// summary puts a wrong option first, and makes one line of what is well with
// both halves.
func summary(problem string, statuses []juju.Status) []juju.Status {
	if problem != "" {
		statuses = append([]juju.Status{ops.Blocked(problem)}, statuses...)
	}
	var messages []string
	for _, status := range statuses {
		if status.Name != juju.Active {
			return statuses
		}
		if status.Message != "" {
			messages = append(messages, status.Message)
		}
	}
	return []juju.Status{ops.Active(strings.Join(messages, "; "))}
}
