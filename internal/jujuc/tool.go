package jujuc

import (
	"fmt"
	"io"
	"net"
	"net/rpc"
	"os"
	"path/filepath"
)

// Exit codes of the hook-tool program, besides those of the tools.
const (
	exitTransport = 1 // the agent was not reached or refused the request
	exitUsage     = 2
	exitPanic     = 3
)

// Main is the hook-tool program: it asks the agent of the process's
// environment to run the tool that argv0 is named after, and gives the exit
// code. args are the arguments without argv0.
func Main(argv0 string, args []string) (code int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n", r)
			code = exitPanic
		}
	}()
	return tool{
		name: filepath.Base(argv0), args: args, getenv: os.LookupEnv,
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
	}.run()
}

// tool is one run of the program.
type tool struct {
	name           string
	args           []string
	getenv         func(string) (string, bool)
	stdin          io.Reader
	stdout, stderr io.Writer
}

func (t tool) run() int {
	if t.name == "" || t.name == "." || t.name == "/" {
		fmt.Fprintln(t.stderr, "ERROR no tool named")
		return exitUsage
	}
	response, err := t.call()
	if err != nil {
		fmt.Fprintf(t.stderr, "ERROR %v\n", err)
		return exitTransport
	}
	_, _ = t.stdout.Write(response.Stdout)
	_, _ = t.stderr.Write(response.Stderr)
	return response.Code
}

func (t tool) call() (Response, error) {
	request := WireRequest{CommandName: t.name, Args: t.args}
	var network, address string
	for _, v := range []struct {
		name string
		into *string
	}{
		{"JUJU_CONTEXT_ID", &request.ContextId},
		{"JUJU_AGENT_SOCKET_ADDRESS", &address},
		{"JUJU_AGENT_SOCKET_NETWORK", &network},
	} {
		value, ok := t.getenv(v.name)
		if !ok {
			return Response{}, fmt.Errorf("%s not set", v.name)
		}
		*v.into = value
	}
	request.Token, _ = t.getenv("JUJU_AGENT_TOKEN")
	dir, err := os.Getwd()
	if err != nil {
		return Response{}, fmt.Errorf("cannot find the working directory: %v", err)
	}
	request.Dir = dir

	conn, err := net.Dial(network, address)
	if err != nil {
		return Response{}, err
	}
	client := rpc.NewClient(conn)
	defer client.Close()
	var response Response
	err = client.Call("Jujuc.Main", request, &response)
	if err != nil && err.Error() == ErrStdin.Error() {
		if request.Stdin, err = io.ReadAll(t.stdin); err != nil {
			return Response{}, fmt.Errorf("cannot read input: %v", err)
		}
		request.StdinSet = true
		err = client.Call("Jujuc.Main", request, &response)
	}
	return response, err
}
