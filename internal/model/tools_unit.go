package model

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

func (t *tool) isLeader() error {
	if err := t.output("smart", nil); err != nil {
		return err
	}
	return t.write(t.leader())
}

func (t *tool) configGet() error {
	var all bool
	if err := t.output("smart", flags{"a": &all, "all": &all}); err != nil {
		return err
	}
	if len(t.args) > 0 && t.args[0] != "" && all {
		return usage("cannot use argument --all together with key %q", t.args[0])
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	// In an upgrade the unit is still of the old charm. Up to Juju 3 that says
	// which options there are, then the application's.
	charm := t.unit.charm
	if !t.model.before(4) {
		charm = t.app.charm
	}
	if len(t.args) == 1 && t.args[0] != "" {
		value, _ := charm.setting(t.settings(), t.args[0])
		return t.write(value)
	}
	values := make(map[string]any, len(charm.Options))
	for name := range charm.Options {
		if value, ok := charm.setting(t.settings(), name); ok || all {
			values[name] = value
		}
	}
	return t.write(values)
}

// settings are the operator's, as the hook first read them.
func (c *Context) settings() map[string]any {
	if c.config == nil {
		if c.config = c.app.Config; c.config == nil {
			c.config = map[string]any{}
		}
	}
	return c.config
}

func (t *tool) jujuLog() error {
	level := "INFO"
	var debug bool
	var format string
	if err := t.parse(flags{"l": &level, "log-level": &level, "debug": &debug, "format": &format}); err != nil {
		return err
	}
	t.deprecated(format)
	if len(t.args) == 0 {
		return usage("no message specified")
	}
	if debug {
		level = "DEBUG"
	}
	level = strings.ToUpper(level)
	if !slices.Contains([]string{"TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}, level) {
		t.log = append(t.log, LogLine{"WARNING", fmt.Sprintf("Specified log level of %q is not valid", level)})
		level = "INFO"
	}
	message := strings.Join(t.args, " ")
	if t.hook.Relation() {
		message = t.hook.RelationID + ": " + message
	}
	t.log = append(t.log, LogLine{level, message})
	return nil
}

func (t *tool) jujuReboot() error {
	var now bool
	if err := t.parse(flags{"now": &now}); err != nil {
		return err
	}
	if err := t.atMost(0); err != nil {
		return err
	}
	if t.hook.Kind == juju.Action {
		return fmt.Errorf("juju-reboot is not supported when running an action.")
	}
	return fmt.Errorf("juju-reboot is not supported on a %q model", "caas")
}

func (t *tool) applicationVersionSet() error {
	if err := t.parse(flags{}); err != nil {
		return err
	}
	if len(t.args) == 0 {
		return usage("no version specified")
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	t.app.Version = t.args[0]
	t.model.change++
	return nil
}

func (t *tool) leaderGet() error {
	if err := t.output("smart", nil); err != nil {
		return err
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	if len(t.args) == 1 && strings.Contains(t.args[0], "=") {
		return usage("invalid key %q", t.args[0])
	}
	if len(t.args) == 1 && t.args[0] != "-" {
		if value, ok := t.app.Settings[t.args[0]]; ok {
			return t.write(value)
		}
		return t.write(nil)
	}
	if t.app.Settings == nil {
		return t.write(map[string]string{})
	}
	return t.write(t.app.Settings)
}

func (t *tool) leaderSet() error {
	if err := t.parse(flags{}); err != nil {
		return err
	}
	values, err := pairs(t.args, true)
	if err != nil {
		return err
	}
	if !t.leader() {
		return fmt.Errorf("cannot write leadership settings: cannot write settings: not the leader")
	}
	settings := merged(t.app.Settings, values)
	if maps.Equal(settings, t.app.Settings) {
		return nil
	}
	t.app.Settings = settings
	for _, u := range t.app.order {
		u.Memory.LeaderSettings = false
	}
	t.model.touchApp(t.app)
	return nil
}

func (t *tool) stateGet() error {
	var strict bool
	if err := t.output("smart", flags{"strict": &strict}); err != nil {
		return err
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	state := t.currentState()
	if len(t.args) == 1 && t.args[0] != "-" {
		value, ok := state[t.args[0]]
		if !ok && strict {
			return fmt.Errorf("%q not found", t.args[0])
		}
		return t.write(value)
	}
	if state == nil {
		return t.write(nil)
	}
	return t.write(state)
}

// Juju's limits of one entry of the state.
const (
	maxStateKey   = 256
	maxStateValue = 64 << 10
)

func (t *tool) stateSet() error {
	var file string
	if err := t.parse(flags{"file": &file}); err != nil {
		return err
	}
	values, err := pairs(t.args, true)
	if err != nil {
		return err
	}
	if file != "" {
		if err := t.settingsFile(file, values); err != nil {
			return err
		}
	} else if len(t.args) == 0 {
		return nil
	}
	for key, value := range values {
		if len(key) > maxStateKey {
			return fmt.Errorf("max allowed key size (%d) exceeded", maxStateKey)
		}
		if len(value) > maxStateValue {
			return fmt.Errorf("max allowed value size (%d) exceeded", maxStateValue)
		}
	}
	for key, value := range values {
		t.setState(key, &value)
	}
	return nil
}

func (t *tool) setState(key string, value *string) {
	if t.state == nil {
		t.Context.state = make(map[string]*string)
	}
	t.state[key] = value
}

func (t *tool) stateDelete() error {
	if err := t.parse(flags{}); err != nil {
		return err
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	if len(t.args) == 0 || t.args[0] == "" {
		return nil
	}
	t.setState(t.args[0], nil)
	return nil
}

func (t *tool) statusSet() error {
	var app bool
	if err := t.parse(flags{"application": &app}); err != nil {
		return err
	}
	if len(t.args) < 1 {
		return usage("invalid args, require <status> [message]")
	}
	name := juju.StatusName(t.args[0])
	switch name {
	case juju.Maintenance, juju.Blocked, juju.Waiting, juju.Active:
	default:
		return usage("invalid status %q, expected one of [maintenance blocked waiting active]", t.args[0])
	}
	if err := t.atMost(2); err != nil {
		return err
	}
	set := statusRecord{juju.Status{Name: name}, t.model.now}
	if len(t.args) > 1 {
		set.Message = t.args[1]
	}
	t.model.change++
	if app {
		if !t.leader() {
			return fmt.Errorf("this unit is not the leader")
		}
		t.app.Status = set
		return nil
	}
	t.unit.Workload, t.unit.StatusSet = set, true
	return nil
}

func (t *tool) statusGet() error {
	var app, data bool
	if err := t.output("smart", flags{"application": &app, "include-data": &data}); err != nil {
		return err
	}
	if err := t.atMost(0); err != nil {
		return err
	}
	details := func(s juju.Status) map[string]any {
		out := map[string]any{"status": string(s.Name)}
		if data {
			out["message"], out["status-data"] = s.Message, map[string]any{}
		}
		return out
	}
	if !app {
		if t.status == nil {
			status := t.unit.Workload.Status
			t.Context.status = &status
		}
		if !data && t.format == "smart" {
			return t.write(string(t.status.Name))
		}
		return t.write(details(*t.status))
	}
	if !t.leader() {
		return fmt.Errorf("finding application status: this unit is not the leader")
	}
	whole := t.model.applicationStatus(t.app)
	if !data && t.format == "smart" {
		return t.write(string(whole.Name))
	}
	out, units := details(whole.Status), map[string]any{}
	for _, u := range t.app.order {
		units[u.Name] = details(u.Workload.Status)
	}
	out["units"] = units
	return t.write(map[string]any{"application-status": out})
}

// attachments are the unit's storages as the hook first read them.
func (c *Context) attachments() []Storage {
	if c.storages == nil {
		c.storages = make([]Storage, 0, len(c.unit.Storages))
		for _, s := range c.unit.Storages {
			c.storages = append(c.storages, *s)
		}
	}
	return c.storages
}

func (t *tool) storageList() error {
	if err := t.output("smart", nil); err != nil {
		return err
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	ids := []string{}
	for _, s := range t.attachments() {
		if s.Provisioned && (len(t.args) == 0 || t.args[0] == s.Name) {
			ids = append(ids, s.ID)
		}
	}
	slices.Sort(ids)
	return t.write(ids)
}

func (t *tool) storageGet() error {
	var id string
	if err := t.output("smart", flags{"s": &id}); err != nil {
		return err
	}
	if id == "" {
		if id = t.hook.StorageID; id == "" {
			return usage("no storage instance specified")
		}
	}
	i := slices.IndexFunc(t.attachments(), func(s Storage) bool { return s.ID == id && s.Provisioned })
	if i < 0 {
		return usage("invalid value %q for option -s: storage not found", id)
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	s := t.storages[i]
	values := map[string]string{"kind": s.Kind, "location": s.Location}
	if len(t.args) == 0 {
		return t.write(values)
	}
	value, ok := values[t.args[0]]
	if !ok {
		return fmt.Errorf("invalid storage attribute %q", t.args[0])
	}
	return t.write(value)
}

var (
	storagePool = regexp.MustCompile(`^[a-zA-Z]+[-?a-zA-Z0-9]*$`)
	storageSize = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?[MGTPEZY](i?B)?$`)
)

// storageCount is the count in POOL,COUNT,SIZE, in any order; pool and size say
// nothing here.
func storageCount(text string) (int, error) {
	count := 1
	for _, field := range strings.Split(text, ",") {
		switch n, err := strconv.Atoi(field); {
		case err == nil && n > 0:
			count = n
		case err == nil:
			return 0, fmt.Errorf("count must be greater than zero, got %q", field)
		case field == "" || storageSize.MatchString(field) || storagePool.MatchString(field):
		default:
			return 0, fmt.Errorf("unrecognized storage constraint %q", field)
		}
	}
	return count, nil
}

func (t *tool) storageAdd() error {
	if err := t.parse(flags{}); err != nil {
		return err
	}
	if len(t.args) == 0 {
		return usage("storage add requires a storage directive")
	}
	var add []string
	for _, arg := range t.args {
		name, text, directed := strings.Cut(arg, "=")
		count := 1
		if directed {
			var err error
			if count, err = storageCount(text); err != nil {
				return usage("cannot parse constraints for storage %q: %v", name, err)
			}
		}
		if _, ok := t.unit.charm.StorageSpec(name); !ok {
			return fmt.Errorf("cannot add storage: charm storage %q not found", name)
		}
		for range count {
			add = append(add, name)
		}
	}
	t.Context.storage = append(t.Context.storage, add...)
	return nil
}

// ImageResource is where the charm container has the file about an oci-image
// resource: registrypath, username and password as YAML.
func ImageResource(unit, resource string) string {
	return "/var/lib/juju/agents/" + juju.UnitTag(unit) + "/resources/" + resource + "/content.yaml"
}

func (t *tool) resourceGet() error {
	if err := t.parse(flags{}); err != nil {
		return err
	}
	if len(t.args) < 1 {
		return usage("missing required resource name")
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	name := t.args[0]
	value, ok := t.app.Resources[name]
	if !ok {
		return fmt.Errorf("could not download resource: resource %q not found", name)
	}
	if t.app.charm.Resources[name].Type == "oci-image" {
		// What the driver was given names an image; the charm gets a file
		// about it, which the driver has to put there.
		value = ImageResource(t.unit.Name, name)
	}
	t.out = []byte(value)
	return nil
}

func (t *tool) credentialGet() error {
	if err := t.output("yaml", nil); err != nil {
		return err
	}
	if version, err := juju.ParseVersion(t.model.options.Version); err != nil || !version.AtLeast(3, 6, 10) {
		return fmt.Errorf("cannot access cloud credentials: credential-get on a %q model not supported", "caas")
	}
	if t.app.Trust && t.app.credential != nil {
		return t.write(t.app.credential)
	}
	return fmt.Errorf("cannot access cloud credentials: permission denied")
}
