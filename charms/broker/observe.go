package broker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
)

// ZooKeeper is what the broker needs to know of its metadata store.
type ZooKeeper struct {
	// Endpoints are host:port of members, for configuration.
	Endpoints []string
	// Servers are host:port to ask now; none if there is no quorum.
	Servers []string
	// SessionTimeout is in milliseconds.
	SessionTimeout int
}

// Bookies are what the relations with bookies say of them.
type Bookies struct {
	Related bool // there is a relation at all
	Planned int  // that Juju plans
	Known   int  // that have told their ids
	Serving int  // that say they serve
	// Wrong is what is wrong with the data of the first such unit.
	Wrong string
}

// Snapshot is all that the plan depends on.
type Snapshot struct {
	App     string
	Ordinal int
	// Suffix makes a unit's stable name: <app>-<ordinal>.<suffix>.
	Suffix string
	Leader bool
	Dying  bool
	// Planned are the ordinals of the units that stay, sorted; none if Juju's
	// answer makes no sense, for example lacks this unit.
	Planned []int
	Now     time.Time
	// Options are the last valid ones; nil if there never were any.
	Options *Options
	// Wrong is what is wrong with those that are set, or nil.
	Wrong *ops.OptionError
	// Version is the workload's; "" if it is not known yet.
	Version string

	Peers   ops.Peers[member, cluster]
	Members map[string]member // of the other units
	Offers  []string          // relation ids of Endpoint
	Bookies Bookies

	ZooKeeper ZooKeeper
	Metadata  metadata
	State     containerState
	Healthy   bool // the own broker can write
	// Failure is what went wrong in a step of this hook; it is tried again in
	// a later one.
	Failure string
}

// containerState is what is in the container.
type containerState struct {
	Up      bool // Pebble answers
	Running bool
	Hash    string // what the running service was started with
}

func (s Snapshot) host(ordinal int) string {
	return fmt.Sprintf("%s-%d.%s", s.App, ordinal, s.Suffix)
}

// unit is the name of a unit.
func (s Snapshot) unit(ordinal int) string { return fmt.Sprintf("%s/%d", s.App, ordinal) }

// hosts are the stable names of the planned units.
func (s Snapshot) hosts() []string {
	var hosts []string
	for _, o := range s.Planned {
		hosts = append(hosts, s.host(o))
	}
	return hosts
}

// Hook is one hook's dealings with the broker: it remembers from one round to
// the next what a step has done.
type Hook struct {
	unit     *ops.Unit
	metadata Metadata
	admin    Admin
	bookies  ops.Provider[ops.None, relation.BookieMember]

	initialised bool // the command has succeeded in this hook
	failure     string
	last        Snapshot
}

// Begin starts a hook. Bookies are the units related to the endpoint bookies.
func Begin(u *ops.Unit, m Metadata, a Admin, bookies string) *Hook {
	return &Hook{unit: u, metadata: m, admin: a, bookies: ops.Provides[ops.None, relation.BookieMember](bookies)}
}

// Bounds of what a hook waits for; what takes longer is looked at again later.
const (
	healthTimeout     = 3 * time.Second
	sessionTimeout    = 4 * time.Second
	initialiseTimeout = time.Minute
)

// localBroker is this unit's broker: all containers of a pod share addresses.
var localBroker = fmt.Sprintf("127.0.0.1:%d", WebPort)

// Observe reads all that this half depends on.
func (h *Hook) Observe(ctx context.Context, zookeeper ZooKeeper) (Snapshot, error) {
	u := h.unit
	s := Snapshot{App: u.App(), Ordinal: u.Ordinal(), Now: u.Now(), ZooKeeper: zookeeper, Failure: h.failure}
	s.Suffix = strings.TrimPrefix(u.FQDN(), fmt.Sprintf("%s-%d.", s.App, s.Ordinal))
	var err error
	if s.Leader, err = u.Leader(ctx); err != nil {
		return s, err
	}
	if s.Options, s.Wrong, err = ops.Options[Options](ctx, u, optionsKey); err != nil {
		return s, err
	}
	goal, err := u.Goal(ctx)
	if err != nil {
		return s, err
	}
	s.Dying, s.Planned = goal.Dying, goal.Ordinals(u.Name())
	if s.Peers, err = peers.Read(ctx, u); err != nil {
		return s, err
	}
	if s.Members, err = s.Peers.Others(ctx); err != nil {
		return s, err
	}
	if err := h.observeBookies(ctx, &s, goal); err != nil {
		return s, err
	}
	if s.Offers, err = offers.Relations(ctx, u); err != nil {
		return s, err
	}
	broker, err := u.Service(ctx, Container, label, service)
	if err != nil {
		return s, err
	}
	s.State = containerState{Up: broker.Up, Running: broker.Running(), Hash: broker.Hash}
	if s.State.Running {
		ctx, cancel := context.WithTimeout(ctx, healthTimeout)
		defer cancel()
		s.Healthy = h.admin.Health(ctx, localBroker) == nil
	}
	if s.mayAsk() || s.mayMiss() {
		h.observeMetadata(ctx, &s)
	}
	s.Version, err = version(ctx, u)
	h.last = s
	return s, err
}

func (h *Hook) observeBookies(ctx context.Context, s *Snapshot, goal ops.Goal) error {
	clients, err := h.bookies.Clients(ctx, h.unit)
	if err != nil {
		return err
	}
	// An application is known to be of bookies by its units' ids; before there
	// are any, every one may be.
	bookieApps, otherApps := map[string]bool{}, map[string]bool{}
	for _, client := range clients {
		s.Bookies.Related = true
		otherApps[client.App] = true
		for _, unit := range client.Units {
			switch {
			case unit.Problem != nil:
				if s.Bookies.Wrong == "" {
					s.Bookies.Wrong = fmt.Sprintf("%s: %v", unit.Unit, unit.Problem.Err)
				}
			case unit.Request.BookieID != "":
				bookieApps[client.App] = true
				s.Bookies.Known++
				if unit.Request.State == relation.BookieServing {
					s.Bookies.Serving++
				}
			}
		}
	}
	if len(bookieApps) == 0 {
		bookieApps = otherApps
	}
	for _, unit := range goal.Relations[h.bookies.Endpoint()] {
		if bookieApps[juju.Application(unit)] {
			s.Bookies.Planned++
		}
	}
	return nil
}

// versionKey is where the unit's state keeps the workload's version.
const versionKey = "broker.version"

// version is Pulsar's, by the name of its broker's jar. It is looked for when
// the container has started, and kept.
func version(ctx context.Context, u *ops.Unit) (string, error) {
	state, err := u.State(ctx)
	if err != nil {
		return "", err
	}
	if u.Hook() != (juju.Hook{Kind: juju.PebbleReady, Name: Container}) {
		return state[versionKey], nil
	}
	files, err := u.Container(Container).ListFiles(ctx, "/pulsar/lib", false)
	if err != nil {
		if !pebble.Unavailable(err) {
			u.Log().Warn("cannot find Pulsar's version", "error", err)
		}
		return state[versionKey], nil
	}
	for _, file := range files {
		if _, rest, ok := strings.Cut(file.Name, "pulsar-broker-"); ok {
			if version, ok := strings.CutSuffix(rest, ".jar"); ok && strings.Count(version, "-") == 0 {
				return version, u.SetState(ctx, versionKey, version)
			}
		}
	}
	return state[versionKey], nil
}
