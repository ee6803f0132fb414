package jujuc

import (
	"bytes"
	"encoding/gob"
	"errors"
	"net"
	"net/rpc"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serve runs a server until the test ends and gives its address.
func serve(t *testing.T, handler Handler) (*Server, string) {
	t.Helper()
	address := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", address)
	if err != nil {
		t.Fatal(err)
	}
	server := Serve(listener, handler)
	t.Cleanup(func() { _ = server.Abort() })
	return server, address
}

func dial(t *testing.T, address string) *rpc.Client {
	t.Helper()
	client, err := rpc.Dial("unix", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// What crosses the socket is Juju's: these names, and nothing about types.
func TestProtocol(t *testing.T) {
	t.Parallel()
	var got Request
	_, address := serve(t, func(call Request) (Response, error) {
		got = call
		return Response{Code: 3, Stdout: []byte("out"), Stderr: []byte("err")}, nil
	})
	request := struct {
		ContextId, Dir, CommandName string
		Args                        []string
		StdinSet                    bool
		Stdin                       []byte
		Token                       string
	}{"c", "/d", "relation-set", []string{"-r", "db:1"}, true, []byte("{}"), "t"}
	var response struct {
		Code           int
		Stdout, Stderr []byte
	}
	if err := dial(t, address).Call("Jujuc.Main", request, &response); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Request{
		ContextID: "c", Dir: "/d", CommandName: "relation-set", Args: []string{"-r", "db:1"}, StdinSet: true, Stdin: []byte("{}"), Token: "t",
	}, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if response.Code != 3 || string(response.Stdout) != "out" || string(response.Stderr) != "err" {
		t.Errorf("response is %+v", response)
	}
}

// A client of Juju 4 sends no token.
func TestRequestWithoutToken(t *testing.T) {
	t.Parallel()
	_, address := serve(t, Expect("c", "", func(Request) (Response, error) { return Response{}, nil }))
	request := struct {
		ContextId, Dir, CommandName string
	}{"c", "/d", "is-leader"}
	if err := dial(t, address).Call("Jujuc.Main", request, &Response{}); err != nil {
		t.Error(err)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	_, address := serve(t, Expect("c", "t", func(call Request) (Response, error) {
		switch {
		case call.CommandName == "state-set" && !call.StdinSet:
			return Response{}, ErrStdin
		case call.CommandName == "moon-get":
			return Response{}, UnknownCommand(call.CommandName)
		}
		return Response{}, nil
	}))
	client := dial(t, address)
	tests := map[string]struct {
		request WireRequest
		want    string
	}{
		"good":          {WireRequest{ContextId: "c", Dir: "/d", CommandName: "is-leader", Token: "t"}, ""},
		"no command":    {WireRequest{ContextId: "c", Dir: "/d", Token: "t"}, "bad request: command not specified"},
		"relative":      {WireRequest{ContextId: "c", Dir: "d", CommandName: "is-leader", Token: "t"}, "bad request: Dir is not absolute"},
		"no directory":  {WireRequest{ContextId: "c", CommandName: "is-leader", Token: "t"}, "bad request: Dir is not absolute"},
		"other token":   {WireRequest{ContextId: "c", Dir: "/d", CommandName: "is-leader"}, "bad request: token does not match"},
		"other context": {WireRequest{ContextId: "x", Dir: "/d", CommandName: "is-leader", Token: "t"}, `bad request: expected context id "c", got "x"`},
		"unknown":       {WireRequest{ContextId: "c", Dir: "/d", CommandName: "moon-get", Token: "t"}, "bad request: unknown command: moon-get"},
		"no input":      {WireRequest{ContextId: "c", Dir: "/d", CommandName: "state-set", Token: "t"}, "hook tool requires stdin, none supplied"},
		"empty input":   {WireRequest{ContextId: "c", Dir: "/d", CommandName: "state-set", Token: "t", StdinSet: true}, ""},
	}
	for name, test := range tests {
		err := client.Call("Jujuc.Main", test.request, &Response{})
		if (err == nil) != (test.want == "") || err != nil && err.Error() != test.want {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// However many connections there are, one tool runs at a time.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	var running atomic.Int32
	_, address := serve(t, func(Request) (Response, error) {
		defer running.Add(-1)
		return Response{Code: int(running.Add(1))}, nil
	})
	var calls []*rpc.Call
	for range 4 {
		client := dial(t, address)
		for range 50 {
			calls = append(calls, client.Go("Jujuc.Main", WireRequest{Dir: "/", CommandName: "x"}, &Response{}, nil))
		}
	}
	for _, call := range calls {
		<-call.Done
		if call.Error != nil || call.Reply.(*Response).Code != 1 {
			t.Fatalf("%+v, %v", call.Reply, call.Error)
		}
	}
}

// Close waits for whoever still holds a connection, as the agent does after a
// hook; a child of the hook that keeps one holds the unit up.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	server, address := serve(t, func(Request) (Response, error) { return Response{}, nil })
	client := dial(t, address)
	if err := client.Call("Jujuc.Main", WireRequest{Dir: "/", CommandName: "x"}, &Response{}); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- server.Close() }()
	eventually(t, "no more connections are accepted", func() bool {
		conn, err := net.Dial("unix", address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	// The open connection still works, also for tools.
	if err := client.Call("Jujuc.Main", WireRequest{Dir: "/", CommandName: "x"}, &Response{}); err != nil {
		t.Error(err)
	}
	select {
	case err := <-closed:
		t.Fatalf("Close returned with a connection open: %v", err)
	default:
	}
	eventually(t, "one connection is left", func() bool { return server.Connections() == 1 })
	_ = client.Close()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := errors.Join(server.Close(), server.Abort()); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	server, address := serve(t, func(Request) (Response, error) { return Response{}, nil })
	client := dial(t, address)
	if err := client.Call("Jujuc.Main", WireRequest{Dir: "/", CommandName: "x"}, &Response{}); err != nil {
		t.Fatal(err)
	}
	if err := server.Abort(); err != nil {
		t.Fatal(err)
	}
	if err := client.Call("Jujuc.Main", WireRequest{Dir: "/", CommandName: "x"}, &Response{}); err == nil {
		t.Error("the connection outlived the server")
	}
	if n := server.Connections(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// Noise on one connection does not trouble the others.
func TestNoise(t *testing.T) {
	t.Parallel()
	_, address := serve(t, func(Request) (Response, error) { return Response{Code: 7}, nil })
	for _, noise := range []string{"", "GET / HTTP/1.1\r\n\r\n", "\x00\x00\x00", "\xf8\x7f\xff\xff\xff\xff\xff\xff\xff", strings.Repeat("\xff", 10000)} {
		conn, err := net.Dial("unix", address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(noise))
		_ = conn.Close()
	}
	conn, err := net.Dial("unix", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	// A request whose body is of another kind is refused, and no more.
	encoder := gob.NewEncoder(conn)
	if err := errors.Join(encoder.Encode(rpc.Request{ServiceMethod: "Jujuc.Main", Seq: 1}), encoder.Encode("text")); err != nil {
		t.Fatal(err)
	}
	var header rpc.Response
	if err := gob.NewDecoder(conn).Decode(&header); err != nil || header.Error == "" {
		t.Errorf("answer to a malformed request is %+v, %v", header, err)
	}
	var response Response
	if err := dial(t, address).Call("Jujuc.Main", WireRequest{Dir: "/", CommandName: "x"}, &response); err != nil || response.Code != 7 {
		t.Errorf("afterwards: %+v, %v", response, err)
	}
}

// The hook-tool program: its environment, exit codes and streams.
func TestTool(t *testing.T) {
	t.Parallel()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var reads int
	_, address := serve(t, Expect("c", "", func(call Request) (Response, error) {
		switch call.CommandName {
		case "state-set":
			if !call.StdinSet {
				return Response{}, ErrStdin
			}
			reads++
			return Response{Stdout: call.Stdin}, nil
		case "is-leader":
			return Response{Code: 4, Stdout: []byte(call.Dir + " " + strings.Join(call.Args, "|")), Stderr: []byte("warning\n")}, nil
		}
		return Response{}, UnknownCommand(call.CommandName)
	}))
	env := map[string]string{"JUJU_CONTEXT_ID": "c", "JUJU_AGENT_SOCKET_ADDRESS": address, "JUJU_AGENT_SOCKET_NETWORK": "unix"}
	without := func(key, value string) map[string]string {
		changed := map[string]string{}
		for k, v := range env {
			changed[k] = v
		}
		delete(changed, key)
		if value != "" {
			changed[key] = value
		}
		return changed
	}
	tests := map[string]struct {
		name           string
		env            map[string]string
		code           int
		stdout, stderr string
	}{
		"answer":        {"is-leader", env, 4, dir + " a| b|--x", "warning\n"},
		"input":         {"state-set", env, 0, "input", ""},
		"unknown":       {"jujuc", env, 1, "", "ERROR bad request: unknown command: jujuc\n"},
		"other context": {"is-leader", without("JUJU_CONTEXT_ID", "x"), 1, "", "ERROR bad request: expected context id \"c\", got \"x\"\n"},
		"token":         {"is-leader", without("JUJU_AGENT_TOKEN", "x"), 1, "", "ERROR bad request: token does not match\n"},
		"no context":    {"is-leader", without("JUJU_CONTEXT_ID", ""), 1, "", "ERROR JUJU_CONTEXT_ID not set\n"},
		"no address":    {"is-leader", without("JUJU_AGENT_SOCKET_ADDRESS", ""), 1, "", "ERROR JUJU_AGENT_SOCKET_ADDRESS not set\n"},
		"no network":    {"is-leader", without("JUJU_AGENT_SOCKET_NETWORK", ""), 1, "", "ERROR JUJU_AGENT_SOCKET_NETWORK not set\n"},
		"no socket":     {"is-leader", without("JUJU_AGENT_SOCKET_ADDRESS", address+"-gone"), 1, "", "ERROR dial unix " + address + "-gone: connect: no such file or directory\n"},
		"no name":       {"", env, 2, "", "ERROR no tool named\n"},
	}
	for name, test := range tests {
		var stdout, stderr bytes.Buffer
		code := tool{
			name: test.name, args: []string{"a", " b", "--x"},
			getenv: func(key string) (string, bool) { value, ok := test.env[key]; return value, ok },
			stdin:  strings.NewReader("input"), stdout: &stdout, stderr: &stderr,
		}.run()
		if code != test.code || stdout.String() != test.stdout || stderr.String() != test.stderr {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q, want %d, %q, %q", name, code, stdout.String(), stderr.String(), test.code, test.stdout, test.stderr)
		}
	}
	if reads != 1 {
		t.Errorf("state-set ran %d times, want once", reads)
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
