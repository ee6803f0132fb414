package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// start describes how a scenario begins.
type start struct {
	unit       string            // default pulsar/0
	leader     string            // default unit
	peers      []string          // other members of the peer relation; nil: no such relation
	peerApp    map[string]string // peer application data
	noAddr     bool              // peers wrote nothing
	real       []string          // several real units
	db         []string          // remote units; nil: no relation
	dbBare     bool              // remote side wrote nothing
	dbApp      map[string]string // default v=1
	zk         []string
	storages   []string
	containers []string // up
	noRetry    bool
	before     func(r *replay) // last thing before the agents start
}

func app(name string) string { return juju.Application(name) }

func (s start) play(r *replay) {
	if s.unit == "" {
		s.unit = "pulsar/0"
	}
	if s.leader == "" {
		s.leader = s.unit
	}
	r.unit = s.unit
	r.m = New(Options{Name: "test", NoRetry: s.noRetry, Version: "3.6-beta2"})
	charm := &Charm{
		Name:       "pulsar",
		Containers: []Container{{Name: "sidecar"}, {Name: "workload"}},
		Endpoints: []Endpoint{
			{Name: "db", Role: Requirer, Interface: "db"}, {Name: "zk", Role: Requirer, Interface: "zk"},
		},
		Storage: []StorageSpec{{Name: "data", MaxCount: -1}, {Name: "log", MaxCount: -1}},
		Options: map[string]Option{"a": {Type: "int"}},
		Actions: map[string]ActionSpec{"act-one": {}, "act-two": {}, "act-three": {}},
	}
	if s.peers != nil || s.real != nil {
		charm.Endpoints = append(charm.Endpoints, Endpoint{Name: "peers", Role: Peer, Interface: "peers"})
	}
	units := 1
	for _, unit := range slices.Concat(s.peers, s.real, []string{s.unit}) {
		units = max(units, juju.Ordinal(unit)+1)
	}
	r.ok(r.m.Deploy(DeployArgs{App: "pulsar", Charm: charm, Units: units}))
	for _, name := range []string{"db", "zk"} {
		remote := &Charm{Name: name, Endpoints: []Endpoint{{Name: name, Role: Provider, Interface: name}}}
		r.ok(r.m.Deploy(DeployArgs{App: name, Charm: remote, Units: 3}))
	}
	r.ok(r.m.SetLeader("pulsar", s.leader))
	for _, peer := range s.peers {
		data := map[string]string{"addr": fmt.Sprintf("addr-%d", slices.Index(s.peers, peer))}
		if s.noAddr {
			data = nil
		}
		r.enters(peer, "peers", data)
	}
	if s.peerApp != nil {
		r.writes("pulsar", "peers", s.peerApp)
	}
	if s.db != nil {
		appData, data := s.dbApp, map[string]string{"k": "1"}
		if appData == nil && !s.dbBare {
			appData = map[string]string{"v": "1"}
		}
		if s.dbBare {
			data = nil
		}
		r.relate("db", appData, data, s.db...)
	}
	if s.zk != nil {
		r.relate("zk", nil, nil, s.zk...)
	}
	for _, id := range s.storages {
		r.storage(id)
	}
	if s.real == nil {
		s.real = []string{s.unit}
	}
	for _, unit := range s.real {
		for _, container := range s.containers {
			r.boot(unit, container)
		}
	}
	if s.before != nil {
		s.before(r)
	}
	for _, unit := range s.real {
		r.ok(r.m.PodUp(unit, PodInfo{Address: "10.1.0.7", Fresh: true}))
	}
}

// boot gives a container a new boot id, which the agent's poll will see.
func (r *replay) boot(unit, container string) {
	r.bootN++
	r.boots[unit+" "+container] = fmt.Sprintf("boot-%d", r.bootN)
}

func (r *replay) relation(endpoint string) *relation {
	for _, rel := range r.m.rels {
		if own, _, ok := rel.own("pulsar"); ok && own.Endpoint == endpoint {
			return rel
		}
	}
	r.t.Fatalf("no relation %q", endpoint)
	return nil
}

// puppet is a unit that the script moves by hand.
func (r *replay) puppet(unit string) *unit {
	u, err := r.m.unit(unit)
	if err != nil {
		u = r.m.addUnit(r.m.apps[app(unit)], juju.Ordinal(unit))
	}
	u.EverUp = true
	return u
}

func (r *replay) enters(unit, endpoint string, data map[string]string) {
	r.m.enter(r.puppet(unit), r.relation(endpoint))
	r.writes(unit, endpoint, data)
}

// leaves announces a unit's departure; gone ends it.
func (r *replay) leaves(unit, endpoint string) {
	rel := r.relation(endpoint)
	i, _ := rel.inScope(unit)
	rel.Scope[i].Departing = true
	r.m.touchRelation(rel)
}

func (r *replay) gone(unit, endpoint string) {
	for _, rel := range r.m.rels {
		if own, _, ok := rel.own("pulsar"); ok && own.Endpoint == endpoint {
			r.m.leave(r.puppet(unit), rel)
			return
		}
	}
}

func (r *replay) writes(owner, endpoint string, data map[string]string) {
	r.m.write(r.relation(endpoint), owner, data)
}

func (r *replay) relate(endpoint string, appData, data map[string]string, units ...string) {
	_, err := r.m.Integrate("pulsar:"+endpoint, endpoint)
	r.ok(err)
	r.writes(endpoint, endpoint, appData)
	for _, unit := range units {
		r.enters(unit, endpoint, data)
	}
}

func (r *replay) unrelate(endpoint string) { r.ok(r.m.RemoveRelation("pulsar", endpoint)) }

func (r *replay) storage(id string) {
	u, err := r.m.unit(r.unit)
	r.ok(err)
	name, _, _ := strings.Cut(id, "/")
	u.Storages = append(u.Storages, &Storage{ID: id, Name: name, Unit: u.Name, Kind: "filesystem", Life: string(alive)})
	r.ok(r.m.StorageProvisioned(r.unit, id, "/storage/"+id))
}

func (r *replay) config(value string) {
	r.ok(r.m.SetConfig("pulsar", map[string]string{"a": value}, nil))
}

func (r *replay) enqueue(name string) string {
	actions, err := r.m.EnqueueAction([]string{r.unit}, name, nil)
	r.ok(err)
	return actions[0].ID
}

func (r *replay) secret(id, owner, label string, revisions int) *secret {
	s := &secret{ID: id, Owner: owner, Label: label, Latest: revisions}
	for n := 1; n <= revisions; n++ {
		s.Revisions = append(s.Revisions, &revision{Number: n, Content: map[string]string{"key": fmt.Sprint(n)}})
	}
	r.m.secrets[id] = s
	return s
}

// pod makes steps about the pod of the scenario's unit, or of the named one.
func freshPod(units ...string) func(r *replay) {
	return func(r *replay) {
		for _, unit := range r.named(units) {
			for key := range r.boots {
				if strings.HasPrefix(key, unit+" ") {
					r.boots[key] += "+" // a new pod has new containers
				}
			}
			r.ok(r.m.PodUp(unit, PodInfo{Address: "10.1.0.8", Fresh: true}))
		}
	}
}

func (r *replay) named(units []string) []string {
	if len(units) == 0 {
		return []string{r.unit}
	}
	return units
}

func restart(r *replay) { r.ok(r.m.PodUp(r.unit, PodInfo{})) }
func down(r *replay)    { r.ok(r.m.PodDown(r.unit)) }
func tick(r *replay)    { r.ok(r.m.UpdateStatusDue(r.unit)) }
func nothing(*replay)   {}

func sigterm(units ...string) func(r *replay) {
	return func(r *replay) {
		for _, unit := range r.named(units) {
			r.ok(r.m.PodTerminating(unit))
		}
	}
}

func exited(then func(r *replay)) func(r *replay) {
	return func(r *replay) {
		if got := r.m.Agent(r.unit); got != AgentExited {
			r.t.Errorf("agent of %s is %s, want it exited", r.unit, got)
		}
		then(r)
	}
}

func set(owner, endpoint string, pairs ...string) func(r *replay) {
	return func(r *replay) {
		data := make(map[string]string)
		for _, pair := range pairs {
			key, value, _ := strings.Cut(pair, "=")
			data[key] = value
		}
		r.writes(owner, endpoint, data)
	}
}

func all(steps ...func(r *replay)) func(r *replay) {
	return func(r *replay) {
		for _, step := range steps {
			step(r)
		}
	}
}

func config(value string) func(r *replay) { return func(r *replay) { r.config(value) } }
func enqueue(name string) func(r *replay) { return func(r *replay) { r.enqueue(name) } }
func leader(unit string) func(r *replay) {
	return func(r *replay) { r.ok(r.m.SetLeader("pulsar", unit)) }
}
func unrelate(name string) func(r *replay) { return func(r *replay) { r.unrelate(name) } }
func storage(id string) func(r *replay)    { return func(r *replay) { r.storage(id) } }

func enters(unit string, pairs ...string) func(r *replay) {
	return func(r *replay) {
		endpoint := app(unit)
		if endpoint == "pulsar" {
			endpoint = "peers"
		}
		r.enters(unit, endpoint, nil)
		set(unit, endpoint, pairs...)(r)
	}
}

func leaves(unit string) func(r *replay) {
	return func(r *replay) { r.leaves(unit, app(unit)) }
}

func gone(units ...string) func(r *replay) {
	return func(r *replay) {
		for _, unit := range units {
			r.gone(unit, app(unit))
		}
	}
}

func dies(unit string) func(r *replay) {
	return func(r *replay) {
		u, err := r.m.unit(unit)
		r.ok(err)
		r.m.killUnit(u)
	}
}

func resolved(retry bool) func(r *replay) {
	return func(r *replay) { r.ok(r.m.Resolved(r.unit, retry)) }
}

func notResolvable(r *replay) {
	if err := r.m.Resolved(r.unit, true); err == nil {
		r.t.Error("a unit that is not in error was resolved")
	}
}

func reboots(container string) func(r *replay) { return func(r *replay) { r.boot(r.unit, container) } }

func notice(id, key string) func(r *replay) {
	return func(r *replay) { r.ok(r.m.Notice(r.unit, "workload", id, "custom", key)) }
}

func relate(endpoint, appPair, unitPair string, units ...string) func(r *replay) {
	return func(r *replay) {
		r.relate(endpoint, nil, nil, units...)
		if appPair != "" {
			set(endpoint, endpoint, appPair)(r)
		}
		if unitPair != "" {
			for _, unit := range units {
				set(unit, endpoint, unitPair)(r)
			}
		}
	}
}

func refresh(r *replay) {
	charm := *r.m.CharmOf("pulsar")
	charm.Revision++
	r.ok(r.m.Refresh("pulsar", &charm, nil))
}
