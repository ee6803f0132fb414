package dummyclient

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsar-charms/pulsar-charms/internal/dummyclient/account"
)

const (
	// settleTime is how long a check waits for what live runs have sent to be
	// acknowledged, so that it compares equal things.
	settleTime = 5 * time.Second
	// stallTime is how long a reader may give nothing before its end, until
	// another one is made.
	stallTime = 10 * time.Second
	// emptyTime is how long a partition that is said to be empty may still
	// surprise.
	emptyTime = time.Second
)

// check compares the journals in the directory with the topic, read from the
// beginning to what was its end when the reading began. The report is
// complete only if there is no error.
func check(ctx context.Context, t target, directory string, logger *slog.Logger) (account.Report, error) {
	client, err := t.connect(logger)
	if err != nil {
		return account.Report{}, err
	}
	var report account.Report
	// A loss is believed when a second reading finds it too.
	for reading := range 2 {
		records, err := settle(ctx, directory, t.topic.String())
		if err != nil {
			return account.Report{}, err
		}
		accounts := account.New(records)
		if err := t.readAll(ctx, client, logger, accounts.Receive); err != nil {
			return accounts.Report(), err
		}
		if report = accounts.Report(); report.Lost == 0 {
			break
		}
		logger.Warn("acknowledged messages are missing", "reading", reading+1, "missing", report.Missing)
	}
	return report, nil
}

// settle reads the journals and gives live runs a moment to have everything
// acknowledged that they had sent when it was called; later messages are cut
// off.
func settle(ctx context.Context, directory, topic string) ([]account.Record, error) {
	first, err := account.ReadJournals(directory, topic)
	if err != nil {
		return nil, err
	}
	limit := map[string]uint64{}
	for _, record := range first {
		if record.Live {
			limit[record.Run] = record.Sent
		}
	}
	for deadline := time.Now().Add(settleTime); ; {
		records, err := account.ReadJournals(directory, topic)
		if err != nil {
			return nil, err
		}
		settled := true
		kept := records[:0]
		for _, record := range records {
			cut, live := limit[record.Run]
			if live {
				record = record.UpTo(cut)
				record.Live = true // even if it ended meanwhile: the cut holds
				settled = settled && record.Acked.Count() == cut
			} else if record.Live {
				continue // began after the check
			}
			kept = append(kept, record)
		}
		if settled || time.Now().After(deadline) || !sleep(ctx, 50*time.Millisecond) {
			return kept, nil
		}
	}
}

// readAll gives every message of the topic that is there now to receive.
func (t target) readAll(ctx context.Context, client pulsar.Client, logger *slog.Logger, receive func(run string, number uint64, partition int)) error {
	var partitions []string
	if err := again(ctx, logger, func(ctx context.Context) (err error) {
		if partitions, err = await(ctx, func() ([]string, error) { return client.TopicPartitions(t.topic.String()) }); err != nil {
			return fmt.Errorf("cannot find topic %s: %w", t.topic, err)
		}
		return nil
	}); err != nil {
		return err
	}
	for index, name := range partitions {
		place := position{}
		if err := again(ctx, logger, func(ctx context.Context) error {
			if err := place.read(ctx, client, name, func(m pulsar.Message) {
				run, number := identity(m)
				receive(run, number, index)
			}); err != nil {
				return fmt.Errorf("cannot read %s to its end: %w", name, err)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// position is how far a partition has been read, and how far it shall be.
type position struct {
	last pulsar.MessageID // nil: nothing yet
	end  pulsar.MessageID // nil: not known yet
}

// read goes on from where the last call failed. It makes a reader of its own,
// since a reader that is stuck does not come free.
func (p *position) read(ctx context.Context, client pulsar.Client, topic string, receive func(pulsar.Message)) error {
	start := pulsar.EarliestMessageID()
	if p.last != nil {
		start = p.last
	}
	reader, err := await(ctx, func() (pulsar.Reader, error) {
		return client.CreateReader(pulsar.ReaderOptions{Topic: topic, StartMessageID: start, StartMessageIDInclusive: true})
	})
	if err != nil {
		return err
	}
	defer func() { go reader.Close() }()
	if p.end == nil {
		if p.end, err = await(ctx, reader.GetLastMessageID); err != nil {
			return err
		}
	}
	// Of an empty partition the broker says that it ends at entry -1. That is
	// not relied on, since it would make a loss of everything else.
	empty, limit := p.end.EntryID() < 0, stallTime
	if empty {
		limit = emptyTime
	}
	for empty || !p.reached() {
		message, silent, err := next(ctx, reader, limit)
		switch {
		case err != nil:
			return err
		case silent && empty:
			return nil
		case silent:
			return fmt.Errorf("no message within %s", limit)
		}
		// A reader that reconnects, and one that starts again here, repeats
		// messages; these are not duplicates in the topic.
		if id := message.ID(); p.last == nil || compareIDs(id, p.last) > 0 {
			p.last = id
			receive(message)
		}
	}
	return nil
}

// next is the next message; silent if none came within limit.
func next(ctx context.Context, reader pulsar.Reader, limit time.Duration) (message pulsar.Message, silent bool, err error) {
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	message, err = reader.Next(waiting)
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return nil, true, nil
	}
	return message, false, err
}

// reached says whether the last message of the partition has been read; an
// entry holds a batch of messages.
func (p *position) reached() bool {
	if p.last == nil {
		return false
	}
	last, end := p.last, p.end
	if last.LedgerID() != end.LedgerID() || last.EntryID() != end.EntryID() {
		return compareEntries(last, end) > 0
	}
	return last.BatchIdx()+1 >= last.BatchSize()
}

func compareEntries(a, b pulsar.MessageID) int {
	if a.LedgerID() != b.LedgerID() {
		return sign(a.LedgerID() - b.LedgerID())
	}
	return sign(a.EntryID() - b.EntryID())
}

func compareIDs(a, b pulsar.MessageID) int {
	if order := compareEntries(a, b); order != 0 {
		return order
	}
	return sign(int64(a.BatchIdx()) - int64(b.BatchIdx()))
}

func sign(n int64) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}
