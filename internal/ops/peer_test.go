package ops_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
)

var partsFiles = map[string][]byte{
	"metadata.yaml": []byte(`
name: app
summary: A charm for tests.
description: A charm for tests.
requires:
  db: {interface: sql}
provides:
  site: {interface: http}
peers:
  cluster: {interface: app_cluster}
`),
	"config.yaml": []byte(`
options:
  mode: {type: string, default: fast, description: How.}
`),
}

type (
	seat struct {
		Name string `databag:"name"`
		Age  int    `databag:"age"`
	}
	ballot struct {
		Chair string         `databag:"chair"`
		Rank  map[string]int `databag:"rank"`
	}
	sqlOffer struct {
		Host string `databag:"host"`
	}
	visit struct {
		Path string `databag:"path"`
	}
)

func (o sqlOffer) Validate() error {
	if o.Host == "bad" {
		return errors.New("host: bad")
	}
	return nil
}

func (v visit) Validate() error { return sqlOffer{Host: v.Path}.Validate() }

var (
	cluster = ops.Peer[seat, ballot]("cluster")
	db      = ops.Requires[sqlOffer, seat]("db")
	site    = ops.Provides[sqlOffer, visit]("site")
)

// reconcile is a charm in a function.
type reconcile func(ctx context.Context, u *ops.Unit) error

func (r reconcile) Reconcile(ctx context.Context, u *ops.Unit) error { return r(ctx, u) }

// chair is a charm whose leader decides on a chair, once.
func chair(saw *ops.Decision[ballot]) reconcile {
	return func(ctx context.Context, u *ops.Unit) error {
		for range 2 { // the second round of a hook decides the same
			peers, err := cluster.Read(ctx, u)
			if err != nil {
				return err
			}
			leader, err := u.Leader(ctx)
			if err != nil {
				return err
			}
			*saw = peers.Decision
			_, bags := peers.Decision.Decide(leader, func(last ballot) (ballot, bool) {
				if peers.Decision.Problem != nil {
					return last, false
				}
				if last.Chair == "" {
					last.Chair = u.Name()
				}
				return last, true
			})
			if _, err := u.Apply(ctx, ops.Plan{Databags: append(bags, cluster.Write(peers.Relation, seat{Name: u.Name()}))}); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestDecision(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		leader bool
		bag    ops.Bag
		want   ops.Bag
	}{
		{"the leader decides", true, nil, ops.Bag{"chair": "app/0"}},
		{"the others obey", false, nil, nil},
		{"what was decided stays", true, ops.Bag{"chair": "app/7"}, ops.Bag{"chair": "app/7"}},
		{"a newer revision's keys stay", true, ops.Bag{"deputy": "app/2"}, ops.Bag{"chair": "app/0", "deputy": "app/2"}},
		{"and the words of what does not change", true, ops.Bag{"rank": `{"b": 2, "a": 1}`}, ops.Bag{"chair": "app/0", "rank": `{"b": 2, "a": 1}`}},
		{"garbage is left for a human", true, ops.Bag{"rank": "["}, ops.Bag{"rank": "["}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var saw ops.Decision[ballot]
			state := opstest.State{Leader: test.leader, Relations: []opstest.Relation{{Endpoint: "cluster", LocalApp: test.bag}}}
			result := opstest.Load(t, partsFiles).Twice(t, chair(&saw), state, opstest.ConfigChanged())
			if diff := cmp.Diff(test.want, result.State.Relations[0].LocalApp, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("databag (-want +got):\n%s", diff)
			}
			opstest.Load(t, partsFiles).Run(t, chair(&saw), state, opstest.ConfigChanged())
			if saw.Held.Chair != test.want["chair"] || saw.Committed.Chair != test.bag["chair"] {
				t.Errorf("in the second round: held %q, committed %q", saw.Held.Chair, saw.Committed.Chair)
			}
		})
	}
}

func TestPeersGarbageIsNothing(t *testing.T) {
	t.Parallel()
	read := func(state opstest.State) (peers ops.Peers[seat, ballot], others map[string]seat) {
		opstest.Load(t, partsFiles).Run(t, reconcile(func(ctx context.Context, u *ops.Unit) (err error) {
			if peers, err = cluster.Read(ctx, u); err != nil {
				return err
			}
			others, err = peers.Others(ctx)
			return err
		}), state, opstest.ConfigChanged())
		return peers, others
	}
	_, others := read(opstest.State{Units: 3, Relations: []opstest.Relation{{
		Endpoint: "cluster", RemoteUnits: map[int]ops.Bag{1: {"name": "one", "new-key": "x"}, 2: {"name": "two", "age": "x"}},
	}}})
	if diff := cmp.Diff(map[string]seat{"app/1": {Name: "one"}, "app/2": {}}, others); diff != "" {
		t.Errorf("others (-want +got):\n%s", diff)
	}
}

// Each side reads what the other has written, and who wrote nonsense is named.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	type seen struct {
		Offer   sqlOffer
		Problem string
		Visits  map[string]string
	}
	for _, test := range []struct {
		name      string
		relations []opstest.Relation
		want      seen
	}{
		{"nothing related", nil, seen{}},
		{"good data and a newer revision's", []opstest.Relation{
			{Endpoint: "db", App: "mysql", RemoteApp: ops.Bag{"host": "h", "new-key": "x"}},
			{Endpoint: "site", App: "proxy", RemoteUnits: map[int]ops.Bag{0: {"path": "/"}, 1: {}}},
		}, seen{Offer: sqlOffer{Host: "h"}, Visits: map[string]string{"proxy/0": "/", "proxy/1": ""}}},
		{"wrong data", []opstest.Relation{
			{Endpoint: "db", App: "mysql", RemoteApp: ops.Bag{"host": "bad"}},
			{Endpoint: "site", App: "proxy", RemoteUnits: map[int]ops.Bag{0: {"path": "bad"}}},
		}, seen{Problem: "cannot use the data of mysql: host: bad", Visits: map[string]string{"proxy/0": "cannot use the data of proxy/0: host: bad"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got seen
			charm := reconcile(func(ctx context.Context, u *ops.Unit) error {
				remote, err := db.Remote(ctx, u)
				if err != nil {
					return err
				}
				if remote != nil {
					got.Offer = remote.Offer
					if remote.Problem != nil {
						got.Problem = remote.Problem.Error()
					}
				}
				clients, err := site.Clients(ctx, u)
				for _, client := range clients {
					got.Visits = map[string]string{}
					for _, unit := range client.Units {
						got.Visits[unit.Unit] = unit.Request.Path
						if unit.Problem != nil {
							got.Visits[unit.Unit] = unit.Problem.Error()
						}
					}
				}
				return err
			})
			opstest.Load(t, partsFiles).Run(t, charm, opstest.State{Relations: test.relations}, opstest.ConfigChanged())
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("seen (-want +got):\n%s", diff)
			}
		})
	}
}

// settings are options of which one value is allowed by the type and not by
// Validate.
type settings struct {
	Mode string `option:"mode" oneof:"fast safe odd"`
}

func (s settings) Validate() error {
	if s.Mode == "odd" {
		return &ops.OptionError{Option: "mode", Reason: "odd"}
	}
	return nil
}

// A tag with an option that config.yaml does not have is the author's mistake
// and fails the hook, but not where the answer may be of another revision.
func TestMistypedOption(t *testing.T) {
	t.Parallel()
	for version, wrong := range map[string]bool{"2.9.49": true, "3.6.9": true, "4.0.0": false, "4.0-beta5": false} {
		var options struct {
			settings
			Port int `option:"prot"`
		}
		options.Port = 80
		charm := reconcile(func(ctx context.Context, u *ops.Unit) error {
			err := u.Config(ctx, &options)
			if _, ok := errors.AsType[*ops.OptionError](err); ok {
				t.Errorf("Juju %s: %v is the operator's to mend", version, err)
			}
			return err
		})
		run := opstest.Load(t, partsFiles).Run
		if wrong {
			run = opstest.Load(t, partsFiles).RunFailing
		}
		out := run(t, charm, opstest.State{Juju: version}, opstest.ConfigChanged())
		if wrong && !strings.Contains(out.Err.Error(), `config.yaml has no option "prot", which field Port is tagged with`) || options.Port != 80 {
			t.Errorf("Juju %s: error is %v, port %d", version, out.Err, options.Port)
		}
	}
}

func TestOptionsKeepsTheLastValidOnes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, mode, kept string
		want, wrong      string
	}{
		{"valid", "safe", "", "safe", ""},
		{"valid over kept", "safe", `{"Mode":"fast"}`, "safe", ""},
		{"wrong type of value", "x", `{"Mode":"safe"}`, "safe", `option mode: "x" is not one of fast, safe, odd`},
		{"wrong to Validate", "odd", `{"Mode":"safe"}`, "safe", "option mode: odd"},
		{"wrong from the beginning", "odd", "", "", "option mode: odd"},
		{"kept by another revision", "odd", "[", "", "option mode: odd"},
		{"kept, and not valid any more", "x", `{"Mode":"odd"}`, "", `option mode: "x" is not one of fast, safe, odd`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, wrong := "", ""
			charm := reconcile(func(ctx context.Context, u *ops.Unit) error {
				options, problem, err := ops.Options[settings](ctx, u, "kept")
				if options != nil {
					got = options.Mode
				}
				if problem != nil {
					wrong = problem.Error()
				}
				return err
			})
			state := opstest.State{Config: map[string]any{"mode": test.mode}}
			if test.kept != "" {
				state.Stored = ops.Bag{"kept": test.kept}
			}
			result := opstest.Load(t, partsFiles).Run(t, charm, state, opstest.ConfigChanged())
			if got != test.want || wrong != test.wrong {
				t.Errorf("got %q, wrong %q; want %q, wrong %q", got, wrong, test.want, test.wrong)
			}
			if kept := result.State.Stored["kept"]; test.wrong == "" && kept != `{"Mode":"`+test.want+`"}` || test.wrong != "" && kept != test.kept {
				t.Errorf("kept %q", kept)
			}
		})
	}
}
