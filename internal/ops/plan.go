package ops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Plan is what a unit should be. The zero Plan wants nothing and is active.
type Plan struct {
	// Containers are the wanted states by container name. A container whose
	// Pebble does not answer is left for its pebble-ready hook.
	Containers map[string]pebble.Desired
	// Databags are the wanted contents of own databags; those not named are
	// left alone.
	Databags []Databag
	// Ports are all ports of the application's Service, such as "6650/tcp",
	// as SetPorts takes them; nil leaves them alone.
	Ports []string
	// Version is the workload's version for juju status; "" leaves it alone.
	Version string
	// Steps are what the guards in the snapshot found necessary, run in
	// order after the containers and databags are as wanted.
	Steps []Step
	// Statuses are reasons of the unit's status; the worst is shown, of
	// equals the first. None means active.
	Statuses []juju.Status
	// AppStatuses are reasons of the application's status, which the leader
	// shows in the same way. None leaves it alone: Juju then derives it from
	// the units'.
	AppStatuses []juju.Status
}

// Databag is the whole wanted content of one of the unit's own databags.
// Keys that Juju writes itself (ingress-address and the like) are not touched.
type Databag struct {
	// Relation is the relation's id, such as "zookeeper:3".
	Relation string
	// App chooses the application's bag, which only the leader writes.
	App bool
	// Data holds every key; absent keys are deleted.
	Data Bag
	// Keys, if not nil, are the keys that Data stands for: others are left as
	// they are, for another part of the charm or a newer revision of it.
	Keys []string
}

// Step is an act that is neither file, layer nor databag: to initialise
// metadata, to add a voter. Its guard is in the plan; it must be safe to
// repeat, since the hook may die right after it.
type Step struct {
	Name string
	Run  func(ctx context.Context) error
}

// maxRounds bounds how often one hook observes and plans: a start of a whole
// unit needs fewer, and a guard that never falls must not hold the unit.
const maxRounds = 10

// Converge observes, plans and applies; if a step ran, or something in a
// container changed, it does so again, a bounded number of times. The plan of
// the last round gives the status.
func Converge[S any](ctx context.Context, u *Unit, observe func(context.Context) (S, error), plan func(S) Plan) error {
	for round := 1; ; round++ {
		snapshot, err := observe(ctx)
		if err != nil {
			u.planned = false
			return err
		}
		changed, err := u.Apply(ctx, plan(snapshot))
		if err != nil {
			return err
		}
		if !changed {
			return nil
		}
		if round == maxRounds {
			u.Log().Warn("still changing after the last round of this hook", "rounds", round)
			return nil
		}
	}
}

// Apply writes what differs between the plan and what is. It reports whether
// it changed anything beside databags, so that the caller may look again: a
// service that was started, a step that ran.
func (u *Unit) Apply(ctx context.Context, plan Plan) (changed bool, err error) {
	u.statuses, u.appStatuses = plan.Statuses, plan.AppStatuses
	defer func() { u.planned = err == nil }()
	for _, name := range slices.Sorted(maps.Keys(plan.Containers)) {
		change, err := pebble.Apply(ctx, u.Container(name), plan.Containers[name])
		if pebble.Unavailable(err) {
			u.Log().Info("container does not answer; its pebble-ready hook will come", "container", name)
			continue
		}
		if failed, ok := errors.AsType[*pebble.ChangeError](err); ok {
			// Pebble goes on restarting what fails; a failed hook would stop
			// every other hook of the unit and help nobody.
			u.Log().Error("service change failed", "container", name, "error", failed)
			u.statuses = append(slices.Clone(u.statuses), Waiting(fmt.Sprintf("container %s: %v", name, failed)))
			continue
		}
		if err != nil {
			return changed, fmt.Errorf("cannot apply plan to container %q: %w", name, err)
		}
		if !change.Nothing() {
			changed = true
			u.Log().Info("container changed", "container", name, "change", fmt.Sprintf("%+v", change))
		}
	}
	for _, bag := range plan.Databags {
		if err := u.writeBag(ctx, bag); err != nil {
			return changed, err
		}
	}
	if plan.Ports != nil {
		if err := u.SetPorts(ctx, plan.Ports...); err != nil {
			return changed, err
		}
	}
	if plan.Version != "" {
		u.version = plan.Version
	}
	for _, step := range plan.Steps {
		u.Log().Info("step", "name", step.Name)
		if err := step.Run(ctx); err != nil {
			return changed, fmt.Errorf("cannot %s: %w", step.Name, err)
		}
		changed = true
	}
	return changed, nil
}

// SetPorts makes the ports, such as "6650/tcp", "53/udp" or "icmp", those that
// are open, and no others, at the end of the hook; a number alone is of tcp.
// Kubernetes takes no ranges.
func (u *Unit) SetPorts(ctx context.Context, ports ...string) error {
	want := make([]string, len(ports))
	for i, port := range ports {
		want[i] = spellPort(port)
	}
	if u.ports == nil {
		opened, err := u.tools.OpenedPorts(ctx)
		if err != nil {
			return fmt.Errorf("cannot read opened ports: %w", err)
		}
		u.ports = opened
	}
	for _, port := range slices.Clone(u.ports) {
		if slices.Contains(want, port) {
			continue
		}
		if err := u.tools.ClosePort(ctx, port); err != nil {
			return fmt.Errorf("cannot close port %s: %w", port, err)
		}
		u.ports = slices.DeleteFunc(u.ports, func(p string) bool { return p == port })
	}
	for _, port := range slices.Sorted(slices.Values(want)) {
		if slices.Contains(u.ports, port) {
			continue
		}
		if err := u.tools.OpenPort(ctx, port); err != nil {
			return fmt.Errorf("cannot open port %s: %w", port, err)
		}
		u.ports = append(u.ports, port)
	}
	return nil
}

// spellPort spells a port as opened-ports does, so that the two compare: Juju
// takes "80", "80-80/TCP" and "080/tcp" too, and means 80/tcp. What is no port
// stays as it is, for Juju to refuse.
func spellPort(port string) string {
	lower := strings.ToLower(port)
	text, protocol, given := strings.Cut(lower, "/")
	if !given {
		protocol = "tcp"
	}
	if from, to, isRange := strings.Cut(text, "-"); isRange && from == to {
		text = from
	}
	number, err := strconv.Atoi(text)
	switch {
	case lower == "icmp":
		return lower
	case err != nil:
		return port
	}
	return strconv.Itoa(number) + "/" + protocol
}
