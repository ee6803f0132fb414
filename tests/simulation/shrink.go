package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxRuns bounds the histories that shrink plays.
const maxRuns = 400

// shrink looks for a smaller history of a seed that breaks the same rule: one
// of fewer steps, with less trouble. run plays it. It says how often it did.
func shrink(seed uint64, o Options, result Result, run func(Options) Result) (small Options, runs int) {
	s := shrinker{rule: result.Rule, best: o, result: result, run: run}
	s.best.Steps = result.Steps
	if !s.try(s.best) {
		return o, s.runs // it does not happen again
	}
	// The end first: most violations come long before it.
	for steps := 8; steps < s.best.Steps; steps *= 2 {
		shorter := s.best
		shorter.Steps = steps
		if s.try(shorter) {
			break
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(s.result.Faults)) {
		without := s.best
		without.Without = with(s.best.Without, kind)
		s.try(without)
	}
	smooth := s.best
	smooth.Smooth = with(s.best.Smooth, s.result.Rough...)
	if !s.try(smooth) {
		s.reduce(s.result.Rough, func(o *Options, steps []int) { o.Smooth = with(o.Smooth, steps...) })
	}
	var all []int
	for n := 1; n <= s.best.Steps; n++ {
		all = append(all, n)
	}
	s.reduce(all, func(o *Options, steps []int) { o.Skip = with(o.Skip, steps...) })
	s.tidy()
	return s.best, s.runs
}

// with is a copy of a set with more elements.
func with[K comparable, S ~map[K]bool](set S, more ...K) S {
	larger := S{}
	maps.Copy(larger, set)
	for _, element := range more {
		larger[element] = true
	}
	return larger
}

type shrinker struct {
	rule   string
	run    func(Options) Result
	runs   int
	best   Options
	result Result // of best
}

// try keeps o if it breaks the same rule.
func (s *shrinker) try(o Options) bool {
	if s.runs >= maxRuns+2 { // two for tidy
		return false
	}
	s.runs++
	result := s.run(o)
	if result.Rule != s.rule {
		return false
	}
	if result.Steps > 0 && result.Steps < o.Steps {
		o.Steps = result.Steps
	}
	s.best, s.result = o, result
	return true
}

// tidy leaves out of the options what makes no difference any more.
func (s *shrinker) tidy() {
	for s.best.Skip[s.best.Steps] {
		delete(s.best.Skip, s.best.Steps)
		s.best.Steps--
	}
	kept := Steps{}
	for n := range s.best.Smooth {
		if n <= s.best.Steps && !s.best.Skip[n] {
			kept[n] = true
		}
	}
	s.best.Smooth = kept
	plain := s.best
	plain.Without, plain.Smooth = nil, nil
	if !s.try(plain) {
		plain = s.best
		plain.Without = nil
		s.try(plain)
	}
}

// reduce leaves out as many steps as it can, many at once first.
func (s *shrinker) reduce(steps []int, leaveOut func(*Options, []int)) {
	for size := (len(steps) + 1) / 2; size > 0; size /= 2 {
		for from := 0; from < len(steps) && s.runs < maxRuns; {
			part := steps[from:min(from+size, len(steps))]
			o := s.best
			leaveOut(&o, part)
			if s.try(o) {
				steps = slices.Delete(slices.Clone(steps), from, from+len(part))
				continue
			}
			from += size
		}
	}
}

// replay is the command that plays a history of a seed again.
func replay(seed uint64, o Options) string {
	words := []string{fmt.Sprintf("go test ./tests/simulation -run 'TestSimulation$' -count=1 -seed %d", seed)}
	if o.Steps > 0 {
		words = append(words, fmt.Sprintf("-steps %d", o.Steps))
	}
	for _, set := range []struct {
		flag string
		text string
	}{{"skip", o.Skip.String()}, {"smooth", o.Smooth.String()}, {"without", o.Without.String()}} {
		if set.text != "" {
			words = append(words, fmt.Sprintf("-%s '%s'", set.flag, set.text))
		}
	}
	return strings.Join(words, " ")
}
