package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
	"github.com/pulsar-charms/pulsar-charms/internal/watch"
)

// stepInitialise is the only step.
const stepInitialise = "initialise the cluster's metadata"

// Plan is what this half should be, with its step bound to the hook.
func (h *Hook) Plan(s Snapshot) ops.Plan {
	p := plan(s)
	for i := range p.Steps {
		p.Steps[i].Run = h.initialise
	}
	return p
}

// plan is pure: its steps have names only.
func plan(s Snapshot) ops.Plan {
	var p ops.Plan
	if s.Peer == "" {
		return p // the other half says so
	}
	wanted := decide(s)
	desired, wants := containers(s, wanted)
	if desired != nil {
		p.Containers = map[string]pebble.Desired{Container: *desired}
	}
	own := member{State: starting, Wants: wants}
	if s.Healthy {
		own.State = serving
	}
	p.Databags = append(p.Databags, ops.Databag{Relation: s.Peer, Data: encode(own)})
	if s.Leader {
		bag := encode(wanted)
		if s.ClusterErr != "" {
			bag = ownKeys(s.Bag) // a human has to look at it
		}
		p.Databags = append(p.Databags, ops.Databag{Relation: s.Peer, App: true, Data: bag})
		p.Databags = append(p.Databags, offers(s, wanted)...)
	}
	if s.mayInitialise() && s.Failure == "" {
		p.Steps = append(p.Steps, ops.Step{Name: stepInitialise})
	}
	p.Statuses = statuses(s, wanted, wants)
	return p
}

// ownKeys are the keys of this half.
func ownKeys(bag ops.Bag) ops.Bag {
	own := ops.Bag{}
	for key, value := range bag {
		if strings.HasPrefix(key, "broker-") || key == "cluster-name" || key == "metadata-initialised" {
			own[key] = value
		}
	}
	return own
}

// mayInitialise says whether this unit is to initialise the metadata now.
func (s Snapshot) mayInitialise() bool {
	return s.Leader && !s.Dying && s.State.Up && s.Options != nil && s.ClusterErr == "" && !s.Cluster.Initialised &&
		len(s.ZooKeeper.Servers) > 0 && len(s.Planned) > 0
}

// Pending says that this half has to be called again soon.
func (s Snapshot) Pending() bool { return s.Failure != "" }

// Offer is what the zookeeper relation should say of the cluster.
func (s Snapshot) Offer() (name string, initialised bool) {
	wanted := decide(s)
	return wanted.Name, wanted.Initialised
}

// decide is what the leader should write, given what is; for the others, what
// it has written.
func decide(s Snapshot) cluster {
	wanted := s.Cluster
	if !s.Leader || s.ClusterErr != "" {
		return wanted
	}
	if s.Options != nil && !wanted.Initialised {
		wanted.Name = s.Options.ClusterName
		if wanted.Name == "" {
			wanted.Name = s.App
		}
	}
	if q := nextQuorum(s.Quorum, s.Bookies.Planned, s.Bookies.Known, s.Bookies.Serving); q != (Quorum{}) {
		wanted.Quorum = q.String()
	}
	wanted.Turn = ""
	if turn := turn(s, wanted); turn != rolling.Nobody {
		wanted.Turn = fmt.Sprintf("%s/%d", s.App, turn)
	}
	return wanted
}

// turn says whose turn to restart it is, as the leader sees it.
func turn(s Snapshot, wanted cluster) int {
	_, wants := layer(s, wanted)
	members := []rolling.Member{{Ordinal: s.Ordinal, Wants: wants, Healthy: s.Healthy}}
	for ordinal, m := range s.Members {
		if slices.Contains(s.Planned, ordinal) {
			members = append(members, rolling.Member{Ordinal: ordinal, Wants: m.Wants, Healthy: m.State == serving})
		}
	}
	return rolling.Turn(s.Cluster.turnHolder(s.App), members)
}

// layer is the container with a broker that shall run on all that is known
// now; without services if too little is. It says whether a running one runs
// on something else.
func layer(s Snapshot, wanted cluster) (desired pebble.Desired, differs bool) {
	desired = pebble.Desired{Label: "broker"}
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
	return desired, s.State.Running && s.State.Hash != "" && s.State.Hash != pebble.Hash(desired, service)
}

// mayStart says whether all that a broker needs is there.
func mayStart(s Snapshot, wanted cluster) bool {
	quorum, err := ParseQuorum(wanted.Quorum)
	return err == nil && wanted.Initialised && s.Bookies.Serving >= quorum.Ensemble
}

// containers is the wanted container; nil leaves it as it is. wants says that
// the broker should restart; it waits for its turn if it must.
func containers(s Snapshot, wanted cluster) (desired *pebble.Desired, wants bool) {
	if s.Dying || !s.State.Up {
		return nil, false
	}
	d, wants := layer(s, wanted)
	if d.Services == nil || !s.State.Running && !mayStart(s, wanted) {
		return nil, false
	}
	if wants && wanted.turnHolder(s.App) != s.Ordinal {
		delete(d.Services, service)
		d.Files, d.RestartOn = nil, nil
	}
	d.Services[brokerWatch.Service()] = brokerWatch.Layer()
	d.Files = append(d.Files, brokerWatch.Files(seen(s))...)
	return &d, wants
}

// seen is what the watch is told that the charm has seen.
func seen(s Snapshot) string {
	if s.Healthy {
		return watch.Up
	}
	return watch.Down
}

// offers are the databags of the pulsar relations.
func offers(s Snapshot, wanted cluster) []ops.Databag {
	if wanted.Name == "" || len(s.Planned) == 0 || s.Dying {
		return nil
	}
	ready := s.Healthy
	for ordinal, m := range s.Members {
		ready = ready || m.State == serving && slices.Contains(s.Planned, ordinal)
	}
	var bags []ops.Databag
	for _, id := range s.Offers {
		bags = append(bags, ops.Databag{Relation: id, App: true, Data: encode(relation.PulsarOffer{
			ServiceURL:    serviceURL(s.hosts()),
			WebServiceURL: webServiceURL(s.hosts()),
			ClusterName:   wanted.Name,
			Ready:         ready,
		})})
	}
	return bags
}

// encode writes types of this repository, which cannot fail.
func encode(value any) ops.Bag {
	bag, err := ops.Encode(value)
	if err != nil {
		panic(err)
	}
	return bag
}

// initialise writes the cluster's metadata unless they are there.
func (h *Hook) initialise(ctx context.Context) error {
	s := h.last
	name := decide(s).Name
	done, err := h.exist(ctx, s.ZooKeeper.Servers, name)
	if err == nil && !done {
		h.unit.Progress(ctx, "initialising the cluster's metadata")
		command := initialise(*s.Options, name, s.ZooKeeper.Endpoints, s.hosts())
		var result pebble.ExecResult
		if result, err = h.unit.Container(Container).Exec(ctx, command); err == nil && result.ExitCode != 0 {
			err = fmt.Errorf("exit code %d: %s", result.ExitCode, lastLine(result))
		}
		if err == nil {
			done, err = h.exist(ctx, s.ZooKeeper.Servers, name)
		}
	}
	if err == nil && !done {
		err = fmt.Errorf("the command has succeeded, but not written %s", strings.Join(metadataPaths(name), " and "))
	}
	if err != nil {
		h.unit.Log().Warn("cannot initialise the cluster's metadata now", "error", err)
		h.failure = stepInitialise
		return nil
	}
	h.initialised = true
	return nil
}

func (h *Hook) exist(ctx context.Context, servers []string, clusterName string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
	defer cancel()
	return h.metadata.Exist(ctx, servers, metadataPaths(clusterName)...)
}

// lastLine is the end of what a command has said.
func lastLine(result pebble.ExecResult) string {
	text := strings.TrimSpace(string(result.Stderr))
	if text == "" {
		text = strings.TrimSpace(string(result.Stdout))
	}
	return text[strings.LastIndex(text, "\n")+1:]
}
