package integration

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"testing"
	"time"

	gozk "github.com/go-zookeeper/zk"

	"github.com/pulsar-charms/pulsar-charms/charms/broker"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// The charm relies on what the image's own command writes last, and on that it
// may be run again.
func TestMetadata(t *testing.T) {
	t.Parallel()
	e := newEnsemble(t)
	const id = 20 // of its own, beside the servers of other tests
	e.write(id, zk.Change{Joining: []zk.Member{member(id, zk.Participant)}}.Apply(zk.Config{}))
	e.start(id)
	e.serves(id)
	conn, _, err := gozk.Connect([]string{clientOf(id)}, 20*time.Second, gozk.WithLogger(quiet{}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	initialise := func() {
		t.Helper()
		store := broker.StoreURL([]string{clientOf(id)})
		cmd := exec.CommandContext(t.Context(), filepath.Join(e.image, "pulsar", "bin", "pulsar"), "initialize-cluster-metadata",
			"--cluster", "east", "--metadata-store", store, "--configuration-metadata-store", store,
			"--web-service-url", "http://a:8080", "--broker-service-url", "pulsar://a:6650")
		cmd.Env = append(os.Environ(), "PULSAR_LOG_DIR="+e.path(id, "logs"), "PULSAR_LOG_APPENDER=Console", "PULSAR_MEM=-Xms32m -Xmx256m")
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("cannot initialise the metadata: %v\n%s", err, output)
		}
	}
	// What others know the cluster by must stay the same.
	read := func() (contents []string) {
		t.Helper()
		for _, node := range []string{"/ledgers/INSTANCEID", path.Join(broker.ClustersPath, "east")} {
			content, _, err := conn.Get(node)
			if err != nil {
				t.Fatalf("cannot read %s: %v", node, err)
			}
			contents = append(contents, string(content))
		}
		return contents
	}
	initialise()
	before := read()
	last, newest := "", int64(0)
	var walk func(node string)
	walk = func(node string) {
		names, stat, err := conn.Children(node)
		if err != nil {
			t.Fatalf("cannot list %s: %v", node, err)
		}
		if stat.Czxid > newest {
			last, newest = node, stat.Czxid
		}
		for _, name := range names {
			walk(path.Join(node, name))
		}
	}
	walk("/")
	if last != broker.CompletePath {
		t.Errorf("the command writes %s last, want %s", last, broker.CompletePath)
	}
	if names, _, err := conn.Children(broker.ClustersPath); err != nil || !slices.Contains(names, "east") {
		t.Errorf("clusters are %v, %v", names, err)
	}
	initialise()
	if after := read(); !slices.Equal(before, after) {
		t.Errorf("a second run changes %q to %q", before, after)
	}
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
