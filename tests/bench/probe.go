package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/log"

	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// interval is the time between two looks, that of the plain script.
const interval = 100 * time.Millisecond

// probe prints each stage when a cluster that comes up has reached it. It asks
// what the plain script asks: each ZooKeeper's srvr, each bookie's is_ready,
// each broker's health. hosts is the file with the cluster's names.
func probe(ctx context.Context, hosts string) error {
	ctx, cancel := context.WithTimeout(ctx, deployLimit)
	defer cancel()
	c := cluster{hosts: hosts}
	for _, stage := range []struct {
		name  string
		await func(ctx context.Context) error
	}{
		{quorum, func(ctx context.Context) error { return c.all(ctx, "pulsar", serves) }},
		{metadata, c.initialised},
		{bookies, func(ctx context.Context) error { return c.all(ctx, "bookie", answers(":8000/api/v1/bookie/is_ready")) }},
		{brokers, func(ctx context.Context) error { return c.all(ctx, "pulsar", answers(":8080/admin/v2/brokers/health")) }},
		{message, func(ctx context.Context) error {
			return firstMessage(ctx, "pulsar://"+strings.Join(c.names("pulsar", ":6650"), ","))
		}},
	} {
		if err := stage.await(ctx); err != nil {
			return fmt.Errorf("cannot get to %q: %w", stage.name, err)
		}
		fmt.Println(stage.name)
	}
	return nil
}

// cluster is three units each of pulsar and bookie.
type cluster struct{ hosts string }

// names are the full names of an application's pods, with a suffix.
func (c cluster) names(app, suffix string) []string {
	text, err := os.ReadFile(c.hosts)
	if err != nil {
		return nil
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], app+"-") {
			names = append(names, fields[1]+suffix)
		}
	}
	slices.Sort(names)
	return names
}

// all waits until each of the application's three pods holds.
func (c cluster) all(ctx context.Context, app string, holds func(ctx context.Context, host string) bool) error {
	var names []string
	if err := until(ctx, func(context.Context) bool { names = c.names(app, ""); return len(names) == 3 }); err != nil {
		return err
	}
	done := make(chan error, len(names))
	for _, name := range names {
		go func() { done <- until(ctx, func(ctx context.Context) bool { return holds(ctx, name) }) }()
	}
	var errs []error
	for range names {
		errs = append(errs, <-done)
	}
	return errors.Join(errs...)
}

func until(ctx context.Context, holds func(ctx context.Context) bool) error {
	for !holds(ctx) {
		select {
		case <-time.After(interval):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func serves(ctx context.Context, host string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := zk.Srvr(ctx, host+":2181")
	return err == nil
}

// initialised waits for what is written near the end of the initialisation.
func (c cluster) initialised(ctx context.Context) error {
	client, err := zk.Dial(ctx, c.names("pulsar", ":2181"))
	if err != nil {
		return err
	}
	defer client.Close()
	return until(ctx, func(ctx context.Context) bool {
		clusters, err := client.Children(ctx, "/admin/clusters")
		return err == nil && slices.ContainsFunc(clusters, func(name string) bool { return name != "global" })
	})
}

func answers(path string) func(context.Context, string) bool {
	return func(ctx context.Context, host string) bool {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+path, nil)
		if err != nil {
			return false
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		return response.StatusCode == http.StatusOK
	}
}

// firstMessage sends one message and receives it.
func firstMessage(ctx context.Context, serviceURL string) error {
	const topic = "persistent://public/default/bench"
	client, err := pulsar.NewClient(pulsar.ClientOptions{URL: serviceURL, Logger: log.NewLoggerWithSlog(slog.New(slog.DiscardHandler))})
	if err != nil {
		return err
	}
	defer client.Close()
	consumer, err := client.Subscribe(pulsar.ConsumerOptions{Topic: topic, SubscriptionName: "bench"})
	if err != nil {
		return err
	}
	defer consumer.Close()
	producer, err := client.CreateProducer(pulsar.ProducerOptions{Topic: topic})
	if err != nil {
		return err
	}
	defer producer.Close()
	if _, err := producer.Send(ctx, &pulsar.ProducerMessage{Payload: []byte("first")}); err != nil {
		return err
	}
	received, err := consumer.Receive(ctx)
	if err != nil {
		return err
	}
	return consumer.Ack(received)
}
