package ops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Unit is this unit for the length of one hook: what a charm may read, and
// where it writes. What Juju answers from one snapshot during a hook is read
// once: leadership, options, relations and their databags, goal, state,
// storages, ports. Networks, resources, AppStatus, CloudSpec and the content of
// secrets may become others while a hook runs: each call of these asks Juju. It
// is not safe for concurrent use.
type Unit struct {
	env    juju.Environment
	hook   juju.Hook
	tools  *hooktool.Tools
	pebble func(container string) pebble.Pebble
	now    func() time.Time
	log    *slog.Logger

	leader     *bool
	config     map[string]any
	relations  map[string][]*Relation
	containers map[string]pebble.Pebble
	goal       *Goal
	storages   map[string][]Storage
	bags       map[bagKey]Bag
	state      Bag // with what waits for the flush
	stored     Bag // without
	ports      []string
	owned      map[string]*OwnSecret // by ID

	// What waits for the flush.
	writes       map[bagKey]Bag
	committed    map[bagKey]Bag // what the databags in writes were before
	stateDiff    Bag
	secretSets   map[string]*hooktool.SecretSpec // by ID
	storageAdds  map[string]int                  // by name
	version      string
	statuses     []juju.Status // of the last plan
	moreStatuses []juju.Status
	appStatuses  []juju.Status
	planned      bool // the last plan was applied whole
	progressed   bool // the status is Progress's
}

func newUnit(host Host) *Unit {
	if host.Now == nil {
		host.Now = time.Now
	}
	tools := hooktool.New(host.Tools).For(host.Environment.Version)
	return &Unit{
		env: host.Environment, hook: host.Environment.Hook, tools: tools, pebble: host.Pebble, now: host.Now,
		log:        slog.New(newLogHandler(tools, host.LogLevel)),
		relations:  map[string][]*Relation{},
		containers: map[string]pebble.Pebble{},
		bags:       map[bagKey]Bag{},
		owned:      map[string]*OwnSecret{},
		writes:     map[bagKey]Bag{},
		committed:  map[bagKey]Bag{},
		stateDiff:  Bag{},
		secretSets: map[string]*hooktool.SecretSpec{},
	}
}

// Name is the unit's name, such as "pulsar/0".
func (u *Unit) Name() string { return u.env.UnitName }

// App is the application's name.
func (u *Unit) App() string { return juju.Application(u.env.UnitName) }

// Ordinal is the unit's number, which is also its pod's.
func (u *Unit) Ordinal() int { return juju.Ordinal(u.env.UnitName) }

// Model is the model's name, which is also the Kubernetes namespace, but for
// the controller's own model: that one's is controller-<controller>.
func (u *Unit) Model() string { return u.env.ModelName }

// Environment is the hook environment as Juju gave it.
func (u *Unit) Environment() juju.Environment { return u.env }

// Hook is the hook that runs. Only what Juju tells once (actions, a unit's
// own departure) should depend on it.
func (u *Unit) Hook() juju.Hook { return u.hook }

// Now is the time.
func (u *Unit) Now() time.Time { return u.now() }

// Log writes to juju-log.
func (u *Unit) Log() *slog.Logger { return u.log }

// Tools are the hook tools themselves, for what Unit does not wrap. Their
// effects pass by Unit's caches.
func (u *Unit) Tools() *hooktool.Tools { return u.tools }

// FQDN is the stable name of this unit's pod.
func (u *Unit) FQDN() string { return u.PeerFQDN(u.Name()) }

// PeerFQDN is the stable name of the pod of another unit of this model.
func (u *Unit) PeerFQDN(unit string) string {
	return juju.UnitFQDN(unit, cmp.Or(u.env.Namespace, u.Model()), cmp.Or(u.env.ClusterDomain, juju.DefaultClusterDomain))
}

// clusterOf finds the pod's namespace and the cluster's domain in the text of
// resolv.conf; "" for what it does not say. Kubernetes begins the search list
// with <namespace>.svc.<domain> and svc.<domain>.
func clusterOf(resolvConf string) (namespace, domain string) {
	for line := range strings.Lines(resolvConf) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "search" {
			continue
		}
		for i := range fields {
			fields[i] = strings.TrimSuffix(fields[i], ".")
		}
		for _, service := range fields[1:] {
			domain, ok := strings.CutPrefix(service, "svc.")
			if !ok {
				continue
			}
			for _, field := range fields[1:] {
				if namespace, ok := strings.CutSuffix(field, "."+service); ok && !strings.Contains(namespace, ".") {
					return namespace, domain
				}
			}
			return "", domain
		}
	}
	return "", ""
}

func readCluster() (namespace, domain string) {
	text, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return "", ""
	}
	return clusterOf(string(text))
}

// Leader says whether this unit leads its application: if true, it stays so
// for 30 s at least. Do leader duties wherever it is true; leader-elected may
// never run (Juju 3.6 drops it if a storage waits).
func (u *Unit) Leader(ctx context.Context) (bool, error) {
	if u.leader == nil {
		leader, err := u.tools.IsLeader(ctx)
		if err != nil {
			return false, fmt.Errorf("cannot ask for leadership: %w", err)
		}
		u.leader = &leader
	}
	return *u.leader, nil
}

// Container is the Pebble of a workload container. It may not answer yet.
func (u *Unit) Container(name string) pebble.Pebble {
	c, ok := u.containers[name]
	if !ok {
		c = u.pebble(name)
		u.containers[name] = c
	}
	return c
}

// Goal is what Juju plans for the model around this unit.
type Goal struct {
	// Units are the planned units of the own application, sorted; those that
	// are dying are left out.
	Units []string
	// Dying says that this unit itself is on its way out.
	Dying bool
	// Leaving are the units of the own application that are on their way out
	// and not gone yet, sorted.
	Leaving []string
	// Relations are the planned remote units by own endpoint, sorted, known
	// before they join.
	Relations map[string][]string
}

// Goal asks for the goal state.
func (u *Unit) Goal(ctx context.Context) (Goal, error) {
	if u.goal != nil {
		return *u.goal, nil
	}
	state, err := u.tools.GoalState(ctx)
	if err != nil {
		return Goal{}, fmt.Errorf("cannot read goal state: %w", err)
	}
	goal := Goal{Relations: map[string][]string{}}
	for unit, s := range state.Units {
		switch {
		case s.Status != "dying":
			goal.Units = append(goal.Units, unit)
		case unit == u.Name():
			goal.Dying = true
			fallthrough
		default:
			goal.Leaving = append(goal.Leaving, unit)
		}
	}
	slices.SortFunc(goal.Units, compareUnits)
	slices.SortFunc(goal.Leaving, compareUnits)
	for endpoint, remotes := range state.Relations {
		for name, s := range remotes {
			if juju.Ordinal(name) >= 0 && s.Status != "dying" {
				goal.Relations[endpoint] = append(goal.Relations[endpoint], name)
			}
		}
		slices.SortFunc(goal.Relations[endpoint], compareUnits)
	}
	goal.Dying = goal.Dying || u.leaving()
	u.goal = &goal
	return goal, nil
}

// leaving is what the hook itself says of the unit's end. A stop hook says
// nothing: it also runs when only the pod is replaced.
func (u *Unit) leaving() bool {
	switch u.hook.Kind {
	case juju.Remove, juju.StorageDetaching:
		return true
	case juju.RelationDeparted:
		return u.env.DepartingUnit == u.Name()
	}
	return false
}

// compareUnits sorts app/2 before app/10.
func compareUnits(a, b string) int {
	if c := strings.Compare(juju.Application(a), juju.Application(b)); c != 0 {
		return c
	}
	return juju.Ordinal(a) - juju.Ordinal(b)
}

// Storage is one storage instance of this unit.
type Storage struct {
	ID string // such as "journal/0"
	// Location is its path in the charm container.
	Location string
}

// Storage lists the attached instances of a storage of metadata.yaml.
func (u *Unit) Storage(ctx context.Context, name string) ([]Storage, error) {
	if storages, ok := u.storages[name]; ok {
		return slices.Clone(storages), nil
	}
	ids, err := u.tools.StorageList(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("cannot list storage %q: %w", name, err)
	}
	var storages []Storage
	for _, id := range ids {
		s, err := u.tools.StorageGet(ctx, id)
		if errors.Is(err, hooktool.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read storage %s: %w", id, err)
		}
		storages = append(storages, Storage{ID: id, Location: s.Location})
	}
	if u.storages == nil {
		u.storages = map[string][]Storage{}
	}
	u.storages[name] = storages
	return slices.Clone(storages), nil
}

// State is the unit's stored state, which survives its pod: a copy, which
// SetState changes, not the caller.
func (u *Unit) State(ctx context.Context) (Bag, error) { return copied(u.readState(ctx)) }

// readState gives the cached state itself, which must not be changed.
func (u *Unit) readState(ctx context.Context) (Bag, error) {
	if u.state == nil {
		state, err := u.tools.StateGet(ctx)
		if err != nil {
			return nil, fmt.Errorf("cannot read unit state: %w", err)
		}
		if state == nil {
			state = Bag{}
		}
		u.state, u.stored = state, state
	}
	return u.state, nil
}

// SetState stores a value at the end of the hook, if the hook succeeds; ""
// deletes the key.
func (u *Unit) SetState(ctx context.Context, key, value string) error {
	state, err := u.readState(ctx)
	if err != nil {
		return err
	}
	if state[key] == value {
		return nil
	}
	if !utf8.ValidString(key) || !utf8.ValidString(value) {
		return fmt.Errorf("cannot keep unit state %q: not UTF-8", key)
	}
	state = maps.Clone(state)
	if value == "" {
		delete(state, key)
	} else {
		state[key] = value
	}
	u.state, u.stateDiff[key] = state, value
	if u.stored[key] == value {
		delete(u.stateDiff, key)
	}
	return nil
}

// Progress shows at once what takes long in this hook; the hook's own status
// replaces it at the end. In an action it is a line for who waits for it.
func (u *Unit) Progress(ctx context.Context, message string) {
	var err error
	if u.hook.Kind == juju.Action {
		err = u.tools.ActionLog(ctx, message)
	} else {
		u.progressed = true
		err = u.tools.StatusSet(ctx, shown(Maintenance(message)))
	}
	if err != nil {
		u.log.Warn("cannot show progress", "error", err)
	}
}

// AddStatus adds a reason to those of the plan; the worst is shown.
func (u *Unit) AddStatus(status juju.Status) { u.moreStatuses = append(u.moreStatuses, status) }

// AppStatus is the application's status and those of its units by name. Only
// the leader may ask. What this hook sets does not show, what other units set
// meanwhile does.
func (u *Unit) AppStatus(ctx context.Context) (application juju.Status, units map[string]juju.Status, err error) {
	if application, units, err = u.tools.StatusGetApp(ctx); err != nil {
		return application, nil, fmt.Errorf("cannot read the application's status: %w", err)
	}
	return application, units, nil
}

// Network is what network-get says now of a binding: an endpoint or an extra
// binding. A new pod has no address for a while.
func (u *Unit) Network(ctx context.Context, binding string) (hooktool.Network, error) {
	network, err := u.tools.NetworkGet(ctx, binding, "")
	if err != nil {
		return network, fmt.Errorf("cannot read the network of %q: %w", binding, err)
	}
	return network, nil
}

// Resource is the path of a resource's file in the charm container. Juju
// fetches it first, which may take long. An oci-image's holds registrypath,
// username and password as YAML.
func (u *Unit) Resource(ctx context.Context, name string) (path string, err error) {
	if path, err = u.tools.ResourceGet(ctx, name); err != nil {
		return "", fmt.Errorf("cannot fetch resource %q: %w", name, err)
	}
	return path, nil
}

// AddStorage asks for count more instances of a storage at the end of the
// hook; storage-attached comes for each.
func (u *Unit) AddStorage(name string, count int) error {
	if count < 1 {
		return fmt.Errorf("cannot add storage %q: want one or more, got %d", name, count)
	}
	if u.storageAdds == nil {
		u.storageAdds = map[string]int{}
	}
	u.storageAdds[name] += count
	return nil
}

// CloudSpec is the access to the cloud below the model. It needs trust (juju
// trust), and on Kubernetes Juju 3.6.10: else a *hooktool.UnsupportedError.
func (u *Unit) CloudSpec(ctx context.Context) (hooktool.CloudSpec, error) {
	spec, err := u.tools.CredentialGet(ctx)
	if err != nil {
		return spec, fmt.Errorf("cannot read the cloud's credential: %w", err)
	}
	return spec, nil
}

// Version is the running Juju's; its methods say what it can do.
func (u *Unit) Version() juju.Version { return u.env.Version }
