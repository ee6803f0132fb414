package simulation

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/charms/bookie"
	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// Paths in the containers.
const (
	bookieConf = "/pulsar/conf/bookkeeper.conf"
	brokerConf = "/pulsar/conf/broker.conf"
	instanceID = "/ledgers/INSTANCEID"
	// Of those that initialize-cluster-metadata writes: where the clusters are,
	// and the last one.
	clusters   = "/admin/clusters"
	lastOfThem = "/admin/partitioned-topics/pulsar/system/persistent/transaction_coordinator_assign"
)

var bookieVolumes = []string{"/pulsar/data/bookkeeper/journal", "/pulsar/data/bookkeeper/ledgers"}

// host is the stable name of a unit.
func host(unit string) string { return juju.UnitFQDN(unit, "sim", juju.DefaultClusterDomain) }

// bookieProcess and broker are running processes.
type (
	bookieProcess struct {
		w       *world
		unit    string
		fake    *pebbletest.Fake
		process pebbletest.Process
		id      string
		servers []string
		timeout time.Duration
		up      time.Time // when its start is over
		reached time.Time // ZooKeeper, last
		joined  bool
		ghost   bool // it thinks that it is registered and never looks again
		// Since when it has given up to register; its process stays.
		gaveUp time.Time
	}
	broker struct {
		w        *world
		unit     string
		address  string
		process  pebbletest.Process
		config   javaprops.Properties
		servers  []string
		ensemble int
		up       time.Time
	}
)

// startBookie is a process that starts.
func (w *world) startBookie(unit string, fake *pebbletest.Fake, process pebbletest.Process) *int {
	config := javaprops.Parse([]byte(read(fake, bookieConf)))
	servers, _, _ := strings.Cut(strings.TrimPrefix(config["metadataServiceUri"], "zk+hierarchical://"), "/")
	timeout, _ := strconv.Atoi(config["zkTimeout"])
	b := &bookieProcess{
		w: w, unit: unit, fake: fake, process: process, id: config["advertisedAddress"] + ":3181",
		servers: strings.Split(servers, ";"), timeout: time.Duration(timeout) * time.Millisecond,
		up: time.Now().Add(w.between(time.Second, 4*time.Second)), reached: time.Now(),
	}
	if w.acting == unit && w.zookeeper.nodes[instanceID] == "" {
		w.violate("bookie of %s is started before the metadata are initialised", unit)
	}
	if b.id != host(unit)+":3181" {
		w.violate("bookie of %s calls itself %s", unit, b.id)
	}
	w.bookies[unit] = b
	_ = fake.SetCheck(stuckCheck, "up", 0) // if the plan has it
	return nil
}

// stuckCheck is the charm's check of a bookie that has given up, and stuckAfter
// how long Pebble takes to find that it fails.
const (
	stuckCheck = "bookie-not-stuck"
	stuckAfter = 30 * time.Second
)

// giveUp is what BookKeeper does when it cannot register.
func (b *bookieProcess) giveUp(why string) {
	b.gaveUp = time.Now()
	b.w.logf("bookie of %s gives up and stays: %s", b.unit, why)
	b.w.result.Faults["bookie gives up and stays"]++
}

func (w *world) stopBookie(unit string, process pebbletest.Process) {
	b := w.bookies[unit]
	if b == nil || b.process.PID != process.PID {
		return
	}
	delete(w.bookies, unit)
	if s := w.zookeeper.sessions[b.id]; s != nil && s.owner == b && !w.killing && w.zookeeper.reach(unit, b.servers) {
		delete(w.zookeeper.sessions, b.id) // it says good-bye
	}
}

// exit ends the process as if by itself.
func (b *bookieProcess) exit(code int, why string) {
	b.w.logf("bookie of %s ends with code %d: %s", b.unit, code, why)
	b.w.kill(func() { _ = b.fake.Exit("bookie", code) })
}

// registered says whether ZooKeeper lists it.
func (b *bookieProcess) registered() bool {
	s := b.w.zookeeper.sessions[b.id]
	return s != nil && s.owner == b
}

func (b *bookieProcess) live() {
	now := time.Now()
	if now.Before(b.up) {
		return
	}
	e := &b.w.zookeeper
	reach := e.reach(b.unit, b.servers)
	if reach {
		b.reached = now
	}
	switch {
	case !b.gaveUp.IsZero():
		if now.Sub(b.gaveUp) >= stuckAfter {
			b.w.kill(func() { _ = b.fake.SetCheck(stuckCheck, "down", 0) })
		}
	case b.ghost:
	case !reach && !b.joined && now.Sub(b.reached) > b.timeout:
		b.giveUp("ZooKeeper does not answer")
	case !reach && now.Sub(b.reached) > b.timeout:
		// With nothing to replicate it may wait; after a session that ended
		// it always goes.
		b.exit(0, "ZooKeeper is gone")
	case !reach:
	case !b.joined:
		b.join()
	case !b.registered():
		b.exit(0, "its session has ended")
	default:
		e.sessions[b.id].seen = now
	}
}

// join checks the cookie and registers.
func (b *bookieProcess) join() {
	e := &b.w.zookeeper
	instance := e.nodes[instanceID]
	if instance == "" {
		b.exit(2, "BookKeeper cluster not initialized")
		return
	}
	wanted := fmt.Sprintf("4\nbookieHost: %q\njournalDir: %q\nledgerDirs: \"1\\t%s\"\ninstanceId: %q\n", b.id, bookieVolumes[0], bookieVolumes[1], instance)
	known := e.nodes["/ledgers/cookies/"+b.id]
	for _, volume := range bookieVolumes {
		if have := read(b.fake, volume+"/current/VERSION"); have != known || known != "" && known != wanted {
			b.exit(1, "InvalidCookieException: "+volume)
			return
		}
	}
	if known == "" {
		e.set("/ledgers/cookies/"+b.id, wanted)
		for _, volume := range bookieVolumes {
			write(b.fake, volume+"/current/VERSION", wanted)
		}
	}
	if s := e.sessions[b.id]; s != nil && s.owner != b {
		if time.Since(b.up) > b.timeout {
			b.giveUp("ZooKeeper has a node of an old session")
		}
		return // it waits for the end of the old session
	}
	e.sessions[b.id] = &session{owner: b, timeout: b.timeout, seen: time.Now()}
	e.seen[b.id] = true
	b.joined = true
	b.w.external()
	b.w.logf("bookie of %s is registered", b.unit)
}

// health is what the bookie's HTTP server says.
func (b *bookieProcess) health() bookie.Health {
	switch {
	case b == nil || !b.joined:
		return bookie.Health{}
	case !b.w.zookeeper.reach(b.unit, b.servers):
		return bookie.Health{Ready: true}
	case !b.registered():
		return bookie.Health{Ready: true, Listed: true}
	}
	return bookie.Health{Ready: true, Listed: true, Registered: "rw"}
}

// registry is what ZooKeeper knows of a bookie.
func (c client) registry(_ context.Context, servers []string, id string) (string, string, error) {
	type answer struct{ cookie, instance string }
	a, err := pass(c.gate, func() (answer, error) {
		if !c.e.reach(c.unit, servers) {
			return answer{}, errUnreachable
		}
		return answer{c.e.nodes["/ledgers/cookies/"+id], c.e.nodes[instanceID]}, nil
	})
	return a.cookie, a.instance, err
}

// startBroker is a process that starts.
func (w *world) startBroker(unit string, fake *pebbletest.Fake, process pebbletest.Process) *int {
	b := &broker{
		w: w, unit: unit, address: host(unit) + ":8080", process: process, config: javaprops.Parse([]byte(read(fake, brokerConf))),
		up: time.Now().Add(w.between(2*time.Second, 6*time.Second)),
	}
	if nodes := w.zookeeper.nodes; w.acting == unit && (nodes[path.Join(clusters, b.config["clusterName"])] == "" || nodes[lastOfThem] == "") {
		w.violate("broker of %s is started for cluster %q, whose metadata are not initialised", unit, b.config["clusterName"])
	}
	b.servers = strings.Split(strings.TrimPrefix(b.config["metadataStoreUrl"], "zk:"), ",")
	b.ensemble, _ = strconv.Atoi(b.config["managedLedgerDefaultEnsembleSize"])
	if seen := len(w.zookeeper.seen); w.acting == unit && (seen < b.ensemble || b.ensemble < 1) {
		w.violate("broker of %s is started with %d bookies ever seen, ensemble size %d", unit, seen, b.ensemble)
	}
	w.brokers[unit] = b
	return nil
}

func (w *world) stopBroker(unit string, process pebbletest.Process) {
	if b := w.brokers[unit]; b != nil && b.process.PID == process.PID {
		delete(w.brokers, unit)
	}
}

// healthy says whether the broker can write.
func (b *broker) healthy() bool {
	if b == nil || time.Now().Before(b.up) {
		return false
	}
	if !b.w.zookeeper.reach(b.unit, b.servers) {
		return false
	}
	bookies := 0
	for _, other := range b.w.bookies {
		if other.registered() {
			bookies++
		}
	}
	return bookies >= b.ensemble
}

// Health is the charm's Admin: a question to a broker's HTTP server.
func (c client) Health(_ context.Context, address string) error {
	_, err := pass(c.gate, func() (struct{}, error) {
		for unit, b := range c.e.w.brokers {
			if (address == b.address || unit == c.unit && address == "127.0.0.1:8080") && b.healthy() {
				return struct{}{}, nil
			}
		}
		return struct{}{}, errUnreachable
	})
	return err
}

// initialise plays initialize-cluster-metadata.
func (w *world) initialise(unit string, command pebble.Command) (pebble.ExecResult, error) {
	failed := func(why string) (pebble.ExecResult, error) {
		w.logf("initialize-cluster-metadata fails: %s", why)
		return pebble.ExecResult{ExitCode: 1, Stderr: []byte(why + "\n")}, nil
	}
	if len(command.Args) < 2 || command.Args[1] != "initialize-cluster-metadata" {
		return failed("unknown command")
	}
	flag := func(name string) string {
		if i := slices.Index(command.Args, name); i >= 0 && i+1 < len(command.Args) {
			return command.Args[i+1]
		}
		return ""
	}
	e, name := &w.zookeeper, flag("--cluster")
	if name == "" || !e.reach(unit, strings.Split(strings.TrimPrefix(flag("--metadata-store"), "zk:"), ",")) {
		return failed("cannot reach the metadata store")
	}
	for node := range e.nodes {
		if path.Dir(node) == clusters && path.Base(node) != "global" && path.Base(node) != name {
			// The command would do it, and every namespace have two clusters.
			w.violate("%s initialises the metadata of %q where there is %s", unit, name, node)
			return failed("another cluster")
		}
	}
	if e.nodes[lastOfThem] != "" {
		// It changes nothing. Another unit may have done it since this one looked.
		if !w.busy[unit].disturbed {
			w.violate("%s initialises the metadata of %q again", unit, name)
		}
		return pebble.ExecResult{}, nil
	}
	half, written := !w.calm && w.chance(10) && !w.options.Without[halfInitialised], w.rng.IntN(3)
	for i, node := range []string{instanceID, path.Join(clusters, name), path.Join(clusters, "global"), lastOfThem} {
		if half && i > written {
			w.fault(halfInitialised)
			return failed("killed")
		}
		if e.nodes[node] == "" {
			if node == instanceID {
				w.instances++
			}
			e.set(node, fmt.Sprintf("%d", w.instances))
		}
	}
	w.logf("metadata of cluster %q are initialised by %s", name, unit)
	return pebble.ExecResult{}, nil
}

// halfInitialised is the trouble that the metadata are written in part.
const halfInitialised = "initialisation ends half-way"

// kill lets processes end without a chance to say good-bye.
func (w *world) kill(do func()) {
	before := w.killing
	w.killing = true
	do()
	w.killing = before
	w.external()
}
