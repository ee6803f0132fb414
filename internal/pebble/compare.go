package pebble

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// sameService says whether the plan has the service as wanted, with the hash
// in its environment. The plan fills in no defaults of services, but writes
// durations its own way. One that merges is there if all it sets is.
func sameService(want Service, hash string, have Service) bool {
	if have.Environment[HashVariable] != hash {
		return false
	}
	if want.Override == "merge" {
		want = mergeOnce(have, want)
	}
	return cmp.Or(want.Startup, "disabled") == cmp.Or(have.Startup, "disabled") &&
		want.Summary == have.Summary &&
		want.Description == have.Description &&
		want.Command == have.Command &&
		slices.Equal(want.After, have.After) &&
		slices.Equal(want.Before, have.Before) &&
		slices.Equal(want.Requires, have.Requires) &&
		sameEnvironment(want.Environment, have.Environment) &&
		samePointer(want.UserID, have.UserID) &&
		want.User == have.User &&
		samePointer(want.GroupID, have.GroupID) &&
		want.Group == have.Group &&
		want.WorkingDir == have.WorkingDir &&
		want.OnSuccess == have.OnSuccess &&
		want.OnFailure == have.OnFailure &&
		maps.Equal(want.OnCheckFailure, have.OnCheckFailure) &&
		sameDuration(want.BackoffDelay, have.BackoffDelay) &&
		want.BackoffFactor == have.BackoffFactor &&
		sameDuration(want.BackoffLimit, have.BackoffLimit) &&
		sameDuration(want.KillDelay, have.KillDelay)
}

// mergeOnce merges what the base does not have yet: Pebble appends to lists
// each time.
func mergeOnce(base, over Service) Service {
	over.After = missing(base.After, over.After)
	over.Before = missing(base.Before, over.Before)
	over.Requires = missing(base.Requires, over.Requires)
	return mergeService(base, over)
}

func missing(have, want []string) []string {
	return slices.DeleteFunc(slices.Clone(want), func(name string) bool { return slices.Contains(have, name) })
}

// sameEnvironment leaves HashVariable out of account.
func sameEnvironment(want, have map[string]string) bool {
	count := func(table map[string]string) int {
		if _, ok := table[HashVariable]; ok {
			return len(table) - 1
		}
		return len(table)
	}
	if count(want) != count(have) {
		return false
	}
	for key, value := range want {
		if other, ok := have[key]; key != HashVariable && (!ok || other != value) {
			return false
		}
	}
	return true
}

// sameCheck says whether the plan has the check as wanted. The plan shows some
// of Pebble's defaults, and a timeout never beyond the period.
func sameCheck(want, have Check) bool {
	if want.Override == "merge" {
		want = mergeCheck(have, want)
	}
	period, otherPeriod := parseDuration(want.Period, 10*time.Second), parseDuration(have.Period, 10*time.Second)
	return want.Level == have.Level &&
		cmp.Or(want.Startup, "enabled") == cmp.Or(have.Startup, "enabled") &&
		period == otherPeriod &&
		min(period, parseDuration(want.Timeout, 3*time.Second)) == min(period, parseDuration(have.Timeout, 3*time.Second)) &&
		cmp.Or(want.Threshold, 3) == cmp.Or(have.Threshold, 3) &&
		sameHTTP(want.HTTP, have.HTTP) &&
		samePointer(want.TCP, have.TCP) &&
		sameExec(want.Exec, have.Exec)
}

func sameHTTP(want, have *HTTPCheck) bool {
	if want == nil || have == nil {
		return want == have
	}
	return want.URL == have.URL && maps.Equal(want.Headers, have.Headers)
}

func sameExec(want, have *ExecCheck) bool {
	if want == nil || have == nil {
		return want == have
	}
	return want.Command == have.Command &&
		want.ServiceContext == have.ServiceContext &&
		maps.Equal(want.Environment, have.Environment) &&
		samePointer(want.UserID, have.UserID) &&
		want.User == have.User &&
		samePointer(want.GroupID, have.GroupID) &&
		want.Group == have.Group &&
		want.WorkingDir == have.WorkingDir
}

// sameLogTarget says whether the plan has the log target as wanted.
func sameLogTarget(want, have LogTarget) bool {
	if want.Override == "merge" {
		want.Services = missing(have.Services, want.Services)
		want = mergeLogTarget(have, want)
	}
	return want.Type == have.Type &&
		want.Location == have.Location &&
		slices.Equal(want.Services, have.Services) &&
		maps.Equal(want.Labels, have.Labels)
}

func samePointer[T comparable](want, have *T) bool {
	if want == nil || have == nil {
		return want == have
	}
	return *want == *have
}

func sameDuration(want, have string) bool {
	return want == have || normalDuration(want) == normalDuration(have)
}

func normalList(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

func normalDuration(text string) string {
	if text == "" {
		return text
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		return text
	}
	return duration.String()
}

func parseDuration(text string, otherwise time.Duration) time.Duration {
	if text == "" {
		return otherwise
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		return otherwise
	}
	return duration
}
