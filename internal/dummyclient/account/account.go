package account

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// slack is how far beyond the numbers in a journal a message of its run may
// be: what the producer sent between its last record and a crash. A number
// beyond it was not made by the run.
const slack = 1 << 20

// missingShown bounds how many gaps a report names.
const missingShown = 10

// Account compares journals with the messages found in their topic.
type Account struct {
	runs    map[string]*receipts
	foreign uint64
}

// receipts is what was found of one run.
type receipts struct {
	record   Record
	limit    uint64         // numbers above are of the future (live run) or not of the run
	seen     []uint64       // bitmap by number
	highest  uint64         // highest number seen
	last     map[int]uint64 // highest number by partition
	distinct uint64
	again    uint64
	disorder uint64
}

// Report is the outcome of a check.
type Report struct {
	Runs int `json:"runs"`
	// Sent are the messages handed to the client library, Acked those of
	// them that Pulsar acknowledged.
	Sent  uint64 `json:"sent"`
	Acked uint64 `json:"acked"`
	// Received are the different messages found, acknowledged or not.
	Received uint64 `json:"received"`
	// Lost were acknowledged and not found.
	Lost uint64 `json:"lost"`
	// Duplicates were found again at another place of the topic: a producer
	// that lost its connection sends again what was not acknowledged.
	Duplicates uint64 `json:"duplicates"`
	// OutOfOrder came behind a higher number of the same run and partition.
	OutOfOrder uint64 `json:"out-of-order"`
	// LongestPauseMS is the longest time in milliseconds that a producer
	// waited for an acknowledgement.
	LongestPauseMS int64 `json:"longest-pause-ms"`
	// Foreign are messages of producers without a journal here.
	Foreign uint64 `json:"foreign"`
	// Missing names the first gaps as "<run>: <first>-<last>".
	Missing []string `json:"missing,omitempty"`
}

// New starts a comparison with the journals as they are now. What a
// live run sends from now on is left out of account.
func New(records []Record) *Account {
	a := &Account{runs: map[string]*receipts{}}
	for _, record := range records {
		r := &receipts{record: record, limit: record.Sent, last: map[int]uint64{}}
		if !record.Live {
			r.limit += slack
		}
		a.runs[record.Run] = r
	}
	return a
}

// Receive takes one message of the topic into account; run is empty if it
// carries none. Messages of one partition come in the topic's order, each
// place of it once.
func (a *Account) Receive(run string, number uint64, partition int) {
	r := a.runs[run]
	switch {
	case r == nil, number == 0, number > r.limit && !r.record.Live:
		a.foreign++
		return
	case number > r.limit:
		return
	}
	word, bit := number/64, uint64(1)<<(number%64)
	if uint64(len(r.seen)) <= word {
		r.seen = append(r.seen, make([]uint64, word+1-uint64(len(r.seen)))...)
	}
	if r.seen[word]&bit != 0 {
		r.again++
		return
	}
	r.seen[word] |= bit
	r.distinct++
	r.highest = max(r.highest, number)
	if number < r.last[partition] {
		r.disorder++
	}
	r.last[partition] = max(r.last[partition], number)
}

// Report sums up. It may be called once everything is received.
func (a *Account) Report() Report {
	report := Report{Runs: len(a.runs), Foreign: a.foreign}
	var pause time.Duration
	for _, name := range slices.Sorted(maps.Keys(a.runs)) {
		r := a.runs[name]
		report.Sent += max(r.record.Sent, r.highest)
		report.Acked += r.record.Acked.Count()
		report.Received += r.distinct
		report.Duplicates += r.again
		report.OutOfOrder += r.disorder
		pause = max(pause, r.record.Pause)
		for _, gap := range r.record.Acked.Minus(r.found()) {
			report.Lost += gap.Last - gap.First + 1
			if len(report.Missing) < missingShown {
				report.Missing = append(report.Missing, fmt.Sprintf("%s: %s", name, gap))
			}
		}
	}
	report.LongestPauseMS = pause.Milliseconds()
	return report
}

func (r *receipts) found() Ranges {
	var found Ranges
	for word, bits := range r.seen {
		if bits == 0 {
			continue
		}
		for bit := range 64 {
			if bits&(1<<bit) != 0 {
				n := uint64(word*64 + bit)
				found.Add(Range{n, n})
			}
		}
	}
	return found
}
