package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// lab is a charmlab with one of the two charms.
type lab struct {
	t             *testing.T
	program, home string
	charm         string
	begun         time.Time
}

// programs builds charmlab and Pebble, with the flags of make build.
func programs(t *testing.T, dir string) string {
	t.Helper()
	for name, source := range map[string]string{"charmlab": "./cmd/charmlab", "pebble": "github.com/canonical/pebble/cmd/pebble"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(dir, name), source)
		build.Dir = "../.."
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("cannot build %s: %v\n%s", name, err, output)
		}
	}
	return filepath.Join(dir, "charmlab")
}

func newLab(t *testing.T, program, charm string) *lab {
	t.Helper()
	// t.TempDir is too long for unix sockets.
	home, err := os.MkdirTemp("", "cl")
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, program: program, home: home, charm: charm, begun: time.Now()}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(home, "debug.log"))
			_ = os.MkdirAll("../../build/failed", 0o755)
			_ = os.WriteFile("../../build/failed/"+filepath.Base(home)+".log", log, 0o644)
			t.Logf("the debug log is in build/failed/%s.log; its end:\n%s", filepath.Base(home), log[max(0, len(log)-4000):])
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := l.try(ctx, nil, "destroy-model", "--no-prompt", "--force"); err != nil {
			t.Errorf("cannot end the lab: %v", err)
		}
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	return l
}

// try runs a verb.
func (l *lab) try(ctx context.Context, stdin []byte, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, l.program, args...)
	cmd.Env = append(os.Environ(), "CHARMLAB_HOME="+l.home)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("charmlab %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// run is try for a verb that has to succeed.
func (l *lab) run(args ...string) string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	output, err := l.try(ctx, nil, args...)
	if err != nil {
		l.t.Fatal(err)
	}
	return output
}

// fails runs a verb that has to be refused and returns what it says.
func (l *lab) fails(args ...string) string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	output, err := l.try(ctx, nil, args...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		l.t.Fatalf("charmlab %s: %v, want a refusal\n%s", strings.Join(args, " "), err, output)
	}
	_, said, _ := strings.Cut(err.Error(), "\n")
	return said
}

// log is the debug log.
func (l *lab) log() string {
	text, err := os.ReadFile(filepath.Join(l.home, "debug.log"))
	if err != nil {
		l.t.Fatal(err)
	}
	return string(text)
}

const patience = time.Minute

// await waits until the debug log has so many matches.
func (l *lab) await(count int, pattern string) {
	l.t.Helper()
	expression := regexp.MustCompile(`(?m)` + pattern)
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		found := len(expression.FindAllString(l.log(), -1))
		if found >= count {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("found %d of %d times in the debug log: %s", found, count, pattern)
		}
	}
}

// calm is for how long nothing must have happened before a model is at rest:
// longer than the lab's agents take to look at their Pebbles.
const calm = 700 * time.Millisecond

// settle waits until all units are idle and nothing happens any more.
func (l *lab) settle(units ...string) {
	l.t.Helper()
	since, last := time.Now(), ""
	for deadline := time.Now().Add(2 * patience); ; time.Sleep(50 * time.Millisecond) {
		state := l.status()
		text, err := json.Marshal(state)
		if err != nil {
			l.t.Fatal(err)
		}
		now := string(text) + fmt.Sprint(len(l.log()))
		if now != last || !state.idle(units) {
			since, last = time.Now(), now
		}
		if time.Since(since) >= calm {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("the model does not come to rest with %v: %s", units, text)
		}
	}
}

// status is what is compared of juju status.
type status struct {
	Applications map[string]application
}

type application struct {
	Status  state `json:"application-status"`
	Version string
	Scale   int
	Units   map[string]unit
}

type unit struct {
	Workload state `json:"workload-status"`
	Agent    state `json:"juju-status"`
	Leader   bool
	Ports    []string `json:"open-ports"`
}

type state struct{ Current, Message string }

func (l *lab) status() (s status) {
	l.t.Helper()
	if err := json.Unmarshal([]byte(l.run("status", "--format=json")), &s); err != nil {
		l.t.Fatal(err)
	}
	return s
}

func (s status) units() (names []string) {
	for _, app := range s.Applications {
		for name := range app.Units {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// idle says whether the model has exactly these units, all idle.
func (s status) idle(want []string) bool {
	for _, app := range s.Applications {
		for _, u := range app.Units {
			if u.Agent.Current != "idle" {
				return false
			}
		}
	}
	return slices.Equal(s.units(), want)
}

// task is what is compared of an action.
type task struct {
	Status, Message string
	Log             []string
	Results         map[string]any
}

// action runs an action, which may fail.
func (l *lab) action(unit, name string, params ...string) task {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	output, err := l.try(ctx, nil, append([]string{"run", unit, name, "--format=json"}, params...)...)
	var tasks map[string]task
	if json.Unmarshal([]byte(output), &tasks) != nil {
		l.t.Fatalf("%s of %s: %v\n%s", name, unit, err, output)
	}
	t := tasks[unit]
	for n, line := range t.Log {
		// 2006-01-02 15:04:05 +0000 UTC before each line
		if _, rest, ok := strings.Cut(line, "UTC "); ok {
			t.Log[n] = rest
		}
	}
	return t
}
