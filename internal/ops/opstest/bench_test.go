package opstest_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// typical is a charm of the usual size: ten options, a peer and a requirer
// relation of which it reads every databag, a configuration file and a layer.
type typical struct{}

type typicalOptions struct {
	A string `option:"a"`
	B string `option:"b"`
	C string `option:"c"`
	D string `option:"d"`
	E string `option:"e"`
	F int    `option:"f"`
	G int    `option:"g"`
	H int    `option:"h"`
	I bool   `option:"i"`
	J bool   `option:"j"`
}

var typicalFiles = map[string][]byte{
	"metadata.yaml": []byte(`
name: typical
summary: s
description: d
containers: {server: {resource: image}}
resources: {image: {type: oci-image}}
requires: {db: {interface: sql}}
peers: {cluster: {interface: typical}}
`),
	"config.yaml": []byte(`
options:
  a: {type: string, default: a}
  b: {type: string, default: b}
  c: {type: string, default: c}
  d: {type: string, default: d}
  e: {type: string, default: e}
  f: {type: int, default: 1}
  g: {type: int, default: 2}
  h: {type: int, default: 3}
  i: {type: boolean, default: true}
  j: {type: boolean, default: false}
`),
}

func (typical) Reconcile(ctx context.Context, u *ops.Unit) error {
	return ops.Converge(ctx, u, func(ctx context.Context) (ops.Plan, error) {
		var options typicalOptions
		if err := u.Config(ctx, &options); err != nil {
			return ops.Plan{}, err
		}
		var text strings.Builder
		fmt.Fprintf(&text, "%+v\n", options)
		plan := ops.Plan{Statuses: nil}
		for _, endpoint := range []string{"cluster", "db"} {
			relations, err := u.Relations(ctx, endpoint)
			if err != nil {
				return plan, err
			}
			for _, relation := range relations {
				if endpoint == "db" {
					bag, err := relation.RemoteApp(ctx)
					if err != nil {
						return plan, err
					}
					text.WriteString(bag["url"] + "\n")
				}
				for _, unit := range relation.Units {
					bag, err := relation.RemoteUnit(ctx, unit)
					if err != nil {
						return plan, err
					}
					text.WriteString(unit + " " + bag["name"] + "\n")
				}
				plan.Databags = append(plan.Databags, ops.Databag{Relation: relation.ID, Data: ops.Bag{"name": u.FQDN()}})
			}
		}
		u.Log().Info("reconciled")
		plan.Containers = map[string]pebble.Desired{"server": {
			Label:     "typical",
			Files:     []pebble.File{{Path: "/etc/typical.conf", Content: []byte(text.String())}},
			Services:  map[string]pebble.Service{"server": {Command: "server", Startup: "enabled", Environment: map[string]string{"A": options.A}}},
			RestartOn: map[string][]string{"server": {"/etc/typical.conf"}},
		}}
		return plan, nil
	}, func(p ops.Plan) ops.Plan { return p })
}

func typicalState(units int) opstest.State {
	remotes := func(app string, first int) map[int]ops.Bag {
		out := map[int]ops.Bag{}
		for n := first; len(out) < units; n++ {
			name := fmt.Sprintf("%s-%d", app, n)
			out[n] = ops.Bag{"name": name + ".svc", "ready": "true", "version": "1"}
		}
		return out
	}
	return opstest.State{
		Containers: map[string]opstest.Container{"server": {}},
		Relations: []opstest.Relation{
			{Endpoint: "cluster", RemoteUnits: remotes("typical", 1)},
			{Endpoint: "db", App: "postgres", RemoteApp: ops.Bag{"url": "db:5432"}, RemoteUnits: remotes("postgres", 0)},
		},
	}
}

func benchmarkRun(b *testing.B, units int) {
	juju := opstest.Load(b, typicalFiles)
	// Nothing is left to change, as in most hooks.
	state := juju.Run(b, typical{}, typicalState(units), opstest.ConfigChanged()).State
	b.ReportAllocs()
	// On a busy machine only the processor's time says something.
	before := processorTime(b)
	for b.Loop() {
		result := juju.Run(b, typical{}, state, opstest.UpdateStatus())
		if len(result.Writes) > 0 {
			b.Fatal(result.Writes)
		}
	}
	b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// processorTime is what this process has used so far.
func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func BenchmarkRun3(b *testing.B)  { benchmarkRun(b, 3) }
func BenchmarkRun50(b *testing.B) { benchmarkRun(b, 50) }
