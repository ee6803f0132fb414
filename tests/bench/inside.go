package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// inside are benchmarks of Go's own kind that belong to the same picture: how
// long a test of one event takes, and how many hooks the simulator plays.
var inside = []struct{ name, pkg, benchmark, unit, aim string }{
	{"one opstest run, 3 related units", "./internal/ops/opstest", "BenchmarkRun3", "cpu-ns/op", "0.5 ms"},
	{"one opstest run, 50 related units", "./internal/ops/opstest", "BenchmarkRun50", "cpu-ns/op", "1 ms"},
	{"hooks of the simulator in a second of one core", "./tests/simulation", "BenchmarkHistory", "hooks/cpu-s", "5000"},
}

func printInside(ctx context.Context) error {
	t := newTable("Tests, by processor time", "what", "takes", "aim")
	for _, b := range inside {
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^"+b.benchmark+"$", b.pkg)
		output, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("cannot run %s: %w\n%s", b.benchmark, err, output)
		}
		match := regexp.MustCompile(`\s([0-9.]+) ` + regexp.QuoteMeta(b.unit)).FindSubmatch(output)
		if match == nil {
			return fmt.Errorf("%s does not tell %s:\n%s", b.benchmark, b.unit, output)
		}
		value, err := strconv.ParseFloat(string(match[1]), 64)
		if err != nil {
			return err
		}
		shown := fmt.Sprintf("%.0f", value)
		if b.unit == "cpu-ns/op" {
			shown = fmt.Sprintf("%.2f ms", value/float64(time.Millisecond))
		}
		t.add(b.name, shown, b.aim)
	}
	return t.print()
}
