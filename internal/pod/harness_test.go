package pod

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const deadline = 30 * time.Second

var lastAddress atomic.Int32

// lab is what the pods of one test share.
type lab struct {
	t     *testing.T
	dir   string
	hosts string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Remove(dir); err != nil {
			t.Error(err)
		}
	})
	l := &lab{t: t, dir: dir, hosts: filepath.Join(dir, "hosts")}
	l.write("hosts", "", 0o644)
	return l
}

func (l *lab) write(name, content string, mode os.FileMode) string {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// spec is a pod of one container "workload" with a charm that is a script.
func (l *lab) spec(unit, dispatch string) Spec {
	l.t.Helper()
	n := lastAddress.Add(1)
	app, number, _ := strings.Cut(unit, "/")
	name := app + "-" + number
	l.write(name+"/charm/metadata.yaml", "name: test\n", 0o644)
	if dispatch != "" {
		l.write(name+"/charm/dispatch", "#!/bin/sh\n"+dispatch, 0o755)
	}
	l.write(name+"/storage/keep", "kept", 0o644)
	l.write("image/pulsar/bin/hello", "#!/bin/sh\necho hello\n", 0o755)
	l.write("image/pulsar/conf/zoo.cfg", "fresh", 0o644)
	l.write("image/usr/share/of-the-image", "image", 0o644)
	storage := Mount{Source: filepath.Join(l.dir, name, "storage"), Target: "/pulsar/data/zookeeper"}
	return Spec{
		Unit: unit, Model: "m", FQDN: name + "." + app + "-endpoints.m.svc.cluster.local",
		Address: fmt.Sprintf("10.1.%d.%d", 1+n/200, 1+n%200), Hosts: l.hosts, Dir: filepath.Join(l.dir, name, "pod"),
		Pebble: os.Getenv(pebbleVariable),
		Containers: []Container{{
			Name: "workload", Image: filepath.Join(l.dir, "image"), Mounts: []Mount{storage}, Env: map[string]string{"ROLE": "test"},
		}},
		Charm: CharmContainer{
			Dir: filepath.Join(l.dir, name, "charm"), Jujuc: "/bin/echo", Tools: []string{"config-get"},
			Storage: []Mount{{Source: storage.Source, Target: "/var/lib/juju/storage/data/0"}},
		},
	}
}

func (l *lab) start(spec Spec) *Pod {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	p, err := Start(ctx, spec)
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(spec.Dir, logFile))
		l.t.Fatalf("%v\n%s", err, log)
	}
	l.t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			l.t.Error(err)
		}
	})
	file, err := os.OpenFile(l.hosts, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintf(file, "%s %s\n", spec.Address, spec.FQDN)
		file.Close()
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

// sh runs a script in a container and returns its output.
func sh(t *testing.T, p *Pod, container, script string) string {
	t.Helper()
	output, outcome := shOutcome(t, p, container, script)
	if outcome != (Outcome{}) {
		t.Fatalf("%s: %+v\n%s", script, outcome, output)
	}
	return strings.TrimSpace(output)
}

func shOutcome(t *testing.T, p *Pod, container, script string) (string, Outcome) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	var stdout, stderr bytes.Buffer
	outcome, err := p.Exec(ctx, container, Command{Argv: []string{"sh", "-c", script}, Stdout: &stdout, Stderr: &stderr})
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return stdout.String() + stderr.String(), outcome
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in %v: not %s", deadline, what)
		}
	}
}

// bootID asks a container's Pebble; empty if it does not answer.
func bootID(p *Pod, container string) string {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", p.PebbleSocket(container))
		},
	}}
	resp, err := client.Get("http://pebble/v1/system-info")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var answer struct {
		Result struct {
			BootID string `json:"boot-id"`
		} `json:"result"`
	}
	if json.NewDecoder(resp.Body).Decode(&answer) != nil {
		return ""
	}
	return answer.Result.BootID
}

func up(t *testing.T, p *Pod, container string) string {
	t.Helper()
	var id string
	eventually(t, "up: Pebble of "+container, func() bool {
		id = bootID(p, container)
		return id != ""
	})
	return id
}
