package dummyclient

import (
	"context"
	"sync"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/dummyclient/account"
)

// maxOutstanding bounds the messages that wait for an acknowledgement.
const maxOutstanding = 1000

// books is where a writer notes what happened; *account.Journal is one.
type books interface {
	Sent(number uint64)
	Acked(number uint64)
	Pause(longest time.Duration)
	Err() error
}

// writer sends the numbered messages of one run.
type writer struct {
	books books
	// send hands one message to Pulsar and returns; done is called once,
	// from any goroutine.
	send func(number uint64, done func(error))
	now  func() time.Time

	slots chan struct{}

	mu      sync.Mutex
	sent    uint64
	acked   uint64
	refused uint64
	refusal error // the first
	pause   pauseMeter
}

func newWriter(books books, send func(uint64, func(error))) *writer {
	return &writer{books: books, send: send, now: time.Now, slots: make(chan struct{}, maxOutstanding)}
}

// write sends count messages, or without end if count is 0, at rate messages
// a second, or as fast as they are acknowledged if rate is 0. It returns when
// all are sent, when ctx ends (no error) or when the books fail.
func (w *writer) write(ctx context.Context, count uint64, rate int) error {
	due := w.now()
	for number := uint64(1); count == 0 || number <= count; number++ {
		if rate > 0 {
			// What was missed while sending was held up is not made up for.
			due = maxTime(due.Add(time.Second/time.Duration(rate)), w.now().Add(-time.Second))
			if !sleep(ctx, due.Sub(w.now())) {
				return nil
			}
		}
		select {
		case w.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		if ctx.Err() != nil {
			<-w.slots
			return nil
		}
		if err := w.books.Err(); err != nil {
			<-w.slots
			return err
		}
		w.mu.Lock()
		w.sent = number
		w.pause.begun(w.now())
		w.mu.Unlock()
		w.books.Sent(number)
		w.send(number, func(err error) { w.done(number, err) })
	}
	return nil
}

func (w *writer) done(number uint64, err error) {
	w.mu.Lock()
	grown := w.pause.ended(w.now())
	longest := w.pause.longest
	if err != nil {
		w.refused++
		if w.refusal == nil {
			w.refusal = err
		}
	} else {
		w.acked++
	}
	w.mu.Unlock()
	if err == nil {
		w.books.Acked(number)
	}
	if grown {
		w.books.Pause(longest)
	}
	<-w.slots
}

// look notes a pause that goes on, so that it is known even if the process
// does not live to see its end.
func (w *writer) look() {
	w.mu.Lock()
	grown := w.pause.look(w.now())
	longest := w.pause.longest
	w.mu.Unlock()
	if grown {
		w.books.Pause(longest)
	}
}

// drain waits until every message sent is acknowledged or refused, or until
// ctx ends.
func (w *writer) drain(ctx context.Context) {
	for range cap(w.slots) {
		select {
		case w.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

func (w *writer) totals() (produced account.Produced, refusal error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return account.Produced{
		Sent:           w.sent,
		Acked:          w.acked,
		Refused:        w.refused,
		LongestPauseMS: w.pause.longest.Milliseconds(),
	}, w.refusal
}

// pauseMeter measures the longest time without an answer while at least one
// message waited for it.
type pauseMeter struct {
	waiting int
	since   time.Time
	longest time.Duration
}

func (p *pauseMeter) begun(now time.Time) {
	if p.waiting == 0 {
		p.since = now
	}
	p.waiting++
}

func (p *pauseMeter) ended(now time.Time) (grown bool) {
	grown = p.look(now)
	p.since = now
	p.waiting--
	return grown
}

func (p *pauseMeter) look(now time.Time) (grown bool) {
	if p.waiting == 0 || now.Sub(p.since) <= p.longest {
		return false
	}
	p.longest = now.Sub(p.since)
	return true
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sleep reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
