package script

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/jujuc"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

// dispatched is what is known of the last hook.
type dispatched struct {
	stdout, stderr string
	log            []model.LogLine
	firstCall      int // among all calls
}

// hookLimit bounds a hook whose containers do not answer.
const hookLimit = 10 * time.Second

// dispatch [-exit <code>] [-tools socket|fork|none] [-env <key>=<value>]... <unit> [<hook>]
//
// It runs the unit's next hook, or the one that is named after those before
// it, as Juju's agent does. With -tools=fork the agent's socket is not where
// the environment says, but the tools on PATH work; with none neither does.
func (w *world) dispatch(ts *testscript.TestScript, args []string) error {
	flags := flag.NewFlagSet("dispatch", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	exit := flags.Int("exit", 0, "")
	tools := flags.String("tools", "socket", "")
	var overrides []string
	flags.Func("env", "", func(pair string) error {
		overrides = append(overrides, pair)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	unit := flags.Arg(0)
	hook, err := w.await(unit, flags.Arg(1))
	if err != nil {
		return err
	}
	run, err := w.model.Begin(unit, hook)
	if err != nil {
		return err
	}
	code, err := w.run(run, *tools, overrides)
	io.WriteString(ts.Stdout(), w.stdout)
	io.WriteString(ts.Stderr(), w.stderr)
	if err != nil {
		return err
	}
	if err := run.End(model.Outcome{ExitCode: code, Stdout: []byte(w.stdout), Stderr: []byte(w.stderr)}); err != nil {
		return fmt.Errorf("Juju refuses what the hook wrote: %w", err)
	}
	if code != *exit {
		return fmt.Errorf("%s ended with exit code %d, want %d; log: %v", hook.Describe(), code, *exit, w.log)
	}
	return nil
}

// run runs the charm in a hook and answers its tools.
func (w *world) run(run *model.Context, tools string, overrides []string) (code int, err error) {
	w.contexts++
	address := fmt.Sprintf("@charm-script-%d-%s-%d", os.Getpid(), filepath.Base(filepath.Dir(w.dir)), w.contexts)
	code = -1
	app := w.charms[juju.Application(run.Unit())]
	env := run.Environment()
	env.CharmDir = app.dir
	env.ContextID = fmt.Sprintf("%s-%s-%d", run.Unit(), run.Hook(), w.contexts)
	env.AgentSocketAddress, env.AgentSocketNetwork = address, "unix"
	env.APIAddresses = []string{"10.152.183.1:17070"}
	env.Path = "/usr/bin:/bin"
	env.Other = map[string]string{"LANG": "C.UTF-8", "TERM": "screen"}
	if tools != "none" {
		directory, err := w.tools(tools, address)
		if err != nil {
			return code, err
		}
		env.Path = directory + ":" + env.Path
	}
	if tools != "socket" {
		env.AgentSocketAddress += "-gone"
	}
	listener, err := net.Listen("unix", address)
	if err != nil {
		return code, err
	}
	w.dispatched = dispatched{firstCall: len(w.calls)}
	server := jujuc.Serve(listener, jujuc.Expect(env.ContextID, "", w.tool(run)))
	ctx, cancel := context.WithTimeout(context.Background(), hookLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, app.program)
	cmd.Dir, cmd.Env = app.dir, append(env.Environ(), overrides...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	// The agent waits for open connections, without limit.
	abort := time.AfterFunc(hookLimit, func() { server.Abort() })
	closed := server.Close()
	if !abort.Stop() {
		closed = fmt.Errorf("%s left a connection to the agent open", run.Hook().Describe())
	}
	w.stdout, w.stderr, w.log = stdout.String(), stderr.String(), run.Log()
	if ctx.Err() != nil {
		return code, fmt.Errorf("%s does not end", run.Hook().Describe())
	}
	if cmd.ProcessState != nil {
		code = cmd.ProcessState.ExitCode()
	}
	if _, failed := errors.AsType[*exec.ExitError](err); failed {
		err = nil
	}
	return code, errors.Join(err, closed)
}

// tool answers hook tools out of the model.
func (w *world) tool(run *model.Context) jujuc.Handler {
	return func(call jujuc.Request) (jujuc.Response, error) {
		if !slices.Contains(model.Tools(), call.CommandName) {
			return jujuc.Response{}, jujuc.UnknownCommand(call.CommandName)
		}
		w.calls = append(w.calls, call)
		code, stdout, stderr, needStdin := run.Run(call.CommandName, call.Args, call.Stdin, call.StdinSet, func(path string) ([]byte, error) {
			return w.readFile(call, path)
		})
		if needStdin {
			w.calls = w.calls[:len(w.calls)-1]
			return jujuc.Response{}, jujuc.ErrStdin
		}
		return jujuc.Response{Code: code, Stdout: stdout, Stderr: stderr}, nil
	}
}

// readFile reads a file for the agent, and keeps in mind what is secret.
func (w *world) readFile(call jujuc.Request, path string) ([]byte, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(call.Dir, path)
	}
	content, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(call.CommandName, "secret-") {
		return content, err
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others may read the secret in %s", path)
	}
	var values map[string]string
	err = yaml.Unmarshal(content, &values)
	w.secrets = append(w.secrets, slices.Collect(maps.Values(values))...)
	return content, err
}

// tools is a directory of hook tools: links to the program, as Juju has them,
// or scripts that know where the agent's socket really is.
func (w *world) tools(kind, address string) (string, error) {
	links := filepath.Join(w.dir, "tools")
	if err := os.MkdirAll(links, 0o755); err != nil {
		return "", err
	}
	scripts := filepath.Join(w.dir, "scripts")
	if kind == "fork" {
		if err := os.MkdirAll(scripts, 0o755); err != nil {
			return "", err
		}
	}
	for _, name := range model.Tools() {
		link := filepath.Join(links, name)
		if err := os.Symlink(filepath.Join(w.programs, "charmlab"), link); err != nil && !errors.Is(err, os.ErrExist) {
			return "", err
		}
		if kind != "fork" {
			continue
		}
		script := fmt.Sprintf("#!/bin/sh\nJUJU_AGENT_SOCKET_ADDRESS=%s exec %s \"$@\"\n", address, link)
		if err := os.WriteFile(filepath.Join(scripts, name), []byte(script), 0o755); err != nil {
			return "", err
		}
	}
	if kind == "fork" {
		return scripts, nil
	}
	return links, nil
}
