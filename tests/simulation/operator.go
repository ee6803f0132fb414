package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/metadata"
)

// charms are the charms as they were packed.
func charms() map[string]*model.Charm {
	all := map[string]*model.Charm{}
	for _, name := range metadata.Charms() {
		files, err := metadata.Files(name)
		if err == nil {
			files["manifest.yaml"] = []byte("bases: [{name: ubuntu, channel: 22.04/stable, architectures: [amd64]}]")
			all[name], err = model.ParseCharm(files)
		}
		if err != nil {
			panic(fmt.Sprintf("simulation: cannot read charm %q: %v", name, err))
		}
	}
	return all
}

// operator gives commands in an order of the seed's choice.
type operator struct {
	first     []command // once, in this order or another
	scale     map[string]int
	votersMax int
	bad       map[string]map[string]bool // options that are set wrong, by application
	// unread are the units that have not seen the last change of options in a
	// config-changed. Juju tells nothing of an option that was changed and
	// changed back, though another hook may have read it; no charm can do well
	// then, so the operator waits.
	unread map[string]bool
}

// command is one of the operator's. It may say that it cannot be given yet.
type command struct {
	what string
	do   func(*world) bool
}

func newOperator(w *world) operator {
	o := operator{
		scale:     map[string]int{pulsarApp: 1 + w.rng.IntN(5), bookieApp: 1 + w.rng.IntN(5), clientApp: 1 + w.rng.IntN(2)},
		votersMax: 5,
		bad:       map[string]map[string]bool{},
		unread:    map[string]bool{},
	}
	for _, app := range sorted(o.scale) {
		o.first = append(o.first, command{fmt.Sprintf("juju deploy %s -n %d", app, o.scale[app]), func(w *world) bool {
			must(w, w.model.Deploy(model.DeployArgs{App: app, Charm: w.charms[app], Units: w.operator.scale[app]}))
			return true
		}})
	}
	for _, pair := range [][2]string{{bookieApp, pulsarApp}, {clientApp, pulsarApp}} {
		o.first = append(o.first, command{"juju integrate " + pair[0] + " " + pair[1], func(w *world) bool {
			if !w.deployed(pair[0]) || !w.deployed(pair[1]) {
				return false
			}
			_, err := w.model.Integrate(pair[0], pair[1])
			must(w, err)
			return true
		}})
	}
	w.rng.Shuffle(len(o.first), func(i, j int) { o.first[i], o.first[j] = o.first[j], o.first[i] })
	return o
}

func must(w *world, err error) {
	if err != nil {
		w.violate("the operator's command is refused: %v", err)
	}
}

func (w *world) deployed(app string) bool { return slices.Contains(w.model.Applications(), app) }

// give gives the next of the first commands that can be given.
func (o *operator) give(w *world) {
	for i, c := range o.first {
		if c.do(w) {
			w.logf("$ %s", c.what)
			o.first = slices.Delete(slices.Clone(o.first), i, i+1)
			w.external()
			return
		}
	}
}

// options are values that an operator may set, by application.
var options = map[string]map[string][]string{
	pulsarApp: {
		"voters-max": {"1", "3", "5"}, "tick-time": {"2000", "1000"}, "profile": {"production", "testing"}, "log-level": {"info", "debug"},
		"broker-heap-size": {"auto", "1g"}, "zookeeper-session-timeout": {"0", "20000"}, "broker-extra-config": {"", "a=b"}, "zookeeper-extra-config": {"", "snapCount=1000"},
	},
	bookieApp: {"profile": {"production", "testing"}, "journal-sync": {"true", "false"}, "gc-wait-time": {"300", "60"}, "extra-config": {"", "a=b"}},
	clientApp: {"mode": {"off", "both"}, "message-rate": {"10", "20"}},
}

// wrong are values that no charm should take.
var wrong = map[string]map[string][]string{
	pulsarApp: {"tick-time": {"1"}, "voters-max": {"2"}, "broker-heap-size": {"much"}, "zookeeper-extra-config": {"clientPort=1"}, "profile": {"x"}},
	bookieApp: {"gc-wait-time": {"1"}, "extra-config": {"bookiePort=1"}, "profile": {"x"}},
	clientApp: {"message-rate": {"0"}, "mode": {"x"}},
}

// actions are those that an operator may run, by application.
var actions = map[string][]string{
	pulsarApp: {"get-quorum", "broker-health", "get-endpoints"},
	clientApp: {"produce", "check", "start-continuous-writes", "stop-continuous-writes"},
}

// events are the operator's possible next commands.
func (o *operator) events(w *world) []event {
	if len(o.first) > 0 {
		list := []event{{4, "", func() { o.give(w) }}}
		if len(w.model.Applications()) == 0 {
			return list
		}
		return append(list, event{1, "", func() { o.configure(w, options) }})
	}
	return []event{
		{1, "", func() { o.rescale(w) }},
		{1, "", func() { o.configure(w, options) }},
		{1, "", func() { o.configure(w, wrong) }},
		{1, "", func() { o.repair(w) }},
		{1, "", func() { o.act(w) }},
		{1, "", func() { o.refresh(w) }},
	}
}

func (o *operator) rescale(w *world) {
	if !w.chance(30) {
		return
	}
	app, most := choose(w, []string{pulsarApp, bookieApp, clientApp}), 5
	if app == clientApp {
		most = 2
	}
	o.scale[app] = 1 + w.rng.IntN(most)
	w.logf("$ juju scale-application %s %d", app, o.scale[app])
	must(w, w.model.Scale(app, o.scale[app]))
	w.external()
}

func (o *operator) configure(w *world, from map[string]map[string][]string) {
	if !w.chance(40) {
		return
	}
	app := choose(w, w.model.Applications())
	option := choose(w, sorted(from[app]))
	value := choose(w, from[app][option])
	if !o.read(w, app) {
		return
	}
	if setting, _, err := w.model.Config(app); err != nil || fmt.Sprint(setting[option].Value) == value {
		return
	}
	o.set(w, app, option, value)
	if o.bad[app] == nil {
		o.bad[app] = map[string]bool{}
	}
	delete(o.bad[app], option)
	if _, ok := options[app][option]; !ok || !slices.Contains(options[app][option], value) {
		o.bad[app][option] = true
	}
}

func (o *operator) set(w *world, app, option, value string) {
	w.logf("$ juju config %s %s=%s", app, option, value)
	must(w, w.model.SetConfig(app, map[string]string{option: value}, nil))
	o.changed(w, app)
	if n, err := strconv.Atoi(value); err == nil && option == "voters-max" && n != 2 {
		o.votersMax = n
	}
	w.external()
}

// changed notes who has to read new options.
func (o *operator) changed(w *world, app string) {
	for _, unit := range w.model.UnitsOf(app) {
		o.unread[unit] = true
	}
}

// read says whether all units have read the last change.
func (o *operator) read(w *world, app string) bool {
	return !slices.ContainsFunc(w.model.UnitsOf(app), func(unit string) bool { return o.unread[unit] && w.model.Life(unit) == "alive" })
}

// repair resets all wrong options.
func (o *operator) repair(w *world) {
	for _, app := range slices.Sorted(maps.Keys(o.bad)) {
		if !o.read(w, app) {
			continue
		}
		for _, option := range sorted(o.bad[app]) {
			w.logf("$ juju config %s --reset %s", app, option)
			must(w, w.model.SetConfig(app, nil, []string{option}))
			o.changed(w, app)
			if option == "voters-max" {
				o.votersMax = 5
			}
			w.external()
		}
		delete(o.bad, app)
	}
}

// refresh gives an application another revision of its charm. Its pods are
// replaced one by one.
func (o *operator) refresh(w *world) {
	if !w.chance(10) {
		return
	}
	app := choose(w, w.model.Applications())
	charm := *w.model.CharmOf(app)
	charm.Revision++
	w.logf("$ juju refresh %s (to revision %d)", app, charm.Revision)
	must(w, w.model.Refresh(app, &charm, nil))
	w.fault("charm refreshed")
}

func (o *operator) act(w *world) {
	app := choose(w, sorted(actions))
	units := w.model.UnitsOf(app)
	if len(units) == 0 {
		return
	}
	unit, action := choose(w, units), choose(w, actions[app])
	w.logf("$ juju run %s %s", unit, action)
	_, _ = w.model.EnqueueAction([]string{unit}, action, nil)
	w.external()
}

// mend gives all that is still to be given, and repairs all options.
func (o *operator) mend(w *world) {
	for len(o.first) > 0 && !w.failed() {
		o.give(w)
	}
	for o.repair(w); len(o.bad) > 0 && !w.failed(); o.repair(w) {
		w.step()
	}
}
