package relation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPulsarOfferValidate(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		offer PulsarOffer
		want  string
	}{
		{"nothing yet", PulsarOffer{}, ""},
		{"complete", PulsarOffer{
			ServiceURL:    "pulsar://pulsar-0.pulsar-endpoints.m.svc.cluster.local:6650,pulsar-1.pulsar-endpoints.m.svc.cluster.local:6650",
			WebServiceURL: "http://pulsar-0.pulsar-endpoints.m.svc.cluster.local:8080,10.0.0.2:8080/", ClusterName: "pulsar-m", Ready: true,
		}, ""},
		{"tls and IPv6", PulsarOffer{ServiceURL: "pulsar+ssl://[fd00::1]:6651", WebServiceURL: "https://a:8443"}, ""},
		{"no scheme", PulsarOffer{ServiceURL: "a:6650"}, `service-url: "a:6650" does not begin with pulsar:// or pulsar+ssl://`},
		{"other scheme", PulsarOffer{ServiceURL: "http://a:6650"}, `service-url: "http://a:6650" does not begin with pulsar:// or pulsar+ssl://`},
		{"no port", PulsarOffer{ServiceURL: "pulsar://a"}, `service-url: "a" is not <host>:<port>`},
		{"port too large", PulsarOffer{ServiceURL: "pulsar://a:66500"}, `service-url: "a:66500" is not <host>:<port>`},
		{"empty entry", PulsarOffer{ServiceURL: "pulsar://a:6650,,b:6650"}, `service-url: "" is not <host>:<port>`},
		{"flags in a host", PulsarOffer{ServiceURL: "pulsar://-x:1"}, `service-url: "-x:1" is not <host>:<port>`},
		{"path", PulsarOffer{WebServiceURL: "http://a:8080/admin"}, `web-service-url: "a:8080/admin" is not <host>:<port>`},
		{"long garbage is cut", PulsarOffer{WebServiceURL: strings.Repeat("x", 100)},
			`web-service-url: "` + strings.Repeat("x", 40) + `…" does not begin with http:// or https://`},
		{"cluster", PulsarOffer{ClusterName: "a/b"}, `cluster-name: "a/b" is not a cluster's name`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := test.offer.Validate(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestWebServiceURLs(t *testing.T) {
	t.Parallel()
	for url, want := range map[string][]string{
		"http://a:8080,b:8080": {"http://a:8080", "http://b:8080"},
		"https://a:8443/":      {"https://a:8443"},
		"a:8080":               nil,
	} {
		if diff := cmp.Diff(want, WebServiceURLs(url)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", url, diff)
		}
	}
}

func TestParseTopic(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want, err string }{
		{"persistent://public/default/dummy", "persistent://public/default/dummy", ""},
		{"dummy", "persistent://public/default/dummy", ""},
		{"non-persistent://public/default/dummy", "", `"non-persistent://public/default/dummy" is not a persistent topic: want persistent://<tenant>/<namespace>/<name>`},
		{"public/dummy", "", `"public/dummy" is not a topic: want persistent://<tenant>/<namespace>/<name>`},
		{"", "", `"" is not a topic: "" may only hold letters, digits and - = : . _`},
		{"a b", "", `"a b" is not a topic: "a b" may only hold letters, digits and - = : . _`},
		{"persistent://a/b/c-partition-3", "", `"persistent://a/b/c-partition-3" is a single partition: name its topic`},
	} {
		t.Run(test.text, func(t *testing.T) {
			t.Parallel()
			topic, err := ParseTopic(test.text)
			if err != nil {
				if err.Error() != test.err {
					t.Errorf("got error %s\nwant      %s", err, test.err)
				}
				return
			}
			if topic.String() != test.want || test.err != "" {
				t.Errorf("got %s, want %s, error %q", topic, test.want, test.err)
			}
		})
	}
}
