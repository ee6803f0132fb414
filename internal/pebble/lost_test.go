package pebble_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// between is a socket before a daemon that dies in the middle of an answer: the
// daemon has done what request number fatal asked for, half of its answer gets
// through, and it is killed. From then on nobody answers.
type between struct {
	client  *pebble.Client
	forward *httputil.ReverseProxy
	kill    func()

	mu    sync.Mutex
	fatal int
	seen  []string
}

func newBetween(t *testing.T, d *pebbletest.Daemon, fatal int) *between {
	t.Helper()
	b := &between{fatal: fatal, kill: func() { d.Kill(t) }}
	socket := filepath.Join(d.Dir, "between.socket")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	b.forward = httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "pebble"})
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", d.Socket)
	}}
	b.forward.Transport = transport
	b.forward.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	server := &http.Server{Handler: b}
	go func() { _ = server.Serve(listener) }()
	b.client = pebble.NewClient(socket)
	t.Cleanup(func() {
		b.client.Close()
		_ = server.Close()
		transport.CloseIdleConnections()
	})
	return b
}

func (b *between) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	number := len(b.seen)
	b.seen = append(b.seen, r.Method+" "+r.URL.Path)
	b.mu.Unlock()
	if number != b.fatal {
		b.forward.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	b.forward.ServeHTTP(answer, r)
	b.kill()
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", fmt.Sprint(answer.Body.Len()))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// TestApplyLosesTheDaemon kills a real daemon, with all its processes, in the
// answer to each single request of an update. The error is always that nobody
// answers; with the next daemon, Apply finishes, and then finds nothing.
func TestApplyLosesTheDaemon(t *testing.T) {
	t.Parallel()
	update := func(d pebble.Desired) pebble.Desired {
		return with(d, content(0, "a=2\n"), content(1, "hunter2"), func(d *pebble.Desired) {
			d.Files = append(d.Files, pebble.File{Path: filepath.Join(filepath.Dir(d.Memory), "big"), Content: bytes.Repeat([]byte("x"), 1<<20)})
			d.Services["new"] = pebble.Service{Startup: "enabled", Command: "sleep 5000"}
			d.LogTargets = map[string]pebble.LogTarget{"l": {Type: "loki", Location: "http://localhost:1/", Services: []string{"all"}}}
		})
	}
	// A start takes a second of waiting: all cases wait together.
	var cases sync.WaitGroup
	requests := 1
	for fatal := 0; fatal < requests; fatal++ {
		d := pebbletest.Start(t)
		before := broker(d.Dir)
		lost := newBetween(t, d, fatal)
		if fatal == 0 {
			// How many are there? All else uses this many daemons.
			count := pebbletest.Start(t)
			all := newBetween(t, count, -1)
			apply(t, count.Client, broker(count.Dir))
			apply(t, all.client, update(broker(count.Dir)))
			requests = len(all.seen)
			if requests < 10 {
				t.Fatalf("an update takes only %q", all.seen)
			}
		}
		cases.Go(func() {
			if _, err := pebble.Apply(t.Context(), d.Client, before); err != nil {
				t.Errorf("%d: before: %v", fatal, err)
			}
			after := update(before)
			if change, err := pebble.Apply(t.Context(), lost.client, after); !pebble.Unavailable(err) {
				t.Errorf("killed in %s: %+v, %v", lost.seen[fatal], change, err)
			}
			d.Boot(t)
			if _, err := pebble.Apply(t.Context(), d.Client, after); err != nil {
				t.Errorf("after a loss in %s: %v", lost.seen[fatal], err)
			}
			if change, err := pebble.Apply(t.Context(), d.Client, after); err != nil || !change.Nothing() {
				t.Errorf("after a loss in %s, once more did %+v, %v", lost.seen[fatal], change, err)
			}
			infos, err := d.Client.Services(t.Context(), "broker", "watch", "new", "once")
			running := 0
			for _, info := range infos {
				if info.Running() {
					running++
				}
			}
			if err != nil || running != 3 {
				t.Errorf("after a loss in %s: services %+v, %v", lost.seen[fatal], infos, err)
			}
			for _, file := range after.Files {
				if content, err := os.ReadFile(file.Path); err != nil || !bytes.Equal(content, file.Content) {
					t.Errorf("after a loss in %s: %s differs, %v", lost.seen[fatal], file.Path, err)
				}
			}
		})
	}
	cases.Wait()
}

// A daemon that dies while it writes a file leaves part of it under another
// name, perhaps on a disk that stays. The next hook that writes the file, alone
// or in a tree, removes that.
func TestPushLosesTheDaemon(t *testing.T) {
	t.Parallel()
	const name = "a[b]?c.conf"
	d := pebbletest.Start(t)
	dir := filepath.Join(d.Dir, "disk")
	half := func(name string) {
		t.Helper()
		halves := io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), readFunc(func() {
			// The daemon has made the file once it has read some of it.
			for deadline := time.Now().Add(20 * time.Second); len(leftovers(t, dir)) == 0 && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			d.Kill(t)
		}), bytes.NewReader(make([]byte, 1<<20)))
		if err := d.Client.PushFrom(t.Context(), pebble.File{Path: filepath.Join(dir, name)}, halves); !pebble.Unavailable(err) {
			t.Errorf("push: %v", err)
		}
		if got := leftovers(t, dir); len(got) != 1 {
			t.Errorf("the daemon left %q", got)
		}
		d.Boot(t)
	}
	other := filepath.Join(dir, "mine.12~")
	if err := d.Client.Push(t.Context(), pebble.File{Path: other}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, filepath.Join(dir, "mine~")); err != nil {
		t.Fatal(err)
	}
	half(name)
	desired := pebble.Desired{
		Label: "charm", Files: []pebble.File{{Path: filepath.Join(dir, name), Content: []byte("whole")}}, Memory: filepath.Join(d.Dir, "run"),
	}
	change := apply(t, d.Client, desired)
	if got := leftovers(t, dir); len(got) > 0 || len(change.Files) != 1 {
		t.Errorf("apply did %+v and left %q", change, got)
	}
	half("tree.conf")
	files := fstest.MapFS{"tree.conf": {Data: []byte("whole")}}
	pushed, err := pebble.PushTree(t.Context(), d.Client, pebble.Tree{Path: dir, Files: files})
	if got := leftovers(t, dir); err != nil || len(got) > 0 || len(pushed.Removed) != 1 || len(pushed.Pushed) != 1 {
		t.Errorf("a push did %+v, %v, and left %q", pushed, err, got)
	}
	if _, err := os.Stat(filepath.Join(dir, "mine~")); err != nil {
		t.Errorf("a file of somebody else: %v", err)
	}
}

func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.[0-9]*~"))
	if err != nil {
		t.Error(err)
	}
	return names
}

// Each way to wait for a daemon ends with it, killed or asked to end.
func TestClientLosesTheDaemon(t *testing.T) {
	t.Parallel()
	const stall = "sh -c 'echo started; exec sleep 1000'"
	layer := pebble.Layer{Services: map[string]pebble.Service{
		"up":   {Command: stall},
		"slow": {Command: "sleep 1000"},
	}}
	// Each calls lose when it is in the midst of it.
	waits := map[string]func(ctx context.Context, d *pebbletest.Daemon, lose func()) error{
		"start": func(ctx context.Context, d *pebbletest.Daemon, lose func()) error {
			go func() {
				for ctx.Err() == nil {
					changes, err := d.Client.Changes(ctx, pebble.ChangeFilter{Service: "slow"})
					if err != nil || len(changes) > 0 {
						break
					}
				}
				lose()
			}()
			err := d.Client.Start(ctx, "slow")
			if err != nil && strings.Contains(err.Error(), "stopped before the 1s okay delay") {
				// One that is asked to end stops services first, and may yet say so.
				return pebble.ErrUnavailable
			}
			return err
		},
		"exec": func(ctx context.Context, d *pebbletest.Daemon, lose func()) error {
			process, err := d.Client.Run(ctx, pebble.Command{Args: []string{"sh", "-c", "echo started; exec sleep 1000"}},
				pebble.Streams{Stdout: once(lose)})
			if err != nil {
				return err
			}
			code, err := process.Wait()
			if err == nil && code == 137 {
				// One that is asked to end kills the command, and may yet say so.
				return pebble.ErrUnavailable
			}
			return err
		},
		"pull": func(ctx context.Context, d *pebbletest.Daemon, lose func()) error {
			big := filepath.Join(d.Dir, "big")
			if err := os.WriteFile(big, make([]byte, 64<<20), 0o600); err != nil {
				return err
			}
			return d.Client.PullTo(ctx, big, once(lose))
		},
		"push": func(ctx context.Context, d *pebbletest.Daemon, lose func()) error {
			target := filepath.Join(d.Dir, "target")
			if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
				return err
			}
			halves := io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), readFunc(lose), bytes.NewReader(make([]byte, 1<<20)))
			err := d.Client.PushFrom(ctx, pebble.File{Path: target}, halves)
			if content, readErr := os.ReadFile(target); string(content) != "old" {
				return errors.Join(errors.New("half of a file was written"), readErr, err)
			}
			return err
		},
		"notices": func(ctx context.Context, d *pebbletest.Daemon, lose func()) error {
			timer := time.AfterFunc(50*time.Millisecond, lose)
			defer timer.Stop()
			_, err := d.Client.WaitNotices(ctx, pebble.NoticeFilter{Keys: []string{"example.com/never"}})
			return err
		},
		"logs": func(ctx context.Context, d *pebbletest.Daemon, lose func()) error {
			if err := d.Client.Start(ctx, "up"); err != nil {
				return err
			}
			return d.Client.Logs(ctx, pebble.LogOptions{Follow: true, Last: 1}, func(pebble.LogEntry) error {
				lose()
				return nil
			})
		},
	}
	for name, wait := range waits {
		for how, end := range map[string]func(*pebbletest.Daemon){
			"killed":     func(d *pebbletest.Daemon) { d.Kill(t) },
			"terminated": func(d *pebbletest.Daemon) { d.Terminate(t) },
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				d := pebbletest.Start(t)
				if err := d.Client.AddLayer(ctx, "charm", layer); err != nil {
					t.Fatal(err)
				}
				lose := sync.OnceFunc(func() { end(d) })
				if err := wait(ctx, d, lose); !pebble.Unavailable(err) {
					t.Errorf("got %T %v", err, err)
				}
				lose() // has ended when this returns
				d.Boot(t)
				if _, err := d.Client.Plan(ctx); err != nil {
					t.Errorf("the next daemon: %v", err)
				}
			})
		}
	}
}

// once calls the function at the first write.
func once(call func()) io.Writer {
	call = sync.OnceFunc(call)
	return writeFunc(func(p []byte) (int, error) {
		call()
		return len(p), nil
	})
}

type writeFunc func([]byte) (int, error)

func (f writeFunc) Write(p []byte) (int, error) { return f(p) }

// readFunc calls the function, and holds nothing.
type readFunc func()

func (f readFunc) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}
