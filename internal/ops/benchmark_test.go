package ops_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

// benchOffer and benchRequest are databags of the size of a real charm's.
type benchOffer struct {
	Endpoints []string `databag:"endpoints"`
	Ready     bool     `databag:"ready"`
	Frame     int      `databag:"max-frame-size"`
}

func (benchOffer) Validate() error { return nil }

type benchRequest struct {
	Name  string `databag:"name"`
	State string `databag:"state"`
}

func (benchRequest) Validate() error { return nil }

// agentInMemory answers every tool at once with canned text: what is measured
// is the library alone.
type agentInMemory struct {
	answers map[string][]byte
	calls   int
}

func newAgentInMemory(units int) *agentInMemory {
	var joined, planned []string
	for i := range units {
		joined = append(joined, fmt.Sprintf(`"pg/%d"`, i))
		planned = append(planned, fmt.Sprintf(`"pg/%d":{"status":"active","since":"2026-05-06 07:08:09Z"}`, i))
	}
	return &agentInMemory{answers: map[string][]byte{
		"is-leader":     []byte("true\n"),
		"config-get":    []byte(`{"profile":"testing","port":80}`),
		"state-get":     []byte(`{"ops.version":"1.0"}`),
		"goal-state":    []byte(`{"units":{"web/0":{"status":"active"}},"relations":{"db":{` + strings.Join(planned, ",") + `}}}`),
		"relation-ids":  []byte(`["db:1"]`),
		"relation-list": []byte("[" + strings.Join(joined, ",") + "]"),
		"relation-get": []byte(`{"egress-subnets":"10.152.183.5/32","ingress-address":"10.152.183.5","private-address":"10.152.183.5",` +
			`"name":"pg-0.pg-endpoints.test.svc.cluster.local","state":"serving"}`),
		"opened-ports": []byte(`["80/tcp"]`),
		"status-get":   []byte(`{"status":"active","message":""}`),
	}}
}

func (a *agentInMemory) Run(_ context.Context, call hooktool.Call) (hooktool.Result, error) {
	a.calls++
	answer, ok := a.answers[call.Tool]
	if !ok {
		return hooktool.Result{Code: 1, Stderr: []byte("ERROR a hook without changes does not use this\n")}, nil
	}
	if call.Tool == "relation-list" && call.Args[1] == "--app" {
		answer = []byte(`"pg"`)
	}
	return hooktool.Result{Stdout: answer}, nil
}

// A hook without changes reads each thing once and writes nothing; this is
// all of the library's own work in it, for 3 and for 50 related units.
func BenchmarkRun(b *testing.B) {
	for _, units := range []int{3, 50} {
		b.Run(fmt.Sprintf("%d units", units), func(b *testing.B) {
			agent := newAgentInMemory(units)
			host := ops.Host{
				Environment: juju.Environment{
					Hook: juju.Hook{Kind: juju.UpdateStatus}, UnitName: "web/0", ModelName: "test", Version: juju.Version{Major: 3, Minor: 6, Patch: 9},
				},
				Tools: agent,
			}
			b.ReportAllocs()
			for b.Loop() {
				agent.calls = 0
				if err := ops.Run(b.Context(), host, charmFunc(reconcileBench)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(agent.calls), "calls/op")
		})
	}
}

// TestCallsOfAQuietHook keeps the number of calls what it is: one for each
// related unit, and nine.
func TestCallsOfAQuietHook(t *testing.T) {
	t.Parallel()
	for _, units := range []int{0, 3, 50} {
		agent := newAgentInMemory(units)
		err := ops.Run(t.Context(), ops.Host{
			Environment: juju.Environment{Hook: juju.Hook{Kind: juju.UpdateStatus}, UnitName: "web/0", ModelName: "test"}, Tools: agent,
		}, charmFunc(reconcileBench))
		want := units + 9
		if units == 0 {
			want++ // who is at the other end
		}
		if err != nil || agent.calls != want {
			t.Errorf("%d units: %d calls, %v, want %d", units, agent.calls, err, want)
		}
	}
}

var benchEndpoint = ops.Provides[benchOffer, benchRequest]("db")

func reconcileBench(ctx context.Context, u *ops.Unit) error {
	var options struct {
		Profile string `option:"profile" oneof:"production testing"`
		Port    int    `option:"port"`
	}
	if err := u.Config(ctx, &options); err != nil {
		return err
	}
	return ops.Converge(ctx, u, func(ctx context.Context) (ops.Plan, error) {
		plan := ops.Plan{Version: "1.0", Ports: []string{fmt.Sprintf("%d/tcp", options.Port)}}
		if _, err := u.Goal(ctx); err != nil {
			return plan, err
		}
		leader, err := u.Leader(ctx)
		if err != nil || !leader {
			return plan, err
		}
		clients, err := benchEndpoint.Clients(ctx, u)
		if err != nil {
			return plan, err
		}
		for _, client := range clients {
			for _, unit := range client.Units {
				if unit.Request.State != "serving" {
					plan.Statuses = append(plan.Statuses, ops.Waiting("for "+unit.Unit))
				}
			}
			plan.Databags = append(plan.Databags, ops.Databag{Relation: client.Relation, Data: ops.Bag{
				"name": "pg-0.pg-endpoints.test.svc.cluster.local", "state": "serving",
			}})
		}
		return plan, nil
	}, func(p ops.Plan) ops.Plan { return p })
}
