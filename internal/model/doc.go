// Package model is Juju as a value: applications, units, relations, storages,
// secrets and actions, the operator's verbs, what Kubernetes does to pods, and
// the rules by which a unit's agent (the "uniter") chooses hooks, runs hook
// tools and keeps or drops what they wrote. It has no clock, goroutine or I/O;
// the same calls in the same order give the same model.
//
// A driver tells it what happens and asks which hooks may run:
//
//	m := model.New(model.Options{Name: "test"})
//	err := m.Deploy(model.DeployArgs{App: "db", Charm: charm, Units: 3})
//	for _, unit := range m.Units() { err = m.PodUp(unit, model.PodInfo{Address: "10.1.0.7", Fresh: true}) }
//	for _, unit := range m.Ready() {
//		hook := m.Next(unit)[0]            // or any other of Next: Juju's order is random there
//		run, err := m.Begin(unit, hook)
//		code, out, errOut, _ := run.Run("relation-set", []string{"a=b"}, nil, false, nil)
//		err = run.End(model.Outcome{})
//	}
//
// What needs time in Juju is told by the driver, too: that the agent polled
// its Pebbles (Poll), that a retry (RetryDue), update-status (UpdateStatusDue),
// a secret's rotation or a storage's provisioning is due, who leads.
//
// The rules are those of Juju 3.6 in sidecar (Kubernetes) mode; traces of the
// real uniter are the conformance test.
//
// A Model is not safe for concurrent use.
package model
