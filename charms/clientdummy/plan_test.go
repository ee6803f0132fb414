package clientdummy

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
)

// related is a unit that has all it needs, mode off, and a service that would
// run in another mode.
func related() snapshot {
	return snapshot{
		unit: "dummy/2",
		options: options{
			Topic: "persistent://public/default/dummy", Partitions: 1, Mode: "off", MessageRate: 10, MessageSize: 128, SubscriptionType: "shared",
		},
		pulsar: &ops.RemoteApp[relation.PulsarOffer]{App: "pulsar", Offer: relation.PulsarOffer{
			ServiceURL: "pulsar://a:6650", WebServiceURL: "http://a:8080", ClusterName: "c", Ready: true,
		}},
		reachable: true, running: true, pushed: true, binary: Binary{Hash: "h"},
	}
}

func command(urls, mode string) string {
	return "/var/lib/dummy-client/client run " + urls + " --topic persistent://public/default/dummy --partitions 1" +
		" --journal /var/lib/dummy-client/journal --name dummy-2 --mode " + mode + " --rate 10 --size 128 --subscription-type shared --subscription dummy"
}

// outcome is what the cases below look at; the rest of a service is constant.
type outcome struct {
	Status  juju.Status
	Startup string // of the service; "" if it is left alone
	Command string
	Steps   []string
}

func summary(p ops.Plan) outcome {
	o := outcome{Status: juju.Worst(p.Statuses...)}
	if s, ok := p.Containers[containerName].Services[service]; ok {
		o.Startup, o.Command = s.Startup, s.Command
	}
	for _, step := range p.Steps {
		o.Steps = append(o.Steps, step.Name)
	}
	return o
}

func TestPlan(t *testing.T) {
	t.Parallel()
	const one = "--service-url pulsar://a:6650 --web-service-url http://a:8080"
	for _, test := range []struct {
		name   string
		change func(s *snapshot)
		want   outcome
	}{
		{"idle", func(*snapshot) {}, outcome{Status: ops.Active("")}},
		{"no relation", func(s *snapshot) { s.pulsar = nil },
			outcome{Status: ops.Blocked("integrate with pulsar: juju integrate dummy pulsar")}},
		{"no address yet", func(s *snapshot) { s.pulsar.Offer = relation.PulsarOffer{} },
			outcome{Status: ops.Waiting("waiting for pulsar to offer its address")}},
		{"brokers are not ready", func(s *snapshot) { s.pulsar.Offer.Ready, s.options.Mode, s.running = false, "both", false },
			outcome{Status: ops.Waiting("waiting for the brokers of pulsar to take messages")}},
		{"garbage", func(s *snapshot) {
			s.pulsar.Problem, s.options.Mode = &ops.RemoteDataError{Remote: "pulsar", Err: errors.New("service-url: no")}, "both"
		},
			outcome{Status: ops.Blocked("pulsar offers an address that cannot be used: service-url: no")}},
		{"no container", func(s *snapshot) { s.reachable, s.pushed = false, false },
			outcome{Status: ops.Waiting("waiting for container client to start")}},
		{"client is not there", func(s *snapshot) { s.pushed, s.options.Mode = false, "both" },
			outcome{Status: ops.Active("sends 10 messages a second to persistent://public/default/dummy and reads it"), Steps: []string{"push the client"}}},
		{"charm without a client", func(s *snapshot) { s.binaryError, s.pushed = errors.New("no such file"), false },
			outcome{Status: ops.Blocked("the charm lacks its client, pack it again: no such file")}},
		{"mode both", func(s *snapshot) { s.options.Mode = "both" },
			outcome{Status: ops.Active("sends 10 messages a second to persistent://public/default/dummy and reads it"), Startup: "enabled", Command: command(one, "both")}},
		{"mode produce", func(s *snapshot) { s.options.Mode = "produce" },
			outcome{Status: ops.Active("sends 10 messages a second to persistent://public/default/dummy"), Startup: "enabled", Command: command(one, "produce")}},
		{"mode consume", func(s *snapshot) { s.options.Mode = "consume" },
			outcome{Status: ops.Active("reads persistent://public/default/dummy"), Startup: "enabled", Command: command(one, "consume")}},
		{"writes switched on", func(s *snapshot) { s.writes = "on" },
			outcome{Status: ops.Active("sends 10 messages a second to persistent://public/default/dummy"), Startup: "enabled", Command: command(one, "produce")}},
		{"writes switched off", func(s *snapshot) { s.writes, s.options.Mode = "off", "both" },
			outcome{Status: ops.Active("reads persistent://public/default/dummy"), Startup: "enabled", Command: command(one, "consume")}},
		{"writes switched off, nothing else to do", func(s *snapshot) {
			s.writes, s.options.Mode, s.command = "off", "produce", "client run"
		}, outcome{Status: ops.Active(""), Startup: "disabled", Command: "client run"}},
		{"relation gone", func(s *snapshot) { s.pulsar, s.options.Mode, s.command, s.running = nil, "both", "client run", true },
			outcome{Status: ops.Blocked("integrate with pulsar: juju integrate dummy pulsar"), Startup: "disabled", Command: "client run"}},
		{"a wrong option leaves it as it is", func(s *snapshot) {
			s.optionError, s.command, s.running = &ops.OptionError{Option: "message-rate", Reason: "0 is not within 1 and 10000"}, "client run", true
		}, outcome{Status: ops.Blocked("option message-rate: 0 is not within 1 and 10000")}},
		{"brokers away while it runs: it goes on", func(s *snapshot) {
			s.pulsar.Offer.Ready, s.options.Mode, s.command, s.running = false, "both", command(one, "both"), true
		}, outcome{Status: ops.Waiting("waiting for the brokers of pulsar to take messages"), Startup: "enabled", Command: command(one, "both")}},
		{"more brokers do not restart it", func(s *snapshot) {
			const three = "--service-url pulsar://a:1,b:1,c:1 --web-service-url http://a:2,b:2,c:2"
			s.options.Mode, s.command = "both", command(three, "both")
			s.pulsar.Offer.ServiceURL, s.pulsar.Offer.WebServiceURL = "pulsar://a:1,b:1,c:1,d:1,e:1", "http://a:2,b:2,c:2,d:2,e:2"
		}, outcome{Status: ops.Active("sends 10 messages a second to persistent://public/default/dummy and reads it"), Startup: "enabled",
			Command: command("--service-url pulsar://a:1,b:1,c:1 --web-service-url http://a:2,b:2,c:2", "both")}},
		{"other brokers do", func(s *snapshot) {
			s.options.Mode, s.command = "both", command("--service-url pulsar://x:1 --web-service-url http://x:2", "both")
		}, outcome{Status: ops.Active("sends 10 messages a second to persistent://public/default/dummy and reads it"), Startup: "enabled", Command: command(one, "both")}},
		{"client ended", func(s *snapshot) {
			s.options.Mode, s.command, s.running, s.ended = "produce", command(one, "produce"), false, true
		}, outcome{Status: statusEnded("dummy/2"), Startup: "enabled", Command: command(one, "produce"), Steps: []string{"start the client again"}}},
		{"client ended, started in vain", func(s *snapshot) { s.options.Mode, s.command, s.running = "produce", command(one, "produce"), false },
			outcome{Status: statusEnded("dummy/2"), Startup: "enabled", Command: command(one, "produce")}},
		{"client ended, brokers away", func(s *snapshot) {
			s.pulsar.Offer.Ready, s.options.Mode, s.command, s.running, s.ended = false, "produce", command(one, "produce"), false, true
		}, outcome{Status: ops.Waiting("waiting for the brokers of pulsar to take messages")}},
		{"client ended, not needed", func(s *snapshot) { s.command, s.running, s.ended = command(one, "produce"), false, true },
			outcome{Status: ops.Active(""), Startup: "disabled", Command: command(one, "produce")}},
		{"leaving", func(s *snapshot) { s.leaving, s.options.Mode, s.command = true, "both", "client run" },
			outcome{Status: ops.Maintenance("leaving"), Startup: "disabled", Command: "client run"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := related()
			test.change(&s)
			if diff := cmp.Diff(test.want, summary(plan(s))); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLayer(t *testing.T) {
	t.Parallel()
	s := related()
	s.options.Mode = "consume"
	got, _ := s.desired()
	want := pebble.Desired{Label: "charm", Services: map[string]pebble.Service{"client": {
		Override: "replace", Summary: "client of Pulsar", Startup: "enabled",
		Command:     command("--service-url pulsar://a:6650 --web-service-url http://a:8080", "consume"),
		Environment: map[string]string{"CLIENT_SHA256": "h"},
		OnSuccess:   "restart", OnFailure: "restart", BackoffLimit: "10s", KillDelay: "10s",
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("desired (-want +got):\n%s", diff)
	}
}

func TestOptionsValidate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(o *options)
		want   string
	}{
		{"defaults", func(*options) {}, ""},
		{"bare topic", func(o *options) { o.Topic = "mine" }, ""},
		{"topic", func(o *options) { o.Topic = "a/b" }, `option topic: "a/b" is not a topic: want persistent://<tenant>/<namespace>/<name>`},
		{"partitions", func(o *options) { o.Partitions = 101 }, "option partitions: 101 is not within 1 and 100"},
		{"rate", func(o *options) { o.MessageRate = 0 }, "option message-rate: 0 is not within 1 and 10000"},
		{"size", func(o *options) { o.MessageSize = 1<<20 + 1 }, "option message-size: 1048577 is not within 1 and 1048576"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := related().options
			test.change(&o)
			got := ""
			if err := o.validate(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
