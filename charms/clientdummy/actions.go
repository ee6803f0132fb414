package clientdummy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/dummyclient/account"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Actions are those of actions.yaml.
func (c *Charm) Actions() map[string]ops.ActionFunc {
	return map[string]ops.ActionFunc{
		"produce":                 c.produce,
		"consume":                 c.consume,
		"check":                   c.check,
		"start-continuous-writes": c.startWrites,
		"stop-continuous-writes":  c.stopWrites,
	}
}

// What the actions take, with the bounds that actions.yaml tells operators.
type (
	produceParams struct {
		Count   int `param:"count" min:"1" max:"10000000"`
		Rate    int `param:"rate" min:"0" max:"100000"`
		Timeout int `param:"timeout" min:"1" max:"3600"`
	}
	consumeParams struct {
		Count   int `param:"count" min:"0" max:"10000000"`
		Timeout int `param:"timeout" min:"1" max:"3600"`
	}
	checkParams struct {
		Timeout int `param:"timeout" min:"1" max:"3600"`
	}
)

func (c *Charm) produce(ctx context.Context, u *ops.Unit, a *ops.Action) error {
	params := produceParams{1000, 0, 120}
	if err := a.Params(&params); err != nil {
		return err
	}
	s, err := c.prepare(ctx, u)
	if err != nil {
		return err
	}
	result, err := s.run(ctx, u, params.Timeout, "produce",
		"--count", strconv.Itoa(params.Count), "--rate", strconv.Itoa(params.Rate), "--size", strconv.Itoa(s.options.MessageSize))
	if p := result.Produced; p != nil {
		a.Set("sent", p.Sent)
		a.Set("acked", p.Acked)
		a.Set("longest-pause", milliseconds(p.LongestPauseMS))
		a.Set("duration", milliseconds(p.DurationMS))
	}
	return err
}

func (c *Charm) consume(ctx context.Context, u *ops.Unit, a *ops.Action) error {
	params := consumeParams{0, 120}
	if err := a.Params(&params); err != nil {
		return err
	}
	s, err := c.prepare(ctx, u)
	if err != nil {
		return err
	}
	result, err := s.run(ctx, u, params.Timeout, "consume", "--count", strconv.Itoa(params.Count),
		"--subscription-type", s.options.SubscriptionType, "--subscription", juju.Application(s.unit))
	if r := result.Consumed; r != nil {
		a.Set("received", r.Received)
		a.Set("duplicates", r.Duplicates)
		a.Set("duration", milliseconds(r.DurationMS))
	}
	return err
}

func (c *Charm) check(ctx context.Context, u *ops.Unit, a *ops.Action) error {
	params := checkParams{300}
	if err := a.Params(&params); err != nil {
		return err
	}
	s, err := c.prepare(ctx, u)
	if err != nil {
		return err
	}
	result, err := s.run(ctx, u, params.Timeout, "check")
	r := result.Check
	if err != nil || r == nil {
		// Half a reading would look like a loss.
		return err
	}
	a.Set("sent", r.Sent)
	a.Set("acked", r.Acked)
	a.Set("received", r.Received)
	a.Set("lost", r.Lost)
	a.Set("duplicates", r.Duplicates)
	a.Set("out-of-order", r.OutOfOrder)
	a.Set("longest-pause", milliseconds(r.LongestPauseMS))
	a.Set("foreign", r.Foreign)
	if r.Lost > 0 {
		return fmt.Errorf("%d acknowledged messages are missing in the topic: %s", r.Lost, strings.Join(r.Missing, "; "))
	}
	return nil
}

func (c *Charm) startWrites(ctx context.Context, u *ops.Unit, a *ops.Action) error {
	s, err := c.prepare(ctx, u)
	if err != nil {
		return err
	}
	if err := c.setWrites(ctx, u, "on"); err != nil {
		return err
	}
	a.Set("topic", argument(strings.Join(s.arguments("run"), " "), "--topic"))
	a.Set("message-rate", s.options.MessageRate)
	if !s.pulsar.Offer.Ready {
		a.Logf(ctx, "writing starts when the brokers of %s take messages", s.pulsar.App)
	}
	return nil
}

func (c *Charm) stopWrites(ctx context.Context, u *ops.Unit, a *ops.Action) error {
	if err := c.setWrites(ctx, u, "off"); err != nil {
		return err
	}
	s, err := c.prepare(ctx, u)
	if err != nil {
		// They are stopped, which is what was asked.
		a.Logf(ctx, "cannot count what was sent: %v", err)
		return nil
	}
	result, err := s.run(ctx, u, 10, "total")
	if p := result.Produced; p != nil {
		a.Set("sent", p.Sent)
		a.Set("acked", p.Acked)
		a.Set("longest-pause", milliseconds(p.LongestPauseMS))
	}
	return err
}

// setWrites remembers the wish and brings the service in line at once: no
// other hook follows an action.
func (c *Charm) setWrites(ctx context.Context, u *ops.Unit, writes string) error {
	if err := u.SetState(ctx, stateWrites, writes); err != nil {
		return err
	}
	return c.Reconcile(ctx, u)
}

// prepare sees to it that the client can be run once. Its errors tell the
// operator what is missing.
func (c *Charm) prepare(ctx context.Context, u *ops.Unit) (snapshot, error) {
	if err := c.Reconcile(ctx, u); err != nil {
		return snapshot{}, err
	}
	s, err := c.observe(ctx, u)
	if err != nil {
		return s, err
	}
	if s.leaving {
		return s, fmt.Errorf("unit %s is leaving", s.unit)
	}
	for _, status := range s.status() {
		if status.Name == juju.Blocked {
			return s, errors.New(status.Message)
		}
	}
	switch {
	case !s.reachable:
		return s, errors.New("container client does not answer yet")
	case !s.pulsar.Offer.Complete():
		return s, fmt.Errorf("%s has not offered its address yet", s.pulsar.App)
	}
	return s, nil
}

// run runs the client once. The client itself gives up after timeout seconds,
// so that it can say how far it came.
func (s snapshot) run(ctx context.Context, u *ops.Unit, timeout int, command string, more ...string) (account.Result, error) {
	limit := time.Duration(timeout) * time.Second
	arguments := s.arguments(command, append(more, "--timeout", limit.String())...)
	output, err := u.Container(containerName).Exec(ctx, pebble.Command{Args: arguments, Timeout: limit + 15*time.Second})
	if pebble.Unavailable(err) {
		return account.Result{}, errors.New("container client went away, try again")
	}
	if err != nil {
		return account.Result{}, fmt.Errorf("cannot run the client: %w", err)
	}
	var result account.Result
	if err := json.Unmarshal(output.Stdout, &result); err != nil {
		return account.Result{}, fmt.Errorf("client ended with code %d: %s", output.ExitCode, lastLine(output.Stderr))
	}
	if result.Error != "" {
		return result, errors.New(result.Error)
	}
	return result, nil
}

func lastLine(text []byte) string {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(lines[len(lines)-1])
}

func milliseconds(ms int64) string { return (time.Duration(ms) * time.Millisecond).String() }
