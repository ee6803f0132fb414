package relation

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// PulsarClient is the Juju interface of that name.
const PulsarClient = "pulsar_client"

// PulsarOffer is what the provider of interface pulsar_client writes into
// its application databag.
type PulsarOffer struct {
	// ServiceURL names every broker: pulsar://host:6650,host:6650. A client
	// tries them in turn.
	ServiceURL string `databag:"service-url"`
	// WebServiceURL is the same for the admin API: http://host:8080,host:8080.
	WebServiceURL string `databag:"web-service-url"`
	// ClusterName is the cluster's name in Pulsar's metadata.
	ClusterName string `databag:"cluster-name"`
	// Ready says that at least one broker can take messages.
	Ready bool `databag:"ready"`
}

// Validate checks what came from outside; the error names the key. Keys that
// are absent are not wrong: the other side has not written them yet.
func (o PulsarOffer) Validate() error {
	if o.ServiceURL != "" {
		if _, err := urlHosts(o.ServiceURL, "pulsar", "pulsar+ssl"); err != nil {
			return fmt.Errorf("service-url: %w", err)
		}
	}
	if o.WebServiceURL != "" {
		if _, err := urlHosts(o.WebServiceURL, "http", "https"); err != nil {
			return fmt.Errorf("web-service-url: %w", err)
		}
	}
	if o.ClusterName != "" && !clusterName.MatchString(o.ClusterName) {
		return fmt.Errorf("cluster-name: %s is not a cluster's name", quote(o.ClusterName))
	}
	return nil
}

var clusterName = regexp.MustCompile(`^[-=:.\w]{1,200}$`)

// Complete says whether a client has all it needs to connect.
func (o PulsarOffer) Complete() bool { return o.ServiceURL != "" && o.WebServiceURL != "" }

// WebServiceURLs splits a list of hosts into one URL each, as programs need
// that know of a single host: http://a:8080,b:8080 gives http://a:8080 and
// http://b:8080. It is nil if the URL is not valid.
func WebServiceURLs(url string) []string {
	hosts, err := urlHosts(url, "http", "https")
	if err != nil {
		return nil
	}
	scheme, _, _ := strings.Cut(url, "://")
	urls := make([]string, 0, len(hosts))
	for _, host := range hosts {
		urls = append(urls, scheme+"://"+host)
	}
	return urls
}

// urlHosts are the host:port entries of scheme://host:port,host:port.
func urlHosts(url string, schemes ...string) ([]string, error) {
	scheme, list, found := strings.Cut(url, "://")
	if !found || !slices.Contains(schemes, scheme) {
		return nil, fmt.Errorf("%s does not begin with %s://", quote(url), strings.Join(schemes, ":// or "))
	}
	hosts := strings.Split(strings.TrimSuffix(list, "/"), ",")
	if len(hosts) > maxHosts {
		return nil, fmt.Errorf("%d hosts are more than %d", len(hosts), maxHosts)
	}
	for _, entry := range hosts {
		host, port, err := net.SplitHostPort(entry)
		if err != nil || !isHost(host) {
			return nil, fmt.Errorf("%s is not <host>:<port>", quote(entry))
		}
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			return nil, fmt.Errorf("%s is not <host>:<port>", quote(entry))
		}
	}
	return hosts, nil
}

// maxHosts bounds lists, which end in command lines: what is longer is no
// cluster.
const maxHosts = 256

// isHost fits names and addresses of both families: letters, digits, and
// between them "-", "." and ":".
func isHost(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case (c == '-' || c == '.' || c == ':') && 0 < i && i < len(text)-1:
		default:
			return false
		}
	}
	return text != "" && len(text) <= 253
}

// quote shortens what came from outside to what a status line can hold.
func quote(text string) string {
	const limit = 40
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return strconv.Quote(text)
}

// Topic is the name of a persistent topic.
type Topic struct{ Tenant, Namespace, Name string }

// ParseTopic reads persistent://tenant/namespace/name, or a bare name, which
// is in public/default as for every Pulsar client.
func ParseTopic(text string) (Topic, error) {
	rest, full := strings.CutPrefix(text, "persistent://")
	parts := strings.Split(rest, "/")
	switch {
	case !full && strings.Contains(text, "://"):
		return Topic{}, fmt.Errorf("%s is not a persistent topic: want persistent://<tenant>/<namespace>/<name>", quote(text))
	case !full && len(parts) == 1:
		parts = []string{"public", "default", rest}
	case len(parts) != 3:
		return Topic{}, fmt.Errorf("%s is not a topic: want persistent://<tenant>/<namespace>/<name>", quote(text))
	}
	for _, part := range parts {
		if !topicPart.MatchString(part) {
			return Topic{}, fmt.Errorf("%s is not a topic: %s may only hold letters, digits and - = : . _", quote(text), quote(part))
		}
	}
	// A partition is a topic of its own to Pulsar, and counts as one here
	// would not be those of the whole.
	if partition.MatchString(parts[2]) {
		return Topic{}, fmt.Errorf("%s is a single partition: name its topic", quote(text))
	}
	return Topic{Tenant: parts[0], Namespace: parts[1], Name: parts[2]}, nil
}

var (
	topicPart = regexp.MustCompile(`^[-=:.\w]{1,200}$`)
	partition = regexp.MustCompile(`-partition-\d+$`)
)

// String is the full name.
func (t Topic) String() string {
	return "persistent://" + t.Tenant + "/" + t.Namespace + "/" + t.Name
}
