package charmlab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"

	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
)

// client speaks to the daemon of one lab.
type client struct {
	socket string
	http   *http.Client
	// again brings back a daemon that does not answer any more; nil if it
	// need not be there.
	again func(context.Context) error
}

// questions are the verbs that change nothing: they may be asked again if the
// daemon died over them.
var questions = []string{"status", "wait", "task", "config", "show-unit", "pods"}

func newClient(socket string) *client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &client{socket: socket, http: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// lostError is a daemon that went away before its answer was complete.
type lostError struct{ cause error }

func (e *lostError) Error() string { return fmt.Sprintf("lost the lab's daemon: %v", e.cause) }

// errNoDaemon is a socket that is missing or that nobody answers.
var errNoDaemon = errors.New("the lab is not running")

// post sends a verb's request and returns the open answer.
func (c *client) post(ctx context.Context, verb string, request any) (*http.Response, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://lab"+api.Path(verb), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return nil, errNoDaemon
		}
		return nil, &lostError{err}
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var failure api.Error
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if json.Unmarshal(text, &failure) != nil || failure.Message == "" {
		failure.Message = fmt.Sprintf("the lab answered %s: %s", resp.Status, bytes.TrimSpace(text))
	}
	return nil, errors.New(failure.Message)
}

// ask sends a verb's request and reads its whole answer.
func ask[A any](ctx context.Context, c *client, verb string, request any) (A, error) {
	for {
		answer, err := askOnce[A](ctx, c, verb, request)
		var lost *lostError
		if err == nil || ctx.Err() != nil || !errors.Is(err, errNoDaemon) && !errors.As(err, &lost) ||
			c.again == nil || !slices.Contains(questions, verb) {
			return answer, err
		}
		if err := c.again(ctx); err != nil {
			return answer, err
		}
	}
}

func askOnce[A any](ctx context.Context, c *client, verb string, request any) (A, error) {
	var answer A
	resp, err := c.post(ctx, verb, request)
	if err != nil {
		return answer, err
	}
	defer resp.Body.Close()
	// Numbers stay as they were written: an action's result 7 is not 7.0.
	decoder := json.NewDecoder(resp.Body)
	decoder.UseNumber()
	if err := decoder.Decode(&answer); err != nil {
		return answer, &lostError{fmt.Errorf("cannot read its answer to %s: %w", verb, err)}
	}
	return answer, nil
}

// tell sends a request that has no answer.
func tell(ctx context.Context, c *client, verb string, request any) error {
	_, err := ask[api.None](ctx, c, verb, request)
	return err
}

// upgrade sends a request whose answer is a raw stream in both directions.
func (c *client) upgrade(ctx context.Context, verb string, request any) (net.Conn, io.Reader, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", c.socket)
	if err != nil {
		return nil, nil, errNoDaemon
	}
	return handshake(conn, verb, body)
}
