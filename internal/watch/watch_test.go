package watch_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/watch"
)

// running is the script at work with a pebble that only writes down what it
// is told.
type running struct {
	t     *testing.T
	seen  string
	calls string
}

func start(t *testing.T, w watch.Watch) *running {
	t.Helper()
	dir := t.TempDir()
	r := &running{t: t, seen: filepath.Join(dir, "seen"), calls: filepath.Join(dir, "calls")}
	script := filepath.Join(dir, "watch.sh")
	files := w.Files(watch.Down)
	if err := os.WriteFile(script, files[0].Content, files[0].Mode); err != nil {
		t.Fatal(err)
	}
	fake := filepath.Join(dir, "pebble")
	if err := os.WriteFile(fake, []byte("#!/bin/bash\necho \"$@\" >>"+r.calls+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.see(watch.Down)

	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "/bin/bash", append([]string{script, w.Name, strconv.Itoa(w.Port)}, w.Probes...)...)
	cmd.Env = append(os.Environ(), "PEBBLE_BIN="+fake, "WATCH_SEEN="+r.seen, "WATCH_KEY="+w.Key(), "WATCH_TIMEOUT="+w.Layer().Environment["WATCH_TIMEOUT"])
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	return r
}

func (r *running) see(state string) {
	r.t.Helper()
	if err := os.WriteFile(r.seen, []byte(state+"\n"), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// told waits until there are n notices.
func (r *running) told(n int) []string {
	r.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		text, _ := os.ReadFile(r.calls)
		lines := strings.Fields(strings.ReplaceAll(strings.TrimSpace(string(text)), " ", "_"))
		if len(lines) >= n {
			return lines
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%d notices after 20 s, want %d: %q", len(lines), n, lines)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestZooKeeperModeIsTold(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var answer atomic.Value
	answer.Store("This ZooKeeper instance is not currently serving requests\n")
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			word := make([]byte, 4)
			if _, err := bufio.NewReader(conn).Read(word); err == nil && string(word) == "srvr" {
				fmt.Fprint(conn, answer.Load())
			}
			conn.Close()
		}
	}()

	r := start(t, watch.Watch{Name: "zookeeper", Port: listener.Addr().(*net.TCPAddr).Port, Timeout: 10 * time.Second, Probes: []string{watch.Srvr}})
	answer.Store("Zookeeper version: 3.9.4\nLatency min/avg/max: 0/0.0/0\nMode: follower\nNode count: 5\n")
	r.told(1)
	r.see("follower")
	answer.Store("Zookeeper version: 3.9.4\nMode: leader\n")
	r.told(2)
	r.see("leader")
	answer.Store("")
	want := []string{
		"notify_pulsar-charms.local/zookeeper_state=follower_watch=zookeeper",
		"notify_pulsar-charms.local/zookeeper_state=leader_watch=zookeeper",
		"notify_pulsar-charms.local/zookeeper_state=down_watch=zookeeper",
	}
	if diff := cmp.Diff(want, r.told(3)); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
}

func TestAllProbesMustHold(t *testing.T) {
	t.Parallel()
	var body atomic.Value
	body.Store(`{"other:3181":null}`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ready":
		case "/list":
			fmt.Fprint(w, body.Load())
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	r := start(t, watch.Watch{
		Name: "bookie", Port: server.Listener.Addr().(*net.TCPAddr).Port, Timeout: 10 * time.Second,
		Probes: []string{watch.Path("/ready"), watch.Path("/none@own:3181", "/list?type=rw@own:3181")},
	})
	body.Store(`{"other:3181":null,"own:3181":null}`)
	r.told(1)
	r.see(watch.Up)
	server.Close()
	want := []string{
		"notify_pulsar-charms.local/bookie_state=up_watch=bookie",
		"notify_pulsar-charms.local/bookie_state=down_watch=bookie",
	}
	if diff := cmp.Diff(want, r.told(2)); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
}

// A charm that could not act on a notice is woken again.
func TestNoticeIsRepeatedUntilSeen(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	r := start(t, watch.Watch{Name: "broker", Port: server.Listener.Addr().(*net.TCPAddr).Port, Timeout: 10 * time.Second, Probes: []string{"/ready"}})
	want := "notify_pulsar-charms.local/broker_state=up_watch=broker"
	if diff := cmp.Diff([]string{want, want}, r.told(2)); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
}

func TestLayerQuotesProbes(t *testing.T) {
	t.Parallel()
	w := watch.Watch{Name: "bookie", Host: "10.0.0.1", Port: 8000, Timeout: 2500 * time.Millisecond, Probes: []string{"/a?b=c&d=e@it's"}}
	layer := w.Layer()
	if want := `/bin/bash /var/lib/pulsar-charms/watch.sh bookie 8000 '/a?b=c&d=e@it'\''s'`; layer.Command != want {
		t.Errorf("command = %s, want %s", layer.Command, want)
	}
	want := map[string]string{
		"WATCH_HOST": "10.0.0.1", "WATCH_KEY": "pulsar-charms.local/bookie", "WATCH_SEEN": "/var/lib/pulsar-charms/bookie.seen",
		"WATCH_TIMEOUT": "2.5",
	}
	if diff := cmp.Diff(want, layer.Environment); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}
