// Package lab is the daemon of charmlab: it keeps a model on disk, runs a pod
// for each unit that the model wants one for, and is every unit's agent. It
// polls the pods' Pebbles, runs the hook that the model chooses through the
// charm's dispatch, and answers the hook's tools out of the model.
//
//	command ── unix socket ── daemon ── model (JSON in the state directory)
//	                            └─ one driver for each unit ── pod
//
// The daemon may be killed at any time. What it was told and answered is on
// disk; pods go on without it, and the next daemon adopts them. To the model
// that is a restart of every agent in place.
package lab
