package relation_test

import (
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/relation"
)

func TestZooKeeperOfferValidate(t *testing.T) {
	t.Parallel()
	good := relation.ZooKeeperOffer{
		Endpoints:          []string{"pulsar-0.pulsar-endpoints.m.svc.cluster.local:2181", "127.0.0.1:2181"},
		MetadataServiceURI: "zk+hierarchical://a:2181;b:2181/ledgers", MetadataInitialised: true,
		ClusterName: "pulsar", MaxFrameSize: 5253120, SessionTimeout: 30000,
	}
	tests := []struct {
		name   string
		change func(*relation.ZooKeeperOffer)
		want   string
	}{
		{"good", func(*relation.ZooKeeperOffer) {}, ""},
		{"nothing yet", func(o *relation.ZooKeeperOffer) { *o = relation.ZooKeeperOffer{} }, ""},
		{"with a chroot", func(o *relation.ZooKeeperOffer) { o.Database = "/pulsar/a" }, ""},
		{"endpoint without a port", func(o *relation.ZooKeeperOffer) { o.Endpoints = []string{"a"} }, `endpoints: "a" is not <host>:<port>`},
		{"endpoint with a line break", func(o *relation.ZooKeeperOffer) { o.Endpoints = []string{"a\nb:2181"} }, `endpoints: "a\nb:2181" is not <host>:<port>`},
		{"chroot that is no path", func(o *relation.ZooKeeperOffer) { o.Database = "x y" }, `database: "x y" is not a path`},
		{"URI of another driver", func(o *relation.ZooKeeperOffer) { o.MetadataServiceURI = "etcd://a:1" }, `metadata-service-uri: "etcd://a:1" is not zk+hierarchical://<host>:<port>;…/<path>`},
		{"URI with a bad port", func(o *relation.ZooKeeperOffer) { o.MetadataServiceURI = "zk+hierarchical://a:0/ledgers" }, `metadata-service-uri: "a:0" is not <host>:<port>`},
		{"bad cluster name", func(o *relation.ZooKeeperOffer) { o.ClusterName = "a/b" }, `cluster-name: "a/b" is not a cluster's name`},
		{"negative frame", func(o *relation.ZooKeeperOffer) { o.MaxFrameSize = -1 }, "max-frame-size: -1 is neither 0 nor from 65536 to 1073741824 bytes"},
		{"a frame that no bookie can have", func(o *relation.ZooKeeperOffer) { o.MaxFrameSize = 1 << 40 }, "max-frame-size: 1099511627776 is neither 0 nor from 65536 to 1073741824 bytes"},
		{"more endpoints than anybody has", func(o *relation.ZooKeeperOffer) { o.Endpoints = make([]string, 300) }, "endpoints: 300 are more than 256"},
		{"negative timeout", func(o *relation.ZooKeeperOffer) { o.SessionTimeout = -1 }, "session-timeout: -1 is neither 0 nor from 100 to 3600000 milliseconds"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			offer := good
			test.change(&offer)
			got := ""
			if err := offer.Validate(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("Validate() = %q, want %q", got, test.want)
			}
		})
	}
}

func TestLedgersURIIsValid(t *testing.T) {
	t.Parallel()
	offer := relation.ZooKeeperOffer{Endpoints: []string{"a:2181", "b:2181"}, MetadataInitialised: true}
	offer.MetadataServiceURI = relation.LedgersURI(offer.Endpoints)
	if want := "zk+hierarchical://a:2181;b:2181/ledgers"; offer.MetadataServiceURI != want {
		t.Errorf("LedgersURI() = %q, want %q", offer.MetadataServiceURI, want)
	}
	if err := offer.Validate(); err != nil || !offer.Complete() {
		t.Errorf("an offer with it: valid %v, complete %v", err, offer.Complete())
	}
}

func TestBookieMemberValidate(t *testing.T) {
	t.Parallel()
	if err := (relation.BookieMember{BookieID: "a:3181", State: "new-word", FQDN: "a"}).Validate(); err != nil {
		t.Errorf("a good member: %v", err)
	}
	if err := (relation.BookieMember{BookieID: "a"}).Validate(); err == nil {
		t.Error("an id without a port is taken")
	}
	if err := (relation.BookieMember{State: "a\nb"}).Validate(); err == nil {
		t.Error("a state of two lines is taken")
	}
	if err := (relation.BookieMember{FQDN: "a b"}).Validate(); err == nil {
		t.Error("a name with a blank is taken")
	}
}
