// Command bench measures what the charms cost, side by side with what does the
// same without them:
//
//   - from "charmlab deploy" to the first message, against the same nine JVMs
//     that a plain script starts in the best order, with the flags and
//     configuration that the charms have rendered;
//   - one config-changed hook of the charm bookie that has nothing to change,
//     over the agent's socket and over forked hook tools;
//   - one update-status of the charm of tests/conformance, in Python on ops and
//     in Go, with few and with many related units.
//
// It is a program and not a test: on a busy machine its figures say little, so
// nothing depends on them. Run it with make bench.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"github.com/pulsar-charms/pulsar-charms/internal/pod"
)

// options are the flags.
type options struct {
	build string // absolute path of the directory that make build fills
	runs  int
	hooks int
	only  string
	keep  string
}

// First arguments under which the program is a part of itself.
const (
	probeCommand = "probe" // looks at a cluster from inside of its network
	hookCommand  = "hook"  // measures hooks, in a machine of its own
	raceCommand  = "race"  // lets charms race, in a machine of its own
)

func main() {
	if pod.Reexec() {
		return
	}
	if filepath.Base(os.Args[0]) == doubleName {
		exit(serveBookie())
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 3 && os.Args[1] == probeCommand {
		exit(probe(ctx, os.Args[2]))
		return
	}
	args, inside := os.Args[1:], map[string]func(context.Context, options) error{hookCommand: compareHooks, raceCommand: race}
	var measure func(context.Context, options) error
	if len(args) > 0 {
		if measure = inside[args[0]]; measure != nil {
			args = args[1:]
		}
	}
	o, err := parse(args)
	switch {
	case err != nil:
	case measure != nil:
		err = measure(ctx, o)
	default:
		err = bench(ctx, o, args)
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "ERROR %v\n", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.StringVar(&o.build, "build", "build", "directory that make build has filled")
	flags.IntVar(&o.runs, "runs", 2, "deployments of each kind; the best counts")
	flags.IntVar(&o.hooks, "hooks", 20, "hooks over each transport, after three that do not count")
	flags.StringVar(&o.only, "only", "", "measure only deploy, hook or race")
	flags.StringVar(&o.keep, "keep", "", "directory for the logs of the last deployment")
	_ = flags.Parse(args) // it exits
	if flags.NArg() > 0 || o.runs < 1 || o.hooks < 1 || !slices.Contains([]string{"", "deploy", hookCommand, raceCommand}, o.only) {
		flags.Usage()
		return o, errors.New("cannot make sense of the arguments")
	}
	var err error
	o.build, err = filepath.Abs(o.build)
	return o, err
}

func bench(ctx context.Context, o options, args []string) error {
	if err := printSizes(o); err != nil {
		return err
	}
	for _, part := range []string{raceCommand, hookCommand} {
		if o.only != "" && o.only != part {
			continue
		}
		if part == raceCommand {
			if err := packRacers(ctx, o); err != nil {
				return err
			}
		}
		code, err := pod.Enter(append([]string{part}, args...), os.Environ())
		if err != nil {
			return fmt.Errorf("cannot make namespaces for the hooks: %w", err)
		}
		if code != 0 {
			return fmt.Errorf("cannot measure: %s", part)
		}
	}
	if o.only == "" || o.only == raceCommand {
		if err := printInside(ctx); err != nil {
			return err
		}
	}
	if o.only == "" || o.only == "deploy" {
		return compareDeployments(ctx, o)
	}
	return nil
}

func (o options) charmlab() string { return filepath.Join(o.build, "charmlab") }

func (o options) charm(name string) string {
	return filepath.Join(o.build, name+"_"+runtime.GOARCH+".charm")
}

func printSizes(o options) error {
	t := newTable("Size of the packed charms", "charm", "MB")
	for _, name := range []string{"pulsar", "bookie", "pulsar-client-dummy"} {
		info, err := os.Stat(o.charm(name))
		if err != nil {
			return fmt.Errorf("cannot find a charm, run make build: %w", err)
		}
		t.add(name, fmt.Sprintf("%.1f", float64(info.Size())/1e6))
	}
	return t.print()
}
