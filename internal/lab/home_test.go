package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHome(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		env  map[string]string
		want string
		err  string
	}{
		"own variable": {map[string]string{"CHARMLAB_HOME": "/a", "XDG_STATE_HOME": "/b", "HOME": "/c"}, "/a", ""},
		"XDG":          {map[string]string{"XDG_STATE_HOME": "/b", "HOME": "/c"}, "/b/charmlab", ""},
		"home":         {map[string]string{"HOME": "/c"}, "/c/.local/state/charmlab", ""},
		"none":         {nil, "", "set CHARMLAB_HOME"},
		"long":         {map[string]string{"CHARMLAB_HOME": "/" + strings.Repeat("x", maxHome)}, "", "too long for unix sockets"},
	} {
		got, err := Home(func(key string) string { return test.env[key] })
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestRemoveKeepsWhatIsNotTheLabs(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "lab")
	for _, file := range []string{"model.json", ".model.json-1", "p/0/r/x", "storage/a-0/0/data-0/f", "charms/a/0/dispatch", "mine"} {
		if err := os.MkdirAll(filepath.Join(home, filepath.Dir(file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := Remove(home); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(home)
	if err != nil || len(entries) != 1 || entries[0].Name() != "mine" {
		t.Errorf("left: %v, %v", entries, err)
	}
	if err := os.Remove(filepath.Join(home, "mine")); err != nil {
		t.Fatal(err)
	}
	if err := Remove(home); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(home); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty home stays: %v", err)
	}
}

func TestWritesAreAtomic(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "f")
	for _, content := range []string{"first, and long", "second"} {
		if err := writeAtomically(file, []byte(content)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if err != nil || string(got) != content {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if err := writeAtomically(filepath.Join(file, "x"), nil); err == nil {
		t.Error("a file below a file was written")
	}
	entries, _ := os.ReadDir(filepath.Dir(file))
	if len(entries) != 1 {
		t.Errorf("left over: %v", entries)
	}
}

func TestDiskErrorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	err := diskError("cannot save the model", "/state", fmt.Errorf("write: %w", syscall.ENOSPC))
	if want := "cannot save the model: the disk of /state is full: free some space there, or set CHARMLAB_HOME to a directory with more"; err.Error() != want {
		t.Errorf("got %v", err)
	}
	if err := diskError("cannot save", "/state", os.ErrPermission); err.Error() != "cannot save: permission denied" {
		t.Errorf("got %v", err)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	network := netip.MustParsePrefix("10.1.0.0/16")
	seen := map[string]bool{"10.1.0.1": true} // the bridge's
	for n := range 1000 {
		address := podAddress(n)
		a, err := netip.ParseAddr(address)
		if err != nil || !network.Contains(a) || seen[address] || strings.HasSuffix(address, ".0") || strings.HasSuffix(address, ".255") {
			t.Fatalf("address %d is %s (%v)", n, address, err)
		}
		seen[address] = true
	}
	if a := podAddress(1 << 20); !network.Contains(netip.MustParseAddr(a)) {
		t.Errorf("the counter leaves the network: %s", a)
	}
}

func TestHostsFile(t *testing.T) {
	t.Parallel()
	got := hostsFile("test",
		map[string]string{"pulsar/10": "10.1.0.20", "bookie/0": "10.1.0.11", "gone/0": ""},
		map[string]string{"pulsar": "10.152.183.10"})
	want := `10.1.0.11 bookie-0.bookie-endpoints.test.svc.cluster.local
10.1.0.20 pulsar-10.pulsar-endpoints.test.svc.cluster.local
10.152.183.10 pulsar.test.svc.cluster.local
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
