package simulation

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	seeds = flag.Uint64("seeds", 60, "number of histories")
	first = flag.Uint64("first", 1, "seed of the first history")
	seed  = flag.Uint64("seed", 0, "replay the history of this seed alone, with all its events")
)

// history runs one seed.
func history(t *testing.T, seed uint64, o Options) (result Result) {
	synctest.Test(t, func(*testing.T) { result = Run(seed, o) })
	return result
}

func TestSimulation(t *testing.T) {
	if *seed != 0 {
		result := history(t, *seed, Options{Trace: func(line string) { fmt.Fprintln(os.Stderr, line) }})
		if result.Violation != "" {
			t.Fatal(result.Violation)
		}
		return
	}
	began := time.Now()
	var sum total
	next := atomic.Uint64{}
	// Histories have nothing in common, so each core plays its own.
	t.Run("histories", func(t *testing.T) {
		for worker := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for n := next.Add(1); n <= *seeds && !sum.enough(); n = next.Add(1) {
					s := *first + n - 1
					result := history(t, s, Options{})
					sum.add(result)
					if result.Violation != "" {
						lines := result.Tail[max(0, len(result.Tail)-tail):]
						t.Errorf("seed %d: %s\nreplay: go test ./tests/simulation -run 'TestSimulation$' -count=1 -seed %d\nlast events:\n%s",
							s, result.Violation, s, strings.Join(lines, "\n"))
					}
				}
			})
		}
	})
	took := time.Since(began)
	t.Logf("%d histories, %d hooks, %.0f hooks a second, update-status off in half of them", sum.histories, sum.hooks, float64(sum.hooks)/took.Seconds())
	faults := 0
	for _, kind := range sorted(sum.faults) {
		t.Logf("%7d × %s", sum.faults[kind], kind)
		faults += sum.faults[kind]
	}
	t.Logf("%7d faults, %d failures", faults, sum.failures)
	if sum.enough() {
		t.Errorf("stopped after %d failures", sum.failures)
	}
}

// total is the sum of many results.
type total struct {
	mu                         sync.Mutex
	histories, hooks, failures int
	faults                     map[string]int
}

func (s *total) add(r Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults == nil {
		s.faults = map[string]int{}
	}
	s.histories++
	s.hooks += r.Hooks
	for kind, n := range r.Faults {
		s.faults[kind] += n
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

// The same seed gives the same history, or no failure could be looked into.
func TestReplay(t *testing.T) {
	t.Parallel()
	for s := uint64(1); s <= 3; s++ {
		var lines [2][]string
		for i := range lines {
			history(t, s, Options{Steps: 200, Trace: func(line string) { lines[i] = append(lines[i], line) }})
		}
		if diff := cmp.Diff(lines[0], lines[1]); diff != "" {
			t.Errorf("seed %d gives two histories (-first +second):\n%s", s, diff)
		}
	}
}
