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
