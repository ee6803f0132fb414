package pebble

import (
	"context"
	"io/fs"
	"time"
)

// Pebble is what a charm may ask of one workload container's Pebble daemon.
// Client implements it over the container's socket, and pebbletest.Fake in
// memory; one contract suite holds for both. Every call ends when its context
// does.
//
// Each method returns an error for which Unavailable reports true if the
// daemon cannot be reached.
type Pebble interface {
	// SystemInfo answers if the daemon runs.
	SystemInfo(ctx context.Context) (SystemInfo, error)

	// Plan is the combined plan of all layers.
	Plan(ctx context.Context) (Layer, error)
	// AddLayer adds the layer, or merges it into the layer of the same label.
	AddLayer(ctx context.Context, label string, layer Layer) error

	// Services are the named services of the plan, or all; sorted by name.
	Services(ctx context.Context, names ...string) ([]ServiceInfo, error)
	// Replan stops and starts what changed in the plan, starts enabled
	// services that do not run, and waits for it.
	Replan(ctx context.Context) error
	// Start, Stop and Restart act on the named services and wait.
	Start(ctx context.Context, names ...string) error
	Stop(ctx context.Context, names ...string) error
	Restart(ctx context.Context, names ...string) error
	// Signal sends a signal such as "SIGHUP" to the named services.
	Signal(ctx context.Context, signal string, names ...string) error

	// Checks are the named checks of the plan, or all; sorted by name.
	Checks(ctx context.Context, names ...string) ([]CheckInfo, error)

	// Pull reads a file; errors.Is(err, fs.ErrNotExist) if there is none.
	Pull(ctx context.Context, path string) ([]byte, error)
	// Push writes a file atomically, making parent directories.
	Push(ctx context.Context, file File) error
	// ListFiles lists a directory, or with itself the path itself.
	ListFiles(ctx context.Context, path string, itself bool) ([]FileInfo, error)
	// MakeDir makes a directory and its parents; none is an error if it exists.
	MakeDir(ctx context.Context, path string, mode fs.FileMode) error
	// Remove removes a path and all below it; a missing path is no error.
	Remove(ctx context.Context, path string) error

	// Exec runs a command to its end. An exit code ≠ 0 is not an error.
	Exec(ctx context.Context, command Command) (ExecResult, error)

	// Notify records a custom notice; key is domain.tld/path.
	Notify(ctx context.Context, key string, data map[string]string) error
	// Notices are the custom notices, oldest first.
	Notices(ctx context.Context) ([]Notice, error)
}

// SystemInfo describes the daemon.
type SystemInfo struct {
	Version string
	// BootID is new for each start of a container's daemon. (Where Pebble is
	// not PID 1, it is the machine's.)
	BootID string
}

// Layer is a configuration layer, or the combined plan.
type Layer struct {
	Summary     string             `yaml:"summary,omitempty"`
	Description string             `yaml:"description,omitempty"`
	Services    map[string]Service `yaml:"services,omitempty"`
	Checks      map[string]Check   `yaml:"checks,omitempty"`
}

// Service is one service of a layer. AddLayer sends Override "replace" if it
// is empty; in the combined plan it means nothing.
type Service struct {
	Override       string            `yaml:"override,omitempty"`
	Summary        string            `yaml:"summary,omitempty"`
	Startup        string            `yaml:"startup,omitempty"` // "enabled" or "disabled"
	Command        string            `yaml:"command,omitempty"`
	After          []string          `yaml:"after,omitempty"`
	Before         []string          `yaml:"before,omitempty"`
	Requires       []string          `yaml:"requires,omitempty"`
	Environment    map[string]string `yaml:"environment,omitempty"`
	User           string            `yaml:"user,omitempty"`
	Group          string            `yaml:"group,omitempty"`
	WorkingDir     string            `yaml:"working-dir,omitempty"`
	OnSuccess      string            `yaml:"on-success,omitempty"`
	OnFailure      string            `yaml:"on-failure,omitempty"`
	OnCheckFailure map[string]string `yaml:"on-check-failure,omitempty"`
	BackoffDelay   string            `yaml:"backoff-delay,omitempty"`
	BackoffFactor  float64           `yaml:"backoff-factor,omitempty"`
	BackoffLimit   string            `yaml:"backoff-limit,omitempty"`
	KillDelay      string            `yaml:"kill-delay,omitempty"`
}

// Check is one health check of a layer; exactly one of HTTP, TCP and Exec.
type Check struct {
	Override  string     `yaml:"override,omitempty"`
	Level     string     `yaml:"level,omitempty"` // "alive", "ready" or ""
	Startup   string     `yaml:"startup,omitempty"`
	Period    string     `yaml:"period,omitempty"`
	Timeout   string     `yaml:"timeout,omitempty"`
	Threshold int        `yaml:"threshold,omitempty"`
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
	Command        string            `yaml:"command,omitempty"`
	ServiceContext string            `yaml:"service-context,omitempty"`
	Environment    map[string]string `yaml:"environment,omitempty"`
	User           string            `yaml:"user,omitempty"`
	WorkingDir     string            `yaml:"working-dir,omitempty"`
}

// ServiceInfo is the state of a service of the plan.
type ServiceInfo struct {
	Name         string
	Startup      string // "enabled" or "disabled"
	Current      string // "active", "inactive", "backoff" or "error"
	CurrentSince time.Time
}

// Running says whether the service's process is alive.
func (s ServiceInfo) Running() bool { return s.Current == "active" }

// CheckInfo is the state of a check of the plan.
type CheckInfo struct {
	Name      string
	Level     string
	Status    string // "up", "down" or "inactive"
	Failures  int
	Threshold int
}

// File is a file to push.
type File struct {
	Path    string
	Content []byte
	// Mode are the permission bits; 0 means 0644.
	Mode fs.FileMode
	// User and Group own the file; empty for the daemon's own.
	User  string
	Group string
}

// FileInfo describes a file of the container.
type FileInfo struct {
	Path  string
	Name  string
	Mode  fs.FileMode
	Size  int64
	User  string
	Group string
}

// Command is a one-off command in the container.
type Command struct {
	Args        []string
	Environment map[string]string
	WorkingDir  string
	User        string
	Group       string
	Stdin       []byte
	// ServiceContext names a service whose environment, user and directory
	// are the defaults.
	ServiceContext string
	// Timeout ends the command; 0 means the context's own deadline only.
	Timeout time.Duration
}

// ExecResult is what a command left. Output beyond 1 MiB each is cut.
type ExecResult struct {
	ExitCode int
	Stdout   []byte
	Stderr   []byte
}

// Notice is a custom notice.
type Notice struct {
	ID           string
	Key          string
	Occurrences  int
	LastRepeated time.Time
	LastData     map[string]string
}
