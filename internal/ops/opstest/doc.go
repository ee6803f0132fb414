// Package opstest gives a charm one event against a given state and shows the
// state after it. Juju is played by internal/model, so what Juju would refuse
// is refused with Juju's words, and an event that cannot come in that state
// is a failure of the test.
//
// A test states what the unit finds, runs an event, and compares the result:
//
//	result := opstest.Run(t, charm, files, opstest.State{
//		Config:     map[string]string{"profile": "testing"},
//		Containers: map[string]*pebbletest.Fake{"bookie": pebbletest.NewFake(pebbletest.Options{})},
//		Relations: []opstest.Relation{{Endpoint: "zookeeper", App: "pulsar", RemoteApp: ops.Bag{…}}},
//	}, opstest.Hook("config-changed"))
//
// The state is never changed, but for the containers, which are the caller's:
// give them to a second Run to show that it writes nothing.
package opstest
