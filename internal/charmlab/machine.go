package charmlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pulsar-charms/pulsar-charms/internal/image"
	"github.com/pulsar-charms/pulsar-charms/internal/lab"
	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
	"github.com/pulsar-charms/pulsar-charms/internal/pod"
)

// startLimit is how long a lab may take to answer after its machine started.
const startLimit = 20 * time.Second

func hello(ctx context.Context, cl *client) error {
	_, err := ask[api.Hello](ctx, cl, "hello", api.None{})
	return err
}

// startMachine brings up the machine of the lab in home, if it does not run,
// and waits until its daemon answers.
func startMachine(ctx context.Context, home string, progress io.Writer) error {
	if err := checkHome(home); err != nil {
		return err
	}
	pebble, err := pebbleProgram(ctx, os.Getenv, progress)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find charmlab's own program: %w", err)
	}
	if _, err := pod.FindMachine(home); errors.Is(err, pod.ErrNotRunning) {
		fmt.Fprintf(progress, "Starting the lab in %s\n", home)
	}
	_, err = pod.StartMachine(ctx, pod.MachineSpec{
		Dir: home, Daemon: []string{self, "daemon"}, Env: append(os.Environ(), "CHARMLAB_HOME="+home, "CHARMLAB_PEBBLE="+pebble),
	})
	if err != nil {
		return fmt.Errorf("cannot start the lab: %w", err)
	}
	cl := newClient(lab.Socket(home))
	waiting, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		err := hello(waiting, cl)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-waiting.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("cannot start the lab: its daemon does not answer%s", lastWords(home))
		}
	}
}

// lastWords is what the daemon said last, for an error message.
func lastWords(home string) string {
	file := filepath.Join(home, "machine.log")
	text, err := os.ReadFile(file)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err != nil || lines[0] == "" {
		return ""
	}
	return fmt.Sprintf("; %s ends with: %s", file, lines[len(lines)-1])
}

// checkHome makes the state directory and sees that it can be written.
func checkHome(home string) error {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return fmt.Errorf("cannot make the state directory: %w (CHARMLAB_HOME names another one)", err)
	}
	probe, err := os.CreateTemp(home, ".probe-")
	if err == nil {
		_, err = probe.Write(make([]byte, 1<<16))
		probe.Close()
		os.Remove(probe.Name())
	}
	if err != nil {
		return fmt.Errorf("cannot write in the state directory: %w (free some space, or let CHARMLAB_HOME name another one)", err)
	}
	return nil
}

// destroy ends the lab and removes what it kept. With hooks, the charms' hooks
// of removal run first, for a while.
func (c *command) destroy(ctx context.Context, cl *client, hooks bool) error {
	if hooks {
		if err := c.removeAll(ctx, cl); err != nil {
			return err
		}
	}
	machine, err := pod.FindMachine(c.home)
	switch {
	case err == nil:
		ending, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		if err := machine.Kill(ending); err != nil {
			return fmt.Errorf("cannot end the lab: %w", err)
		}
	case !errors.Is(err, pod.ErrNotRunning):
		return fmt.Errorf("cannot end the lab: %w", err)
	}
	if err := lab.Remove(c.home); err != nil {
		return fmt.Errorf("cannot remove the lab's state: %w", err)
	}
	return nil
}

// destroyLimit is how long destroy-model waits for hooks of removal.
const destroyLimit = time.Minute

func (c *command) removeAll(ctx context.Context, cl *client) error {
	if err := tell(ctx, cl, "remove-everything", api.None{}); err != nil {
		return err
	}
	deadline := time.Now().Add(destroyLimit)
	last := ""
	for {
		seen, err := ask[api.Observation](ctx, cl, "status", api.None{})
		if err != nil {
			return err
		}
		units := 0
		for _, a := range seen.Status.Applications {
			units += len(a.Units)
		}
		if len(seen.Status.Applications) == 0 {
			return nil
		}
		if words := fmt.Sprintf("Waiting for model to be removed, %d application(s), %d unit(s)...", len(seen.Status.Applications), units); words != last {
			c.say("%s", words)
			last = words
		}
		left := time.Until(deadline)
		if left <= 0 {
			c.say("Not waiting any longer: %s", strings.Join(sortedKeys(seen.Status.Applications), ", "))
			return nil
		}
		if _, err := ask[api.Changed](ctx, cl, "wait", api.Wait{After: seen.Change, Seconds: int(left/time.Second) + 1}); err != nil {
			return err
		}
	}
}

// image is the directory of an image: one that is named, or a built-in one.
func (c *command) image(ctx context.Context, name string) (string, error) {
	switch name {
	case "base":
		return "", nil
	case "pulsar":
		return image.Assemble(ctx, image.Options{Home: c.getenv("PULSAR_HOME"), Progress: c.stderr})
	}
	dir, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("%q is neither a directory nor one of the built-in images pulsar and base", name)
	case err != nil:
		return "", err
	case !info.IsDir():
		return "", fmt.Errorf("%q is not a directory: charmlab takes an image's tree, not an archive or a reference", name)
	}
	return dir, nil
}

// insideCommands are what the machine runs; they are not for people.
func (c *command) insideCommands() []*cobra.Command {
	return []*cobra.Command{{
		Use: "daemon", Hidden: true, Args: arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.daemon(cmd.Context()) },
	}}
}

func (c *command) daemon(ctx context.Context) error {
	pebble := c.getenv("CHARMLAB_PEBBLE")
	if pebble == "" {
		return errors.New("the daemon is not for people: any other verb starts it")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	daemon, err := lab.New(lab.Options{Home: c.home, Runtime: lab.Node{Pebble: pebble, Jujuc: self}})
	if err != nil {
		return err
	}
	// The machine sees to it that there is one daemon: a socket that is there
	// was left by one that was killed.
	socket := lab.Socket(c.home)
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("cannot listen for commands: %w", err)
	}
	return daemon.Serve(ctx, listener)
}
