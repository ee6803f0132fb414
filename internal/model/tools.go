package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v2"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// tool is one call of a hook tool.
type tool struct {
	*Context
	name     string
	args     []string // what is left after the flags
	stdin    []byte
	stdinSet bool
	files    func(path string) ([]byte, error)
	out      []byte
	err      []byte
	format   string
	file     string // the output goes to it
	spelled  string // how the arguments name the relation
}

// usageError is a mistake in flags or arguments: exit code 2.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// errHelp says that the arguments ask for help.
var errHelp = errors.New("help requested")

// errStdin says that the tool has to be called again with its input.
var errStdin = errors.New("hook tool requires stdin, none supplied")

// Run executes a hook tool as Juju's agent does. files reads a file that the
// arguments name; its path is as given. needStdin: the tool reads its standard
// input and stdinSet was false; nothing has happened.
func (c *Context) Run(name string, args []string, stdin []byte, stdinSet bool, files func(path string) ([]byte, error)) (code int, stdout, stderr []byte, needStdin bool) {
	if c.model.running[c.unit.Name] != c {
		return 1, nil, []byte("ERROR the hook has ended\n"), false
	}
	t := &tool{Context: c, name: name, args: args, stdin: stdin, stdinSet: stdinSet, files: files}
	run := t.find(name)
	if run == nil || !c.HasTool(name) {
		return 1, nil, []byte("ERROR bad request: " + c.Unknown(name) + "\n"), false
	}
	err := run()
	if err == nil && t.file != "" {
		if err = t.writeFile(); err == nil {
			t.out = nil
		}
	}
	switch wrong := (*usageError)(nil); {
	case err == nil:
		return 0, t.out, t.err, false
	case err == errHelp:
		return 0, fmt.Appendf(nil, "Usage: %s [options]\n", name), nil, false
	case err == errStdin:
		return 1, nil, nil, true
	case errors.As(err, &wrong):
		return 2, nil, fmt.Appendf(t.err, "ERROR %v\n", err), false
	}
	return 1, t.out, fmt.Appendf(t.err, "ERROR %v\n", err), false
}

// toolNames are the tools of find.
const toolNames = "action-fail action-get action-log action-set application-version-set close-port " +
	"config-get credential-get goal-state is-leader juju-log juju-reboot leader-get leader-set " +
	"network-get open-port opened-ports relation-get relation-ids relation-list relation-model-get " +
	"relation-set resource-get secret-add secret-get secret-grant secret-ids secret-info-get " +
	"secret-remove secret-revoke secret-set state-delete state-get state-set status-get status-set " +
	"storage-add storage-get storage-list unit-get"

// Tools are the names of all hook tools of all versions of Juju that are
// modelled, sorted; see HasTool.
func Tools() []string { return strings.Fields(toolNames) }

// HasTool says whether the model's Juju has the tool for this hook. Secrets
// came with 3.0, secret-info-get with 3.0.2, relation-model-get with 3.6.2; 4.0
// lost leadership settings and has the tools of actions only in actions.
func (c *Context) HasTool(name string) bool {
	v := c.model.version
	switch {
	case name == "secret-info-get":
		return v.AtLeast(3, 0, 2)
	case strings.HasPrefix(name, "secret-"):
		return v.AtLeast(3, 0, 0)
	case name == "relation-model-get":
		return v.HasRelationModel()
	case name == "leader-get" || name == "leader-set":
		return c.model.before(4)
	case strings.HasPrefix(name, "action-"):
		return c.model.before(4) || c.hook.Kind == juju.Action
	}
	return true
}

// Unknown is how the model's Juju names a tool that it does not have.
func (c *Context) Unknown(name string) string {
	if c.model.before(4) {
		return "unknown command: " + name
	}
	return "unknown hook command: " + name
}

func (t *tool) find(name string) func() error {
	switch name {
	case "action-fail":
		return t.actionFail
	case "action-get":
		return t.actionGet
	case "action-log":
		return t.actionLog
	case "action-set":
		return t.actionSet
	case "application-version-set":
		return t.applicationVersionSet
	case "close-port":
		return t.closePort
	case "config-get":
		return t.configGet
	case "credential-get":
		return t.credentialGet
	case "goal-state":
		return t.goalState
	case "is-leader":
		return t.isLeader
	case "juju-log":
		return t.jujuLog
	case "juju-reboot":
		return t.jujuReboot
	case "leader-get":
		return t.leaderGet
	case "leader-set":
		return t.leaderSet
	case "network-get":
		return t.networkGet
	case "open-port":
		return t.openPort
	case "opened-ports":
		return t.openedPorts
	case "relation-get":
		return t.relationGet
	case "relation-ids":
		return t.relationIDs
	case "relation-list":
		return t.relationList
	case "relation-model-get":
		return t.relationModelGet
	case "relation-set":
		return t.relationSet
	case "resource-get":
		return t.resourceGet
	case "state-delete":
		return t.stateDelete
	case "state-get":
		return t.stateGet
	case "state-set":
		return t.stateSet
	case "status-get":
		return t.statusGet
	case "status-set":
		return t.statusSet
	case "storage-add":
		return t.storageAdd
	case "storage-get":
		return t.storageGet
	case "storage-list":
		return t.storageList
	case "unit-get":
		return t.unitGet
	}
	return t.findSecret(name)
}

// flags are a tool's options: name → where its value goes, a *bool or a
// *string.
type flags map[string]any

// parse takes the flags out of the arguments. They may follow positional
// arguments; "--" ends them. Names of one letter stand behind one hyphen,
// alone, in groups or with their value, longer ones behind two.
func (t *tool) parse(known flags) error {
	var rest []string
	args := t.args
	next := func(spelled string) (string, error) {
		if len(args) == 0 {
			return "", usage("option needs an argument: %s", spelled)
		}
		value := args[0]
		args = args[1:]
		return value, nil
	}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			rest = append(rest, args...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			rest = append(rest, arg)
			continue
		}
		if arg[1] == '-' {
			name, value, valued := strings.Cut(arg[2:], "=")
			if err := t.setFlag(known, name, "--"+name, value, valued, next); err != nil {
				return err
			}
			continue
		}
		for letters := arg[1:]; letters != ""; {
			name, more := letters[:1], letters[1:]
			_, isBool := known[name].(*bool)
			letters = ""
			if isBool {
				letters, more = more, ""
			}
			if err := t.setFlag(known, name, "-"+name, more, more != "", next); err != nil {
				return err
			}
		}
	}
	t.args = rest
	return nil
}

func (t *tool) setFlag(known flags, name, spelled, value string, valued bool, next func(string) (string, error)) error {
	switch target := known[name].(type) {
	case *bool:
		*target = true
		if valued {
			set, err := strconv.ParseBool(value)
			if err != nil {
				return usage("invalid value %q for option %s: %v", value, spelled, err)
			}
			*target = set
		}
	case *string:
		if !valued {
			var err error
			if value, err = next(spelled); err != nil {
				return err
			}
		}
		*target = value
		if spelled == "--relation" {
			t.spelled = spelled
		}
	default:
		if name == "help" || name == "h" {
			return errHelp
		}
		return usage("option provided but not defined: %s", spelled)
	}
	return nil
}

// output parses the flags of a tool that prints something.
func (t *tool) output(format string, known flags) error {
	t.format = format
	if known == nil {
		known = make(flags, 3)
	}
	known["format"], known["o"], known["output"] = &t.format, &t.file, &t.file
	if err := t.parse(known); err != nil {
		return err
	}
	switch t.format {
	case "json", "yaml":
	case "smart":
		if format != "smart" {
			return usage("invalid value %q for option --format: unknown format %q", t.format, t.format)
		}
	default:
		return usage("invalid value %q for option --format: unknown format %q", t.format, t.format)
	}
	return nil
}

// writeFile writes the output to the file that -o names.
func (t *tool) writeFile() error {
	if t.writer == nil {
		return fmt.Errorf("open %s: read-only file system", t.file)
	}
	return t.writer(t.file, t.out)
}

// deprecated warns of --format where it means nothing.
func (t *tool) deprecated(format string) {
	if format != "" {
		t.err = fmt.Appendf(t.err, "--format flag deprecated for command %q", t.name)
	}
}

// atMost refuses further arguments.
func (t *tool) atMost(n int) error {
	if len(t.args) > n {
		return usage("unrecognized args: %q", t.args[n:])
	}
	return nil
}

// write prints a value in the wanted format.
func (t *tool) write(value any) error {
	switch t.format {
	case "json":
		data, err := appendJSON(make([]byte, 0, 128), value)
		if err != nil {
			return err
		}
		t.out = append(data, '\n')
		return nil
	case "yaml":
		return t.writeYAML(value)
	}
	// An empty text prints nothing.
	var text string
	switch v := value.(type) {
	case nil:
	case string:
		text = v
	case bool:
		text = "False"
		if v {
			text = "True"
		}
	case []string:
		text = strings.Join(v, "\n")
	default:
		return t.writeYAML(value)
	}
	if text != "" {
		t.out = append([]byte(text), '\n')
	}
	return nil
}

// appendJSON is json.Marshal, faster for what tools print most.
func appendJSON(out []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(out, "null"...), nil
	case bool:
		return strconv.AppendBool(out, v), nil
	case string:
		return appendJSONString(out, v)
	case []string:
		if v == nil {
			return append(out, "null"...), nil
		}
		out = append(out, '[')
		var err error
		for i, text := range v {
			if i > 0 {
				out = append(out, ',')
			}
			if out, err = appendJSONString(out, text); err != nil {
				return nil, err
			}
		}
		return append(out, ']'), nil
	case map[string]string:
		if v == nil {
			return append(out, "null"...), nil
		}
		out = append(out, '{')
		var err error
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				out = append(out, ',')
			}
			if out, err = appendJSONString(out, key); err != nil {
				return nil, err
			}
			if out, err = appendJSONString(append(out, ':'), v[key]); err != nil {
				return nil, err
			}
		}
		return append(out, '}'), nil
	}
	data, err := json.Marshal(value)
	return append(out, data...), err
}

func appendJSONString(out []byte, text string) ([]byte, error) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			data, err := json.Marshal(text)
			return append(out, data...), err
		}
	}
	out = append(out, '"')
	out = append(out, text...)
	return append(out, '"'), nil
}

// writeYAML prints as Juju does, with the same library.
func (t *tool) writeYAML(value any) error {
	if value == nil {
		return nil
	}
	data, err := yaml.Marshal(value)
	if err != nil {
		return err
	}
	t.out = append(bytes.TrimRight(data, "\n"), '\n')
	return nil
}

// pairs parses key=value arguments.
func pairs(args []string, allowEmpty bool) (map[string]string, error) {
	out := make(map[string]string, len(args))
	for _, arg := range args {
		key, value, found := strings.Cut(arg, "=")
		switch {
		case !found || key == "":
			return nil, usage("expected \"key=value\", got %q", arg)
		case value == "" && !allowEmpty:
			return nil, usage("expected \"key=value\", got %q", arg)
		}
		if _, twice := out[key]; twice {
			return nil, usage("key %q specified more than once", key)
		}
		out[key] = value
	}
	return out, nil
}

// read reads a file that a flag names, or the standard input.
func (t *tool) read(path string) ([]byte, error) {
	if path == "-" {
		if !t.stdinSet {
			return nil, errStdin
		}
		return t.stdin, nil
	}
	return t.readFile(path)
}

func (t *tool) readFile(path string) ([]byte, error) {
	if t.files == nil {
		return nil, fmt.Errorf("open %s: no such file or directory", path)
	}
	return t.files(path)
}

// settingsFile reads a flat YAML or JSON map. Scalars are taken as written,
// null is the empty string, anything else is refused.
func (t *tool) settingsFile(path string, into map[string]string) error {
	data, err := t.read(path)
	if err != nil {
		return err
	}
	// JSON of strings is what every client sends; it need not go through YAML.
	var quick map[string]string
	if len(data) > 0 && data[0] == '{' && json.Unmarshal(data, &quick) == nil {
		for key, value := range quick {
			if _, given := into[key]; !given {
				into[key] = value
			}
		}
		return nil
	}
	var settings map[string]string
	if err := yaml.Unmarshal(data, &settings); err != nil {
		return err
	}
	for key, value := range settings {
		if _, given := into[key]; !given {
			into[key] = value
		}
	}
	return nil
}
