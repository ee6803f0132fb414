package broker

import (
	"bufio"
	"context"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/watch"
)

// A broker that is slow is to the watch what it is to the charm. If the charm
// has seen the opposite, the watch's first notice says so.
func TestWatchAndCharmAgreeOnSlowAnswers(t *testing.T) {
	t.Parallel()
	const bound = time.Second
	for _, test := range []struct {
		name          string
		headers, body time.Duration // after which they are sent
		want          string
	}{
		{"in time", 0, 0, watch.Up},
		{"late", 2 * bound, 0, watch.Down},
		{"never ends in time", 0, 2 * bound, watch.Down},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/admin/v2/brokers/health" {
					return
				}
				wait := func(d time.Duration) {
					select {
					case <-time.After(d):
					case <-r.Context().Done():
					}
				}
				wait(test.headers)
				w.WriteHeader(http.StatusOK)
				_ = http.NewResponseController(w).Flush()
				wait(test.body)
				_, _ = w.Write([]byte("ok"))
			}))
			defer server.Close()

			ctx, cancel := context.WithTimeout(t.Context(), bound)
			defer cancel()
			charm, opposite := watch.Up, watch.Down
			if err := (HTTPAdmin{}).Health(ctx, server.Listener.Addr().String()); err != nil {
				charm, opposite = watch.Down, watch.Up
			}
			if charm != test.want {
				t.Fatalf("the charm sees %s, want %s", charm, test.want)
			}
			w := brokerWatch
			w.Port, w.Timeout = server.Listener.Addr().(*net.TCPAddr).Port, bound
			if notice := firstNotice(t, w, opposite); !strings.Contains(notice, "state="+charm+" ") {
				t.Errorf("the charm sees %s, the watch says %q", charm, notice)
			}
		})
	}
}

// firstNotice is the first one of the script to a charm that has seen a state.
func firstNotice(t *testing.T, w watch.Watch, seen string) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range w.Files(seen) {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file.Path)), file.Content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	pebble := filepath.Join(dir, "pebble")
	if err := os.WriteFile(pebble, []byte("#!/bin/bash\necho \"$@\" >&2\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	layer := w.Layer()
	directory := filepath.Dir(w.SeenPath())
	cmd := exec.CommandContext(ctx, "/bin/bash", "-c", "exec "+strings.ReplaceAll(layer.Command, directory, dir))
	environment := maps.Clone(layer.Environment)
	environment["WATCH_SEEN"], environment["PEBBLE_BIN"] = filepath.Join(dir, filepath.Base(w.SeenPath())), pebble
	cmd.Env = os.Environ()
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		cmd.Env = append(cmd.Env, name+"="+environment[name])
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stderr).ReadString('\n')
	cancel()
	_ = cmd.Wait()
	if err != nil {
		t.Errorf("no notice: %v", err)
	}
	return line
}
