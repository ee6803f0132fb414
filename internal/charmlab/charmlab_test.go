package charmlab

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/lab"
	"github.com/pulsar-charms/pulsar-charms/internal/lab/labtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"charmlab": func() { os.Exit(Main(os.Args)) }})
}

var update = flag.Bool("update", false, "write what commands print into the scripts")

// TestScripts runs the command against a daemon whose pods are in memory; the
// charm of every application is charm. Scripts named nolab… have no daemon.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata", UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			home, err := os.MkdirTemp("", "cl")
			if err != nil {
				return err
			}
			env.Defer(func() { os.RemoveAll(home) })
			env.Setenv("CHARMLAB_HOME", home)
			env.Setenv("CHARMLAB_PEBBLE", "/nonexistent/pebble")
			if strings.HasPrefix(env.WorkDir[strings.LastIndex(env.WorkDir, "/")+1:], "script-nolab") {
				return nil
			}
			l := &testLab{home: home, pods: labtest.New(map[string]labtest.Charm{"db": charm, "web": charm, "site": charm})}
			env.Values["lab"] = l
			env.Defer(l.stop)
			return l.start()
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"die":     onPod(func(p *labtest.Pod, _ []string) { p.Die() }),
			"notify":  onPod(func(p *labtest.Pod, args []string) { p.Notify(args[0], args[1]) }),
			"check":   onPod(func(p *labtest.Pod, args []string) { p.Check(args[0], args[1], args[2] == "failed") }),
			"release": onPod(func(p *labtest.Pod, _ []string) { _ = p.WriteFile("/release", nil) }),
			"started": started,
			"refuse": func(ts *testscript.TestScript, end bool, args []string) {
				var err error
				if !end {
					err = errors.New(strings.Join(args, " "))
				}
				ts.Value("lab").(*testLab).pods.Refuse(err)
			},
			"restart": func(ts *testscript.TestScript, _ bool, _ []string) { ts.Check(ts.Value("lab").(*testLab).restart()) },
			"await":   await,
			"gone":    gone,
			"code":    code,
			"mask":    mask,
		},
	})
}

// testLab is a daemon that can be ended and started again.
type testLab struct {
	home   string
	pods   *labtest.Runtime
	cancel context.CancelFunc
	done   sync.WaitGroup
	err    error
}

func (l *testLab) start() error {
	daemon, err := lab.New(lab.Options{Home: l.home, Runtime: l.pods, Timing: lab.Timing{
		Poll: 20 * time.Millisecond, ReadyAgain: 50 * time.Millisecond, Retry: 50 * time.Millisecond, RetryMax: 200 * time.Millisecond,
		UpdateStatus: -1, Leadership: 2 * time.Second, Worker: 20 * time.Millisecond,
	}})
	if err != nil {
		return err
	}
	os.Remove(lab.Socket(l.home))
	listener, err := net.Listen("unix", lab.Socket(l.home))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.done.Go(func() { l.err = daemon.Serve(ctx, listener) })
	return nil
}

func (l *testLab) stop() {
	l.cancel()
	l.done.Wait()
}

func (l *testLab) restart() error {
	l.stop()
	if l.err != nil {
		return l.err
	}
	return l.start()
}

// onPod is a script command whose first argument is a unit.
func onPod(do func(*labtest.Pod, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		pod := ts.Value("lab").(*testLab).pods.Pod(args[0])
		if pod == nil {
			ts.Fatalf("%s has no pod", args[0])
		}
		do(pod, args[1:])
	}
}

// started waits until a unit has had so many pods, and no more.
func started(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(10 * time.Second)
	for {
		count := 0
		for _, unit := range ts.Value("lab").(*testLab).pods.Started() {
			if unit == args[0] {
				count++
			}
		}
		if fmt.Sprint(count) == args[1] {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s has had %d pods, want %s", args[0], count, args[1])
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// await runs a command of charmlab until its output matches a pattern.
func await(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile(args[0])
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := ts.Exec("charmlab", args[1:]...)
		output := ts.ReadFile("stdout")
		if err == nil && pattern.MatchString(output) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no %s in: %s%s", args[0], output, ts.ReadFile("stderr"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// gone waits until a file is no more: the lab clears up when the last pod has
// ended.
func gone(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s is still there", args[0])
		}
	}
}

var masks = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC`), "TIME"},
	{regexp.MustCompile(`\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\dZ`), "TIME"},
	{regexp.MustCompile(`\d\d:\d\d:\d\dZ?`), "CLOCK"},
	{regexp.MustCompile(`10\.1\.\d+\.\d+`), "POD"},
}

// mask replaces in a copy of the last output what differs from run to run.
func mask(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile("stdout")
	for _, m := range masks {
		text = m.pattern.ReplaceAllString(text, m.by)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

// charm is a charm that greets over its relation and obeys its option mood.
func charm(h *labtest.Hook) int {
	if len(h.Argv) > 0 {
		return executed(h)
	}
	fail := func(err error) int {
		fmt.Fprintln(h.Stderr, err)
		return 1
	}
	mood, err := h.Tool("config-get", "mood")
	if err != nil {
		return fail(err)
	}
	switch h.Hook.Kind {
	case juju.Action:
		return action(h)
	case juju.RelationCreated:
		if _, err := h.Tool("relation-set", "greeting=hello from "+h.UnitName); err != nil {
			return fail(err)
		}
	case juju.PebbleCustomNotice, juju.PebbleCheckFailed, juju.PebbleCheckRecovered, juju.Stop, juju.UpgradeCharm, juju.PebbleReady:
		if _, err := h.Tool("juju-log", "saw", h.Hook.String(), h.NoticeKey+h.CheckName); err != nil {
			return fail(err)
		}
	case juju.LeaderElected:
		return labtest.Missing
	case juju.Remove:
		// A slow db/1 is not removed before its release.
		for mood == "slow" && h.UnitName == "db/1" && h.Err() == nil {
			if _, err := h.Pod.ReadFile("/release"); err == nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	case juju.ConfigChanged:
		if mood == "bad" {
			fmt.Fprintln(h.Stderr, "I am in a bad mood")
			return 1
		}
	}
	if _, err := h.Tool("status-set", "active", "feeling "+mood); err != nil {
		return fail(err)
	}
	return 0
}

func action(h *labtest.Hook) int {
	switch h.ActionName {
	case "greet":
		name, _ := h.Tool("action-get", "name")
		h.Tool("action-log", "greeting", name)
		h.Tool("action-set", "greeting=hello "+name, "nested.count=3")
	case "refuse":
		h.Tool("action-set", "why=not today")
		h.Tool("action-fail", "I will not")
	case "crash":
		io.WriteString(h.Stdout, "out\n")
		io.WriteString(h.Stderr, "err\n")
		return 3
	case "hang":
		<-h.Done()
	}
	return 0
}

// executed is what juju exec runs here: a hook tool, or a failure.
func executed(h *labtest.Hook) int {
	words := strings.Fields(h.Argv[len(h.Argv)-1])
	if words[0] == "false" {
		io.WriteString(h.Stderr, "it is false\n")
		return 4
	}
	output, err := h.Tool(words[0], words[1:]...)
	if err != nil {
		fmt.Fprintln(h.Stderr, err)
		return 1
	}
	fmt.Fprintln(h.Stdout, output)
	return 0
}

// code runs a command that has to end with an exit code other than 0.
func code(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != want {
		ts.Fatalf("%v: got %v, want exit code %d\n%s", args[1:], err, want, ts.ReadFile("stderr"))
	}
}
