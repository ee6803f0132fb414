package model

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

func (t *tool) inAction() (*Action, error) {
	if t.hook.Kind != juju.Action {
		return nil, fmt.Errorf("not running an action")
	}
	return t.model.actions[t.hook.ActionID], nil
}

func (t *tool) actionGet() error {
	if err := t.output("smart", nil); err != nil {
		return err
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	a, err := t.inAction()
	if err != nil {
		return err
	}
	if len(t.args) == 0 {
		if a.Params == nil {
			return t.write(map[string]any{})
		}
		return t.write(a.Params)
	}
	var value any = a.Params
	for _, part := range strings.Split(t.args[0], ".") {
		inner, ok := value.(map[string]any)
		if !ok {
			return t.write(nil)
		}
		if value, ok = inner[part]; !ok {
			return t.write(nil)
		}
	}
	return t.write(value)
}

var resultKey = regexp.MustCompile(`^[a-z0-9](([a-z0-9-]*)?[a-z0-9])?$`)

func (t *tool) actionSet() error {
	if err := t.parse(flags{}); err != nil {
		return err
	}
	type entry struct {
		path  []string
		value string
	}
	var entries []entry
	for _, arg := range t.args {
		key, value, found := strings.Cut(arg, "=")
		if !found {
			return usage("argument %q must be of the form key...=value", arg)
		}
		path := strings.Split(key, ".")
		for _, part := range path {
			if !resultKey.MatchString(part) {
				return usage("key %q must start and end with lowercase alphanumeric, and contain only lowercase alphanumeric, hyphens and periods", part)
			}
			if slices.Contains([]string{"stdout", "stderr", "stdout-encoding", "stderr-encoding"}, part) {
				return usage("cannot set reserved action key %q", part)
			}
		}
		entries = append(entries, entry{path, value})
	}
	if _, err := t.inAction(); err != nil {
		return err
	}
	if t.results == nil {
		t.Context.results = make(map[string]any)
	}
	for _, e := range entries {
		at := t.results
		for _, part := range e.path[:len(e.path)-1] {
			inner, ok := at[part].(map[string]any)
			if !ok {
				inner = make(map[string]any)
				at[part] = inner
			}
			at = inner
		}
		at[e.path[len(e.path)-1]] = e.value
	}
	return nil
}

func (t *tool) actionFail() error {
	if err := t.parse(flags{}); err != nil {
		return err
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	message := "action failed without reason given, check action for errors"
	if len(t.args) == 1 {
		message = t.args[0]
	}
	if _, err := t.inAction(); err != nil {
		return err
	}
	t.failure = &message
	return nil
}

func (t *tool) actionLog() error {
	if err := t.parse(flags{}); err != nil {
		return err
	}
	if len(t.args) == 0 {
		return usage("no message specified")
	}
	a, err := t.inAction()
	if err != nil {
		return err
	}
	a.Log = append(a.Log, strings.Join(t.args, " "))
	t.model.change++
	return nil
}
