package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
	"github.com/pulsar-charms/pulsar-charms/internal/watch"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// Offer is what the other half adds to the zookeeper relation.
type Offer struct {
	ClusterName  string
	Initialised  bool // the cluster's metadata
	MaxFrameSize int
	// Pending says that the other half has to be called again soon.
	Pending bool
}

// View is what the other half needs to know of ZooKeeper.
type View struct {
	// Endpoints are host:port of members, as in the zookeeper relation.
	Endpoints []string
	// Servers are host:port to ask now: the own server, if it is in a quorum.
	Servers []string
	// SessionTimeout is what clients should ask for, in milliseconds.
	SessionTimeout int
}

// ports are those that clients use.
var ports = []string{fmt.Sprintf("%d/tcp", zk.ClientPort)}

// Names of the steps.
const (
	stepSecret = "make the password of ZooKeeper's super user"
	stepChange = "change ZooKeeper's members"
	stepHold   = "leave ZooKeeper's members"
	stepStop   = "stop ZooKeeper, which was never in an ensemble"
	stepWait   = "stop ZooKeeper until there is an ensemble to follow"
	stepMove   = "stop ZooKeeper, which waits for other members than it should"
	stepForget = "forget the membership of an earlier unit of this name"
)

// Plan is what this half should be, with its steps bound to the hook.
func (h *Hook) Plan(s Snapshot, offer Offer) ops.Plan {
	p := plan(s, offer)
	for i := range p.Steps {
		switch p.Steps[i].Name {
		case stepSecret:
			p.Steps[i].Run = h.makeSecret
		case stepChange:
			p.Steps[i].Run = h.changeMembers
		case stepHold:
			p.Steps[i].Run = h.hold
		case stepStop, stepWait, stepMove:
			p.Steps[i].Run = h.stop
		case stepForget:
			p.Steps[i].Run = h.forget
		}
	}
	return p
}

// plan is pure: its steps have names only.
func plan(s Snapshot, offer Offer) ops.Plan {
	p := ops.Plan{Ports: ports}
	if s.Peers.Relation == "" {
		p.Statuses = append(p.Statuses, leaving)
		switch {
		case !s.Dying:
			p.Statuses = []juju.Status{waitingForPeers}
		case s.strayed():
			p.Steps = append(p.Steps, ops.Step{Name: stepStop})
		case mustHold(s):
			// The others may need its vote, if only to take it out.
			if s.State.Version && !s.State.Running && s.Options != nil && s.Digest != "" {
				p.Containers = map[string]pebble.Desired{Container: layer(s, zk.Config{})}
			}
			p.Steps = append(p.Steps, ops.Step{Name: stepHold})
		case s.Failure == "" && !change(s).Empty():
			p.Steps = append(p.Steps, ops.Step{Name: stepChange})
		}
		return p
	}
	lock := s.lock()
	wanted, decided := s.Peers.Decision.Decide(s.Leader, func(cluster) (cluster, bool) {
		wanted, ok := decide(s)
		wanted.Turn = lock.Next()
		return wanted, ok
	})
	if desired := containers(s, lock, offer); desired != nil {
		p.Containers = map[string]pebble.Desired{Container: *desired}
	}

	own := member{State: starting, Restart: lock.State(), Fresh: s.fresh() && !s.Joined, Lost: s.lost()}
	if s.Mode != "" {
		own.State = serving
	}
	p.Databags = append(p.Databags, peers.Write(s.Peers.Relation, own))
	p.Databags = append(p.Databags, decided...)
	if s.Leader {
		p.Databags = append(p.Databags, offered(s, offer)...)
	}

	switch {
	case s.strayed():
		p.Steps = append(p.Steps, ops.Step{Name: stepStop})
	case mustHold(s):
		p.Steps = append(p.Steps, ops.Step{Name: stepHold})
	case s.Failure != "":
	case s.Leader && !s.Dying && s.Peers.Decision.Held.Secret == "" && s.Peers.Decision.Problem == nil:
		p.Steps = append(p.Steps, ops.Step{Name: stepSecret})
	case !change(s).Empty():
		p.Steps = append(p.Steps, ops.Step{Name: stepChange})
	case s.State.Up && !s.Young && !s.Dying && len(s.State.Stale) > 0 && (!s.inherited() || s.Mode == "" || lock.Own.Wants && lock.May()):
		p.Steps = append(p.Steps, ops.Step{Name: stepForget})
	case s.State.runs() && s.alone():
		p.Steps = append(p.Steps, ops.Step{Name: stepWait})
	case s.State.Running && s.Options != nil && s.stale():
		p.Steps = append(p.Steps, ops.Step{Name: stepMove})
	}
	if s.Wrong != nil {
		p.Statuses = append(p.Statuses, ops.Blocked(s.Wrong.Error()))
	}
	p.Statuses = append(p.Statuses, statuses(s, wanted, lock)...)
	return p
}

// strayed says that this unit goes and its server, which was never in an
// ensemble, runs: it might help to make the first one when no hook of the unit
// is left to take it out again.
func (s Snapshot) strayed() bool {
	return s.leaves() && s.State.Up && s.State.runs() && !s.State.Version && s.Mode == ""
}

// runs says that the server runs, now or in a while.
func (c containerState) runs() bool { return c.Running || c.Restarting }

// stop stops the server.
func (h *Hook) stop(ctx context.Context) error {
	err := h.unit.Container(Container).Stop(ctx, service)
	if pebble.Unavailable(err) {
		return nil // then it runs no more
	}
	return err
}

// mustHold says that this unit goes, its server's vote still counts and this
// hook cannot take it out. A voter that stops before it is out of the
// ensemble may take the quorum with it for ever: the others keep counting it.
// One that was never in an ensemble may go. Only hooks of the unit's end hold
// it up; the others would be run again at once, or not at all.
func mustHold(s Snapshot) bool {
	return s.Teardown && s.leaves() && s.votes() && (s.State.Version || s.Mode != "" || !s.State.Up) && (s.Failure != "" || change(s).Empty())
}

// holds are the seconds that a hook waits for the quorum to take the change: an
// election takes about as long. With a failed change before each they must be
// fewer rounds than Converge allows, or the unit would be let go.
const holds = 3

// hold lets the hook look again in a second. When it has done so often enough
// it fails the hook on purpose, for Juju to run it again: nothing else keeps a
// dying unit, and Juju waits as long as it takes.
func (h *Hook) hold(ctx context.Context) error {
	if h.held++; h.held > holds {
		return errors.New("no quorum takes the change now; the unit goes when one does")
	}
	h.failure = ""
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Second):
		return nil
	}
}

// change is the change of membership that this unit should make now.
func change(s Snapshot) zk.Change {
	if !s.mayChange() {
		return zk.Change{}
	}
	return nextChange(s.Known, s.Planned, s.Serving, s.votersMax(), s.host)
}

// decide is what the leader should write but for the turn, given what is; for
// the others, what it has written. It is false if the databag is garbage of
// which nobody knows better: a human has to look at it, a new ensemble beside
// the old would be worse.
func decide(s Snapshot) (cluster, bool) {
	wanted := s.Peers.Decision.Held
	if !s.Leader {
		return wanted, false
	}
	wanted.Voted = texts(s.voted())
	switch {
	case len(s.Known.Voters()) > 0 && !s.stillborn():
		wanted.setMembers(s.Known)
	case s.Peers.Decision.Problem == nil && !s.Dying && s.Options != nil && len(s.Planned) > 0:
		// The first decision. Nobody runs a server before it is committed.
		wanted.Observers = nil
		wanted.Voters = texts(firstMembers(s.Planned, s.votersMax()))
	}
	return wanted, s.Peers.Decision.Problem == nil || len(wanted.Voters) > 0
}

// lock is the lock of restarts as this unit sees it.
func (s Snapshot) lock() rolling.Lock {
	own := s.Peers.Own.Restart
	own.Wants, own.Healthy = s.differs() && s.Storage && !s.Dying, s.Mode != ""
	return rolling.Lock{
		Now: s.Now, Unit: s.unit(s.Ordinal), Leaving: s.Dying, Own: own,
		Others: rolling.Members(s.unit(s.Ordinal), s.Members, s.Planned, func(m member) rolling.State { return m.Restart }),
		Turn:   s.Peers.Decision.Committed.Turn,
	}
}

// differs says whether the running server runs on something else than it
// should. Its files say nothing of that: ZooKeeper rewrites them.
func (s Snapshot) differs() bool {
	if s.Options == nil || s.Digest == "" || !s.State.Running {
		return false
	}
	if s.inherited() {
		return true
	}
	should := pebble.Desired{Services: map[string]pebble.Service{service: layerService(*s.Options, Static(*s.Options, s.Digest))}}
	return s.State.Hash != pebble.Hash(should, service)
}

// inherited says that the server runs, now or in a while, since the life of an
// earlier unit of this name: Juju makes the new one in the same pod if the
// application grows again before that has ended.
func (s Snapshot) inherited() bool {
	return s.State.runs() && !s.Young && len(s.State.Stale) > 0
}

// layer is the container with a server that shall run on all that is known
// now.
func layer(s Snapshot, members zk.Config) pebble.Desired {
	desired := pebble.Desired{Label: label}
	if s.Options == nil || s.Digest == "" {
		return desired
	}
	static := Static(*s.Options, s.Digest)
	desired.Services = map[string]pebble.Service{service: layerService(*s.Options, static)}
	desired.Checks = map[string]pebble.Check{"zookeeper-serving": servingCheck}
	if s.State.Dynamic != "" && !s.stale() {
		desired.Files = Files(static, s.Life, s.State.Dynamic, zk.Config{}, serverID(s.Ordinal))
	} else {
		desired.Files = Files(static, s.Life, firstDynamicPath, s.first(members), serverID(s.Ordinal))
	}
	return desired
}

// containers is the wanted container; nil leaves it as it is. A server that
// should restart waits for its turn. One starts on what the leader has decided
// only when that is committed, the leader's own too: of a hook that fails, or
// whose unit has lost leadership at its end, no other unit ever hears, and the
// next leader would decide on an ensemble beside this one.
func containers(s Snapshot, lock rolling.Lock, offer Offer) *pebble.Desired {
	decided := s.Peers.Decision.Committed
	// Of a unit that goes the storage is still mounted, though Juju may list it
	// no more.
	if !s.State.Up || !s.Storage && !s.Dying || s.Options == nil || s.Digest == "" || decided.Secret == "" || len(decided.Voters) == 0 {
		return nil
	}
	if s.Young || len(s.State.Stale) > 0 {
		return nil
	}
	// Without this server there may be no quorum to take it out.
	if s.Dying && (!s.leaves() || !s.votes() || !s.State.Version || s.State.Running) {
		return nil
	}
	d := layer(s, decided.config(s.host))
	if s.alone() {
		delete(d.Services, service)
		d.Files = nil
	}
	waits := lock.Own.Wants && !lock.May()
	if waits {
		delete(d.Services, service)
	}
	if s.State.Running && (waits || !lock.Own.Wants) {
		// ZooKeeper may rewrite them at any moment.
		d.Files = nil
	}
	if d.Services == nil {
		d.Services = map[string]pebble.Service{}
	}
	d.Services[zookeeperWatch.Service()] = zookeeperWatch.Layer()
	d.Files = append(d.Files, zookeeperWatch.Files(seen(s, offer))...)
	return &d
}

// seen is what the watch is told that the charm has seen. A state that the
// watch never has makes it call again in a few seconds.
func seen(s Snapshot, offer Offer) string {
	switch {
	case s.Failure != "" || s.Unreachable || s.Lost || offer.Pending || s.hopeless():
		return "again"
	case s.Mode == "":
		return watch.Down
	}
	return s.Mode
}

// ViewOf is what the other half may know.
func ViewOf(s Snapshot) View {
	var view View
	if s.Mode != "" {
		view.Servers = []string{localServer}
	}
	if s.Options != nil {
		view.SessionTimeout = s.Options.Session()
	}
	wanted, _ := decide(s)
	view.Endpoints = endpoints(wanted.config(s.host), s.Planned, s.host)
	return view
}

// offered are the databags of the zookeeper relations.
func offered(s Snapshot, offer Offer) []ops.Databag {
	view := ViewOf(s)
	if len(view.Endpoints) == 0 || s.Dying {
		return nil
	}
	var bags []ops.Databag
	for _, id := range s.Offers {
		bags = append(bags, offers.Write(id, relation.ZooKeeperOffer{
			Endpoints:           view.Endpoints,
			MetadataServiceURI:  relation.LedgersURI(view.Endpoints),
			MetadataInitialised: offer.Initialised,
			ClusterName:         offer.ClusterName,
			MaxFrameSize:        offer.MaxFrameSize,
			SessionTimeout:      view.SessionTimeout,
		}))
	}
	return bags
}

// secretLabel is the secret's, by which its owner finds it.
const secretLabel = "zookeeper-super"

// makeSecret makes the password that changes of membership need. Juju keeps
// the secret if the hook succeeds, and with it the id in the databag. If there
// is one whose id the databag has lost, it is that: with another password all
// servers would have to restart.
func (h *Hook) makeSecret(ctx context.Context) error {
	id, password, err := h.ownPassword(ctx)
	if err != nil {
		return err
	}
	if !password.Empty() {
		h.secret, h.password = id, password
		return nil
	}
	password = ops.GeneratePassword()
	id, err = h.unit.AddAppSecret(ctx, secretLabel, map[string]ops.Secret{secretKey: password})
	if err != nil {
		return err
	}
	h.secret, h.password = id, password
	return nil
}

// forget removes the membership that an earlier unit of this name has left, and
// stops the server that may still run on it. Its data stay: a server that
// follows brings them up to date.
func (h *Hook) forget(ctx context.Context) error {
	if h.last.State.runs() {
		if err := h.stop(ctx); err != nil {
			return err
		}
	}
	for _, file := range h.last.State.Stale {
		if err := h.unit.Container(Container).Remove(ctx, file); err != nil {
			return err
		}
	}
	return nil
}

// changeMembers makes one change. What the snapshot says decides only whether
// it is tried; what to change is decided anew from what the ensemble says.
func (h *Hook) changeMembers(ctx context.Context) error {
	s := h.last
	ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
	defer cancel()
	var after zk.Config
	err := zk.ErrChanged
	for errors.Is(err, zk.ErrChanged) || errors.Is(err, zk.ErrNoNewQuorum) {
		after, err = h.ensemble.Reconfigure(ctx, []string{localServer}, h.password.Reveal(), func(now zk.Config) zk.Change {
			return nextChange(now, s.Planned, s.Serving, s.votersMax(), s.host)
		})
		if err != nil {
			select {
			case <-ctx.Done():
				err = errors.Join(err, ctx.Err())
			case <-time.After(200 * time.Millisecond):
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		h.unit.Log().Warn("cannot change ZooKeeper's members now", "error", err)
		h.failure = "change ZooKeeper's members"
		return nil
	}
	h.unit.Log().Info("ZooKeeper's members", "voters", fmt.Sprint(ordinals(after.Voters())), "observers", fmt.Sprint(ordinals(after.Observers())))
	h.config = &after
	return nil
}
