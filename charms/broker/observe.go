package broker

import (
	"context"
	"fmt"
	"slices"
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
	// Options are the last valid ones; nil if there never were any.
	Options *Options

	Peer       string // the peer relation's id; "" if there is none
	Bag        ops.Bag
	Cluster    cluster
	ClusterErr string
	Quorum     Quorum
	Members    map[int]member // the other units' databags by ordinal
	Offers     []string       // relation ids of Endpoint
	Bookies    Bookies

	ZooKeeper ZooKeeper
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

	initialised bool
	failure     string
	last        Snapshot
}

// Begin starts a hook.
func Begin(u *ops.Unit, m Metadata, a Admin) *Hook { return &Hook{unit: u, metadata: m, admin: a} }

// Bounds of what a hook waits for; what takes longer is looked at again later.
const (
	healthTimeout     = 3 * time.Second
	sessionTimeout    = 4 * time.Second
	initialiseTimeout = time.Minute
)

// localBroker is this unit's broker: all containers of a pod share addresses.
var localBroker = fmt.Sprintf("127.0.0.1:%d", WebPort)

// Observe reads all that this half depends on.
func (h *Hook) Observe(ctx context.Context, options *Options, zookeeper ZooKeeper) (Snapshot, error) {
	u := h.unit
	s := Snapshot{
		App: u.App(), Ordinal: u.Ordinal(), Options: options, ZooKeeper: zookeeper,
		Failure: h.failure, Members: map[int]member{},
	}
	s.Suffix = strings.TrimPrefix(u.FQDN(), fmt.Sprintf("%s-%d.", s.App, s.Ordinal))
	var err error
	if s.Leader, err = u.Leader(ctx); err != nil {
		return s, err
	}
	goal, err := u.Goal(ctx)
	if err != nil {
		return s, err
	}
	s.observeGoal(goal)
	if err := h.observePeers(ctx, &s); err != nil {
		return s, err
	}
	if err := h.observeBookies(ctx, &s, goal); err != nil {
		return s, err
	}
	offers, err := u.Relations(ctx, Endpoint)
	if err != nil {
		return s, err
	}
	for _, offer := range offers {
		if !offer.Broken {
			s.Offers = append(s.Offers, offer.ID)
		}
	}
	s.State, err = observeContainer(ctx, u.Container(Container))
	if pebble.Unavailable(err) {
		s.State, err = containerState{}, nil
	}
	if err != nil {
		return s, err
	}
	if s.State.Running {
		ctx, cancel := context.WithTimeout(ctx, healthTimeout)
		defer cancel()
		s.Healthy = h.admin.Health(ctx, localBroker) == nil
	}
	h.last = s
	return s, nil
}

func (s *Snapshot) observeGoal(goal ops.Goal) {
	s.Dying = goal.Dying
	for _, unit := range goal.Units {
		if ordinal := juju.Ordinal(unit); ordinal >= 0 && (!goal.Dying || ordinal != s.Ordinal) {
			s.Planned = append(s.Planned, ordinal)
		}
	}
	slices.Sort(s.Planned)
	if !s.Dying && !slices.Contains(s.Planned, s.Ordinal) {
		s.Planned = nil
	}
}

func (h *Hook) observePeers(ctx context.Context, s *Snapshot) error {
	peers, err := h.unit.Relations(ctx, Peers)
	if err != nil {
		return err
	}
	for _, peer := range peers {
		if peer.Broken {
			continue
		}
		s.Peer = peer.ID
		if s.Bag, err = peer.LocalApp(ctx); err != nil {
			return err
		}
		if s.Cluster, s.Quorum, err = readCluster(s.Bag); err != nil {
			s.ClusterErr = err.Error()
		}
		for _, unit := range peer.Units {
			bag, err := peer.RemoteUnit(ctx, unit)
			if err != nil {
				return err
			}
			var m member
			// Garbage counts as a broker that does not serve.
			if err := ops.Decode(bag, &m); err != nil {
				m = member{}
			}
			s.Members[juju.Ordinal(unit)] = m
		}
	}
	s.Cluster.Initialised = s.Cluster.Initialised || h.initialised
	return nil
}

func (h *Hook) observeBookies(ctx context.Context, s *Snapshot, goal ops.Goal) error {
	relations, err := h.unit.Relations(ctx, BookieEndpoint)
	if err != nil {
		return err
	}
	// An application is known to be of bookies by its units' ids; before there
	// are any, every one may be.
	bookieApps, otherApps := map[string]bool{}, map[string]bool{}
	for _, r := range relations {
		if r.Broken {
			continue
		}
		s.Bookies.Related = true
		otherApps[r.App] = true
		for _, unit := range r.Units {
			bag, err := r.RemoteUnit(ctx, unit)
			if err != nil {
				return err
			}
			var m relation.BookieMember
			err = ops.Decode(bag, &m)
			if err == nil {
				err = m.Validate()
			}
			switch {
			case err != nil:
				if s.Bookies.Wrong == "" {
					s.Bookies.Wrong = fmt.Sprintf("%s: %v", unit, err)
				}
			case m.BookieID != "":
				bookieApps[r.App] = true
				s.Bookies.Known++
				if m.State == relation.BookieServing {
					s.Bookies.Serving++
				}
			}
		}
	}
	if len(bookieApps) == 0 {
		bookieApps = otherApps
	}
	for _, unit := range goal.Relations[BookieEndpoint] {
		if bookieApps[juju.Application(unit)] {
			s.Bookies.Planned++
		}
	}
	return nil
}

// observeContainer's error is Unavailable if Pebble does not answer.
func observeContainer(ctx context.Context, c pebble.Pebble) (containerState, error) {
	plan, err := c.Plan(ctx)
	if err != nil {
		return containerState{}, fmt.Errorf("cannot read the plan of container %s: %w", Container, err)
	}
	state := containerState{Up: true}
	if _, ok := plan.Services[service]; ok {
		services, err := c.Services(ctx, service)
		if err != nil {
			return containerState{}, fmt.Errorf("cannot read service %s: %w", service, err)
		}
		state.Running = len(services) == 1 && services[0].Running()
		state.Hash = pebble.RunningHash(plan, service)
	}
	return state, nil
}
