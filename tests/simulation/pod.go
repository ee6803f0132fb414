package simulation

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
	"github.com/pulsar-charms/pulsar-charms/internal/watch"
)

// pod is what Kubernetes keeps for a unit.
type pod struct {
	w          *world
	unit       string
	up         bool
	agent      bool      // its agent runs, as far as was told
	ending     time.Time // SIGTERM came; its grace is over then
	retry      time.Time // when its failed hook is run again
	containers []*container
}

// container is a workload container of a pod.
type container struct {
	pod  *pod
	name string
	fake *pebbletest.Fake
	up   bool
	seen bool // the agent's poll has seen it since it started

	watches map[string]*watcher // running watches by service
}

// watcher plays watch.sh.
type watcher struct {
	process pebbletest.Process
	told    string
	at      time.Time
}

// image is what is in every container that is started.
var image = []pebble.File{{Path: "/pulsar/lib/org.apache.pulsar-pulsar-broker-4.0.8.jar", Content: []byte("jar")}}

// newPod makes a unit's pod, not started yet. Its volumes are those of the
// last pod of that name: Kubernetes keeps the claims of a StatefulSet. An
// application that is deployed again has a new one, see forget.
func (w *world) newPod(unit string) *pod {
	p := &pod{w: w, unit: unit}
	for _, c := range w.model.CharmOf(juju.Application(unit)).Containers {
		key := unit + " " + c.Name
		fake := w.disks[key]
		if fake == nil {
			fake = w.newFake(unit, c)
			w.disks[key] = fake
		}
		p.containers = append(p.containers, &container{pod: p, name: c.Name, fake: fake, watches: map[string]*watcher{}})
	}
	w.pods[unit], w.podNames = p, nil
	return p
}

// newFake makes a container with empty volumes.
func (w *world) newFake(unit string, c model.Container) *pebbletest.Fake {
	o := pebbletest.Options{Files: image, Now: time.Now, Forget: true}
	for _, mount := range c.Mounts {
		o.Mounts = append(o.Mounts, mount.Location)
	}
	// The functions are called while there is a pod, never before.
	here := func() *container { return w.pods[unit].container(c.Name) }
	o.OnStart = func(p pebbletest.Process) *int { return here().started(p) }
	o.OnStop = func(p pebbletest.Process) { here().stopped(p) }
	o.OnNotice = func(n pebble.Notice) {
		if here().pod.agent && here().up {
			_ = w.model.Notice(unit, c.Name, n.ID, "custom", n.Key)
			w.observer.notice(unit, c.Name)
		}
	}
	fake := pebbletest.NewFake(o)
	fake.HandleExec("/pulsar/bin/pulsar", func(_ context.Context, command pebble.Command) (pebble.ExecResult, error) {
		return w.initialise(unit, command)
	})
	fake.HandleExec("/var/lib/dummy-client/client", func(context.Context, pebble.Command) (pebble.ExecResult, error) {
		return pebble.ExecResult{Stdout: []byte("{}")}, nil
	})
	fake.Kill()
	return fake
}

func (p *pod) container(name string) *container {
	i := slices.IndexFunc(p.containers, func(c *container) bool { return c.name == name })
	return p.containers[i]
}

// started is a process that starts.
func (c *container) started(p pebbletest.Process) *int {
	w := c.pod.w
	w.external()
	if name, ok := strings.CutSuffix(p.Service, "-watch"); ok {
		c.watches[name] = &watcher{process: p}
		return nil
	}
	w.logf("%s of %s starts", p.Service, c.pod.unit)
	switch p.Service {
	case "zookeeper":
		return w.zookeeper.start(c.pod.unit, c.fake, p)
	case "bookie":
		return w.startBookie(c.pod.unit, c.fake, p)
	case "broker":
		return w.startBroker(c.pod.unit, c.fake, p)
	}
	return nil
}

// stopped is a process that ended.
func (c *container) stopped(p pebbletest.Process) {
	w := c.pod.w
	w.external()
	if name, ok := strings.CutSuffix(p.Service, "-watch"); ok {
		delete(c.watches, name)
		return
	}
	w.logf("%s of %s has ended", p.Service, c.pod.unit)
	if w.killing {
		w.blamed(p.Service, c.pod.unit)
	} else if p.Service == c.name && w.serves(p.Service, c.pod.unit) {
		w.stopping(p.Service, c.pod.unit)
	}
	switch p.Service {
	case "zookeeper":
		w.zookeeper.stop(c.pod.unit, p)
	case "bookie":
		w.stopBookie(c.pod.unit, p)
	case "broker":
		w.stopBroker(c.pod.unit, p)
	}
}

// state is what a watch sees of the service.
func (c *container) state(service string) string {
	w, unit, up := c.pod.w, c.pod.unit, false
	switch service {
	case "zookeeper":
		if s := w.zookeeper.at(unit, "127.0.0.1:2181"); s != nil {
			if mode := w.zookeeper.mode(s); mode != "" {
				return mode
			}
		}
	default:
		up = w.serves(service, unit)
	}
	if up {
		return watch.Up
	}
	return watch.Down
}

// watch lets the pod's watches look, as watch.sh does.
func (p *pod) watch() {
	for _, c := range p.containers {
		for _, service := range sorted(c.watches) {
			v := c.watches[service]
			seen, _, _ := strings.Cut(read(c.fake, v.process.Config.Environment["WATCH_SEEN"]), "\n")
			state := c.state(service)
			if state == seen {
				v.told = ""
				continue
			}
			if now := time.Now(); state != v.told || now.Sub(v.at) >= 5*time.Second {
				v.told, v.at = state, now
				_ = c.fake.Notify(context.Background(), v.process.Config.Environment["WATCH_KEY"], map[string]string{"state": state})
			}
		}
	}
}

// reconcilePods is the StatefulSets' controller: a pod for each unit.
func (w *world) reconcilePods() {
	if w.model.Change() == w.reconciled {
		return
	}
	units := w.model.Units()
	for _, unit := range units {
		p := w.pods[unit]
		if p != nil && p.agent && w.model.Agent(unit) == model.AgentDown {
			// The unit has gone, and another one has its name.
			w.logf("pod of the earlier %s ends", unit)
			w.bury(unit)
			p = nil
		}
		if p == nil && w.model.Life(unit) != "" { // an agent that looks may be its unit's last
			w.newPod(unit)
		}
	}
	for _, unit := range sorted(w.pods) {
		if w.model.Life(unit) == "" {
			w.logf("pod of %s ends for good", unit)
			w.bury(unit)
		}
	}
	if !w.deployed(pulsarApp) && w.zookeeper.births > 0 {
		w.zookeeper = newEnsemble(w)
	}
	w.reconciled = w.model.Change()
}

// bury ends the pod of a unit that is gone, and the hook that runs in it.
func (w *world) bury(unit string) {
	w.checkLeaver(unit)
	if g := w.busy[unit]; g != nil {
		g.gone, g.buried = true, true
		delete(w.busy, unit)
	}
	w.pods[unit].end()
	delete(w.pods, unit)
	w.podNames = nil
	delete(w.operator.unread, unit)
	w.observer.gone(unit)
	w.wipe(unit)
}

// wipe may lose the volumes of a unit that is gone. Those of a bookie stay:
// if its cookie is there and they are not, it will, rightly, not come back.
func (w *world) wipe(unit string) {
	app := juju.Application(unit)
	for _, c := range w.charms[app].Containers {
		if app != bookieApp && w.chance(50) {
			delete(w.disks, unit+" "+c.Name)
		}
	}
}

// forget gives an application that is to be deployed new volumes: in the names
// of its claims Juju puts an id, which is drawn anew for each StatefulSet that
// it makes. So nobody gets those of an earlier application, not even of a unit
// that had gone before it.
func (w *world) forget(app string) {
	maps.DeleteFunc(w.disks, func(key string, _ *pebbletest.Fake) bool { return juju.Application(key) == app })
	maps.DeleteFunc(w.lost, func(unit, _ string) bool { return juju.Application(unit) == app })
}

// end kills the pod with all that runs in it.
func (p *pod) end() {
	for _, c := range p.containers {
		c.kill()
	}
	if p.agent {
		_ = p.w.model.PodDown(p.unit)
	}
	p.up, p.agent, p.ending = false, false, time.Time{}
	p.w.external()
}

func (c *container) kill() {
	if !c.up {
		return
	}
	w := c.pod.w
	w.kill(c.fake.Kill)
	c.up, c.seen = false, false
	if c.pod.agent {
		_ = w.model.ContainerDown(c.pod.unit, c.name)
	}
}

func (c *container) boot() {
	c.fake.Boot()
	c.up, c.seen = true, false
	c.pod.w.observer.booted(c.pod.unit, c.name)
	c.pod.w.external()
}

// see is the agent's poll.
func (c *container) see() {
	info, err := c.fake.SystemInfo(context.Background())
	if err != nil {
		return
	}
	c.seen = true
	_ = c.pod.w.model.ContainerUp(c.pod.unit, c.name, info.BootID)
	notices, err := c.fake.Notices(context.Background())
	if err != nil {
		return
	}
	for _, n := range notices {
		_ = c.pod.w.model.Notice(c.pod.unit, c.name, n.ID, "custom", n.Key)
	}
}

// start brings the pod up anew; some of its containers may be late.
func (p *pod) start() {
	p.up = true
	for _, c := range p.containers {
		if p.w.chance(60) {
			c.boot()
		}
	}
	p.w.addresses++
	p.startAgent(true)
}

func (p *pod) startAgent(fresh bool) {
	address := fmt.Sprintf("10.1.%d.%d", p.w.addresses/250, p.w.addresses%250)
	if err := p.w.model.PodUp(p.unit, model.PodInfo{Address: address, Fresh: fresh}); err != nil {
		p.w.violate("cannot start agent of %s: %v", p.unit, err)
	}
	p.agent = true
	p.w.observer.agentStarted(p.unit, fresh)
	for _, c := range p.containers {
		c.seen = false
	}
}

// events adds what is due for the pod.
func (p *pod) events(list []event) []event {
	w, unit := p.w, p.unit
	add := func(weight int, what string, do func()) {
		list = append(list, event{weight, unit + what, func() {
			w.logf("%s: %s", unit, what)
			do()
		}})
	}
	due := w.model.Due(unit)
	for _, id := range due.Provision {
		add(5, "storage is there: "+id, func() {
			_ = w.model.StorageProvisioned(unit, id, path.Join("/var/lib/juju/storage", id))
		})
	}
	if w.busy[unit] != nil {
		return list
	}
	if !p.up {
		if w.model.Life(unit) != "dead" {
			add(3, "pod starts", p.start)
		}
		return list
	}
	if !p.ending.IsZero() {
		exited := w.model.Agent(unit) == model.AgentExited
		if exited || time.Now().After(p.ending) {
			add(5, "pod has ended", p.end)
			return list
		}
		for _, c := range p.containers {
			if c.up {
				add(1, "container ends with its pod: "+c.name, c.kill)
			}
		}
	}
	if !p.agent && p.ending.IsZero() && w.model.Life(unit) != "dead" {
		add(3, "agent starts again", func() { p.startAgent(false) })
	}
	if !due.Retry {
		p.retry = time.Time{}
	} else if p.retry.IsZero() {
		p.retry = time.Now().Add(5 * time.Second)
	} else if time.Now().After(p.retry) {
		add(3, "time to retry", func() { _ = w.model.RetryDue(unit) })
	}
	if due.Poll {
		add(3, "poll", func() { _ = w.model.Poll(unit) })
	}
	for _, c := range p.containers {
		switch {
		case !c.up && p.ending.IsZero():
			add(3, "container starts: "+c.name, c.boot)
		case c.up && !c.seen && p.agent:
			add(4, "agent sees "+c.name, c.see)
		}
		if c.up && c.fake.InBackoff() {
			add(2, "backoff is over: "+c.name, func() { c.fake.EndBackoff() })
		}
	}
	return list
}

// rollouts replace pods of an outdated charm, one at a time.
func (w *world) rollouts(list []event) []event {
	if !w.refreshed {
		return list
	}
	for _, app := range w.model.Applications() {
		outdated := w.model.OutdatedPods(app)
		if len(outdated) == 0 || w.busy[outdated[0]] != nil {
			continue
		}
		whole := true
		for _, unit := range w.model.UnitsOf(app) {
			p := w.pods[unit]
			whole = whole && p != nil && p.up && p.ending.IsZero()
		}
		if whole {
			list = append(list, event{2, "rollout " + app, func() {
				w.logf("%s: pod is replaced for the new charm", outdated[0])
				w.pods[outdated[0]].terminate()
			}})
		}
	}
	// The agent of an outdated pod ends as soon as it starts. A unit that goes
	// needs one all the same.
	for _, unit := range w.model.Units() {
		p := w.pods[unit]
		if p != nil && p.up && p.ending.IsZero() && w.busy[unit] == nil && w.model.Life(unit) == "dying" && w.model.Agent(unit) == model.AgentExited {
			list = append(list, event{2, "outdated " + unit, func() {
				w.logf("%s: pod, which is outdated and goes, is replaced", unit)
				p.end()
			}})
		}
	}
	return list
}

// terminate is SIGTERM to all of the pod.
func (p *pod) terminate() {
	_ = p.w.model.PodTerminating(p.unit)
	p.ending = time.Now().Add(30 * time.Second)
	p.w.external()
}
