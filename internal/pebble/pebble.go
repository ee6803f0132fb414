package pebble

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"time"
)

// Pebble is what a charm may ask of one workload container's Pebble daemon.
// Client implements it over the container's socket, and pebbletest.Fake in
// memory; one contract suite holds for both. Every call ends when its context
// does. See Daemon for what else there is.
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

	// Exec runs a command to its end. An exit code ≠ 0 is not an error; it is
	// 128+n if signal n ended the command, and so 137 if the daemon was asked
	// to end meanwhile.
	Exec(ctx context.Context, command Command) (ExecResult, error)

	// Notify records a custom notice; key is domain.tld/path.
	Notify(ctx context.Context, key string, data map[string]string) error
	// Notices are the custom notices, oldest first.
	Notices(ctx context.Context) ([]Notice, error)
}

// Daemon is all that Pebble can do. Client and pebbletest.Fake are Daemons;
// what few charms need is kept out of Pebble, and found with As.
type Daemon interface {
	Pebble
	AutoStarter
	CheckController
	ChangeKeeper
	FileKeeper
	IdentityKeeper
	LogReader
	NoticeBoard
	Runner
}

// As is p with more methods. It fails if p, perhaps a wrapper of a test, does
// not have them.
func As[T any](p Pebble) (T, error) {
	more, ok := p.(T)
	if !ok {
		return more, fmt.Errorf("cannot use %T as %s: it lacks methods", p, reflect.TypeFor[T]())
	}
	return more, nil
}

// AutoStarter starts what the image's and the charm's layers enable.
type AutoStarter interface {
	// AutoStart starts all enabled services and waits. Unlike Replan it
	// restarts nothing. It is an *APIError of kind "no-default-services" if
	// none is enabled.
	AutoStart(ctx context.Context) error
}

// CheckController acts on checks.
type CheckController interface {
	// StartChecks and StopChecks return the names of those that it made a
	// difference to, sorted. A stopped check is "inactive", and starts again
	// whenever the plan changes or is replanned, unless its Startup is
	// "disabled". They need FeatureCheckControl.
	StartChecks(ctx context.Context, names ...string) ([]string, error)
	StopChecks(ctx context.Context, names ...string) ([]string, error)
	// RefreshCheck runs a check now; a failure counts. The error is a
	// *CheckError if the check fails. It needs FeatureCheckRefresh.
	RefreshCheck(ctx context.Context, name string) (CheckInfo, error)
	// Healthy says whether no check of the level is down: all checks for "",
	// the alive ones for "alive", both for "ready". With names only those
	// count. It is what Kubernetes' probes see.
	Healthy(ctx context.Context, level string, names ...string) (bool, error)
}

// ChangeKeeper tells of what the daemon did and does.
type ChangeKeeper interface {
	// Changes are those that f selects, oldest first. The daemon forgets
	// changes after a week, and all but a thousand.
	Changes(ctx context.Context, f ChangeFilter) ([]ChangeInfo, error)
	// Change is the change; errors.Is(err, fs.ErrNotExist) if there is none.
	Change(ctx context.Context, id string) (ChangeInfo, error)
	// WaitChange waits until the change is ready. That it failed is no error
	// here: see ChangeInfo.Err.
	WaitChange(ctx context.Context, id string) (ChangeInfo, error)
	// AbortChange stops what the change still has to do.
	AbortChange(ctx context.Context, id string) (ChangeInfo, error)
}

// FileKeeper is files beyond what most charms need; see also PushTree.
type FileKeeper interface {
	// PullTo copies a file to the writer, also a big one.
	PullTo(ctx context.Context, path string, to io.Writer) error
	// PushFrom writes a file whose content comes from the reader, atomically;
	// file.Content is not looked at. If the reader fails nothing is written.
	PushFrom(ctx context.Context, file File, from io.Reader) error
	// FindFiles lists those in the directory whose names match the pattern of
	// path.Match.
	FindFiles(ctx context.Context, dir, pattern string) ([]FileInfo, error)
	// MakeDirectory makes one directory. Without Parents it is an error if the
	// parent is missing or the directory exists.
	MakeDirectory(ctx context.Context, dir Directory) error
	// RemoveOne removes a file or an empty directory;
	// errors.Is(err, fs.ErrNotExist) if there is none.
	RemoveOne(ctx context.Context, path string) error
}

// IdentityKeeper manages who may call the daemon. It needs FeatureIdentities.
type IdentityKeeper interface {
	// Identities are all identities. Passwords and certificates are masked.
	Identities(ctx context.Context) (map[string]Identity, error)
	// AddIdentities fails if one of the names is taken.
	AddIdentities(ctx context.Context, identities map[string]Identity) error
	// UpdateIdentities fails if one of the names is not.
	UpdateIdentities(ctx context.Context, identities map[string]Identity) error
	// ReplaceIdentities adds or updates each, and removes the others named.
	ReplaceIdentities(ctx context.Context, identities map[string]Identity, remove ...string) error
	// RemoveIdentities fails if one of the names is not there.
	RemoveIdentities(ctx context.Context, names ...string) error
}

// LogReader reads what services wrote, and what the daemon counts.
type LogReader interface {
	// Logs gives each line to the function, oldest first. Its error ends Logs
	// and is returned. With Follow it returns only when the context ends, or
	// the daemon.
	Logs(ctx context.Context, options LogOptions, line func(LogEntry) error) error
	// Metrics are the daemon's metrics of services and checks, as Prometheus
	// reads them. It needs FeatureMetrics.
	Metrics(ctx context.Context) (string, error)
}

// NoticeBoard is notices beyond Notify and Notices. It needs FeatureNotices.
type NoticeBoard interface {
	// Record records a custom notice and returns its ID. See CheckNoticeKey.
	Record(ctx context.Context, notice NewNotice) (string, error)
	// Notice is the notice; errors.Is(err, fs.ErrNotExist) if there is none.
	Notice(ctx context.Context, id string) (Notice, error)
	// FindNotices are the notices that match, last repeated ones last.
	FindNotices(ctx context.Context, f NoticeFilter) ([]Notice, error)
	// WaitNotices waits for notices that match: at most until the context's
	// end, whose error it then returns.
	WaitNotices(ctx context.Context, f NoticeFilter) ([]Notice, error)
}

// Runner runs commands with streams.
type Runner interface {
	// Run starts a command; command.Stdin is not looked at. When the context
	// or the command's timeout ends, the command is killed.
	Run(ctx context.Context, command Command, streams Streams) (Process, error)
}

// Process is a command that Run started. Wait must be called.
type Process interface {
	// Signal sends a signal such as "SIGTERM". It is an error only if there is
	// no such signal: one that comes after the end of the command, or of the
	// daemon, is lost, and Wait says so.
	Signal(name string) error
	// Wait waits for the end of the command and of its output, and returns
	// its exit code: 128+n if signal n ended it. Errors are those of Exec.
	Wait() (exitCode int, err error)
}

// Streams are a command's. A nil Stdin is empty, a nil Stdout or Stderr
// discards. Stderr may be Stdout: the two then come in the order in which
// they were written. Run does not bound what it writes to them. It returns
// without waiting for a Stdin that still blocks in Read.
type Streams struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
}

// SystemInfo describes the daemon.
type SystemInfo struct {
	Version string
	// BootID is new for each start of a container's daemon. (Where Pebble is
	// not PID 1, it is the machine's.)
	BootID string
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

// Restarting says that the service has ended and Pebble will start it again in
// a while, whatever the charm does, unless it is stopped.
func (s ServiceInfo) Restarting() bool { return s.Current == "backoff" }

// CheckInfo is the state of a check of the plan.
type CheckInfo struct {
	Name    string
	Level   string
	Startup string // "enabled" or "disabled"; "" from a daemon without FeatureCheckControl
	Status  string // "up", "down" or "inactive"
	// Successes counts since the check started or was last down; 0 from a
	// daemon that does not tell.
	Successes int
	Failures  int // in a row
	Threshold int
	// ChangeID is the change whose tasks' logs tell why the check fails; ""
	// for an inactive check and from an old daemon.
	ChangeID string
}

// File is a file to push.
type File struct {
	Path    string
	Content []byte
	// Mode are the permission bits; 0 means 0644.
	Mode fs.FileMode
	// User and Group own the file; empty for the daemon's own. The ids go with
	// or instead of the names; nil: not set.
	User    string
	Group   string
	UserID  *int
	GroupID *int
}

// Directory is a directory to make.
type Directory struct {
	Path    string
	Mode    fs.FileMode // 0 means 0755
	Parents bool
	User    string
	Group   string
	UserID  *int
	GroupID *int
}

// FileInfo describes a file of the container.
type FileInfo struct {
	Path string
	Name string
	Mode fs.FileMode
	Size int64
	// User and Group are empty if the container has no names for the ids.
	User     string
	Group    string
	UserID   int
	GroupID  int
	Modified time.Time // in seconds
}

// Command is a one-off command in the container.
type Command struct {
	Args        []string
	Environment map[string]string
	WorkingDir  string
	User        string
	Group       string
	UserID      *int
	GroupID     *int
	Stdin       []byte
	// ServiceContext names a service whose environment, user and directory
	// are the defaults.
	ServiceContext string
	// Timeout ends the command; 0 means the context's own deadline only.
	Timeout time.Duration
}

// ExecResult is what a command left. Output beyond OutputLimit each is cut.
type ExecResult struct {
	ExitCode int
	Stdout   []byte
	Stderr   []byte
}

// Notice is something that happened, once or repeatedly. Pebble forgets it a
// week after it last did.
type Notice struct {
	ID   string
	Type string // "custom", "change-update" or "warning"
	// Key is a custom notice's key, a change's ID, or a warning's text.
	Key string
	// UserID is who sees it beside admins; nil: everybody.
	UserID        *int
	Occurrences   int
	FirstOccurred time.Time
	LastOccurred  time.Time
	// LastRepeated is the last occurrence that was told to those who wait.
	LastRepeated time.Time
	LastData     map[string]string
	RepeatAfter  time.Duration
}

// NewNotice is a custom notice to record.
type NewNotice struct {
	Key  string
	Data map[string]string // at most 4096 bytes as JSON
	// RepeatAfter keeps the notice from being told again until that long after
	// it last was.
	RepeatAfter time.Duration
}

// NoticeFilter selects notices; the zero value all that the caller may see of
// the caller's own and everybody's.
type NoticeFilter struct {
	Types []string
	Keys  []string
	// After selects those that were last repeated after this time.
	After time.Time
	// UserID selects those of a user, AllUsers those of all; for admins.
	UserID   *int
	AllUsers bool
}

// ChangeInfo is something that the daemon does or did.
type ChangeInfo struct {
	ID      string
	Kind    string // such as "start", "exec" or "perform-check"
	Summary string
	Status  string // such as "Doing", "Done", "Error" or "Hold"
	// Ready says whether it has ended.
	Ready   bool
	Err     string
	Spawned time.Time
	Readied time.Time // zero until it has ended
	Tasks   []TaskInfo
}

// TaskInfo is one step of a change.
type TaskInfo struct {
	ID      string
	Kind    string
	Summary string
	Status  string
	Log     []string
}

// ChangeFilter selects changes; the zero value those that have not ended.
type ChangeFilter struct {
	// Select is "in-progress", "ready" or "all"; "" is the first.
	Select string
	// Service selects those that name the service.
	Service string
}

// Identity is somebody who may call the daemon, over at least one of the ways.
type Identity struct {
	// Access is "admin", "read", "metrics" or "untrusted".
	Access string
	// LocalUser is a user of the machine, over the socket.
	LocalUser *int
	// BasicPassword is for HTTP: a password hashed with sha512-crypt. Read
	// back it is "*****".
	BasicPassword string
	// CertPEM is a client's certificate for HTTPS. Read back it is "*****".
	CertPEM string
}

// LogOptions select log lines.
type LogOptions struct {
	// Services are names; empty: all.
	Services []string
	// Last is how many of the lines already written are given; 0: 30 or, with
	// Follow, none; negative: all that the daemon has.
	Last   int
	Follow bool
}

// LogEntry is one line of a service's output.
type LogEntry struct {
	Time    time.Time
	Service string
	Message string
}
