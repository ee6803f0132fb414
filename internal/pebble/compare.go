package pebble

import (
	"maps"
	"reflect"
	"slices"
	"time"
)

// sameService says whether the plan has the service as wanted. The plan fills
// in no defaults of services, but writes durations its own way.
func sameService(want, have Service) bool {
	return reflect.DeepEqual(normalService(want), normalService(have))
}

func normalService(s Service) Service {
	// A layer says how to combine; the plan's word for it is no property.
	s.Override = ""
	if s.Startup == "" {
		s.Startup = "disabled"
	}
	s.After, s.Before, s.Requires = normalList(s.After), normalList(s.Before), normalList(s.Requires)
	s.Environment, s.OnCheckFailure = normalTable(s.Environment), normalTable(s.OnCheckFailure)
	s.BackoffDelay = normalDuration(s.BackoffDelay)
	s.BackoffLimit = normalDuration(s.BackoffLimit)
	s.KillDelay = normalDuration(s.KillDelay)
	return s
}

// sameCheck says whether the plan has the check as wanted.
func sameCheck(want, have Check) bool {
	return reflect.DeepEqual(normalCheck(want), normalCheck(have))
}

// normalCheck fills in Pebble's defaults: the plan shows some of them, and a
// timeout never beyond the period.
func normalCheck(c Check) Check {
	c.Override = ""
	if c.Startup == "" {
		c.Startup = "enabled"
	}
	period := parseDuration(c.Period, 10*time.Second)
	timeout := min(parseDuration(c.Timeout, 3*time.Second), period)
	c.Period, c.Timeout = period.String(), timeout.String()
	if c.Threshold == 0 {
		c.Threshold = 3
	}
	if c.HTTP != nil {
		http := *c.HTTP
		http.Headers = normalTable(http.Headers)
		c.HTTP = &http
	}
	if c.Exec != nil {
		exec := *c.Exec
		exec.Environment = normalTable(exec.Environment)
		c.Exec = &exec
	}
	return c
}

func normalList(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return slices.Clone(list)
}

func normalTable(table map[string]string) map[string]string {
	if len(table) == 0 {
		return nil
	}
	return maps.Clone(table)
}

func normalDuration(text string) string {
	duration, err := time.ParseDuration(text)
	if err != nil {
		return text
	}
	return duration.String()
}

func parseDuration(text string, otherwise time.Duration) time.Duration {
	duration, err := time.ParseDuration(text)
	if err != nil {
		return otherwise
	}
	return duration
}
