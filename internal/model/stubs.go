package model

import "github.com/pulsar-charms/pulsar-charms/internal/juju"

// Options describe a new model.
type Options struct {
	Name string
	// UUID is made from Name if empty.
	UUID string
	// Version is Juju's; "3.6.8" if empty.
	Version string
	// NoRetry switches off Juju's automatic retry of failed hooks.
	NoRetry bool
	// ClusterDomain is juju.DefaultClusterDomain if empty.
	ClusterDomain string
}

// Model is the whole of a Juju model with its agents' state. The zero value is
// of no use; see New. It can be marshalled to JSON and back. Contexts of
// running hooks are not part of that: after reading a model back, call PodUp
// for each agent that is still there (its agent was restarted).
type Model struct{}

// New makes an empty model.
func New(o Options) *Model { return nil }

// DeployArgs describe a new application. App defaults to the charm's name.
// Resources are name → whatever the driver understands.
type DeployArgs struct {
	App       string
	Charm     *Charm
	Units     int
	Config    map[string]string
	Trust     bool
	Resources map[string]string
}

// Deploy adds an application with its peer relations, its units and their
// storages (not yet provisioned). The first unit is made leader.
func (m *Model) Deploy(args DeployArgs) error { return nil }

// Refresh gives the application another revision of its charm. Agents keep the
// old one until their pod is replaced: see OutdatedPods.
func (m *Model) Refresh(app string, charm *Charm, resources map[string]string) error { return nil }

// Relation is a relation as juju status --relations shows it.
type Relation struct {
	ID        int
	Provider  string // "app:endpoint"; of a peer relation both are the same
	Requirer  string
	Interface string
	Peer      bool
	Life      string // alive or dying
}

// Integrate adds a relation; a and b are "app" or "app:endpoint". The errors
// are juju's: ambiguous, none, quota, exists.
func (m *Model) Integrate(a, b string) (Relation, error) { return Relation{}, nil }

// RemoveRelation makes a relation die; it is gone when all units left it.
func (m *Model) RemoveRelation(a, b string) error { return nil }

// Scale sets the number of units. New units are made at once; of the old ones
// the highest ordinals begin to die.
func (m *Model) Scale(app string, units int) error { return nil }

// RemoveUnits lowers the scale by n.
func (m *Model) RemoveUnits(app string, n int) error { return nil }

// RemoveApplication makes the application, its relations and units die. With
// force it is gone at once, hooks or not.
func (m *Model) RemoveApplication(app string, force bool) error { return nil }

// SetConfig sets and resets options ("trust" is one of them), all or none.
func (m *Model) SetConfig(app string, set map[string]string, reset []string) error { return nil }

// Setting is one option as juju config shows it; Source is default, user or
// unset, Value nil if there is none.
type Setting struct {
	Type        string
	Description string
	Default     any
	Value       any
	Source      string
}

// Config is the options of an application and whether it is trusted.
func (m *Model) Config(app string) (options map[string]Setting, trust bool, err error) {
	return nil, false, nil
}

// Action is a run of an action on a unit (juju calls it a task).
type Action struct {
	ID        string
	Operation string // shared by all that were enqueued together
	Unit      string
	Name      string
	Params    map[string]any
	Status    string // pending, running, completed, failed, cancelled, aborting, aborted
	Message   string
	Results   map[string]any
	Log       []string
}

// EnqueueAction asks units to run an action; one Action for each unit.
func (m *Model) EnqueueAction(units []string, name string, params map[string]any) ([]Action, error) {
	return nil, nil
}

// CancelAction cancels an action. If it runs, its status becomes aborting and
// the driver shall kill it.
func (m *Model) CancelAction(id string) error { return nil }

// Action is the action of that id.
func (m *Model) Action(id string) (Action, error) { return Action{}, nil }

// ActionIDs are all actions, oldest first.
func (m *Model) ActionIDs() []string { return nil }

// Resolved ends the unit's error: the hook is run again, or skipped.
func (m *Model) Resolved(unit string, retry bool) error { return nil }

// SetLeader makes a unit the leader; "" leaves the application without one.
func (m *Model) SetLeader(app, unit string) error { return nil }

// Leader is the application's leader, or "".
func (m *Model) Leader(app string) string { return "" }

// SecretRotationDue tells that the time to rotate a secret has come.
func (m *Model) SecretRotationDue(uri string) error { return nil }

// SecretExpire tells that the time of a secret's revision is over.
func (m *Model) SecretExpire(uri string, revision int) error { return nil }

// SetServiceAddress sets the address of the application's Kubernetes Service.
func (m *Model) SetServiceAddress(app, address string) error { return nil }

// PodInfo is what is known of a unit's pod when its agent starts.
type PodInfo struct {
	// Address is the pod's; empty keeps the last one.
	Address string
	// Fresh is a new pod: nothing in its charm directory, workload containers
	// not yet seen. Otherwise only the charm container was restarted.
	Fresh bool
}

// PodUp tells that a unit's agent started. If one was running it is counted as
// killed. A unit whose agent exits at once, because its pod is of another
// charm revision than the application, is not up afterwards: see Agent.
func (m *Model) PodUp(unit string, info PodInfo) error { return nil }

// PodTerminating tells that the agent got SIGTERM: it ends the present hook,
// runs stop and exits. It does nothing for a unit that is to go away.
func (m *Model) PodTerminating(unit string) error { return nil }

// PodDown tells that a unit's agent is gone; a hook that was running is
// interrupted, its Context of no more use.
func (m *Model) PodDown(unit string) error { return nil }

// ContainerUp tells that the Pebble of a container answers, with its boot id,
// as the agent's poll sees it; a new boot id makes pebble-ready pending.
func (m *Model) ContainerUp(unit, container, bootID string) error { return nil }

// ContainerDown tells that a container's Pebble does not answer.
func (m *Model) ContainerDown(unit, container string) error { return nil }

// Poll is the agent's periodic look (5 s) at its Pebbles: pebble-ready of every
// container whose boot id it has not handled becomes pending, as after the
// agent's start or a pebble-ready that failed.
func (m *Model) Poll(unit string) error { return nil }

// Notice tells of a custom notice of a container's Pebble.
func (m *Model) Notice(unit, container, id, typ, key string) error { return nil }

// CheckFailed tells that a check reached its threshold of failures.
func (m *Model) CheckFailed(unit, container, check string) error { return nil }

// CheckRecovered tells that a failed check succeeds again.
func (m *Model) CheckRecovered(unit, container, check string) error { return nil }

// UpdateStatusDue is a tick of the update-status timer.
func (m *Model) UpdateStatusDue(unit string) error { return nil }

// RetryDue is the timer of the automatic retry of the unit's failed hook.
func (m *Model) RetryDue(unit string) error { return nil }

// StorageProvisioned tells that a storage is there, and where the charm
// container sees it.
func (m *Model) StorageProvisioned(unit, id, location string) error { return nil }

// AddStorage adds a storage to a unit (juju add-storage); it returns its id.
func (m *Model) AddStorage(unit, name string) (string, error) { return "", nil }

// DetachStorage makes a unit's storage go away.
func (m *Model) DetachStorage(unit, id string) error { return nil }

// Due says which of the driver's timers a unit waits for.
type Due struct {
	Retry     bool     // failed hook, automatic retry on
	Poll      bool     // Poll would find something
	Provision []string // storage ids not yet provisioned
	Kill      string   // id of the running action that was cancelled
}

// Due is what the unit waits for from the driver.
func (m *Model) Due(unit string) Due { return Due{} }

// AgentState is the state of a unit's agent process.
type AgentState string

// The states of an agent.
const (
	AgentDown   AgentState = "down"   // no pod, or killed
	AgentUp     AgentState = "up"     // runs
	AgentExited AgentState = "exited" // ended by itself: after stop, remove, or as outdated
)

// Agent is the state of a unit's agent.
func (m *Model) Agent(unit string) AgentState { return "" }

// Units are the names of all units, dead ones that wait for their pod's
// removal included, sorted by application and number.
func (m *Model) Units() []string { return nil }

// UnitsOf are the units of one application, by number.
func (m *Model) UnitsOf(app string) []string { return nil }

// Applications are the names of all applications, sorted.
func (m *Model) Applications() []string { return nil }

// Relations are all relations by id.
func (m *Model) Relations() []Relation { return nil }

// CharmOf is the charm that a unit's agent runs (its pod's), or with an
// application's name the application's.
func (m *Model) CharmOf(name string) *Charm { return nil }

// ResourcesOf are the resources of an application as they were given.
func (m *Model) ResourcesOf(app string) map[string]string { return nil }

// WantsPods are the units of an application that shall have a pod: dead ones
// keep it until all units that are to go are dead. Then they are gone from the
// model.
func (m *Model) WantsPods(app string) []string { return nil }

// OutdatedPods are the units whose pod was made for an earlier charm, in the
// order in which Kubernetes replaces them: highest ordinal first.
func (m *Model) OutdatedPods(app string) []string { return nil }

// Storage is a storage of a unit.
type Storage struct {
	ID          string
	Name        string
	Unit        string
	Kind        string // filesystem or block
	Location    string // in the charm container; "" until provisioned
	Life        string
	Provisioned bool
	Attached    bool // storage-attached has run
}

// Storages are the storages of a unit, sorted by id.
func (m *Model) Storages(unit string) []Storage { return nil }

// Next is the hooks that the unit's agent may run next; the first is the
// model's own choice. More than one means that Juju's choice is random. Empty:
// the agent is idle, busy, in error or not there.
func (m *Model) Next(unit string) []Hook { return nil }

// Ready are the units for which Next is not empty, sorted.
func (m *Model) Ready() []string { return nil }

// Begin starts a hook of Next. A unit runs one hook at a time.
func (m *Model) Begin(unit string, hook Hook) (*Context, error) { return nil, nil }

// Running is the unit's running hook, or nil.
func (m *Model) Running(unit string) *Context { return nil }

// Context is a running hook.
type Context struct{}

// Unit is the name of the unit.
func (c *Context) Unit() string { return "" }

// Hook is the hook that runs.
func (c *Context) Hook() Hook { return Hook{} }

// LogLine is a line of juju-log.
type LogLine struct{ Level, Message string }

// Log is what the hook logged so far.
func (c *Context) Log() []LogLine { return nil }

// Run executes a hook tool. files reads a file that the tool's arguments name
// by its absolute path. needStdin: the tool reads its standard input and
// stdinSet was false; nothing has happened.
func (c *Context) Run(tool string, args []string, stdin []byte, stdinSet bool, files func(path string) ([]byte, error)) (code int, stdout, stderr []byte, needStdin bool) {
	return 0, nil, nil, false
}

// Outcome is how a hook ended. Exactly as the agent sees it: ExitCode of
// dispatch, or Killed by SIGKILL or SIGTERM, or Missing: the charm has no code
// for the hook (success; an action fails).
type Outcome struct {
	ExitCode int
	Killed   bool
	Missing  bool
	// Stdout and Stderr become an action's results.
	Stdout []byte
	Stderr []byte
}

// End ends the hook: what it wrote is kept if it succeeded, else dropped. An
// error says why Juju refused what a successful hook wrote: it counts as
// failed then.
func (c *Context) End(o Outcome) error { return nil }

// Tools are the names of all hook tools, sorted.
func Tools() []string { return nil }

// Status is the model as juju status --format=json has it.
type Status struct {
	Model        ModelStatus                  `json:"model"`
	Machines     map[string]any               `json:"machines"`
	Applications map[string]ApplicationStatus `json:"applications"`
	Storage      *StorageStatus               `json:"storage,omitempty"`
}

// ModelStatus is the model's own part.
type ModelStatus struct {
	Name       string     `json:"name"`
	Type       string     `json:"type"`
	Controller string     `json:"controller"`
	Cloud      string     `json:"cloud"`
	Version    string     `json:"version"`
	Status     StatusInfo `json:"model-status"`
	SLA        string     `json:"sla"`
}

// StatusInfo is a status. Since is empty unless SetTime was called.
type StatusInfo struct {
	Current string `json:"current,omitempty"`
	Message string `json:"message,omitempty"`
	Since   string `json:"since,omitempty"`
	Version string `json:"version,omitempty"`
}

// ApplicationStatus is an application.
type ApplicationStatus struct {
	Charm            string                      `json:"charm"`
	Base             *BaseStatus                 `json:"base,omitempty"`
	CharmOrigin      string                      `json:"charm-origin"`
	CharmName        string                      `json:"charm-name"`
	CharmRevision    int                         `json:"charm-rev"`
	CharmVersion     string                      `json:"charm-version,omitempty"`
	Scale            int                         `json:"scale,omitempty"`
	ProviderID       string                      `json:"provider-id,omitempty"`
	Address          string                      `json:"address,omitempty"`
	Exposed          bool                        `json:"exposed"`
	Life             string                      `json:"life,omitempty"`
	Status           StatusInfo                  `json:"application-status"`
	Relations        map[string][]RelationStatus `json:"relations,omitempty"`
	Units            map[string]UnitStatus       `json:"units,omitempty"`
	Version          string                      `json:"version,omitempty"`
	EndpointBindings map[string]string           `json:"endpoint-bindings,omitempty"`
}

// BaseStatus is the operating system of the charm container.
type BaseStatus struct {
	Name    string `json:"name"`
	Channel string `json:"channel"`
}

// RelationStatus is an application at the other end of an endpoint.
type RelationStatus struct {
	Application string `json:"related-application"`
	Interface   string `json:"interface"`
	Scope       string `json:"scope"`
}

// UnitStatus is a unit.
type UnitStatus struct {
	Workload   StatusInfo `json:"workload-status"`
	Agent      StatusInfo `json:"juju-status"`
	Leader     bool       `json:"leader,omitempty"`
	OpenPorts  []string   `json:"open-ports,omitempty"`
	Address    string     `json:"address,omitempty"`
	ProviderID string     `json:"provider-id,omitempty"`
}

// StorageStatus is the storages by id.
type StorageStatus struct {
	Storage map[string]StorageInstance `json:"storage"`
}

// StorageInstance is a storage.
type StorageInstance struct {
	Kind        string             `json:"kind"`
	Life        string             `json:"life"`
	Status      StatusInfo         `json:"status"`
	Persistent  bool               `json:"persistent"`
	Attachments StorageAttachments `json:"attachments"`
}

// StorageAttachments is where a storage is attached.
type StorageAttachments struct {
	Units map[string]StorageAttachment `json:"units"`
}

// StorageAttachment is where a unit sees a storage.
type StorageAttachment struct {
	Life     string `json:"life"`
	Location string `json:"location"`
}

// Status is the whole status.
func (m *Model) Status() Status { return Status{} }

// WorkloadStatus is a unit's workload status as status-set left it; a failed
// hook shows as error with juju's message.
func (m *Model) WorkloadStatus(unit string) juju.Status { return juju.Status{} }

// AgentStatus is a unit's agent status: allocating, executing, idle, error or
// lost, with juju's message.
func (m *Model) AgentStatus(unit string) juju.Status { return juju.Status{} }

// ApplicationStatus is an application's status: as set by its leader, or the
// worst of its units'.
func (m *Model) ApplicationStatus(app string) juju.Status { return juju.Status{} }

// UnitDetail is a unit as juju show-unit --format=json has it.
type UnitDetail struct {
	OpenedPorts  []string       `json:"opened-ports"`
	Charm        string         `json:"charm"`
	Leader       bool           `json:"leader"`
	Life         string         `json:"life,omitempty"`
	RelationInfo []RelationInfo `json:"relation-info,omitempty"`
	ProviderID   string         `json:"provider-id,omitempty"`
	Address      string         `json:"address,omitempty"`
}

// RelationInfo is a relation as one of its units sees it.
type RelationInfo struct {
	ID              int                     `json:"relation-id"`
	Endpoint        string                  `json:"endpoint"`
	RelatedEndpoint string                  `json:"related-endpoint"`
	ApplicationData map[string]string       `json:"application-data"`
	LocalUnit       *RelationUnit           `json:"local-unit,omitempty"`
	RelatedUnits    map[string]RelationUnit `json:"related-units,omitempty"`
}

// RelationUnit is a unit's data in a relation.
type RelationUnit struct {
	InScope bool              `json:"in-scope"`
	Data    map[string]string `json:"data"`
}

// ShowUnit is one unit with the data of its relations.
func (m *Model) ShowUnit(unit string) (UnitDetail, error) { return UnitDetail{}, nil }

// Databag is the data that a unit, or with an application's name the
// application, wrote into a relation ("db:3"); nil if there is none.
func (m *Model) Databag(relationID, owner string) map[string]string { return nil }

// State is a unit's charm state (state-get).
func (m *Model) State(unit string) map[string]string { return nil }

// SetTime tells the time, which the model only writes into "since" fields.
func (m *Model) SetTime(now string) {}

// Change is a number that grows with each change of the model.
func (m *Model) Change() uint64 { return 0 }
