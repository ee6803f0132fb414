package pebble_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// eventually polls until done or a generous deadline.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// Not parallel: it counts goroutines.
func TestClientCancelled(t *testing.T) {
	d := pebbletest.Start(t)
	layer := pebble.Layer{Services: map[string]pebble.Service{"a": {Command: "sleep 1000"}}}
	if err := d.Client.AddLayer(t.Context(), "charm", layer); err != nil {
		t.Fatal(err)
	}
	d.Client.Close()
	runtime.GC()
	before := runtime.NumGoroutine()

	// A start takes one second; its wait ends with the context, the start goes on.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := d.Client.Start(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || pebble.Unavailable(err) {
		t.Errorf("start: %v", err)
	}
	if took := time.Since(began); took > 900*time.Millisecond {
		t.Errorf("start was cancelled after %v", took)
	}
	eventually(t, "the service runs", func() bool {
		infos, err := d.Client.Services(t.Context(), "a")
		return err == nil && infos[0].Running()
	})

	// A command dies with its context.
	pidFile := filepath.Join(d.Dir, "pid")
	ctx, cancel = context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if content, err := os.ReadFile(pidFile); err == nil && bytes.HasSuffix(content, []byte("\n")) {
				return
			}
		}
	}()
	command := pebble.Command{Args: []string{"sh", "-c", "echo $$ > " + pidFile + "; exec sleep 1000"}}
	if _, err := d.Client.Exec(ctx, command); !errors.Is(err, context.Canceled) {
		t.Errorf("exec: %v", err)
	}
	pid, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the command is dead", func() bool {
		_, err := os.Stat("/proc/" + strings.TrimSpace(string(pid)))
		return errors.Is(err, os.ErrNotExist)
	})
	d.Client.Close()
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
}

func TestClientExecOutput(t *testing.T) {
	t.Parallel()
	d := pebbletest.Start(t)
	script := "head -c 3000000 /dev/zero; head -c 5 /dev/zero | tr '\\0' e >&2; cat | wc -c >&2; exit 7"
	result, err := d.Client.Exec(t.Context(), pebble.Command{Args: []string{"sh", "-c", script}, Stdin: make([]byte, 300000)})
	if err != nil {
		t.Fatal(err)
	}
	if result.ExitCode != 7 || len(result.Stdout) != 1<<20 || string(result.Stderr) != "eeeee300000\n" {
		t.Errorf("exit %d, %d bytes, stderr %q", result.ExitCode, len(result.Stdout), result.Stderr)
	}
	var both bytes.Buffer
	process, err := d.Client.Run(t.Context(), pebble.Command{Args: []string{"sh", "-c", "echo 1; echo 2 >&2; echo 3; exit 4"}},
		pebble.Streams{Stdout: &both, Stderr: &both})
	if err != nil {
		t.Fatal(err)
	}
	if code, err := process.Wait(); code != 4 || err != nil || both.String() != "1\n2\n3\n" {
		t.Errorf("joined output: exit %d, %v, %q", code, err, &both)
	}
	notExecutable := filepath.Join(d.Dir, "script")
	if err := d.Client.Push(t.Context(), pebble.File{Path: notExecutable, Content: []byte("#!/no/such/shell\n"), Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	var failed *pebble.ChangeError
	_, err = d.Client.Exec(t.Context(), pebble.Command{Args: []string{notExecutable}})
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "no such file or directory") {
		t.Errorf("a command that cannot be run: %v", err)
	}
}

// Servers that are no Pebble, or one that dies while it answers.
func TestClientBadServers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		serve       func(net.Conn)
		unavailable bool
		timeout     bool
	}{
		{"hangs", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, false, true},
		{"closes", func(net.Conn) {}, true, false},
		{"dies within its answer", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: application/json\r\n\r\n{\"type\":\"sync\"")
		}, true, false},
		{"speaks of something else", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
		}, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "socket")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			socket := filepath.Join(dir, "s")
			listener, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					go func() {
						defer conn.Close()
						test.serve(conn)
					}()
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			if !test.timeout {
				ctx, cancel = context.WithTimeout(t.Context(), 20*time.Second)
			}
			defer cancel()
			client := pebble.NewClient(socket)
			defer client.Close()
			_, err = client.SystemInfo(ctx)
			if err == nil || pebble.Unavailable(err) != test.unavailable || errors.Is(err, context.DeadlineExceeded) != test.timeout {
				t.Errorf("got %v", err)
			}
			began := time.Now()
			_, _ = client.Pull(ctx, "/x")
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("a read was repeated for %v", took)
			}
		})
	}
}

func TestClientNoSocket(t *testing.T) {
	t.Parallel()
	client := pebble.NewClient(filepath.Join(t.TempDir(), "pebble.socket"))
	began := time.Now()
	for range 20 {
		_, err := client.Plan(t.Context())
		if !pebble.Unavailable(err) || !strings.Contains(err.Error(), "pebble.socket") {
			t.Fatalf("got %v", err)
		}
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("20 calls without a socket took %v", took)
	}
}
