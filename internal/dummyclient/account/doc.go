// Package account keeps the books of the dummy client: which messages were
// sent and acknowledged, in journals that outlive a crash, and which of them
// a topic holds. It knows nothing of Pulsar, so the charm may import it for
// the results it prints.
//
// A run is the life of one producer and has a name that never occurs twice;
// its messages are numbered from 1.
package account
