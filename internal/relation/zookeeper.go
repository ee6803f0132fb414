package relation

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
)

// ZooKeeper is the Juju interface of that name.
const ZooKeeper = "zookeeper"

// ZooKeeperOffer is what the provider of interface zookeeper writes into its
// application databag.
type ZooKeeperOffer struct {
	// Endpoints are host:port of members that a client may connect to, by
	// their stable names. Not all members need be listed: enough that one of
	// them lives as long as the ensemble does.
	Endpoints []string `databag:"endpoints"`
	// Database is the path below which the client's data are; "" is the root.
	Database string `databag:"database"`
	// MetadataServiceURI is where BookKeeper's metadata are, in its own form:
	// zk+hierarchical://h1:2181;h2:2181/ledgers.
	MetadataServiceURI string `databag:"metadata-service-uri"`
	// MetadataInitialised says that the cluster's metadata have been written.
	// A bookie that starts earlier ends with exit code 2.
	MetadataInitialised bool `databag:"metadata-initialised"`
	// ClusterName is the Pulsar cluster's name.
	ClusterName string `databag:"cluster-name"`
	// MaxFrameSize is the least nettyMaxFrameSizeBytes of a bookie that can
	// take the brokers' largest message, in bytes; 0 if not said.
	MaxFrameSize int `databag:"max-frame-size"`
	// SessionTimeout is the ZooKeeper session timeout that clients should
	// ask for, in milliseconds; 0 if not said.
	SessionTimeout int `databag:"session-timeout"`
}

// Validate checks what came from outside; the error names the key. Keys that
// are absent are not wrong: the other side has not written them yet.
func (o ZooKeeperOffer) Validate() error {
	if len(o.Endpoints) > maxHosts {
		return fmt.Errorf("endpoints: %d are more than %d", len(o.Endpoints), maxHosts)
	}
	for _, endpoint := range o.Endpoints {
		if err := checkHostPort(endpoint); err != nil {
			return fmt.Errorf("endpoints: %w", err)
		}
	}
	if o.Database != "" && !znodePath.MatchString(o.Database) {
		return fmt.Errorf("database: %s is not a path", quote(o.Database))
	}
	if o.MetadataServiceURI != "" {
		list, found := strings.CutPrefix(o.MetadataServiceURI, "zk+hierarchical://")
		hosts, path, _ := strings.Cut(list, "/")
		if !found || !znodePath.MatchString("/"+path) || strings.Count(hosts, ";") >= maxHosts {
			return fmt.Errorf("metadata-service-uri: %s is not zk+hierarchical://<host>:<port>;…/<path>", quote(o.MetadataServiceURI))
		}
		for host := range strings.SplitSeq(hosts, ";") {
			if err := checkHostPort(host); err != nil {
				return fmt.Errorf("metadata-service-uri: %w", err)
			}
		}
	}
	if o.ClusterName != "" && !clusterName.MatchString(o.ClusterName) {
		return fmt.Errorf("cluster-name: %s is not a cluster's name", quote(o.ClusterName))
	}
	// What is out of these bounds would keep a bookie from starting.
	if o.MaxFrameSize != 0 && (o.MaxFrameSize < 64<<10 || o.MaxFrameSize > 1<<30) {
		return fmt.Errorf("max-frame-size: %d is neither 0 nor from %d to %d bytes", o.MaxFrameSize, 64<<10, 1<<30)
	}
	if o.SessionTimeout != 0 && (o.SessionTimeout < 100 || o.SessionTimeout > 3600000) {
		return fmt.Errorf("session-timeout: %d is neither 0 nor from 100 to 3600000 milliseconds", o.SessionTimeout)
	}
	return nil
}

// Complete says whether a bookie has all it needs to start.
func (o ZooKeeperOffer) Complete() bool {
	return len(o.Endpoints) > 0 && o.MetadataServiceURI != "" && o.MetadataInitialised
}

// LedgersURI is the MetadataServiceURI of members host:port.
func LedgersURI(endpoints []string) string {
	return "zk+hierarchical://" + strings.Join(endpoints, ";") + "/ledgers"
}

var znodePath = regexp.MustCompile(`^(/[-.\w]{1,100}){1,10}$`)

func checkHostPort(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil || !isHost(host) {
		return fmt.Errorf("%s is not <host>:<port>", quote(text))
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return fmt.Errorf("%s is not <host>:<port>", quote(text))
	}
	return nil
}

// States of a bookie in its databag.
const (
	// BookieServing: registered in ZooKeeper and takes writes.
	BookieServing = "serving"
	// BookieStarting: anything else.
	BookieStarting = "starting"
)

var stateWord = regexp.MustCompile(`^[a-z]([-a-z]{0,38}[a-z])?$`)

// BookieMember is what a bookie writes into its unit databag, as requirer of
// interface zookeeper.
type BookieMember struct {
	// BookieID is the bookie's id in ledger metadata, host:port.
	BookieID string `databag:"bookie-id"`
	// State is BookieServing, BookieStarting, or a word of a newer charm.
	State string `databag:"state"`
	// FQDN is the unit's stable name.
	FQDN string `databag:"fqdn"`
}

// Validate checks what came from outside; the error names the key.
func (m BookieMember) Validate() error {
	if m.BookieID != "" {
		if err := checkHostPort(m.BookieID); err != nil {
			return fmt.Errorf("bookie-id: %w", err)
		}
	}
	if m.State != "" && !stateWord.MatchString(m.State) {
		return fmt.Errorf("state: %s is not a word", quote(m.State))
	}
	if m.FQDN != "" && !isHost(m.FQDN) {
		return fmt.Errorf("fqdn: %s is not a host's name", quote(m.FQDN))
	}
	return nil
}
