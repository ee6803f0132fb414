package pod

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// testDaemon is what the machine runs in these tests: it adopts or starts the
// pod that is described in its directory and says so.
func testDaemon() int {
	dir := os.Getenv(daemonVariable)
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	data, err := os.ReadFile(filepath.Join(dir, "spec.json"))
	if err != nil {
		return fail(err)
	}
	var spec Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		return fail(err)
	}
	verb := "adopted"
	p, err := Adopt(context.Background(), spec.Dir)
	if errors.Is(err, ErrNotRunning) {
		verb = "started"
		p, err = Start(context.Background(), spec)
	}
	if err != nil {
		return fail(err)
	}
	var output bytes.Buffer
	outcome, err := p.Exec(context.Background(), "workload", Command{Argv: []string{"cat", "/etc/hostname"}, Stdout: &output})
	if err != nil || outcome.ExitCode != 0 {
		return fail(fmt.Errorf("%+v %w", outcome, err))
	}
	report := fmt.Sprintf("%s %d %d %s", verb, os.Getpid(), p.PID(), strings.TrimSpace(output.String()))
	partial := filepath.Join(dir, "report.new")
	if err := os.WriteFile(partial, []byte(report), 0o600); err != nil {
		return fail(err)
	}
	if err := os.Rename(partial, filepath.Join(dir, "report")); err != nil {
		return fail(err)
	}
	<-p.Done()
	return fail(errors.New("the pod is gone"))
}

// processesOf are the processes that name the directory in their arguments or
// environment, as seen from here.
func processesOf(t *testing.T, dir string) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		for _, file := range []string{"cmdline", "environ"} {
			if data, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), file)); bytes.Contains(data, []byte(dir)) {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}

// The machine starts its daemon again; the next daemon finds the pods of the
// last; the machine's end leaves nothing.
func TestMachine(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	spec := l.spec("zoo/0", "")
	spec.Containers[0].Env["MARK"] = l.dir
	data, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	l.write("spec.json", string(data), 0o600)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	machineSpec := MachineSpec{
		Dir: filepath.Join(l.dir, "machine"), Daemon: []string{exe, "daemon", l.dir}, Env: append(os.Environ(), daemonVariable+"="+l.dir),
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if _, err := FindMachine(machineSpec.Dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("before the start: %v", err)
	}
	m, err := StartMachine(ctx, machineSpec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Kill(context.Background()); err != nil {
			t.Error(err)
		}
	})
	again, err := StartMachine(ctx, machineSpec)
	if err != nil || again.PID() != m.PID() {
		t.Errorf("second start: %v, %v, want process %d", again, err, m.PID())
	}

	report := func(verb string) (daemon, pod int) {
		eventually(t, verb+": the pod", func() bool {
			text, _ := os.ReadFile(filepath.Join(l.dir, "report"))
			fields := strings.Fields(string(text))
			if len(fields) != 4 || fields[0] != verb || fields[3] != "zoo-0" {
				return false
			}
			daemon, _ = strconv.Atoi(fields[1])
			pod, _ = strconv.Atoi(fields[2])
			return true
		})
		return daemon, pod
	}
	_, first := report("started")
	var daemons []int
	for _, pid := range processesOf(t, l.dir) {
		if cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); bytes.Contains(cmdline, []byte("\x00daemon\x00")) {
			daemons = append(daemons, pid)
		}
	}
	if len(daemons) != 1 {
		t.Fatalf("daemons: %v", daemons)
	}
	if err := unix.Kill(daemons[0], unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, adopted := report("adopted"); adopted != first {
		t.Errorf("adopted pod %d, want %d", adopted, first)
	}

	if pids := processesOf(t, l.dir); len(pids) < 4 { // machine, daemon, pod, Pebble
		t.Errorf("only %v run", pids)
	}
	if err := m.Kill(ctx); err != nil {
		t.Fatal(err)
	}
	if pids := processesOf(t, l.dir); len(pids) > 0 {
		t.Errorf("still running: %v", pids)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), l.dir) {
		t.Errorf("still mounted:\n%s", mounts)
	}
	if _, err := FindMachine(machineSpec.Dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}

	// It can be started again where it was, and stopped.
	if err := os.Remove(filepath.Join(l.dir, "report")); err != nil {
		t.Fatal(err)
	}
	if m, err = StartMachine(ctx, machineSpec); err != nil {
		t.Fatal(err)
	}
	report("started")
	if err := m.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if pids := processesOf(t, l.dir); len(pids) > 0 {
		t.Errorf("still running after the stop: %v", pids)
	}
}
