package simulation

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// maxFlaps is how often a key of a databag may change while nothing but hooks
// happens. Each turn of a rolling restart changes one, and is followed by the
// start of a daemon.
const maxFlaps = 12

// check looks at what must hold after each hook of a unit. What daemons must
// never do is looked at where it happens: two ensembles, an even number of
// voters, lost transactions, metadata initialised twice, a broker or bookie
// started before its conditions.
func (w *world) check(unit string) {
	status := w.model.WorkloadStatus(unit)
	w.public("status of ", unit, status.Message)
	for _, r := range w.model.Relations() {
		id := fmt.Sprint(r.ID)
		for _, owner := range []string{unit, juju.Application(unit)} {
			w.checkBag(id, owner, w.model.Databag(id, owner))
		}
	}
}

func (w *world) checkBag(relation, owner string, bag map[string]string) {
	name := relation + " " + owner
	last := w.bags[name]
	if maps.Equal(last, bag) {
		return
	}
	w.bags[name] = bag
	keys := slices.Concat(slices.Collect(maps.Keys(bag)), slices.Collect(maps.Keys(last)))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if last[key] == bag[key] {
			continue
		}
		w.public("databag of ", owner, bag[key])
		if w.options.Trace != nil {
			w.logf("    databag %s: %s = %q", name, key, bag[key])
		}
		flap := name + " " + key
		if w.flaps[flap]++; w.flaps[flap] > maxFlaps {
			w.violate("key %s in the databag of %s in relation %s changes again and again without a cause, now to %q", key, owner, relation, bag[key])
		}
	}
}

// public is said where others can read it: no secret may be in it.
func (w *world) public(where, whose, text string) {
	for _, secret := range w.secrets {
		if strings.Contains(text, secret) {
			w.violate("the value of a secret is in %s%s", where, whose)
		}
	}
}

// checkJoiners looks at a change of membership that a charm asks for: who is to
// vote must serve, unless it was lost since the hook began.
func (c client) checkJoiners(change zk.Change) {
	for _, m := range change.Joining {
		s := c.e.at(c.unit, m.Host+":2181")
		if m.Role == zk.Participant && !c.e.serving[s] && !c.gate.disturbed {
			c.e.w.violate("%s asks for %s as a voter, which does not serve", c.unit, m.Host)
		}
	}
}

// data are the directories that daemons alone write.
var data = append([]string{zooData + "/version-2"}, bookieVolumes...)

// checkData looks at a file that a charm writes or removes: what daemons have
// stored is none of its business.
func (w *world) checkData(unit, name string) {
	for _, dir := range data {
		if name = path.Clean(name); name == dir || strings.HasPrefix(name, dir+"/") || strings.HasPrefix(dir, name+"/") {
			w.violate("%s touches data: %s", unit, name)
		}
	}
}

// checkLeaver looks at a unit that is gone for good. If it was ever in the
// ensemble, it may not go while it votes there and others need it. (One that
// never ran goes without a hook; one whose disk was lost since takes nothing
// with it that is not lost already.)
func (w *world) checkLeaver(unit string) {
	e := &w.zookeeper
	if juju.Application(unit) == pulsarApp && e.joined[unit] && w.living(pulsarApp) && votes(e.config, juju.Ordinal(unit)+1) {
		w.violate("%s is gone and still votes in ZooKeeper", unit)
	}
	delete(e.joined, unit)
}

// restart is a daemon that did its job and was stopped by its charm.
type restart struct {
	unit  string
	began time.Time
}

// oneAtATime is how long a unit that does not come back from its restart keeps
// others from theirs, at least: then it may have lost its turn.
const oneAtATime = rolling.Lease/2 - 2*time.Minute

// stopping is told of a daemon that does its job and is stopped by a charm: of
// those of an application one at a time may be down so. live forgets who serves
// again, whatever takes it down later.
func (w *world) stopping(service, unit string) {
	if w.acting != unit || w.model.Life(unit) != "alive" {
		return
	}
	last := w.restarting[service]
	if last.unit != "" && last.unit != unit && time.Since(last.began) < oneAtATime && !w.serves(service, last.unit) && w.model.Life(last.unit) == "alive" {
		w.violate("%s of %s is stopped while that of %s is still down for its own restart", service, unit, last.unit)
	}
	w.restarting[service] = restart{unit, time.Now()}
}

// blamed says that a daemon's absence is no charm's doing any more.
func (w *world) blamed(service, unit string) {
	if w.restarting[service].unit == unit {
		delete(w.restarting, service)
	}
}

// serves says whether a unit's daemon does its job.
func (w *world) serves(service, unit string) bool {
	switch service {
	case "zookeeper":
		return w.zookeeper.serving[w.zookeeper.servers[unit]]
	case "bookie":
		h := w.bookies[unit].health()
		return h.Serving()
	}
	return w.brokers[unit].healthy()
}

// complaints are what the model lacks of its goal; empty: nothing.
func (w *world) complaints() string {
	list := w.operator.left(w)
	complain := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	for _, app := range sorted(w.operator.scale) {
		if units := w.model.UnitsOf(app); len(units) != w.operator.scale[app] {
			complain("%s has %d units, wanted %d", app, len(units), w.operator.scale[app])
		}
	}
	for _, unit := range w.model.Units() {
		if s := w.model.WorkloadStatus(unit); s.Name != juju.Active {
			complain("%s is %s: %s", unit, s.Name, s.Message)
		}
	}
	for _, unit := range w.model.UnitsOf(pulsarApp) {
		member, ok := w.zookeeper.config.Member(juju.Ordinal(unit) + 1)
		if !ok || member.Host != host(unit) {
			complain("%s is no member of the ensemble", unit)
		}
		if s := w.zookeeper.servers[unit]; s == nil || !w.zookeeper.serving[s] {
			complain("ZooKeeper of %s does not serve", unit)
		}
		if !w.brokers[unit].healthy() {
			complain("broker of %s is not healthy", unit)
		}
	}
	for _, unit := range w.model.UnitsOf(bookieApp) {
		if !w.bookies[unit].health().Serving() {
			complain("bookie of %s does not serve", unit)
		}
	}
	units, most := len(w.model.UnitsOf(pulsarApp)), w.operator.votersMax
	voters := min(units, most)
	voters -= 1 - voters%2
	if got := len(w.zookeeper.config.Voters()); got != voters {
		complain("%d voters, wanted %d", got, voters)
	}
	if got := len(w.zookeeper.config.Members); got != units {
		complain("members are %v, wanted %d", ids(w.zookeeper.config), units)
	}
	return strings.Join(list, "; ")
}

func ids(c zk.Config) []int {
	var list []int
	for _, m := range c.Members {
		list = append(list, m.ID)
	}
	return list
}
