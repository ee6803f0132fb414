package broker

import (
	"fmt"
	"slices"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
	"github.com/pulsar-charms/pulsar-charms/internal/watch"
)

// Plan is what this half should be, with its step bound to the hook.
func (h *Hook) Plan(s Snapshot) ops.Plan {
	p := plan(s)
	for i := range p.Steps {
		p.Steps[i].Run = h.initialise
	}
	return p
}

// ports are those that clients use.
var ports = []string{fmt.Sprintf("%d/tcp", ServicePort), fmt.Sprintf("%d/tcp", WebPort)}

// plan is pure: its steps have names only.
func plan(s Snapshot) ops.Plan {
	p := ops.Plan{Ports: ports, Version: s.Version}
	if s.Peers.Relation == "" {
		p.Statuses = append(p.Statuses, leaving)
		if !s.Dying {
			p.Statuses = []juju.Status{waitingForPeers}
		}
		return p
	}
	wanted, ok := decide(s)
	committed := s.Peers.Decision.Committed
	desired, differs := layer(s, committed)
	lock := s.lock(differs)
	if ok {
		wanted.Turn = lock.Next()
	}
	wanted, decided := s.Peers.Decision.Decide(s.Leader, func(cluster) (cluster, bool) { return wanted, ok })
	if desired := containers(s, committed, desired, lock); desired != nil {
		p.Containers = map[string]pebble.Desired{Container: *desired}
	}
	own := member{State: starting, Restart: lock.State()}
	if s.Healthy {
		own.State = serving
	}
	p.Databags = append(p.Databags, peers.Write(s.Peers.Relation, own))
	p.Databags = append(p.Databags, decided...)
	if s.Leader {
		p.Databags = append(p.Databags, offered(s, wanted)...)
	}
	if s.mayInitialise() && !wanted.Initialised && committed.Initialising && committed.Name == wanted.Name {
		p.Steps = append(p.Steps, ops.Step{Name: stepInitialise})
	}
	if s.Wrong != nil {
		p.Statuses = append(p.Statuses, ops.Blocked(s.Wrong.Error()))
	}
	p.Statuses = append(p.Statuses, statuses(s, wanted, lock)...)
	return p
}

// Pending says that this half has to be called again soon.
func (s Snapshot) Pending() bool { return s.Failure != "" }

// Offer is what the zookeeper relation should say of the cluster.
func (s Snapshot) Offer() (name string, initialised bool) {
	wanted, _ := decide(s)
	return wanted.Name, wanted.Initialised
}

// decide is what the leader should write but for the turn, given what is; for
// the others, what it has written. It is false if the databag is garbage: a
// human has to look at it.
func decide(s Snapshot) (cluster, bool) {
	wanted := s.Peers.Decision.Held
	if !s.Leader || s.Peers.Decision.Problem != nil {
		return wanted, false
	}
	wanted = named(s, wanted)
	last, _ := ParseQuorum(wanted.Quorum) // none before the first decision
	if q := nextQuorum(last, s.Bookies.Planned, s.Bookies.Known, s.Bookies.Serving); q != (Quorum{}) {
		wanted.Quorum = q.String()
	}
	return wanted, true
}

// lock is the lock of restarts as this unit sees it. differs says that its
// broker runs on something else than it should.
func (s Snapshot) lock(differs bool) rolling.Lock {
	own := s.Peers.Own.Restart
	own.Wants, own.Healthy = differs && !s.Dying, s.Healthy
	return rolling.Lock{
		Now: s.Now, Unit: s.unit(s.Ordinal), Leaving: s.Dying, Own: own,
		Others: rolling.Members(s.unit(s.Ordinal), s.Members, s.Planned, func(m member) rolling.State { return m.Restart }),
		Turn:   s.Peers.Decision.Committed.Turn,
	}
}

// layer is the container with a broker that shall run on all that is known
// now; without services if too little is. It says whether a running one runs
// on something else. Of what the leader has decided counts what is committed: a
// broker on a quorum that is lost with the hook would go back to that before,
// which may be one of more bookies than there are.
func layer(s Snapshot, wanted cluster) (desired pebble.Desired, differs bool) {
	desired = pebble.Desired{Label: label}
	quorum, err := ParseQuorum(wanted.Quorum)
	if s.Options == nil || err != nil || wanted.Name == "" || len(s.ZooKeeper.Endpoints) == 0 {
		return desired, false
	}
	config := Config(Settings{
		Options: *s.Options, ClusterName: wanted.Name, FQDN: s.host(s.Ordinal),
		ZooKeeper: s.ZooKeeper.Endpoints, SessionTimeout: s.ZooKeeper.SessionTimeout, Quorum: quorum,
	})
	desired.Files = []pebble.File{{Path: configPath, Content: config.Render("Written by the charm.")}}
	desired.Services = map[string]pebble.Service{service: layerService(*s.Options)}
	desired.Checks = map[string]pebble.Check{"broker-ready": readyCheck}
	desired.RestartOn = map[string][]string{service: {configPath}}
	return desired, s.State.Running && s.State.Hash != pebble.Hash(desired, service)
}

// mayStart says whether all that a broker needs is there.
func mayStart(s Snapshot, wanted cluster) bool {
	quorum, err := ParseQuorum(wanted.Quorum)
	return err == nil && wanted.Initialised && s.Bookies.Serving >= quorum.Ensemble
}

// containers is the wanted container, d with all that should run, as it may be
// now; nil leaves it as it is. A broker that should restart waits for its turn.
func containers(s Snapshot, wanted cluster, d pebble.Desired, lock rolling.Lock) *pebble.Desired {
	if s.Dying || !s.State.Up {
		return nil
	}
	if d.Services == nil || !s.State.Running && !mayStart(s, wanted) {
		return nil
	}
	if lock.Own.Wants && !lock.May() {
		delete(d.Services, service)
		d.Files, d.RestartOn = nil, nil
	}
	d.Services[brokerWatch.Service()] = brokerWatch.Layer()
	d.Files = append(d.Files, brokerWatch.Files(seen(s))...)
	return &d
}

// seen is what the watch is told that the charm has seen.
func seen(s Snapshot) string {
	if s.Healthy {
		return watch.Up
	}
	return watch.Down
}

// offered are the databags of the pulsar relations.
func offered(s Snapshot, wanted cluster) []ops.Databag {
	if wanted.Name == "" || len(s.Planned) == 0 || s.Dying {
		return nil
	}
	ready := s.Healthy
	for unit, m := range s.Members {
		ready = ready || m.State == serving && slices.Contains(s.Planned, juju.Ordinal(unit))
	}
	var bags []ops.Databag
	for _, id := range s.Offers {
		bags = append(bags, offers.Write(id, relation.PulsarOffer{
			ServiceURL:    serviceURL(s.hosts()),
			WebServiceURL: webServiceURL(s.hosts()),
			ClusterName:   wanted.Name,
			Ready:         ready,
		}))
	}
	return bags
}
