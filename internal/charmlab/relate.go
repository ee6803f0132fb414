package charmlab

import (
	"github.com/spf13/cobra"

	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
)

func (c *command) integrateCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "integrate <application>[:<endpoint>] <application>[:<endpoint>]",
		Aliases: []string{"relate"},
		Short:   "Relate two applications",
		Example: "  charmlab integrate bookie pulsar",
		Args:    arguments(2, 2, "an integration must involve two applications"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.tell(cmd, "integrate", api.Relate{A: args[0], B: args[1]})
		},
	}
}

func (c *command) removeRelationCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "remove-relation <application>[:<endpoint>] <application>[:<endpoint>]",
		Short: "Remove the relation of two applications",
		Args:  arguments(2, 2, "a relation must involve two applications"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.tell(cmd, "remove-relation", api.Relate{A: args[0], B: args[1]})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "accepted for juju's sake")
	return cmd
}

// tell sends a request that has no answer to the lab.
func (c *command) tell(cmd *cobra.Command, verb string, request any) error {
	cl, err := c.lab(cmd.Context())
	if err != nil {
		return err
	}
	return tell(cmd.Context(), cl, verb, request)
}
