package opstest

import (
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// State is all that a unit finds, and what it leaves. It is a plain value, and
// no run changes one: tests may share it. s := base is a copy whose fields may
// be set; a copy whose maps and slices may be written into is base.Clone().
//
// The zero State is unit 0 of one that has started, is not leader,
// has the default options, no container that answers, and what Juju always
// makes: the charm's peer relations and required storages.
type State struct {
	// App is the application; the charm's name if empty.
	App string
	// Unit is the unit's number.
	Unit int
	// Units is how many the application shall have; 0: as many as Unit and the
	// peers in Relations make necessary.
	Units int
	// Leaving are the numbers of other units that are on their way out.
	Leaving []int
	// Dying says that this unit goes away for good.
	Dying  bool
	Leader bool

	// Model is the model's name, "test" if empty; ModelUUID is made from it.
	Model, ModelUUID string
	// Juju is the version; model.DefaultVersion if empty. Containers have the
	// Pebble that it brings.
	Juju string
	// Trust is juju trust; CloudSpec what credential-get then shows.
	Trust     bool
	CloudSpec *hooktool.CloudSpec
	// Now is the time in the hook; the first of January 2026 if zero.
	Now time.Time

	// Config are options that the operator set: string, int, float64 or bool,
	// as config.yaml says.
	Config map[string]any
	// Resources are what resource-get prints, a path, by name.
	Resources map[string]string
	// Address is the pod's, ServiceAddress that of the application's Service;
	// empty for some. Networks are those of bindings that differ.
	Address, ServiceAddress string
	Networks                map[string]Network

	Relations []Relation
	// Containers by name. One that is not there does not answer.
	Containers map[string]Container
	Storages   []Storage
	Secrets    []Secret
	// Ports are open ones: "80/tcp", "icmp", or "80/tcp (db)" for an endpoint.
	Ports []string
	// Stored is what state-set stored.
	Stored ops.Bag
	// Status is what the charm set last; zero if never, as for AppStatus.
	Status, AppStatus juju.Status
	// Version is the workload's, as application-version-set gave it.
	Version string
}

// Relation is one relation and what is in its databags, but for the keys that
// Juju writes itself (ingress-address and the like), which are always there.
type Relation struct {
	Endpoint string
	// ID is the number in "db:3"; 0: the first that is free.
	ID int
	// App is the remote application, "remote" if empty; empty for peers.
	App string
	// ModelUUID is the remote application's model, if it is another.
	ModelUUID string
	// RemoteApp is what the remote application has written; empty for peers.
	RemoteApp ops.Bag
	// RemoteUnits are the units that have joined, by number, and what they have
	// written; of a peer relation, the other units. Juju shows none of them in
	// relation-created and relation-broken.
	RemoteUnits map[int]ops.Bag
	// Planned are the numbers of remote units that goal-state knows of and that
	// have not joined. Not for peers: see State.Units.
	Planned []int
	// LocalApp and LocalUnit are what this side has written.
	LocalApp, LocalUnit ops.Bag
	// Dying says that the relation was removed: its units depart, then it
	// breaks.
	Dying bool
}

// Container is a workload container and its Pebble. The zero Container answers
// and is empty.
type Container struct {
	// Down says that its Pebble does not answer; then all but Files in mounts
	// is lost.
	Down bool
	// Layers are in the order in which they were added. Pebble itself would
	// refuse what is refused here.
	Layers []Layer
	// Services are those that are not inactive, by name.
	Services map[string]Service
	// Checks are those that are not just up, by name.
	Checks map[string]Check
	// Files by absolute path; one that ends with a slash is a directory.
	Files map[string]File
	// Notices are custom notices, oldest first.
	Notices []pebble.Notice
	// Users exist beside root, each with a group of its name.
	Users []string
	// Missing are programs that the image does not have, as services name
	// them; all others are there.
	Missing []string

	// Execs play commands, by executable. Two states do not differ in them,
	// nor in OnStart, which may end a process that starts (see
	// pebbletest.Options).
	Execs   map[string]pebbletest.ExecHandler
	OnStart func(pebbletest.Process) *int

	// Pebble is one that the test keeps itself: a *pebbletest.Fake, or a real
	// one (see RealPebble). It holds what the fields above would say, which
	// stay empty, and keeps what hooks do to it.
	Pebble pebble.Daemon
}

// What a container holds.
type (
	Layer   = pebbletest.LabelledLayer
	Service = pebbletest.ServiceState
	Check   = pebbletest.CheckState
	File    = pebbletest.FileState
)

// Storage is a storage instance of the unit. A storage of metadata.yaml with
// too few instances here gets what it must have, but not in a Dying unit.
type Storage struct {
	Name  string
	Index int // the number in "data/0"
	// Location is its path in the charm container; empty for Juju's own choice.
	Location string
	// Pending says that it is not there yet: no tool shows it.
	Pending bool
}

// Secret is one that the unit or its application owns, or one of others that
// this unit may have been granted.
type Secret struct {
	// ID is the secret's URI without "secret:". See SecretID.
	ID string
	// Owner is an application or a unit: the own ones, one of Relations, or
	// "model" for a secret that a user added. Empty: the own application.
	Owner string
	// Label is the owner's, or this unit's own one of another's secret.
	Label       string
	Description string
	// Rotate is a policy such as "daily"; Expire a time as in RFC 3339.
	Rotate, Expire string
	// Revisions are the contents by number; the highest is the latest.
	Revisions map[int]map[string]string
	// Tracked is the revision that this unit reads; 0 if it never read it, or
	// if that revision was removed.
	Tracked int
	// Grants are who may read: of an own secret the other side of a relation,
	// of another's this application or unit.
	Grants []Grant
}

// Grant is one permission to read a secret.
type Grant struct {
	// Relation is "db" or "db:3"; empty only for secrets of the model.
	Relation string
	// Unit is the one unit that may read; empty for all of the application.
	Unit string
}

// Network are the addresses of a binding: to bind to, for others to come in
// by, and the networks (CIDR) that the unit comes from.
type Network struct{ Bind, Ingress, Egress []string }

// Result is what came of an event.
type Result struct {
	// State is what Juju and the containers hold afterwards: all that the hook
	// wrote if it succeeded; only status, version and what was done to
	// containers if it failed.
	State State
	// Err is why the hook failed: the charm's error, or Juju's refusal to keep
	// what it wrote.
	Err error
	// Environment is what the charm was told.
	Environment juju.Environment
	// Log are the lines of juju-log, "LEVEL message".
	Log []string
	// Statuses and AppStatuses are those that were set, in order.
	Statuses, AppStatuses []juju.Status
	// Writes are the calls that change something, in order: hook tools such as
	// "open-port -- 80/tcp", with what they read from their input behind
	// "<", and Pebble's such as "server: Push /etc/x". The content of secrets
	// is left out.
	Writes []string
	// Action is how the action ended.
	Action ActionResult
	// Violations are what the charm did that Juju, Pebble or the rules in
	// doc.go do not allow. Run fails the test for each.
	Violations []string
}

// ActionResult is how an action ended; Status is "completed" or "failed".
type ActionResult struct {
	Status  string
	Message string
	// Results are nested as dots in their keys say, without Juju's own
	// return-code.
	Results map[string]any
	Log     []string
}
