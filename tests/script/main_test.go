// Package script tells stories about the programs of this repository: what
// they are given (environment, arguments, a hook of the model), and what they
// answer (exit code, output, status, databags). Each file of testdata is one
// story.
package script

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pulsar-charms/pulsar-charms/charms/bookie"
	"github.com/pulsar-charms/pulsar-charms/charms/clientdummy"
	"github.com/pulsar-charms/pulsar-charms/charms/pulsar"
	"github.com/pulsar-charms/pulsar-charms/internal/charmlab"
	"github.com/pulsar-charms/pulsar-charms/internal/dummyclient"
	"github.com/pulsar-charms/pulsar-charms/internal/jujuc"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pod"
)

// TestMain makes this test every program of cmd: each has a main of one line,
// which is repeated here.
func TestMain(m *testing.M) {
	if pod.Reexec() {
		return
	}
	if slices.Contains(model.Tools(), filepath.Base(os.Args[0])) {
		os.Exit(jujuc.Main(os.Args[0], os.Args[1:]))
	}
	testscript.Main(m, map[string]func(){
		"bookie":              func() { ops.Main(bookie.New()) },
		"pulsar":              func() { ops.Main(pulsar.New()) },
		"pulsar-client-dummy": func() { ops.Main(clientdummy.New()) },
		"dummy-client":        dummyClient,
		"charmlab":            func() { os.Exit(charmlab.Main(os.Args)) },
		"narrow":              narrow,
	})
}

func dummyClient() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	os.Exit(dummyclient.Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func TestScripts(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("charmlab")
	if err != nil {
		t.Fatal(err)
	}
	programs := filepath.Dir(program)
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			// Programs must not find what this machine has.
			for _, name := range []string{"JAVA_HOME", "MAVEN_HOME", "M2_HOME", "PULSAR_HOME", "CHARMLAB_PEBBLE", "XDG_STATE_HOME"} {
				env.Setenv(name, "")
			}
			env.Setenv("BIN", programs)
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			w, err := newWorld(programs, filepath.Join(env.WorkDir, ".world"))
			env.Values["world"] = w
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code,
			"home": home,

			"action":    inWorld((*world).action),
			"calls":     inWorld((*world).printCalls),
			"configure": inWorld((*world).configure),
			"databag":   inWorld((*world).printDatabag),
			"deploy":    inWorld((*world).deploy),
			"dispatch":  inWorld((*world).dispatch),
			"hidden":    inWorld((*world).checkHidden),
			"integrate": inWorld((*world).integrate),
			"jujulog":   inWorld((*world).printLog),
			"result":    inWorld((*world).printResult),
			"settle":    inWorld((*world).settle),
			"state":     inWorld((*world).printState),
			"status":    inWorld((*world).checkStatus),
			"write":     inWorld((*world).write),
		},
	})
}

// code runs a command that has to end with an exit code.
func code(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// home gives charmlab a state directory. It is not in the script's directory,
// whose path may be too long for sockets.
func home(ts *testscript.TestScript, _ bool, _ []string) {
	dir, err := os.MkdirTemp("", "cl")
	ts.Check(err)
	ts.Defer(func() { os.RemoveAll(dir) })
	ts.Setenv("CHARMLAB_HOME", dir)
}

// inWorld is a script command that concerns the script's model.
func inWorld(do func(*world, *testscript.TestScript, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, negated bool, args []string) {
		if negated {
			ts.Fatalf("this command cannot be negated")
		}
		if err := do(ts.Value("world").(*world), ts, args); err != nil {
			ts.Fatalf("%v", fmt.Errorf("%q: %w", args, err))
		}
	}
}
