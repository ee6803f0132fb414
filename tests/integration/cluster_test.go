// Package integration holds the tests of whole clusters: the packed charms,
// deployed through the command line, with real ZooKeeper, BookKeeper and
// Pulsar. They run on charmlab, or on a real Juju with JUJU=juju set and a
// model on microk8s selected.
package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestCluster is one cluster's life. The steps build on each other: a cluster
// takes half a minute to start, and its faults are to be survived in sequence.
func TestCluster(t *testing.T) {
	j := newModel(t, "cluster")
	j.deploy("pulsar", 3)
	j.deploy("bookie", 3)
	j.deploy("pulsar-client-dummy", 1)
	j.run("integrate", "bookie", "pulsar")
	j.run("integrate", "pulsar-client-dummy", "pulsar")
	all := map[string]int{"pulsar": 3, "bookie": 3, "pulsar-client-dummy": 1}
	j.waitActive(5*time.Minute, all)

	ok := t.Run("messages", func(t *testing.T) {
		j := j.with(t)
		produced := j.action("pulsar-client-dummy/0", "produce", "count=1000")
		if produced["acked"] != "1000" {
			t.Errorf("produce: got %v", produced)
		}
		j.lossless(1000)
	})
	ok = ok && t.Run("nothing changes when nothing changes", func(t *testing.T) {
		j := j.with(t)
		before := j.logLength()
		time.Sleep(3 * time.Second) // a span in which nothing may happen, not a wait for something
		if after := j.logLength(); after != before {
			t.Errorf("hooks ran in an idle model: the log grew from %d to %d lines\n%s", before, after, j.logTail(20))
		}
	})
	ok = ok && t.Run("wrong input", func(t *testing.T) { wrongInput(t, j.with(t)) })
	if !ok {
		return
	}

	j.run("run", "pulsar-client-dummy/0", "start-continuous-writes")
	t.Run("scale", func(t *testing.T) {
		j := j.with(t)
		members := j.zookeepers()
		started := j.zookeeperStarts()
		j.run("scale-application", "pulsar", "5")
		j.run("scale-application", "bookie", "5")
		j.waitActive(5*time.Minute, map[string]int{"pulsar": 5, "bookie": 5, "pulsar-client-dummy": 1})
		if got := j.zookeepers(); got != 5 {
			t.Errorf("ZooKeeper has %d voters after scaling to 5 (had %d)", got, members)
		}
		j.newBookiesTakeLedgers()
		j.run("scale-application", "pulsar", "3")
		j.waitActive(5*time.Minute, map[string]int{"pulsar": 3, "bookie": 5, "pulsar-client-dummy": 1})
		if got := j.zookeepers(); got != 3 {
			t.Errorf("ZooKeeper has %d voters after scaling back to 3", got)
		}
		after := j.zookeeperStarts()
		for unit, since := range started {
			if after[unit] != since {
				t.Errorf("ZooKeeper of %s was restarted while others came and went: %s, then %s", unit, since, after[unit])
			}
		}
		j.lossless(1)
	})
	all["bookie"] = 5
	ok = t.Run("roll", func(t *testing.T) { roll(j.with(t), all) })
	for _, fault := range faults {
		// A cluster that has not recovered from one fault tells nothing of the next.
		ok = ok && t.Run(fault.name, func(t *testing.T) {
			j := j.with(t)
			fault.inject(j)
			j.recovers(all)
		})
	}
	t.Run("no message was lost", func(t *testing.T) {
		j := j.with(t)
		j.run("run", "pulsar-client-dummy/0", "stop-continuous-writes")
		j.lossless(1000)
	})
	t.Run("nothing is left behind", func(t *testing.T) { nothingLeft(t, j.with(t)) })
}

// roll changes an option that only brokers run on, and then the charms: every
// unit is touched, one after the other, while messages flow.
func roll(j *juju, all map[string]int) {
	units := []string{"pulsar/0", "pulsar/1", "pulsar/2"}
	zookeepers, brokers := j.zookeeperStarts(), j.starts("broker", "PulsarBrokerStarter", units...)
	j.run("config", "pulsar", "broker-heap-size=300m")
	j.recovers(all)
	if diff := cmp.Diff(zookeepers, j.zookeeperStarts()); diff != "" {
		j.t.Errorf("ZooKeeper restarted for an option of the broker (-before +after):\n%s", diff)
	}
	for unit, now := range j.starts("broker", "PulsarBrokerStarter", units...) {
		if now == brokers[unit] {
			j.t.Errorf("the broker of %s does not run on the new option", unit)
		}
	}
	addresses := j.addresses()
	j.run("refresh", "pulsar", "--path", packed("pulsar"))
	j.run("refresh", "bookie", "--path", packed("bookie"))
	j.waitFor(5*time.Minute, "every pod is replaced", func(status) bool {
		for unit, address := range j.addresses() {
			if address == addresses[unit] && !strings.HasPrefix(unit, "pulsar-client-dummy/") {
				return false
			}
		}
		return true
	})
	j.recovers(all)
	j.lossless(1)
}

// addresses are the pods' addresses by unit.
func (j *juju) addresses() map[string]string {
	j.t.Helper()
	addresses := map[string]string{}
	for _, app := range j.status().Applications {
		for unit, u := range app.Units {
			addresses[unit] = u.Address
		}
	}
	return addresses
}

// TestOrders deploys and integrates one unit each in different orders. All
// must end in the same cluster.
func TestOrders(t *testing.T) {
	pulsar := func(j *juju) { j.deploy("pulsar", 1) }
	bookie := func(j *juju) { j.deploy("bookie", 1) }
	client := func(j *juju) { j.deploy("pulsar-client-dummy", 1) }
	zookeeper := func(j *juju) { j.run("integrate", "bookie", "pulsar") }
	service := func(j *juju) { j.run("integrate", "pulsar", "pulsar-client-dummy") }
	settled := func(app, current string) func(*juju) {
		return func(j *juju) {
			j.waitFor(3*time.Minute, app+" is "+current, func(s status) bool {
				for _, u := range s.Applications[app].Units {
					if u.Workload.Current != current || u.Agent.Current != "idle" {
						return false
					}
				}
				return len(s.Applications[app].Units) > 0
			})
		}
	}
	for name, steps := range map[string][]func(*juju){
		"client first, relations last": {client, bookie, pulsar, service, zookeeper},
		"each settles before the next": {
			bookie, settled("bookie", "blocked"), client, settled("pulsar-client-dummy", "blocked"),
			pulsar, settled("pulsar", "blocked"), service, settled("pulsar-client-dummy", "waiting"), zookeeper,
		},
		"pulsar and client related before there is a bookie": {pulsar, client, service, settled("pulsar", "blocked"), bookie, zookeeper},
	} {
		t.Run(name, func(t *testing.T) {
			j := newModel(t, "orders")
			for _, step := range steps {
				step(j)
			}
			j.waitActive(3*time.Minute, map[string]int{"pulsar": 1, "bookie": 1, "pulsar-client-dummy": 1})
			j.action("pulsar-client-dummy/0", "produce", "count=100")
			j.lossless(100)
		})
	}
}

// lossless runs the check action and requires that nothing acknowledged was
// lost and that at least so many messages were received.
func (j *juju) lossless(atLeast int) {
	j.t.Helper()
	results := j.action("pulsar-client-dummy/0", "check")
	received, err := strconv.Atoi(results["received"])
	if err != nil || received < atLeast || results["lost"] != "0" {
		j.t.Errorf("check: want lost=0 and received ≥ %d, got %v", atLeast, results)
	}
	j.t.Logf("check: %v", results)
}

// wrongInput gives the model what a person may mistype and reads the answer.
func wrongInput(t *testing.T, j *juju) {
	blocked := func(app, option, value string, want ...string) {
		t.Helper()
		j.run("config", app, option+"="+value)
		j.waitFor(time.Minute, fmt.Sprintf("%s says what is wrong with %s", app, option), func(s status) bool {
			for _, u := range s.Applications[app].Units {
				if u.Workload.Current != "blocked" {
					return false
				}
				for _, part := range want {
					if !strings.Contains(u.Workload.Message, part) {
						return false
					}
				}
			}
			return len(s.Applications[app].Units) > 0
		})
	}
	blocked("bookie", "profile", "huge", "profile", "production", "testing")
	j.run("config", "bookie", "profile=testing")
	blocked("bookie", "extra-config", "journalSyncData", "extra-config")
	blocked("bookie", "extra-config", "bookiePort=1", "extra-config", "bookiePort")
	j.run("config", "bookie", "--reset", "extra-config")
	j.waitActive(time.Minute, map[string]int{"pulsar": 3, "bookie": 3, "pulsar-client-dummy": 1})

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"config", "bookie", "no-such-option=1"}, "no-such-option"},
		{[]string{"run", "pulsar-client-dummy/0", "produce", "count=-1"}, "count"},
		{[]string{"run", "pulsar-client-dummy/0", "no-such-action"}, "no-such-action"},
		{[]string{"run", "nobody/0", "check"}, "nobody"},
		{[]string{"integrate", "bookie", "pulsar"}, "already exists"},
		{[]string{"integrate", "bookie", "nobody"}, "nobody"},
		{[]string{"scale-application", "nobody", "3"}, "nobody"},
		{[]string{"deploy", "no-such.charm"}, "no-such.charm"},
	} {
		if got := j.fails(c.args...); !strings.Contains(got, c.want) {
			t.Errorf("%s: the error does not name %q: %s", strings.Join(c.args, " "), c.want, got)
		}
	}
}
