package pod

import (
	"io"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// The network that the machine makes. Spec.Address is out of Network; the
// bridge has Gateway, which is also each pod's default route. What is not in
// Network leads nowhere: a connection there times out, as one to a Juju
// application's address does on Kubernetes.
const (
	Network = "10.1.0.0/16"
	Gateway = "10.1.0.1"
)

// CharmContainerName is the container in which the charm runs. Juju reserves
// the name: no workload container can have it.
const CharmContainerName = "charm"

// DefaultGrace is Kubernetes's terminationGracePeriodSeconds for a pod.
const DefaultGrace = 30 * time.Second

// firstPebblePort is the HTTP port of the first workload Pebble, in the order
// of the containers' names (as Juju gives them out).
const firstPebblePort = 38813

// Spec says what one pod is. It is kept in the pod's directory for Adopt.
type Spec struct {
	Unit    string // such as "zookeeper/0"
	Model   string // namespace, in the search domains of resolv.conf
	FQDN    string // the unit's stable name; its first label is the host name
	Address string // IPv4 address out of Network, such as "10.1.0.7"

	// Hosts is the file of all names, in lines "address name". It is read for
	// each question that a program in the pod asks, so the caller replaces it
	// by rename.
	Hosts string

	// Dir is the pod's own directory on the host: control socket (pod.sock),
	// description (pod.json), log (pod.log), Pebbles (c), container
	// filesystems (r), output (l), /var/lib/juju (j). Start replaces these
	// and leaves other entries alone. Keep the path short: it is part of
	// socket addresses, which may have 107 bytes.
	Dir string

	// Pebble is the path of the Pebble binary on the host, seen by every
	// container as /charm/bin/pebble.
	Pebble string

	Containers []Container
	Charm      CharmContainer

	// Probe is how the pod asks Pebble for its health; zero: as Juju's.
	Probe Probe
}

// Container is one workload container.
type Container struct {
	Name string

	// Image is a directory whose top-level entries are laid, writable, over
	// a read-only view of the host. Empty: the host's view alone. In a user
	// namespace what belongs to another user than the caller's stays
	// unchangeable, also below an entry that host and image both have.
	Image string

	Mounts []Mount // storages, at the locations of metadata.yaml

	// PebblePort is Pebble's HTTP port in the pod; 0: 38813 plus the index
	// of the container among all, sorted by name.
	PebblePort int

	Env map[string]string // the image's environment, added to the usual one
}

// Mount binds a directory or file of the host into a container.
type Mount struct {
	Source   string // on the host; must exist
	Target   string // absolute path in the container; made if missing
	ReadOnly bool
}

// CharmContainer is the container in which hooks run.
type CharmContainer struct {
	// Dir is the unpacked charm on the host, seen writable as CharmDir(unit).
	Dir string
	// Jujuc is the hook-tool binary on the host (it looks at its argv[0]),
	// seen as /charm/bin/jujuc.
	Jujuc string
	// Tools are the names of the hook tools; each becomes a symbolic link to
	// /charm/bin/jujuc in ToolsDir(unit).
	Tools []string
	// Storage are the charm container's mounts of the unit's storages.
	Storage []Mount
}

// Probe is the timing of the kubelet's probes of Pebble's health endpoint. A
// liveness that fails as often as Failures restarts the container.
type Probe struct {
	InitialDelay time.Duration // 0: 30 s
	Period       time.Duration // 0: 5 s
	Failures     int           // 0: 3
}

// Run is one run of the charm: a hook or an action, or a command in a hook's
// context.
type Run struct {
	// Env is the whole environment, KEY=VALUE. JUJU_DISPATCH_PATH names the
	// file to run if the charm has no dispatch. PATH, LANG and TERM are added
	// as Juju's agent does if they are missing.
	Env []string

	// Command runs instead of the charm if it is not empty (juju exec); its
	// first element is looked up on PATH.
	Command []string

	// Dir is the working directory in the container; empty: CharmDir(unit).
	Dir string

	// JujucSocket is the path of the unix socket on which the daemon serves
	// hook tools. While the run lasts, the pod listens on AgentSocket(unit)
	// in its own network namespace and relays each connection there, byte by
	// byte; a connection may outlive the run. Empty: no hook tools.
	JujucSocket string

	// Stdout and Stderr get the output; nil drops it. They are written from
	// two goroutines until Dispatch returns.
	Stdout, Stderr io.Writer
}

// Command is a command for Exec.
type Command struct {
	Argv           []string          // Argv[0] is looked up on the container's PATH
	Env            map[string]string // added to the container's environment
	Dir            string            // empty: "/"
	Stdin          io.Reader         // nil: empty; may be read on after the end
	Stdout, Stderr io.Writer         // nil drops

	// Terminal gives the command a terminal of Rows and Columns (0: 24, 80).
	// All output then goes to Stdout.
	Terminal      bool
	Rows, Columns int
}

// Outcome is how a process in a container ended.
type Outcome struct {
	// ExitCode is the exit code, or 128 plus the signal's number. 126: the
	// file is not executable; 127: Exec's command was not found.
	ExitCode int
	// Killed: a signal ended it, or the container or pod around it died. A
	// hook that was killed is run again, it has not failed.
	Killed bool
	// Missing: the charm has neither dispatch nor the hook's own file.
	// ExitCode is 0; Juju counts a missing hook as done, a missing action as
	// failed.
	Missing bool
}

// ContainerStatus is a container as the pod sees it.
type ContainerStatus struct {
	Name     string
	Running  bool
	Ready    bool // last readiness probe; true until the first one
	Restarts int
	Since    time.Time // when it started, or, if it does not run, ended
	LastExit string    // how it ended last, "" if it never did
}

// CharmDir is the charm's directory in the charm container.
func CharmDir(unit string) string {
	return "/var/lib/juju/agents/" + juju.UnitTag(unit) + "/charm"
}

// ToolsDir is the directory of the hook tools in the charm container; it is
// the first of PATH.
func ToolsDir(unit string) string { return "/var/lib/juju/tools/" + juju.UnitTag(unit) }

// AgentSocket is JUJU_AGENT_SOCKET_ADDRESS: an abstract unix socket, which
// exists in the pod's network namespace only.
func AgentSocket(unit string) string {
	return "@/var/lib/juju/agents/" + juju.UnitTag(unit) + "/agent.socket"
}
