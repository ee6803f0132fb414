package zookeeper

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	o := testOptions()
	o.ExtraConfig = "snapCount=1000\ninitLimit=20"
	files := Files(Static(*o, "super:digest="), "a life", firstDynamicPath, pulsarConfig([]int{0, 1, 2}, []int{3}), 2)
	want := []pebble.File{
		{Path: staticPath, Mode: 0o600, Content: []byte(`# Written by the charm; ZooKeeper rewrites it when its membership changes.
4lw.commands.whitelist=srvr,mntr,ruok,conf,cons,isro
DigestAuthenticationProvider.superDigest=super:digest=
admin.serverAddress=127.0.0.1
admin.serverPort=9990
autopurge.purgeInterval=1
autopurge.snapRetainCount=3
charm.life=a life
dataDir=/pulsar/data/zookeeper/data
dynamicConfigFile=/pulsar/data/zookeeper/conf/zoo.cfg.dynamic
initLimit=20
maxClientCnxns=0
maxSessionTimeout=60000
metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider
metricsProvider.httpPort=8000
quorumListenOnAllIPs=true
reconfigEnabled=true
snapCount=1000
standaloneEnabled=false
syncLimit=5
tickTime=2000
`)},
		{Path: myIDPath, Content: []byte("2\n")},
		{Path: firstDynamicPath, Content: []byte(`server.1=pulsar-0.pulsar-endpoints.m.svc.cluster.local:2888:3888:participant;0.0.0.0:2181
server.2=pulsar-1.pulsar-endpoints.m.svc.cluster.local:2888:3888:participant;0.0.0.0:2181
server.3=pulsar-2.pulsar-endpoints.m.svc.cluster.local:2888:3888:participant;0.0.0.0:2181
server.4=pulsar-3.pulsar-endpoints.m.svc.cluster.local:2888:3888:observer;0.0.0.0:2181
`)},
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestOptionsValidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"defaults", func(*Options) {}, ""},
		{"all set", func(o *Options) { o.HeapSize, o.SessionTimeout, o.ExtraConfig = "512m", 4000, "snapCount=1" }, ""},
		{"heap", func(o *Options) { o.HeapSize = "512" }, `option zookeeper-heap-size: "512" is neither auto nor a size such as 512m or 2g`},
		{"tick", func(o *Options) { o.TickTime = 0 }, "option tick-time: 0 is not from 100 to 10000"},
		{"session below two ticks", func(o *Options) { o.SessionTimeout = 3999 }, "option zookeeper-session-timeout: 3999 is neither 0 nor from 4000 (2 × tick-time) to 60000"},
		{"even voters", func(o *Options) { o.VotersMax = 4 }, "option voters-max: 4 is not one of 1, 3, 5, 7"},
		{"line without a value", func(o *Options) { o.ExtraConfig = "a=1\nb" }, `option zookeeper-extra-config: line 2: "b" is not key=value`},
		{"own key", func(o *Options) { o.ExtraConfig = "clientPort=1" }, "option zookeeper-extra-config: key clientPort is managed by the charm"},
		{"own key in other letters", func(o *Options) { o.ExtraConfig = "SERVER.1=x" }, "option zookeeper-extra-config: key SERVER.1 is managed by the charm"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := testOptions()
			test.change(o)
			got := ""
			if err := o.Validate(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("Validate() = %q, want %q", got, test.want)
			}
		})
	}
}

func TestEndpointsStayWhenUnitsComeAndGo(t *testing.T) {
	t.Parallel()
	three := endpoints(pulsarConfig([]int{0, 1, 2}, nil), []int{0, 1, 2}, pulsarHost)
	five := endpoints(pulsarConfig([]int{0, 1, 2, 3, 4}, nil), []int{0, 1, 2, 3, 4}, pulsarHost)
	if diff := cmp.Diff(three, five); diff != "" {
		t.Errorf("endpoints with three and five units differ:\n%s", diff)
	}
	if got := endpoints(pulsarConfig([]int{0, 1, 2, 3, 4, 5, 6}, nil), nil, pulsarHost); len(got) != 4 {
		t.Errorf("%d endpoints of seven voters, want 4: three may be down", len(got))
	}
	if diff := cmp.Diff([]string{clientAddress(pulsarHost(0)), clientAddress(pulsarHost(1))}, endpoints(pulsarConfig([]int{0}, []int{1}), nil, pulsarHost)); diff != "" {
		t.Errorf("endpoints of two units (-want +got):\n%s", diff)
	}
}
