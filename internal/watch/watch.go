// Package watch wakes a charm when a daemon in its workload becomes ready or
// ceases to be. Juju has no "call me again", and the next update-status may
// be minutes away, so a small script runs as a second service beside the
// daemon, looks at it about twice a second, and runs "pebble notify" when what
// it sees is not what the charm has seen; Juju (from 3.4) then runs the
// container's pebble-custom-notice hook at once.
//
// The charm says what it has seen in a file of the container, which it writes
// like any other. That makes the wake-up level-triggered: a notice that came
// too early or got lost is repeated, every 5 s, until both agree.
package watch

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

//go:embed watch.sh
var script []byte

const (
	// Domain is the first part of the notices' keys.
	Domain = "pulsar-charms.local"

	// Up and Down are the states of a watch; with Srvr, ZooKeeper's mode
	// takes the place of Up.
	Up   = "up"
	Down = "down"

	// Srvr is the probe that asks ZooKeeper for its mode.
	Srvr = "srvr"

	directory = "/var/lib/pulsar-charms"
)

// Watch says what to look at.
type Watch struct {
	// Name is the watched service's name.
	Name string
	// Host is where the daemon listens; "" means 127.0.0.1.
	Host string
	Port int
	// Timeout is how long an answer may take. It must be that of the charm's own
	// look: they would not agree on a slower one, and notices never end.
	Timeout time.Duration
	// Probes must all hold. The first is asked at each poll, so it should be
	// cheap; the others until they hold and then at every tenth poll. A probe
	// is Srvr, or what Path gives.
	Probes []string
}

// Path is a probe that holds if one of the alternatives does: a path that
// answers 200, or path@text if the answer must contain the text.
func Path(alternatives ...string) string { return strings.Join(alternatives, "|") }

// Service is the name of the watching service.
func (w Watch) Service() string { return w.Name + "-watch" }

// Key is the key of its notices.
func (w Watch) Key() string { return Domain + "/" + w.Name }

// Layer is the watching service itself. It panics if there is no timeout.
func (w Watch) Layer() pebble.Service {
	if w.Timeout <= 0 {
		panic(fmt.Sprintf("the watch of %s has no timeout", w.Name))
	}
	command := []string{"/bin/bash", directory + "/watch.sh", w.Name, strconv.Itoa(w.Port)}
	for _, probe := range w.Probes {
		command = append(command, quote(probe))
	}
	environment := map[string]string{
		"WATCH_KEY": w.Key(), "WATCH_SEEN": w.SeenPath(),
		"WATCH_TIMEOUT": strconv.FormatFloat(w.Timeout.Seconds(), 'f', -1, 64),
	}
	if w.Host != "" {
		environment["WATCH_HOST"] = w.Host
	}
	return pebble.Service{
		Override:     "replace",
		Summary:      fmt.Sprintf("tells the charm when %s becomes ready or ceases to be", w.Name),
		Startup:      "enabled",
		Command:      strings.Join(command, " "),
		Environment:  environment,
		OnSuccess:    "restart",
		OnFailure:    "restart",
		BackoffLimit: "5s",
		KillDelay:    "1s",
	}
}

// SeenPath is the file that holds what the charm has seen.
func (w Watch) SeenPath() string { return directory + "/" + w.Name + ".seen" }

// Files are the script, and the state that the charm has seen in this hook: a
// state of the watch, from the charm's own look at the daemon.
func (w Watch) Files(seen string) []pebble.File {
	return []pebble.File{
		{Path: directory + "/watch.sh", Content: script, Mode: 0o755},
		{Path: w.SeenPath(), Content: []byte(seen + "\n")},
	}
}

// quote protects a probe from Pebble, which splits a command as a shell does.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
