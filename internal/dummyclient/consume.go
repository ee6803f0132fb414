package dummyclient

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/pulsar-charms/pulsar-charms/internal/dummyclient/account"
)

// consumption says what a consumer reads.
type consumption struct {
	target
	subscription string
	kind         pulsar.SubscriptionType
	count        uint64        // 0: without end
	idle         time.Duration // end when nothing came for so long; 0: never
}

// subscriptionTypes are the values of --subscription-type.
var subscriptionTypes = map[string]pulsar.SubscriptionType{
	"exclusive":  pulsar.Exclusive,
	"shared":     pulsar.Shared,
	"failover":   pulsar.Failover,
	"key-shared": pulsar.KeyShared,
}

// consume reads from a durable subscription and acknowledges, as a customer
// does. It ends after count messages, when nothing more comes, or with ctx.
func consume(ctx context.Context, c consumption, logger *slog.Logger) (account.Consumed, error) {
	begun := time.Now()
	client, err := c.connect(logger)
	if err != nil {
		return account.Consumed{}, err
	}
	if err := c.prepare(ctx, client, logger); err != nil {
		return account.Consumed{}, err
	}
	var consumer pulsar.Consumer
	if err := again(ctx, logger, func(ctx context.Context) error {
		consumer, err = await(ctx, func() (pulsar.Consumer, error) {
			return client.Subscribe(pulsar.ConsumerOptions{
				Topic:                       c.topic.String(),
				SubscriptionName:            c.subscription,
				Type:                        c.kind,
				SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest,
			})
		})
		if err != nil {
			return fmt.Errorf("cannot subscribe to %s as %q: %w", c.topic, c.subscription, err)
		}
		return nil
	}); err != nil {
		return account.Consumed{}, err
	}
	logger.Info("consuming", "subscription", c.subscription, "topic", c.topic.String())

	var consumed account.Consumed
	deliveries := newDeliveries()
	for c.count == 0 || consumed.Received < c.count {
		message, err := receive(ctx, consumer, c.idle)
		if err != nil {
			consumed.DurationMS = time.Since(begun).Milliseconds()
			return consumed, fmt.Errorf("cannot receive from %s: %w", c.topic, err)
		}
		if message == nil {
			break
		}
		consumed.Received++
		if deliveries.again(identity(message)) {
			consumed.Duplicates++
		}
		if err := consumer.Ack(message); err != nil {
			logger.Warn("cannot acknowledge", "message", message.ID().String(), "error", err)
		}
	}
	// Closing sends the acknowledgements that are still grouped.
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	_, err = await(closing, func() (struct{}, error) { consumer.Close(); return struct{}{}, nil })
	consumed.DurationMS = time.Since(begun).Milliseconds()
	if err == nil && c.count > 0 && consumed.Received < c.count && ctx.Err() != nil {
		err = fmt.Errorf("only %d of %d messages came in time", consumed.Received, c.count)
	}
	return consumed, err
}

// receive waits for a message; nil if none came within idle or before ctx
// ended.
func receive(ctx context.Context, consumer pulsar.Consumer, idle time.Duration) (pulsar.Message, error) {
	waiting, cancel := ctx, context.CancelFunc(func() {})
	if idle > 0 {
		waiting, cancel = context.WithTimeout(ctx, idle)
	}
	defer cancel()
	message, err := consumer.Receive(waiting)
	if err != nil && waiting.Err() != nil {
		return nil, nil
	}
	return message, err
}

// identity is the run and number of a message; an empty run if it has none.
func identity(message pulsar.Message) (run string, number uint64) {
	properties := message.Properties()
	number, err := strconv.ParseUint(properties[propertyNumber], 10, 64)
	if err != nil {
		return "", 0
	}
	return properties[propertyRun], number
}

// deliveries remembers what a consumer got, in little memory: numbers of a
// run come nearly in order.
type deliveries struct{ runs map[string]*account.Ranges }

func newDeliveries() *deliveries { return &deliveries{runs: map[string]*account.Ranges{}} }

// again says whether the message was delivered before.
func (d *deliveries) again(run string, number uint64) bool {
	if run == "" {
		return false
	}
	if d.runs[run] == nil {
		d.runs[run] = &account.Ranges{}
	}
	return !d.runs[run].Add(account.Range{First: number, Last: number})
}
