package ops

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Sum is one plan of several parts of a charm: all their containers, databags,
// ports, steps and statuses, in the order of the parts. Parts may share a
// relation's databag, each with keys of its own (see Databag.Keys). Ports are
// nil only if they are in all parts; the version is the first that is given.
// If every part is well, the active messages become one, joined by "; ".
//
// Two parts that want the same container, or the same key of a databag, would
// undo each other's work in every hook. That is a fault of the charm's code,
// and Sum panics.
func Sum(parts ...Plan) Plan {
	var sum Plan
	for _, part := range parts {
		for name, desired := range part.Containers {
			if _, twice := sum.Containers[name]; twice {
				panic(fmt.Sprintf("two parts of a charm want container %s", name))
			}
			if sum.Containers == nil {
				sum.Containers = map[string]pebble.Desired{}
			}
			sum.Containers[name] = desired
		}
		for _, bag := range part.Databags {
			sum.Databags = addBag(sum.Databags, bag)
		}
		if part.Ports != nil && sum.Ports == nil {
			sum.Ports = []string{} // no port is another wish than none
		}
		sum.Ports = append(sum.Ports, part.Ports...)
		sum.Steps = append(sum.Steps, part.Steps...)
		sum.Statuses = append(sum.Statuses, part.Statuses...)
		sum.AppStatuses = append(sum.AppStatuses, part.AppStatuses...)
		if sum.Version == "" {
			sum.Version = part.Version
		}
	}
	slices.Sort(sum.Ports)
	sum.Ports = slices.Compact(sum.Ports)
	sum.Statuses = oneLine(sum.Statuses)
	return sum
}

func addBag(bags []Databag, bag Databag) []Databag {
	for i, have := range bags {
		if have.Relation != bag.Relation || have.App != bag.App {
			continue
		}
		for _, key := range have.Keys {
			if slices.Contains(bag.Keys, key) {
				panic(fmt.Sprintf("two parts of a charm write key %s of the databag of relation %s", key, bag.Relation))
			}
		}
		if have.Keys == nil || bag.Keys == nil {
			panic(fmt.Sprintf("a part of a charm wants the whole databag of relation %s, another a part of it", bag.Relation))
		}
		bags[i].Keys = slices.Concat(have.Keys, bag.Keys)
		data := make(Bag, len(have.Data)+len(bag.Data))
		maps.Copy(data, have.Data)
		maps.Copy(data, bag.Data)
		bags[i].Data = data
		return bags
	}
	return append(bags, bag)
}

// oneLine makes one of several statuses that are all active.
func oneLine(statuses []juju.Status) []juju.Status {
	var messages []string
	for _, status := range statuses {
		if status.Name != juju.Active {
			return statuses
		}
		if status.Message != "" {
			messages = append(messages, status.Message)
		}
	}
	if len(statuses) < 2 {
		return statuses
	}
	return []juju.Status{Active(strings.Join(messages, "; "))}
}
