package model

var (
	none     = []string{}
	three    = start{real: []string{"pulsar/0", "pulsar/1", "pulsar/2"}, containers: []string{"workload"}}
	db       = func(units ...string) start { return start{db: append(none, units...)} }
	workload = []string{"workload"}
	both     = []string{"workload", "sidecar"}
	token    = map[string]string{"token": "1"}
	stored   = []string{"data/0", "log/1"}
)

const (
	appSecret = "9m4e2mr0ui3e8a215n4g"
	unitOne   = "9m4e2mr0ui3e8a215n50"
	consumed  = "9m4e2mr0ui3e8a215n5g"
)

// scenarios are the traces' inputs, one step for each, as calls of the model.
var scenarios = map[string][]func(r *replay){
	"01a-new-leader-no-relations": {start{storages: stored, containers: both}.play},
	"01b-new-leader-slow-hooks":   {start{storages: stored, containers: both}.play},
	"02a-new-non-leader-with-peers": {
		start{unit: "pulsar/2", leader: "pulsar/0", peers: []string{"pulsar/0", "pulsar/1"}, peerApp: token, containers: workload}.play,
	},
	"02b-three-units-at-once": {three.play},
	"03a-relation-added-units-one-by-one": {
		start{}.play, relate("db", "v=1", ""),
		enters("db/0"), set("db/0", "db", "k=1"),
		enters("db/1"), set("db/1", "db", "k=1"),
		enters("db/2"), set("db/2", "db", "k=1"),
	},
	"03b-relation-added-three-units-present": {start{}.play, relate("db", "v=1", "k=1", "db/0", "db/1", "db/2")},
	"04a-remote-writes-coalesce": {
		db("db/0", "db/1").play, tick,
		set("db/0", "db", "k=2"), set("db/0", "db", "k=3"), tick,
		set("db/0", "db", "k=4"), set("db", "db", "v=2"), set("db/1", "db", "k=4"), tick,
		set("db/0", "db", "k=5"), set("db/0", "db", "k=4"), set("db/0", "db", "k=4"),
	},
	"04b-remote-writes-while-idle": {
		db("db/0").play, all(set("db/0", "db", "k=2"), set("db", "db", "v=2")),
		set("db/0", "db", "k=3"), set("db/0", "db", "k=4"), set("db/0", "db", "k=5"), set("db/0", "db", "k=6"),
	},
	"05a-remote-unit-departs-then-relation-removed": {
		db("db/0", "db/1", "db/2").play, leaves("db/2"), gone("db/2"), unrelate("db"), gone("db/0", "db/1"),
	},
	"05b-remote-app-removed": {
		db("db/0", "db/1").play, func(r *replay) { r.ok(r.m.RemoveApplication("db", false)) }, gone("db/0", "db/1"),
	},
	"05e-agent-restart-during-relation-removal": {db("db/0", "db/1").play, unrelate("db"), freshPod(), freshPod()},
	"06a-unit-dying-leader": {
		start{unit: "pulsar/1", peers: []string{"pulsar/0"}, peerApp: token, db: []string{"db/0", "db/1"}, storages: stored, containers: workload}.play,
		func(r *replay) { r.ok(r.m.Scale("pulsar", 1)) },
	},
	"06c-unit-dying-seen-by-others": {three.play, func(r *replay) { r.ok(r.m.Scale("pulsar", 2)) }, nothing},
	"06d-application-removed": {
		start{peers: []string{"pulsar/1"}, db: []string{"db/0"}, storages: stored}.play,
		// The agent hears of the relations' end before its own: it runs one
		// departed before the storages.
		func(r *replay) {
			r.m.apps["pulsar"].Life = dying
			r.m.killRelation(r.relation("peers"))
			r.effects = func(_ *Context, h traceHook) {
				if h.N == 14 {
					r.ok(r.m.RemoveApplication("pulsar", false))
				}
			}
		},
	},
	"06e-unit-dying-before-start": {
		start{db: []string{"db/0"}, storages: stored, containers: workload}.play,
		func(r *replay) { r.ok(r.m.Scale("pulsar", 0)) },
	},
	"06f-after-agent-restart-dying-and-relation-removed": {
		start{peers: []string{"pulsar/1"}, db: []string{"db/0"}}.play,
		freshPod(), all(unrelate("db"), gone("db/0")), relate("zk", "v=1", "", "zk/0"), freshPod(), dies("pulsar/0"),
	},
	"07a-hook-fails-and-is-retried": {
		start{db: []string{"db/0"}, containers: workload}.play, set("db/0", "db", "k=2"),
		all(set("db/0", "db", "k=3"), set("db", "db", "v=2"), config("2"), enqueue("act-one"), tick, reboots("workload")),
	},
	"07b-hook-fails-resolved-no-retry": {
		start{db: none, noRetry: true}.play, enters("db/0", "k=1"), leaves("db/0"), resolved(false),
		enters("db/1", "k=1"), set("db/1", "db", "k=2"), set("db/1", "db", "k=3"), resolved(true),
	},
	"07d-failing-action": {db("db/0").play, enqueue("act-one"), enqueue("act-two"), enqueue("act-three")},
	"07e-hook-killed":    {db("db/0").play, set("db/0", "db", "k=2"), nothing},
	"08a-config-changes": {
		db("db/0").play, tick, config("2"), config("3"), config("4"), tick, config("5"), config("4"), config("6"), config("7"),
		func(r *replay) { r.ok(r.m.SetConfig("pulsar", map[string]string{"trust": "true"}, nil)) },
		func(r *replay) { r.ok(r.m.SetServiceAddress("pulsar", "10.1.0.99")) },
	},
	"09a-leader-change": {three.play, leader("pulsar/1"), leader("pulsar/0")},
	"09c-leader-lost-before-leader-elected-runs": {
		start{leader: "pulsar/1", peers: []string{"pulsar/1"}}.play, tick, leader("pulsar/0"), leader("pulsar/1"),
	},
	"09d-leadership-gained-with-storage-pending": {
		start{leader: "pulsar/1", peers: []string{"pulsar/1"}}.play, tick, all(leader("pulsar/0"), storage("data/9")), restart,
	},
	"10a-pod-replaced-idle": {
		start{peers: []string{"pulsar/1"}, peerApp: map[string]string{"t": "1"}, db: []string{"db/0", "db/1"}, storages: stored, containers: workload}.play,
		sigterm(), exited(freshPod()), sigterm(),
		exited(all(set("db/0", "db", "k=2"), leaves("db/1"), enters("db/2"), config("2"), enqueue("act-one"), storage("data/9"), relate("zk", "", "", "zk/0"))),
		freshPod(),
	},
	"10b-pod-lost-no-stop": {
		start{leader: "pulsar/1", peers: []string{"pulsar/1"}, db: []string{"db/0"}, containers: both}.play, down, freshPod(),
	},
	"10c-agent-restart-in-place": {
		start{peers: []string{"pulsar/1"}, db: []string{"db/0"}, containers: both}.play, restart,
		all(down, config("2"), set("db/0", "db", "k=2"), enqueue("act-one")), restart,
	},
	"10d-killed-in-mid-hook": {
		start{db: []string{"db/0"}, containers: workload}.play, set("db/0", "db", "k=10"), restart, set("db/0", "db", "k=11"),
		freshPod(), freshPod(), freshPod(), reboots("workload"), restart,
	},
	"10e-pod-replaced-while-in-error": {
		start{db: []string{"db/0"}, containers: workload, noRetry: true}.play, set("db/0", "db", "k=2"),
		sigterm(), exited(freshPod()), notResolvable,
	},
	"10f-pod-replaced-in-mid-install":     {start{containers: workload}.play, freshPod()},
	"10g-pod-replaced-mid-start-sequence": {start{}.play, freshPod(), freshPod()},
	"10i-pod-replaced-with-storage-waiting": {
		start{storages: stored, containers: workload}.play, sigterm(), exited(storage("data/9")), freshPod(),
	},
	"10k-first-hooks-fail": {start{db: []string{"db/0"}, dbBare: true, storages: []string{"data/0"}, containers: workload}.play},
	"11a-charm-refresh": {
		start{peers: []string{"pulsar/1"}, db: []string{"db/0"}, containers: workload}.play,
		refresh, set("db/0", "db", "k=2"), sigterm(), exited(freshPod()),
	},
	"11b-agent-of-other-revision": {start{containers: workload}.play, refresh, all(restart, exited(nothing))},
	"11c-refresh-while-in-error": {
		start{containers: workload, noRetry: true}.play, config("2"), refresh, sigterm(), exited(freshPod()), notResolvable,
	},
	"11e-refresh-while-in-error-pod-killed": {start{containers: workload}.play, config("2"), refresh, freshPod()},
	"12a-pebble-ready": {
		start{}.play, reboots("workload"), reboots("sidecar"), reboots("workload"),
		all(reboots("workload"), reboots("sidecar")), all(reboots("workload"), reboots("workload")),
		// The trace ends before the agent saw the container come back.
		func(r *replay) { r.ok(r.m.ContainerDown(r.unit, "workload")) },
	},
	"12b-pebble-ready-fails": {start{containers: workload}.play, reboots("workload"), config("2")},
	"12d-custom-notices": {
		start{containers: workload}.play, all(notice("1", "example.com/one"), notice("2", "example.com/two")),
		notice("1", "example.com/one"), restart, notice("3", "example.com/three"),
	},
	"13-update-status": {
		db("db/0").play, tick, set("db/0", "db", "k=2"), tick, set("db/0", "db", "k=3"), tick,
		all(set("db/0", "db", "k=4"), config("2")), tick, tick, tick, enqueue("act-one"), tick,
	},
	"14-actions-queued": {
		start{db: []string{"db/0"}, dbBare: true}.play, enqueue("act-three"), tick,
		all(config("2"), set("db/0", "db", "k=2"), storage("data/3")),
		all(enqueue("act-one"), enqueue("act-two"), enqueue("act-one")), enqueue("act-one"),
		all(config("3"), enqueue("act-two")), config("4"),
		func(r *replay) {
			r.ok(r.m.CancelAction(r.enqueue("act-one")))
			r.enqueue("act-two")
		},
	},
	"15a-secrets-owner": {
		start{}.play,
		func(r *replay) {
			r.secret(appSecret, "pulsar", "app-secret", 2)
			r.secret(unitOne, "pulsar/0", "", 1)
		},
		rotationDue(appSecret),
		func(r *replay) { r.ok(r.m.SecretExpire(appSecret, 2)) },
		obsolete(appSecret, 1), restart, rotationDue(unitOne),
		func(r *replay) { r.m.removeSecret(r.m.secrets[unitOne], 0) },
		rotationDue(appSecret),
	},
	"15b-secrets-owner-not-leader": {
		start{leader: "pulsar/1", peers: []string{"pulsar/1"}}.play,
		func(r *replay) {
			r.secret(appSecret, "pulsar", "app-secret", 3)
			r.secret(unitOne, "pulsar/0", "mine", 1)
		},
		rotationDue(unitOne), obsolete(appSecret, 1), leader("pulsar/0"), obsolete(appSecret, 2),
	},
	"16a-everything-at-once-alive": {
		start{leader: "pulsar/1", peers: []string{"pulsar/1"}, db: []string{"db/0", "db/1"}, storages: stored, containers: workload}.play,
		func(r *replay) {
			r.secret(unitOne, "pulsar/0", "mine", 2)
			r.secret(consumed, "db", "", 1).Consumers = map[string]*consumer{"pulsar/0": {Current: 1, Label: "u"}}
		},
		tick,
		all(
			obsolete(unitOne, 1), leader("pulsar/0"), config("2"), relate("zk", "v=1", "k=1", "zk/0"),
			leaves("db/0"), enters("db/2"), set("db/1", "db", "k=2"), set("db", "db", "v=2"),
			enters("pulsar/2"), set("pulsar/1", "peers", "addr=2"), enqueue("act-one"),
			func(r *replay) { r.m.revise(r.m.secrets[consumed], map[string]string{"key": "2"}) },
			rotationDue(unitOne), func(r *replay) { r.ok(r.m.SecretExpire(unitOne, 2)) },
			storage("data/5"), func(r *replay) { r.ok(r.m.DetachStorage("pulsar/0", "log/1")) },
			reboots("workload"), notice("9", "example.com/x"), tick,
		),
	},
	"16b-everything-at-once-first-start": {
		all(start{
			unit: "pulsar/2", leader: "pulsar/0", peers: []string{"pulsar/0", "pulsar/1"}, noAddr: true,
			peerApp: map[string]string{"t": "1"}, db: []string{"db/0"}, dbBare: true, dbApp: map[string]string{"v": "1"},
			zk: []string{"zk/0"}, storages: []string{"data/0"}, containers: both,
			before: enqueue("act-one"),
		}.play, notice("1", "example.com/x")),
	},
	"17-dying-while-hook-fails": {
		start{peers: []string{"pulsar/1"}, db: []string{"db/0"}, storages: stored, containers: workload, noRetry: true}.play,
		config("2"), dies("pulsar/0"), enqueue("act-one"), resolved(false),
	},
	"18-same-name-unit-again": {
		func(r *replay) {
			r.effects = func(c *Context, h traceHook) {
				if h.Hook == "peers-relation-created" {
					r.run(c, "relation-set", "addr=of-"+c.Unit())
				}
			}
			// pulsar/1's created ends only after pulsar/0 has run its changed.
			r.held[32] = 33
			start{real: []string{"pulsar/0", "pulsar/1"}, containers: workload}.play(r)
		},
		relate("db", "", "", "db/0"),
		func(r *replay) { r.ok(r.m.Scale("pulsar", 1)) },
		nothing,
		func(r *replay) {
			r.ok(r.m.Scale("pulsar", 2))
			freshPod("pulsar/1")(r)
		},
	},
	"19-two-relations-at-once": {
		start{}.play, all(relate("db", "v=1", "k=1", "db/0", "db/1"), relate("zk", "v=1", "k=1", "zk/0", "zk/1")),
	},
	"20a-joined-fails-and-remote-leaves": {start{db: none}.play, enters("db/0", "k=1"), leaves("db/0")},
	"20c-created-fails-and-relation-removed": {
		start{}.play, relate("db", "", "", "db/0"), all(unrelate("db"), gone("db/0")),
	},
	"20d-relation-short-lived": {
		start{}.play, tick, relate("db", "", "", "db/0"), all(unrelate("db"), gone("db/0")),
		relate("zk", "", "", "zk/0"), all(unrelate("zk"), gone("zk/0")),
	},
	"21a-pod-replaced-seen-by-others": {
		three.play, sigterm("pulsar/1"), freshPod("pulsar/1"),
		func(r *replay) { r.ok(r.m.PodDown("pulsar/0")) }, leader("pulsar/1"), freshPod("pulsar/0"),
	},
	"23-leader-writes-in-every-peer-changed": {start{peers: none}.play},
}

func rotationDue(id string) func(r *replay) {
	return func(r *replay) { r.ok(r.m.SecretRotationDue(id)) }
}

func obsolete(id string, number int) func(r *replay) {
	return func(r *replay) {
		s := r.m.secrets[id]
		r.m.markObsolete(s, s.revision(number))
	}
}
