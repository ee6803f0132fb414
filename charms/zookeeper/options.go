package zookeeper

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

// Options are the application's options that this half reads.
type Options struct {
	Profile        string `option:"profile" oneof:"production staging testing"`
	LogLevel       string `option:"log-level" oneof:"trace debug info warn error"`
	HeapSize       string `option:"zookeeper-heap-size"`
	SessionTimeout int    `option:"zookeeper-session-timeout"`
	TickTime       int    `option:"tick-time"`
	VotersMax      int    `option:"voters-max"`
	ExtraConfig    string `option:"zookeeper-extra-config"`
}

// optionsKey is where the unit's state keeps the last valid options.
const optionsKey = "zookeeper.options"

// maxSessionTimeout is the longest session that the servers grant, in
// milliseconds.
const maxSessionTimeout = 60000

// owned are the keys of zoo.cfg that extra-config may not set.
var owned = []string{
	"4lw.commands.whitelist", "admin.*", "clientPort*", "dataDir", "dataLogDir", "DigestAuthenticationProvider.*",
	"dynamicConfigFile", "group.*", "localSessionsEnabled", "maxSessionTimeout", "metricsProvider.*", "minSessionTimeout",
	"peerType", "quorumListenOnAllIPs", "reconfigEnabled", "secureClientPort*", "server.*", "skipACL", "standaloneEnabled",
	"tickTime", "weight.*",
}

var memorySize = regexp.MustCompile(`^[1-9][0-9]{0,8}[kKmMgG]$`)

// Validate checks what the types do not; the error is an *ops.OptionError.
func (o Options) Validate() error {
	wrong := func(option, format string, args ...any) error {
		return &ops.OptionError{Option: option, Reason: fmt.Sprintf(format, args...)}
	}
	if o.HeapSize != "auto" && !memorySize.MatchString(o.HeapSize) {
		return wrong("zookeeper-heap-size", "%q is neither auto nor a size such as 512m or 2g", o.HeapSize)
	}
	if o.TickTime < 100 || o.TickTime > 10000 {
		return wrong("tick-time", "%d is not from 100 to 10000", o.TickTime)
	}
	if least := 2 * o.TickTime; o.SessionTimeout != 0 && (o.SessionTimeout < least || o.SessionTimeout > maxSessionTimeout) {
		return wrong("zookeeper-session-timeout", "%d is neither 0 nor from %d (2 × tick-time) to %d", o.SessionTimeout, least, maxSessionTimeout)
	}
	if !slices.Contains([]int{1, 3, 5, 7}, o.VotersMax) {
		return wrong("voters-max", "%d is not one of 1, 3, 5, 7", o.VotersMax)
	}
	extra, err := javaprops.ParseLines(o.ExtraConfig)
	if line, ok := errors.AsType[*javaprops.LineError](err); ok {
		return wrong("zookeeper-extra-config", "%v", line)
	}
	if key := extra.Owned(owned...); key != "" {
		return wrong("zookeeper-extra-config", "key %s is managed by the charm", key)
	}
	return nil
}

// Session is the session timeout that clients should ask for, in milliseconds.
func (o Options) Session() int {
	if o.SessionTimeout != 0 {
		return o.SessionTimeout
	}
	auto := 30000
	if o.Profile == "testing" {
		auto = 10000
	}
	return max(auto, 2*o.TickTime)
}

func (o Options) heap() string {
	if o.HeapSize != "auto" {
		return o.HeapSize
	}
	return map[string]string{"production": "1g", "staging": "256m", "testing": "96m"}[o.Profile]
}

// extra is the parsed extra-config of valid options.
func (o Options) extra() javaprops.Properties {
	extra, _ := javaprops.ParseLines(o.ExtraConfig)
	return extra
}
