package juju

import (
	"fmt"
	"strings"
)

// HookKind says why Juju runs the charm. For the hooks that exist once for
// each endpoint, storage or container it is the suffix of the hook's name.
type HookKind string

// Hooks of the unit itself.
const (
	Install               HookKind = "install"
	Start                 HookKind = "start"
	Stop                  HookKind = "stop"
	Remove                HookKind = "remove"
	ConfigChanged         HookKind = "config-changed"
	UpdateStatus          HookKind = "update-status"
	UpgradeCharm          HookKind = "upgrade-charm"
	LeaderElected         HookKind = "leader-elected"
	LeaderSettingsChanged HookKind = "leader-settings-changed" // Juju ≤ 3.x
)

// Hooks of a relation; Hook.Name is the endpoint.
const (
	RelationCreated  HookKind = "relation-created"
	RelationJoined   HookKind = "relation-joined"
	RelationChanged  HookKind = "relation-changed"
	RelationDeparted HookKind = "relation-departed"
	RelationBroken   HookKind = "relation-broken"
)

// Hooks of a storage; Hook.Name is the storage's name in metadata.yaml.
const (
	StorageAttached  HookKind = "storage-attached"
	StorageDetaching HookKind = "storage-detaching"
)

// Hooks of a workload container; Hook.Name is the container.
const (
	PebbleReady          HookKind = "pebble-ready"
	PebbleCustomNotice   HookKind = "pebble-custom-notice"   // Juju ≥ 3.4
	PebbleCheckFailed    HookKind = "pebble-check-failed"    // Juju ≥ 3.6
	PebbleCheckRecovered HookKind = "pebble-check-recovered" // Juju ≥ 3.6
)

// Hooks of a secret.
const (
	SecretChanged HookKind = "secret-changed"
	SecretRotate  HookKind = "secret-rotate"
	SecretRemove  HookKind = "secret-remove"
	SecretExpired HookKind = "secret-expired"
)

// Action is an action run; Hook.Name is the action.
const Action HookKind = "action"

// Hooks that Juju may still send in some version and that a sidecar charm
// ignores.
const (
	CollectMetrics     HookKind = "collect-metrics"
	MeterStatusChanged HookKind = "meter-status-changed"
	PreSeriesUpgrade   HookKind = "pre-series-upgrade"
	PostSeriesUpgrade  HookKind = "post-series-upgrade"
)

// plainKinds have exactly their kind as the hook's name.
var plainKinds = []HookKind{
	Install, Start, Stop, Remove, ConfigChanged, UpdateStatus, UpgradeCharm,
	LeaderElected, LeaderSettingsChanged,
	SecretChanged, SecretRotate, SecretRemove, SecretExpired,
	CollectMetrics, MeterStatusChanged, PreSeriesUpgrade, PostSeriesUpgrade,
}

// suffixKinds are <name>-<kind>. Names may themselves contain hyphens, so the
// hook is told by its suffix.
var suffixKinds = []HookKind{
	RelationCreated, RelationJoined, RelationChanged, RelationDeparted, RelationBroken,
	StorageAttached, StorageDetaching,
	PebbleReady, PebbleCustomNotice, PebbleCheckFailed, PebbleCheckRecovered,
}

// Hook is one hook or action by name.
type Hook struct {
	Kind HookKind
	// Name is the endpoint, storage, container or action; empty for the
	// other kinds.
	Name string
}

// String is the hook's name as in JUJU_HOOK_NAME, such as
// "zookeeper-relation-changed"; for an action, the action's name.
func (h Hook) String() string {
	switch {
	case h.Kind == Action:
		return h.Name
	case h.Name != "":
		return h.Name + "-" + string(h.Kind)
	}
	return string(h.Kind)
}

// DispatchPath is JUJU_DISPATCH_PATH: hooks/<hook> or actions/<action>.
func (h Hook) DispatchPath() string {
	if h.Kind == Action {
		return "actions/" + h.Name
	}
	return "hooks/" + h.String()
}

// Relation says whether the hook belongs to a relation.
func (h Hook) Relation() bool {
	switch h.Kind {
	case RelationCreated, RelationJoined, RelationChanged, RelationDeparted, RelationBroken:
		return true
	}
	return false
}

// ParseHook reads JUJU_DISPATCH_PATH. The error of a name that no rule fits
// is an UnknownHookError: a newer Juju may send hooks that do not exist yet.
func ParseHook(dispatchPath string) (Hook, error) {
	directory, name, found := strings.Cut(dispatchPath, "/")
	switch {
	case !found || name == "":
		return Hook{}, fmt.Errorf("cannot parse dispatch path %q: want hooks/<hook> or actions/<action>", dispatchPath)
	case directory == "actions":
		return Hook{Kind: Action, Name: name}, nil
	case directory != "hooks":
		return Hook{}, fmt.Errorf("cannot parse dispatch path %q: want hooks/<hook> or actions/<action>", dispatchPath)
	}
	for _, kind := range plainKinds {
		if name == string(kind) {
			return Hook{Kind: kind}, nil
		}
	}
	for _, kind := range suffixKinds {
		if prefix, ok := strings.CutSuffix(name, "-"+string(kind)); ok && prefix != "" {
			return Hook{Kind: kind, Name: prefix}, nil
		}
	}
	return Hook{}, &UnknownHookError{Hook: name}
}

// UnknownHookError is a hook that this library does not know.
type UnknownHookError struct{ Hook string }

func (e *UnknownHookError) Error() string { return fmt.Sprintf("unknown hook %q", e.Hook) }
