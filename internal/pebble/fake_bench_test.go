package pebble_test

import (
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// BenchmarkApplyNothingFake is what the simulator pays for a container where
// nothing changed: 3 files, 3 services, 3 checks.
func BenchmarkApplyNothingFake(b *testing.B) {
	f := pebbletest.NewFake(pebbletest.Options{})
	desired := broker("/data")
	if _, err := pebble.Apply(b.Context(), f, desired); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		f.ResetCalls()
		change, err := pebble.Apply(b.Context(), f, desired)
		if err != nil || !change.Nothing() || len(f.Writes()) > 0 {
			b.Fatalf("%+v, %v", change, err)
		}
	}
}
