// Package api is what the charmlab command and the lab's daemon say to each
// other: JSON over HTTP on a unix socket, one POST for each verb. Shapes that
// juju prints as JSON keep juju's keys, so that the command only passes them
// on.
package api

import "time"

// Path is the URL path of a verb.
func Path(verb string) string { return "/1/" + verb }

// Error is the body of every answer other than 200.
type Error struct {
	Message string `json:"error"`
}

// None is the request or the answer of a verb that has none.
type None struct{}

// Hello says who answers on the socket.
type Hello struct {
	Version string `json:"version"`
	Daemon  int    `json:"daemon"` // process id inside the machine
	Model   string `json:"model"`  // empty: there is no model
}

// AddModel creates the model; there is at most one.
type AddModel struct {
	Name string `json:"name"`
}

// Deploy adds an application from a charm on this machine's disk.
type Deploy struct {
	Charm     string            `json:"charm"` // absolute path of an archive or a directory
	App       string            `json:"app"`   // empty: the charm's name
	Units     int               `json:"units"`
	Config    map[string]string `json:"config"`
	Trust     bool              `json:"trust"`
	Resources map[string]string `json:"resources"` // resource name → directory; "" is the bare base
}

// Deployed is what came of Deploy and Refresh.
type Deployed struct {
	App      string `json:"app"`
	Charm    string `json:"charm"`
	Revision int    `json:"revision"`
	Base     string `json:"base"`
}

// Refresh replaces the charm of an application, pod by pod.
type Refresh struct {
	App       string            `json:"app"`
	Charm     string            `json:"charm"` // empty: only resources
	Resources map[string]string `json:"resources"`
	Force     bool              `json:"force"`
}

// Relate adds or removes a relation; each end is "app" or "app:endpoint".
type Relate struct {
	A string `json:"a"`
	B string `json:"b"`
}

// Scale sets the number of units, or removes some if Remove is positive.
type Scale struct {
	App    string `json:"app"`
	Units  int    `json:"units"`
	Remove int    `json:"remove"`
}

// Scaled is the number of units that the application is to have.
type Scaled struct {
	Units int `json:"units"`
}

// Remove removes an application.
type Remove struct {
	App   string `json:"app"`
	Force bool   `json:"force"`
}

// Removed names what goes.
type Removed struct {
	Units []string `json:"units"`
}

// SetConfig sets and resets options of an application.
type SetConfig struct {
	App   string            `json:"app"`
	Set   map[string]string `json:"set"`
	Reset []string          `json:"reset"`
}

// Application names an application.
type Application struct {
	App string `json:"app"`
}

// Config is the settings of an application as juju config prints them.
type Config struct {
	Application       string             `json:"application" yaml:"application"`
	ApplicationConfig map[string]Setting `json:"application-config" yaml:"application-config"`
	Charm             string             `json:"charm" yaml:"charm"`
	Settings          map[string]Setting `json:"settings" yaml:"settings"`
}

// Setting is one option. Default and Value are absent if there is none.
type Setting struct {
	Default     any    `json:"default,omitempty" yaml:"default,omitempty"`
	Description string `json:"description" yaml:"description"`
	Source      string `json:"source" yaml:"source"` // default, user or unset
	Type        string `json:"type" yaml:"type"`
	Value       any    `json:"value,omitempty" yaml:"value,omitempty"`
}

// Run enqueues an action on units; "app/leader" stands for the leader.
type Run struct {
	Units  []string       `json:"units"`
	Action string         `json:"action"`
	Params map[string]any `json:"params"`
}

// Enqueued is the operation and its tasks, in the order of Run.Units.
type Enqueued struct {
	Operation string `json:"operation"`
	Tasks     []Task `json:"tasks"`
}

// TaskID names a task.
type TaskID struct {
	ID string `json:"id"`
}

// Task is one run of an action on one unit.
type Task struct {
	ID        string         `json:"id"`
	Unit      string         `json:"unit"`
	Action    string         `json:"action"`
	Status    string         `json:"status"` // pending, running, completed, failed, cancelled, error
	Message   string         `json:"message"`
	Results   map[string]any `json:"results"`
	Log       []string       `json:"log"`
	Enqueued  time.Time      `json:"enqueued"`
	Started   time.Time      `json:"started"`
	Completed time.Time      `json:"completed"`
}

// Done says whether the task has ended, well or not.
func (t Task) Done() bool {
	switch t.Status {
	case "pending", "running", "":
		return false
	}
	return true
}

// Unit names a unit.
type Unit struct {
	Unit  string `json:"unit"`
	Force bool   `json:"force"`
}

// Resolved retries or skips the failed hook of units.
type Resolved struct {
	Units []string `json:"units"`
	All   bool     `json:"all"`
	Retry bool     `json:"retry"`
}

// Advance lets time pass at once.
type Advance struct {
	By time.Duration `json:"by"`
}

// Wait asks to be answered when something has changed since After, or after
// Seconds at the latest.
type Wait struct {
	After   uint64 `json:"after"`
	Seconds int    `json:"seconds"`
}

// Changed is the present count of changes, to be given to the next Wait.
type Changed struct {
	Count uint64 `json:"count"`
}

// Log asks for lines of the debug log.
type Log struct {
	Lines   int      `json:"lines"`  // of those that are there already; -1: all
	Follow  bool     `json:"follow"` // until the caller hangs up
	Include []string `json:"include"`
	Exclude []string `json:"exclude"`
	Level   string   `json:"level"`
}

// Pod is where a unit runs; it has no counterpart in juju. Paths are as the
// command sees them.
type Pod struct {
	Unit       string         `json:"unit"`
	Address    string         `json:"address"`
	Name       string         `json:"name"` // the stable name
	PID        int            `json:"pid"`  // of the pod's first process, inside the machine
	Dir        string         `json:"dir"`
	Containers map[string]int `json:"containers"` // process id of each container's Pebble
}

// Pods is all pods, sorted by unit, and the lab's own processes.
type Pods struct {
	Daemon  int   `json:"daemon"`
	Machine int   `json:"machine"`
	Pods    []Pod `json:"pods"`
}

// Exec runs a command beside the unit's processes. Its standard streams are
// carried by the connection; see Frame.
type Exec struct {
	Unit      string   `json:"unit"`
	Container string   `json:"container"` // "charm" or a workload container
	Argv      []string `json:"argv"`
}

// Container names a container of a unit.
type Container struct {
	Unit      string `json:"unit"`
	Container string `json:"container"`
}
