package opstest

import (
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// State is what a unit finds. The zero value is unit 0 of one, not leader,
// with default options, no relation and no container that answers.
type State struct {
	// Unit is the ordinal of the unit that runs.
	Unit int
	// Units is how many the application has; 0 means Unit+1.
	Units  int
	Leader bool
	// Model is the model's name; "test" if empty.
	Model string
	// Config are the options that differ from their defaults, as given to
	// juju config.
	Config map[string]string
	// Relations, the peer relation included if there is something in it.
	Relations []Relation
	// Containers are those whose Pebble answers, by name.
	Containers map[string]*pebbletest.Fake
	// Stored is the unit's stored state.
	Stored ops.Bag
	// Secrets are the application's own secrets by label. Databag values
	// "secret-id:<label>" are replaced by the secret's id.
	Secrets map[string]map[string]string
}

// Relation is one relation and what is in its databags.
type Relation struct {
	Endpoint string
	// App is the remote application; "remote" if empty. Not for peers.
	App string
	// RemoteApp is what the remote application has written; for peers, what
	// the leader has.
	RemoteApp ops.Bag
	// RemoteUnits are the units that have joined, by ordinal, and what they
	// have written; for peers, the other units.
	RemoteUnits map[int]ops.Bag
	// LocalApp and LocalUnit are what this side has written. Not LocalApp
	// for peers: see RemoteApp.
	LocalApp, LocalUnit ops.Bag
}

// Event is what happens.
type Event struct {
	hook   string
	action string
	params map[string]any
	// remote chooses the remote unit of relation hooks.
	remote string
}

// Hook is a hook by its name, such as "config-changed" or
// "bookie-pebble-ready".
func Hook(name string) Event { return Event{hook: name} }

// RelationHook is a relation's hook for a remote unit; "" for the
// application.
func RelationHook(name, unit string) Event { return Event{hook: name, remote: unit} }

// Action is an action with its parameters.
func Action(name string, params map[string]any) Event { return Event{action: name, params: params} }

// Result is the state after the event.
type Result struct {
	// Err is why the hook failed; nil if it exited with 0 and Juju took what
	// it wrote.
	Err    error
	Status juju.Status
	// UnitData and AppData are the own databags by endpoint, without Juju's
	// own keys.
	UnitData, AppData map[string]ops.Bag
	Stored            ops.Bag
	Ports             []string
	Log               []string
	// Action is how the action ended.
	Action ActionResult
	// Writes are the calls of hook tools that change something, in order.
	Writes []string
}

// ActionResult is how an action ended; Status is "completed" or "failed".
type ActionResult struct {
	Status  string
	Message string
	Results map[string]any
}
