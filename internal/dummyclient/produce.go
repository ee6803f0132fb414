package dummyclient

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsar-charms/pulsar-charms/internal/dummyclient/account"
)

// production says what a producer sends.
type production struct {
	target
	directory string // of the journals
	name      string // of the producer, first part of the run's name
	count     uint64 // 0: without end
	rate      int    // messages a second; 0: no limit
	size      int    // bytes of each message
}

// drainTime is how long a producer that was told to stop waits for what it
// has sent.
const drainTime = 5 * time.Second

// produce sends messages until all are sent and answered, or ctx ends, and
// keeps a journal of it. What it returns is true also beside an error.
func produce(ctx context.Context, p production, logger *slog.Logger) (account.Produced, error) {
	begun := time.Now()
	client, err := p.connect(logger)
	if err != nil {
		return account.Produced{}, err
	}
	if err := p.prepare(ctx, client, logger); err != nil {
		return account.Produced{}, err
	}
	run := fmt.Sprintf("%s-%s-%s", p.name, begun.UTC().Format("20060102T150405"), rand.Text()[:8])
	var producer pulsar.Producer
	if err := again(ctx, logger, func(ctx context.Context) error {
		producer, err = await(ctx, func() (pulsar.Producer, error) {
			return client.CreateProducer(pulsar.ProducerOptions{
				Topic:              p.topic.String(),
				Name:               run,
				SendTimeout:        -1, // for ever: what is lost must be Pulsar's doing
				MaxPendingMessages: 2 * maxOutstanding,
			})
		})
		if err != nil {
			return fmt.Errorf("cannot produce to %s: %w", p.topic, err)
		}
		return nil
	}); err != nil {
		return account.Produced{}, err
	}
	journal, err := account.CreateJournal(p.directory, run, p.topic.String())
	if err != nil {
		return account.Produced{}, err
	}
	logger.Info("producing", "run", run, "topic", p.topic.String())

	payload := make([]byte, p.size)
	w := newWriter(journal, func(number uint64, done func(error)) {
		// A context of its own: a message that was taken is never given up.
		producer.SendAsync(context.Background(), &pulsar.ProducerMessage{
			Payload:    payload,
			Properties: map[string]string{propertyRun: run, propertyNumber: strconv.FormatUint(number, 10)},
		}, func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) { done(err) })
	})
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		for sleep(watching, time.Second) {
			w.look()
		}
	}()
	err = w.write(ctx, p.count, p.rate)
	draining, cancel := ctx, context.CancelFunc(func() {})
	if ctx.Err() != nil {
		draining, cancel = context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	}
	w.drain(draining)
	cancel()
	stop()
	w.look()
	produced, refusal := w.totals()
	produced.Run, produced.DurationMS = run, time.Since(begun).Milliseconds()
	err = errors.Join(err, journal.Close())
	switch {
	case err != nil:
	case refusal != nil:
		err = fmt.Errorf("%d of %d messages were refused: %w", produced.Refused, produced.Sent, refusal)
	case p.count > 0 && produced.Acked < p.count:
		err = fmt.Errorf("only %d of %d messages were acknowledged in time", produced.Acked, p.count)
	}
	return produced, err
}
