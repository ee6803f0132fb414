package bookie

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
)

// options are the options of config.yaml.
type options struct {
	Profile          string `option:"profile" oneof:"production staging testing"`
	HeapSize         string `option:"heap-size"`
	DirectMemorySize string `option:"direct-memory-size"`
	LogLevel         string `option:"log-level" oneof:"trace debug info warn error"`
	JournalSync      bool   `option:"journal-sync"`
	// GCWaitTime and LostBookieRecoveryDelay are seconds.
	GCWaitTime              int    `option:"gc-wait-time"`
	LostBookieRecoveryDelay int    `option:"lost-bookie-recovery-delay"`
	ExtraConfig             string `option:"extra-config"`
}

// auto leaves a size to the profile.
const auto = "auto"

// Validate is what the tags cannot say. Its errors are *ops.OptionError.
func (o options) Validate() error {
	if profiles[o.Profile].heap == "" {
		return &ops.OptionError{Option: "profile", Reason: fmt.Sprintf("%q is not known", o.Profile)} // kept by another revision
	}
	for _, size := range []struct{ option, value string }{
		{"heap-size", o.HeapSize}, {"direct-memory-size", o.DirectMemorySize},
	} {
		if size.value == auto {
			continue
		}
		if bytes, err := parseSize(size.value); err != nil || bytes < 32<<20 {
			return &ops.OptionError{Option: size.option, Reason: fmt.Sprintf("%q is not auto or a size of at least 32m, such as 512m or 2g", size.value)}
		}
	}
	for _, number := range []struct {
		option          string
		value, min, max int
	}{
		{"gc-wait-time", o.GCWaitTime, 10, 86400},
		{"lost-bookie-recovery-delay", o.LostBookieRecoveryDelay, 0, 86400},
	} {
		if number.value < number.min || number.value > number.max {
			return &ops.OptionError{Option: number.option, Reason: fmt.Sprintf("%d is not within %d and %d seconds", number.value, number.min, number.max)}
		}
	}
	extra, err := javaprops.ParseLines(o.ExtraConfig)
	if err != nil {
		return &ops.OptionError{Option: "extra-config", Reason: err.Error()}
	}
	if key := extra.Owned(ownedKeys...); key != "" {
		return &ops.OptionError{Option: "extra-config", Reason: fmt.Sprintf("key %s is managed by the charm", key)}
	}
	return o.validateCompaction()
}

// validateCompaction refuses what BookKeeper 4.17 does not start with
// (ServerConfiguration.validate): a compaction that is due more often than the
// thread that does it wakes up. An interval that is not positive turns one
// off; a threshold does not matter there. What is not a number is not judged.
func (o options) validateCompaction() error {
	conf := settings(o, "", relation.ZooKeeperOffer{})
	number := func(key string) float64 {
		value, err := strconv.ParseFloat(conf[key], 64)
		if err != nil {
			return 0
		}
		return value
	}
	option, prefix := "gc-wait-time", ""
	if _, ok := o.extra()["gcWaitTime"]; ok {
		option, prefix = "extra-config", "gcWaitTime: "
	}
	wait := number("gcWaitTime") / 1000
	for _, key := range []string{"minorCompactionInterval", "majorCompactionInterval", "entryLocationCompactionInterval"} {
		if interval := number(key); interval > 0 && interval < wait {
			return &ops.OptionError{Option: option, Reason: fmt.Sprintf("%s%s seconds are more than %s, %s: BookKeeper would not start",
				prefix, strconv.FormatFloat(wait, 'f', -1, 64), key, conf[key])}
		}
	}
	return nil
}

// extra is the parsed extra-config of valid options.
func (o options) extra() javaprops.Properties {
	extra, err := javaprops.ParseLines(o.ExtraConfig)
	if err != nil {
		return nil
	}
	return extra
}

var sizePattern = regexp.MustCompile(`^([1-9][0-9]{0,9})([kmgKMG])$`)

// parseSize reads a size as Java's -Xmx does, in bytes.
func parseSize(text string) (int64, error) {
	match := sizePattern.FindStringSubmatch(text)
	if match == nil {
		return 0, fmt.Errorf("%q is not a size", text)
	}
	number, err := strconv.ParseInt(match[1], 10, 64)
	if err != nil {
		return 0, err
	}
	return number << (10 * (1 + slices.Index([]string{"k", "m", "g"}, strings.ToLower(match[2])))), nil
}
