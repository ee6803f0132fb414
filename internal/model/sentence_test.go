package model

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSentences reads sentences as a recorder would say them, beside those of
// the traces at hand.
func TestSentences(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"remote leader writes app data v=1 again (no change)",
		"remote app data v=2 written",
		"remote leader removes v from app data",
		"remote leader removes the key v: app data empty",
		"remote leader deletes v from the app bag",
		"remote leader empties its app data",
		"db app data emptied",
		"remote app bag is emptied",
		"app data becomes empty",
		"app data removed again",
		"relation db added, remote app data empty, db/0 in scope",
		"relation db added without app data, db/0 enters",
		"relation db added with db/0 and db/1 in scope, each k=1",
		"db/0 writes k=2 and back to k=1",
		"db/0 writes k=2 and reverts to k=1",
		"db/0 writes k=2, then k=1 again (revert)",
		"db/0 writes k=2 and app data v=2",
		"remote leader writes app data v=2 and db/0 writes k=2",
		"db/0 writes k=2; remote leader writes app data v=2; config a=2",
		"db/0 removes key k",
		"db/0 leaves and a new unit db/0 enters (k=9)",
		"db/0 leaves, another db/0 enters with k=9",
		"db/0 departs and then db/0 is gone; new db/0 enters, k=new",
		"db/0 is replaced by a new unit of the same name",
		"db/0 is removed and a new db/0 enters with k=9",
		"unit pulsar/0 set dying; action act-one queued; workload container restarts; storage data/5 attached; secret rotation due; update-status timer fires",
		"all at once: unit dying; config a=2; action; db/0 writes; update-status tick",
		"while in error: leadership moves to pulsar/0, storage data/9 attached, db/0 writes k=3, workload container restarts, update-status timer fires, relation zk added with zk/0",
		"while in error: pulsar/0 becomes leader, then action act-one queued",
		"leadership moves to pulsar/1 before the hook ends",
		"leadership moves pulsar/0 -> pulsar/1 while the hook runs",
		"leadership lost to pulsar/1",
		"leadership moves to pulsar/1 and back to pulsar/0",
		"leadership moves pulsar/0 -> pulsar/1 -> pulsar/0",
		"pulsar/0 becomes leader again",
		"leadership gained and lost again",
		"lease of pulsar/0 ends: pulsar/1 is leader",
		"pod deleted: SIGTERM in the middle of the hook; meanwhile db/0 writes k=2, action act-one queued, relation zk added with zk/0",
		"SIGTERM while the hook runs",
		"pod of pulsar/0 deleted: SIGTERM, unit will restart",
		"new pod, empty local directory, containers up",
		"charm container restarts in place",
		"charm container restarts; meanwhile relation zk added with zk/0",
		"agent killed while it is in error; new pod",
		"agent killed in mid start; in place",
		"pod replaced (killed, new pod)",
		"node lost, new pod",
		"juju resolved --no-retry (install)",
		"install fails; juju resolved --no-retry",
		"each failed hook is resolved with --no-retry",
		"juju refresh (revision 2, CharmModifiedVersion 2); rolling update reaches the pod in mid-hook: SIGTERM",
		"action act-one queued while stop runs",
		"actions act-one and act-two queued",
		"container workload restarts; its pebble-ready fails three times",
		"container workload restarts, pebble-ready fails",
		"juju resolved (nothing to resolve)",
		"consumed secret 9m4e2mr0ui3e8a215n5g (label u), revision 1",
		"secret 9m4e2mr0ui3e8a215n5g of db is consumed with label u",
		"unit reads secret 9m4e2mr0ui3e8a215n5g of db (revision 1, label u)",
		"owner makes revision 2",
		"owner makes revisions 3 and 4",
		"secret 9m4e2mr0ui3e8a215n5g gets revision 2",
		"revision 2 of secret 9m4e2mr0ui3e8a215n5g",
		"revisions 3, 4 of 9m4e2mr0ui3e8a215n5g created",
		"while down: revision 5 of the secret",
		"while the agent is down: revision 4 made",
		"secret 9m4e2mr0ui3e8a215n5g removed by its owner",
		"pulsar/0 (leader) set dying (scale 1 -> 0)",
		"pulsar/1 set dying; leadership moves to pulsar/0",
		"application db removed (remove-application)",
		"remove-application --force pulsar",
		"unit pulsar/1 added (scale 1 -> 2), pod starts",
		"scale 1 -> 2: new unit pulsar/1, new pod",
		"scale up to 3",
		"relation db removed while db/0 is joining",
		"relation db between pulsar and db added",
		"relation db:clients added",
		"juju integrate pulsar db",
		"notice 1 example.com/one occurs twice",
		"custom notice 4 example.com/four",
		"storage data/9 is being detached",
		"update-status timer fires twice",
		"nothing happens",
		"leader pulsar/1 set dying (scale 2 -> 1)",
		"the leader pulsar/1 is scaled down",
		"pulsar/1 is dead and gone",
		"pod killed (node loss)",
		"agent killed (SIGKILL)",
		"pod gets SIGTERM in mid-hook",
		"unit pulsar/0 set dying while config-changed fails",
		"config-changed fails again (automatic retry off)",
		"juju refresh; old pod in error",
		"relation db added (db/0, db/1; app data v=1)",
		"db/0 leaves and comes back",
		"db/0 leaves and enters again",
		"db/0 leaves, comes back under the same name with k=9",
		"a second relation zk added with zk/0",
		"secret 9m4e2mr0ui3e8a215n5g: revision 2",
		"pulsar/0 loses the lease to pulsar/1",
		"lease moves to pulsar/1",
		"new pods of pulsar/0 and pulsar/1",
		"remote leader writes app data v=2 twice",
		"db/0 writes k=2, k=3, k=4 in quick succession",
		"db/0 and db/1 write k=2",
		"remote app bag emptied in one commit",
		"both remote units leave",
		"pulsar/0 is elected leader",
		"pulsar/0 is leader again; storage data/9 attached",
		"container workload restarts; pebble-ready fails twice",
		"all containers restart",
		"storage data/9 provisioned meanwhile",
		"unit gets storage data/9",
		"own application secret 9m4e2mr0ui3e8a215n4g, label app-secret",
		"action act-one, act-two queued",
		"three actions queued",
		"secret 9m4e2mr0ui3e8a215n5g of db, label u, latest revision 1",
		"secret 9m4e2mr0ui3e8a215n5g owned by db is granted and read",
		"leadership gained, then lost, while the hook runs",
		"leadership moves to pulsar/0 when pulsar/1 is dead",
		"pulsar/1 removed from the model, lease to pulsar/0",
		"the lease of the dead leader ends, pulsar/0 becomes leader",
		"every failed hook: juju resolved --no-retry",
		"juju resolved --no-retry after each failure",
		"juju refresh; rolling update reaches the pod while actions are queued",
		"new pod; each hook fails once",
		"two more revisions 3 and 4 while the hook runs",
		"agent killed, revision 5 created, agent started again",
		"relation pulsar:db - db:clients added",
		"relation db added between the two applications",
		"workload and sidecar restart",
		"three update-status ticks",
		"juju scale-application pulsar 1",
		"juju remove-application pulsar",
	} {
		s := &sentence{replay: &replay{trace: &trace{}}, said: text}
		for _, clause := range clauses(text) {
			if _, ok := s.parse(clause); !ok {
				t.Errorf("cannot read %q of %q", clause, text)
			}
		}
	}
	for _, text := range []string{"the moon rises", "db/0 sings k=2", "config", "pod pulsar/0"} {
		s := &sentence{replay: &replay{trace: &trace{}}}
		if _, ok := s.parse(text); ok {
			t.Errorf("%q was read", text)
		}
	}
}

// TestBeginnings reads first sentences as a recorder would say them.
func TestBeginnings(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]beginning{
		"unit pulsar/0 created (leader), relation db with db/0 and db/1, storage data/0; agent starts":                                                                       {unit: "pulsar/0", leader: "pulsar/0", storages: []string{"data/0"}},
		"application pulsar deployed with 2 units at once, leader pulsar/0, peer relation true; application db deployed with 2 units at once, leader db/0; all agents start": {unit: "pulsar/0", leader: "pulsar/0", other: "db/0", units: 2, peer: true},
		"applications pulsar and db deployed with 2 units each, leaders pulsar/0 and db/0, relation db between them; all agents start":                                       {unit: "pulsar/0", leader: "pulsar/0", other: "db/0", units: 2},
		"unit pulsar/1 created, leader is pulsar/1, peer relation with members [pulsar/0 pulsar/2], peer app data map[token:1]; agent starts":                                {unit: "pulsar/1", leader: "pulsar/1", peer: true, peers: []string{"pulsar/0", "pulsar/2"}, peerApp: map[string]string{"token": "1"}},
		"unit pulsar/2 created; peers pulsar/0 (leader), pulsar/1 with app data; db with db/0, app data; containers up; agent starts":                                        {unit: "pulsar/2", leader: "pulsar/0", peer: true, peers: []string{"pulsar/0", "pulsar/1"}},
	} {
		got, rest := openingOf(text)
		if len(rest) > 0 {
			t.Errorf("of %q is not read: %q", text, rest)
		}
		got.relations = nil
		if diff := cmp.Diff(want, *got, cmp.AllowUnexported(beginning{}, related{})); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}
