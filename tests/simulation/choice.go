package simulation

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// event is something that may happen next.
type event struct {
	weight int
	// key is what happens, in words. It makes the choice: the same event is as
	// likely whatever else may happen, and the same whatever had been left out
	// before, so that a history stays much the same when parts are taken away.
	key string
	do  func()
}

// turn lets do choose from choices of its own, which depend on the seed and n
// alone, and not on how much was chosen before.
func (w *world) turn(n uint64, do func()) {
	rng, draw := w.rng, w.draw
	w.draw = mix(draw ^ mix(n+1))
	w.rng = rand.New(rand.NewPCG(w.draw, n))
	do()
	w.rng, w.draw = rng, draw
}

// mix is the finaliser of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// pick does one of the events, if there are any: that with the least of
// exponentially distributed times, each drawn by the event's key.
func (w *world) pick(list []event) bool {
	best, least := -1, math.Inf(1)
	for i, e := range list {
		h := uint64(14695981039346656037)
		for j := range len(e.key) {
			h = (h ^ uint64(e.key[j])) * 1099511628211
		}
		uniform := float64(mix(h^w.draw)>>11+1) / (1 << 53)
		if time := -math.Log(uniform) / float64(e.weight); time < least {
			best, least = i, time
		}
	}
	if best < 0 {
		return false
	}
	list[best].do()
	w.live()
	return true
}

func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

func choose[T any](w *world, from []T) T { return from[w.rng.IntN(len(from))] }

// between is a random duration.
func (w *world) between(from, to time.Duration) time.Duration {
	return from + time.Duration(w.rng.Int64N(int64(to-from)+1))
}

// Steps is a set of steps of a history, written 3-17,29; a flag.Value.
type Steps map[int]bool

// String is the set as Set reads it.
func (s Steps) String() string {
	numbers := slices.Sorted(maps.Keys(s))
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		part := strconv.Itoa(numbers[i])
		if j > i {
			part += "-" + strconv.Itoa(numbers[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// Set adds what text says.
func (s Steps) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err != nil || err2 != nil || from < 0 || to < from || to > 1<<20 {
			return fmt.Errorf("%q is not a list of steps such as 3-17,29", text)
		}
		for n := from; n <= to; n++ {
			s[n] = true
		}
	}
	return nil
}

// Kinds is a set of kinds of trouble, separated by commas; a flag.Value.
type Kinds map[string]bool

// String is the set as Set reads it.
func (k Kinds) String() string { return strings.Join(slices.Sorted(maps.Keys(k)), ",") }

// Set adds what text says.
func (k Kinds) Set(text string) error {
	for kind := range strings.SplitSeq(text, ",") {
		k[kind] = true
	}
	return nil
}
