// Package image assembles the workload image: a directory tree whose one entry
// is pulsar, laid out like /pulsar of the official Pulsar image, out of Maven
// artifacts and launchers of our own, or around an existing distribution.
package image
