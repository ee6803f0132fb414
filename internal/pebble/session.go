package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"sync"

	"github.com/canonical/pebble/client"
)

// session is Pebble's client bound to one context, for one call. The client's
// own methods take no context and repeat failed reads for five seconds; a
// session ends both when its context does and when the daemon is away.
type session struct {
	ctx    context.Context
	socket string
	pebble *client.Client
	inner  http.RoundTripper

	mu      sync.Mutex
	failure error      // of the transport, if any
	conns   []net.Conn // of websockets
	closed  bool
}

func (c *Client) session(ctx context.Context) *session {
	pebble, err := client.New(&client.Config{Socket: c.socket})
	if err != nil {
		// New fails only for contradictory credentials, and there are none.
		panic("pebble: " + err.Error())
	}
	s := &session{ctx: ctx, socket: c.socket, pebble: pebble, inner: c.transport}
	transport := pebble.Requester().Transport()
	transport.RegisterProtocol("http", s)
	//nolint:staticcheck // Pebble's client dials its websockets with Dial alone.
	transport.Dial = s.dial
	return s
}

// close ends the websockets.
func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, conn := range s.conns {
		_ = conn.Close()
	}
	s.conns = nil
}

func (s *session) dial(_, _ string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(s.ctx, "unix", s.socket)
	if err != nil {
		s.fail(err)
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	s.conns = append(s.conns, conn)
	return conn, nil
}

// RoundTrip sends a request under the session's context. If that fails it
// answers with an error document instead, because the client would repeat a
// failed read; wrap then reports the failure itself.
func (s *session) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := s.inner.RoundTrip(request.WithContext(s.ctx))
	if err == nil {
		return response, nil
	}
	s.fail(err)
	const body = `{"type":"error","status-code":503,"status":"Service Unavailable","result":{"message":"unreachable"}}`
	return &http.Response{
		Status:        "503 Service Unavailable",
		StatusCode:    http.StatusServiceUnavailable,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(bytes.NewReader([]byte(body))),
		ContentLength: int64(len(body)),
		Request:       request,
	}, nil
}

func (s *session) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil {
		s.failure = err
	}
}

// wrap turns what the client returned into this package's errors.
func (s *session) wrap(err error) error {
	if err == nil {
		return nil
	}
	if s.ctx.Err() != nil {
		return fmt.Errorf("pebble at %q: %w", s.socket, context.Cause(s.ctx))
	}
	s.mu.Lock()
	failure := s.failure
	s.mu.Unlock()
	if failure == nil && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.As(err, new(*net.OpError))) {
		failure = err // the daemon went away within its answer
	}
	switch {
	case errors.Is(failure, fs.ErrPermission):
		return fmt.Errorf("cannot reach pebble at %q: %w", s.socket, failure)
	case failure != nil:
		return fmt.Errorf("%w at %q: %v", ErrUnavailable, s.socket, failure)
	}
	var refused *client.Error
	if errors.As(err, &refused) {
		return &APIError{Status: refused.StatusCode, Kind: refused.Kind, Message: refused.Message}
	}
	return err
}
