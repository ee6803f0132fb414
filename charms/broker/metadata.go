package broker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// stepInitialise is the only step.
const stepInitialise = "initialise the cluster's metadata"

// ClustersPath has a child for each cluster, which the command writes half-way,
// and one for Pulsar's own "global". It takes a second name without a word, and
// then every namespace of its own is replicated to both.
const ClustersPath = "/admin/clusters"

// CompletePath is what the command writes last (Pulsar 4.0, and the order there
// is since transactions came, 2.8): after the tenants and namespaces.
const CompletePath = "/admin/partitioned-topics/pulsar/system/persistent/transaction_coordinator_assign"

// metadata are what the store has, as far as the leader has to know.
type metadata struct {
	Asked    bool     // the rest is known
	Clusters []string // by name, sorted
	Complete bool     // all was written that belongs to a cluster
}

// observeMetadata looks for what is in the store. Whoever asks a second time in
// a hook that could not be answered would only wait longer. What was initialised
// is no failure of this hook, whatever has become of it.
func (h *Hook) observeMetadata(ctx context.Context, s *Snapshot) {
	if h.failure != "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
	defer cancel()
	names, err := h.metadata.Children(ctx, s.ZooKeeper.Servers, ClustersPath)
	complete := h.initialised
	if err == nil && !complete {
		complete, err = h.metadata.Exist(ctx, s.ZooKeeper.Servers, CompletePath)
	}
	if h.initialised && err == nil && len(names) == 0 {
		err = fmt.Errorf("the command has succeeded, but not written %s", ClustersPath)
	}
	if err != nil {
		if s.mayAsk() {
			h.fail(err)
			s.Failure = h.failure
		}
		return
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == reservedName })
	slices.Sort(names)
	s.Metadata = metadata{Asked: true, Clusters: names, Complete: complete}
}

// fail notes that the metadata cannot be initialised in this hook.
func (h *Hook) fail(err error) {
	h.unit.Log().Warn("cannot initialise the cluster's metadata now", "error", err)
	h.failure = stepInitialise
}

// mayAsk says whether it is up to this unit to know what metadata there are.
func (s Snapshot) mayAsk() bool {
	return s.Leader && !s.Dying && s.State.Up && s.Options != nil && s.Peers.Decision.Problem == nil && !s.Peers.Decision.Held.Initialised &&
		len(s.ZooKeeper.Servers) > 0 && len(s.Planned) > 0
}

// mayMiss says whether metadata that were initialised may be what the own broker
// lacks: ZooKeeper may have come back without its disks.
func (s Snapshot) mayMiss() bool {
	return s.Leader && !s.Dying && !s.Healthy && s.Peers.Decision.Held.Initialised && len(s.ZooKeeper.Servers) > 0
}

// missing says that ZooKeeper has no metadata of the cluster any more. To write
// them again would be another cluster, without its topics.
func (s Snapshot) missing() bool {
	held := s.Peers.Decision.Held
	return s.mayMiss() && s.Metadata.Asked && !slices.Contains(s.Metadata.Clusters, held.Name)
}

// mayInitialise says whether this unit may initialise the metadata in this hook,
// of the name that is decided.
func (s Snapshot) mayInitialise() bool {
	return s.mayAsk() && s.Metadata.Asked && len(s.foreign()) == 0
}

// foreign are the clusters of which ZooKeeper has metadata, if none of them can
// be taken for this one.
func (s Snapshot) foreign() []string {
	if len(s.Metadata.Clusters) < 2 || slices.Contains(s.Metadata.Clusters, s.nameByOption()) {
		return nil
	}
	return s.Metadata.Clusters
}

// nameByOption is the cluster's name as the operator wants it.
func (s Snapshot) nameByOption() string { return cmp.Or(s.Options.ClusterName, s.App) }

// named decides on the cluster's name, and whether its metadata are there. The
// name may follow the option until its metadata may have been written: what
// ZooKeeper has counts, and before that what was decided last.
func named(s Snapshot, last cluster) cluster {
	if s.Options == nil || last.Initialised {
		return last
	}
	switch clusters := s.Metadata.Clusters; {
	case len(clusters) == 1:
		last.Name = clusters[0]
	case len(clusters) > 1 || !last.Initialising:
		last.Name = s.nameByOption()
	}
	last.Initialised = s.Metadata.Complete && slices.Contains(s.Metadata.Clusters, last.Name)
	last.Initialising = !last.Initialised && (last.Initialising || s.mayInitialise())
	return last
}

// initialise writes the cluster's metadata. The next round sees whether they
// are there.
func (h *Hook) initialise(ctx context.Context) error {
	s := h.last
	wanted, _ := decide(s)
	h.unit.Progress(ctx, "initialising the cluster's metadata")
	result, err := h.unit.Container(Container).Exec(ctx, initialise(*s.Options, wanted.Name, s.ZooKeeper.Endpoints, s.hosts()))
	if err == nil && result.ExitCode != 0 {
		err = fmt.Errorf("exit code %d: %s", result.ExitCode, lastLine(result))
	}
	if err != nil {
		h.fail(err)
		return nil
	}
	h.initialised = true
	return nil
}

// lastLine is the end of what a command has said.
func lastLine(result pebble.ExecResult) string {
	text := strings.TrimSpace(string(result.Stderr))
	if text == "" {
		text = strings.TrimSpace(string(result.Stdout))
	}
	return text[strings.LastIndex(text, "\n")+1:]
}
