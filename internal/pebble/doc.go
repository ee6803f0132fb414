// Package pebble is the workload container as a charm sees it: files, layers,
// services, checks, one-off commands and notices of its Pebble daemon.
//
// Pebble is the interface, Client the real thing over the container's socket.
// Desired says what a container should be, and Apply makes it so with as few
// writes as possible. No other package imports Pebble's client.
package pebble
