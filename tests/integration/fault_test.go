package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pods is what charmlab pods says: process ids as this process sees them.
type pods struct {
	Daemon int `json:"daemon"`
	Pods   []struct {
		Unit       string         `json:"unit"`
		PID        int            `json:"pid"`
		Containers map[string]int `json:"containers"`
	} `json:"pods"`
}

func (j *juju) pods() pods {
	j.t.Helper()
	var p pods
	if err := json.Unmarshal([]byte(j.run("pods", "--format=json")), &p); err != nil {
		j.t.Fatal(err)
	}
	return p
}

func (j *juju) kill(what string, pid int) {
	j.t.Helper()
	if pid <= 1 {
		j.t.Fatalf("%s has no process", what)
	}
	j.t.Logf("kill -9 of %s", what)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		j.t.Fatal(err)
	}
}

// killJava kills the daemon of a container by its main class.
func (j *juju) killJava(unit, container, class string) {
	j.t.Helper()
	j.t.Logf("kill -9 of %s in %s", class, unit)
	script := `for p in /proc/[0-9]*; do
		if tr '\0' ' ' <$p/cmdline 2>/dev/null | grep -q '^[^ ]*java .*` + class + `'; then kill -9 ${p#/proc/}; exit; fi
	done; exit 1`
	j.run("ssh", "--container", container, unit, "bash", "-c", script)
}

// fault is something that happens to a cluster that serves.
type fault struct {
	name   string
	inject func(*juju)
}

// faults are played one after another; after each the cluster must be active
// again by itself.
var faults = []fault{
	{"a ZooKeeper is killed", func(j *juju) { j.killJava(j.leader("pulsar"), "zookeeper", "QuorumPeerMain") }},
	{"a broker is killed", func(j *juju) { j.killJava("pulsar/0", "broker", "PulsarBrokerStarter") }},
	{"a bookie is killed", func(j *juju) { j.killJava("bookie/1", "bookie", "bookkeeper.server.Main") }},
	{"a bookie is killed while another session has its node", func(j *juju) {
		name := strings.TrimSpace(j.run("ssh", "--container", "bookie", "bookie/1", "hostname", "-f"))
		release := j.holdNode("pulsar/0", "/ledgers/available/"+name+":3181")
		j.killJava("bookie/1", "bookie", "bookkeeper.server.Main")
		release()
	}},
	{"the client is killed", func(j *juju) { j.kill("the client's Pebble", j.pebble("pulsar-client-dummy/0", "client")) }},
	{"a bookie's Pebble is killed", func(j *juju) { j.kill("Pebble of bookie/0", j.pebble("bookie/0", "bookie")) }},
	{"a ZooKeeper's Pebble is killed", func(j *juju) { j.kill("Pebble of ZooKeeper in pulsar/1", j.pebble("pulsar/1", "zookeeper")) }},
	{"the pod of Juju's leader is killed", func(j *juju) {
		leader := j.leader("pulsar")
		for _, p := range j.pods().Pods {
			if p.Unit == leader {
				j.kill("the pod of "+leader, p.PID)
			}
		}
	}},
	{"a bookie's pod is replaced", func(j *juju) { j.run("delete-pod", "bookie/2") }},
	{"the lab's daemon is killed", func(j *juju) { j.kill("the lab's daemon", j.pods().Daemon) }},
}

// holdNode takes over an ephemeral node of ZooKeeper, as if an old session lived
// on for longer than a new one waits for its end. The result lets it go, 20 s
// later.
func (j *juju) holdNode(unit, node string) func() {
	j.t.Helper()
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(j.t.Context(), 2*time.Minute)
		defer cancel()
		_, err := j.try(ctx, "ssh", "--container", "zookeeper", unit, "bash", "-c", fmt.Sprintf(
			`rm -f /tmp/held /tmp/release; mkfifo /tmp/release; { echo "delete %[1]s"; echo "create -e %[1]s"; cat /tmp/release; } | /pulsar/bin/pulsar zookeeper-shell >/tmp/held 2>&1; true`, node))
		ended <- err
	}()
	j.run("ssh", "--container", "zookeeper", unit, "bash", "-c", `for i in {1..300}; do grep -q "^Created" /tmp/held && exit; sleep 0.2; done 2>/dev/null; cat /tmp/held; exit 1`)
	return func() {
		j.run("ssh", "--container", "zookeeper", unit, "bash", "-c", "sleep 20; echo > /tmp/release")
		if err := <-ended; err != nil {
			j.t.Errorf("the session that held %s: %v", node, err)
		}
	}
}

func (j *juju) pebble(unit, container string) int {
	j.t.Helper()
	for _, p := range j.pods().Pods {
		if p.Unit == unit {
			return p.Containers[container]
		}
	}
	j.t.Fatalf("%s has no pod", unit)
	return 0
}

// recovers waits until all is active, and stays so: a fault may show late.
func (j *juju) recovers(units map[string]int) {
	j.t.Helper()
	// Long enough for the slowest notice of a fault, the end of a session.
	calm := 0
	j.waitFor(5*time.Minute, "active again", func(s status) bool {
		active := len(s.Applications) > 0
		for app, n := range units {
			a := s.Applications[app]
			if len(a.Units) != n {
				active = false
			}
			for _, u := range a.Units {
				active = active && u.Workload.Current == "active" && u.Agent.Current == "idle"
			}
		}
		if !active {
			calm = 0
			return false
		}
		calm++
		return calm >= 10
	})
	j.serves()
}

// serves requires that a message goes through the cluster.
func (j *juju) serves() {
	j.t.Helper()
	if got := j.action("pulsar-client-dummy/0", "produce", "count=10"); got["acked"] != "10" {
		j.t.Errorf("produce after a fault: got %v", got)
	}
}

// zookeepers is the number of voters in ZooKeeper's configuration.
func (j *juju) zookeepers() int {
	j.t.Helper()
	results := j.action(j.leader("pulsar"), "get-quorum")
	voters, err := strconv.Atoi(results["voters"])
	if err != nil {
		j.t.Fatalf("get-quorum: want voters, got %v", results)
	}
	return voters
}

// starts is when the daemon of a main class started, by unit, told by its
// process id and the kernel's clock.
func (j *juju) starts(container, class string, units ...string) map[string]string {
	j.t.Helper()
	starts := map[string]string{}
	for _, unit := range units {
		output := j.run("ssh", "--container", container, unit, "bash", "-c",
			`for p in /proc/[0-9]*; do if tr '\0' ' ' <$p/cmdline 2>/dev/null | grep -q '^[^ ]*java .*`+class+`'; then echo ${p#/proc/} $(cut -d' ' -f22 $p/stat); fi; done`)
		if strings.TrimSpace(output) == "" {
			j.t.Fatalf("%s runs no %s", unit, class)
		}
		starts[unit] = strings.TrimSpace(output)
	}
	return starts
}

func (j *juju) zookeeperStarts() map[string]string {
	j.t.Helper()
	return j.starts("zookeeper", "QuorumPeerMain", "pulsar/0", "pulsar/1", "pulsar/2")
}

// http sends a request from inside a container to a daemon of its own pod.
func (j *juju) http(unit, container, method, port, path string) string {
	j.t.Helper()
	address := j.status().Applications[strings.Split(unit, "/")[0]].Units[unit].Address
	return j.run("ssh", "--container", container, unit, "bash", "-c", fmt.Sprintf(
		`exec 3<>/dev/tcp/%s/%s && printf '%s %s HTTP/1.0\r\nContent-Length: 0\r\n\r\n' >&3 && cat <&3`, address, port, method, path))
}

// addedEntries finds the bookie's count of entries that clients added.
var addedEntries = regexp.MustCompile(`(?m)^bookkeeper_server_ADD_ENTRY_count\{[^}]*success="true"[^}]*\} ([0-9]+)`)

// newBookiesTakeLedgers waits until bookie/3 and bookie/4 have been given
// entries. A ledger keeps its bookies, so the topic is unloaded until each was
// chosen for a new one.
func (j *juju) newBookiesTakeLedgers() {
	j.t.Helper()
	for round := range 15 {
		taken := 0
		for _, unit := range []string{"bookie/3", "bookie/4"} {
			match := addedEntries.FindStringSubmatch(j.http(unit, "bookie", "GET", "8000", "/metrics"))
			if match != nil && match[1] != "0" {
				j.t.Logf("%s was given %s entries", unit, match[1])
				taken++
			}
		}
		if taken == 2 {
			return
		}
		if round > 2 {
			for _, unit := range j.status().units("pulsar") {
				// A broker that does not own the topic answers with a redirection.
				j.http(unit, "broker", "PUT", "8080", "/admin/v2/persistent/public/default/dummy/unload")
			}
		}
		time.Sleep(2 * time.Second)
	}
	j.t.Error("a new bookie was given no entry")
}

func (j *juju) logLength() int {
	j.t.Helper()
	return strings.Count(j.run("debug-log", "--replay", "--no-tail", "--level", "DEBUG"), "\n")
}

func (j *juju) logTail(lines int) string {
	j.t.Helper()
	return j.run("debug-log", "--no-tail", "--lines", strconv.Itoa(lines))
}

// nothingLeft ends the model and looks for what it may have left.
func nothingLeft(t *testing.T, j *juju) {
	if j.home == "" {
		j.run("destroy-model", "--no-prompt")
		return
	}
	before := descendants(t, j.home)
	if len(before) == 0 {
		t.Error("the lab has no process that can be told by its state directory: this check could not fail")
	}
	namespaces := map[int]string{} // network namespace by process
	for pid := range before {
		if name, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err == nil {
			namespaces[pid] = name
		}
	}
	j.run("destroy-model", "--no-prompt")
	if left := descendants(t, j.home); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
	for pid, name := range namespaces {
		if now, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err == nil && now == name {
			t.Errorf("process %d of the lab is left", pid)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), j.home) {
		t.Error("mounts are left")
	}
}

// descendants are the processes that have the lab's state directory in their
// environment or command line.
func descendants(t *testing.T, home string) map[int]string {
	t.Helper()
	found := map[int]string{}
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		pid, _ := strconv.Atoi(filepath.Base(entry))
		if pid == os.Getpid() || pid == os.Getppid() {
			continue
		}
		command, _ := os.ReadFile(filepath.Join(entry, "cmdline"))
		environment, _ := os.ReadFile(filepath.Join(entry, "environ"))
		if strings.Contains(string(command)+string(environment), home) {
			found[pid] = strings.ReplaceAll(string(command), "\x00", " ")
		}
	}
	return found
}
