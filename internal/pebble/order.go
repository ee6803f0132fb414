package pebble

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// StartOrder is the order in which Pebble starts the named services and those
// that they require. Services that are not tied to each other are in order of
// name here, and start at the same time in Pebble.
func StartOrder(plan Layer, names ...string) ([]string, error) {
	return order(plan.Services, names, false)
}

// StopOrder is the order in which Pebble stops the named services and those
// that require them.
func StopOrder(plan Layer, names ...string) ([]string, error) {
	return order(plan.Services, names, true)
}

func order(services map[string]Service, names []string, stop bool) ([]string, error) {
	involved := make(map[string]bool)
	for pending := slices.Clone(names); len(pending) > 0; pending = pending[1:] {
		name := pending[0]
		if involved[name] {
			continue
		}
		s, ok := services[name]
		if !ok {
			return nil, fmt.Errorf("service %q does not exist", name)
		}
		involved[name] = true
		if !stop {
			pending = append(pending, s.Requires...)
			continue
		}
		for _, other := range sortedNames(services) {
			if slices.Contains(services[other].Requires, name) {
				pending = append(pending, other)
			}
		}
	}
	// Who goes first, for each.
	first := make(map[string]map[string]bool)
	for name := range involved {
		first[name] = make(map[string]bool)
	}
	for name := range involved {
		after, before := services[name].After, services[name].Before
		if stop {
			after, before = before, after
		}
		for _, other := range after {
			if involved[other] {
				first[name][other] = true
			}
		}
		for _, other := range before {
			if involved[other] {
				first[other][name] = true
			}
		}
	}
	ordered := make([]string, 0, len(first))
	for len(first) > 0 {
		next := slices.IndexFunc(sortedNames(first), func(name string) bool { return len(first[name]) == 0 })
		if next < 0 {
			return nil, fmt.Errorf("services in before/after loop: %s", strings.Join(loop(first), ", "))
		}
		name := sortedNames(first)[next]
		ordered = append(ordered, name)
		delete(first, name)
		for _, others := range first {
			delete(others, name)
		}
	}
	return ordered, nil
}

// loop is the first loop of the graph, by name.
func loop(first map[string]map[string]bool) []string {
	reach := func(from string) map[string]bool {
		seen := make(map[string]bool)
		for pending := sortedNames(first[from]); len(pending) > 0; pending = pending[1:] {
			if name := pending[0]; !seen[name] {
				seen[name] = true
				pending = append(pending, slices.Collect(maps.Keys(first[name]))...)
			}
		}
		return seen
	}
	for _, name := range sortedNames(first) {
		seen := reach(name)
		if !seen[name] {
			continue
		}
		var members []string
		for _, other := range sortedNames(seen) {
			if reach(other)[name] {
				members = append(members, other)
			}
		}
		return members
	}
	return nil
}
