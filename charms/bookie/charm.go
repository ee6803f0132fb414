// Package bookie decides what a unit of the charm bookie is: one BookKeeper
// bookie, which stores the messages of a Pulsar cluster.
//
// Every hook observes (options, relations, Pebble, the bookie itself and, if
// it does not stay up, ZooKeeper) into a snapshot; plan, which is pure, says
// what the unit should be. The bookie starts once the other side says that
// the cluster's metadata are initialised. A running bookie restarts only if
// what it runs on changed, one unit of the application at a time; a value
// that cannot be used leaves it running as it is.
package bookie

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// Names of metadata.yaml.
const (
	containerName     = "bookie"
	zookeeperEndpoint = "zookeeper"
	peerEndpoint      = "cluster"
)

// service is the bookie's service in Pebble's plan.
const service = "bookie"

// Keys of the unit's state.
const (
	stateOptions = "options"       // the last valid ones
	stateMissing = "missing-since" // when ZooKeeper was first seen without the bookie
)

// Charm is the charm bookie.
type Charm struct {
	// Look asks the bookie of this unit how it is.
	Look func(ctx context.Context, id string) Health
	// Registry reads what ZooKeeper knows of the bookie. It ends with ctx.
	Registry func(ctx context.Context, servers []string, id string) (cookie, instanceID string, err error)
}

// New is the charm as it runs in a pod.
func New() *Charm { return &Charm{Look: lookAt, Registry: readRegistry} }

// Reconcile brings the unit from what it is to what it should be.
func (c *Charm) Reconcile(ctx context.Context, u *ops.Unit) error {
	return ops.Converge(ctx, u, func(ctx context.Context) (snapshot, error) { return c.observe(ctx, u) }, plan)
}

// member is what a unit tells its peers.
type member struct {
	// RestartWanted says that the bookie runs on another configuration than
	// it should.
	RestartWanted bool `databag:"restart-wanted"`
	// Healthy says that it is registered and serves.
	Healthy bool `databag:"healthy"`
}

// keyTurn is the ordinal of the unit that may restart, in the peers'
// application databag.
const keyTurn = "restart-turn"

// snapshot is all that plan depends on.
type snapshot struct {
	unit    string
	fqdn    string
	now     time.Time
	dying   bool
	leader  bool
	options options
	// known says that options are valid ones: of now, or if optionError is
	// set, the last that were.
	known       bool
	optionError error

	zookeeper *zookeeper // nil without relation
	peers     *peers     // nil before the relation exists

	reachable bool         // the container's Pebble answers
	plan      pebble.Layer // of the container
	service   pebble.ServiceInfo
	runs      string // metadataServiceUri of its bookkeeper.conf
	health    Health
	missing   time.Time // since when ZooKeeper does not list a bookie that is ready
	fault     string    // why the volumes keep the bookie from starting

	restart func(ctx context.Context) error
}

// zookeeper is the relation's other side.
type zookeeper struct {
	relation string
	app      string
	offer    relation.ZooKeeperOffer
	problem  error
}

// peers are the other units.
type peers struct {
	relation string
	turn     int
	others   []rolling.Member // read by the leader only
}

func (s snapshot) id() string { return bookieID(s.fqdn) }

// planned says that the service was given to Pebble, running or not.
func (s snapshot) planned() bool { return s.service.Name != "" }

func (c *Charm) observe(ctx context.Context, u *ops.Unit) (snapshot, error) {
	s := snapshot{unit: u.Name(), fqdn: u.FQDN(), now: u.Now(), restart: func(ctx context.Context) error {
		return u.Container(containerName).Restart(ctx, service)
	}}
	goal, err := u.Goal(ctx)
	if err != nil {
		return s, err
	}
	s.dying = goal.Dying
	if s.leader, err = u.Leader(ctx); err != nil {
		return s, err
	}
	if err := s.observeOptions(ctx, u); err != nil {
		return s, err
	}
	if err := s.observeZooKeeper(ctx, u); err != nil {
		return s, err
	}
	if err := s.observePeers(ctx, u, goal); err != nil {
		return s, err
	}
	err = c.observeContainer(ctx, u, &s)
	if pebble.Unavailable(err) {
		s.reachable, err = false, nil
	}
	return s, err
}

func (s *snapshot) observeOptions(ctx context.Context, u *ops.Unit) error {
	var now options
	err := u.Config(ctx, &now)
	if err == nil {
		err = now.validate()
	}
	state, stateErr := u.State(ctx)
	if stateErr != nil {
		return stateErr
	}
	if wrong, ok := errors.AsType[*ops.OptionError](err); ok {
		s.optionError = wrong
		s.options, err = decodeOptions(state[stateOptions])
		s.known = err == nil && s.options.validate() == nil && profiles[s.options.Profile].heap != ""
		return nil
	}
	if err != nil {
		return err
	}
	s.options, s.known = now, true
	text, err := now.encode()
	if err != nil {
		return fmt.Errorf("cannot keep options: %w", err)
	}
	return u.SetState(ctx, stateOptions, text)
}

func (s *snapshot) observeZooKeeper(ctx context.Context, u *ops.Unit) error {
	relations, err := u.Relations(ctx, zookeeperEndpoint)
	if err != nil {
		return err
	}
	for _, r := range relations {
		if r.Broken {
			continue
		}
		bag, err := r.RemoteApp(ctx)
		if err != nil {
			return err
		}
		z := &zookeeper{relation: r.ID, app: r.App}
		if z.problem = ops.Decode(bag, &z.offer); z.problem == nil {
			z.problem = z.offer.Validate()
		}
		s.zookeeper = z
		return nil // the endpoint's limit is one
	}
	return nil
}

func (s *snapshot) observePeers(ctx context.Context, u *ops.Unit, goal ops.Goal) error {
	relations, err := u.Relations(ctx, peerEndpoint)
	if err != nil || len(relations) == 0 || relations[0].Broken {
		return err
	}
	r := relations[0]
	bag, err := r.RemoteApp(ctx)
	if err != nil {
		return err
	}
	s.peers = &peers{relation: r.ID, turn: rolling.Nobody}
	if turn, err := strconv.Atoi(bag[keyTurn]); err == nil {
		s.peers.turn = turn
	}
	if !s.leader {
		return nil
	}
	for _, unit := range r.Units {
		if !slices.Contains(goal.Units, unit) {
			continue // on its way out: nobody waits for it
		}
		bag, err := r.RemoteUnit(ctx, unit)
		if err != nil {
			return err
		}
		var m member
		if err := ops.Decode(bag, &m); err != nil {
			u.Log().Warn("ignoring what a peer wrote", "unit", unit, "error", err)
			m = member{}
		}
		s.peers.others = append(s.peers.others, rolling.Member{Ordinal: juju.Ordinal(unit), Wants: m.RestartWanted, Healthy: m.Healthy})
	}
	return nil
}

func (c *Charm) observeContainer(ctx context.Context, u *ops.Unit, s *snapshot) error {
	container := u.Container(containerName)
	var err error
	if s.plan, err = container.Plan(ctx); err != nil {
		return err
	}
	s.reachable = true
	services, err := container.Services(ctx, service)
	if err != nil {
		return err
	}
	for _, info := range services {
		if info.Name == service {
			s.service = info
		}
	}
	if !s.planned() {
		return nil
	}
	text, err := container.Pull(ctx, configPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.runs = javaprops.Parse(text)["metadataServiceUri"]
	if s.service.Running() {
		s.health = c.Look(ctx, s.id())
		return s.observeMissing(ctx, u)
	}
	return c.observeFault(ctx, u, s)
}

// observeMissing keeps in mind since when a bookie that calls itself ready is
// not in ZooKeeper's list.
func (s *snapshot) observeMissing(ctx context.Context, u *ops.Unit) error {
	if !s.health.Ready || !s.health.Listed || s.health.Registered != "" {
		return u.SetState(ctx, stateMissing, "")
	}
	state, err := u.State(ctx)
	if err != nil {
		return err
	}
	if since, err := time.Parse(time.RFC3339, state[stateMissing]); err == nil {
		s.missing = since
		return nil
	}
	s.missing = s.now.Truncate(time.Second)
	return u.SetState(ctx, stateMissing, s.missing.UTC().Format(time.RFC3339))
}

// observeFault looks for the reason of a bookie that does not stay up. What
// cannot be read is no reason.
func (c *Charm) observeFault(ctx context.Context, u *ops.Unit, s *snapshot) error {
	servers, _, ok := splitURI(s.runs)
	if !ok {
		return nil
	}
	var v volumes
	for _, volume := range []struct {
		path string
		text *string
	}{{journalDir, &v.Journal}, {ledgersDir, &v.Ledgers}} {
		content, err := u.Container(containerName).Pull(ctx, volume.path+"/current/VERSION")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		*volume.text = string(content)
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	cookie, instanceID, err := c.Registry(ctx, servers, s.id())
	if err != nil {
		u.Log().Info("cannot ask ZooKeeper why the bookie is down", "error", err)
		return nil
	}
	s.fault = volumeFault(s.id(), v, registry{Cookie: cookie, InstanceID: instanceID})
	return nil
}

// readRegistry is Charm.Registry over a session of its own.
func readRegistry(ctx context.Context, servers []string, id string) (cookie, instanceID string, err error) {
	client, err := zk.Dial(ctx, servers)
	if err != nil {
		return "", "", err
	}
	defer client.Close()
	for _, node := range []struct {
		path string
		text *string
	}{{"/ledgers/cookies/" + id, &cookie}, {"/ledgers/INSTANCEID", &instanceID}} {
		content, err := client.Get(ctx, node.path)
		if err != nil && !errors.Is(err, zk.ErrNoNode) {
			return "", "", err
		}
		*node.text = string(content)
	}
	return cookie, instanceID, nil
}
