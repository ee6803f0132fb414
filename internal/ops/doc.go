// Package ops is the charm library: it turns one run of dispatch into one
// reconcile.
//
// A charm is a type with a Reconcile method. Each hook of a unit calls it
// once, whatever the hook; it looks at what is (configuration, relations,
// storage, containers), decides what should be, and applies the difference.
// Converge does that in three steps: observe a snapshot, plan from it with a
// pure function, apply the plan. What Juju tells only once comes before that
// to the …Handler interfaces that a charm implements; actions come to Actor,
// and nothing else runs then.
//
// A caller's duties, in order:
//
//  1. main calls Main with the charm and nothing else.
//  2. observe reads through Unit; reads are lazy and cached for the hook,
//     secrets excepted.
//  3. plan is pure and returns everything the unit should be; what it leaves
//     out is left alone.
//  4. Apply (or Converge) writes only differences. Databags, unit state,
//     ports and secrets reach Juju after the hook has exited with 0; status,
//     logs and the application version at once.
//  5. An error from Reconcile or a handler fails the hook and Juju runs it
//     again later, so return one only for faults that a retry can heal. What a
//     human or another unit must do is a status, or an error that is one
//     (StatusError). A container that does not answer is one too, and a unit
//     that loses leadership in the middle of a hook goes on without it.
package ops
