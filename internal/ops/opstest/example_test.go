package opstest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/ops/opstest"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// cache is a charm that runs a cache as large as its database says.
type cache struct{}

func (cache) Reconcile(ctx context.Context, u *ops.Unit) error {
	databases, err := u.Relations(ctx, "db")
	if err != nil {
		return err
	}
	if len(databases) == 0 || databases[0].Broken {
		u.AddStatus(ops.Blocked("integrate with a database"))
		return nil
	}
	bag, err := databases[0].RemoteApp(ctx)
	if err != nil {
		return err
	}
	if bag["size"] == "" {
		u.AddStatus(ops.Waiting("for " + databases[0].App))
		return nil
	}
	_, err = u.Apply(ctx, ops.Plan{
		Containers: map[string]pebble.Desired{"cache": {
			Label:    "cache",
			Services: map[string]pebble.Service{"cache": {Command: "cache --size " + bag["size"], Startup: "enabled"}},
		}},
		Databags: []ops.Databag{{Relation: databases[0].ID, Data: ops.Bag{"ready": "true"}}},
	})
	return err
}

// A test loads the charm's files, says what the unit finds, gives it an event,
// and looks at what is there then.
func Example() {
	var t testing.TB = printed{} // in a real test, the t that go test gives

	juju := opstest.Load(t, map[string][]byte{"metadata.yaml": []byte(`
name: web
summary: A cache.
description: A cache before a database.
containers: {cache: {resource: image}}
resources: {image: {type: oci-image}}
requires: {db: {interface: sql}}
`)})

	// A unit whose container answers, and nothing else.
	base := opstest.State{Containers: map[string]opstest.Container{"cache": {}}}
	result := juju.Run(t, cache{}, base, opstest.PebbleReady("cache"))
	fmt.Println(result.State.Status.Message)

	// The same unit, integrated. Nothing was changed in base.
	related := base
	related.Relations = []opstest.Relation{{Endpoint: "db", App: "postgres", RemoteApp: ops.Bag{"size": "1g"}}}
	result = juju.Twice(t, cache{}, related, opstest.RelationAppChanged("db")) // the second time writes nothing
	fmt.Println(result.State.Status.Name, result.State.Relations[0].LocalUnit, result.State.Containers["cache"].Services["cache"].Current)

	// What is there now is the next state.
	result = juju.Run(t, cache{}, result.State, opstest.RelationBroken("db"))
	fmt.Println(result.State.Status.Message)

	// What cannot be is refused, with the reason.
	juju.Run(t, cache{}, base, opstest.RelationChanged("db", "postgres/0"))

	// Output:
	// integrate with a database
	// active map[ready:true] active
	// integrate with a database
	// impossible db-relation-changed postgres/0: no relation of endpoint "db" is with the application of "postgres/0"
}

// printed is a test that prints why it fails.
type printed struct{ testing.TB }

func (printed) Helper()                           {}
func (printed) Context() context.Context          { return context.Background() }
func (printed) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (printed) Fatalf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (printed) Fatal(args ...any)                 { fmt.Println(args...) }
