package charmlab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
)

func (c *command) execCommand() *cobra.Command {
	var (
		units, apps []string
		all         bool
		background  bool
		wait        time.Duration
	)
	cmd := &cobra.Command{
		Use:     "exec (--unit <unit>,... | --application <application>,... | --all) -- <command> [<argument>]...",
		Short:   "Run a command in the charm container of units, with hook tools",
		Example: "  charmlab exec --unit bookie/0 -- relation-ids zookeeper",
		Args:    arguments(1, -1, "no commands specified"),
	}
	out := addFormat(cmd, "plain", "json", "yaml")
	flags := cmd.Flags()
	flags.SetInterspersed(false)
	flags.StringSliceVarP(&units, "unit", "u", nil, "units to run on")
	flags.StringSliceVarP(&apps, "application", "a", nil, "applications whose units to run on")
	flags.StringSliceVar(&apps, "app", nil, "the same as --application")
	flags.BoolVar(&all, "all", false, "run on all units")
	flags.DurationVar(&wait, "wait", 0, "wait at most so long (default: as long as it takes)")
	flags.BoolVar(&background, "background", false, "do not wait")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		if !all && len(units)+len(apps) == 0 {
			return usageError{errors.New("you must specify a target, either through --all, --application or --unit")}
		}
		cl, err := c.lab(cmd.Context())
		if err != nil {
			return err
		}
		targets, err := execTargets(cmd.Context(), cl, units, apps, all)
		if err != nil {
			return err
		}
		command := args[0]
		if len(args) > 1 {
			command = quote(args)
		}
		operation, err := ask[api.Enqueued](cmd.Context(), cl, "run", api.Run{
			Units: targets, Action: "juju-exec",
			Params: map[string]any{"command": command, "timeout": 0},
		})
		if err != nil {
			return err
		}
		if len(targets) > 1 || background {
			c.sayOperation(operation)
		}
		if background {
			return nil
		}
		quiet := *c
		if len(targets) == 1 {
			quiet.stderr = io.Discard
		}
		tasks, err := quiet.awaitTasks(cmd.Context(), cl, operation.Tasks, wait)
		if err != nil {
			return err
		}
		if len(tasks) == 1 && out.name == "plain" {
			return c.printCommand(tasks[0])
		}
		return c.printTasks(out, tasks, true)
	}
	return cmd
}

// printCommand prints a command's output where it belongs and ends with its
// exit code.
func (c *command) printCommand(t api.Task) error {
	for stream, w := range map[string]io.Writer{"stdout": c.stdout, "stderr": c.stderr} {
		if s, ok := t.Results[stream].(string); ok {
			if _, err := io.WriteString(w, s); err != nil {
				return err
			}
		}
	}
	if code, err := strconv.Atoi(fmt.Sprint(t.Results["return-code"])); err == nil && code != 0 {
		return &exitError{code}
	}
	if t.Status != "completed" {
		return fmt.Errorf("task %s %s: %s", t.ID, t.Status, t.Message)
	}
	return nil
}

func execTargets(ctx context.Context, cl *client, units, apps []string, all bool) ([]string, error) {
	targets := append([]string(nil), units...)
	if !all && len(apps) == 0 {
		return targets, nil
	}
	seen, err := ask[api.Observation](ctx, cl, "status", api.None{})
	if err != nil {
		return nil, err
	}
	if all {
		apps = sortedKeys(seen.Status.Applications)
	}
	for _, app := range apps {
		a, ok := seen.Status.Applications[app]
		if !ok {
			return nil, fmt.Errorf("application %q not found", app)
		}
		targets = append(targets, sortedKeys(a.Units)...)
	}
	if len(targets) == 0 {
		return nil, errors.New("no units to run on")
	}
	return targets, nil
}

// quote joins arguments into a line for a shell.
func quote(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		if arg != "" && !strings.ContainsFunc(arg, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:@%,", r)
		}) {
			quoted[i] = arg
			continue
		}
		quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}

func (c *command) sshCommand() *cobra.Command {
	var container string
	cmd := &cobra.Command{
		Use:     "ssh [--container <name>] <unit> [<command> [<argument>]...]",
		Short:   "Run a command, or a shell, in a container of a unit",
		Example: "  charmlab ssh --container bookie bookie/0 pebble services",
		Args:    arguments(1, -1, "no target name specified"),
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().StringVar(&container, "container", "charm", "container to enter")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		unit, argv := args[0], args[1:]
		if _, _, err := juju.ParseUnit(unit); err != nil && !strings.HasSuffix(unit, "/leader") {
			return usageError{fmt.Errorf("unit name %q not valid", unit)}
		}
		if len(argv) > 0 && argv[0] == "--" {
			argv = argv[1:]
		}
		switch {
		case len(argv) == 0:
			argv = []string{"/bin/sh"}
			if isTerminal(c.stdout) {
				argv = append(argv, "-i")
			}
		case len(argv) == 1:
			// As ssh does: one word may be a whole shell line.
			argv = []string{"/bin/sh", "-c", argv[0]}
		}
		cl, err := c.lab(cmd.Context())
		if err != nil {
			return err
		}
		return c.attach(cmd.Context(), cl, api.Exec{Unit: unit, Container: container, Argv: argv})
	}
	return cmd
}

// attach runs a command in a container with the streams of this process.
func (c *command) attach(ctx context.Context, cl *client, request api.Exec) error {
	if in, ok := c.stdin.(*os.File); ok && term.IsTerminal(int(in.Fd())) && isTerminal(c.stdout) {
		// The pods' exec knows only pipes; script, which is on every machine,
		// gives the command a terminal at their other end.
		request.Argv = []string{"script", "-qefc", "stty rows " + rows(in) + "; exec " + quote(request.Argv), "/dev/null"}
		if old, err := term.MakeRaw(int(in.Fd())); err == nil {
			defer term.Restore(int(in.Fd()), old)
		}
	}
	conn, answer, err := cl.upgrade(ctx, "ssh", request)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	go func() {
		frames := api.NewFrameWriter(conn)
		io.Copy(frames.Stream(api.Stdin), c.stdin)
		frames.Send(api.Stdin, nil)
	}()
	for {
		stream, content, err := api.ReadFrame(answer)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("lost the connection to %s: %w", request.Unit, err)
		}
		switch stream {
		case api.Stdout:
			c.stdout.Write(content)
		case api.Stderr:
			c.stderr.Write(content)
		case api.Fault:
			return errors.New(string(content))
		case api.Exit:
			code, err := strconv.Atoi(string(content))
			if err != nil || code == 0 {
				return err
			}
			return &exitError{code}
		}
	}
}

// rows is the size of a terminal as stty's arguments.
func rows(terminal *os.File) string {
	columns, lines, err := term.GetSize(int(terminal.Fd()))
	if err != nil {
		columns, lines = 80, 24
	}
	return fmt.Sprintf("%d columns %d", lines, columns)
}

// handshake asks for a raw stream by HTTP's upgrade and reads the head of
// the answer.
func handshake(conn net.Conn, verb string, body []byte) (net.Conn, io.Reader, error) {
	_, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: lab\r\nConnection: Upgrade\r\nUpgrade: frames\r\nContent-Length: %d\r\n\r\n%s", api.Path(verb), len(body), body)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	if err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("cannot read the lab's answer: %w", err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return conn, reader, nil
	}
	defer conn.Close()
	var failure api.Error
	if json.NewDecoder(resp.Body).Decode(&failure) != nil || failure.Message == "" {
		failure.Message = "the lab answered " + resp.Status
	}
	return nil, nil, errors.New(failure.Message)
}
