package pulsar

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// TestHistories plays random lives of the application, first calm ones, then
// with faults, and lets each come to rest: then the cluster must be whole,
// and another hook must change nothing. update-status never comes before that:
// whatever the charm waits for must wake it. HISTORIES plays more of them than
// the usual few.
func TestHistories(t *testing.T) {
	t.Parallel()
	seeds := uint64(4)
	if text := os.Getenv("HISTORIES"); text != "" {
		var err error
		if seeds, err = strconv.ParseUint(text, 10, 32); err != nil {
			t.Fatal(err)
		}
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			// In the bubble a hook that waits costs no time.
			synctest.Test(t, func(t *testing.T) { history(t, seed) })
		})
	}
}

func history(t *testing.T, seed uint64) {
	w := newWorld(t, seed)
	w.integrate()
	w.rest()
	w.whole()
	for range 3 {
		w.operate(false)
		w.rest()
		w.whole()
	}
	w.faults = true
	for range 60 {
		w.operate(true)
		for range w.rand.IntN(15) {
			w.step()
		}
	}
	w.faults = false
	w.must(w.m.SetConfig("pulsar", nil, []string{"tick-time", "broker-extra-config", "profile"}))
	w.must(w.m.SetConfig("pulsar", map[string]string{"profile": "testing"}, nil))
	w.rest()
	w.whole()
}

// integrate makes the relations, before, while or after the units start.
func (w *world) integrate() {
	for _, pair := range [][2]string{{"bookie", "pulsar"}, {"client", "pulsar"}} {
		for range w.rand.IntN(60) {
			w.step()
		}
		_, err := w.m.Integrate(pair[0], pair[1])
		w.must(err)
	}
}

// operate is something that an operator or fate does.
func (w *world) operate(fate bool) {
	kinds := 4
	if fate {
		kinds = 10
	}
	var p *pod
	if units := w.m.UnitsOf("pulsar"); len(units) > 0 {
		p = w.pods[units[w.rand.IntN(len(units))]]
	}
	switch kind := w.rand.IntN(kinds); {
	case kind == 0:
		n := 1 + w.rand.IntN(6)
		w.say("== scale pulsar to %d", n)
		w.must(w.m.Scale("pulsar", n))
	case kind == 1:
		n := 1 + w.rand.IntN(5)
		w.say("== scale bookie to %d", n)
		w.must(w.m.Scale("bookie", n))
	case kind == 2:
		value := fmt.Sprint(1000 + w.rand.IntN(2000))
		w.say("== tick-time=%s", value)
		w.must(w.m.SetConfig("pulsar", map[string]string{"tick-time": value}, nil))
	case kind == 3:
		value := fmt.Sprintf("numIOThreads=%d", w.rand.IntN(9))
		w.say("== broker-extra-config=%s", value)
		w.must(w.m.SetConfig("pulsar", map[string]string{"broker-extra-config": value}, nil))
	case kind == 4:
		w.say("== profile=huge")
		w.must(w.m.SetConfig("pulsar", map[string]string{"profile": "huge"}, nil))
	case kind == 5:
		w.must(w.m.SetConfig("pulsar", map[string]string{"profile": "testing"}, nil))
	case p == nil || p.fakes["broker"] == nil || w.m.Life(p.unit) == "dead":
	case kind == 6:
		container := containers[w.rand.IntN(2)]
		if _, runs := p.fakes[container].Process(container); runs {
			w.say("== %s of %s is killed", container, p.unit)
			w.must(p.fakes[container].Exit(container, 137))
		}
	case kind == 7:
		container := containers[w.rand.IntN(2)]
		w.say("== Pebble of %s in %s is killed", container, p.unit)
		w.reboot(p, container)
	case kind == 8:
		w.say("== pod of %s is replaced", p.unit)
		w.must(w.m.PodDown(p.unit))
		for _, fake := range p.fakes {
			fake.Kill()
			fake.Boot()
		}
		w.agentUp(p)
	case kind == 9:
		if w.m.Life(p.unit) == "alive" {
			w.say("== %s leads", p.unit)
			w.must(w.m.SetLeader("pulsar", p.unit))
		}
	}
}

// step lets one thing happen. It says false if nothing could.
func (w *world) step() bool {
	w.kubernetes()
	var can []func()
	for _, unit := range w.m.Ready() {
		can = append(can, func() { w.runHook(unit) })
	}
	for _, unit := range w.m.UnitsOf("pulsar") {
		p := w.pods[unit]
		if p == nil {
			continue
		}
		for _, container := range containers {
			if w.rand.IntN(4) == 0 {
				p.fakes[container].EndBackoff()
			}
		}
		if w.rand.IntN(4) == 0 && p.server && w.quorum() {
			p.writeMembership()
		}
		if w.rand.IntN(4) == 0 {
			w.must(w.m.RetryDue(unit))
		}
		if w.rand.IntN(3) == 0 {
			w.watch(p, false)
		}
	}
	if len(can) == 0 {
		return false
	}
	can[w.rand.IntN(len(can))]()
	return true
}

// rest lets everything happen that is due, and time pass in which watches
// repeat themselves, until nothing is due.
func (w *world) rest() {
	for range 60 {
		for steps := 0; w.step(); steps++ {
			if steps == 4000 {
				w.fail("hooks without end")
			}
		}
		due := false
		for _, unit := range w.m.UnitsOf("pulsar") {
			p := w.pods[unit]
			w.must(w.m.Poll(unit))
			w.must(w.m.RetryDue(unit))
			for _, fake := range p.fakes {
				due = len(fake.EndBackoff()) > 0 || due
			}
			if p.server && w.quorum() {
				p.writeMembership()
			}
			due = w.watch(p, true) || due
		}
		if !due && len(w.m.Ready()) == 0 {
			return
		}
	}
	w.fail("no rest")
}

// whole fails unless the cluster is what it should be.
func (w *world) whole() {
	w.t.Helper()
	units := w.m.UnitsOf("pulsar")
	scale := len(units)
	voters := min(scale, 5)
	if voters%2 == 0 {
		voters--
	}
	if got := len(w.members.Voters()); got != voters || len(w.members.Members) != scale {
		w.fail("%d voters of %d members with %d units", got, len(w.members.Members), scale)
	}
	want := ""
	for _, unit := range units {
		p := w.pods[unit]
		if status := w.m.WorkloadStatus(unit); status.Name != juju.Active {
			w.fail("%s is %s: %s", unit, status.Name, status.Message)
		}
		if p.mode() == "" || !p.healthy() {
			w.fail("%s is active: ZooKeeper %q, broker healthy %v", unit, p.mode(), p.healthy())
		}
		for container, fake := range p.fakes {
			process, _ := fake.Process(container)
			hash := process.Config.Environment["PULSAR_CHARMS_HASH"]
			plan, err := fake.Plan(context.Background())
			w.must(err)
			if now := plan.Services[container].Environment["PULSAR_CHARMS_HASH"]; now != hash {
				w.fail("%s of %s runs on %s, not on %s", container, unit, hash, now)
			}
		}
		quorum := map[int]int{1: 1, 2: 2, 3: 2, 4: 3, 5: 3}[len(w.m.UnitsOf("bookie"))]
		if p.brokerE != quorum {
			w.fail("broker of %s spreads ledgers over %d bookies of %d", unit, p.brokerE, len(w.m.UnitsOf("bookie")))
		}
	}
	for _, r := range w.m.Relations() {
		if r.Interface == "pulsar_client" {
			if bag := w.m.Databag(fmt.Sprintf("pulsar:%d", r.ID), "pulsar"); bag["ready"] != "true" || bag["service-url"] == want {
				w.fail("clients are offered %v", bag)
			}
		}
	}

	// Once more, and nothing is written.
	before := w.bags()
	for _, unit := range units {
		for _, fake := range w.pods[unit].fakes {
			fake.ResetCalls()
		}
		w.must(w.m.UpdateStatusDue(unit))
	}
	for steps := 0; w.step(); steps++ {
		if steps > 100 {
			w.fail("update-status brings hooks without end")
		}
	}
	for _, unit := range units {
		for container, fake := range w.pods[unit].fakes {
			if writes := fake.Writes(); len(writes) > 0 {
				w.fail("at rest %s wrote to container %s: %v", unit, container, writes)
			}
		}
	}
	if diff := cmp.Diff(before, w.bags()); diff != "" {
		w.fail("at rest databags changed (-before +after):\n%s", diff)
	}
}

func (w *world) bags() map[string]map[string]string {
	bags := map[string]map[string]string{}
	for _, r := range w.m.Relations() {
		endpoint := map[string]string{"zookeeper": "zookeeper", "pulsar_client": "pulsar", "pulsar_cluster": "cluster"}[r.Interface]
		for _, owner := range append(w.m.UnitsOf("pulsar"), "pulsar") {
			id := fmt.Sprintf("%s:%d", endpoint, r.ID)
			bags[id+" "+owner] = w.m.Databag(id, owner)
		}
	}
	return bags
}
