// Package juju is the vocabulary of Juju's contract with a sidecar charm:
// names, hook kinds, the hook environment and status values. It does no I/O
// and imports nothing of this module.
package juju
