package pebble_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// BenchmarkApplyNothing is what each hook pays for a container where nothing
// changed: 3 files, 3 services, 3 checks.
func BenchmarkApplyNothing(b *testing.B) {
	b.Run("fake", func(b *testing.B) { // what the simulator pays
		f := pebbletest.NewFake(pebbletest.Options{})
		desired := broker("/data")
		if _, err := pebble.Apply(b.Context(), f, desired); err != nil {
			b.Fatal(err)
		}
		f.ResetCalls()
		b.ReportAllocs()
		applyNothing(b, f, desired)
		if writes := f.Writes(); len(writes) > 0 {
			b.Fatalf("writes: %q", writes)
		}
	})
	b.Run("fresh", func(b *testing.B) {
		d := pebbletest.Start(b)
		desired := broker(d.Dir)
		if _, err := pebble.Apply(b.Context(), d.Client, desired); err != nil {
			b.Fatal(err)
		}
		applyNothing(b, d.Client, desired)
	})
	b.Run("aged", func(b *testing.B) {
		d := aged(b)
		applyNothing(b, d.Client, broker(d.Dir))
	})
}

// applyNothing measures, and counts the changes that the daemon has gained. The
// time of this process alone is what counts on a busy machine.
func applyNothing(b *testing.B, p pebble.Daemon, desired pebble.Desired) {
	b.Helper()
	before := changes(b, p)
	began := processorTime(b)
	for b.Loop() {
		change, err := pebble.Apply(b.Context(), p, desired)
		if err != nil || !change.Nothing() {
			b.Fatalf("%+v, %v", change, err)
		}
	}
	b.ReportMetric(float64(processorTime(b)-began)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(changes(b, p)-before), "changes")
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func changes(b *testing.B, p pebble.Daemon) int {
	b.Helper()
	all, err := p.Changes(b.Context(), pebble.ChangeFilter{Select: "all"})
	if err != nil {
		b.Fatal(err)
	}
	return len(all)
}

// aged is a daemon with 1,000 past changes, as after four days of a charm that
// replans in each hook.
func aged(b *testing.B) *pebbletest.Daemon {
	b.Helper()
	d := pebbletest.Start(b)
	if _, err := pebble.Apply(b.Context(), d.Client, broker(d.Dir)); err != nil {
		b.Fatal(err)
	}
	for range 1000 {
		if err := d.Client.Replan(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	return d
}

// BenchmarkReplanNothing is what it would pay with Pebble's replan; it grows
// with the daemon's past changes.
func BenchmarkReplanNothing(b *testing.B) {
	b.Run("fresh", func(b *testing.B) {
		d := pebbletest.Start(b)
		if _, err := pebble.Apply(b.Context(), d.Client, broker(d.Dir)); err != nil {
			b.Fatal(err)
		}
		replanNothing(b, d)
	})
	b.Run("aged", func(b *testing.B) { replanNothing(b, aged(b)) })
}

func replanNothing(b *testing.B, d *pebbletest.Daemon) {
	b.Helper()
	for b.Loop() {
		if err := d.Client.Replan(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
