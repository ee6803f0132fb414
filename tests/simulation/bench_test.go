package simulation

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// BenchmarkHistory plays a history each time, and tells how many hooks run in
// a second of one core: by the clock, and by the time that the process had on
// the processor, which counts on a machine that has other things to do.
func BenchmarkHistory(b *testing.B) {
	hooks, seed := 0, uint64(0)
	began := processor(b)
	for b.Loop() {
		seed++
		hooks += play(b, seed)
	}
	took := processor(b) - began
	b.ReportMetric(float64(hooks)/b.Elapsed().Seconds(), "hooks/s")
	b.ReportMetric(float64(hooks)/took.Seconds(), "hooks/cpu-s")
	b.ReportMetric(float64(hooks)/float64(b.N), "hooks/op")
}

// play runs one history in a bubble, which only a test can have.
func play(b *testing.B, seed uint64) (hooks int) {
	b.Helper()
	all := func(string, string) (bool, error) { return true, nil }
	ok := testing.RunTests(all, []testing.InternalTest{{Name: "history", F: func(t *testing.T) {
		synctest.Test(t, func(*testing.T) {
			result := Run(seed, Options{})
			if hooks = result.Hooks; result.Violation != "" {
				t.Errorf("seed %d: %s", seed, result.Violation)
			}
		})
	}}})
	if !ok {
		b.Fatal("a history has failed")
	}
	return hooks
}

// processor is the time that this process has had on processors.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
