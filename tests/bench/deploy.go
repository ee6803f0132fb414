package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/image"
)

// Stages of a deployment, in order. The script has no commands to return from.
const (
	commands = "deploy commands return"
	quorum   = "ZooKeeper quorum"
	metadata = "metadata initialised"
	bookies  = "bookies ready"
	brokers  = "brokers healthy"
	message  = "first message received"
)

var stages = []string{commands, quorum, metadata, bookies, brokers, message}

// deployment is one run of a cluster from nothing to its first message.
type deployment struct {
	at    map[string]time.Duration // by stage, since the first command
	cpu   usage
	hooks int
	load  string // before it
}

// aim is for the ratio of the times to the first message.
const aim = 1.5

// deployLimit is more than any deployment may take.
const deployLimit = 10 * time.Minute

// compareDeployments lets charms and script take turns, so that what else runs
// on the machine hits both.
func compareDeployments(ctx context.Context, o options) error {
	tree, err := image.Assemble(ctx, image.Options{Home: os.Getenv("PULSAR_HOME"), Progress: os.Stderr})
	if err != nil {
		return err
	}
	var charms, plain []deployment
	var daemons daemons
	for n := range o.runs {
		fmt.Fprintf(os.Stderr, "bench: run %d of %d: charms\n", n+1, o.runs)
		d, found, err := deployCharms(ctx, o)
		if err != nil {
			return err
		}
		charms, daemons = append(charms, d), found
		fmt.Fprintf(os.Stderr, "bench: run %d of %d: plain script\n", n+1, o.runs)
		if d, err = deployPlain(ctx, tree, daemons); err != nil {
			return err
		}
		plain = append(plain, d)
	}
	return printDeployments(charms, plain)
}

// lab is a charmlab of its own.
type lab struct{ program, home string }

func (l lab) run(ctx context.Context, args ...string) (string, error) {
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, l.program, args...)
	cmd.Env = append(os.Environ(), "CHARMLAB_HOME="+l.home)
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("charmlab %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(output), nil
}

// deployCharms deploys pulsar and bookie, three units each, into a new lab
// and destroys it.
func deployCharms(ctx context.Context, o options) (d deployment, found daemons, err error) {
	ctx, cancel := context.WithTimeout(ctx, deployLimit)
	defer cancel()
	home, err := os.MkdirTemp("", "bench")
	if err != nil {
		return d, found, err
	}
	l := lab{program: o.charmlab(), home: filepath.Join(home, "lab")}
	defer func() {
		if o.keep != "" {
			err = errors.Join(err, keepLogs(l.home, o.keep))
		}
		_, destroyed := l.run(context.WithoutCancel(ctx), "destroy-model", "--no-prompt", "--force")
		err = errors.Join(err, destroyed, os.RemoveAll(home))
	}()

	d = deployment{at: map[string]time.Duration{}, load: load()}
	begun := time.Now()
	for _, command := range [][]string{
		{"deploy", o.charm("pulsar"), "-n", "3", "--config", "profile=testing", "--resource", "pulsar-image=pulsar"},
		{"deploy", o.charm("bookie"), "-n", "3", "--config", "profile=testing", "--resource", "bookie-image=pulsar"},
		{"integrate", "bookie", "pulsar"},
	} {
		if _, err := l.run(ctx, command...); err != nil {
			return d, found, err
		}
	}
	d.at[commands] = time.Since(begun)
	machine, err := l.machine(ctx)
	if err != nil {
		return d, found, err
	}
	if err := l.watch(ctx, machine, func(stage string) { d.at[stage] = time.Since(begun) }); err != nil {
		return d, found, err
	}
	if d.cpu, err = usageOf(machine, true); err != nil {
		return d, found, err
	}
	log, err := l.run(ctx, "debug-log", "--replay", "--no-tail")
	if err != nil {
		return d, found, err
	}
	d.hooks = strings.Count(log, "hook (via hook dispatching script")
	found, err = l.daemons(ctx)
	return d, found, err
}

// machine is the process in whose network the cluster is.
func (l lab) machine(ctx context.Context) (int, error) {
	output, err := l.run(ctx, "pods", "--format", "json")
	if err != nil {
		return 0, err
	}
	var pods struct {
		Machine int `json:"machine"`
	}
	if err := json.Unmarshal([]byte(output), &pods); err != nil || pods.Machine == 0 {
		return 0, fmt.Errorf("cannot find the lab's machine in %q: %w", output, err)
	}
	return pods.Machine, nil
}

// watch runs the probe in the cluster's network, with the cluster's names, and
// passes on each stage that it reports.
func (l lab) watch(ctx context.Context, machine int, reached func(stage string)) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	enter := []string{"--target", fmt.Sprint(machine), "--net"}
	own, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		return err
	}
	if its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", machine)); err != nil || its != own {
		enter = append(enter, "--user", "--preserve-credentials")
	}
	const script = `mount --bind "$1" /etc/hosts && exec "$2" "$3" "$1"`
	cmd := exec.CommandContext(ctx, "nsenter", append(enter,
		"unshare", "--mount", "sh", "-c", script, "sh", filepath.Join(l.home, "hosts"), self, probeCommand)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot enter the lab's network (nsenter and unshare are in util-linux): %w", err)
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		reached(lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("the cluster did not come up: %w", err)
	}
	return nil
}

// keepLogs copies the lab's log and those of its containers.
func keepLogs(home, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	logs, err := filepath.Glob(filepath.Join(home, "p", "*", "*", "l", "*.log"))
	if err != nil {
		return err
	}
	for _, log := range append(logs, filepath.Join(home, "debug.log")) {
		relative, err := filepath.Rel(home, log)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, strings.ReplaceAll(relative, "/", "-")), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func best(runs []deployment) deployment {
	return slices.MinFunc(runs, func(a, b deployment) int { return int(a.at[message] - b.at[message]) })
}

func printDeployments(charms, plain []deployment) error {
	header := []string{"seconds"}
	for n := range charms {
		header = append(header, fmt.Sprintf("charms %d", n+1))
	}
	for n := range plain {
		header = append(header, fmt.Sprintf("script %d", n+1))
	}
	t := newTable(fmt.Sprintf("From deploy to the first message: pulsar ×3, bookie ×3 (%s)", machine()), append(header, "ratio of the best")...)
	c, p := best(charms), best(plain)
	for _, stage := range stages {
		row := []string{stage}
		for _, d := range slices.Concat(charms, plain) {
			row = append(row, seconds(d.at[stage]))
		}
		t.add(append(row, ratio(c.at[stage].Seconds(), p.at[stage].Seconds()))...)
	}
	cpu, loads, hooks := []string{"CPU used until then"}, []string{"load average before"}, []string{"hooks until then"}
	for _, d := range slices.Concat(charms, plain) {
		cpu, loads = append(cpu, seconds(d.cpu.total())), append(loads, d.load)
		hooks = append(hooks, count(d.hooks))
	}
	t.add(append(cpu, ratio(c.cpu.total().Seconds(), p.cpu.total().Seconds()))...)
	t.add(append(hooks, "")...)
	t.add(append(loads, "")...)
	t.note("CPU seconds of the best run with charms: %s", c.cpu)
	t.note("CPU seconds of the best run of the script: %s", p.cpu)
	verdict := "reached"
	if c.at[message].Seconds() > aim*p.at[message].Seconds() {
		verdict = "missed"
	}
	t.note("The aim, a ratio of at most %.1f at the first message, is %s.", aim, verdict)
	return t.print()
}
