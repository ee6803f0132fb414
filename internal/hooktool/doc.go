// Package hooktool runs Juju's hook tools, one typed method for each tool
// that is not legacy. A Runner carries the calls: Socket speaks to the
// agent's socket itself, one round trip a call; Fork runs the programs on
// PATH. Open chooses.
//
// The package holds no policy: nothing is cached, retried for another answer
// or left out. What a tool writes reaches Juju as the tool's own rules say,
// for most at the end of a hook that succeeds.
package hooktool
