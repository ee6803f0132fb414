package charmlab

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
)

func (c *command) configCommand() *cobra.Command {
	var reset []string
	var file string
	cmd := &cobra.Command{
		Use:   "config <application> [--reset <key>[,<key>]] [<key>][=<value>]...",
		Short: "Show, set or reset an application's options",
		Args:  arguments(1, -1, "no application name specified"),
	}
	out := addFormat(cmd, "yaml", "json", "tabular")
	cmd.Flags().StringSliceVar(&reset, "reset", nil, "options to set back to their default")
	cmd.Flags().StringVar(&file, "file", "", "YAML file of options")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		request := api.SetConfig{App: args[0], Set: map[string]string{}, Reset: reset}
		var keys []string
		for _, arg := range args[1:] {
			key, value, isSetting := strings.Cut(arg, "=")
			if !isSetting {
				keys = append(keys, key)
				continue
			}
			value, err := optionValue(value)
			if err != nil {
				return fmt.Errorf("cannot read option %q: %w", key, err)
			}
			request.Set[key] = value
		}
		if file != "" {
			more, err := configFile(args[0], file)
			if err != nil {
				return err
			}
			for k, v := range more {
				request.Set[k] = v
			}
		}
		changes := len(request.Set)+len(request.Reset) > 0
		switch {
		case len(keys) > 0 && changes:
			return usageError{errors.New("cannot get and set or reset options in one command")}
		case len(keys) > 1:
			return usageError{errors.New("can only retrieve a single value, or all values")}
		case changes:
			return c.tell(cmd, "set-config", request)
		}
		cl, err := c.lab(cmd.Context())
		if err != nil {
			return err
		}
		config, err := ask[api.Config](cmd.Context(), cl, "config", api.Application{App: args[0]})
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return out.write(c, config, func(w io.Writer) error { return configTable(w, config) })
		}
		setting, ok := config.Settings[keys[0]]
		if !ok {
			setting, ok = config.ApplicationConfig[keys[0]]
		}
		if !ok {
			return fmt.Errorf("key %q not found in %q application config or charm settings", keys[0], args[0])
		}
		if out.name == "json" {
			return out.write(c, setting.Value, nil)
		}
		if setting.Value != nil {
			fmt.Fprintln(c.stdout, setting.Value)
		}
		return nil
	}
	return cmd
}

func configTable(w io.Writer, config api.Config) error {
	t := table{columns: []column{{title: "Option"}, {title: "Value"}, {title: "Source"}, {title: "Type"}, {title: "Description"}}}
	for _, key := range sortedKeys(config.Settings) {
		s := config.Settings[key]
		value := ""
		if s.Value != nil {
			value = fmt.Sprint(s.Value)
		}
		description, _, _ := strings.Cut(strings.TrimSpace(s.Description), "\n")
		t.add(key, value, s.Source, s.Type, description)
	}
	return t.write(w)
}

func (c *command) trustCommand() *cobra.Command {
	var scope string
	var remove bool
	cmd := &cobra.Command{
		Use:   "trust <application> --scope=cluster",
		Short: "Allow a charm to use the cloud's credentials, or no more",
		Args:  arguments(1, 1, "no application name specified"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if scope != "cluster" && !remove {
				return errors.New("on Kubernetes trust is for the whole cluster; confirm it with --scope=cluster")
			}
			return c.tell(cmd, "set-config", api.SetConfig{App: args[0], Set: map[string]string{"trust": fmt.Sprint(!remove)}})
		},
	}
	cmd.Flags().StringVar(&scope, "scope", "", "what the charm may use: cluster")
	cmd.Flags().BoolVar(&remove, "remove", false, "trust it no more")
	return cmd
}
