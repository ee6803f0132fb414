package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
)

// TestPods runs the built command with real pods: namespaces, Pebbles, and a
// charm in shell that uses hook tools.
func TestPods(t *testing.T) {
	t.Parallel()
	programs := t.TempDir()
	// The flags are those of make build and of charmlab's own build of Pebble,
	// so that Go's cache serves both.
	for program, source := range map[string]string{"charmlab": ".", "pebble": "github.com/canonical/pebble/cmd/pebble"} {
		build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(programs, program), source)
		if program == "pebble" {
			build.Env = append(os.Environ(), "CGO_ENABLED=0")
		}
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("cannot build %s: %v\n%s", program, err, output)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			home, err := os.MkdirTemp("", "cl")
			if err != nil {
				return err
			}
			env.Setenv("CHARMLAB_HOME", home)
			env.Setenv("PATH", programs+":"+os.Getenv("PATH"))
			env.Defer(func() {
				end := exec.Command(filepath.Join(programs, "charmlab"), "destroy-model", "--no-prompt", "--force")
				end.Env = append(os.Environ(), "CHARMLAB_HOME="+home)
				if output, err := end.CombinedOutput(); err != nil {
					t.Errorf("cannot end the lab: %v\n%s", err, output)
				}
				os.RemoveAll(home)
			})
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":       await,
			"kill9":       kill9,
			"nothingleft": nothingLeft,
		},
	})
}

// await runs a command until its output matches a pattern.
func await(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile(args[0])
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := ts.Exec("charmlab", args[1:]...)
		output := ts.ReadFile("stdout")
		if err == nil && pattern.MatchString(output) {
			return
		}
		if time.Now().After(deadline) {
			ts.Exec("charmlab", "debug-log", "--replay")
			ts.Fatalf("no %s in: %s", args[0], output)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// kill9 sends SIGKILL to the daemon, to a unit's pod, or to the Pebble of a
// unit's container.
func kill9(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("charmlab", "pods", "--format=json"))
	var pods api.Pods
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &pods))
	pid := 0
	if args[0] == "daemon" {
		pid = pods.Daemon
	}
	for _, p := range pods.Pods {
		switch {
		case p.Unit != args[0]:
		case len(args) == 1:
			pid = p.PID
		default:
			pid = p.Containers[args[1]]
		}
	}
	if pid <= 1 {
		ts.Fatalf("there is no process of %v: %+v", args, pods)
	}
	ts.Check(syscall.Kill(pid, syscall.SIGKILL))
}

// nothingLeft looks for processes and mounts that know the state directory.
// Negated, it requires some, or else it could not fail.
func nothingLeft(ts *testscript.TestScript, negated bool, _ []string) {
	home := ts.Getenv("CHARMLAB_HOME")
	var left []string
	processes, err := filepath.Glob("/proc/[0-9]*")
	ts.Check(err)
	for _, dir := range processes {
		environment, _ := os.ReadFile(filepath.Join(dir, "environ"))
		command, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		mounts, _ := os.ReadFile(filepath.Join(dir, "mounts"))
		if pid, _ := strconv.Atoi(filepath.Base(dir)); pid == os.Getpid() {
			environment = nil
		}
		if strings.Contains(string(environment)+string(command)+string(mounts), home) {
			left = append(left, fmt.Sprintf("%s %q", filepath.Base(dir), command))
		}
	}
	if negated && len(left) < 3 {
		ts.Fatalf("hardly any process knows %s: %v", home, left)
	}
	if !negated && len(left) > 0 {
		ts.Fatalf("left: %v", left)
	}
}
