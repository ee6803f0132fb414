package pebble

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Layer is a configuration layer, or the combined plan.
type Layer struct {
	Summary     string               `yaml:"summary,omitempty"`
	Description string               `yaml:"description,omitempty"`
	Services    map[string]Service   `yaml:"services,omitempty"`
	Checks      map[string]Check     `yaml:"checks,omitempty"`
	LogTargets  map[string]LogTarget `yaml:"log-targets,omitempty"`
}

// Service is one service of a layer. AddLayer sends Override "replace" if it
// is empty; in the combined plan it means nothing. With "merge" what is set
// lies over the service of earlier layers: scalars replace, lists are
// appended, tables merge by key; nothing can be taken away.
type Service struct {
	Override    string `yaml:"override,omitempty"`
	Summary     string `yaml:"summary,omitempty"`
	Description string `yaml:"description,omitempty"`
	Startup     string `yaml:"startup,omitempty"` // "enabled" or "disabled"
	// Command may end in default arguments: "server [ --verbose ]".
	Command string `yaml:"command,omitempty"`
	// After and Before are only order; Requires starts the others too.
	After       []string          `yaml:"after,omitempty"`
	Before      []string          `yaml:"before,omitempty"`
	Requires    []string          `yaml:"requires,omitempty"`
	Environment map[string]string `yaml:"environment,omitempty"`
	// UserID and GroupID go with or instead of the names; nil: not set.
	UserID     *int   `yaml:"user-id,omitempty"`
	User       string `yaml:"user,omitempty"`
	GroupID    *int   `yaml:"group-id,omitempty"`
	Group      string `yaml:"group,omitempty"`
	WorkingDir string `yaml:"working-dir,omitempty"`
	// OnSuccess and OnFailure: "restart" (default), "shutdown", "ignore", and
	// "failure-shutdown" or "success-shutdown".
	OnSuccess      string            `yaml:"on-success,omitempty"`
	OnFailure      string            `yaml:"on-failure,omitempty"`
	OnCheckFailure map[string]string `yaml:"on-check-failure,omitempty"`
	BackoffDelay   string            `yaml:"backoff-delay,omitempty"`  // default 500ms
	BackoffFactor  float64           `yaml:"backoff-factor,omitempty"` // default 2
	BackoffLimit   string            `yaml:"backoff-limit,omitempty"`  // default 30s
	KillDelay      string            `yaml:"kill-delay,omitempty"`     // default 5s
}

// Check is one health check of a layer; exactly one of HTTP, TCP and Exec.
type Check struct {
	Override string `yaml:"override,omitempty"`
	// Level is "alive", "ready" or "": Kubernetes restarts a container with a
	// failing "alive" check; one without level it does not see.
	Level string `yaml:"level,omitempty"`
	// Startup is "enabled" (default) or "disabled"; it needs FeatureCheckControl.
	Startup   string     `yaml:"startup,omitempty"`
	Period    string     `yaml:"period,omitempty"`    // default 10s
	Timeout   string     `yaml:"timeout,omitempty"`   // default 3s; no more than the period, and below v1.10 less
	Threshold int        `yaml:"threshold,omitempty"` // failures in a row; default 3
	HTTP      *HTTPCheck `yaml:"http,omitempty"`
	TCP       *TCPCheck  `yaml:"tcp,omitempty"`
	Exec      *ExecCheck `yaml:"exec,omitempty"`
}

// HTTPCheck succeeds on a 2xx answer.
type HTTPCheck struct {
	URL     string            `yaml:"url,omitempty"`
	Headers map[string]string `yaml:"headers,omitempty"`
}

// TCPCheck succeeds if the port accepts a connection. Host "" is localhost.
type TCPCheck struct {
	Port int    `yaml:"port,omitempty"`
	Host string `yaml:"host,omitempty"`
}

// ExecCheck succeeds if the command exits with 0.
type ExecCheck struct {
	Command string `yaml:"command,omitempty"`
	// ServiceContext names a service whose environment, user and directory
	// are the defaults.
	ServiceContext string            `yaml:"service-context,omitempty"`
	Environment    map[string]string `yaml:"environment,omitempty"`
	UserID         *int              `yaml:"user-id,omitempty"`
	User           string            `yaml:"user,omitempty"`
	GroupID        *int              `yaml:"group-id,omitempty"`
	Group          string            `yaml:"group,omitempty"`
	WorkingDir     string            `yaml:"working-dir,omitempty"`
}

// LogTarget is a server that services' logs are forwarded to.
type LogTarget struct {
	Override string `yaml:"override,omitempty"`
	Type     string `yaml:"type,omitempty"` // "loki", "opentelemetry" or "syslog"
	Location string `yaml:"location,omitempty"`
	// Services are names, "all", and each with a "-" before it to take it out
	// again; the last that fits decides. Empty: none.
	Services []string `yaml:"services,omitempty"`
	// Labels may hold $NAME of a service's environment; names that begin with
	// pebble_ are Pebble's.
	Labels map[string]string `yaml:"labels,omitempty"`
}

// WithOverride is the layer with "replace" wherever an override is empty,
// which Pebble would refuse. AddLayer sends this.
func WithOverride(layer Layer) Layer {
	services := make(map[string]Service, len(layer.Services))
	for name, service := range layer.Services {
		service.Override = cmp.Or(service.Override, "replace")
		services[name] = service
	}
	checks := make(map[string]Check, len(layer.Checks))
	for name, check := range layer.Checks {
		check.Override = cmp.Or(check.Override, "replace")
		checks[name] = check
	}
	targets := make(map[string]LogTarget, len(layer.LogTargets))
	for name, target := range layer.LogTargets {
		target.Override = cmp.Or(target.Override, "replace")
		targets[name] = target
	}
	layer.Services, layer.Checks, layer.LogTargets = services, checks, targets
	return layer
}

// Combine lays later layers over earlier ones as Pebble does, and fills in
// what Pebble's combined plan shows of defaults. The result shares nothing
// with the layers. An override other than "merge" replaces.
func Combine(layers ...Layer) Layer {
	combined := Layer{
		Services:   make(map[string]Service),
		Checks:     make(map[string]Check),
		LogTargets: make(map[string]LogTarget),
	}
	for _, layer := range layers {
		for name, over := range layer.Services {
			combineInto(combined.Services, name, over, over.Override, Service{Override: over.Override}, mergeService)
		}
		for name, over := range layer.Checks {
			combineInto(combined.Checks, name, over, over.Override, Check{Override: over.Override}, mergeCheck)
		}
		for name, over := range layer.LogTargets {
			combineInto(combined.LogTargets, name, over, over.Override, LogTarget{Override: over.Override}, mergeLogTarget)
		}
	}
	for name, c := range combined.Checks {
		c.Threshold = cmp.Or(c.Threshold, 3)
		// A timeout that is not set stays so, and is never above the period.
		if period := parseDuration(c.Period, 10*time.Second); parseDuration(c.Timeout, 0) > period {
			c.Timeout = period.String()
		}
		combined.Checks[name] = c
	}
	return combined
}

func combineInto[T any](table map[string]T, name string, over T, override string, empty T, merge func(T, T) T) {
	if old, ok := table[name]; ok && override == "merge" {
		table[name] = merge(old, over)
		return
	}
	table[name] = merge(empty, over)
}

func mergeService(s, over Service) Service {
	overlay(&s.Summary, over.Summary)
	overlay(&s.Description, over.Description)
	overlay(&s.Startup, over.Startup)
	overlay(&s.Command, over.Command)
	overlayID(&s.UserID, over.UserID)
	overlay(&s.User, over.User)
	overlayID(&s.GroupID, over.GroupID)
	overlay(&s.Group, over.Group)
	overlay(&s.WorkingDir, over.WorkingDir)
	overlay(&s.OnSuccess, over.OnSuccess)
	overlay(&s.OnFailure, over.OnFailure)
	overlay(&s.BackoffDelay, over.BackoffDelay)
	overlay(&s.BackoffFactor, over.BackoffFactor)
	overlay(&s.BackoffLimit, over.BackoffLimit)
	overlay(&s.KillDelay, over.KillDelay)
	s.After = appended(s.After, over.After)
	s.Before = appended(s.Before, over.Before)
	s.Requires = appended(s.Requires, over.Requires)
	s.Environment = overlayTable(s.Environment, over.Environment)
	s.OnCheckFailure = overlayTable(s.OnCheckFailure, over.OnCheckFailure)
	return s
}

func mergeCheck(c, over Check) Check {
	overlay(&c.Level, over.Level)
	overlay(&c.Startup, over.Startup)
	overlay(&c.Period, over.Period)
	overlay(&c.Timeout, over.Timeout)
	overlay(&c.Threshold, over.Threshold)
	if over.HTTP != nil {
		http := deref(c.HTTP)
		overlay(&http.URL, over.HTTP.URL)
		http.Headers = overlayTable(http.Headers, over.HTTP.Headers)
		c.HTTP = &http
	}
	if over.TCP != nil {
		tcp := deref(c.TCP)
		overlay(&tcp.Port, over.TCP.Port)
		overlay(&tcp.Host, over.TCP.Host)
		c.TCP = &tcp
	}
	if over.Exec != nil {
		exec := deref(c.Exec)
		overlay(&exec.Command, over.Exec.Command)
		overlay(&exec.ServiceContext, over.Exec.ServiceContext)
		overlayID(&exec.UserID, over.Exec.UserID)
		overlay(&exec.User, over.Exec.User)
		overlayID(&exec.GroupID, over.Exec.GroupID)
		overlay(&exec.Group, over.Exec.Group)
		overlay(&exec.WorkingDir, over.Exec.WorkingDir)
		exec.Environment = overlayTable(exec.Environment, over.Exec.Environment)
		c.Exec = &exec
	}
	return c
}

func mergeLogTarget(t, over LogTarget) LogTarget {
	overlay(&t.Type, over.Type)
	overlay(&t.Location, over.Location)
	t.Services = appended(t.Services, over.Services)
	t.Labels = overlayTable(t.Labels, over.Labels)
	return t
}

func deref[T any](pointer *T) T {
	var zero T
	if pointer == nil {
		return zero
	}
	return *pointer
}

func overlay[T comparable](field *T, over T) {
	var zero T
	if over != zero {
		*field = over
	}
}

func overlayID(field **int, over *int) {
	if over == nil {
		over = *field
	}
	*field = clonePointer(over)
}

func appended(list, over []string) []string {
	if len(list)+len(over) == 0 {
		return nil
	}
	return slices.Concat(list, over)
}

func overlayTable(table, over map[string]string) map[string]string {
	if len(table)+len(over) == 0 {
		return nil
	}
	if table == nil {
		return maps.Clone(over)
	}
	merged := maps.Clone(table)
	maps.Copy(merged, over)
	return merged
}

// Clone is a copy that shares nothing with l.
func (l Layer) Clone() Layer {
	services := make(map[string]Service, len(l.Services))
	for name, s := range l.Services {
		services[name] = s.clone()
	}
	checks := make(map[string]Check, len(l.Checks))
	for name, c := range l.Checks {
		checks[name] = c.clone()
	}
	targets := make(map[string]LogTarget, len(l.LogTargets))
	for name, t := range l.LogTargets {
		t.Services, t.Labels = slices.Clone(t.Services), maps.Clone(t.Labels)
		targets[name] = t
	}
	l.Services, l.Checks, l.LogTargets = services, checks, targets
	return l
}

func (s Service) clone() Service {
	s.After, s.Before, s.Requires = slices.Clone(s.After), slices.Clone(s.Before), slices.Clone(s.Requires)
	s.Environment, s.OnCheckFailure = maps.Clone(s.Environment), maps.Clone(s.OnCheckFailure)
	s.UserID, s.GroupID = clonePointer(s.UserID), clonePointer(s.GroupID)
	return s
}

func (c Check) clone() Check {
	c.HTTP, c.TCP, c.Exec = clonePointer(c.HTTP), clonePointer(c.TCP), clonePointer(c.Exec)
	if c.HTTP != nil {
		c.HTTP.Headers = maps.Clone(c.HTTP.Headers)
	}
	if c.Exec != nil {
		c.Exec.Environment = maps.Clone(c.Exec.Environment)
		c.Exec.UserID, c.Exec.GroupID = clonePointer(c.Exec.UserID), clonePointer(c.Exec.GroupID)
	}
	return c
}

func clonePointer[T any](pointer *T) *T {
	if pointer == nil {
		return nil
	}
	return new(*pointer)
}
