package lab

import (
	"context"
	"io"
	"time"
)

// Runtime starts pods. The daemon runs beside them, in the same machine.
type Runtime interface {
	// Start makes a pod and returns when its containers are being started.
	Start(ctx context.Context, spec PodSpec) (Pod, error)
	// Adopt finds a pod again that an earlier daemon started.
	Adopt(ctx context.Context, spec PodSpec) (Pod, error)
}

// PodSpec is all that a pod is made of. Paths are on this machine unless they
// say otherwise.
type PodSpec struct {
	Unit    string
	Model   string
	Name    string // the stable name
	Address string // dotted quad
	Hosts   string // file of names, shared by all pods and rewritten in place
	Dir     string // the pod's own directory, made by Start
	Charm   string // the unit's copy of the charm
	// Containers are in the order of their names, which is that of their ports.
	Containers []ContainerSpec
	// Storage is what the charm container sees of the unit's storages.
	Storage []Mount
}

// ContainerSpec is a workload container.
type ContainerSpec struct {
	Name  string
	Image string // directory with the image's tree; empty is the bare base
	// Storage is what the container sees of the unit's storages.
	Storage []Mount
}

// Mount shows a directory of this machine inside a container.
type Mount struct{ Source, Target string }

// Pod is a running pod.
type Pod interface {
	PID() int
	// Gone is closed when the pod has ended, in whatever way.
	Gone() <-chan struct{}
	// Dispatch runs the charm once in the charm container. When ctx ends the
	// charm is killed.
	Dispatch(ctx context.Context, d Dispatch) (Exit, error)
	// Exec runs a command in a container ("charm" is one, too).
	Exec(ctx context.Context, e Exec) (code int, err error)
	// KillContainer kills all processes of a container; the pod starts it
	// again.
	KillContainer(ctx context.Context, container string) error
	// Workload is a container's Pebble.
	Workload(container string) Workload
	// PebblePIDs are the process ids of the containers' Pebbles, where known.
	PebblePIDs() map[string]int
	// Log is the file with a container's output.
	Log(container string) string
	// ReadFile and WriteFile are about files as the charm container sees them.
	ReadFile(path string) ([]byte, error)
	WriteFile(path string, content []byte) error
	// Terminate begins the pod's end: SIGTERM to the workloads, which are not
	// started again. The charm container stays for the stop hook.
	Terminate(ctx context.Context) error
	// Stop is Terminate and, when the workloads have ended or grace is over,
	// Kill. Kill ends the pod at once. Both return when nothing of it is left.
	Stop(ctx context.Context, grace time.Duration) error
	Kill() error
}

// Dispatch is one run of the charm.
type Dispatch struct {
	// Env is the whole environment, KEY=VALUE.
	Env []string
	// Argv is what to run instead of the charm's dispatch (juju exec).
	Argv []string
	// Tools is the unix socket on which the daemon answers hook tools; the
	// pod listens where the environment says and passes on.
	Tools          string
	Stdout, Stderr io.Writer
}

// Exit is how a run of the charm ended.
type Exit struct {
	Code    int
	Killed  bool // by SIGKILL or SIGTERM
	Missing bool // the charm has no code for the hook
}

// Exec is a command in a container.
type Exec struct {
	Container      string
	Argv           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}
