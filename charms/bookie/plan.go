package bookie

import (
	"fmt"
	"maps"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
	"github.com/pulsar-charms/pulsar-charms/internal/watch"
)

// patience is how long a bookie that calls itself ready may be missing in
// ZooKeeper's list until it is restarted. By itself it registers again within
// its session's timeout.
const patience = time.Minute

// plan is what the unit should be, given what is.
func plan(s snapshot) ops.Plan {
	p := ops.Plan{}
	if s.wrong != nil {
		p.Statuses = append(p.Statuses, statusOption(s.wrong))
	}
	lock := s.lock()
	waits := lock.Own.Wants && !lock.May()
	if waits {
		p.Statuses = append(p.Statuses, statusRestartPending(lock.Reason()))
	}
	p.Statuses = append(p.Statuses, s.status()...)
	if s.service.Up {
		p.Containers = map[string]pebble.Desired{containerName: s.desired(!waits)}
	}
	p.Databags = s.databags(lock)
	if s.lost() {
		p.Steps = append(p.Steps, ops.Step{Name: "restart the bookie that ZooKeeper does not list", Run: s.restart})
	}
	return p
}

// lock is the lock of restarts as this unit sees it.
func (s snapshot) lock() rolling.Lock {
	own := s.peers.Own.Restart
	own.Wants, own.Healthy = s.wantsRestart(), s.health.Serving()
	return rolling.Lock{
		Now: s.now, Unit: s.unit, Leaving: s.dying, Own: own, Others: s.others, Turn: s.peers.Decision.Committed.Turn,
	}
}

// usable says whether a configuration can be made of what is known.
func (s snapshot) usable() bool {
	return s.options != nil && s.fqdn != "" && s.zookeeper != nil && s.zookeeper.Offer.Complete()
}

// layer is the service that should run.
func (s snapshot) layer() pebble.Desired {
	offer := s.zookeeper.Offer
	offer.MetadataServiceURI = keepServers(s.runs, offer.MetadataServiceURI)
	bookie := pebble.Service{
		Override: "replace",
		Summary:  "BookKeeper bookie",
		Startup:  "enabled",
		// The launcher becomes the Java process, so the shell's process id is
		// that of the bookie.
		Command:     fmt.Sprintf("/bin/bash -c 'echo $$ > %s; exec /pulsar/bin/pulsar bookie'", pidPath),
		Environment: environment(*s.options),
		// It ends with code 0 when ZooKeeper is gone for longer than its session.
		OnSuccess:      "restart",
		OnFailure:      "restart",
		OnCheckFailure: map[string]string{stuckCheck: "restart"},
		BackoffLimit:   "10s",
		KillDelay:      "20s",
	}
	if s.fault != "" {
		// BookKeeper would refuse; do not let it try every ten seconds.
		bookie.Startup = "disabled"
	}
	return pebble.Desired{
		Files: []pebble.File{{
			Path:    configPath,
			Content: settings(*s.options, s.fqdn, offer).Render("Written by the charm bookie; changes are lost. See the option extra-config."),
		}},
		Services:  map[string]pebble.Service{service: bookie},
		Checks:    checks(s.fault == ""),
		RestartOn: map[string][]string{service: {configPath}},
	}
}

// stuckCheck fails if the bookie has given up and does not end; Pebble restarts
// it then.
//
// Facts on BookKeeper 4.17: if it cannot register within a session's timeout,
// because ZooKeeper still has the old session's node or does not answer, it
// shuts itself down but the process stays (its issue 4016); is_ready says 503 as
// while it starts, state says shuttingDown.
const stuckCheck = "bookie-not-stuck"

// stuckCommand fails if the bookie at a port of this pod says so. No answer, or
// half of one, is no sign of it.
func stuckCommand(port int) string {
	return fmt.Sprintf(`/bin/bash -c 'exec 2>/dev/null; answer=$(exec 3<>/dev/tcp/127.0.0.1/%d && printf "GET %s HTTP/1.0\r\n\r\n" >&3 && timeout 2 cat <&3); `+
		`[[ ! $answer =~ shuttingDown[^,]*true ]]'`, port, statePath)
}

// checks are those of a bookie that should be up, or not.
func checks(up bool) map[string]pebble.Check {
	alive := pebble.Check{
		Override: "replace",
		Level:    "alive",
		Period:   "10s",
		Timeout:  "3s",
		// Kubernetes replaces the container if this fails, which helps only
		// where Pebble has given up; a bookie without ZooKeeper comes and goes.
		Threshold: 18,
		// Only whether the process lives: everything else may be the fault of
		// another, and no reason to lose the container.
		Exec: &pebble.ExecCheck{Command: fmt.Sprintf("/bin/bash -c '[[ -d /proc/$(<%s)/fd ]]'", pidPath)},
	}
	if !up {
		alive.Level = ""
	}
	return map[string]pebble.Check{
		"bookie-alive": alive,
		// Three times is longer than an orderly end may take.
		stuckCheck: {
			Override: "replace", Period: "10s", Timeout: "5s", Threshold: 3,
			Exec: &pebble.ExecCheck{Command: stuckCommand(httpPort)},
		},
		"bookie-ready": {
			Override: "replace", Level: "ready", Period: "10s", Timeout: "3s", Threshold: 3,
			HTTP: &pebble.HTTPCheck{URL: fmt.Sprintf("http://localhost:%d%s", httpPort, readyPath)},
		},
	}
}

// wantsRestart says that the bookie runs, on something else than it should.
func (s snapshot) wantsRestart() bool {
	return s.usable() && !s.dying && s.service.Running() && s.service.Differs(s.layer())
}

// desired is the container: the bookie if it may be touched and its
// configuration is known, and always what the charm has seen of it.
func (s snapshot) desired(touch bool) pebble.Desired {
	d := pebble.Desired{}
	if touch && s.usable() && !s.dying {
		d = s.layer()
	}
	d.Label = label
	if len(d.Services) == 0 && !s.service.Planned() {
		return d // no bookie was ever started in this container
	}
	w := watching(s.id())
	d.Files = append(d.Files, w.Files(s.seen())...)
	services := map[string]pebble.Service{w.Service(): w.Layer()}
	maps.Copy(services, d.Services)
	d.Services = services
	return d
}

// seen is the state that the charm has seen, in the watch's words. A bookie
// that is ready and not known to be listed is called by another word, so that
// the watch goes on waking the charm until it is listed or restarted: nobody
// else tells that ZooKeeper is back and does not list it.
func (s snapshot) seen() string {
	switch {
	case s.health.Serving():
		return watch.Up
	case s.health.Ready:
		return "unregistered"
	}
	return watch.Down
}

// lost says that the bookie does not come back into ZooKeeper's list alone.
func (s snapshot) lost() bool {
	return !s.missing.IsZero() && s.now.Sub(s.missing) >= patience && s.now.Sub(s.service.Info.CurrentSince) >= patience && !s.dying
}

func (s snapshot) databags(lock rolling.Lock) []ops.Databag {
	var bags []ops.Databag
	if s.zookeeper != nil && s.fqdn != "" {
		state := relation.BookieStarting
		if s.health.Serving() {
			state = relation.BookieServing
		}
		bags = append(bags, zookeeper.Write(s.zookeeper.Relation, relation.BookieMember{BookieID: s.id(), State: state, FQDN: s.fqdn}))
	}
	if s.peers.Relation == "" {
		return bags
	}
	bags = append(bags, peers.Write(s.peers.Relation, member{Restart: lock.State()}))
	_, decided := s.peers.Decision.Decide(s.leader, func(last decision) (decision, bool) {
		last.Turn = lock.Next()
		return last, true
	})
	return append(bags, decided...)
}

// status is the reasons why the unit does not serve as it should, or one of
// why it does.
func (s snapshot) status() []juju.Status {
	if s.dying {
		return []juju.Status{statusLeaving()}
	}
	var statuses []juju.Status
	switch z := s.zookeeper; {
	case z == nil:
		statuses = append(statuses, statusNoRelation(juju.Application(s.unit)))
	case z.Problem != nil:
		statuses = append(statuses, statusGarbage(z.Problem))
	case len(z.Offer.Endpoints) == 0 || z.Offer.MetadataServiceURI == "":
		statuses = append(statuses, statusNoZooKeeper(z.App))
	case !z.Offer.MetadataInitialised:
		statuses = append(statuses, statusNotInitialised(z.App))
	}
	switch {
	case !s.service.Up:
		return append(statuses, statusNoContainer())
	case !s.service.Planned() && !s.usable():
		return statuses
	case s.fault != "":
		return append(statuses, statusVolume(s.fault))
	case s.service.Planned() && !s.service.Running() && s.reached:
		return append(statuses, statusEnded(s.unit))
	case s.service.Planned() && !s.service.Running() && s.zookeeper != nil:
		return append(statuses, statusDown(s.zookeeper.App))
	case !s.missing.IsZero():
		return append(statuses, statusUnregistered())
	case !s.health.Serving():
		return append(statuses, statusStarting())
	case s.health.Registered == "ro":
		return append(statuses, statusReadOnly())
	}
	return append(statuses, statusServing())
}
