// Package dummyclient is the program that pulsar-client-dummy runs in its
// container: a client of Pulsar that keeps books. It produces numbered
// messages, writes down in a journal what Pulsar acknowledged, and later
// compares the journals with what the topic holds.
//
// Run and number of a message travel in its properties, so that several
// producers, also of other units, may share a topic. A durable subscription
// that nobody reads keeps every message in the topic; the check reads with a
// reader from the beginning instead of a subscription, because a subscription
// can hang after an outage of bookies until the topic is unloaded (seen with
// Pulsar 4.0.8) although nothing is lost.
package dummyclient
