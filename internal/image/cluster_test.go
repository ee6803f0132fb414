package image

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// inside runs a script that sees tree's pulsar at /pulsar.
func inside(t *testing.T, tree, script string, network bool) (string, error) {
	t.Helper()
	dir := t.TempDir()
	enter, err := writeScript(dir, "enter.sh")
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	var output string
	for _, user := range namespaces() {
		cmd := exec.CommandContext(t.Context(), "bash", enter, tree, root, "bash", "-c", script)
		cmd.SysProcAttr = isolated(user, network)
		var words []string
		started, err := follow(cmd, func(word string) error {
			words = append(words, word)
			return nil
		})
		output = strings.Join(words, "\n")
		if started || err == nil {
			return output, err
		}
		t.Logf("with user namespace %v: %v", user, err)
	}
	t.Fatal("no namespaces: these tests need root or unprivileged user namespaces")
	return "", nil
}

func TestEnterShowsTheTree(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write("tree/pulsar/conf/x", "from the tree", 0o644)
	m.write("elsewhere", "from the host", 0o644)
	got, err := inside(t, filepath.Join(m.dir, "tree"), "cat /pulsar/conf/x; echo; cat "+m.dir+"/elsewhere; echo; echo $$; ls /proc | grep -c '^[0-9]'; touch /pulsar/made", false)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got, "from the tree\nfrom the host\n1\n") {
		t.Errorf("got %q", got)
	}
	m.read("tree/pulsar/made")
	if mounts, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Contains(string(mounts), m.dir) {
		t.Errorf("a mount is left behind (%v)", err)
	}
}

// What the script leaves running ends with it.
func TestNothingSurvivesTheScript(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write("tree/pulsar/x", "", 0o644)
	mark := filepath.Join(m.dir, "alive")
	got, err := inside(t, filepath.Join(m.dir, "tree"), "mkfifo "+mark+"; (exec cat "+mark+") & echo started", true)
	if err != nil || got != "started" {
		t.Fatal(got, err)
	}
	// A writer that does not wait finds no reader.
	file, err := os.OpenFile(mark, os.O_WRONLY|0o4000, 0)
	if err == nil {
		_ = file.Close()
		t.Error("a process of the script is still there")
	}
}

func TestFollowTellsWhatWentWrong(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", "echo start; echo bookie-1 ended >&2; exit 1")
	started, err := follow(cmd, func(string) error { return nil })
	if !started || err == nil || !strings.Contains(err.Error(), "bookie-1 ended") {
		t.Errorf("started %v, error %v", started, err)
	}
}

func TestClusterWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := cluster{
		dir: dir, size: 3,
		bookie: Daemon{Environment: map[string]string{"BOOKIE_MEM": "-Xmx1m -Dit='s"}, Config: map[string]string{"zkTimeout": "5", "extra": "1"}},
	}
	if err := c.write(); err != nil {
		t.Fatal(err)
	}
	read := func(name string) []string {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(string(content), "\n")
	}
	for file, want := range map[string][]string{
		"conf/zookeeper-3.dynamic": {"server.3=127.10.0.13:2888:3888:participant;127.10.0.13:2181"},
		"conf/bookie-2.conf":       {"advertisedAddress=127.10.1.12", "zkTimeout=5", "extra=1", "metadataServiceUri=zk+hierarchical://127.10.0.11:2181;127.10.0.12:2181;127.10.0.13:2181/ledgers"},
		"conf/broker-1.conf":       {"bindAddress=127.10.2.11", "managedLedgerDefaultEnsembleSize=2"},
		"bookie.env":               {`export BOOKIE_MEM='-Xmx1m -Dit='\''s'`, "export BOOKIE_GC='-XX:+UseSerialGC -XX:TieredStopAtLevel=1'"},
	} {
		lines := read(file)
		for _, line := range want {
			if !slices.Contains(lines, line) {
				t.Errorf("%s has no line %q", file, line)
			}
		}
	}
}

func TestBaselineSaysWhatIsTaken(t *testing.T) {
	t.Parallel()
	// The ninth of a kind, which no baseline uses.
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.10.2.19:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	err = cluster{size: 9}.free(t.Context())
	if err == nil || !strings.Contains(err.Error(), "taken") {
		t.Errorf("error is %v", err)
	}
}
