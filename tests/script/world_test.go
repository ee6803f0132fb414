package script

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/jujuc"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/metadata"
)

// world is one script's Juju: a model, and what its charms have done so far.
type world struct {
	model    *model.Model
	programs string // directory of this repository's programs
	dir      string // directory of charms and hook tools
	charms   map[string]charm
	dispatched

	contexts int
	calls    []jujuc.Request // of all hooks
	secrets  []string        // contents that charms gave to Juju
}

// charm is the code of an application.
type charm struct {
	dir     string // working directory of its hooks
	program string
}

func newWorld(programs, dir string) (*world, error) {
	return &world{
		model: model.New(model.Options{Name: "test"}), programs: programs, dir: dir, charms: map[string]charm{},
	}, os.MkdirAll(dir, 0o755)
}

// pairs reads key=value arguments.
func pairs(args []string) (map[string]string, error) {
	values := map[string]string{}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not key=value", arg)
		}
		values[key] = value
	}
	return values, nil
}

// deploy <charm or directory> <application> <units> [<option>=<value>]...
func (w *world) deploy(ts *testscript.TestScript, args []string) error {
	name, app := args[0], args[1]
	units, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	config, err := pairs(args[3:])
	if err != nil {
		return err
	}
	code := charm{dir: filepath.Join(w.dir, "charm-"+app), program: filepath.Join(w.programs, name)}
	var files map[string][]byte
	if slices.Contains(metadata.Charms(), name) {
		files, err = metadata.Files(name)
	} else {
		code = charm{dir: ts.MkAbs(name), program: filepath.Join(ts.MkAbs(name), "dispatch")}
		files, err = readFiles(code.dir)
	}
	if err != nil {
		return err
	}
	files["manifest.yaml"] = []byte("bases: [{name: ubuntu, channel: 22.04/stable, architectures: [amd64]}]")
	parsed, err := model.ParseCharm(files)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(code.dir, 0o755); err != nil {
		return err
	}
	w.charms[app] = code
	if err := w.model.Deploy(model.DeployArgs{App: app, Charm: parsed, Units: units, Config: config}); err != nil {
		return err
	}
	for i, unit := range w.model.UnitsOf(app) {
		address := fmt.Sprintf("10.1.%d.%d", len(w.charms), i+10)
		if err := w.model.PodUp(unit, model.PodInfo{Address: address, Fresh: true}); err != nil {
			return err
		}
		for _, storage := range w.model.Storages(unit) {
			if err := w.model.StorageProvisioned(unit, storage.ID, "/var/lib/juju/storage/"+storage.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func readFiles(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range []string{"metadata.yaml", "config.yaml", "actions.yaml"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name] = content
	}
	return files, nil
}

// integrate <application>[:<endpoint>] <application>[:<endpoint>]
func (w *world) integrate(_ *testscript.TestScript, args []string) error {
	_, err := w.model.Integrate(args[0], args[1])
	return err
}

// configure <application> <option>=<value>...
func (w *world) configure(_ *testscript.TestScript, args []string) error {
	options, err := pairs(args[1:])
	if err != nil {
		return err
	}
	return w.model.SetConfig(args[0], options, nil)
}

// action <unit> <action> [<parameter>=<YAML>]...
func (w *world) action(ts *testscript.TestScript, args []string) error {
	texts, err := pairs(args[2:])
	if err != nil {
		return err
	}
	params := map[string]any{}
	for key, text := range texts {
		var value any
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			return err
		}
		params[key] = value
	}
	_, err = w.model.EnqueueAction(args[:1], args[1], params)
	return err
}

// settle runs all hooks that are due as if their charms did nothing.
func (w *world) settle(*testscript.TestScript, []string) error {
	return w.play("", func() bool { return len(w.model.Ready()) == 0 })
}

const maxHooks = 10000

// play runs hooks that do nothing, the unit's own first, until the condition
// is true.
func (w *world) play(unit string, until func() bool) error {
	for range maxHooks {
		if until() {
			return nil
		}
		ready := w.model.Ready()
		if len(ready) == 0 {
			return errors.New("nothing makes Juju run this hook")
		}
		next := ready[0]
		if slices.Contains(ready, unit) {
			next = unit
		}
		run, err := w.model.Begin(next, w.model.Next(next)[0])
		if err != nil {
			return err
		}
		if err := run.End(model.Outcome{}); err != nil {
			return err
		}
	}
	return errors.New("the model does not come to rest")
}

// await makes a hook the unit's next one. Without a name it is the one that
// Juju would run.
func (w *world) await(unit, name string) (model.Hook, error) {
	if w.model.Due(unit).Retry {
		if err := w.model.RetryDue(unit); err != nil {
			return model.Hook{}, err
		}
	}
	if name == string(juju.UpdateStatus) {
		// Any other hook before it would take its place.
		if err := w.play(unit, func() bool { return len(w.model.Next(unit)) == 0 }); err != nil {
			return model.Hook{}, err
		}
		if err := w.model.UpdateStatusDue(unit); err != nil {
			return model.Hook{}, err
		}
	}
	var found model.Hook
	err := w.play(unit, func() bool {
		for _, hook := range w.model.Next(unit) {
			if name == "" || hook.Hook.String() == name {
				found = hook
				return true
			}
		}
		return false
	})
	return found, err
}

// write <unit> <endpoint> [--app] <key>=<value>... lets a unit write into its
// relation, as its charm might.
func (w *world) write(_ *testscript.TestScript, args []string) error {
	hook, err := w.await(args[0], string(juju.UpdateStatus))
	if err != nil {
		return err
	}
	run, err := w.model.Begin(args[0], hook)
	if err != nil {
		return err
	}
	tool := func(name string, args ...string) (string, error) {
		code, stdout, stderr, _ := run.Run(name, args, nil, false, nil)
		if code != 0 {
			return "", fmt.Errorf("%s: %s", name, stderr)
		}
		return strings.TrimSpace(string(stdout)), nil
	}
	id, err := tool("relation-ids", args[1])
	if err != nil {
		return err
	}
	if _, err := tool("relation-set", append([]string{"-r", id}, args[2:]...)...); err != nil {
		return err
	}
	return run.End(model.Outcome{})
}

// status <unit> <name> [<pattern of the message>]
func (w *world) checkStatus(_ *testscript.TestScript, args []string) error {
	got := w.model.WorkloadStatus(args[0])
	pattern := "^$"
	if len(args) > 2 {
		pattern = args[2]
	}
	match, err := regexp.MatchString(pattern, got.Message)
	if err == nil && (string(got.Name) != args[1] || !match) {
		err = fmt.Errorf("status is %s: %s", got.Name, got.Message)
	}
	return err
}

func printMap(ts *testscript.TestScript, values map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(ts.Stdout(), "%s=%s\n", key, values[key])
	}
}

// databag <relation id> <unit or application>
func (w *world) printDatabag(ts *testscript.TestScript, args []string) error {
	printMap(ts, w.model.Databag(args[0], args[1]))
	return nil
}

// state <unit>
func (w *world) printState(ts *testscript.TestScript, args []string) error {
	printMap(ts, w.model.State(args[0]))
	return nil
}

// result prints how the last action ended.
func (w *world) printResult(ts *testscript.TestScript, _ []string) error {
	ids := w.model.ActionIDs()
	a, err := w.model.Action(ids[len(ids)-1])
	if err != nil {
		return err
	}
	fmt.Fprintf(ts.Stdout(), "%s: %s\n", a.Status, a.Message)
	for _, key := range slices.Sorted(maps.Keys(a.Results)) {
		fmt.Fprintf(ts.Stdout(), "%s=%v\n", key, a.Results[key])
	}
	return nil
}

// jujulog prints what the last hook logged.
func (w *world) printLog(ts *testscript.TestScript, _ []string) error {
	for _, line := range w.log {
		fmt.Fprintf(ts.Stdout(), "%s %s\n", line.Level, line.Message)
	}
	return nil
}

// calls prints the hook tools that the last hook ran.
func (w *world) printCalls(ts *testscript.TestScript, _ []string) error {
	for _, call := range w.calls[w.firstCall:] {
		fmt.Fprintln(ts.Stdout(), strings.Join(append([]string{call.CommandName}, call.Args...), " "))
	}
	return nil
}

// hidden fails if the content of a secret that the charms made is anywhere
// but in the secret: in arguments, databags, states, statuses, logs or output.
func (w *world) checkHidden(ts *testscript.TestScript, _ []string) error {
	if len(w.secrets) == 0 {
		return errors.New("no charm made a secret")
	}
	places := map[string]string{"standard output": w.stdout, "standard error": w.stderr, "log": fmt.Sprint(w.log)}
	for _, call := range w.calls {
		places["arguments of "+call.CommandName] += fmt.Sprint(call.Args)
		places["input of "+call.CommandName] += string(call.Stdin)
	}
	for _, unit := range w.model.Units() {
		places["status of "+unit] = w.model.WorkloadStatus(unit).Message
		places["state of "+unit] = fmt.Sprint(w.model.State(unit))
	}
	for place, text := range places {
		for _, secret := range w.secrets {
			if strings.Contains(text, secret) {
				return fmt.Errorf("a secret is in the %s", place)
			}
		}
	}
	return nil
}
