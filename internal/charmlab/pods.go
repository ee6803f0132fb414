package charmlab

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
	"github.com/pulsar-charms/pulsar-charms/internal/pod"
)

// The verbs of this file have no counterpart in juju: they are what kubectl
// would be used for.

func (c *command) podsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pods",
		Short: "List the units' pods with their processes (as kubectl get pods would)",
		Long: `List the units' pods, with process ids as they are outside of the lab: the first
process of each pod, the Pebble of each container, and the lab's daemon. Killing
any of them is what the lab is for.`,
		Args: arguments(0, 0, ""),
	}
	out := addFormat(cmd, "tabular", "json", "yaml")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := out.check(); err != nil {
			return err
		}
		cl, err := c.lab(cmd.Context())
		if err != nil {
			return err
		}
		pods, err := ask[api.Pods](cmd.Context(), cl, "pods", api.None{})
		if err != nil {
			return err
		}
		if machine, err := pod.FindMachine(c.home); err == nil {
			outside := outerPIDs(machine.PID())
			pods.Machine, pods.Daemon = machine.PID(), outside[pods.Daemon]
			for i := range pods.Pods {
				pods.Pods[i].PID = outside[pods.Pods[i].PID]
				for name, pid := range pods.Pods[i].Containers {
					pods.Pods[i].Containers[name] = outside[pid]
				}
			}
		}
		return out.write(c, pods, func(w io.Writer) error {
			fmt.Fprintf(w, "Daemon %d\n\n", pods.Daemon)
			t := &table{columns: []column{{title: "Unit"}, {title: "Address"}, {title: "PID", right: true}, {title: "Pebbles"}, {title: "Name"}}}
			for _, p := range pods.Pods {
				var pebbles []string
				for _, name := range sortedKeys(p.Containers) {
					pebbles = append(pebbles, fmt.Sprintf("%s=%d", name, p.Containers[name]))
				}
				t.add(p.Unit, p.Address, fmt.Sprint(p.PID), strings.Join(pebbles, " "), p.Name)
			}
			return t.write(w)
		})
	}
	return cmd
}

// outerPIDs maps the process ids inside the machine's pid namespace to those
// of this process, by the NSpid lines of /proc.
func outerPIDs(machine int) map[int]int {
	pids := map[int]int{}
	level := len(nsPIDs(filepath.Join("/proc", strconv.Itoa(machine), "status"))) - 1
	if level < 1 {
		// Not a namespace of its own: the ids are the same.
		return pids
	}
	parents := map[int]int{}
	inner := map[int]int{}
	files, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, file := range files {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue
		}
		parents[pid] = parentPID(file)
		if ids := nsPIDs(file); len(ids) > level {
			inner[pid] = ids[level]
		}
	}
	for outer, id := range inner {
		// Another lab's processes are as deep, but not below this machine.
		for p := outer; p > 1; p = parents[p] {
			if p == machine {
				pids[id] = outer
				break
			}
		}
	}
	return pids
}

func statusField(file, key string) []string {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}

func nsPIDs(file string) []int {
	var ids []int
	for _, field := range statusField(file, "NSpid") {
		id, err := strconv.Atoi(field)
		if err != nil {
			return nil
		}
		ids = append(ids, id)
	}
	return ids
}

func parentPID(file string) int {
	fields := statusField(file, "PPid")
	if len(fields) != 1 {
		return 0
	}
	pid, _ := strconv.Atoi(fields[0])
	return pid
}

func (c *command) deletePodCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "delete-pod <unit>",
		Short: "Replace a unit's pod by a new one (as kubectl delete pod would)",
		Args:  arguments(1, 1, "no unit specified"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, _, err := juju.ParseUnit(args[0]); err != nil {
				return usageError{fmt.Errorf("unit name %q not valid", args[0])}
			}
			return c.tell(cmd, "delete-pod", api.Unit{Unit: args[0], Force: force})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "kill it at once; its stop hook does not run")
	return cmd
}

func (c *command) killContainerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "kill-container <unit> <container>",
		Short: "Kill all processes of a container, which is started again",
		Args:  arguments(2, 2, "no unit and container specified"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.tell(cmd, "kill-container", api.Container{Unit: args[0], Container: args[1]})
		},
	}
}

func (c *command) advanceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "advance <duration>",
		Short: "Let time pass for the model: update-status, and secrets that rotate or expire, come due",
		Args:  arguments(1, 1, "no duration specified"),
		RunE: func(cmd *cobra.Command, args []string) error {
			by, err := time.ParseDuration(args[0])
			if err != nil {
				return usageError{fmt.Errorf("invalid duration %q: want one such as 90m", args[0])}
			}
			return c.tell(cmd, "advance", api.Advance{By: by})
		},
	}
}
