package pulsar

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// world is a model with the real charm in it, and simulated ZooKeepers,
// brokers, watches and bookies around it. update-status never comes: what the
// charm waits for must wake it.
type world struct {
	t    *testing.T
	rand *rand.Rand
	m    *model.Model
	pods map[string]*pod
	// volumes are those of units that are gone, by unit.
	volumes map[string][]pebble.File
	log     []string

	faults bool // things fail that may fail

	members  zk.Config // committed by the ensemble; none before the first quorum
	metadata string    // the cluster's name, once initialised
}

var containers = []string{"broker", "zookeeper"}

// pod is one unit's.
type pod struct {
	w       *world
	unit    string
	ordinal int
	boots   int
	fakes   map[string]*pebbletest.Fake
	told    map[string]string // what a watch last notified, by container
	notices int

	server   bool // ZooKeeper's process runs
	digest   string
	brokerOn bool
	brokerE  int
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, rand: rand.New(rand.NewPCG(seed, 11)), pods: map[string]*pod{}, volumes: map[string][]pebble.File{}}
	w.m = model.New(model.Options{Name: "m"})
	withManifest := files(t)
	withManifest["manifest.yaml"] = []byte("bases: [{name: ubuntu, channel: 22.04/stable, architectures: [amd64]}]")
	charm, err := model.ParseCharm(withManifest)
	w.must(err)
	w.must(w.m.Deploy(model.DeployArgs{Charm: charm, Units: 1 + w.rand.IntN(5), Config: map[string]string{"profile": "testing"}}))
	for _, app := range []string{"bookie", "client"} {
		endpoint := map[string]string{"bookie": "zookeeper", "client": "pulsar"}[app]
		iface := map[string]string{"bookie": "zookeeper", "client": "pulsar_client"}[app]
		w.must(w.m.Deploy(model.DeployArgs{App: app, Units: 1 + w.rand.IntN(4), Charm: &model.Charm{
			Name: app, Endpoints: []model.Endpoint{{Name: endpoint, Role: model.Requirer, Interface: iface}},
		}}))
	}
	return w
}

func (w *world) say(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	if file := os.Getenv("HISTORY_LOG"); file != "" {
		_ = os.WriteFile(file, []byte(strings.Join(w.log, "\n")), 0o644)
	}
	for _, unit := range w.m.UnitsOf("pulsar") {
		w.t.Logf("%s: %v, leader %v", unit, w.m.WorkloadStatus(unit), w.m.Leader("pulsar") == unit)
	}
	w.t.Fatalf(format, args...)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.fail("%v", err)
	}
}

func (w *world) chance(percent int) bool { return w.faults && w.rand.IntN(100) < percent }

// kubernetes makes and ends pods as the model wants them.
func (w *world) kubernetes() {
	for _, unit := range w.m.Units() {
		// A unit that never had an agent may be the next of its name.
		if w.pods[unit] != nil && w.m.Agent(unit) == model.AgentDown && w.m.Life(unit) != "dead" {
			w.podDown(unit)
		}
		if w.pods[unit] == nil && w.m.Life(unit) != "dead" {
			w.podUp(unit)
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(w.pods)) {
		if !slices.Contains(w.m.Units(), unit) {
			w.podDown(unit)
		}
	}
}

// podDown ends the pod of a unit that is no more. Its volume may stay, and be
// found by the next unit of that name.
func (w *world) podDown(unit string) {
	p := w.pods[unit]
	delete(w.pods, unit)
	w.say("pod of %s ends", unit)
	if slices.Contains(w.members.Voters(), p.ordinal+1) && p.server {
		w.fail("%s was still a voter of ZooKeeper when its pod ended", unit)
	}
	delete(w.volumes, unit)
	if z := p.fakes["zookeeper"]; z != nil && w.rand.IntN(2) == 0 {
		w.volumes[unit] = volume(z)
	}
	for _, fake := range p.fakes {
		fake.Kill()
	}
}

const confDirectory = "/pulsar/data/zookeeper/conf"

func volume(fake *pebbletest.Fake) []pebble.File {
	var files []pebble.File
	infos, err := fake.ListFiles(context.Background(), confDirectory, false)
	if err != nil {
		return nil
	}
	for _, info := range infos {
		if content, err := fake.Pull(context.Background(), info.Path); err == nil {
			files = append(files, pebble.File{Path: info.Path, Content: content})
		}
	}
	return files
}

func (w *world) podUp(unit string) {
	p := &pod{w: w, unit: unit, ordinal: juju.Ordinal(unit), fakes: map[string]*pebbletest.Fake{}, told: map[string]string{}}
	w.pods[unit] = p
	if juju.Application(unit) == "pulsar" {
		p.fakes["zookeeper"] = pebbletest.NewFake(pebbletest.Options{
			Mounts: []string{"/pulsar/data/zookeeper"}, OnStart: p.started, OnStop: p.stopped,
		})
		p.fakes["broker"] = pebbletest.NewFake(pebbletest.Options{
			OnStart: p.started, OnStop: p.stopped,
			Files: []pebble.File{{Path: "/pulsar/lib/pulsar-broker-4.0.8.jar"}},
		})
		p.fakes["broker"].HandleExec("/pulsar/bin/pulsar", p.initialise)
	}
	for _, file := range w.volumes[unit] {
		w.must(p.fakes["zookeeper"].Push(context.Background(), file))
	}
	w.agentUp(p)
}

func (w *world) agentUp(p *pod) {
	p.boots++
	w.must(w.m.PodUp(p.unit, model.PodInfo{Address: fmt.Sprintf("10.1.%d.%d", p.ordinal, p.boots), Fresh: true}))
	for _, storage := range w.m.Storages(p.unit) {
		w.must(w.m.StorageProvisioned(p.unit, storage.ID, "/var/lib/juju/storage/"+storage.ID))
	}
	for _, container := range containers {
		if p.fakes[container] != nil {
			w.must(w.m.ContainerUp(p.unit, container, fmt.Sprint(p.boots)))
		}
	}
}

// reboot loses a container: its processes, plan and files outside mounts.
func (w *world) reboot(p *pod, container string) {
	p.fakes[container].Kill()
	p.fakes[container].Boot()
	p.boots++
	w.must(w.m.ContainerUp(p.unit, container, fmt.Sprint(p.boots)))
}

// runHook lets a unit run one of its next hooks.
func (w *world) runHook(unit string) {
	hooks := w.m.Next(unit)
	hook := hooks[w.rand.IntN(len(hooks))]
	w.say("%s: %s", unit, hook.Describe())
	c, err := w.m.Begin(unit, hook)
	w.must(err)
	if juju.Application(unit) != "pulsar" {
		if juju.Application(unit) == "bookie" {
			w.bookie(c)
		}
		w.must(c.End(model.Outcome{}))
		return
	}
	p := w.pods[unit]
	charm := &Charm{ZooKeeper: fakeEnsemble{p}, Admin: fakeAdmin{p}}
	err = ops.Run(context.Background(), ops.Host{
		Environment: c.Environment(), Tools: tools{c},
		Pebble: func(container string) pebble.Pebble { return p.fakes[container] },
	}, charm)
	for _, line := range c.Log() {
		w.say("    %s %s", line.Level, line.Message)
	}
	if err != nil {
		// The one failure on purpose: a voter that cannot leave yet.
		if w.m.Life(unit) != "dying" || !strings.Contains(err.Error(), "leave ZooKeeper's members") {
			w.fail("%s: %s failed: %v", unit, hook.Describe(), err)
		}
		w.must(c.End(model.Outcome{ExitCode: 1}))
		return
	}
	// What was done in containers and ZooKeeper stays; what was told to Juju
	// is lost if the agent kills the hook at its end.
	if w.chance(5) {
		w.say("    killed")
		w.must(c.End(model.Outcome{Killed: true}))
		return
	}
	w.must(c.End(model.Outcome{}))
}

// bookie is a bookie that is there as soon as the metadata are.
func (w *world) bookie(c *model.Context) {
	r := tools{c}
	hook := hooktool.New(r)
	ids, err := hook.RelationIDs(w.t.Context(), "zookeeper")
	w.must(err)
	for _, id := range ids {
		bag, err := hook.RelationGet(w.t.Context(), id, "pulsar", true)
		if err == nil && bag["metadata-initialised"] == "true" {
			fqdn := juju.UnitFQDN(c.Unit(), "m", juju.DefaultClusterDomain)
			_ = hook.RelationSet(w.t.Context(), id, false, map[string]string{"bookie-id": fqdn + ":3181", "state": "serving"})
		}
	}
}

// servingBookies are those that say so.
func (w *world) servingBookies() int {
	n := 0
	for _, r := range w.m.Relations() {
		if r.Interface != "zookeeper" {
			continue
		}
		for _, unit := range w.m.UnitsOf("bookie") {
			if w.m.Databag(fmt.Sprintf("zookeeper:%d", r.ID), unit)["state"] == "serving" {
				n++
			}
		}
	}
	return n
}

// started is a process that starts in a container.
func (p *pod) started(process pebbletest.Process) *int {
	failed := 1
	switch process.Service {
	case "zookeeper":
		if err := p.startServer(); err != nil {
			p.w.say("    ZooKeeper of %s does not start: %v", p.unit, err)
			return &failed
		}
		p.w.elect()
	case "broker":
		text, err := p.fakes["broker"].Pull(context.Background(), process.Config.Environment["PULSAR_BROKER_CONF"])
		if err != nil {
			p.w.fail("broker without configuration: %v", err)
		}
		if p.w.metadata == "" {
			p.w.fail("broker of %s starts before the metadata are there", p.unit)
		}
		config := javaprops.Parse(text)
		p.brokerE, _ = strconv.Atoi(config["managedLedgerDefaultEnsembleSize"])
		p.brokerOn = true
	}
	return nil
}

func (p *pod) stopped(process pebbletest.Process) {
	switch process.Service {
	case "zookeeper":
		p.server = false
	case "broker":
		p.brokerOn = false
	}
}

// startServer reads the files as ZooKeeper does.
func (p *pod) startServer() error {
	z := p.fakes["zookeeper"]
	text, err := z.Pull(context.Background(), "/pulsar/data/zookeeper/conf/zoo.cfg")
	if err != nil {
		return err
	}
	static := javaprops.Parse(text)
	text, err = z.Pull(context.Background(), static["dynamicConfigFile"])
	if err != nil {
		return err
	}
	config, err := zk.ParseConfig(string(text))
	if err != nil {
		return err
	}
	if _, ok := config.Member(p.ordinal + 1); !ok {
		return errors.New("my id is not in the list of members")
	}
	if known := p.w.members; len(known.Members) > 0 {
		meets := false
		for _, m := range known.Members {
			_, ok := config.Member(m.ID)
			meets = meets || ok
		}
		if !meets {
			p.w.fail("ZooKeeper of %s starts on members %v and knows nobody of %v", p.unit, config.Members, known.Members)
		}
	}
	p.server, p.digest = true, static["DigestAuthenticationProvider.superDigest"]
	if len(p.w.members.Members) == 0 {
		p.firstQuorum(config)
	}
	return nil
}

// firstQuorum forms the ensemble when a majority runs on the same members.
func (p *pod) firstQuorum(config zk.Config) {
	if p.w.running(config.Voters()) > len(config.Voters())/2 {
		p.w.members = config
		p.w.members.Version = 1
		p.w.say("    ZooKeeper forms: %v", config.Voters())
	}
}

func (w *world) running(ids []int) int {
	n := 0
	for _, id := range ids {
		if p := w.pods[fmt.Sprintf("pulsar/%d", id-1)]; p != nil && p.server {
			n++
		}
	}
	return n
}

func (w *world) quorum() bool {
	voters := w.members.Voters()
	return len(voters) > 0 && w.running(voters) > len(voters)/2
}

// elect is a moment in which some of the servers take note of the membership.
func (w *world) elect() {
	for _, unit := range w.m.UnitsOf("pulsar") {
		if p := w.pods[unit]; p != nil && p.server && w.quorum() && w.rand.IntN(3) > 0 {
			p.writeMembership()
		}
	}
}

// writeMembership is how ZooKeeper writes a change into its own files.
func (p *pod) writeMembership() {
	z, ctx := p.fakes["zookeeper"], context.Background()
	text, err := z.Pull(ctx, confDirectory+"/zoo.cfg")
	p.w.must(err)
	static := javaprops.Parse(text)
	file := fmt.Sprintf("%s/zoo.cfg.dynamic.%x", confDirectory, p.w.members.Version)
	if static["dynamicConfigFile"] == file {
		return
	}
	content := string(p.w.members.File()) + fmt.Sprintf("version=%x\n", p.w.members.Version)
	p.w.must(z.Push(ctx, pebble.File{Path: file, Content: []byte(content)}))
	old := static["dynamicConfigFile"]
	static["dynamicConfigFile"] = file
	var lines strings.Builder
	for _, key := range slices.Sorted(maps.Keys(static)) { // unescaped
		value := static[key]
		lines.WriteString(key + "=" + value + "\n")
	}
	p.w.must(z.Push(ctx, pebble.File{Path: confDirectory + "/zoo.cfg", Content: []byte(lines.String())}))
	if path.Base(old) != "zoo.cfg.dynamic" {
		p.w.must(z.Remove(ctx, old))
	}
}

func (p *pod) mode() string {
	if !p.server || !p.w.quorum() {
		return ""
	}
	for _, id := range p.w.members.Voters() {
		if p.w.running([]int{id}) == 1 {
			if id == p.ordinal+1 {
				return "leader"
			}
			break
		}
	}
	if m, ok := p.w.members.Member(p.ordinal + 1); ok && m.Role == zk.Observer {
		return "observer"
	}
	return "follower"
}

func (p *pod) healthy() bool {
	return p.brokerOn && p.w.quorum() && p.w.metadata != "" && p.w.servingBookies() >= p.brokerE
}

// initialise is the image's one-off command.
func (p *pod) initialise(_ context.Context, command pebble.Command) (pebble.ExecResult, error) {
	name := command.Args[slices.Index(command.Args, "--cluster")+1]
	if !p.w.quorum() || p.w.chance(20) {
		return pebble.ExecResult{ExitCode: 1, Stderr: []byte("no quorum")}, nil
	}
	if p.w.metadata != "" && p.w.metadata != name {
		p.w.fail("the metadata of cluster %s are initialised again as %s", p.w.metadata, name)
	}
	p.w.metadata = name
	return pebble.ExecResult{}, nil
}

// watch lets the watches of a pod look. It says whether one notified; later
// means that the time has passed after which a notice is repeated.
func (w *world) watch(p *pod, later bool) bool {
	notified := false
	for _, container := range containers {
		fake := p.fakes[container]
		if fake == nil {
			continue
		}
		if _, runs := fake.Process(container + "-watch"); !runs {
			p.told[container] = ""
			continue
		}
		state := "down"
		switch mode := p.mode(); {
		case container == "zookeeper" && mode != "":
			state = mode
		case container == "broker" && p.healthy():
			state = "up"
		}
		seen, _ := fake.Pull(context.Background(), "/var/lib/pulsar-charms/"+container+".seen")
		if strings.TrimSpace(string(seen)) == state {
			p.told[container] = ""
			continue
		}
		if p.told[container] == state && !later {
			continue
		}
		p.told[container], notified = state, true
		p.notices++
		w.say("watch of %s in %s: %s", container, p.unit, state)
		w.must(w.m.Notice(p.unit, container, fmt.Sprint(p.notices), "custom", "pulsar-charms.local/"+container))
	}
	return notified
}

// fakeEnsemble is ZooKeeper as one pod reaches it.
type fakeEnsemble struct{ p *pod }

var errAway = errors.New("no session")

func (e fakeEnsemble) Server(_ context.Context, address string) (zk.Server, error) {
	p := e.p
	if name, _, _ := strings.Cut(address, "."); strings.HasPrefix(name, "pulsar-") {
		p = e.p.w.pods[strings.Replace(name, "-", "/", 1)]
		if e.p.w.chance(20) {
			return zk.Server{}, errAway
		}
	}
	if p == nil || p.mode() == "" {
		return zk.Server{}, zk.ErrNotServing
	}
	return zk.Server{Mode: p.mode()}, nil
}

func (e fakeEnsemble) Config(context.Context, []string) (zk.Config, error) {
	if !e.p.w.quorum() {
		return zk.Config{}, errAway
	}
	return e.p.w.members, nil
}

func (e fakeEnsemble) Exist(context.Context, []string, ...string) (bool, error) {
	if !e.p.w.quorum() || e.p.w.chance(20) {
		return false, errAway
	}
	return e.p.w.metadata != "", nil
}

func (e fakeEnsemble) Reconfigure(_ context.Context, _ []string, password string, decide func(zk.Config) zk.Change) (zk.Config, error) {
	w := e.p.w
	if e.p.mode() == "" || w.chance(20) {
		return zk.Config{}, errAway
	}
	change := decide(w.members)
	if change.Empty() {
		return w.members, nil
	}
	if zk.SuperDigest(password) != e.p.digest {
		return zk.Config{}, errors.New("not authenticated")
	}
	next := change.Apply(w.members)
	voters := next.Voters()
	if len(voters)%2 != 1 {
		w.fail("%d voters after %+v", len(voters), change)
	}
	if w.running(voters) <= len(voters)/2 {
		return zk.Config{}, errAway
	}
	w.members = next
	w.members.Version++
	w.say("    members: voters %v, observers %v", voters, next.Observers())
	w.elect()
	if w.chance(20) {
		return zk.Config{}, errAway // the answer got lost
	}
	return w.members, nil
}

type fakeAdmin struct{ p *pod }

func (a fakeAdmin) Health(_ context.Context, address string) error {
	if !a.p.healthy() || strings.HasPrefix(address, "127.") && a.p.w.chance(10) {
		return errors.New("not healthy")
	}
	return nil
}

// tools are a context's hook tools.
type tools struct{ c *model.Context }

func (r tools) Run(_ context.Context, call hooktool.Call) (hooktool.Result, error) {
	code, stdout, stderr, needStdin := r.c.Run(call.Tool, call.Args, call.Stdin, call.Stdin != nil, os.ReadFile)
	if needStdin {
		return hooktool.Result{}, fmt.Errorf("%s wants standard input", call.Tool)
	}
	return hooktool.Result{Code: code, Stdout: stdout, Stderr: stderr}, nil
}
