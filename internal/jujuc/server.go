// Package jujuc is the agent's side of the hook tools: the server behind the
// socket of a hook, and the program that each hook tool is. It is for drivers
// of Juju's rules, not for charms.
package jujuc

import (
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"path/filepath"
	"sync"
)

// Request is one use of a hook tool.
type Request struct {
	ContextID   string // the JUJU_CONTEXT_ID that the caller was given
	Dir         string // the caller's working directory
	CommandName string
	Args        []string // without the tool's name
	// StdinSet says that Stdin is the tool's input, be it empty. Else a tool
	// that wants to read answers ErrStdin.
	StdinSet bool
	Stdin    []byte
	Token    string // empty in sidecars
}

// Response is what a hook tool answers.
type Response struct {
	Code   int
	Stdout []byte
	Stderr []byte
}

// Handler executes a hook tool. An error is a fault in the request and means
// that nothing was done: ErrStdin or a *RequestError. A tool's own failure is
// a Response with Code ≠ 0.
type Handler func(call Request) (Response, error)

// ErrStdin is the answer to a request without input for a tool that reads
// its input. The caller asks again with StdinSet.
var ErrStdin = errors.New("hook tool requires stdin, none supplied")

// RequestError is a request that the agent refuses, such as one from another
// hook's context.
type RequestError struct{ Reason string }

func (e *RequestError) Error() string { return "bad request: " + e.Reason }

// UnknownCommand is the refusal of a tool that does not exist.
func UnknownCommand(name string) *RequestError {
	return &RequestError{Reason: "unknown command: " + name}
}

// Expect lets only requests of one hook context through to next.
func Expect(contextID, token string, next Handler) Handler {
	return func(call Request) (Response, error) {
		if call.Token != token {
			return Response{}, &RequestError{Reason: "token does not match"}
		}
		if call.ContextID != contextID {
			return Response{}, &RequestError{Reason: fmt.Sprintf("expected context id %q, got %q", contextID, call.ContextID)}
		}
		return next(call)
	}
}

// Server serves hook tools while a hook runs.
type Server struct {
	listener net.Listener
	rpc      *rpc.Server

	mutex   sync.Mutex
	closing bool
	open    map[net.Conn]struct{}
	running sync.WaitGroup // the accept loop and one for each connection
}

// Serve answers calls on a listener, one at a time over all connections, as
// the agent does. The Server closes the listener.
func Serve(listener net.Listener, handler Handler) *Server {
	s := &Server{listener: listener, rpc: rpc.NewServer(), open: make(map[net.Conn]struct{})}
	if err := s.rpc.RegisterName("Jujuc", &service{handler: handler}); err != nil {
		panic(err) // only for a method of the wrong shape
	}
	s.running.Go(s.accept)
	return s
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mutex.Lock()
		if s.closing {
			s.mutex.Unlock()
			_ = conn.Close()
			return
		}
		s.open[conn] = struct{}{}
		s.mutex.Unlock()
		s.running.Go(func() {
			s.rpc.ServeConn(conn) // until the other side closes it
			s.mutex.Lock()
			delete(s.open, conn)
			s.mutex.Unlock()
		})
	}
}

// Close ends the listening and then waits, without limit, until the other
// side has closed every connection: so does the agent after a hook.
func (s *Server) Close() error {
	err := s.stop()
	s.running.Wait()
	return err
}

// Abort ends the listening and all connections, as the death of the agent
// does. A call that is being executed ends first.
func (s *Server) Abort() error {
	err := s.stop()
	s.mutex.Lock()
	for conn := range s.open {
		_ = conn.Close()
	}
	s.mutex.Unlock()
	s.running.Wait()
	return err
}

// Connections is how many connections are open: what Close would wait for.
func (s *Server) Connections() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return len(s.open)
}

func (s *Server) stop() error {
	s.mutex.Lock()
	s.closing = true
	s.mutex.Unlock()
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("cannot close the agent's socket: %w", err)
	}
	return nil
}

// service is what net/rpc calls.
type service struct {
	mutex   sync.Mutex
	handler Handler
}

// WireRequest is a Request with the field names of Juju's own, which gob
// sends.
type WireRequest struct {
	ContextId   string
	Dir         string
	CommandName string
	Args        []string
	StdinSet    bool
	Stdin       []byte
	Token       string
}

// Main is the method Jujuc.Main.
func (s *service) Main(request WireRequest, response *Response) error {
	switch {
	case request.CommandName == "":
		return &RequestError{Reason: "command not specified"}
	case !filepath.IsAbs(request.Dir):
		return &RequestError{Reason: "Dir is not absolute"}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	answer, err := s.handler(Request{
		ContextID: request.ContextId, Dir: request.Dir, CommandName: request.CommandName, Args: request.Args,
		StdinSet: request.StdinSet, Stdin: request.Stdin, Token: request.Token,
	})
	if err != nil {
		return err
	}
	*response = answer
	return nil
}
