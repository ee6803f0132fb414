// Package charmlab is the charmlab command: juju's verbs, flags and outputs
// in front of a lab on this machine. It finds the lab's daemon by a unix
// socket in the state directory and starts it if there is none.
package charmlab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/internal/jujuc"
	"github.com/pulsar-charms/pulsar-charms/internal/lab"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

// Version is the Juju release whose verbs and rules charmlab follows.
const Version = lab.JujuVersion

// command is what every verb has at hand.
type command struct {
	home           string // state directory of the lab
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	// start brings a lab up in home; tests put their own in.
	start func(ctx context.Context, home string, progress io.Writer) error
}

// exitError ends the command with a code of its own and no further words.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// usageError is a fault in flags or arguments; the exit code is 2, as juju's.
type usageError struct{ error }

// Main runs one command line, args[0] included, and returns the exit code. A
// program that is called by another name than charmlab is a hook tool.
func Main(args []string) int {
	if name := filepath.Base(args[0]); name == "jujuc" || slices.Contains(model.Tools(), name) {
		return jujuc.Main(args[0], args[1:])
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &command{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		getenv: os.Getenv, start: startMachine,
	}
	return c.run(ctx, args[1:])
}

func (c *command) run(ctx context.Context, args []string) int {
	root := c.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var exit *exitError
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &usage):
		fmt.Fprintf(c.stderr, "ERROR %v\n", err)
		return 2
	case ctx.Err() != nil:
		fmt.Fprintln(c.stderr, "ERROR interrupted")
		return 130
	}
	fmt.Fprintf(c.stderr, "ERROR %v\n", err)
	return 1
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "charmlab",
		Short: "Run Juju charms on this machine, without Juju and Kubernetes",
		Long: `charmlab runs sidecar charms on one Linux machine: real hook dispatch, real
Pebble, a network namespace for each unit. Its verbs, flags and outputs are juju's.

The state is in $CHARMLAB_HOME, or else in charmlab under $XDG_STATE_HOME or
~/.local/state. Any verb starts the lab; destroy-model ends it.`,
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if c.home != "" {
				return nil
			}
			home, err := lab.Home(c.getenv)
			c.home = home
			return err
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownVerb(args[0], cmd.SuggestionsFor(args[0]))
		},
		Args:                       cobra.ArbitraryArgs,
		SuggestionsMinimumDistance: 2,
	}
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	root.SetIn(c.stdin)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().StringP("model", "m", "", "model to work on; there is only one")
	root.PersistentFlags().Lookup("model").Hidden = true
	root.AddCommand(
		c.deployCommand(), c.refreshCommand(), c.integrateCommand(), c.removeRelationCommand(),
		c.scaleCommand(), c.removeUnitCommand(), c.removeApplicationCommand(),
		c.configCommand(), c.trustCommand(), c.runCommand(), c.showTaskCommand(), c.cancelTaskCommand(),
		c.statusCommand(), c.showUnitCommand(),
		c.execCommand(), c.sshCommand(), c.debugLogCommand(), c.resolvedCommand(),
		c.waitForCommand(), c.addModelCommand(), c.destroyModelCommand(), c.modelsCommand(),
		c.podsCommand(), c.deletePodCommand(), c.killContainerCommand(), c.advanceCommand(), c.versionCommand(),
	)
	root.AddCommand(c.insideCommands()...)
	return root
}

// unknownVerb is in juju's words.
func unknownVerb(name string, similar []string) error {
	text := fmt.Sprintf("charmlab: %q is not a charmlab command. See \"charmlab --help\".", name)
	if len(similar) > 0 {
		text += "\n\nDid you mean:\n\t" + strings.Join(similar, "\n\t")
	}
	return usageError{errors.New(text)}
}

// flagError says in juju's words what is wrong with a flag.
func flagError(err error) error {
	if _, ok := errors.AsType[*pflag.NotExistError](err); ok {
		_, name, _ := strings.Cut(err.Error(), ": ")
		return usageError{fmt.Errorf("option provided but not defined: %s", name)}
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return usageError{fmt.Errorf("invalid value %q for option --%s: %w", invalid.GetValue(), invalid.GetFlag().Name, invalid.Unwrap())}
	}
	return usageError{err}
}

// lab returns a client of the lab's daemon, which it starts if need be.
func (c *command) lab(ctx context.Context) (*client, error) {
	cl := newClient(lab.Socket(c.home))
	cl.again = func(ctx context.Context) error {
		if hello(ctx, cl) == nil {
			return nil
		}
		return c.start(ctx, c.home, c.stderr)
	}
	return cl, cl.again(ctx)
}

// arguments checks the number of arguments; max < 0 means any number. What
// names the missing one as juju does: "no application name(s) specified".
func arguments(minimum, maximum int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < minimum {
			return usageError{errors.New(what)}
		}
		if maximum >= 0 && len(args) > maximum {
			return usageError{fmt.Errorf("unrecognized args: %q", args[maximum:])}
		}
		return nil
	}
}

// format is the pair of flags --format and --output.
type format struct {
	name, file string
	allowed    []string
}

func addFormat(cmd *cobra.Command, allowed ...string) *format {
	f := &format{allowed: allowed}
	cmd.Flags().StringVar(&f.name, "format", allowed[0], "output format: "+strings.Join(allowed, ", "))
	cmd.Flags().StringVarP(&f.file, "output", "o", "", "file to write to instead of standard output")
	return f
}

func (f *format) check() error {
	for _, name := range f.allowed {
		if f.name == name {
			return nil
		}
	}
	return usageError{fmt.Errorf("invalid value %q for option --format: want %s", f.name, strings.Join(f.allowed, ", "))}
}

// write prints value as JSON or YAML, or whatever special does for another
// format.
func (f *format) write(c *command, value any, special func(io.Writer) error) error {
	var buffer strings.Builder
	var err error
	switch f.name {
	case "json":
		encoder := json.NewEncoder(&buffer)
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(value)
	case "yaml":
		encoder := yaml.NewEncoder(&buffer)
		encoder.SetIndent(2)
		err = encoder.Encode(value)
	default:
		err = special(&buffer)
	}
	if err != nil {
		return fmt.Errorf("cannot print as %s: %w", f.name, err)
	}
	if f.file != "" {
		if err := os.WriteFile(f.file, []byte(buffer.String()), 0o644); err != nil {
			return fmt.Errorf("cannot write output: %w", err)
		}
		return nil
	}
	_, err = io.WriteString(c.stdout, buffer.String())
	return err
}

// say prints a line of progress; juju's go to standard error, too.
func (c *command) say(format string, args ...any) {
	fmt.Fprintf(c.stderr, format+"\n", args...)
}
