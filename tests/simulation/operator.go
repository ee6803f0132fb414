package simulation

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/metadata"
)

// charms are the charms as they were packed, and the foreign one. They are
// read once and never changed.
var charms = sync.OnceValue(func() map[string]*model.Charm {
	all := map[string]*model.Charm{foreignApp: foreignMetadata()}
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
})

// operator gives commands in an order of the seed's choice.
type operator struct {
	// todo are commands that must be given before the end: first those that
	// bring everything up, later those that bring back what was removed.
	todo      []command
	scale     map[string]int
	votersMax int
	bad       map[string]map[string]bool // options that are set wrong, by application
	// unread are the units that have not seen the last change of options in a
	// config-changed. Juju tells nothing of an option that was changed and
	// changed back, though another hook may have read it; no charm can do well
	// then, so the operator waits.
	unread map[string]bool
	// nudge says that a hook was skipped, which nothing else makes up for: the
	// operator has to see to it that another one runs.
	nudge bool
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
		o.todo = append(o.todo, deploy(app))
	}
	for _, app := range []string{bookieApp, clientApp} {
		o.todo = append(o.todo, integrate(app))
	}
	w.rng.Shuffle(len(o.todo), func(i, j int) { o.todo[i], o.todo[j] = o.todo[j], o.todo[i] })
	return o
}

func deploy(app string) command {
	return command{"juju deploy " + app, func(w *world) bool {
		w.reconcilePods()
		if w.deployed(app) || app == pulsarApp && w.zookeeper.births > 0 {
			return false // the last one is not gone yet
		}
		w.forget(app)
		must(w, w.model.Deploy(model.DeployArgs{App: app, Charm: w.charms[app], Units: w.operator.scale[app]}))
		if app == pulsarApp {
			w.operator.votersMax = 5
		}
		delete(w.operator.bad, app)
		return true
	}}
}

// integrate relates an application with pulsar.
func integrate(app string) command {
	return command{"juju integrate " + app + " pulsar", func(w *world) bool {
		if !w.living(app) || !w.living(pulsarApp) || w.related(app, "") {
			return false
		}
		_, err := w.model.Integrate(app, pulsarApp)
		must(w, err)
		return true
	}}
}

// related says whether an application is in a relation, that is no peers',
// with the other, or with anybody.
func (w *world) related(app, other string) bool {
	return slices.ContainsFunc(w.model.Relations(), func(r model.Relation) bool {
		with := func(side string) bool { return other == "" || strings.HasPrefix(side, other+":") }
		return !r.Peer && (strings.HasPrefix(r.Requirer, app+":") && with(r.Provider) || strings.HasPrefix(r.Provider, app+":") && with(r.Requirer))
	})
}

func must(w *world, err error) {
	if err != nil {
		w.violate("the operator's command is refused: %v", err)
	}
}

func (w *world) deployed(app string) bool { return slices.Contains(w.model.Applications(), app) }

func (w *world) living(app string) bool { return w.deployed(app) && w.model.Life(app) == "alive" }

// give gives the next of the commands that can be given.
func (o *operator) give(w *world) {
	for i, c := range o.todo {
		if c.do(w) {
			w.logf("$ %s", c.what)
			o.todo = slices.Delete(slices.Clone(o.todo), i, i+1)
			w.external()
			return
		}
	}
}

// options are values that an operator may set, by application.
var options = map[string]map[string][]string{
	pulsarApp: {
		"voters-max": {"1", "3", "5"}, "tick-time": {"2000", "1000"}, "profile": {"production", "testing"}, "log-level": {"info", "debug"},
		"cluster-name": {"", "east", "west"}, "broker-heap-size": {"auto", "1g"}, "zookeeper-session-timeout": {"0", "20000"}, "broker-extra-config": {"", "a=b"}, "zookeeper-extra-config": {"", "snapCount=1000"},
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
	var list []event
	add := func(weight int, kind string, do func() bool) {
		if w.options.Without[kind] {
			return
		}
		list = append(list, event{weight, "operator " + kind, func() {
			if do() {
				w.result.Faults[kind]++
				w.external()
			}
		}})
	}
	if len(o.todo) > 0 {
		list = append(list, event{4, "operator", func() { o.give(w) }})
	}
	if len(w.model.Applications()) == 0 {
		return list
	}
	add(1, "config set", func() bool { return w.chance(40) && o.configure(w, options) })
	if len(o.scale) > len(w.model.Applications()) && w.chance(80) {
		return list // first bring all up
	}
	add(1, "config set wrong", func() bool { return w.chance(40) && o.configure(w, wrong) })
	add(1, "config repaired", func() bool { return o.repair(w) })
	add(2, "scale", func() bool { return w.chance(40) && o.rescale(w) })
	add(1, "action run", func() bool { return o.act(w) })
	add(1, "charm refreshed", func() bool { return w.chance(10) && o.refresh(w) })
	add(1, "resolved", func() bool { return o.resolve(w) })
	add(1, "relation removed", func() bool { return w.chance(12) && o.unrelate(w) })
	add(1, "application removed", func() bool { return w.chance(6) && o.remove(w) })
	add(1, "foreign application", func() bool { return w.chance(12) && o.invite(w) })
	add(1, "foreign application removed", func() bool { return w.chance(30) && o.expel(w) })
	add(1, "volume given up", func() bool { return w.chance(20) && o.restore(w) })
	return list
}

func (o *operator) rescale(w *world) bool {
	app, most := choose(w, []string{pulsarApp, bookieApp, clientApp}), 5
	if app == clientApp {
		most = 2
	}
	n := 1 + w.rng.IntN(most)
	if !w.living(app) || o.scale[app] == n {
		return false
	}
	o.scale[app] = n
	w.logf("$ juju scale-application %s %d", app, n)
	must(w, w.model.Scale(app, n))
	return true
}

func (o *operator) configure(w *world, from map[string]map[string][]string) bool {
	app := choose(w, w.model.Applications())
	if len(from[app]) == 0 || !w.living(app) {
		return false
	}
	option := choose(w, sorted(from[app]))
	value := choose(w, from[app][option])
	if !o.read(w, app) {
		return false
	}
	if setting, _, err := w.model.Config(app); err != nil || fmt.Sprint(setting[option].Value) == value {
		return false
	}
	o.set(w, app, option, value)
	if o.bad[app] == nil {
		o.bad[app] = map[string]bool{}
	}
	delete(o.bad[app], option)
	// Another name than the first is refused once there are metadata.
	if !slices.Contains(options[app][option], value) || option == "cluster-name" && value != "" {
		o.bad[app][option] = true
	}
	if len(o.bad[app]) == 0 {
		delete(o.bad, app)
	}
	return true
}

func (o *operator) set(w *world, app, option, value string) {
	w.logf("$ juju config %s %s=%s", app, option, value)
	must(w, w.model.SetConfig(app, map[string]string{option: value}, nil))
	o.changed(w, app)
	if n, err := strconv.Atoi(value); err == nil && option == "voters-max" && n != 2 {
		o.votersMax = n
	}
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
func (o *operator) repair(w *world) bool {
	done := false
	for _, app := range sorted(o.bad) {
		if !w.living(app) || !o.read(w, app) {
			continue
		}
		for _, option := range sorted(o.bad[app]) {
			w.logf("$ juju config %s --reset %s", app, option)
			must(w, w.model.SetConfig(app, nil, []string{option}))
			o.changed(w, app)
			if option == "voters-max" {
				o.votersMax = 5
			}
			done = true
		}
		delete(o.bad, app)
	}
	return done
}

// refresh gives an application another revision of its charm. Its pods are
// replaced one by one.
func (o *operator) refresh(w *world) bool {
	app := choose(w, w.model.Applications())
	if !w.living(app) {
		return false
	}
	charm := *w.model.CharmOf(app)
	charm.Revision++
	w.logf("$ juju refresh %s (to revision %d)", app, charm.Revision)
	must(w, w.model.Refresh(app, &charm, nil))
	w.refreshed = true
	return true
}

func (o *operator) act(w *world) bool {
	app := choose(w, sorted(actions))
	units := w.model.UnitsOf(app)
	if len(units) == 0 {
		return false
	}
	unit, action := choose(w, units), choose(w, actions[app])
	w.logf("$ juju run %s %s", unit, action)
	_, err := w.model.EnqueueAction([]string{unit}, action, nil)
	return err == nil
}

// resolve lets a failed hook run again at once, or never.
func (o *operator) resolve(w *world) bool {
	retry := w.chance(50)
	for _, unit := range w.model.Units() {
		// Whoever skips the hook that keeps a voter until it is out of the
		// ensemble loses the ensemble. And while an agent is away nobody knows
		// what it will skip: with a config-changed, options that were set since.
		skips := w.model.Life(unit) == "alive" && w.model.Agent(unit) == model.AgentUp
		if w.busy[unit] != nil || !retry && !skips || w.model.Resolved(unit, retry) != nil {
			continue
		}
		w.logf("$ juju resolved %s, retry %v", unit, retry)
		if !retry {
			w.observer.see(skipped)
			w.observer.unit(unit).failing = model.Hook{}
			delete(o.unread, unit)
			o.nudge = true
		}
		return true
	}
	return false
}

// unrelate removes a relation, to be added again.
func (o *operator) unrelate(w *world) bool {
	app := choose(w, []string{bookieApp, clientApp})
	if !w.living(app) || !w.living(pulsarApp) || !w.related(app, pulsarApp) {
		return false
	}
	w.logf("$ juju remove-relation %s pulsar", app)
	must(w, w.model.RemoveRelation(app, pulsarApp))
	o.again(integrate(app))
	return true
}

// again is to be given once more, or for the first time.
func (o *operator) again(c command) {
	if !slices.ContainsFunc(o.todo, func(other command) bool { return other.what == c.what }) {
		o.todo = append(o.todo, c)
	}
}

// remove removes an application, to be deployed again. With pulsar goes the
// cluster, and what its bookies hold is of no more use.
func (o *operator) remove(w *world) bool {
	apps := []string{choose(w, []string{pulsarApp, bookieApp, clientApp})}
	force := w.chance(20)
	if apps[0] == pulsarApp {
		apps = append(apps, bookieApp)
	}
	if slices.ContainsFunc(apps, func(app string) bool { return !w.living(app) }) {
		return false
	}
	if apps[0] == pulsarApp {
		o.again(integrate(clientApp))
	}
	for _, app := range apps {
		w.logf("$ juju remove-application %s, force %v", app, force)
		must(w, w.model.RemoveApplication(app, force))
		again := deploy(app)
		if app == bookieApp {
			again = redeployBookies()
		}
		o.again(again)
		if app != pulsarApp {
			o.again(integrate(app))
		}
	}
	return true
}

// redeployBookies forgets the cookies of the last ones, whose volumes are gone.
func redeployBookies() command {
	again := deploy(bookieApp)
	return command{again.what, func(w *world) bool {
		if w.deployed(bookieApp) || !w.living(pulsarApp) {
			return false
		}
		for _, node := range sorted(w.zookeeper.nodes) {
			if strings.HasPrefix(node, "/ledgers/cookies/") {
				delete(w.zookeeper.nodes, node)
			}
		}
		return again.do(w)
	}}
}

// invite deploys a foreign application, which writes garbage, on either side.
func (o *operator) invite(w *world) bool {
	if w.deployed(foreignApp) || !w.living(pulsarApp) {
		return false
	}
	must(w, w.model.Deploy(model.DeployArgs{App: foreignApp, Charm: w.charms[foreignApp], Units: 1 + w.rng.IntN(2)}))
	w.logf("$ juju deploy %s", foreignApp)
	sides := [][2]string{{"foreign:zookeeper", "pulsar:zookeeper"}, {"foreign:pulsar", "pulsar:pulsar"}}
	for _, app := range []string{bookieApp, clientApp} {
		if w.living(app) && !w.related(app, "") && w.chance(70) {
			sides = append(sides, [2]string{"foreign", app})
		}
	}
	for _, side := range sides {
		w.logf("$ juju integrate %s %s", side[0], side[1])
		_, err := w.model.Integrate(side[0], side[1])
		must(w, err)
	}
	return true
}

func (o *operator) expel(w *world) bool {
	if !w.living(foreignApp) {
		return false
	}
	w.logf("$ juju remove-application %s", foreignApp)
	must(w, w.model.RemoveApplication(foreignApp, false))
	return true
}

// restore gives up the volumes of the first bookie that lost one.
func (o *operator) restore(w *world) bool {
	for _, unit := range sorted(w.lost) {
		if w.busy[unit] == nil {
			w.restore(unit)
			return true
		}
	}
	return false
}

// mend gives all that is still to be given, and repairs what is wrong.
func (o *operator) mend(w *world) {
	if o.mended(w) {
		return
	}
	if o.nudge {
		o.nudge = false
		w.reconfigure()
	}
	before := len(o.todo)
	o.give(w)
	changed := o.repair(w) || len(o.todo) < before
	changed = o.restore(w) || changed
	changed = o.expel(w) || changed
	if changed {
		w.external()
	}
}

// mended says whether all was given, and nothing is wrong.
func (o *operator) mended(w *world) bool { return len(o.left(w)) == 0 }

// left is what is still to be done.
func (o *operator) left(w *world) []string {
	var list []string
	for _, c := range o.todo {
		list = append(list, "to be done: "+c.what)
	}
	for _, app := range sorted(o.bad) {
		list = append(list, "wrong options of "+app)
	}
	for _, unit := range sorted(w.lost) {
		list = append(list, "lost volume of "+unit)
	}
	if w.deployed(foreignApp) {
		list = append(list, foreignApp+" is still there")
	}
	if o.nudge {
		list = append(list, "a hook was skipped")
	}
	return list
}
