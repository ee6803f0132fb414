package hooktool

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// The agent serves net/rpc with its gob codec, method Jujuc.Main. The client
// is written out here: net/rpc would add net/http's and html/template's weight
// to each charm, and does not tell a request that was never sent from one that
// was.
type (
	rpcRequest struct {
		ServiceMethod string
		Seq           uint64
	}
	rpcResponse struct {
		ServiceMethod string
		Seq           uint64
		Error         string
	}
	// mainRequest and mainResponse have Juju's field names, which are all
	// that matters to gob. Token is ignored by 4.x.
	mainRequest struct {
		ContextId   string
		Dir         string
		CommandName string
		Args        []string
		StdinSet    bool
		Stdin       []byte
		Token       string
	}
	mainResponse struct {
		Code   int
		Stdout []byte
		Stderr []byte
	}
)

const (
	// noStdin is the RPC error of a tool that wants to read its input.
	// Nothing has happened yet when it comes.
	noStdin = "hook tool requires stdin, none supplied"
	// badRequest begins the RPC errors of the agent. The tools' own binary
	// prints them and exits 1.
	badRequest = "bad request: "
)

// dialTimeout bounds a connect that the agent does not accept.
const dialTimeout = 5 * time.Second

// errNotRun is a call that certainly had no effect.
var errNotRun = errors.New("the tool was not run")

// Socket runs hook tools over the agent's socket, all on one connection. It
// may be used by several goroutines; calls run one at a time, as the agent
// runs them.
type Socket struct {
	network, address string
	request          mainRequest // what is the same in each call

	turn chan struct{} // holds one token; its holder may use what follows
	link *link
	done bool
}

// link is one connection. gob sends each type once a connection, so both
// coders live as long as it.
type link struct {
	conn    net.Conn
	out     *bufio.Writer
	encoder *gob.Encoder
	decoder *gob.Decoder
	seq     uint64
}

// DialSocket connects to the agent's socket of the hook. Tools run in dir, or
// in the charm's directory if dir is empty. Close the Socket before the hook
// ends: the agent waits for open connections.
func DialSocket(ctx context.Context, env juju.Environment, dir string) (*Socket, error) {
	if dir == "" {
		dir = env.CharmDir
	}
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("cannot use the agent's socket: working directory %q is not absolute", dir)
	}
	if env.AgentSocketAddress == "" {
		return nil, errors.New("cannot use the agent's socket: JUJU_AGENT_SOCKET_ADDRESS is not set")
	}
	if env.AgentSocketNetwork != "unix" {
		return nil, fmt.Errorf("cannot use the agent's socket: network %q is not unix", env.AgentSocketNetwork)
	}
	s := &Socket{
		network: env.AgentSocketNetwork,
		address: env.AgentSocketAddress,
		request: mainRequest{ContextId: env.ContextID, Dir: dir, Token: env.AgentToken},
		turn:    make(chan struct{}, 1),
	}
	if err := s.dial(ctx); err != nil {
		return nil, err
	}
	s.turn <- struct{}{}
	return s, nil
}

func (s *Socket) dial(ctx context.Context) error {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, s.network, s.address)
	if err != nil {
		return fmt.Errorf("cannot reach the agent: %w", err)
	}
	out := bufio.NewWriter(conn)
	s.link = &link{conn: conn, out: out, encoder: gob.NewEncoder(out), decoder: gob.NewDecoder(bufio.NewReader(conn))}
	return nil
}

func (s *Socket) drop() {
	if s.link != nil {
		_ = s.link.conn.Close()
		s.link = nil
	}
}

// Close closes the connection. A call that is under way ends first. It may be
// called more than once.
func (s *Socket) Close() error {
	<-s.turn
	s.drop()
	s.done = true
	s.turn <- struct{}{}
	return nil
}

// Run runs a tool. If ctx ends first, the tool may still run to its end.
func (s *Socket) Run(ctx context.Context, call Call) (Result, error) {
	result, err := s.run(ctx, call)
	if err != nil {
		return Result{}, fmt.Errorf("cannot run %s: %w", call.Tool, err)
	}
	return result, nil
}

func (s *Socket) run(ctx context.Context, call Call) (Result, error) {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	if s.done {
		return Result{}, net.ErrClosed
	}
	request := s.request
	request.CommandName, request.Args = call.Tool, call.Args
	// A tool is given its input at once; one that does not read it does not
	// mind.
	request.StdinSet, request.Stdin = call.Stdin != nil, call.Stdin

	response, failure, err := s.attempt(ctx, request)
	if err == nil && failure == noStdin && !request.StdinSet {
		// As the tool itself would find it with nothing connected.
		request.StdinSet = true
		response, failure, err = s.attempt(ctx, request)
	}
	switch {
	case err != nil:
		return Result{}, err
	case strings.HasPrefix(failure, badRequest), isUnknown(failure):
		return Result{Code: 1, Stderr: []byte("ERROR " + failure + "\n")}, nil
	case strings.HasPrefix(failure, "rpc: "):
		return Result{}, fmt.Errorf("%w: agent answers %q", errNotRun, failure)
	case failure != "":
		return Result{}, fmt.Errorf("agent answers %q", failure)
	}
	return Result(response), nil
}

// attempt sends a request and reads its answer. A connection that has died
// since the last call is made anew, once, if the call cannot have run or may
// run twice.
func (s *Socket) attempt(ctx context.Context, request mainRequest) (mainResponse, string, error) {
	for again := s.link != nil; ; again = false {
		if s.link == nil {
			if err := s.dial(ctx); err != nil {
				return mainResponse{}, "", fmt.Errorf("%w: %w", errNotRun, err)
			}
		}
		reused := s.link.seq > 0
		response, failure, err := s.exchange(ctx, request)
		if err == nil {
			return response, failure, nil
		}
		s.drop()
		if cause := ctx.Err(); cause != nil {
			return mainResponse{}, "", cause
		}
		if !again || !reused || !errors.Is(err, errNotRun) && !repeatable(request.CommandName) {
			return mainResponse{}, "", err
		}
	}
}

// exchange is one round trip on the present connection, which is of no more
// use after an error.
func (s *Socket) exchange(ctx context.Context, request mainRequest) (response mainResponse, failure string, err error) {
	l := s.link
	stop := context.AfterFunc(ctx, func() { _ = l.conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if !stop() {
			s.drop() // its deadline is over, whatever the answer
		}
	}()
	if err := l.send(request); err != nil {
		// An incomplete request is never run.
		return response, "", fmt.Errorf("%w: cannot write to the agent's socket: %w", errNotRun, err)
	}
	if response, failure, err = l.receive(); err != nil {
		return response, "", fmt.Errorf("cannot read from the agent's socket: %w", err)
	}
	return response, failure, nil
}

func (l *link) send(request mainRequest) error {
	l.seq++
	if err := l.encoder.Encode(rpcRequest{ServiceMethod: "Jujuc.Main", Seq: l.seq}); err != nil {
		return err
	}
	if err := l.encoder.Encode(request); err != nil {
		return err
	}
	return l.out.Flush()
}

func (l *link) receive() (response mainResponse, failure string, err error) {
	var header rpcResponse
	if err := l.decoder.Decode(&header); err != nil {
		return response, "", err
	}
	if header.Seq != l.seq {
		return response, "", fmt.Errorf("answer is to call %d, want %d", header.Seq, l.seq)
	}
	if header.Error != "" {
		var discard any // with an error comes a body that says nothing
		return response, header.Error, l.decoder.Decode(discard)
	}
	err = l.decoder.Decode(&response)
	return response, "", err
}

// repeatable says whether a tool may run twice where it should once: it reads,
// or a second time changes nothing.
func repeatable(tool string) bool {
	switch tool {
	case "secret-get":
		return true
	case "storage-add", "juju-reboot", "add-metric", "action-log":
		return false
	}
	return !strings.HasPrefix(tool, "secret-") && !strings.HasPrefix(tool, "payload-")
}
