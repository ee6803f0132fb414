package opstest

import (
	"fmt"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Event is what happens to the unit. The functions of this file make them.
type Event struct {
	hook juju.Hook
	// object is what the hook is about: a remote unit, a storage, a notice's
	// key, a check or a secret.
	object    string
	relation  int
	revision  int
	params    map[string]any
	restarted bool
}

// String is the hook and its object.
func (e Event) String() string {
	return strings.TrimSpace(e.hook.String() + " " + e.object)
}

func plain(kind juju.HookKind) Event { return Event{hook: juju.Hook{Kind: kind}} }

func named(kind juju.HookKind, name, object string) Event {
	return Event{hook: juju.Hook{Kind: kind, Name: name}, object: object}
}

// Install is a unit's first hook: it sees no relation yet.
func Install() Event { return plain(juju.Install) }

// LeaderElected needs State.Leader. Do not rely on it: Juju may never run it.
func LeaderElected() Event { return plain(juju.LeaderElected) }

// LeaderSettingsChanged is of Juju before 4, for units that do not lead.
func LeaderSettingsChanged() Event { return plain(juju.LeaderSettingsChanged) }

// ConfigChanged runs before the first start, in each new pod, and whenever
// options, trust or the Service's address changed.
func ConfigChanged() Event { return plain(juju.ConfigChanged) }

// Start runs after the first config-changed and whenever the agent started.
func Start() Event { return plain(juju.Start) }

// UpgradeCharm runs after a refresh and in each new pod.
func UpgradeCharm() Event { return plain(juju.UpgradeCharm) }

// UpdateStatus is the hook that comes every few minutes.
func UpdateStatus() Event { return plain(juju.UpdateStatus) }

// Stop runs when the pod ends, and, with State.Dying, when the unit does.
func Stop() Event { return plain(juju.Stop) }

// Remove is a unit's last hook; it needs State.Dying.
func Remove() Event { return plain(juju.Remove) }

// RelationCreated is the first hook of a relation: no unit has joined.
func RelationCreated(endpoint string) Event { return named(juju.RelationCreated, endpoint, "") }

// RelationJoined is of a remote unit, which is in the state's RemoteUnits.
func RelationJoined(endpoint, unit string) Event {
	return named(juju.RelationJoined, endpoint, unit)
}

// RelationChanged is of a remote unit's databag.
func RelationChanged(endpoint, unit string) Event {
	return named(juju.RelationChanged, endpoint, unit)
}

// RelationAppChanged is of the remote application's databag; in a peer
// relation of the own one, and the leader hears of its own writes too.
func RelationAppChanged(endpoint string) Event { return named(juju.RelationChanged, endpoint, "") }

// RelationDeparted is of a remote unit, which is in the state's RemoteUnits. In
// a unit that is Dying, it is that unit's own departure.
func RelationDeparted(endpoint, unit string) Event {
	return named(juju.RelationDeparted, endpoint, unit)
}

// RelationBroken is the last hook of a relation: all units have departed.
func RelationBroken(endpoint string) Event { return named(juju.RelationBroken, endpoint, "") }

// In chooses a relation by its id where the endpoint has several that the
// event could be of.
func (e Event) In(relation int) Event {
	e.relation = relation
	return e
}

// AfterRestart lets the agent have been started anew before: a
// relation-broken then knows no remote application, Juju lists the relation no
// more if it is Dying, and a Dying unit gets the hook for peer relations too.
func (e Event) AfterRestart() Event {
	e.restarted = true
	return e
}

// StorageAttached is of a storage instance such as "data/0".
func StorageAttached(id string) Event { return storage(juju.StorageAttached, id) }

// StorageDetaching is of a storage instance such as "data/0".
func StorageDetaching(id string) Event { return storage(juju.StorageDetaching, id) }

func storage(kind juju.HookKind, id string) Event {
	name, _, _ := strings.Cut(id, "/")
	return named(kind, name, id)
}

// PebbleReady says that a container's Pebble answers.
func PebbleReady(container string) Event { return named(juju.PebbleReady, container, "") }

// CustomNotice is of a notice that the container has. Juju ≥ 3.4.
func CustomNotice(container, key string) Event {
	return named(juju.PebbleCustomNotice, container, key)
}

// CheckFailed is of a check of the container's plan that is down. Juju ≥ 3.6.
func CheckFailed(container, check string) Event {
	return named(juju.PebbleCheckFailed, container, check)
}

// CheckRecovered is of a check of the container's plan that is not down. Juju
// ≥ 3.6.
func CheckRecovered(container, check string) Event {
	return named(juju.PebbleCheckRecovered, container, check)
}

// SecretChanged tells that another's secret has a newer revision than the one
// that the unit tracks. A secret is named by its label, id or URI.
func SecretChanged(secret string) Event { return ofSecret(juju.SecretChanged, secret, 0) }

// SecretRotate tells the owner that it is time for another content.
func SecretRotate(secret string) Event { return ofSecret(juju.SecretRotate, secret, 0) }

// SecretExpired tells the owner that a revision is over.
func SecretExpired(secret string, revision int) Event {
	return ofSecret(juju.SecretExpired, secret, revision)
}

// SecretRemove tells the owner that nobody reads a revision any more.
func SecretRemove(secret string, revision int) Event {
	return ofSecret(juju.SecretRemove, secret, revision)
}

func ofSecret(kind juju.HookKind, secret string, revision int) Event {
	return Event{hook: juju.Hook{Kind: kind}, object: secret, revision: revision}
}

// Action is an action that an operator runs.
func Action(name string, params map[string]any) Event {
	return Event{hook: juju.Hook{Kind: juju.Action, Name: name}, params: params}
}

// relationID is a relation's id as Juju writes it.
func relationID(endpoint string, id int) string { return fmt.Sprintf("%s:%d", endpoint, id) }
