package dummyclient

import (
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/dummyclient/account"
)

// batched is an id within a batch of a known size.
type batched struct {
	pulsar.MessageID
	size int32
}

func (b batched) BatchSize() int32 { return b.size }

func TestPositionReached(t *testing.T) {
	t.Parallel()
	id := func(ledger, entry int64, index, size int32) pulsar.MessageID {
		return batched{pulsar.NewMessageID(ledger, entry, index, -1), size}
	}
	for _, test := range []struct {
		name      string
		last, end pulsar.MessageID
		want      bool
	}{
		{"nothing read", nil, id(1, 5, -1, 0), false},
		{"before it", id(1, 4, -1, 0), id(1, 5, -1, 0), false},
		{"in an older ledger", id(1, 9, -1, 0), id(2, 0, -1, 0), false},
		{"single message", id(1, 5, -1, 0), id(1, 5, -1, 0), true},
		{"amid the last batch", id(1, 5, 0, 3), id(1, 5, 2, 3), false},
		{"end of the last batch", id(1, 5, 2, 3), id(1, 5, 2, 3), true},
		{"the broker did not look into the batch", id(1, 5, 0, 3), id(1, 5, -1, 0), false},
		{"beyond it", id(2, 0, -1, 0), id(1, 5, -1, 0), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := position{last: test.last, end: test.end}
			if got := p.reached(); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// A check takes live runs as they are at its beginning and waits a moment
// until that is acknowledged.
func TestSettle(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	journal, err := account.CreateJournal(directory, "a", "t")
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(5) {
		journal.Sent(n + 1)
	}
	journal.Acked(1)
	go func() {
		for n := uint64(2); n <= 5; n++ {
			journal.Acked(n)
		}
	}()
	for {
		// Sent is written behind the fact: wait for it to stand there.
		records, err := account.ReadJournals(directory, "t")
		if err != nil {
			t.Fatal(err)
		}
		if records[0].Sent == 5 {
			break
		}
		if !sleep(t.Context(), time.Millisecond) {
			t.Fatal("the journal does not say what was sent")
		}
	}
	records, err := settle(t.Context(), directory, "t")
	if err != nil {
		t.Fatal(err)
	}
	want := []account.Record{{Run: "a", Topic: "t", Sent: 5, Acked: account.Ranges{{First: 1, Last: 5}}, Live: true}}
	if diff := cmp.Diff(want, records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
}
