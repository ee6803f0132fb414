package simulation

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	seeds    = flag.Uint64("seeds", defaultSeeds, "number of histories")
	first    = flag.Uint64("first", 1, "seed of the first history")
	progress = flag.Duration("progress", 0, "how often to tell how far it is")

	seed = flag.Uint64("seed", 0, "replay the history of this seed alone, with all its events")
	only Options
)

// defaultSeeds is the number of histories of an ordinary test run. In so many
// every trouble and every surprise must have come.
const defaultSeeds = 2000

func TestMain(m *testing.M) {
	only = Options{Skip: Steps{}, Smooth: Steps{}, Without: Kinds{}}
	flag.IntVar(&only.Steps, "steps", 0, "with -seed: the steps of the first part; 0: all")
	flag.Var(only.Skip, "skip", "with -seed: steps in which nothing happens, such as 3-17,29")
	flag.Var(only.Smooth, "smooth", "with -seed: steps whose hook nothing disturbs")
	flag.Var(only.Without, "without", "with -seed: troubles that never come, separated by commas")
	flag.Parse()
	// Nearly all of a history is garbage soon, and little is alive at a time.
	debug.SetGCPercent(800)
	os.Exit(m.Run())
}

// history runs one seed.
func history(t *testing.T, seed uint64, o Options) (result Result) {
	synctest.Test(t, func(*testing.T) { result = Run(seed, o) })
	return result
}

func TestSimulation(t *testing.T) {
	t.Parallel()
	if *seed != 0 {
		only.Trace = func(line string) { fmt.Fprintln(os.Stderr, line) }
		if result := history(t, *seed, only); result.Violation != "" {
			t.Fatal(result.Violation)
		}
		return
	}
	began := time.Now()
	sum := total{faults: map[string]int{}, surprises: map[string]int{}}
	stop := sum.tell(began)
	next := atomic.Uint64{}
	// Histories have nothing in common, so each core plays its own.
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for n := next.Add(1); n <= *seeds && !sum.enough(); n = next.Add(1) {
				s := *first + n - 1
				result := history(t, s, Options{})
				sum.add(result)
				if result.Violation != "" {
					t.Error(explain(t, s, result))
				}
			}
		})
	}
	workers.Wait()
	stop()
	t.Log(sum.report(began))
	if sum.enough() {
		t.Errorf("stopped after %d failures", sum.failures)
	}
	if *seeds < defaultSeeds || sum.failures > 0 {
		return
	}
	for _, what := range surprises() {
		if sum.surprises[what] == 0 {
			t.Errorf("no history has met the surprise: %s", what)
		}
	}
	for _, kind := range troubles() {
		if sum.faults[kind] == 0 {
			t.Errorf("no history has met the trouble: %s", kind)
		}
	}
}

// total is the sum of many results.
type total struct {
	mu                                sync.Mutex
	histories, hooks, short, failures int
	faults, surprises                 map[string]int
}

func (s *total) add(r Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.histories++
	s.hooks += r.Hooks
	if r.Hooks < minHooks {
		s.short++
	}
	for kind, n := range r.Faults {
		s.faults[kind] += n
	}
	for what, n := range r.Surprises {
		s.surprises[what] += n
	}
	if r.Violation != "" {
		s.failures++
	}
}

// enough says that more failures would tell nothing new.
func (s *total) enough() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failures >= 5
}

// head is the sum in one line.
func (s *total) head(began time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	faults := 0
	for _, n := range s.faults {
		faults += n
	}
	return fmt.Sprintf("%d histories, %d hooks, %.0f a second, %d troubles, %d failures", s.histories, s.hooks,
		float64(s.hooks)/time.Since(began).Seconds(), faults, s.failures)
}

// report is all of the sum.
func (s *total) report(began time.Time) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s; %d histories with less than %d hooks, update-status off in half of them", s.head(began), s.short, minHooks)
	for _, table := range []struct {
		title string
		rows  map[string]int
	}{{"troubles", s.faults}, {"surprises", s.surprises}} {
		fmt.Fprintf(&text, "\n%s:", table.title)
		for _, row := range sorted(table.rows) {
			fmt.Fprintf(&text, "\n%9d × %s", table.rows[row], row)
		}
	}
	return text.String()
}

// tell tells now and then how far it is, until the function it gives is
// called.
func (s *total) tell(began time.Time) (stop func()) {
	if *progress <= 0 {
		return func() {}
	}
	done := make(chan struct{})
	var reporter sync.WaitGroup
	reporter.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(*progress):
				fmt.Fprintf(os.Stderr, "%6.0fs %s of %d\n", time.Since(began).Seconds(), s.head(began), *seeds)
			}
		}
	})
	return func() {
		close(done)
		reporter.Wait()
	}
}

// explain says of a violation how to see it again, after it was made smaller.
func explain(t *testing.T, seed uint64, result Result) string {
	small, runs := shrink(seed, Options{}, result, func(o Options) Result { return history(t, seed, o) })
	var lines []string
	small.Trace = func(line string) { lines = append(lines, line) }
	again := history(t, seed, small)
	return fmt.Sprintf("seed %d: %s\nmade smaller in %d runs, from %d steps to %d: %s\nreplay: %s\nlast events:\n%s",
		seed, result.Violation, runs, result.Steps, small.Steps-len(small.Skip), again.Violation, replay(seed, small), strings.Join(tailOf(lines), "\n"))
}

// tailOf are the last lines.
func tailOf(lines []string) []string {
	const most = 60
	return lines[max(0, len(lines)-most):]
}

// The same seed gives the same history, or no failure could be looked into.
func TestReplay(t *testing.T) {
	t.Parallel()
	for s := uint64(1); s <= 5; s++ {
		var lines [2][]string
		for i := range lines {
			history(t, s, Options{Trace: func(line string) { lines[i] = append(lines[i], line) }})
		}
		if diff := cmp.Diff(lines[0], lines[1]); diff != "" {
			t.Errorf("seed %d gives two histories (-first +second):\n%s", s, diff)
		}
	}
}
