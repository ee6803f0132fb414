package broker

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// The name is the operator's until metadata of it may have been written, and
// then ZooKeeper's; of one that is not sure nothing is written.
func TestName(t *testing.T) {
	t.Parallel()
	const complete = true
	begun := cluster{Name: "old", Initialising: true}
	for _, test := range []struct {
		name     string
		last     cluster
		option   string
		away     bool // ZooKeeper could not be asked
		clusters []string
		complete bool
		want     cluster
		step     bool // once it is committed
	}{
		{"the application's", cluster{}, "", false, nil, false, cluster{Name: "pulsar", Initialising: true}, true},
		{"the option's", cluster{}, "own", false, nil, false, cluster{Name: "own", Initialising: true}, true},
		{"another option before anything was written", cluster{Name: "old"}, "own", false, nil, false, cluster{Name: "own", Initialising: true}, true},
		{"nobody to ask", cluster{Name: "old"}, "own", true, nil, false, cluster{Name: "own"}, false},
		{"another option when it may have been", begun, "own", false, nil, false, begun, true},
		{"nobody to ask then", begun, "own", true, nil, false, begun, false},
		{"half of it is there", begun, "own", false, []string{"old"}, false, begun, true},
		{"all of it", begun, "own", false, []string{"old"}, complete, cluster{Name: "old", Initialised: true}, false},
		{"ZooKeeper has another one", cluster{}, "own", false, []string{"other"}, complete, cluster{Name: "other", Initialised: true}, false},
		{"and half of it", begun, "own", false, []string{"other"}, false, cluster{Name: "other", Initialising: true}, true},
		{"one of several", begun, "own", false, []string{"other", "own"}, complete, cluster{Name: "own", Initialised: true}, false},
		{"none of several", cluster{}, "own", false, []string{"a", "b"}, complete, cluster{Name: "own"}, false},
		{"it has been initialised", cluster{Name: "old", Initialised: true}, "own", true, nil, false, cluster{Name: "old", Initialised: true}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := settled()
			s.Leader, s.Peers, s.Options.ClusterName = true, related(nil, test.last), test.option
			s.Metadata = metadata{Asked: !test.away, Clusters: test.clusters, Complete: test.complete}
			got, _ := decide(s)
			test.want.Quorum = got.Quorum
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
			s.Peers = related(nil, got)
			if steps := plan(s).Steps; (len(steps) > 0) != test.step {
				t.Errorf("steps are %v, want one: %v", steps, test.step)
			}
			s.Dying = true
			if steps := plan(s).Steps; len(steps) > 0 {
				t.Errorf("a unit that goes has steps: %v", steps)
			}
		})
	}
}

// The metadata are initialised in the hook after all can read of which cluster,
// once, and again only if the command may not have come to its end.
func TestInitialise(t *testing.T) {
	t.Parallel()
	juju := opstest.Load(t, alone)
	const initialised, failed = "initialised", "failed"
	for _, test := range []struct {
		name   string
		before cloud
		// run is what the command does.
		run  func(*cloud) pebble.ExecResult
		runs int
		want string
	}{
		{"well", cloud{}, func(c *cloud) pebble.ExecResult {
			c.clusters = []string{"broker", "global"}
			return pebble.ExecResult{}
		}, 1, initialised},
		{"half of it was there", cloud{clusters: []string{"broker"}}, func(c *cloud) pebble.ExecResult { c.complete = true; return pebble.ExecResult{} }, 1, initialised},
		{"all of it was there", cloud{clusters: []string{"broker"}, complete: true}, nil, 0, initialised},
		{"it fails", cloud{}, func(*cloud) pebble.ExecResult { return pebble.ExecResult{ExitCode: 1, Stderr: []byte("no")} }, 1, failed},
		{"it does nothing", cloud{}, func(*cloud) pebble.ExecResult { return pebble.ExecResult{} }, 1, failed},
		{"ZooKeeper does not answer", cloud{away: errors.New("away")}, nil, 0, failed},
		{"nor afterwards", cloud{}, func(c *cloud) pebble.ExecResult { c.away = errors.New("away"); return pebble.ExecResult{} }, 1, failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			world := test.before
			charm := &Charm{Metadata: &world, Admin: &world}
			fake := pebbletest.NewFake(pebbletest.Options{})
			var names []string
			fake.HandleExec("/pulsar/bin/pulsar", func(_ context.Context, command pebble.Command) (pebble.ExecResult, error) {
				names = append(names, command.Args[slices.Index(command.Args, "--cluster")+1])
				return test.run(&world), nil
			})
			now := opstest.State{Leader: true, Relations: []opstest.Relation{offer(), bookies()}, Containers: map[string]opstest.Container{"broker": {Pebble: fake}}}
			now = juju.Run(t, charm, now, opstest.PebbleReady("broker")).State
			if len(names) > 0 {
				t.Errorf("the command runs before the others know of it: %v", names)
			}
			now = juju.Run(t, charm, now, opstest.RelationAppChanged("cluster")).State
			if len(names) != test.runs || slices.ContainsFunc(names, func(name string) bool { return name != "broker" }) {
				t.Errorf("clusters are initialised: %v", names)
			}
			if got := now.Status == initialisingFailed; got != (test.want == failed) {
				t.Errorf("status is %v", now.Status)
			}
			for _, relation := range now.Relations {
				if got := relation.LocalApp["metadata-initialised"] == "true"; relation.Endpoint == "cluster" && got != (test.want == initialised) {
					t.Errorf("databag is %v", relation.LocalApp)
				}
			}
		})
	}
}
