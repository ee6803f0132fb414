// Package pebble is the workload container as a charm sees it: files, layers,
// services, checks, one-off commands and notices of its Pebble daemon.
//
// Pebble is the interface, Client the real thing over the container's socket.
// Desired says what a container should be, and Apply makes it so with as few
// writes as possible; PushTree does it for a directory. What few charms need,
// such as identities, changes or commands with streams, is in small interfaces
// beside Pebble that As finds. No other package imports Pebble's client.
//
// A daemon may be away, or go away in the midst of anything. Every method then
// returns an error for which Unavailable holds, and whatever was half done is
// done by the same call in a later hook. An old daemon lacks some things: those
// calls return an *UnsupportedError, and SystemInfo.Supports tells before.
//
// Facts about Pebble are from the sources of v1.32.1, and of older versions
// where they are named.
package pebble
