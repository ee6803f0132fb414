package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// Snapshot is all that the plan depends on.
type Snapshot struct {
	App     string
	Ordinal int
	// Suffix makes a unit's stable name: <app>-<ordinal>.<suffix>.
	Suffix string
	Leader bool
	// Dying says that the unit, or the whole application, goes.
	Dying bool
	// Teardown says that this hook is of the unit's end, and can hold it up.
	Teardown bool
	// Planned are the ordinals of the units that stay, sorted; none if Juju's
	// answer makes no sense, for example lacks this unit.
	Planned []int
	// Leaving are the ordinals of the units that go and are not gone yet.
	Leaving []int
	Now     time.Time
	// Options are the last valid ones; nil if there never were any.
	Options *Options
	// Wrong is what is wrong with those that are set, or nil.
	Wrong *ops.OptionError

	Peers   ops.Peers[member, cluster]
	Members map[string]member // of the other units
	Offers  []string          // relation ids of Endpoint

	Storage bool
	// Young says that Juju does not know yet which life of this unit's name it
	// is; so the files on the storage tell nothing.
	Young bool
	Life  string // its name
	// Started says that the server was started in this life, Joined that it was
	// seen in an ensemble.
	Started, Joined bool
	// Password says that the super user's is known, which changes of membership
	// need; Digest is what servers are given of it, "" if not known yet.
	Password bool
	Digest   string
	State    containerState
	Mode     string // of the own server; "" if it is in no quorum

	// Known is the membership as far as this unit knows.
	Known zk.Config
	// Serving are the ordinals, beside the voters, whose servers serve; read
	// only if the membership is to change.
	Serving map[int]bool
	// Unreachable says that a server which should join does not answer here,
	// though its unit says that it serves.
	Unreachable bool
	// Found says that an ensemble serves; asked only by a server that should
	// follow it. Lost says that no server does of units of which one might.
	Found, Lost bool
	// Failure is what went wrong in a step of this hook; it is tried again in
	// a later one.
	Failure string
}

// containerState is what is in the container.
type containerState struct {
	Up      bool // Pebble answers
	Running bool
	// Restarting says that it has ended, and starts again without the charm.
	Restarting bool
	Hash       string // what the running service was started with

	// Digest is that of the settings on the storage.
	Digest  string
	Dynamic string    // path of the membership that zoo.cfg names or should name; "" if there is none
	Config  zk.Config // its content
	Version bool      // it was written by ZooKeeper

	// Stale are the files of a membership that an earlier unit of this name
	// has left on the storage.
	Stale []string
}

// host is the stable name of a unit.
func (s Snapshot) host(ordinal int) string {
	return fmt.Sprintf("%s-%d.%s", s.App, ordinal, s.Suffix)
}

// unit is the name of a unit.
func (s Snapshot) unit(ordinal int) string { return fmt.Sprintf("%s/%d", s.App, ordinal) }

// Hook is one hook's dealings with ZooKeeper: it remembers from one round to
// the next what a step has done.
type Hook struct {
	unit     *ops.Unit
	ensemble Ensemble

	life     string
	young    bool
	secret   string
	password ops.Secret
	config   *zk.Config
	failure  string
	held     int
	last     Snapshot
}

// Begin starts a hook.
func Begin(u *ops.Unit, e Ensemble) *Hook { return &Hook{unit: u, ensemble: e} }

// Keys of the unit's state.
const (
	lifeKey    = "zookeeper.life" // names the unit's life
	startedKey = "zookeeper.started"
	joinedKey  = "zookeeper.joined"
)

// Bounds of what a hook waits for; what takes longer is looked at again later.
const (
	serverTimeout  = time.Second
	sessionTimeout = 4 * time.Second
)

// Observe reads all that this half depends on.
func (h *Hook) Observe(ctx context.Context) (Snapshot, error) {
	u := h.unit
	s := Snapshot{App: u.App(), Ordinal: u.Ordinal(), Now: u.Now(), Failure: h.failure}
	s.Suffix = strings.TrimPrefix(u.FQDN(), fmt.Sprintf("%s-%d.", s.App, s.Ordinal))
	var err error
	if s.Leader, err = u.Leader(ctx); err != nil {
		return s, err
	}
	if s.Options, s.Wrong, err = ops.Options[Options](ctx, u, optionsKey); err != nil {
		return s, err
	}
	if err := s.observeGoal(ctx, u); err != nil {
		return s, err
	}
	if err := h.observeRelations(ctx, &s); err != nil {
		return s, err
	}
	storages, err := u.Storage(ctx, Storage)
	if err != nil {
		return s, err
	}
	s.Storage = len(storages) > 0
	if err := h.observeSecret(ctx, &s); err != nil {
		return s, err
	}
	if err := h.observeLife(ctx, &s); err != nil {
		return s, err
	}
	s.State, err = observeContainer(ctx, u, serverID(s.Ordinal), h.life)
	if pebble.Unavailable(err) {
		s.State, err = containerState{}, nil
	}
	if err != nil {
		return s, err
	}
	if err := h.observeJoined(ctx, &s); err != nil {
		return s, err
	}
	if s.State.Running {
		if server, err := h.server(ctx, localServer); err == nil {
			s.Mode = server.Mode
		}
	}
	h.observeMembership(ctx, &s)
	h.last = s
	return s, nil
}

func (h *Hook) server(ctx context.Context, address string) (zk.Server, error) {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	return h.ensemble.Server(ctx, address)
}

func (s *Snapshot) observeGoal(ctx context.Context, u *ops.Unit) error {
	goal, err := u.Goal(ctx)
	if err != nil {
		return err
	}
	s.Dying = goal.Dying
	s.Teardown = goal.Dying && ofTheEnd(u.Hook().Kind)
	s.Planned = goal.Ordinals(u.Name())
	for _, unit := range goal.Leaving {
		s.Leaving = append(s.Leaving, juju.Ordinal(unit))
	}
	return nil
}

// ofTheEnd says whether a hook that fails keeps a dying unit from going. Only
// remove does so always: Juju drops a failed hook when the pod gets SIGTERM,
// and if the unit began to die then, stop and remove are all that follows.
func ofTheEnd(kind juju.HookKind) bool {
	switch kind {
	case juju.StorageDetaching, juju.RelationDeparted, juju.RelationBroken, juju.Remove:
		return true
	}
	return false
}

func (h *Hook) observeRelations(ctx context.Context, s *Snapshot) (err error) {
	if s.Peers, err = peers.Read(ctx, h.unit); err != nil {
		return err
	}
	s.Known = s.Peers.Decision.Held.config(s.host)
	if s.Members, err = s.Peers.Others(ctx); err != nil {
		return err
	}
	s.Offers, err = offers.Relations(ctx, h.unit)
	return err
}

func (h *Hook) observeSecret(ctx context.Context, s *Snapshot) error {
	if h.secret != "" {
		s.Peers.Decision.Held.Secret = h.secret
	} else if s.Peers.Decision.Held.Secret != "" {
		content, ok, err := h.unit.SecretContent(ctx, s.Peers.Decision.Held.Secret)
		if err != nil {
			return err
		}
		if ok {
			h.password = content[secretKey]
		}
	} else if s.Peers.Relation == "" && s.Dying && s.Leader {
		// No databag tells the id any more, but the leader finds what it owns; and
		// as long as it leads, nobody else can take its server out.
		var err error
		if _, h.password, err = h.ownPassword(ctx); err != nil {
			return err
		}
	}
	if s.Password = !h.password.Empty(); s.Password {
		s.Digest = zk.SuperDigest(h.password.Reveal())
	}
	return nil
}

// ownPassword is the super user's, and its secret's id, as the leader finds it
// without that; empty if there is none.
func (h *Hook) ownPassword(ctx context.Context) (id string, password ops.Secret, err error) {
	known, ok, err := h.unit.OwnSecret(ctx, ops.SecretRef{Label: secretLabel})
	if err != nil || !ok {
		return "", ops.Secret{}, err
	}
	content, readable, err := h.unit.SecretContent(ctx, known.ID)
	if err != nil || !readable {
		return "", ops.Secret{}, err
	}
	return known.ID, content[secretKey], nil
}

// observeLife reads which life of the unit's name this is. Juju may give a new
// unit the storage of an earlier one of the same name, with the membership
// that its server had: that server was taken out, and others of its time may
// come back as well and make an ensemble of the past beside that of today.
// Unit state begins anew with each unit; what is written in this hook may be
// lost, so that a name for the life counts from the next hook on.
func (h *Hook) observeLife(ctx context.Context, s *Snapshot) error {
	state, err := h.unit.State(ctx)
	if err != nil {
		return err
	}
	if h.life = state[lifeKey]; h.life == "" {
		h.young, h.life = true, s.Now.UTC().Format(time.RFC3339Nano)
		err = h.unit.SetState(ctx, lifeKey, h.life)
	}
	s.Young, s.Life = h.young, h.life
	return err
}

// observeJoined remembers what became of the server: the container that could
// tell may be away when the unit goes.
func (h *Hook) observeJoined(ctx context.Context, s *Snapshot) error {
	state, err := h.unit.State(ctx)
	if err != nil {
		return err
	}
	if s.Started = state[startedKey] != ""; !s.Started && s.State.Dynamic != "" {
		s.Started = true
		err = h.unit.SetState(ctx, startedKey, "true")
	}
	if s.Joined = state[joinedKey] != ""; err == nil && !s.Joined && s.State.Version {
		s.Joined = true
		err = h.unit.SetState(ctx, joinedKey, "true")
	}
	return err
}

// observeContainer looks for the membership that the server last wrote. The
// error is Unavailable if Pebble goes away meanwhile.
func observeContainer(ctx context.Context, u *ops.Unit, id int, life string) (containerState, error) {
	server, err := u.Service(ctx, Container, label, service)
	state := containerState{Up: server.Up, Running: server.Running(), Restarting: server.Info.Restarting(), Hash: server.Hash}
	if err != nil || !server.Up {
		return state, err
	}
	return state, state.findMembership(ctx, u.Container(Container), id, life)
}

// findMembership takes the file that zoo.cfg names, else the newest that
// there is. A file without the own server is what was left when the server
// was taken out of the ensemble: with it the server would not start.
func (state *containerState) findMembership(ctx context.Context, c pebble.Pebble, id int, life string) error {
	files, err := c.ListFiles(ctx, configDirectory, false)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot list %s: %w", configDirectory, err)
	}
	text, err := c.Pull(ctx, staticPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot read %s: %w", staticPath, err)
	}
	static := javaprops.Parse(text)
	if static[lifeCfgKey] != life {
		for _, file := range files {
			state.Stale = append(state.Stale, path.Join(configDirectory, file.Name))
		}
		return nil
	}
	state.Digest = static[digestKey]
	named := path.Base(static[dynamicKey])
	best, bestVersion := "", int64(-1)
	for _, file := range files {
		version, ok := dynamicVersion(file.Name)
		if ok && (file.Name == named || version > bestVersion && best != named) {
			best, bestVersion = file.Name, version
		}
	}
	if best == "" {
		return nil
	}
	text, err = c.Pull(ctx, path.Join(configDirectory, best))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // replaced by a newer one since it was listed
	}
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", best, err)
	}
	config, err := zk.ParseConfig(string(text))
	if _, ok := config.Member(id); err != nil || !ok {
		return nil
	}
	state.Dynamic, state.Config, state.Version = path.Join(configDirectory, best), config, bestVersion > 0
	return nil
}

// dynamicVersion is the version in the name of a membership file that
// ZooKeeper wrote, zoo.cfg.dynamic.<hexadecimal>; 0 for the charm's first.
func dynamicVersion(name string) (int64, bool) {
	rest, ok := strings.CutPrefix(name, path.Base(firstDynamicPath))
	if !ok || rest == "" {
		return 0, ok
	}
	version, err := strconv.ParseInt(strings.TrimPrefix(rest, "."), 16, 64)
	return version, err == nil && rest[0] == '.'
}

// observeMembership finds what the ensemble's members are: what a step of
// this hook has brought about, else the own server's file, which follows every
// change, else what the leader has written.
func (h *Hook) observeMembership(ctx context.Context, s *Snapshot) {
	if s.Peers.Relation == "" {
		// Juju breaks it before the end if the agent was restarted.
		switch {
		case s.State.Version:
			s.Known = s.State.Config
		case !s.State.Up && (s.Started || s.Joined):
			// It may have been in an ensemble for a while of which no hook knows.
			self := zk.Member{ID: serverID(s.Ordinal), Host: s.host(s.Ordinal), Role: zk.Participant}
			s.Known = zk.Change{Joining: []zk.Member{self}}.Apply(zk.Config{})
		}
		s.Digest = s.State.Digest
	}
	switch {
	case h.config != nil:
		s.Known = *h.config
	case s.Mode != "" && s.State.Version:
		s.Known = s.State.Config
	case s.Mode != "" && s.Leader:
		// It follows and is no member, so it has no file of them, and what the
		// last leader has written may be old.
		ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
		defer cancel()
		if config, err := h.ensemble.Config(ctx, []string{localServer}); err == nil {
			s.Known = config
		}
	case s.leaves() && s.votes():
		// Another unit may have taken this server out, and if this one is the
		// leader, nobody else can write so.
		ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
		defer cancel()
		if config, err := h.ensemble.Config(ctx, s.others()); err == nil {
			s.Known = config
		}
	}
	if s.follows() {
		h.find(ctx, s)
	}
	s.Serving = map[int]bool{}
	if !s.mayChange() || s.Dying && s.votersStay() {
		return
	}
	all := map[int]bool{}
	for _, o := range s.Planned {
		all[o] = true
	}
	change := nextChange(s.Known, s.Planned, all, s.votersMax(), s.host)
	for _, m := range change.Joining {
		o := ordinalOf(m.ID)
		switch {
		case o == s.Ordinal:
			s.Serving[o] = s.Mode != ""
		case s.Members[s.unit(o)].State == serving, s.Dying: // a dying unit is told nothing new of the others
			_, err := h.server(ctx, clientAddress(s.host(o)))
			s.Serving[o] = err == nil
			s.Unreachable = s.Unreachable || err != nil && !s.Dying
		}
	}
}

// votersStay says that there is a voter whose unit stays. Then a unit that goes
// takes nobody in: it is told nothing new of the others, and the pod of an earlier
// unit of a name may still answer.
func (s Snapshot) votersStay() bool {
	return slices.ContainsFunc(ordinals(s.Known.Voters()), func(o int) bool { return slices.Contains(s.Planned, o) })
}

// find looks for a server that serves: of units that say so, and of units that
// go, which say nothing here any more and may wait for this one.
func (h *Hook) find(ctx context.Context, s *Snapshot) {
	ordinals := slices.Clone(s.Leaving)
	for unit, m := range s.Members {
		if m.State == serving {
			ordinals = append(ordinals, juju.Ordinal(unit))
		}
	}
	slices.Sort(ordinals)
	for _, o := range slices.Compact(ordinals) {
		if o == s.Ordinal {
			continue
		}
		if _, err := h.server(ctx, clientAddress(s.host(o))); err == nil {
			s.Found, s.Lost = true, false
			return
		}
		s.Lost = true
	}
}

// mayChange says whether this unit is to change the membership if it differs.
// All units have to be able to read before who of those that leave has voted; but
// a leader that goes may have no hook left to say so, and its vote counts.
func (s Snapshot) mayChange() bool {
	return (s.Leader || s.Dying) && (s.told() || s.Leader && s.Dying) &&
		len(s.Planned) > 0 && len(s.Known.Members) > 0 && s.Password && s.Mode != ""
}

// leaves says that this unit goes and others stay.
func (s Snapshot) leaves() bool { return s.Dying && len(s.Planned) > 0 }

// others are the servers of the units that stay.
func (s Snapshot) others() []string {
	var servers []string
	for _, o := range s.Planned {
		servers = append(servers, clientAddress(s.host(o)))
	}
	return servers
}

// votes says whether the own server votes, as far as this unit knows.
func (s Snapshot) votes() bool { return slices.Contains(s.Known.Voters(), serverID(s.Ordinal)) }

func (s Snapshot) votersMax() int {
	if s.Options == nil {
		return 5
	}
	return s.Options.VotersMax
}
