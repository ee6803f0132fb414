package broker

import (
	"fmt"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
)

// All statuses of this half. Behind each wait: what ends it.
var (
	waitingForContainer = ops.Waiting("for container broker")                                            // its pebble-ready
	waitingForZooKeeper = ops.Waiting("for ZooKeeper to serve")                                          // ZooKeeper's watch
	waitingForLeader    = ops.Waiting("for the leader to initialise the cluster's metadata")             // the peer databag
	initialisingFailed  = ops.Waiting("to initialise the cluster's metadata again")                      // ZooKeeper's watch, told to call again
	initialising        = ops.Maintenance("initialising the cluster's metadata")                         // this hook
	startingBroker      = ops.Maintenance("starting the broker")                                         // the watch's notice
	waitingForPeers     = ops.Waiting("for Juju to make the peer relation")                              // its relation-created
	leaving             = ops.Maintenance("leaving")                                                     // Juju's last hook
	restarting          = ops.Maintenance("restarting the broker")                                       // this hook
	restartDue          = "new settings for the broker: %s"                                              // the peer databag
	missingBookies      = "integrate with bookie: juju integrate bookie %s"                              // an operator
	nameFixed           = "option cluster-name: the cluster is called %q for good; reset it"             // an operator
	metadataLost        = "ZooKeeper lacks the metadata of %s: bring its volumes back or deploy %s anew" // an operator
	foreignMetadata     = "option cluster-name: ZooKeeper has the clusters %s; choose one"               // an operator
	brokenPeers         = "peer databag: %s; remove the wrong key or restore it from backup"             // an operator
	waitingForBookies   = "for bookies: %d of %d serve"                                                  // their databags
)

func statuses(s Snapshot, wanted cluster, lock rolling.Lock) []juju.Status {
	quorum, err := ParseQuorum(wanted.Quorum)
	switch {
	case s.Dying:
		return []juju.Status{leaving}
	case s.Peers.Decision.Problem != nil:
		return []juju.Status{ops.Blocked(fmt.Sprintf(brokenPeers, s.Peers.Decision.Problem))}
	case s.Options == nil:
		return nil // there is a wrong one
	case s.Options.ClusterName != "" && (wanted.Initialised || wanted.Initialising) && s.Options.ClusterName != wanted.Name:
		return []juju.Status{ops.Blocked(fmt.Sprintf(nameFixed, wanted.Name))}
	case s.missing():
		return []juju.Status{ops.Blocked(fmt.Sprintf(metadataLost, wanted.Name, s.App))}
	case len(s.foreign()) > 0:
		return []juju.Status{ops.Blocked(fmt.Sprintf(foreignMetadata, strings.Join(s.foreign(), ", ")))}
	case !s.Bookies.Related:
		return []juju.Status{ops.Blocked(fmt.Sprintf(missingBookies, s.App))}
	case !s.State.Up:
		return []juju.Status{waitingForContainer}
	case s.Failure != "":
		return []juju.Status{initialisingFailed}
	case !wanted.Initialised && len(s.ZooKeeper.Servers) == 0:
		return []juju.Status{waitingForZooKeeper}
	case !wanted.Initialised && s.Leader:
		return []juju.Status{initialising}
	case !wanted.Initialised:
		return []juju.Status{waitingForLeader}
	case !s.Healthy && len(s.ZooKeeper.Servers) == 0:
		return []juju.Status{waitingForZooKeeper}
	case err != nil || !s.Healthy && s.Bookies.Serving < quorum.Ensemble:
		return []juju.Status{bookiesMissing(s, quorum)}
	case !s.State.Running || !s.Healthy:
		return []juju.Status{startingBroker}
	case lock.Own.Wants && lock.May():
		return []juju.Status{restarting}
	case lock.Own.Wants:
		return []juju.Status{ops.Maintenance(fmt.Sprintf(restartDue, lock.Reason()))}
	}
	return []juju.Status{ops.Active(activeMessage(s, quorum))}
}

func bookiesMissing(s Snapshot, quorum Quorum) juju.Status {
	message := fmt.Sprintf(waitingForBookies, s.Bookies.Serving, max(quorum.Ensemble, 1))
	if s.Bookies.Wrong != "" {
		message += " (" + s.Bookies.Wrong + ")"
	}
	return ops.Waiting(message)
}

func activeMessage(s Snapshot, quorum Quorum) string {
	message := fmt.Sprintf("broker, quorum %s", quorum)
	switch known := s.Bookies.Known; {
	case known == 1:
		message += ", no redundancy (1 bookie)"
	case known <= quorum.Ensemble:
		message += ", writes stop while a bookie restarts"
	}
	return message
}
