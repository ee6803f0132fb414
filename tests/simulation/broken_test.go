package simulation

import (
	"context"
	"errors"
	"flag"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/pulsar-charms/pulsar-charms/charms/pulsar"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// broken is a charm with a mistake.
type broken struct {
	charm   ops.Charm
	mistake func(ctx context.Context, u *ops.Unit, charm ops.Charm) error
}

func (b broken) Reconcile(ctx context.Context, u *ops.Unit) error {
	return b.mistake(ctx, u, b.charm)
}

// of breaks the charm of that name.
func of(name string, mistake func(ctx context.Context, u *ops.Unit, charm ops.Charm) error) func(string, ops.Charm) ops.Charm {
	return func(charm string, original ops.Charm) ops.Charm {
		if charm != name {
			return original
		}
		return broken{original, mistake}
	}
}

// early starts a service as soon as there is a container.
func early(service string) func(context.Context, *ops.Unit, ops.Charm) error {
	return func(ctx context.Context, u *ops.Unit, charm ops.Charm) error {
		if u.Hook() == (juju.Hook{Kind: juju.PebbleReady, Name: service}) {
			c := u.Container(service)
			_ = c.AddLayer(ctx, "early", pebble.Layer{Services: map[string]pebble.Service{service: {Command: "sleep", Startup: "enabled"}}})
			_ = c.Start(ctx, service)
		}
		return charm.Reconcile(ctx, u)
	}
}

// liar is a ZooKeeper that tells the charm lies.
type liar struct {
	pulsar.Ensemble
	decide   func(zk.Change) zk.Change
	exist    func(bool) bool
	children func([]string) []string
	serves   bool
}

func (l liar) Server(ctx context.Context, address string) (zk.Server, error) {
	server, err := l.Ensemble.Server(ctx, address)
	if l.serves && !strings.HasPrefix(address, "127.") {
		err = nil
	}
	return server, err
}

func (l liar) Reconfigure(ctx context.Context, servers []string, password string, decide func(zk.Config) zk.Change) (zk.Config, error) {
	return l.Ensemble.Reconfigure(ctx, servers, password, func(c zk.Config) zk.Change {
		if l.decide == nil {
			return decide(c)
		}
		return l.decide(decide(c))
	})
}

func (l liar) Exist(ctx context.Context, servers []string, paths ...string) (bool, error) {
	exist, err := l.Ensemble.Exist(ctx, servers, paths...)
	if l.exist != nil {
		exist = l.exist(exist)
	}
	return exist, err
}

func (l liar) Children(ctx context.Context, servers []string, path string) ([]string, error) {
	names, err := l.Ensemble.Children(ctx, servers, path)
	if l.children != nil {
		names = l.children(names)
	}
	return names, err
}

func lies(l liar) func(string, ops.Charm) ops.Charm {
	return func(_ string, original ops.Charm) ops.Charm {
		if charm, ok := original.(*pulsar.Charm); ok {
			l.Ensemble = charm.ZooKeeper
			return &pulsar.Charm{ZooKeeper: l, Admin: charm.Admin}
		}
		return original
	}
}

// both make two mistakes, the second around the first.
func both(first, second func(string, ops.Charm) ops.Charm) func(string, ops.Charm) ops.Charm {
	return func(name string, charm ops.Charm) ops.Charm { return second(name, first(name, charm)) }
}

// mistakes are charms broken on purpose, and what the simulator says.
var mistakes = []struct {
	name  string
	charm func(string, ops.Charm) ops.Charm
	want  string
}{
	{"a hook fails", of(pulsarApp, func(ctx context.Context, u *ops.Unit, charm ops.Charm) error {
		if u.Hook().Kind == juju.UpgradeCharm {
			return errors.New("on purpose")
		}
		return charm.Reconcile(ctx, u)
	}), "fails: on purpose"},
	{"a secret is shown", of(pulsarApp, func(ctx context.Context, u *ops.Unit, charm ops.Charm) error {
		err := charm.Reconcile(ctx, u)
		if leader, _ := u.Leader(ctx); leader && err == nil && u.Hook().Kind == juju.LeaderElected {
			password := ops.GeneratePassword()
			_, err = u.AddAppSecret(ctx, "shown", map[string]ops.Secret{"password": password})
			u.AddStatus(ops.Blocked("the password is " + password.Reveal()))
		}
		return err
	}), "the value of a secret is in"},
	{"a databag flaps", of(bookieApp, func(ctx context.Context, u *ops.Unit, charm ops.Charm) error {
		if err := charm.Reconcile(ctx, u); err != nil || u.Hook().Kind != juju.RelationChanged {
			return err
		}
		ids, err := u.Tools().RelationIDs(ctx, "cluster")
		if err != nil || len(ids) == 0 {
			return err
		}
		return u.Tools().RelationSet(ctx, ids[0], false, map[string]string{"now": time.Now().String()})
	}), "changes again and again without a cause"},
	{"a quiet hook writes", of(clientApp, func(ctx context.Context, u *ops.Unit, charm ops.Charm) error {
		if err := charm.Reconcile(ctx, u); err != nil || u.Hook().Kind != juju.UpdateStatus {
			return err
		}
		return u.Tools().StateSet(ctx, map[string]string{"seen": "update-status"})
	}), "writes after all was well"},
	{"a waker is not heard", of(bookieApp, func(ctx context.Context, u *ops.Unit, charm ops.Charm) error {
		if u.Hook().Kind == juju.PebbleCustomNotice {
			return nil
		}
		return charm.Reconcile(ctx, u)
	}), "no rest after"},
	{"all restart at once", of(bookieApp, func(ctx context.Context, u *ops.Unit, charm ops.Charm) error {
		if u.Hook().Kind == juju.ConfigChanged {
			_ = u.Container("bookie").Restart(ctx, "bookie")
		}
		return charm.Reconcile(ctx, u)
	}), "is still down for its own restart"},
	{"a volume is cleaned", of(bookieApp, func(ctx context.Context, u *ops.Unit, charm ops.Charm) error {
		if u.Hook().Kind == juju.UpgradeCharm {
			_ = u.Container("bookie").Remove(ctx, "/pulsar/data/bookkeeper/journal/current")
		}
		return charm.Reconcile(ctx, u)
	}), "touches data"},
	{"a bookie starts early", of(bookieApp, early("bookie")), "is started before the metadata are initialised"},
	{"a broker starts early", of(pulsarApp, early("broker")), "is started for cluster"},
	{"a voter just goes", both(lies(liar{decide: func(change zk.Change) zk.Change {
		change.Leaving = nil
		return change
	}}), of(pulsarApp, func(ctx context.Context, u *ops.Unit, charm ops.Charm) error {
		if goal, err := u.Goal(ctx); err != nil || goal.Dying {
			return err
		}
		return charm.Reconcile(ctx, u)
	})), "is gone and still votes"},
	{"a change leaves an even vote", lies(liar{decide: func(change zk.Change) zk.Change {
		if len(change.Joining) == 2 {
			change.Joining = change.Joining[:1]
		}
		return change
	}}), "voters: "},
	{"metadata are initialised again", lies(liar{exist: func(bool) bool { return false }}), "again"},
	{"metadata of a second cluster", lies(liar{children: func(names []string) []string {
		if len(names) > 0 {
			return []string{"second"}
		}
		return nil
	}}), "where there is /admin/clusters/"},
	{"who does not serve shall vote", both(lies(liar{serves: true}), of(pulsarApp, func(ctx context.Context, u *ops.Unit, charm ops.Charm) error {
		if err := charm.Reconcile(ctx, u); err != nil {
			return err
		}
		ids, err := u.Tools().RelationIDs(ctx, "cluster")
		if err != nil || len(ids) == 0 {
			return err
		}
		return u.Tools().RelationSet(ctx, ids[0], false, map[string]string{"zookeeper-state": "serving"})
	})), "as a voter, which does not serve"},
}

// Each mistake is found, in few histories.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, test := range mistakes {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			const most = 60
			for s := uint64(1); s <= most; s++ {
				if result := history(t, s, Options{Charm: test.charm}); strings.Contains(result.Violation, test.want) {
					return
				} else if result.Violation != "" {
					t.Logf("seed %d: %s", s, result.Violation)
				}
			}
			t.Errorf("%d histories with this mistake do not end with %q", most, test.want)
		})
	}
}

// A violation is made smaller, and the command that is printed gives it again.
func TestShrink(t *testing.T) {
	t.Parallel()
	test := mistakes[0]
	play := func(s uint64, o Options) Result {
		o.Charm = test.charm
		return history(t, s, o)
	}
	s := uint64(1)
	result := play(s, Options{})
	for result.Violation == "" {
		s++
		result = play(s, Options{})
	}
	small, runs := shrink(s, Options{}, result, func(o Options) Result { return play(s, o) })
	command := replay(s, small)
	t.Logf("from %d steps to %d in %d runs: %s", result.Steps, small.Steps-len(small.Skip), runs, command)
	// A pod must start twice, and the charm be installed in between.
	if left := small.Steps - len(small.Skip); left > 25 || left > result.Steps/4 {
		t.Errorf("of %d steps %d are left", result.Steps, left)
	}
	seed, parsed := parseReplay(t, command)
	if again := play(seed, parsed); again.Rule != result.Rule || !strings.Contains(again.Violation, test.want) {
		t.Errorf("the smaller history gives %q, not %q", again.Violation, result.Violation)
	}
}

// parseReplay reads the command as go test's flags are.
func parseReplay(t *testing.T, command string) (seed uint64, o Options) {
	t.Helper()
	o = Options{Skip: Steps{}, Smooth: Steps{}, Without: Kinds{}}
	flags := flag.NewFlagSet("replay", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Uint64Var(&seed, "seed", 0, "")
	flags.IntVar(&o.Steps, "steps", 0, "")
	flags.Var(o.Skip, "skip", "")
	flags.Var(o.Smooth, "smooth", "")
	flags.Var(o.Without, "without", "")
	_, rest, ok := strings.Cut(command, " -count=1 ")
	if !ok {
		t.Fatalf("the command is %q", command)
	}
	var args []string
	for i, part := range strings.Split(rest, "'") {
		if i%2 == 1 {
			args = append(args, part) // was quoted
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return seed, o
}

func TestStepsAreReadAsWritten(t *testing.T) {
	t.Parallel()
	steps := Steps{}
	if err := steps.Set("3-5,9,11-12"); err != nil {
		t.Fatal(err)
	}
	if got := steps.String(); got != "3-5,9,11-12" || len(steps) != 6 {
		t.Errorf("steps are %q, %d of them", got, len(steps))
	}
	for _, wrong := range []string{"", "a", "5-3", "-1"} {
		if err := (Steps{}).Set(wrong); err == nil {
			t.Errorf("%q is taken for steps", wrong)
		}
	}
}
