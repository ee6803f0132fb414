package pebble

import "context"

// HashVariable is the environment variable in which Apply keeps Hash. A
// changed file changes it, so that Pebble sees that the service moved.
const HashVariable = "PULSAR_CHARMS_HASH"

// Desired is what a container should be. What it does not name is left alone:
// files, services of other layers, services that an earlier Desired had (say
// Startup "disabled" for one that shall stop).
type Desired struct {
	// Label names the layer, e.g. "charm".
	Label string
	Files []File
	// Services shall run if their Startup is "enabled", and shall not
	// otherwise. Override may be empty: "replace".
	Services map[string]Service
	Checks   map[string]Check
	// RestartOn names, for a service, the paths among Files whose change
	// restarts it.
	RestartOn map[string][]string
}

// Change is what Apply did; the zero value: nothing, no write was sent. All
// lists are sorted.
type Change struct {
	Files     []string // paths pushed
	Layer     bool     // the layer was sent
	Started   []string // services that did not run and were started
	Stopped   []string // services that ran and were stopped
	Restarted []string // services that ran and were started anew
}

// Nothing says whether Apply found everything as it should be.
func (c Change) Nothing() bool {
	return len(c.Files) == 0 && !c.Layer && len(c.Started) == 0 && len(c.Stopped) == 0 && len(c.Restarted) == 0
}

// Apply makes the container what d says, and says what it did. If nothing
// differs it only reads. Interrupted anywhere, the next Apply finishes.
// Errors of a daemon that is away satisfy Unavailable; services that do not
// stay up yield a *ChangeError.
func Apply(ctx context.Context, p Pebble, d Desired) (Change, error) {
	return Change{}, nil
}

// Hash is what the service runs on: its configuration and its RestartOn files.
// It is stable across processes and versions of Go; "" for a service that d
// does not have.
func Hash(d Desired, service string) string { return "" }

// RunningHash is the Hash that Apply put into the plan; "" if none.
func RunningHash(plan Layer, service string) string {
	return plan.Services[service].Environment[HashVariable]
}
