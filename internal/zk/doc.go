// Package zk is what charms need of ZooKeeper: the state of one server by its
// four-letter command, the ensemble's membership with its atomic change, and
// a few operations on znodes. Every call ends when its context does.
package zk
