package account

import (
	"fmt"
	"slices"
)

// Range is a run of numbers, both ends included.
type Range struct{ First, Last uint64 }

func (r Range) String() string {
	if r.First == r.Last {
		return fmt.Sprint(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// Ranges is a set of numbers: sorted, disjoint, not touching. The zero value
// is empty.
type Ranges []Range

// Add puts a range into the set and says whether any of it is new. Adding
// near the end is cheap, since acknowledgements come nearly in order.
func (rs *Ranges) Add(r Range) (grown bool) {
	if r.First > r.Last {
		return false
	}
	list := *rs
	// low: the first range that r touches or that lies behind it.
	low := len(list)
	for low > 0 && list[low-1].Last+1 >= r.First {
		low--
	}
	if low < len(list) && list[low].First <= r.First && r.Last <= list[low].Last {
		return false
	}
	high := low
	for high < len(list) && list[high].First <= r.Last+1 {
		r.First, r.Last = min(r.First, list[high].First), max(r.Last, list[high].Last)
		high++
	}
	*rs = slices.Replace(list, low, high, r)
	return true
}

// Count is the number of numbers in the set.
func (rs Ranges) Count() uint64 {
	var n uint64
	for _, r := range rs {
		n += r.Last - r.First + 1
	}
	return n
}

// UpTo is the part of the set that is not above limit.
func (rs Ranges) UpTo(limit uint64) Ranges {
	var part Ranges
	for _, r := range rs {
		if r.First > limit {
			break
		}
		part = append(part, Range{r.First, min(r.Last, limit)})
	}
	return part
}

// Minus is the part of the set that is not in the other.
func (rs Ranges) Minus(other Ranges) Ranges {
	var rest Ranges
	i := 0
	for _, r := range rs {
		for i < len(other) && other[i].Last < r.First {
			i++
		}
		next := r.First
		for j := i; j < len(other) && other[j].First <= r.Last; j++ {
			if other[j].First > next {
				rest = append(rest, Range{next, other[j].First - 1})
			}
			next = max(next, other[j].Last+1)
		}
		if next <= r.Last {
			rest = append(rest, Range{next, r.Last})
		}
	}
	return rest
}
