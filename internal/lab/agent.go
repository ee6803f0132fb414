package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/jujuc"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

// agent runs the hooks of one unit, one after the other, as the model chooses
// them.
type agent struct {
	u    *driver
	pod  Pod
	seen *sightings

	last        juju.HookKind // of the hook that ran last
	failures    int           // of the present hook, in a row
	retryAt     time.Time
	pollAt      time.Time
	readyFailed time.Time // when a pebble-ready failed
	tickAt      time.Time // next update-status
}

// run returns why the agent ended by itself; nil if ctx ended it.
func (a *agent) run(ctx context.Context) error {
	d := a.u.d
	a.tickAt = d.now().Add(d.timing.UpdateStatus)
	for {
		next, wake, cause := a.step(ctx)
		if cause != nil {
			return cause
		}
		if next != nil {
			a.hook(ctx, next)
			continue
		}
		timer := time.NewTimer(wake.after)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-wake.changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// wakeup is when an idle agent looks again.
type wakeup struct {
	changed <-chan struct{}
	after   time.Duration
}

// step begins the next hook, or says when to look again.
func (a *agent) step(ctx context.Context) (*model.Context, wakeup, error) {
	d, unit := a.u.d, a.u.unit
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.record.Model
	if ctx.Err() != nil {
		return nil, wakeup{}, context.Cause(ctx)
	}
	m.SetTime(stamp(d.now()))
	switch m.Agent(unit) {
	case model.AgentDown:
		// The model knows of no agent here: the unit was removed and made
		// again under the same name.
		return nil, wakeup{}, errStale
	case model.AgentExited:
		switch {
		case a.u.replacing:
			return nil, wakeup{}, errReplaced
		case a.last != juju.Remove && !slices.Contains(m.OutdatedPods(juju.Application(unit)), unit):
			return nil, wakeup{}, errGaveUp
		}
	}
	a.timers(m)
	hooks := m.Next(unit)
	if len(hooks) == 0 {
		if !a.u.ready && a.seen.all() && m.Agent(unit) == model.AgentUp {
			a.u.ready = true
			d.touch()
		}
		return nil, wakeup{d.changed, a.sleep()}, nil
	}
	run, err := m.Begin(unit, hooks[0])
	if err != nil {
		d.log.add(unit, "ERROR", "lab", err.Error())
		return nil, wakeup{d.changed, time.Second}, nil
	}
	d.touch()
	if err := d.record.save(d.home); err != nil {
		d.log.add(unit, "WARNING", "lab", err.Error())
	}
	return run, wakeup{}, nil
}

// timers tells the model of what is due; d.mu is held.
func (a *agent) timers(m *model.Model) {
	d, unit, now := a.u.d, a.u.unit, a.u.d.now()
	due := m.Due(unit)
	told := func(err error) {
		if err != nil {
			d.log.add(unit, "WARNING", "lab", err.Error())
		}
		d.touch()
	}
	switch {
	case !due.Retry:
		a.retryAt = time.Time{}
	case a.retryAt.IsZero():
		a.retryAt = now.Add(backoff(a.failures-1, d.timing.Retry, d.timing.RetryMax))
	case !now.Before(a.retryAt):
		a.retryAt = time.Time{}
		told(m.RetryDue(unit))
	}
	switch {
	case !due.Poll:
		a.pollAt = time.Time{}
	case a.pollAt.IsZero():
		a.pollAt = now
		if !a.readyFailed.IsZero() {
			a.pollAt = a.readyFailed.Add(d.timing.ReadyAgain)
		}
		fallthrough
	default:
		if !now.Before(a.pollAt) {
			a.pollAt, a.readyFailed = time.Time{}, time.Time{}
			told(m.Poll(unit))
		}
	}
	if d.timing.UpdateStatus > 0 && !now.Before(a.tickAt) {
		a.tickAt = now.Add(d.timing.UpdateStatus)
		told(m.UpdateStatusDue(unit))
	}
}

// sleep is the time until the next of the agent's timers.
func (a *agent) sleep() time.Duration {
	now := a.u.d.now()
	after := time.Minute
	for _, at := range []time.Time{a.retryAt, a.pollAt, a.tickAt} {
		if !at.IsZero() {
			after = min(after, max(at.Sub(now), time.Millisecond))
		}
	}
	return after
}

// hook runs one hook. When ctx ends in between, the hook is interrupted and
// the model hears of it by PodDown.
func (a *agent) hook(ctx context.Context, run *model.Context) {
	d, unit, hook := a.u.d, a.u.unit, run.Hook()
	outcome, err := a.dispatch(ctx, run)
	if outcome.Killed || err != nil {
		// Was it the hook alone, or has the whole pod died? That shows a moment
		// later.
		select {
		case <-ctx.Done():
		case <-a.pod.Gone():
			return
		case <-time.After(300 * time.Millisecond):
		}
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		d.log.add(unit, "ERROR", "lab", fmt.Sprintf("cannot run %s: %v", hook.Describe(), err))
		outcome.ExitCode = 1
	}
	err = d.update(func(m *model.Model) error {
		err := run.End(outcome)
		if hook.Kind == juju.PebbleReady {
			a.readyFailed = time.Time{}
			if outcome.ExitCode != 0 || err != nil {
				a.readyFailed = d.now()
			}
		}
		switch {
		case m.Due(unit).Retry:
			a.failures++
		case hook.Kind != juju.Action:
			a.failures = 0
		}
		return err
	})
	a.last = hook.Kind
	failed := err != nil || outcome.Killed || outcome.ExitCode != 0 && !outcome.Missing
	said := func(level, format string, args ...any) {
		d.log.add(unit, level, "juju.worker.uniter.operation", fmt.Sprintf(format, args...))
	}
	switch {
	case err != nil:
		said("ERROR", "hook %q (via %s) failed: %v", hook, handler, err)
	case outcome.Killed && hook.Kind != juju.Action:
		said("WARNING", "hook %q was terminated", hook)
	case outcome.Killed:
		said("ERROR", "hook %q (via %s) failed: signal: killed", hook, handler)
	case outcome.Missing:
		said("INFO", "skipped %q hook (missing)", hook)
	case outcome.ExitCode != 0:
		said("ERROR", "hook %q (via %s) failed: exit status %d", hook, handler, outcome.ExitCode)
	default:
		said("INFO", "ran %q hook (via %s)", hook, handler)
	}
	switch hook.Kind {
	case juju.PebbleCustomNotice, juju.PebbleCheckFailed, juju.PebbleCheckRecovered:
		// The failure ends the part of Juju's agent that runs hooks; the agent
		// starts it again a little later.
		if failed {
			wait(ctx, d.timing.Worker)
		}
	}
}

// handler is how Juju calls the charm's program in its log.
const handler = "hook dispatching script: dispatch"

// dispatch runs the charm for a hook and answers its tools meanwhile.
func (a *agent) dispatch(ctx context.Context, run *model.Context) (model.Outcome, error) {
	d, unit, hook := a.u.d, a.u.unit, run.Hook()
	d.mu.Lock()
	env := a.environment(run)
	record := d.record.State.Pods[unit]
	var argv []string
	if hook.Kind == juju.Action && hook.Name == execAction {
		argv = execCommand(d.record.Model, hook.ActionID)
	}
	d.mu.Unlock()
	if record == nil {
		return model.Outcome{}, errors.New("the pod is gone")
	}
	socket := filepath.Join(record.Dir, "t")
	if err := os.RemoveAll(socket); err != nil {
		return model.Outcome{}, err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return model.Outcome{}, diskError("cannot serve hook tools", d.home, err)
	}
	server := jujuc.Serve(listener, jujuc.Expect(env.ContextID, "", a.tools(run)))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// A detached child of the charm may hold a connection; the agent's end
	// must not wait for it as a hook's end does.
	stop := context.AfterFunc(ctx, func() { server.Abort() })
	defer stop()
	if hook.Kind == juju.Action {
		go a.watchCancel(ctx, hook.ActionID, cancel)
	}
	log := func(level string) func(string) {
		return func(line string) { d.log.add(unit, level, hook.String(), line) }
	}
	stdout, stderr := &lineWriter{log: log("DEBUG")}, &lineWriter{log: log("WARNING")}
	if hook.Kind == juju.Action {
		stdout.keep, stderr.keep = &bytes.Buffer{}, &bytes.Buffer{}
	}
	exit, err := a.pod.Dispatch(ctx, Dispatch{Env: env.Environ(), Argv: argv, Tools: socket, Stdout: stdout, Stderr: stderr})
	if closed := server.Close(); closed != nil {
		d.log.add(unit, "WARNING", "lab", closed.Error())
	}
	stdout.flush()
	stderr.flush()
	outcome := model.Outcome{ExitCode: exit.Code, Killed: exit.Killed, Missing: exit.Missing}
	if stdout.keep != nil {
		outcome.Stdout, outcome.Stderr = stdout.keep.Bytes(), stderr.keep.Bytes()
	}
	if ctx.Err() != nil && hook.Kind == juju.Action {
		return model.Outcome{Killed: true, Stdout: outcome.Stdout, Stderr: outcome.Stderr}, nil
	}
	return outcome, err
}

// watchCancel ends a running action when the operator cancels it.
func (a *agent) watchCancel(ctx context.Context, id string, cancel context.CancelFunc) {
	d := a.u.d
	for {
		d.mu.Lock()
		changed := d.changed
		kill := d.record.Model.Due(a.u.unit).Kill == id
		d.mu.Unlock()
		if kill {
			cancel()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// environment is the hook's environment with what the machine adds; d.mu is
// held.
func (a *agent) environment(run *model.Context) juju.Environment {
	tag := juju.UnitTag(a.u.unit)
	env := run.Environment()
	env.CharmDir = "/var/lib/juju/agents/" + tag + "/charm"
	env.ContextID = fmt.Sprintf("%s-%s-%d", a.u.unit, run.Hook(), rand.Int64())
	env.AgentSocketAddress = "@/var/lib/juju/agents/" + tag + "/agent.socket"
	env.AgentSocketNetwork = "unix"
	env.APIAddresses = []string{serviceNetwork + "1:17070"}
	env.CloudAPIVersion = "1.32.0"
	env.Path = "/var/lib/juju/tools/" + tag + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/charm/bin"
	if env.Other == nil {
		env.Other = map[string]string{}
	}
	for key, value := range map[string]string{
		"LANG": "C.UTF-8", "TERM": "tmux-256color",
		"DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none",
		"KUBERNETES_SERVICE_HOST": serviceNetwork + "1", "KUBERNETES_SERVICE_PORT": "443", "KUBERNETES_SERVICE_PORT_HTTPS": "443",
		"KUBERNETES_PORT":               "tcp://" + serviceNetwork + "1:443",
		"KUBERNETES_PORT_443_TCP":       "tcp://" + serviceNetwork + "1:443",
		"KUBERNETES_PORT_443_TCP_ADDR":  serviceNetwork + "1",
		"KUBERNETES_PORT_443_TCP_PORT":  "443",
		"KUBERNETES_PORT_443_TCP_PROTO": "tcp",
		"JUJU_SLA":                      "unsupported",
		"JUJU_METER_STATUS":             "",
	} {
		if _, ok := env.Other[key]; !ok && value != "" {
			env.Other[key] = value
		}
	}
	return env
}

// tools answers the hook's tools out of the model.
func (a *agent) tools(run *model.Context) jujuc.Handler {
	d, logged := a.u.d, 0
	return func(call jujuc.Request) (jujuc.Response, error) {
		if !slices.Contains(model.Tools(), call.CommandName) || !run.HasTool(call.CommandName) {
			return jujuc.Response{}, &jujuc.RequestError{Reason: run.Unknown(call.CommandName)}
		}
		files := func(path string) ([]byte, error) {
			if !filepath.IsAbs(path) {
				path = filepath.Join(call.Dir, path)
			}
			return a.pod.ReadFile(path)
		}
		d.mu.Lock()
		m := d.record.Model
		m.SetTime(stamp(d.now()))
		before := m.Change()
		run.SetWriter(func(path string, data []byte) error {
			if !filepath.IsAbs(path) {
				path = filepath.Join(call.Dir, path)
			}
			return a.pod.WriteFile(path, data)
		})
		code, stdout, stderr, needStdin := run.Run(call.CommandName, call.Args, call.Stdin, call.StdinSet, files)
		lines := run.Log()
		if m.Change() != before {
			d.touch()
		}
		d.mu.Unlock()
		for ; logged < len(lines); logged++ {
			d.log.add(a.u.unit, lines[logged].Level, "juju-log", lines[logged].Message)
		}
		if needStdin {
			return jujuc.Response{}, jujuc.ErrStdin
		}
		return jujuc.Response{Code: code, Stdout: stdout, Stderr: stderr}, nil
	}
}
