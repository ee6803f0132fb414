package simulation

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// Paths in ZooKeeper's container, all on its mount.
const (
	zooMount   = "/pulsar/data/zookeeper"
	zooData    = "/pulsar/data/zookeeper/data"
	zooConf    = "/pulsar/data/zookeeper/conf"
	zooCfg     = zooConf + "/zoo.cfg"
	zooHistory = zooData + "/version-2/history"
)

// ensemble is all ZooKeeper servers of the model and what they agree on.
type ensemble struct {
	w       *world
	servers map[string]*server // running processes by unit

	// What was committed. births counts the ensembles that were ever made out
	// of nothing; there may be one.
	births int
	seen   map[string]bool // ids of all bookies that ever registered
	joined map[string]bool // units whose servers were ever in it
	zxid   int64
	config zk.Config
	nodes  map[string]string
	// sessions are those of bookies, by bookie id.
	sessions map[string]*session

	// Who serves now.
	leader  *server
	serving map[*server]bool
	// order are the servers by unit; nil: to be made.
	order []*server
}

// session keeps an ephemeral node until it is silent for too long.
type session struct {
	owner   *bookieProcess
	timeout time.Duration
	seen    time.Time
}

// server is a running process.
type server struct {
	unit    string
	host    string
	address string
	fake    *pebbletest.Fake
	process pebbletest.Process
	id      int
	digest  string
	config  zk.Config // as far as it knows
	zxid    int64     // last transaction on its disk
	up      time.Time // when its start is over
	takes   bool      // its start is over
}

func newEnsemble(w *world) ensemble {
	return ensemble{w: w, servers: map[string]*server{}, nodes: map[string]string{}, serving: map[*server]bool{}, sessions: map[string]*session{}, seen: map[string]bool{}, joined: map[string]bool{}}
}

func read(f *pebbletest.Fake, name string) string {
	content, err := f.Pull(context.Background(), name)
	if err != nil {
		return ""
	}
	return string(content)
}

func write(f *pebbletest.Fake, name, content string) {
	// A container that is going away takes no more writes.
	_ = f.Push(context.Background(), pebble.File{Path: name, Content: []byte(content)})
}

// start is a process that starts; an exit code ends it at once.
func (e *ensemble) start(unit string, fake *pebbletest.Fake, process pebbletest.Process) *int {
	static := javaprops.Parse([]byte(read(fake, zooCfg)))
	dynamic := static["dynamicConfigFile"]
	s := &server{unit: unit, host: host(unit), address: host(unit) + ":2181", fake: fake, process: process, digest: static["DigestAuthenticationProvider.superDigest"]}
	s.id, _ = strconv.Atoi(strings.TrimSpace(read(fake, static["dataDir"]+"/myid")))
	config, err := zk.ParseConfig(read(fake, dynamic))
	if _, rest, ok := strings.Cut(path.Base(dynamic), ".dynamic."); ok {
		config.Version, _ = strconv.ParseInt(rest, 16, 64)
	}
	s.config = config
	s.zxid, _ = strconv.ParseInt(read(fake, zooHistory), 10, 64)
	own, member := config.Member(s.id)
	if err != nil || !member || own.Host != s.host {
		e.w.logf("ZooKeeper of %s ends: %d is not a member by %s", unit, s.id, dynamic)
		one := 1
		return &one
	}
	s.up = time.Now().Add(e.w.between(500*time.Millisecond, 3*time.Second))
	e.servers[unit], e.order = s, nil
	return nil
}

func (e *ensemble) stop(unit string, process pebbletest.Process) {
	if s := e.servers[unit]; s != nil && s.process.PID == process.PID {
		delete(e.servers, unit)
		e.order = nil
		e.live()
	}
}

// alive are the servers that take part, by unit.
func (e *ensemble) alive() []*server {
	if e.order == nil {
		for _, unit := range sorted(e.servers) {
			e.order = append(e.order, e.servers[unit])
		}
	}
	all := true
	for _, s := range e.order {
		if !s.takes {
			s.takes = !time.Now().Before(s.up)
			all = all && s.takes
		}
	}
	if all {
		return e.order
	}
	return slices.DeleteFunc(slices.Clone(e.order), func(s *server) bool { return !s.takes })
}

func (s *server) knows(other *server) bool {
	m, ok := s.config.Member(other.id)
	return ok && m.Host == other.host
}

// votes says whether the server with the id is a voter of the membership.
func votes(config zk.Config, id int) bool {
	m, ok := config.Member(id)
	return ok && m.Role == zk.Participant
}

// adopt takes a newer membership, and writes it as ZooKeeper does.
func (s *server) adopt(config zk.Config) {
	if s.config.Version == config.Version {
		return
	}
	static := javaprops.Parse([]byte(read(s.fake, zooCfg)))
	old := static["dynamicConfigFile"]
	name := fmt.Sprintf("%s/zoo.cfg.dynamic.%x", zooConf, config.Version)
	write(s.fake, name, string(config.File()))
	static["dynamicConfigFile"] = name
	write(s.fake, zooCfg, string(static.Render("")))
	if old != name {
		_ = s.fake.Remove(context.Background(), old)
	}
	s.config = config
}

func (s *server) sync(e *ensemble) {
	zxid := e.zxid
	e.joined[s.unit] = true
	if s.zxid != zxid {
		s.zxid = zxid
		write(s.fake, zooHistory, strconv.FormatInt(zxid, 10))
	}
}

func majority(c zk.Config) int {
	n := 0
	for _, m := range c.Members {
		if m.Role == zk.Participant {
			n++
		}
	}
	return n/2 + 1
}

// live finds out who serves, and lets sessions end.
func (e *ensemble) live() {
	alive := e.alive()
	e.gossip(alive)
	e.elect(alive)
	now := time.Now()
	for id, s := range e.sessions {
		if e.leader == nil {
			s.seen = now // a new leader gives every session its time anew
		} else if now.Sub(s.seen) > s.timeout {
			delete(e.sessions, id)
		}
	}
}

// gossip spreads newer memberships, as elections do.
func (e *ensemble) gossip(alive []*server) {
	for changed := true; changed; {
		changed = false
		for _, s := range alive {
			for _, other := range alive {
				if other.config.Version > s.config.Version && (s.knows(other) || other.knows(s)) {
					s.adopt(other.config)
					changed = true
				}
			}
		}
	}
}

// elect makes an ensemble of the servers that agree on a membership, if they
// are a majority of it.
func (e *ensemble) elect(alive []*server) {
	var quorum []*server
	for _, s := range alive {
		if !votes(s.config, s.id) || slices.Contains(quorum, s) {
			continue
		}
		var same []*server
		for _, other := range alive {
			if other.config.Version == s.config.Version && votes(s.config, other.id) && s.knows(other) && slices.Equal(other.config.Members, s.config.Members) {
				same = append(same, other)
			}
		}
		if len(same) < majority(s.config) {
			continue
		}
		if quorum != nil {
			e.w.violate("two ensembles at once: %s of %v, and %s of %v", quorum[0].unit, quorum[0].config.Voters(), s.unit, s.config.Voters())
			return
		}
		quorum = same
	}
	clear(e.serving)
	if quorum == nil {
		e.leader = nil
		return
	}
	e.found(quorum)
	if !slices.Contains(quorum, e.leader) {
		e.leader = quorum[0]
		for _, s := range quorum {
			if s.zxid > e.leader.zxid || s.zxid == e.leader.zxid && s.id > e.leader.id {
				e.leader = s
			}
		}
		if e.leader.zxid < e.zxid {
			e.w.violate("ZooKeeper has lost transactions: the quorum of %s knows %d of %d", e.leader.unit, e.leader.zxid, e.zxid)
		}
		e.w.logf("ZooKeeper serves, leader %s, voters %v, observers %v", e.leader.unit, e.config.Voters(), e.config.Observers())
	}
	for _, s := range alive {
		// A server that is no member follows without a vote.
		if slices.Contains(quorum, s) || s.knows(e.leader) {
			e.serving[s] = true
			s.adopt(e.config)
			s.sync(e)
		}
	}
}

// found makes an ensemble out of servers that have no data.
func (e *ensemble) found(quorum []*server) {
	for _, s := range quorum {
		if s.zxid > 0 {
			return
		}
	}
	e.births++
	if e.births > 1 {
		e.w.violate("a second ensemble was made out of nothing by %s: members %v", quorum[0].unit, quorum[0].config.Members)
		return
	}
	e.zxid = 1 << 32
	e.config = quorum[0].config
	e.config.Version = e.zxid
	e.oddVoters()
	for _, s := range quorum {
		s.adopt(e.config)
		s.sync(e)
	}
}

func (e *ensemble) oddVoters() {
	if n := len(e.config.Voters()); n%2 == 0 {
		e.w.violate("%d voters: %v", n, e.config.Members)
	}
}

// at is the server at host:port as seen from a unit; nil if nobody answers.
func (e *ensemble) at(from, address string) *server {
	for _, s := range e.alive() {
		if address == s.address || s.unit == from && address == "127.0.0.1:2181" {
			return s
		}
	}
	return nil
}

// reach says whether one of the servers serves.
func (e *ensemble) reach(from string, servers []string) bool {
	return slices.ContainsFunc(servers, func(address string) bool { return e.serving[e.at(from, address)] })
}

// mode is what a server says to srvr; "" if it does not serve.
func (e *ensemble) mode(s *server) string {
	member, ok := e.config.Member(s.id)
	switch {
	case !e.serving[s]:
		return ""
	case s == e.leader:
		return "leader"
	case ok && member.Role == zk.Observer:
		return "observer"
	}
	return "follower"
}

func (e *ensemble) set(node, value string) {
	e.nodes[node] = value
	e.commit()
}

func (e *ensemble) commit() {
	e.zxid++
	for _, s := range e.alive() {
		if e.serving[s] {
			s.sync(e)
		}
	}
}

var (
	errUnreachable = errors.New("connection refused")
	errAuth        = errors.New("zk: not authenticated")
	errAnswerLost  = errors.New("zk: connection closed")
)

// client is ZooKeeper as a unit's hook sees it.
type client struct {
	e    *ensemble
	unit string
	gate *gate
}

// Server implements the charm's Ensemble.
func (c client) Server(_ context.Context, address string) (zk.Server, error) {
	return pass(c.gate, func() (zk.Server, error) {
		c.e.live()
		s := c.e.at(c.unit, address)
		switch {
		case s == nil:
			return zk.Server{}, errUnreachable
		case !c.e.serving[s]:
			return zk.Server{}, zk.ErrNotServing
		}
		return zk.Server{Mode: c.e.mode(s), Zxid: c.e.zxid}, nil
	})
}

// Config implements the charm's Ensemble.
func (c client) Config(_ context.Context, servers []string) (zk.Config, error) {
	return pass(c.gate, func() (zk.Config, error) {
		if !c.e.reach(c.unit, servers) {
			return zk.Config{}, errUnreachable
		}
		return c.e.config, nil
	})
}

// Exist implements the charm's Ensemble.
func (c client) Exist(_ context.Context, servers []string, paths ...string) (bool, error) {
	return pass(c.gate, func() (bool, error) {
		if !c.e.reach(c.unit, servers) {
			return false, errUnreachable
		}
		for _, p := range paths {
			if _, ok := c.e.nodes[p]; !ok {
				return false, nil
			}
		}
		return true, nil
	})
}

// Children implements the charm's Ensemble.
func (c client) Children(_ context.Context, servers []string, parent string) ([]string, error) {
	return pass(c.gate, func() ([]string, error) {
		if !c.e.reach(c.unit, servers) {
			return nil, errUnreachable
		}
		var names []string
		for node := range c.e.nodes {
			if path.Dir(node) == parent {
				names = append(names, path.Base(node))
			}
		}
		return names, nil
	})
}

// Reconfigure implements the charm's Ensemble.
func (c client) Reconfigure(_ context.Context, servers []string, password string, decide func(zk.Config) zk.Change) (zk.Config, error) {
	return pass(c.gate, func() (zk.Config, error) {
		e := c.e
		// It takes a while, and so never ends in the same instant as a charm's
		// patience.
		time.Sleep(13 * time.Millisecond)
		e.live()
		if !e.reach(c.unit, servers) {
			return zk.Config{}, errUnreachable
		}
		before := e.config
		change := decide(before)
		if change.Empty() {
			return before, nil
		}
		s := e.at(c.unit, servers[0])
		after := change.Apply(before)
		c.checkJoiners(change)
		switch {
		case s.digest != zk.SuperDigest(password):
			return zk.Config{}, errAuth
		case !e.w.calm && e.w.chance(5) && !e.w.options.Without["membership changed by another"]:
			e.w.fault("membership changed by another")
			return zk.Config{}, zk.ErrChanged
		case e.followers(after) < majority(after):
			e.w.logf("ZooKeeper refuses %v: no quorum of the new members", after.Voters())
			e.w.result.Faults["change of membership refused: no quorum of the new members"]++
			return zk.Config{}, zk.ErrNoNewQuorum
		}
		e.zxid++
		after.Version = e.zxid
		e.config = after
		e.w.logf("ZooKeeper's members: voters %v, observers %v", after.Voters(), after.Observers())
		e.oddVoters()
		for _, s := range e.alive() {
			if e.serving[s] {
				s.adopt(after)
				s.sync(e)
			}
		}
		e.live()
		if !e.w.calm && e.w.chance(5) && !e.w.options.Without["answer to a change of membership lost"] {
			e.w.fault("answer to a change of membership lost")
			return zk.Config{}, errAnswerLost
		}
		return after, nil
	})
}

// spare says whether the server's disk may be lost, because all others that
// vote serve.
func (e *ensemble) spare(s *server) bool {
	voters := e.config.Voters()
	if e.leader == nil || votes(e.config, s.id) && len(voters) < 3 {
		return false
	}
	for _, other := range e.alive() {
		if e.serving[other] && other != s {
			voters = slices.DeleteFunc(voters, func(id int) bool { return id == other.id })
		}
	}
	return len(voters) == 0 || len(voters) == 1 && voters[0] == s.id
}

// followers are the voters of a membership that follow the leader now.
func (e *ensemble) followers(config zk.Config) int {
	n := 0
	for _, s := range e.alive() {
		if m, ok := config.Member(s.id); ok && e.serving[s] && m.Role == zk.Participant && m.Host == s.host {
			n++
		}
	}
	return n
}
