package pebble

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/canonical/x-go/strutil/shlex"
)

// Validate is what Pebble would say against the layer by itself, in Pebble's
// words (v1.32.1), or nil. Users and groups only the daemon knows.
func (l Layer) Validate(label string) error {
	if label == "" {
		return errors.New("label must be set")
	}
	if err := l.parses(label); err != nil {
		return fmt.Errorf("cannot parse layer YAML: %w", err)
	}
	return l.overrides(label)
}

// parses is what Pebble checks when it reads the YAML.
func (l Layer) parses(label string) error {
	for _, name := range sortedNames(l.Services) {
		s := l.Services[name]
		if err := durations(s.BackoffDelay, s.BackoffLimit, s.KillDelay); err != nil {
			return fmt.Errorf("cannot parse layer %q section %q: %w", label, "services", err)
		}
	}
	for _, name := range sortedNames(l.Checks) {
		c := l.Checks[name]
		if err := durations(c.Period, c.Timeout); err != nil {
			return fmt.Errorf("cannot parse layer %q section %q: %w", label, "checks", err)
		}
	}
	if strings.HasPrefix(label, "pebble-") {
		return errors.New(`cannot use reserved label prefix "pebble-"`)
	}
	for _, name := range sortedNames(l.Services) {
		if err := validateService(name, l.Services[name]); err != nil {
			return err
		}
	}
	for _, name := range sortedNames(l.Checks) {
		if err := validateCheck(name, l.Checks[name]); err != nil {
			return err
		}
	}
	for _, name := range sortedNames(l.LogTargets) {
		if err := validateLogTarget(name, l.LogTargets[name]); err != nil {
			return err
		}
	}
	return nil
}

func (l Layer) overrides(label string) error {
	known := func(override string) bool { return slices.Contains([]string{"", "merge", "replace"}, override) }
	for _, name := range sortedNames(l.Services) {
		if !known(l.Services[name].Override) {
			return fmt.Errorf(`layer %q has invalid "override" value for service %q`, label, name)
		}
	}
	for _, name := range sortedNames(l.Checks) {
		if !known(l.Checks[name].Override) {
			return fmt.Errorf(`layer %q has invalid "override" value for check %q`, label, name)
		}
	}
	for _, name := range sortedNames(l.LogTargets) {
		if !known(l.LogTargets[name].Override) {
			return fmt.Errorf(`layer %q has invalid "override" value for log target %q`, label, name)
		}
	}
	return nil
}

func durations(fields ...string) error {
	for _, field := range fields {
		if _, err := time.ParseDuration(field); err != nil && field != "" {
			return fmt.Errorf("invalid duration %q", field)
		}
	}
	return nil
}

func validateService(name string, s Service) error {
	switch {
	case name == "":
		return errors.New("cannot use empty string as service name")
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
	for _, check := range sortedNames(s.OnCheckFailure) {
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
			return errors.New("cannot nest [ ... ] groups")
		case inside:
			inside = arg != "]"
		case seen:
			return errors.New("cannot have any arguments after [ ... ] group")
		case arg == "[" && i == 0:
			return errors.New("cannot start command with [ ... ] group")
		case arg == "[":
			inside, seen = true, true
		case arg == "]":
			return errors.New("cannot have ] outside of [ ... ] group")
		}
	}
	return nil
}

func validateCheck(name string, c Check) error {
	zero := func(text string) bool {
		duration, err := time.ParseDuration(text)
		return err == nil && duration == 0
	}
	switch {
	case name == "":
		return errors.New("cannot use empty string as check name")
	case !slices.Contains([]string{"", "alive", "ready"}, c.Level):
		return fmt.Errorf(`plan check %q level must be "alive" or "ready"`, name)
	case !slices.Contains([]string{"", "enabled", "disabled"}, c.Startup):
		return fmt.Errorf(`plan check %q startup must be "enabled" or "disabled"`, name)
	case zero(c.Period):
		return fmt.Errorf("plan check %q period must not be zero", name)
	case zero(c.Timeout):
		return fmt.Errorf("plan check %q timeout must not be zero", name)
	}
	if c.Exec != nil {
		if _, err := shlex.Split(c.Exec.Command); err != nil {
			return fmt.Errorf("plan check %q command invalid: %w", name, err)
		}
	}
	return nil
}

func validateLogTarget(name string, t LogTarget) error {
	for _, label := range sortedNames(t.Labels) {
		if strings.HasPrefix(label, "pebble_") {
			return fmt.Errorf(`log target %q: label %q uses reserved prefix "pebble_"`, name, label)
		}
	}
	if !slices.Contains([]string{"", "loki", "opentelemetry", "syslog"}, t.Type) {
		return fmt.Errorf(`log target %q has unsupported type %q, must be "loki", "opentelemetry" or "syslog"`, name, t.Type)
	}
	return nil
}

// ValidatePlan is what Pebble would say against the combined plan, in Pebble's
// words, or nil.
func ValidatePlan(plan Layer) error {
	for _, name := range sortedNames(plan.Services) {
		if plan.Services[name].Command == "" {
			return fmt.Errorf(`plan must define "command" for service %q`, name)
		}
	}
	for _, name := range sortedNames(plan.Checks) {
		if err := validatePlanCheck(plan, name, plan.Checks[name]); err != nil {
			return err
		}
	}
	for _, name := range sortedNames(plan.LogTargets) {
		target := plan.LogTargets[name]
		if target.Type == "" {
			return fmt.Errorf(`plan must define "type" ("loki", "opentelemetry" or "syslog") for log target %q`, name)
		}
		for _, service := range target.Services {
			service = strings.TrimPrefix(service, "-")
			if _, ok := plan.Services[service]; !ok && service != "all" {
				return fmt.Errorf("log target %q specifies unknown service %q", name, service)
			}
		}
		if target.Location == "" {
			return fmt.Errorf(`plan must define "location" for log target %q`, name)
		}
	}
	_, err := StartOrder(plan, sortedNames(plan.Services)...)
	return err
}

func validatePlanCheck(plan Layer, name string, c Check) error {
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
			return fmt.Errorf("plan check %q service context specifies non-existent service %q", name, c.Exec.ServiceContext)
		}
	}
	if kinds != 1 {
		return fmt.Errorf(`plan must specify one of "http", "tcp", or "exec" for check %q`, name)
	}
	return nil
}

func sortedNames[V any](table map[string]V) []string { return slices.Sorted(maps.Keys(table)) }
