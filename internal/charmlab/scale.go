package charmlab

import (
	"bufio"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
)

func (c *command) scaleCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "scale-application <application> <scale>",
		Short: "Set the number of an application's units",
		Args:  arguments(1, 2, "no application specified"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usageError{errors.New("no scale specified")}
			}
			units, err := strconv.Atoi(args[1])
			if err != nil {
				return usageError{fmt.Errorf("invalid scale %q: want a number", args[1])}
			}
			if units < 0 {
				return usageError{errors.New("scale must be a positive integer")}
			}
			cl, err := c.lab(cmd.Context())
			if err != nil {
				return err
			}
			done, err := ask[api.Scaled](cmd.Context(), cl, "scale", api.Scale{App: args[0], Units: units})
			if err != nil {
				return fmt.Errorf("could not scale application %q: %w", args[0], err)
			}
			c.say("%s scaled to %d units", args[0], done.Units)
			return nil
		},
	}
}

func (c *command) removeUnitCommand() *cobra.Command {
	var count int
	var ignored bool
	cmd := &cobra.Command{
		Use:   "remove-unit <application> --num-units <number>",
		Short: "Remove the units with the highest numbers",
		Args:  arguments(1, 1, "no application specified"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.Contains(args[0], "/") {
				return usageError{fmt.Errorf("application name %q not valid: on Kubernetes the units with the highest numbers go; use --num-units", args[0])}
			}
			if count <= 0 {
				return usageError{errors.New("specify the number of units (> 0) to remove using the --num-units option")}
			}
			cl, err := c.lab(cmd.Context())
			if err != nil {
				return err
			}
			done, err := ask[api.Scaled](cmd.Context(), cl, "scale", api.Scale{App: args[0], Remove: count})
			if err != nil {
				return err
			}
			c.say("scaling down to %d units", done.Units)
			return nil
		},
	}
	cmd.Flags().IntVar(&count, "num-units", 0, "number of units to remove")
	addIgnored(cmd, &ignored, "no-prompt", "force", "no-wait", "destroy-storage")
	return cmd
}

func (c *command) removeApplicationCommand() *cobra.Command {
	var force, noPrompt, ignored bool
	cmd := &cobra.Command{
		Use:   "remove-application <application>...",
		Short: "Remove applications, their units and their storages",
		Args:  arguments(1, -1, "no application specified"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !noPrompt {
				c.say("WARNING This command will remove: %s", strings.Join(args, ", "))
				if err := c.confirm(); err != nil {
					return err
				}
			}
			cl, err := c.lab(cmd.Context())
			if err != nil {
				return err
			}
			for _, app := range args {
				removed, err := ask[api.Removed](cmd.Context(), cl, "remove-application", api.Remove{App: app, Force: force})
				if err != nil {
					return fmt.Errorf("removing application %s failed: %w", app, err)
				}
				c.say("will remove application %s", app)
				for _, unit := range removed.Units {
					c.say("- will remove unit %s", unit)
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "do not wait for the charm's hooks")
	cmd.Flags().BoolVar(&noPrompt, "no-prompt", false, "do not ask")
	addIgnored(cmd, &ignored, "no-wait", "destroy-storage")
	return cmd
}

// addIgnored accepts flags of juju that mean nothing here.
func addIgnored(cmd *cobra.Command, sink *bool, names ...string) {
	for _, name := range names {
		cmd.Flags().BoolVar(sink, name, false, "accepted for juju's sake")
	}
}

// confirm asks on the terminal; anything but y or yes aborts.
func (c *command) confirm() error {
	fmt.Fprint(c.stderr, "\nContinue [y/N]? ")
	answer, _ := bufio.NewReader(c.stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("aborted; --no-prompt does not ask")
}

func (c *command) resolvedCommand() *cobra.Command {
	var noRetry, all bool
	cmd := &cobra.Command{
		Use:   "resolved [<unit>...]",
		Short: "Run the failed hook of units in error again, or skip it",
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case all && len(args) > 0:
				return usageError{errors.New("specifying both --all and units is not allowed")}
			case !all && len(args) == 0:
				return usageError{errors.New("no unit specified")}
			}
			return c.tell(cmd, "resolved", api.Resolved{Units: args, All: all, Retry: !noRetry})
		},
	}
	cmd.Flags().BoolVar(&noRetry, "no-retry", false, "skip the hook")
	cmd.Flags().BoolVar(&all, "all", false, "all units in error")
	return cmd
}
