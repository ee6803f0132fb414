package pebbletest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/canonical/x-go/strutil/shlex"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

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
	return combine(namedLayer{layer: f.plan})
}

// AddLayer implements pebble.Pebble.
func (f *Fake) AddLayer(ctx context.Context, label string, layer pebble.Layer) error {
	if err := f.write(ctx, "AddLayer", label); err != nil {
		return err
	}
	defer f.mu.Unlock()
	if label == "" {
		return badRequest("label must be set")
	}
	added := namedLayer{label, pebble.WithOverride(layer)}
	if err := f.parse(&added); err != nil {
		return badRequest("cannot parse layer YAML: %v", err)
	}
	layers := slices.Clone(f.layers)
	index := slices.IndexFunc(layers, func(l namedLayer) bool { return l.label == label })
	if index < 0 {
		layers = append(layers, added)
	} else {
		merged, err := combine(layers[index], added)
		if err != nil {
			return badRequest("%v", err)
		}
		layers[index].layer = merged
	}
	plan, err := combine(layers...)
	if err != nil {
		return badRequest("%v", err)
	}
	if err := validatePlan(plan); err != nil {
		return badRequest("%v", err)
	}
	f.layers, f.plan = layers, plan
	f.planChanged()
	return nil
}

// parse checks one layer and writes its durations as Pebble does.
func (f *Fake) parse(added *namedLayer) error {
	layer := &added.layer
	for _, name := range sortedKeys(layer.Services) {
		s := layer.Services[name]
		if err := durations(&s.BackoffDelay, &s.BackoffLimit, &s.KillDelay); err != nil {
			return fmt.Errorf("cannot parse layer %q section %q: %w", added.label, "services", err)
		}
		s.After, s.Before, s.Requires = slices.Clone(s.After), slices.Clone(s.Before), slices.Clone(s.Requires)
		s.Environment, s.OnCheckFailure = maps.Clone(s.Environment), maps.Clone(s.OnCheckFailure)
		layer.Services[name] = s
	}
	for _, name := range sortedKeys(layer.Checks) {
		c := layer.Checks[name]
		if err := durations(&c.Period, &c.Timeout); err != nil {
			return fmt.Errorf("cannot parse layer %q section %q: %w", added.label, "checks", err)
		}
		layer.Checks[name] = c
	}
	if strings.HasPrefix(added.label, "pebble-") {
		return fmt.Errorf(`cannot use reserved label prefix "pebble-"`)
	}
	for _, name := range sortedKeys(layer.Services) {
		if err := validateService(name, layer.Services[name]); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(layer.Checks) {
		if err := f.validateCheck(name, layer.Checks[name]); err != nil {
			return err
		}
	}
	return nil
}

func durations(fields ...*string) error {
	for _, field := range fields {
		if *field == "" {
			continue
		}
		duration, err := time.ParseDuration(*field)
		if err != nil {
			return fmt.Errorf("invalid duration %q", *field)
		}
		*field = duration.String()
	}
	return nil
}

func validateService(name string, s pebble.Service) error {
	switch {
	case name == "":
		return fmt.Errorf("cannot use empty string as service name")
	case name == "pebble":
		return fmt.Errorf("cannot use reserved service name %q", name)
	case strings.HasPrefix(name, "-"):
		return fmt.Errorf(`cannot use service name %q: starting with "-" not allowed`, name)
	}
	if err := validateCommand(s.Command); err != nil {
		return fmt.Errorf("plan service %q command invalid: cannot parse service %q command: %w", name, name, err)
	}
	if !validAction(s.OnSuccess, "failure-shutdown") {
		return fmt.Errorf("plan service %q on-success action %q invalid", name, s.OnSuccess)
	}
	if !validAction(s.OnFailure, "success-shutdown") {
		return fmt.Errorf("plan service %q on-failure action %q invalid", name, s.OnFailure)
	}
	for _, check := range sortedKeys(s.OnCheckFailure) {
		if action := s.OnCheckFailure[check]; !validAction(action, "success-shutdown") {
			return fmt.Errorf("plan service %q on-check-failure action %q invalid", name, action)
		}
	}
	if s.BackoffFactor != 0 && s.BackoffFactor < 1 {
		return fmt.Errorf("plan service %q backoff-factor must be 1.0 or greater, not %g", name, s.BackoffFactor)
	}
	return nil
}

func validAction(action, extra string) bool {
	return slices.Contains([]string{"", "restart", "shutdown", "ignore", extra}, action)
}

// validateCommand checks quoting and the one group of default arguments.
func validateCommand(command string) error {
	args, err := shlex.Split(command)
	if err != nil {
		return err
	}
	inside, seen := false, false
	for i, arg := range args {
		switch {
		case inside && arg == "[":
			return fmt.Errorf("cannot nest [ ... ] groups")
		case inside:
			inside = arg != "]"
		case seen:
			return fmt.Errorf("cannot have any arguments after [ ... ] group")
		case arg == "[" && i == 0:
			return fmt.Errorf("cannot start command with [ ... ] group")
		case arg == "[":
			inside, seen = true, true
		case arg == "]":
			return fmt.Errorf("cannot have ] outside of [ ... ] group")
		}
	}
	return nil
}

func (f *Fake) validateCheck(name string, c pebble.Check) error {
	switch {
	case name == "":
		return fmt.Errorf("cannot use empty string as check name")
	case !slices.Contains([]string{"", "alive", "ready"}, c.Level):
		return fmt.Errorf(`plan check %q level must be "alive" or "ready"`, name)
	case !slices.Contains([]string{"", "enabled", "disabled"}, c.Startup):
		return fmt.Errorf(`plan check %q startup must be "enabled" or "disabled"`, name)
	case c.Period == "0s":
		return fmt.Errorf("plan check %q period must not be zero", name)
	case c.Timeout == "0s":
		return fmt.Errorf("plan check %q timeout must not be zero", name)
	}
	if c.Exec != nil {
		if _, err := shlex.Split(c.Exec.Command); err != nil {
			return fmt.Errorf("plan check %q command invalid: %w", name, err)
		}
		if err := f.knownUser(c.Exec.User, ""); err != nil {
			return fmt.Errorf("plan check %q has invalid user/group: %w", name, err)
		}
	}
	return nil
}

// validatePlan checks the combined plan.
func validatePlan(plan pebble.Layer) error {
	names := sortedKeys(plan.Services)
	for _, name := range names {
		if plan.Services[name].Command == "" {
			return fmt.Errorf(`plan must define "command" for service %q`, name)
		}
	}
	for _, name := range sortedKeys(plan.Checks) {
		c := plan.Checks[name]
		kinds := 0
		if c.HTTP != nil {
			kinds++
			if c.HTTP.URL == "" {
				return fmt.Errorf(`plan must set "url" for http check %q`, name)
			}
		}
		if c.TCP != nil {
			kinds++
			if c.TCP.Port == 0 {
				return fmt.Errorf(`plan must set "port" for tcp check %q`, name)
			}
		}
		if c.Exec != nil {
			kinds++
			if c.Exec.Command == "" {
				return fmt.Errorf(`plan must set "command" for exec check %q`, name)
			}
			if _, ok := plan.Services[c.Exec.ServiceContext]; !ok && c.Exec.ServiceContext != "" {
				return fmt.Errorf("plan check %q service context specifies non-existent service %q",
					name, c.Exec.ServiceContext)
			}
		}
		if kinds != 1 {
			return fmt.Errorf(`plan must specify one of "http", "tcp", or "exec" for check %q`, name)
		}
	}
	_, err := order(plan.Services, names, false)
	return err
}

// combine lays later layers over earlier ones. Nothing is shared with them.
func combine(layers ...namedLayer) (pebble.Layer, error) {
	combined := pebble.Layer{Services: make(map[string]pebble.Service), Checks: make(map[string]pebble.Check)}
	for _, l := range layers {
		for _, name := range sortedKeys(l.layer.Services) {
			over := l.layer.Services[name]
			old, exists := combined.Services[name]
			switch {
			case over.Override != "merge" && over.Override != "replace":
				return pebble.Layer{}, fmt.Errorf(`layer %q has invalid "override" value for service %q`, l.label, name)
			case over.Override == "merge" && exists:
				combined.Services[name] = mergeService(old, over)
			default:
				combined.Services[name] = mergeService(pebble.Service{Override: over.Override}, over)
			}
		}
		for _, name := range sortedKeys(l.layer.Checks) {
			over := l.layer.Checks[name]
			old, exists := combined.Checks[name]
			switch {
			case over.Override != "merge" && over.Override != "replace":
				return pebble.Layer{}, fmt.Errorf(`layer %q has invalid "override" value for check %q`, l.label, name)
			case over.Override == "merge" && exists:
				combined.Checks[name] = mergeCheck(old, over)
			default:
				combined.Checks[name] = mergeCheck(pebble.Check{Override: over.Override}, over)
			}
		}
	}
	for name, c := range combined.Checks {
		if c.Threshold == 0 {
			c.Threshold = 3
		}
		if c.Timeout != "" && parsed(c.Timeout) > max(parsed(c.Period), 0) {
			c.Timeout = parsed(c.Period).String()
		}
		combined.Checks[name] = c
	}
	return combined, nil
}

// parsed is a check's period or timeout; "" is the period's default.
func parsed(text string) time.Duration {
	duration, err := time.ParseDuration(text)
	if err != nil {
		return 10 * time.Second
	}
	return duration
}

func mergeService(s, over pebble.Service) pebble.Service {
	overlay(&s.Summary, over.Summary)
	overlay(&s.Startup, over.Startup)
	overlay(&s.Command, over.Command)
	overlay(&s.User, over.User)
	overlay(&s.Group, over.Group)
	overlay(&s.WorkingDir, over.WorkingDir)
	overlay(&s.OnSuccess, over.OnSuccess)
	overlay(&s.OnFailure, over.OnFailure)
	overlay(&s.BackoffDelay, over.BackoffDelay)
	overlay(&s.BackoffFactor, over.BackoffFactor)
	overlay(&s.BackoffLimit, over.BackoffLimit)
	overlay(&s.KillDelay, over.KillDelay)
	s.After = append(slices.Clone(s.After), over.After...)
	s.Before = append(slices.Clone(s.Before), over.Before...)
	s.Requires = append(slices.Clone(s.Requires), over.Requires...)
	s.Environment = overlayTable(s.Environment, over.Environment)
	s.OnCheckFailure = overlayTable(s.OnCheckFailure, over.OnCheckFailure)
	return s
}

func mergeCheck(c, over pebble.Check) pebble.Check {
	overlay(&c.Level, over.Level)
	overlay(&c.Startup, over.Startup)
	overlay(&c.Period, over.Period)
	overlay(&c.Timeout, over.Timeout)
	overlay(&c.Threshold, over.Threshold)
	if over.HTTP != nil {
		var http pebble.HTTPCheck
		if c.HTTP != nil {
			http = *c.HTTP
		}
		overlay(&http.URL, over.HTTP.URL)
		http.Headers = overlayTable(http.Headers, over.HTTP.Headers)
		c.HTTP = &http
	}
	if over.TCP != nil {
		var tcp pebble.TCPCheck
		if c.TCP != nil {
			tcp = *c.TCP
		}
		overlay(&tcp.Port, over.TCP.Port)
		overlay(&tcp.Host, over.TCP.Host)
		c.TCP = &tcp
	}
	if over.Exec != nil {
		var exec pebble.ExecCheck
		if c.Exec != nil {
			exec = *c.Exec
		}
		overlay(&exec.Command, over.Exec.Command)
		overlay(&exec.ServiceContext, over.Exec.ServiceContext)
		overlay(&exec.User, over.Exec.User)
		overlay(&exec.WorkingDir, over.Exec.WorkingDir)
		exec.Environment = overlayTable(exec.Environment, over.Exec.Environment)
		c.Exec = &exec
	}
	return c
}

func overlay[T comparable](field *T, over T) {
	var zero T
	if over != zero {
		*field = over
	}
}

func overlayTable(table, over map[string]string) map[string]string {
	if len(table)+len(over) == 0 {
		return nil
	}
	merged := maps.Clone(table)
	if merged == nil {
		merged = make(map[string]string, len(over))
	}
	maps.Copy(merged, over)
	return merged
}

func sortedKeys[V any](table map[string]V) []string { return slices.Sorted(maps.Keys(table)) }
