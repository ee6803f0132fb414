package opstest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// run is one run of a charm.
type run struct {
	scene   *scene
	hook    *model.Context
	model   *model.Model
	fakes   map[string]*watched
	pebbles map[string]pebble.Daemon // real ones, that the test keeps
	result  Result
	calls   []hooktool.Call
}

// watched is a fake and how many of its writes are in the result.
type watched struct {
	*pebbletest.Fake
	seen int
}

// containers makes the fakes.
func (r *run) containers() error {
	r.fakes, r.pebbles = map[string]*watched{}, map[string]pebble.Daemon{}
	for _, name := range slices.Sorted(maps.Keys(r.scene.state.Containers)) {
		c := r.scene.state.Containers[name]
		switch fake, ok := c.Pebble.(*pebbletest.Fake); {
		case ok:
			r.fakes[name] = &watched{fake, len(fake.Writes())}
		case c.Pebble != nil:
			r.pebbles[name] = c.Pebble
		case !c.Down:
			fake := pebbletest.NewFake(pebbletest.Options{
				Mounts: r.scene.mounts(name), Users: c.Users, Missing: c.Missing, OnStart: c.OnStart, Now: r.clock(), Version: pebbleVersion(r.scene.version),
			})
			for executable, handler := range c.Execs {
				fake.HandleExec(executable, handler)
			}
			if err := fake.Restore(c.contents()); err != nil {
				return fmt.Errorf("container %q: %w", name, err)
			}
			r.fakes[name] = &watched{Fake: fake}
		}
	}
	return nil
}

// pebbleVersion is the Pebble that the newest patch release of a Juju brings,
// as ops documents it. Of 3.6 and later it is the fake's own: Pebble moves on
// with their patch releases, and v1.26.0 had all that pebble.Feature tells
// apart.
func pebbleVersion(v juju.Version) string {
	switch {
	case v.AtLeast(3, 6, 0):
		return ""
	case v.AtLeast(3, 5, 0):
		return "v1.10.2"
	case v.AtLeast(3, 4, 0):
		return "v1.7.4"
	case v.AtLeast(3, 3, 0):
		return "v1.4.2"
	case v.AtLeast(3, 2, 0):
		return "v1.4.0"
	case v.AtLeast(3, 0, 0):
		return "v1.4.2"
	}
	return "v1.1.1"
}

// clock moves a second each time a container asks; the charm's stands still.
func (r *run) clock() func() time.Time {
	now := r.scene.state.Now
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

// mounts are where the container has storages that are there.
func (s *scene) mounts(container string) []string {
	var out []string
	c, _ := s.charm.Container(container)
	for _, mount := range c.Mounts {
		if slices.ContainsFunc(s.state.Storages, func(have Storage) bool { return have.Name == mount.Storage && !have.Pending }) {
			out = append(out, mount.Location)
		}
	}
	return out
}

// begin makes the event happen in a model of the state.
func (r *run) begin(hook model.Hook) error {
	var err error
	unit := r.scene.unit()
	if r.model, err = r.scene.seed().Model(); err != nil {
		return &ImpossibleError{"state", err}
	}
	impossible := func(err error) error { return &ImpossibleError{r.scene.event.String(), err} }
	if hook.Kind == juju.Action {
		actions, err := r.model.EnqueueAction([]string{unit}, hook.Name, r.scene.event.params)
		if err != nil {
			return impossible(err)
		}
		hook.ActionID = actions[0].ID
	} else if err := r.model.MakeDue(unit, hook, r.scene.event.restarted); err != nil {
		return impossible(err)
	}
	if next := r.model.Next(unit); !slices.Contains(next, hook) {
		var first []string
		for _, other := range next {
			first = append(first, other.Describe())
		}
		if len(first) == 0 {
			return impossible(errors.New("nothing makes Juju run it in this state"))
		}
		return impossible(fmt.Errorf("Juju runs first: %s", strings.Join(first, ", ")))
	}
	r.hook, err = r.model.Begin(unit, hook)
	return err
}

// dispatch runs the charm and reads what there is afterwards.
func (r *run) dispatch(ctx context.Context, charm ops.Charm, given State) {
	result := &r.result
	result.Environment = r.hook.Environment()
	r.checkActions(charm)
	result.Err = ops.Run(ctx, ops.Host{
		Environment: result.Environment,
		Tools:       r,
		Pebble:      r.pebble,
		Now:         func() time.Time { return r.scene.state.Now },
	}, charm)
	r.drain()
	for _, line := range r.hook.Log() {
		result.Log = append(result.Log, line.Level+" "+line.Message)
	}
	outcome := model.Outcome{}
	if result.Err != nil {
		outcome.ExitCode = 1
	}
	if err := r.hook.End(outcome); err != nil && result.Err == nil {
		result.Err = err
		r.violate("Juju refuses what the hook wrote: %v", err)
	}
	if id := r.hook.Hook().ActionID; id != "" {
		if action, err := r.model.Action(id); err == nil {
			result.Action = ActionResult{action.Status, action.Message, maps.Clone(action.Results), action.Log}
			delete(result.Action.Results, "return-code")
		}
	}
	given.Containers = r.containersAfter(given.Containers)
	result.State = r.scene.after(given, r.hook.Hook(), result.Err == nil, r.hook.After())
	r.checkOutput()
}

func (r *run) containersAfter(given map[string]Container) map[string]Container {
	for name, c := range given {
		fake := r.fakes[name]
		if c.Pebble != nil || fake == nil {
			continue
		}
		_, err := fake.SystemInfo(context.Background())
		c.Down = pebble.Unavailable(err)
		contents := fake.Contents()
		c.Layers, c.Services, c.Checks, c.Files, c.Notices = contents.Layers, contents.Services, contents.Checks, contents.Files, contents.Notices
		given[name] = c
	}
	return given
}

func (r *run) violate(format string, args ...any) {
	r.result.Violations = append(r.result.Violations, fmt.Sprintf(format, args...))
}

// readOnly are the tools that change nothing but logs.
var readOnly = []string{
	"action-get", "action-log", "config-get", "credential-get", "goal-state", "is-leader", "juju-log", "leader-get", "network-get", "opened-ports",
	"relation-get", "relation-ids", "relation-list", "relation-model-get", "resource-get", "secret-get", "secret-ids", "secret-info-get",
	"state-get", "status-get", "storage-get", "storage-list", "unit-get",
}

// Run implements hooktool.Runner over the model.
func (r *run) Run(ctx context.Context, call hooktool.Call) (hooktool.Result, error) {
	if err := ctx.Err(); err != nil {
		return hooktool.Result{}, err
	}
	r.checkName(call)
	r.calls = append(r.calls, call)
	code, stdout, stderr, needStdin := r.hook.Run(call.Tool, call.Args, call.Stdin, call.Stdin != nil, readFile)
	if needStdin {
		return hooktool.Result{}, fmt.Errorf("%s wants standard input", call.Tool)
	}
	if !slices.Contains(readOnly, call.Tool) {
		r.drain()
		text := describe(call)
		if code == 0 {
			r.result.Writes = append(r.result.Writes, text)
		} else {
			r.violate("Juju refuses %q: %s", text, strings.TrimPrefix(strings.TrimSpace(string(stderr)), "ERROR "))
		}
		if call.Tool == "status-set" && code == 0 {
			r.noteStatus(slices.Contains(call.Args, "--application"))
		}
	}
	return hooktool.Result{Code: code, Stdout: stdout, Stderr: stderr}, nil
}

func (r *run) noteStatus(app bool) {
	after := r.hook.After()
	if app {
		r.result.AppStatuses = append(r.result.AppStatuses, after.AppStatus)
	} else {
		r.result.Statuses = append(r.result.Statuses, after.Status)
	}
}

// drain adds what was written to containers since the last time.
func (r *run) drain() {
	for _, name := range slices.Sorted(maps.Keys(r.fakes)) {
		fake := r.fakes[name]
		writes := fake.Writes()
		for _, write := range writes[min(fake.seen, len(writes)):] {
			r.result.Writes = append(r.result.Writes, name+": "+write)
		}
		fake.seen = len(writes)
	}
}

// pebble gives the container's Pebble; one that does not answer if the state
// has none.
func (r *run) pebble(name string) pebble.Pebble {
	if _, ok := r.scene.charm.Container(name); !ok {
		r.violate("container %q is not in metadata.yaml", name)
	}
	refused := func(err error) { r.violate("container %q: Pebble refuses the layer: %v", name, err) }
	if fake, ok := r.fakes[name]; ok {
		return &judged{fake.Fake, refused}
	}
	if own, ok := r.pebbles[name]; ok {
		return &judged{&recorder{own, func(call ...string) {
			r.result.Writes = append(r.result.Writes, name+": "+strings.Join(call, " "))
		}}, refused}
	}
	fake := pebbletest.NewFake(pebbletest.Options{})
	fake.Kill()
	return fake
}
