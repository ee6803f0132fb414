package charmlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
)

func (c *command) deployCommand() *cobra.Command {
	var (
		units     int
		config    []string
		resources []string
		trust     bool
		ignored   bool
		base      string
	)
	cmd := &cobra.Command{
		Use:   "deploy <charm archive or directory> [<application name>]",
		Short: "Deploy a charm from this machine's disk",
		Long: `Deploy a charm: an archive (./x.charm) or an unpacked directory.

Each container image that the charm declares needs a --resource: a directory with
the image's tree, or one of the built-in names: pulsar (Apache Pulsar, put
together from Maven artifacts, or what $PULSAR_HOME names) and base (this machine's
own programs and nothing else).`,
		Example: "  charmlab deploy ./bookie.charm -n 3 --resource bookie-image=pulsar --config profile=testing",
		Args:    arguments(1, 2, "no charm specified"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if units < 0 {
				return usageError{fmt.Errorf("invalid value \"%d\" for option --num-units: must be a positive integer", units)}
			}
			charm, err := localCharm(args[0])
			if err != nil {
				return err
			}
			request := api.Deploy{Charm: charm, Units: units, Trust: trust}
			if len(args) == 2 {
				request.App = args[1]
			}
			app := request.App
			if app == "" {
				app = strings.TrimSuffix(filepath.Base(charm), ".charm")
			}
			if request.Config, err = configArguments(app, config); err != nil {
				return err
			}
			if request.Resources, err = c.resources(cmd.Context(), resources); err != nil {
				return err
			}
			cl, err := c.lab(cmd.Context())
			if err != nil {
				return err
			}
			done, err := ask[api.Deployed](cmd.Context(), cl, "deploy", request)
			if err != nil {
				return err
			}
			c.say("Located local charm %q, revision %d", done.Charm, done.Revision)
			c.say("Deploying %q from local charm %q, revision %d on %s", done.App, done.Charm, done.Revision, done.Base)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.IntVarP(&units, "num-units", "n", 1, "number of units")
	flags.StringArrayVar(&config, "config", nil, "an option as key=value or key=@file, or a YAML file of options; repeatable")
	flags.StringArrayVar(&resources, "resource", nil, "an image as <name>=<directory, pulsar or base>; repeatable")
	flags.BoolVar(&trust, "trust", false, "allow the charm to use the cloud's credentials (there are none)")
	flags.StringVar(&base, "base", "", "accepted; a charm always sees this machine's programs")
	addIgnored(cmd, &ignored, "force")
	return cmd
}

func (c *command) refreshCommand() *cobra.Command {
	var (
		path      string
		resources []string
		force     bool
		ignored   bool
	)
	cmd := &cobra.Command{
		Use:     "refresh <application>",
		Short:   "Replace an application's charm, pod by pod",
		Example: "  charmlab refresh bookie --path ./bookie.charm",
		Args:    arguments(1, 1, "no application specified"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if path == "" && len(resources) == 0 {
				return usageError{errors.New("nothing to refresh: name a charm by --path or an image by --resource")}
			}
			request := api.Refresh{App: args[0], Force: force}
			var err error
			if path != "" {
				if request.Charm, err = localCharm(path); err != nil {
					return err
				}
			}
			if request.Resources, err = c.resources(cmd.Context(), resources); err != nil {
				return err
			}
			cl, err := c.lab(cmd.Context())
			if err != nil {
				return err
			}
			done, err := ask[api.Deployed](cmd.Context(), cl, "refresh", request)
			if err != nil {
				return err
			}
			c.say("Added local charm %q, revision %d, to the model", done.Charm, done.Revision)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&path, "path", "", "charm archive or directory")
	flags.StringArrayVar(&resources, "resource", nil, "an image as <name>=<directory, pulsar or base>; repeatable")
	flags.BoolVar(&force, "force-units", false, "refresh units in error, too")
	addIgnored(cmd, &ignored, "force", "force-base")
	return cmd
}

// localCharm makes a charm's path absolute, for the daemon has its own
// working directory.
func localCharm(path string) (string, error) {
	path = strings.TrimPrefix(path, "local:")
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(absolute); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("no charm was found at %q: charmlab deploys archives (./x.charm) and directories, nothing from Charmhub", path)
		}
		return "", fmt.Errorf("cannot read charm %q: %w", path, err)
	}
	return absolute, nil
}

// configArguments reads the values of --config: options, and files whose
// options may be under the application's name.
func configArguments(app string, args []string) (map[string]string, error) {
	config := map[string]string{}
	for _, arg := range args {
		key, value, isOption := strings.Cut(arg, "=")
		if !isOption {
			more, err := configFile(app, arg)
			if err != nil {
				return nil, err
			}
			for k, v := range more {
				config[k] = v
			}
			continue
		}
		if key == "" {
			return nil, usageError{fmt.Errorf("invalid value %q for option --config: expected \"key=value\"", arg)}
		}
		value, err := optionValue(value)
		if err != nil {
			return nil, fmt.Errorf("cannot read option %q: %w", key, err)
		}
		config[key] = value
	}
	return config, nil
}

// optionValue replaces @file by the file's content.
func optionValue(value string) (string, error) {
	file, isFile := strings.CutPrefix(value, "@")
	if !isFile {
		return value, nil
	}
	content, err := os.ReadFile(file)
	return string(content), err
}

func configFile(app, file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read options: %w (an option is given as key=value)", err)
	}
	var content map[string]any
	if err := yaml.Unmarshal(text, &content); err != nil {
		return nil, fmt.Errorf("cannot read options in %s: %w", file, err)
	}
	if inner, ok := content[app].(map[string]any); ok {
		content = inner
	}
	config := map[string]string{}
	for k, v := range content {
		switch v.(type) {
		case map[string]any, []any:
			return nil, fmt.Errorf("cannot read options in %s: %q is neither text, number nor boolean, and there is no %q", file, k, app)
		}
		config[k] = fmt.Sprint(v)
	}
	return config, nil
}

// resources turns --resource values into directories. The built-in images are
// put together here and not in the daemon, which sees no network.
func (c *command) resources(ctx context.Context, args []string) (map[string]string, error) {
	resources := map[string]string{}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" || value == "" {
			return nil, usageError{fmt.Errorf("invalid value %q for option --resource: expected name=directory", arg)}
		}
		directory, err := c.image(ctx, value)
		if err != nil {
			return nil, fmt.Errorf("cannot use resource %q: %w", name, err)
		}
		resources[name] = directory
	}
	return resources, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
