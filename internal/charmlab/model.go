package charmlab

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/pulsar-charms/pulsar-charms/internal/lab"
	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
)

func (c *command) addModelCommand() *cobra.Command {
	var ignored []string
	var switched bool
	cmd := &cobra.Command{
		Use:   "add-model <name>",
		Short: "Name the model; without it the first verb makes one called " + lab.DefaultModel,
		Args:  arguments(1, 2, "no model name specified"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.tell(cmd, "add-model", api.AddModel{Name: args[0]}); err != nil {
				return err
			}
			c.say("Added '%s' model on %s", args[0], lab.Cloud)
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&ignored, "config", nil, "accepted for juju's sake")
	addIgnored(cmd, &switched, "no-switch")
	return cmd
}

func (c *command) destroyModelCommand() *cobra.Command {
	var noPrompt, force, ignored bool
	var timeout string
	cmd := &cobra.Command{
		Use:   "destroy-model [<name>]",
		Short: "End the lab: units, storages, processes and all",
		Args:  arguments(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl := newClient(lab.Socket(c.home))
			who, err := ask[api.Hello](cmd.Context(), cl, "hello", api.None{})
			if err != nil && !errors.Is(err, errNoDaemon) {
				return err
			}
			name := who.Model
			if len(args) == 1 {
				if name != "" && args[0] != name {
					return fmt.Errorf("model %q not found; there is %q", args[0], name)
				}
				name = args[0]
			}
			if name == "" {
				name = lab.DefaultModel
			}
			if !noPrompt {
				c.say("WARNING This command will destroy the %q model and all its data.", name)
				if err := c.confirm(); err != nil {
					return err
				}
			}
			c.say("Destroying model")
			if err := c.destroy(cmd.Context(), cl, !force && err == nil); err != nil {
				return err
			}
			c.say("Model destroyed.")
			return nil
		},
	}
	cmd.Flags().BoolVar(&noPrompt, "no-prompt", false, "do not ask")
	cmd.Flags().BoolVar(&force, "force", false, "do not wait for the charms' hooks")
	cmd.Flags().StringVar(&timeout, "timeout", "", "accepted for juju's sake")
	addIgnored(cmd, &ignored, "destroy-storage", "release-storage", "no-wait")
	return cmd
}

func (c *command) modelsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "models", Short: "List the model", Args: arguments(0, 0, "")}
	out := addFormat(cmd, "tabular", "json", "yaml")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := out.check(); err != nil {
			return err
		}
		models := []map[string]any{}
		seen, err := ask[api.Observation](cmd.Context(), newClient(lab.Socket(c.home)), "status", api.None{})
		switch {
		case err == nil:
			units := 0
			for _, a := range seen.Status.Applications {
				units += len(a.Units)
			}
			m := seen.Status.Model
			models = append(models, map[string]any{
				"name": m.Name, "short-name": m.Name, "cloud": m.Cloud, "model-type": m.Type, "status": m.Status, "unit-count": units, "life": "alive",
			})
		case !errors.Is(err, errNoDaemon):
			return err
		}
		return out.write(c, map[string]any{"models": models}, func(w io.Writer) error {
			t := &table{columns: []column{{title: "Model"}, {title: "Cloud/Region"}, {title: "Type"}, {title: "Status"}, {title: "Units", right: true}}}
			for _, m := range models {
				t.add(fmt.Sprint(m["name"], "*"), lab.Cloud, fmt.Sprint(m["model-type"]), seen.Status.Model.Status.Current, fmt.Sprint(m["unit-count"]))
			}
			return t.write(w)
		})
	}
	return cmd
}

func (c *command) versionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "version", Short: "Print the Juju version whose rules the lab follows", Args: arguments(0, 0, "")}
	out := addFormat(cmd, "smart", "json", "yaml")
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := out.check(); err != nil {
			return err
		}
		return out.write(c, Version, func(w io.Writer) error {
			_, err := fmt.Fprintln(w, Version)
			return err
		})
	}
	return cmd
}
