package broker

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

// Options are the application's options that this half reads.
type Options struct {
	Profile          string `option:"profile" oneof:"production staging testing"`
	ClusterName      string `option:"cluster-name"`
	LogLevel         string `option:"log-level" oneof:"trace debug info warn error"`
	HeapSize         string `option:"broker-heap-size"`
	DirectMemorySize string `option:"broker-direct-memory-size"`
	ExtraConfig      string `option:"broker-extra-config"`
}

// optionsKey is where the unit's state keeps the last valid options.
const optionsKey = "broker.options"

// owned are the keys of broker.conf that extra-config may not set.
var owned = []string{
	"advertisedAddress", "advertisedListeners", "bindAddress*", "bookkeeperMetadataServiceUri", "brokerServicePort*",
	"clusterName", "configurationMetadataStoreUrl", "configurationStoreServers", "globalZookeeperServers", "internalListenerName",
	"managedLedgerDefaultAckQuorum", "managedLedgerDefaultEnsembleSize", "managedLedgerDefaultWriteQuorum",
	"maxMessageSize", // bookies are told what frames to take
	"metadataStoreSessionTimeoutMillis", "metadataStoreUrl", "webServicePort*", "zooKeeperSessionTimeoutMillis", "zookeeperServers",
}

// reservedName is what Pulsar calls the place of topics of all clusters.
const reservedName = "global"

var (
	memorySize = regexp.MustCompile(`^[1-9][0-9]{0,8}[kKmMgG]$`)
	// clusterNames are Pulsar's rule for names (NamedEntity).
	clusterNames = regexp.MustCompile(`^[-=:.\w]{1,200}$`)
)

// Validate checks what the types do not; the error is an *ops.OptionError.
func (o Options) Validate() error {
	wrong := func(option, format string, args ...any) error {
		return &ops.OptionError{Option: option, Reason: fmt.Sprintf(format, args...)}
	}
	if o.ClusterName != "" && !clusterNames.MatchString(o.ClusterName) {
		return wrong("cluster-name", "%.40q may hold only letters, digits and - = : . _", o.ClusterName)
	}
	if o.ClusterName == reservedName {
		return wrong("cluster-name", "%q is reserved by Pulsar", reservedName)
	}
	if o.HeapSize != "auto" && !memorySize.MatchString(o.HeapSize) {
		return wrong("broker-heap-size", "%q is neither auto nor a size such as 512m or 2g", o.HeapSize)
	}
	if o.DirectMemorySize != "auto" && !memorySize.MatchString(o.DirectMemorySize) {
		return wrong("broker-direct-memory-size", "%q is neither auto nor a size such as 512m or 4g", o.DirectMemorySize)
	}
	extra, err := javaprops.ParseLines(o.ExtraConfig)
	if line, ok := errors.AsType[*javaprops.LineError](err); ok {
		return wrong("broker-extra-config", "%v", line)
	}
	if key := extra.Owned(owned...); key != "" {
		return wrong("broker-extra-config", "key %s is managed by the charm", key)
	}
	return nil
}

func (o Options) heap() string {
	if o.HeapSize != "auto" {
		return o.HeapSize
	}
	return map[string]string{"production": "2g", "staging": "512m", "testing": "320m"}[o.Profile]
}

func (o Options) direct() string {
	if o.DirectMemorySize != "auto" {
		return o.DirectMemorySize
	}
	return map[string]string{"production": "4g", "staging": "512m", "testing": "192m"}[o.Profile]
}

// extra is the parsed extra-config of valid options.
func (o Options) extra() javaprops.Properties {
	extra, _ := javaprops.ParseLines(o.ExtraConfig)
	return extra
}
