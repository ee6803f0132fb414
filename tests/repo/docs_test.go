package repo

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/metadata"
)

// charmYAML is what the YAML files of a charm declare.
type charmYAML struct {
	Containers, Resources, Requires, Provides map[string]any
	Options                                   map[string]any
	Actions                                   map[string]struct{ Params map[string]any }
}

func charms(t *testing.T) map[string]charmYAML {
	t.Helper()
	all := map[string]charmYAML{}
	for _, name := range metadata.Charms() {
		files, err := metadata.Files(name)
		if err != nil {
			t.Fatal(err)
		}
		var c charmYAML
		for file, into := range map[string]any{"metadata.yaml": &c, "config.yaml": &c, "actions.yaml": &c.Actions} {
			if err := yaml.Unmarshal(files[file], into); err != nil {
				t.Fatalf("%s: %s: %v", name, file, err)
			}
		}
		all[name] = c
	}
	return all
}

// command finds what a text tells its reader to type.
var command = regexp.MustCompile("(?:juju|charmlab) (deploy|integrate|config|run|ssh|scale-application) ([^`\"\\\\\n#|]+)")

// What the documents tell the reader to type names charms, images, options,
// containers and actions that exist.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	known := charms(t)
	found := 0
	for _, file := range tracked(t) {
		documents := strings.HasSuffix(file, ".md") || strings.HasPrefix(file, "metadata/") || strings.HasPrefix(file, "internal/charmlab/")
		if !documents || strings.HasSuffix(file, "_test.go") || strings.Contains(file, "testdata") {
			continue
		}
		content, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range command.FindAllStringSubmatch(string(content), -1) {
			if strings.ContainsAny(match[2], "<%") {
				continue // a pattern, not an example
			}
			found++
			if err := checkCommand(known, match[1], strings.Fields(strings.Trim(match[2], " '."))); err != nil {
				t.Errorf("%s: %q: %v", file, match[0], err)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d commands were found: the pattern does not fit the documents any more", found)
	}
}

func checkCommand(known map[string]charmYAML, verb string, args []string) error {
	var names []string // positional arguments
	flags := map[string]string{}
	for i := 0; i < len(args); i++ {
		switch {
		case !strings.HasPrefix(args[i], "-"):
			names = append(names, args[i])
		case strings.Contains(args[i], "="):
			key, value, _ := strings.Cut(args[i], "=")
			flags[key] = value
		case i+1 < len(args):
			flags[args[i]] = args[i+1]
			i++
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("it has no argument")
	}
	file := strings.TrimSuffix(filepath.Base(names[0]), ".charm")
	file = strings.TrimSuffix(file, "_amd64")
	app, _, _ := strings.Cut(file, ":")
	if verb == "run" || verb == "ssh" {
		app, _, _ = strings.Cut(names[0], "/")
	}
	charm, ok := known[app]
	if !ok {
		return fmt.Errorf("there is no charm %q", app)
	}
	has := func(kind, name string, ok bool) error {
		if !ok {
			return fmt.Errorf("charm %s has no %s %q", app, kind, name)
		}
		return nil
	}
	switch verb {
	case "deploy":
		resource, _, _ := strings.Cut(flags["--resource"], "=")
		return has("resource", resource, charm.Resources[resource] != nil)
	case "integrate":
		if len(names) != 2 || known[strings.Split(names[1], ":")[0]].Containers == nil {
			return fmt.Errorf("it names no two charms")
		}
	case "config":
		for _, setting := range names[1:] {
			option, _, _ := strings.Cut(setting, "=")
			if err := has("option", option, charm.Options[option] != nil); err != nil {
				return err
			}
		}
	case "run":
		action, ok := charm.Actions[names[1]]
		if !ok {
			return has("action", names[1], false)
		}
		for _, param := range names[2:] {
			param, _, _ := strings.Cut(param, "=")
			if err := has("parameter", param, action.Params[param] != nil); err != nil {
				return err
			}
		}
	case "ssh":
		container := flags["--container"]
		return has("container", container, container == "" || charm.Containers[container] != nil)
	}
	return nil
}

var quoted = regexp.MustCompile("`([^`]+)`")

// The README's table of charms says what they are.
func TestDocumentedCharms(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ Containers, Provides, Requires []string }
	got, want := map[string]row{}, map[string]row{}
	known := charms(t)
	for name, c := range known {
		want[name] = row{sorted(c.Containers), sorted(c.Provides), sorted(c.Requires)}
	}
	for line := range strings.Lines(string(readme)) {
		cells := strings.Split(strings.Trim(line, "| \n"), "|")
		name := strings.Trim(cells[0], "` ")
		if _, ok := known[name]; !ok || len(cells) != 4 {
			continue
		}
		provides, requires, _ := strings.Cut(cells[3], "requires")
		got[name] = row{names(cells[1]), names(provides), names(requires)}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-metadata +README.md)\n%s", diff)
	}
}

// names are the words in backquotes, sorted.
func names(text string) (found []string) {
	for _, match := range quoted.FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	return found
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
