// Package opstest gives a charm one event in a given state and shows the state
// after it. It is what Scenario is to Python charms. Juju is played by
// internal/model, so what Juju would refuse is refused with Juju's words, and
// Pebble by pebbletest.Fake, or by a real one.
//
// A caller's duties, in order:
//
//  1. Load the charm's files, once; a Charm may be shared by all tests.
//  2. Say in a State what the unit finds. What Juju always makes (peer
//     relations, required storages, its own keys in databags) need not be said.
//  3. Choose an event, and Run it. State and event are checked first: one that
//     cannot be, or cannot come then, fails the test with a sentence that says
//     what is wrong.
//  4. Compare what came of it: Result.State with Diff or by its fields, and
//     Writes, Log, Statuses and Action. The state is a new value; the one that
//     went in is as it was.
//
// Run fails the test if the hook fails (use RunFailing for one that shall) and
// for each violation: a call that Juju refuses though it would change
// something, a layer that Pebble refuses, a name that the charm's files do not
// have, a databag that Juju could not keep, a status of more than one line,
// and the content of a secret in a databag, the log, a status, an argument, an
// action's results or a file that all may read. A value of fewer than six
// bytes, or that the state itself shows in the open, does not count.
//
// Twice also runs the event again on what it left, which must write nothing;
// Chain runs events one after the other. Try leaves all judgement to the
// caller.
//
// The example is a short tutorial.
//
// Nothing is kept between runs and there is no state of the package: tests may
// run in parallel on the same State. Only a Container's Pebble is the test's
// own, and remembers.
package opstest
