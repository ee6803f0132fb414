package simulation

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seeds = flag.Uint64("seeds", 40, "number of histories")
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
	hooks, failures, faults := 0, 0, map[string]int{}
	for s := *first; s < *first+*seeds; s++ {
		result := history(t, s, Options{})
		hooks += result.Hooks
		for kind, n := range result.Faults {
			faults[kind] += n
		}
		if result.Violation == "" {
			continue
		}
		lines := result.Tail[max(0, len(result.Tail)-tail):]
		t.Errorf("seed %d: %s\nreplay: go test ./tests/simulation -run 'TestSimulation$' -count=1 -seed %d\nlast events:\n%s",
			s, result.Violation, s, strings.Join(lines, "\n"))
		if failures++; failures == 5 {
			t.Error("and perhaps more: stopped after 5")
			break
		}
	}
	took := time.Since(began)
	t.Logf("%d histories, %d hooks, %.0f hooks a second", *seeds, hooks, float64(hooks)/took.Seconds())
	total := 0
	for _, kind := range sorted(faults) {
		t.Logf("%6d × %s", faults[kind], kind)
		total += faults[kind]
	}
	t.Logf("%6d faults", total)
}
