package bookie

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// Keys of the unit's state.
const (
	stateOptions = "options"       // the last valid ones
	stateMissing = "missing-since" // when ZooKeeper was first seen without the bookie
)

// snapshot is all that plan depends on.
type snapshot struct {
	unit    string
	fqdn    string
	now     time.Time
	dying   bool
	leader  bool
	options *options         // the last valid ones; nil if there are none
	wrong   *ops.OptionError // nil if those that are set are valid

	zookeeper *ops.RemoteApp[relation.ZooKeeperOffer] // nil without relation
	peers     ops.Peers[member, decision]
	others    map[string]rolling.State // read by the leader, and by who wants to restart

	service ops.Service
	runs    string // metadataServiceUri of its bookkeeper.conf
	health  Health
	missing time.Time // since when ZooKeeper does not list a bookie that is ready
	reached bool      // ZooKeeper answered when it was asked why the bookie is down
	fault   string    // why the volumes keep the bookie from starting

	restart func(ctx context.Context) error
}

func (s snapshot) id() string { return bookieID(s.fqdn) }

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
	if s.options, s.wrong, err = ops.Options[options](ctx, u, stateOptions); err != nil {
		return s, err
	}
	if s.zookeeper, err = zookeeper.Remote(ctx, u); err != nil {
		return s, err
	}
	if s.peers, err = peers.Read(ctx, u); err != nil {
		return s, err
	}
	err = c.observeContainer(ctx, u, &s)
	if pebble.Unavailable(err) {
		s.service, err = ops.Service{}, nil
	}
	if err != nil || !s.leader && !s.wantsRestart() {
		return s, err
	}
	others, err := s.peers.Others(ctx)
	s.others = rolling.Members(s.unit, others, goal.Ordinals(s.unit), func(m member) rolling.State { return m.Restart })
	return s, err
}

func (c *Charm) observeContainer(ctx context.Context, u *ops.Unit, s *snapshot) error {
	var err error
	if s.service, err = u.Service(ctx, containerName, label, service); err != nil || !s.service.Planned() {
		return err
	}
	text, err := u.Container(containerName).Pull(ctx, configPath)
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
		content, err := u.Container(containerName).Pull(ctx, volume.path+versionFile)
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
	s.reached = true
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
