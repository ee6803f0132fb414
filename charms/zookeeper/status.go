package zookeeper

import (
	"fmt"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
)

// All statuses of this half. Behind each wait: what ends it.
var (
	waitingForPeers     = ops.Waiting("for Juju to make the peer relation")                        // its relation-created
	waitingForContainer = ops.Waiting("for container zookeeper")                                   // its pebble-ready
	waitingForStorage   = ops.Waiting("for storage zookeeper")                                     // its storage-attached
	waitingForMembers   = ops.Waiting("for the leader to choose ZooKeeper's first members")        // the peer databag
	waitingForSecret    = ops.Waiting("for the leader to share ZooKeeper's secret")                // the peer databag
	waitingToJoin       = ops.Waiting("for the leader to take ZooKeeper in as a member")           // the peer databag
	startingServer      = ops.Maintenance("starting ZooKeeper")                                    // the watch's notice
	leaving             = ops.Maintenance("leaving")                                               // Juju's last hook
	restarting          = ops.Maintenance("restarting ZooKeeper")                                  // this hook
	restartDue          = "new settings for ZooKeeper: %s"                                         // the peer databag
	volumesLost         = "ZooKeeper's volumes of %s are empty: bring them back or deploy %s anew" // an operator
	brokenPeers         = "peer databag: %s; remove the wrong key or restore it from backup"       // an operator
)

func statuses(s Snapshot, wanted cluster, lock rolling.Lock) []juju.Status {
	_, member := s.Known.Member(serverID(s.Ordinal))
	switch {
	case s.Dying:
		return []juju.Status{leaving}
	case s.Peers.Decision.Problem != nil && len(wanted.Voters) == 0:
		return []juju.Status{ops.Blocked(fmt.Sprintf(brokenPeers, s.Peers.Decision.Problem))}
	case s.Options == nil:
		return nil // there is a wrong one
	case len(wanted.Voters) == 0:
		return []juju.Status{waitingForMembers}
	case !s.State.Up:
		return []juju.Status{waitingForContainer}
	case !s.Storage:
		return []juju.Status{waitingForStorage}
	case s.Digest == "":
		return []juju.Status{waitingForSecret}
	case s.Mode == "" && len(s.beyond()) > 0:
		return []juju.Status{ops.Blocked(fmt.Sprintf(volumesLost, strings.Join(s.beyond(), ", "), s.App))}
	case s.Mode == "":
		return []juju.Status{notServing(s, wanted)}
	case s.Failure != "":
		return []juju.Status{ops.Waiting("to " + s.Failure)}
	case !member:
		return []juju.Status{waitingToJoin}
	case lock.Own.Wants && lock.May():
		return []juju.Status{restarting}
	case lock.Own.Wants:
		return []juju.Status{ops.Maintenance(fmt.Sprintf(restartDue, lock.Reason()))}
	}
	return []juju.Status{ops.Active(activeMessage(s))}
}

// notServing tells a start from a quorum that is not there.
func notServing(s Snapshot, wanted cluster) juju.Status {
	voters, up := len(wanted.Voters), 0
	for _, v := range s.Known.Voters() {
		if s.Members[s.unit(ordinalOf(v))].State == serving {
			up++
		}
	}
	if up > 0 || voters == 1 {
		return startingServer
	}
	return ops.Waiting(fmt.Sprintf("for a quorum of ZooKeeper's %d voters", voters)) // the watch's notice
}

func activeMessage(s Snapshot) string {
	voters, observers := len(s.Known.Voters()), len(s.Known.Observers())
	message := fmt.Sprintf("ZooKeeper %s, %d voters", s.Mode, voters)
	if voters == 1 {
		message = fmt.Sprintf("ZooKeeper %s, 1 voter", s.Mode)
	}
	switch {
	case observers == 1:
		message += " + 1 observer"
	case observers > 1:
		message += fmt.Sprintf(" + %d observers", observers)
	}
	if voters == 1 {
		message += ", not redundant"
	}
	return message
}
