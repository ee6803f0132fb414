package model

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// beginning is the world of a scenario before its agents start.
type beginning struct {
	unit       string
	leader     string // empty: the first unit, unless the sentence says nobody
	unled      bool
	other      string   // the leader of the other application, if it is named
	units      int      // of the application, at least
	peers      []string // members of the peer relation that are not real
	peer       bool
	peerApp    map[string]string // nil: as the first hook reads it
	relations  []*related
	storages   []string
	containers []string
	up         bool // what the sentence says of containers
	told       bool // it says something
}

// related is a relation with a remote side that no agent runs.
type related struct {
	endpoint string
	units    []string
	app      map[string]string // nil: as the first hook reads it
	data     map[string]string
}

// charm is the recorder's charm, which each of its applications has.
func (r *replay) charm(name string, peer bool, endpoints ...Endpoint) *Charm {
	charm := &Charm{
		Name:       name,
		Containers: []Container{{Name: "sidecar"}, {Name: "workload"}},
		Endpoints:  endpoints,
		Storage:    []StorageSpec{{Name: "data", MaxCount: -1}, {Name: "log", MaxCount: -1}},
		Options:    map[string]Option{"a": {Type: "int"}, "b": {Type: "string"}},
		Actions:    map[string]ActionSpec{"act-one": {}, "act-two": {}, "act-three": {}},
	}
	if peer {
		charm.Endpoints = append(charm.Endpoints, Endpoint{Name: "peers", Role: Peer, Interface: "peers"})
	}
	return charm
}

// begin makes the model. The agents of the real units start.
func (r *replay) begin(b *beginning) {
	r.m = New(Options{
		Name: "test", Version: "3.6-beta2", KeepLeases: true,
		NoRetry: strings.Contains(r.trace.Description, "retry off"),
	})
	for _, unit := range append(slices.Clone(b.peers), b.unit) {
		b.units = max(b.units, juju.Ordinal(unit)+1)
	}
	own := r.charm("pulsar", b.peer, Endpoint{Name: "db", Role: Requirer, Interface: "db"}, Endpoint{Name: "zk", Role: Requirer, Interface: "zk"})
	r.ok(r.m.Deploy(DeployArgs{App: "pulsar", Charm: own, Units: b.units}))
	for _, name := range []string{"db", "zk"} {
		peer := slices.ContainsFunc(r.trace.Hooks, func(h traceHook) bool {
			return app(h.Unit) == name && h.Hook == "peers-relation-created"
		})
		remote := r.charm(name, peer, Endpoint{Name: r.remoteEndpoint(name), Role: Provider, Interface: name})
		r.ok(r.m.Deploy(DeployArgs{App: name, Charm: remote, Units: 3}))
	}
	if b.other != "" {
		r.elect(app(b.other), b.other)
	}
	if b.leader != "" || b.unled {
		r.elect("pulsar", b.leader)
	}
	if r.problem != nil {
		return
	}
	for _, peer := range b.peers {
		r.enters(peer, "peers", nil)
	}
	if b.peer && b.peerApp == nil && !slices.Contains(r.trace.real(), b.leader) {
		b.peerApp = r.learnApp("pulsar", "peers")
	}
	if b.peer {
		r.writes("pulsar", "peers", b.peerApp)
	}
	for _, rel := range b.relations {
		r.relate(rel)
	}
	for _, id := range b.storages {
		r.storage(id)
	}
	for _, unit := range r.trace.real() {
		if _, err := r.m.unit(unit); err != nil {
			continue // it comes later
		}
		for _, container := range r.containersOf(unit, b) {
			r.boot(unit, container)
		}
	}
}

// start starts the agents that exist now.
func (r *replay) start() {
	for _, unit := range r.trace.real() {
		if u, err := r.m.unit(unit); err == nil && !u.EverUp {
			r.ok(r.m.PodUp(unit, PodInfo{Address: "10.1.0.7", Fresh: true}))
		}
	}
}

// containersOf are a unit's containers that are up from the beginning. If the
// sentence is silent, those whose pebble-ready the trace shows.
func (r *replay) containersOf(unit string, b *beginning) []string {
	if b.told && app(unit) == "pulsar" {
		if !b.up {
			return nil
		}
		return b.containers
	}
	var up []string
	for _, h := range r.trace.Hooks {
		if app(r.trace.who(h)) == app(unit) && h.Workload != "" && strings.HasSuffix(h.Hook, "-pebble-ready") && !slices.Contains(up, h.Workload) {
			up = append(up, h.Workload)
		}
	}
	return up
}

// remoteEndpoint is what a remote application calls its end: its hooks say so,
// if it is real.
func (r *replay) remoteEndpoint(app string) string {
	for _, h := range r.trace.Hooks {
		if strings.HasPrefix(h.Unit, app+"/") && text(h.RemoteApp) == "pulsar" {
			endpoint, _, _ := strings.Cut(h.Relation, ":")
			return endpoint
		}
	}
	return app
}

// boot gives a container a new boot id, which the agent's poll will see.
func (r *replay) boot(unit, container string) {
	r.bootN++
	r.boots[unit+" "+container] = fmt.Sprintf("boot-%d", r.bootN)
}

// pod starts a unit's agent in a new pod, which has new containers, or in the
// old one.
func (r *replay) pod(unit string, fresh bool) {
	r.ended(unit, false)
	if fresh {
		if u, err := r.m.unit(unit); err == nil && !u.EverUp {
			for _, container := range r.containersOf(unit, &beginning{}) {
				r.boot(unit, container)
			}
		}
		for key := range r.boots {
			if strings.HasPrefix(key, unit+" ") {
				r.boots[key] += "+"
			}
		}
	}
	r.ok(r.m.PodUp(unit, PodInfo{Address: "10.1.0.8", Fresh: fresh}))
}

func (r *replay) relation(endpoint string) *relation {
	for _, rel := range r.m.rels {
		if own, _, ok := rel.own("pulsar"); ok && own.Endpoint == endpoint {
			return rel
		}
	}
	return nil
}

// puppet is a unit that the sentences move by hand.
func (r *replay) puppet(unit string) *unit {
	u, err := r.m.unit(unit)
	if err != nil {
		a, err := r.m.application(app(unit))
		if err != nil {
			r.ok(err)
			return nil
		}
		u = r.m.addUnit(a, juju.Ordinal(unit))
	}
	u.EverUp = true
	return u
}

// elect gives leadership to a unit, which may be none that was spoken of before,
// or to nobody.
func (r *replay) elect(app, unit string) {
	if unit != "" && !slices.Contains(r.trace.real(), unit) {
		r.puppet(unit)
	}
	r.ok(r.m.SetLeader(app, unit))
}

// endpoint is pulsar's endpoint at which a unit is remote.
func endpoint(owner string) string {
	if app(owner) == "pulsar" {
		return "peers"
	}
	return app(owner)
}

func (r *replay) enters(unit, endpoint string, data map[string]string) {
	rel, u := r.relation(endpoint), r.puppet(unit)
	if rel == nil || u == nil {
		r.ok(fmt.Errorf("no relation %q to enter", endpoint))
		return
	}
	if _, in := rel.inScope(unit); in {
		r.m.leave(unit, rel) // another of the same name
	}
	r.m.enter(u, rel)
	if data == nil {
		data = r.learnUnit(unit, endpoint)
	}
	r.writes(unit, endpoint, data)
}

// leaves announces a unit's departure, which is all that others see of it; of
// a relation that is removed the unit is gone.
func (r *replay) leaves(unit, endpoint string) {
	rel := r.relation(endpoint)
	if rel == nil {
		return
	}
	if rel.Life != alive {
		r.gone(unit, endpoint)
		return
	}
	if i, in := rel.inScope(unit); in {
		rel.Scope[i].Departing = true
		r.m.touchRelation(rel)
	}
}

func (r *replay) gone(unit, endpoint string) {
	if rel := r.relation(endpoint); rel != nil {
		r.m.leave(unit, rel)
	}
}

func (r *replay) writes(owner, endpoint string, data map[string]string) {
	rel := r.relation(endpoint)
	if rel == nil {
		if len(data) > 0 {
			r.ok(fmt.Errorf("no relation %q to write to", endpoint))
		}
		return
	}
	r.m.write(rel, owner, data)
}

func (r *replay) relate(rel *related) {
	if r.relation(rel.endpoint) == nil {
		_, err := r.m.Integrate("pulsar:"+rel.endpoint, rel.endpoint)
		r.ok(err)
	}
	if r.problem != nil {
		return
	}
	data := rel.app
	real := slices.ContainsFunc(r.trace.real(), func(unit string) bool { return app(unit) == rel.endpoint })
	if data == nil && !real {
		data = r.learnApp(rel.endpoint, rel.endpoint)
	}
	r.writes(rel.endpoint, rel.endpoint, data)
	for _, unit := range rel.units {
		// A real unit enters by itself.
		if !slices.Contains(r.trace.real(), unit) {
			r.enters(unit, rel.endpoint, rel.data)
		}
	}
}

func (r *replay) storage(id string) {
	u, err := r.m.unit(r.trace.unit())
	if err != nil {
		r.ok(err)
		return
	}
	name, _, _ := strings.Cut(id, "/")
	u.Storages = append(u.Storages, &Storage{ID: id, Name: name, Unit: u.Name, Kind: "filesystem", Life: string(alive)})
	r.ok(r.m.StorageProvisioned(u.Name, id, "/storage/"+id))
}

// dies sets a unit dying, by the scale if it is the last one.
func (r *replay) dies(name string) {
	u, err := r.m.unit(name)
	if err != nil {
		r.ok(err)
		return
	}
	if u.Number == u.app.Scale-1 {
		r.ok(r.m.Scale(u.app.Name, u.Number))
		return
	}
	r.m.killUnit(u)
}

// secret makes a secret. Its label and, if the sentence is silent, the number
// of its revisions are those that the hooks show.
func (r *replay) secret(id, owner string, revisions int) *secret {
	s := &secret{ID: id, Owner: owner, Latest: max(1, revisions)}
	for _, h := range r.trace.Hooks {
		if h.Secret == secretURI(id) {
			s.Label = h.Label
			if number, ok := h.Revision.(float64); ok && revisions == 0 {
				s.Latest = max(s.Latest, int(number))
			}
		}
	}
	for n := 1; n <= s.Latest; n++ {
		s.Revisions = append(s.Revisions, &revision{Number: n, Content: map[string]string{"key": fmt.Sprint(n)}})
	}
	r.m.secrets[id] = s
	return s
}

// learnUnit is what a remote unit has in its databag from this input on, for
// sentences that do not say it: what the first hook about it reads.
func (r *replay) learnUnit(owner, endpoint string) map[string]string {
	for _, h := range r.trace.Hooks {
		if h.After > r.at && text(h.RemoteUnit) == owner && strings.HasPrefix(h.Relation, endpoint+":") {
			if strings.HasSuffix(h.Hook, "-joined") || strings.HasSuffix(h.Hook, "-changed") {
				return r.unsaid(h, h.RemoteData, owner+` (?:writes|enters)[^;,]*? `)
			}
		}
	}
	return map[string]string{}
}

// learnAction is the name of the unit's next action, for sentences that do not say
// it.
func (r *replay) learnAction() string {
	names := []string{"act-one"}
	for _, h := range r.trace.Hooks {
		if name, is := strings.CutPrefix(h.Hook, "action:"); is {
			names = append(names, name)
		}
	}
	queued := 0
	for _, a := range r.m.actions {
		if a.Status != "cancelled" {
			queued++
		}
	}
	if queued+1 < len(names) {
		return names[queued+1]
	}
	return names[0]
}

// learnApp is learnUnit of an application.
func (r *replay) learnApp(owner, endpoint string) map[string]string {
	for _, h := range r.trace.Hooks {
		if h.After > r.at && text(h.RemoteApp) == owner && strings.HasPrefix(h.Relation, endpoint+":") && app(r.trace.who(h)) == "pulsar" {
			return r.unsaid(h, h.RemoteAppData, `app(?:lication)? data `)
		}
	}
	return map[string]string{}
}

var unchanged = regexp.MustCompile(`\b(?:same|no change|no-op|unchanged|nothing|without (?:any )?change|as before)`)

// orUnseen is what was learnt of a write, or a made-up one if no hook from this
// input on reads the databag: it was written, so that a hook would have to come.
func (r *replay) orUnseen(data map[string]string, owner, endpoint string) map[string]string {
	seen := func(h traceHook) bool {
		about := text(h.RemoteUnit) == owner || text(h.RemoteApp) == owner
		return h.After > r.at && (about && strings.HasPrefix(h.Relation, endpoint+":") || h.Relation == "" && len(h.RemoteData)+len(h.RemoteAppData) > 0)
	}
	if len(data) > 0 || unchanged.MatchString(r.inputs[r.at].What) || slices.ContainsFunc(r.trace.Hooks, seen) {
		return data
	}
	return map[string]string{"unseen": "yes"}
}

// unsaid is data without the keys that a later sentence before the hook says
// are written.
func (r *replay) unsaid(h traceHook, data map[string]string, saying string) map[string]string {
	out := maps.Clone(data)
	if out == nil {
		out = make(map[string]string)
	}
	for i := r.at + 1; i < min(h.After, len(r.trace.Inputs)); i++ {
		for key := range data {
			if regexp.MustCompile(saying + regexp.QuoteMeta(key) + "=").MatchString(r.trace.Inputs[i].What) {
				delete(out, key)
			}
		}
	}
	return out
}

var (
	noteTool   = regexp.MustCompile(`^(relation-set|state-set)((?: --?[a-z]+(?: [a-z]+:\d+)?)*)((?: [a-z][a-z0-9-]*(?:=\S*)?)+)(?: -> (\d+)(?: .*)?)?$`)
	noteOther  = regexp.MustCompile(`^([a-z]+(?:-[a-z]+)+) ([^=]\S*(?: [^-]\S*| --?[a-z]\S*)*?)(?: -> (\d+)(?: .*)?)?$`)
	noteConfig = regexp.MustCompile(`config ([a-z]+)=(\S*)`)
)

// write does what the trace's note says that the charm did, or what others
// read later and nothing else explains.
func (r *replay) write(c *Context, h traceHook) {
	for _, part := range strings.FieldsFunc(h.Note, func(c rune) bool { return c == ',' || c == ';' || c == '\n' }) {
		match := noteTool.FindStringSubmatch(strings.TrimSpace(part))
		if match == nil {
			r.other(c, h, strings.TrimSpace(part))
			continue
		}
		toApp := strings.Contains(match[2], "--app")
		args := strings.Fields(match[2])
		if match[1] == "relation-set" && !strings.Contains(match[2], "-r") {
			args = append(args, r.relationFlag(c)...)
		}
		for _, pair := range strings.Fields(match[3]) {
			if !strings.Contains(pair, "=") {
				pair += "=" + r.learnValue(c, h, pair, toApp)
			}
			args = append(args, pair)
		}
		code, _, errOut, _ := c.Run(match[1], args, nil, false, nil)
		if failed := match[4] != "" && match[4] != "0"; failed != (code != 0) {
			r.wrong("hook %d: %s: exit %d %s", h.N, part, code, errOut)
		}
	}
	if strings.Contains(h.Note, "status-set") {
		r.run(c, "status-set", "waiting", "as told")
	}
	if pair, found := strings.CutPrefix(h.Note, "writes app "); found {
		r.run(c, "relation-set", append(r.relationFlag(c), "--app", pair)...)
	}
	if m := r.event(h, `action \S+ \(`+h.Action+`\) finished: failed "(.*)"`); m != nil && h.Exit == 0 {
		r.run(c, "action-fail", m[1])
	}
	r.writeNoted(c, h)
	if h.Exit == 0 && r.refused(h) && len(c.appData) == 0 {
		r.run(c, "relation-set", append(r.relationFlag(c), "--app", "refused=yes")...)
	}
	if !r.noted("relation-set") && strings.HasSuffix(h.Hook, "-relation-created") {
		for _, later := range r.trace.Hooks[min(h.N, len(r.trace.Hooks)):] {
			if text(later.RemoteUnit) == c.Unit() && sameRelation(later, h) && len(later.RemoteData) > 0 {
				for _, key := range slices.Sorted(maps.Keys(later.RemoteData)) {
					r.run(c, "relation-set", key+"="+later.RemoteData[key])
				}
				break
			}
		}
	}
	if !r.noted("--app") && !r.noted("writes app") && h.Leader == "true" && len(r.trace.real()) > 1 {
		r.writeApp(c, h)
	}
}

// other runs another tool that the note says was run.
func (r *replay) other(c *Context, h traceHook, part string) {
	match := noteOther.FindStringSubmatch(part)
	if match == nil || !slices.Contains(Tools(), match[1]) {
		return
	}
	code, _, errOut, _ := c.Run(match[1], strings.Fields(match[2]), nil, false, nil)
	if match[3] != "" && (match[3] != "0") != (code != 0) {
		r.wrong("hook %d: %s: exit %d %s", h.N, part, code, errOut)
	}
}

// writeNoted writes, in the last hook before an input, what a note then finds
// in the unit's databag and no hook is said to have written. A hook that fails
// writes something, too, which must not be found.
func (r *replay) writeNoted(c *Context, h traceHook) {
	last := r.now == len(r.hooks)-1 || r.hooks[r.now+1].After > h.After
	if r.orderOnly || !last || h.Note != "" || len(r.trace.real()) > 1 {
		return
	}
	for _, note := range r.trace.Notes {
		b := readBagNote(note)
		if b == nil || b.app || b.input != h.After || r.relation(b.endpoint) == nil {
			continue
		}
		args := []string{"-r", fmt.Sprint(r.relation(b.endpoint).ID)}
		have := r.bag(b)
		for _, key := range slices.Sorted(maps.Keys(b.data)) {
			if have[key] != b.data[key] {
				args = append(args, key+"="+b.data[key])
			}
		}
		if h.Exit != 0 {
			args = append(args, "dropped=yes")
		}
		r.run(c, "relation-set", args...)
	}
}

// reads checks what the note says of the options: a hook keeps what it read.
func (r *replay) reads(c *Context, h traceHook) {
	for _, match := range noteConfig.FindAllStringSubmatch(h.Note, -1) {
		_, out, _, _ := c.Run("config-get", []string{match[1]}, nil, false, nil)
		if got := strings.TrimSpace(string(out)); got != match[2] {
			r.wrong("hook %d: option %s is %q, want %q", h.N, match[1], got, match[2])
		}
	}
}

// writeApp writes what others read of the leader's application data that no
// note explains: a leader writes it in the peer relation when it is elected,
// in another when that is created.
func (r *replay) writeApp(c *Context, h traceHook) {
	peers := h.Hook == "leader-elected"
	if !peers && !strings.HasSuffix(h.Hook, "-relation-created") {
		return
	}
	for _, later := range r.trace.Hooks[min(h.N, len(r.trace.Hooks)):] {
		if later.Relation == "" || text(later.RemoteApp) != c.app.Name || len(later.RemoteAppData) == 0 {
			continue
		}
		own := strings.HasPrefix(later.Relation, "peers:") && app(r.trace.who(later)) == c.app.Name
		if peers && own || !peers && !own && sameRelation(later, h) {
			for _, key := range slices.Sorted(maps.Keys(later.RemoteAppData)) {
				r.run(c, "relation-set", "-r", later.Relation, "--app", key+"="+later.RemoteAppData[key])
			}
			return
		}
	}
}

func sameRelation(a, b traceHook) bool {
	return relationNumber(a.Relation) == relationNumber(b.Relation)
}

func (r *replay) noted(what string) bool {
	return slices.ContainsFunc(r.trace.Hooks, func(h traceHook) bool { return strings.Contains(h.Note, what) })
}

// learnValue is the value of a key that a note says was written without saying
// what: one that others read later, else as the recorder's charm names itself.
func (r *replay) learnValue(c *Context, h traceHook, key string, toApp bool) string {
	prefix := "of-"
	if toApp {
		prefix = "from-"
	}
	self := prefix + c.Unit()
	var found string
	for _, later := range r.trace.Hooks[min(h.N, len(r.trace.Hooks)):] {
		data, about := later.RemoteData, text(later.RemoteUnit) == c.Unit()
		if toApp {
			data, about = later.RemoteAppData, text(later.RemoteApp) == c.app.Name
		}
		if value, ok := data[key]; ok && about {
			if value == self {
				return self
			}
			if found == "" {
				found = value
			}
		}
	}
	if found != "" {
		return found
	}
	return self
}

func (r *replay) relationFlag(c *Context) []string {
	if c.hook.Relation() {
		return nil
	}
	for _, v := range r.m.rels {
		if own, _, ok := v.own(c.app.Name); ok && v.peer() {
			return []string{"-r", fmt.Sprintf("%s:%d", own.Endpoint, v.ID)}
		}
	}
	for _, v := range r.m.rels {
		if own, _, ok := v.own(c.app.Name); ok {
			return []string{"-r", fmt.Sprintf("%s:%d", own.Endpoint, v.ID)}
		}
	}
	return nil
}
