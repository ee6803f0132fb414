package bookie

import (
	"testing"
)

func TestOptionsValidate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(o *options)
		want   string
	}{
		{"defaults", func(*options) {}, ""},
		{"profile", func(o *options) { o.Profile = "" }, `option profile: "" is not known`},
		{"sizes", func(o *options) { o.HeapSize, o.DirectMemorySize = "512m", "2G" }, ""},
		{"no unit", func(o *options) { o.HeapSize = "512" }, `option heap-size: "512" is not auto or a size of at least 32m, such as 512m or 2g`},
		{"flags", func(o *options) { o.DirectMemorySize = "1g -Xint" }, `option direct-memory-size: "1g -Xint" is not auto or a size of at least 32m, such as 512m or 2g`},
		{"too little", func(o *options) { o.HeapSize = "1m" }, `option heap-size: "1m" is not auto or a size of at least 32m, such as 512m or 2g`},
		{"gc", func(o *options) { o.GCWaitTime = 9 }, "option gc-wait-time: 9 is not within 10 and 86400 seconds"},
		{"gc as long as compaction's interval", func(o *options) { o.GCWaitTime = 3600 }, ""},
		{"gc longer than compaction's interval", func(o *options) { o.GCWaitTime = 3601 }, "option gc-wait-time: 3601 seconds are more than minorCompactionInterval, 3600: BookKeeper would not start"},
		{"gc longer than major compaction's interval", func(o *options) { o.GCWaitTime, o.ExtraConfig = 10801, "minorCompactionInterval=0" },
			"option gc-wait-time: 10801 seconds are more than majorCompactionInterval, 10800: BookKeeper would not start"},
		{"gc longer than an interval of extra", func(o *options) { o.ExtraConfig = "minorCompactionInterval=299" }, "option gc-wait-time: 300 seconds are more than minorCompactionInterval, 299: BookKeeper would not start"},
		{"gc within the intervals of extra", func(o *options) {
			o.GCWaitTime, o.ExtraConfig = 86400, "minorCompactionInterval=86400\nmajorCompactionInterval=172800"
		}, ""},
		{"gc without compaction", func(o *options) {
			o.GCWaitTime, o.ExtraConfig = 86400, "minorCompactionInterval=-1\nmajorCompactionInterval=0"
		}, ""},
		{"a threshold of 0 does not help", func(o *options) { o.GCWaitTime, o.ExtraConfig = 3601, "minorCompactionThreshold=0.0" },
			"option gc-wait-time: 3601 seconds are more than minorCompactionInterval, 3600: BookKeeper would not start"},
		{"gc longer than the index's interval", func(o *options) { o.ExtraConfig = "entryLocationCompactionInterval=60" },
			"option gc-wait-time: 300 seconds are more than entryLocationCompactionInterval, 60: BookKeeper would not start"},
		{"gc of extra", func(o *options) { o.ExtraConfig = "gcWaitTime=3600001" }, "option extra-config: gcWaitTime: 3600.001 seconds are more than minorCompactionInterval, 3600: BookKeeper would not start"},
		{"gc of extra mends it", func(o *options) { o.GCWaitTime, o.ExtraConfig = 3601, "gcWaitTime=60000" }, ""},
		{"compaction's interval is not a number", func(o *options) { o.ExtraConfig = "minorCompactionInterval=often" }, ""},
		{"recovery", func(o *options) { o.LostBookieRecoveryDelay = -1 }, "option lost-bookie-recovery-delay: -1 is not within 0 and 86400 seconds"},
		{"extra", func(o *options) { o.ExtraConfig = "# x\nflushInterval=1000\n\n" }, ""},
		{"extra without =", func(o *options) { o.ExtraConfig = "flushInterval" }, `option extra-config: line 1: "flushInterval" is not key=value`},
		{"extra of the charm", func(o *options) { o.ExtraConfig = "a=1\nledgerDirectories=/tmp" }, "option extra-config: key ledgerDirectories is managed by the charm"},
		{"extra of the charm by prefix", func(o *options) { o.ExtraConfig = "httpServerPort=1" }, "option extra-config: key httpServerPort is managed by the charm"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := testing_
			test.change(&o)
			got := ""
			if err := o.Validate(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
