package dummyclient

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/dummyclient/account"
)

// memory is books without a disk.
type memory struct {
	sent  uint64
	acked account.Ranges
	pause time.Duration
	err   error
}

func (m *memory) Sent(n uint64)         { m.sent = n }
func (m *memory) Acked(n uint64)        { m.acked.Add(account.Range{First: n, Last: n}) }
func (m *memory) Pause(d time.Duration) { m.pause = d }
func (m *memory) Err() error            { return m.err }

func TestWriter(t *testing.T) {
	t.Parallel()
	fault := errors.New("topic terminated")
	for _, test := range []struct {
		name string
		// answer is when and how message n is answered.
		answer  func(n uint64) (time.Duration, error)
		count   uint64
		rate    int
		within  time.Duration
		want    account.Produced
		refusal error
		acked   account.Ranges
		took    time.Duration
	}{
		{
			name:   "a number of messages as fast as possible",
			answer: func(uint64) (time.Duration, error) { return 2 * time.Millisecond, nil },
			count:  500, within: time.Minute,
			want:  account.Produced{Sent: 500, Acked: 500, LongestPauseMS: 2},
			acked: account.Ranges{{First: 1, Last: 500}},
			took:  2 * time.Millisecond,
		},
		{
			name:   "at a rate until told to stop",
			answer: func(uint64) (time.Duration, error) { return 2 * time.Millisecond, nil },
			rate:   10, within: 1050 * time.Millisecond,
			want:  account.Produced{Sent: 10, Acked: 10, LongestPauseMS: 2},
			acked: account.Ranges{{First: 1, Last: 10}},
			took:  1050 * time.Millisecond,
		},
		{
			name: "an outage is the longest pause",
			answer: func(n uint64) (time.Duration, error) {
				if n < 5 {
					return time.Millisecond, nil
				}
				return 3 * time.Second, nil
			},
			count: 20, rate: 100, within: time.Minute,
			want:  account.Produced{Sent: 20, Acked: 20, LongestPauseMS: 3000},
			acked: account.Ranges{{First: 1, Last: 20}},
			took:  3200 * time.Millisecond,
		},
		{
			name: "what is refused is not acknowledged",
			answer: func(n uint64) (time.Duration, error) {
				if n%2 == 0 {
					return time.Millisecond, fault
				}
				return time.Millisecond, nil
			},
			count: 4, within: time.Minute,
			want:    account.Produced{Sent: 4, Acked: 2, Refused: 2, LongestPauseMS: 1},
			refusal: fault,
			acked:   account.Ranges{{First: 1, Last: 1}, {First: 3, Last: 3}},
			took:    time.Millisecond,
		},
		{
			name:   "no answer at all holds up the sending",
			answer: func(uint64) (time.Duration, error) { return time.Hour, nil },
			count:  5000, within: 10 * time.Second,
			want: account.Produced{Sent: maxOutstanding, LongestPauseMS: 10000},
			took: 10 * time.Second,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				books := &memory{}
				type reply struct {
					after time.Duration
					run   func()
				}
				ctx, stop := context.WithTimeout(t.Context(), test.within)
				defer stop()
				end := make(chan struct{})
				queue := make(chan reply, maxOutstanding)
				// One goroutine answers in order, as a producer's loop does.
				go func() {
					for {
						select {
						case r := <-queue:
							if !sleep(ctx, time.Until(time.Now().Add(r.after))) {
								close(end)
								return
							}
							r.run()
						case <-ctx.Done():
							close(end)
							return
						}
					}
				}()
				begun := time.Now()
				free := begun
				w := newWriter(books, func(n uint64, done func(error)) {
					after, err := test.answer(n)
					at := maxTime(time.Now().Add(after), free)
					wait := at.Sub(maxTime(free, time.Now()))
					free = at
					queue <- reply{wait, func() { done(err) }}
				})
				if err := w.write(ctx, test.count, test.rate); err != nil {
					t.Fatal(err)
				}
				w.drain(ctx)
				took := time.Since(begun)
				w.look()
				stop()
				<-end
				got, refusal := w.totals()
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("totals (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(test.acked, books.acked); diff != "" {
					t.Errorf("acknowledged (-want +got):\n%s", diff)
				}
				if books.sent != got.Sent || books.pause.Milliseconds() != got.LongestPauseMS {
					t.Errorf("books say sent %d, pause %v; totals %+v", books.sent, books.pause, got)
				}
				if refusal != test.refusal || took != test.took {
					t.Errorf("got refusal %v after %v, want %v after %v", refusal, took, test.refusal, test.took)
				}
			})
		})
	}
}

// Without a journal no loss could be proved, so nothing more is sent.
func TestWriterStopsWithItsBooks(t *testing.T) {
	t.Parallel()
	full := errors.New("cannot write journal: no space left on device")
	w := newWriter(&memory{err: full}, func(uint64, func(error)) { t.Error("a message was sent") })
	if err := w.write(t.Context(), 0, 0); err != full {
		t.Errorf("got error %v, want %v", err, full)
	}
}

func TestWriterKeepsAJournal(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "journal")
	journal, err := account.CreateJournal(directory, "a", "t")
	if err != nil {
		t.Fatal(err)
	}
	w := newWriter(journal, func(_ uint64, done func(error)) { go done(nil) })
	if err := w.write(t.Context(), 2000, 0); err != nil {
		t.Fatal(err)
	}
	w.drain(t.Context())
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	records, err := account.ReadJournals(directory, "t")
	if err != nil || len(records) != 1 {
		t.Fatalf("got %v, %v", records, err)
	}
	records[0].Pause = 0
	want := account.Record{Run: "a", Topic: "t", Sent: 2000, Acked: account.Ranges{{First: 1, Last: 2000}}, Ended: true}
	if diff := cmp.Diff(want, records[0]); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
}
