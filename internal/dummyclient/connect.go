package dummyclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/log"

	"github.com/pulsar-charms/pulsar-charms/internal/relation"
)

// keepSubscription holds every message in the topic: Pulsar deletes what no
// durable subscription has still to read.
const keepSubscription = "dummy-client-keep"

// Properties of every message.
const (
	propertyRun    = "dummy-run"
	propertyNumber = "dummy-number"
)

// target is the topic and where to find it.
type target struct {
	serviceURL    string
	webServiceURL string
	topic         relation.Topic
	partitions    int
}

// connect makes a client; it does no network call yet.
func (t target) connect(logger *slog.Logger) (pulsar.Client, error) {
	client, err := pulsar.NewClient(pulsar.ClientOptions{
		URL:               t.serviceURL,
		ConnectionTimeout: 5 * time.Second,
		OperationTimeout:  10 * time.Second,
		Logger:            log.NewLoggerWithSlog(logger),
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make a client for %q: %w", t.serviceURL, err)
	}
	return client, nil
}

// prepare makes the topic with its partitions and has its messages kept.
func (t target) prepare(ctx context.Context, client pulsar.Client, logger *slog.Logger) error {
	if err := again(ctx, logger, func(ctx context.Context) error {
		return ensurePartitions(ctx, relation.WebServiceURLs(t.webServiceURL), t.topic, t.partitions)
	}); err != nil {
		return err
	}
	return again(ctx, logger, func(ctx context.Context) error {
		consumer, err := await(ctx, func() (pulsar.Consumer, error) {
			return client.Subscribe(pulsar.ConsumerOptions{
				Topic:                       t.topic.String(),
				SubscriptionName:            keepSubscription,
				Type:                        pulsar.Shared, // units do this at the same time
				SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest,
				ReceiverQueueSize:           1,
			})
		})
		if err != nil {
			return fmt.Errorf("cannot keep the messages of %s: %w", t.topic, err)
		}
		_, err = await(ctx, func() (struct{}, error) { consumer.Close(); return struct{}{}, nil })
		return err
	})
}

// await runs a call of the client library, which knows no context, and stops
// waiting for it when ctx ends.
func await[T any](ctx context.Context, call func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		value, err := call()
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}

// again tries until it succeeds, fails for good, or ctx ends. The error is
// the last one that says something of Pulsar.
func again(ctx context.Context, logger *slog.Logger, try func(context.Context) error) error {
	var last error
	for delay := 100 * time.Millisecond; ; delay = min(2*delay, 2*time.Second) {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if _, permanent := errors.AsType[permanentError](err); permanent {
			return err
		}
		if last == nil || ctx.Err() == nil {
			if last == nil || last.Error() != err.Error() {
				logger.Warn("trying again", "error", err)
			}
			last = err
		}
		if !sleep(ctx, delay) {
			return last
		}
	}
}
