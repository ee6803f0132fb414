package opstest

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

// scene is a state in which an event is to happen.
type scene struct {
	charm   *model.Charm
	state   State // normal, with what Juju always makes
	event   Event
	version juju.Version
	// stated is how many of the relations the test named; the rest is Juju's.
	stated int
	// unnamed are the relations whose application the test did not name.
	unnamed map[int]bool
}

func (s *scene) unit() string        { return s.name(s.state.Unit) }
func (s *scene) name(n int) string   { return fmt.Sprintf("%s/%d", s.state.App, n) }
func (s *scene) kind() juju.HookKind { return s.event.hook.Kind }

// leaving says that the unit has detached its storages: it goes through its
// last hooks.
func (s *scene) leaving() bool {
	switch s.kind() {
	case juju.RelationDeparted, juju.RelationBroken, juju.Stop, juju.Remove:
		return s.state.Dying
	}
	return false
}

// complete adds what Juju always makes and the defaults of what is not said.
func (s *scene) complete() {
	state := &s.state
	if state.App == "" {
		state.App = s.charm.Name
	}
	if state.Model == "" {
		state.Model = "test"
	}
	if state.Juju == "" {
		state.Juju = model.DefaultVersion
	}
	if state.Now.IsZero() {
		state.Now = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	if state.Address == "" {
		state.Address = fmt.Sprintf("10.1.0.%d", 10+state.Unit)
	}
	if state.ServiceAddress == "" {
		state.ServiceAddress = "10.152.183.10"
	}
	s.stated, s.unnamed = len(state.Relations), map[int]bool{}
	for i, r := range state.Relations {
		if r.App == "" && s.role(r.Endpoint) != model.Peer {
			state.Relations[i].App, s.unnamed[r.ID] = "remote", true
		}
	}
	for _, endpoint := range s.charm.Endpoints {
		same := func(r Relation) bool { return r.Endpoint == endpoint.Name }
		if endpoint.Role == model.Peer && !slices.ContainsFunc(state.Relations, same) {
			state.Relations = append(state.Relations, Relation{Endpoint: endpoint.Name, ID: state.freeID()})
		}
	}
	if !state.Dying { // then a storage that is not said has been detached
		for _, spec := range s.charm.Storage {
			s.addStorages(spec)
		}
	}
	if state.Units == 0 {
		state.Units = s.fewestUnits()
	}
}

func (s *scene) role(endpoint string) model.Role {
	e, _ := s.charm.Endpoint(endpoint)
	return e.Role
}

func (s *scene) addStorages(spec model.StorageSpec) {
	have, next := 0, 0
	for _, storage := range s.state.Storages {
		if storage.Name == spec.Name {
			have, next = have+1, max(next, storage.Index+1)
		}
	}
	for ; have < spec.MinCount; have++ {
		s.state.Storages = append(s.state.Storages, Storage{Name: spec.Name, Index: next})
		next++
	}
}

func (s *scene) fewestUnits() int {
	units := 0
	if !s.state.Dying {
		units = s.state.Unit + 1
	}
	for _, r := range s.state.Relations {
		if s.role(r.Endpoint) != model.Peer {
			continue
		}
		for number := range r.RemoteUnits {
			if !slices.Contains(s.state.Leaving, number) {
				units = max(units, number+1)
			}
		}
	}
	return units
}

// check says what of the state cannot be: everything of it, a line each.
func (s *scene) check() error {
	var all []error
	for _, rule := range []func() error{
		s.checkUnit, s.checkModel, s.checkConfig, s.checkResources, s.checkNetworks, s.checkRelations,
		s.checkContainers, s.checkStorages, s.checkSecrets, s.checkPorts, s.checkStored, s.checkStatuses,
	} {
		all = append(all, rule())
	}
	return errors.Join(all...)
}

// appName is Juju's rule for the name of an application.
var appName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*$`)

func (s *scene) checkUnit() error {
	state := s.state
	switch {
	case !appName.MatchString(state.App):
		return fmt.Errorf("%q is not a name for an application", state.App)
	case state.Unit < 0:
		return fmt.Errorf("unit number %d is negative", state.Unit)
	case !state.Dying && state.Unit >= state.Units:
		return fmt.Errorf("unit %s is beyond the %d units of its application", s.unit(), state.Units)
	case slices.Contains(state.Leaving, state.Unit):
		return fmt.Errorf("Leaving names %s itself: set Dying", s.unit())
	}
	return nil
}

func (s *scene) checkModel() error {
	switch {
	case s.version.IsZero():
		return fmt.Errorf("Juju %q is not a version", s.state.Juju)
	case s.charm.MeetsAssumptions(s.state.Juju) != nil:
		return s.charm.MeetsAssumptions(s.state.Juju)
	case s.state.CloudSpec != nil && !s.version.AtLeast(3, 6, 10):
		return fmt.Errorf("CloudSpec: Juju has credential-get on Kubernetes only from 3.6.10, this is %s", s.state.Juju)
	case s.state.CloudSpec != nil && !s.state.Trust:
		return fmt.Errorf("CloudSpec: Juju gives it only to a trusted application: set Trust")
	}
	return nil
}

func (s *scene) checkConfig() error {
	for _, name := range slices.Sorted(maps.Keys(s.state.Config)) {
		option, ok := s.charm.Options[name]
		if !ok {
			return fmt.Errorf("option %q is not in config.yaml", name)
		}
		value := s.state.Config[name]
		if given := typeOf(value); given != option.Type && !(option.Type == "secret" && given == "string") {
			return fmt.Errorf("option %q is of type %s, the value %#v is not", name, option.Type, value)
		}
		if option.Type != "secret" {
			continue
		}
		if !s.version.AtLeast(3, 3, 0) {
			return fmt.Errorf("option %q is of type secret, which Juju has from 3.3, this is %s", name, s.state.Juju)
		}
		if id, ok := strings.CutPrefix(value.(string), "secret:"); !ok || !secretID.MatchString(id) {
			return fmt.Errorf("option %q is of type secret, %q is not secret: and 20 characters", name, value)
		}
	}
	return nil
}

// typeOf is the type in config.yaml that fits the value.
func typeOf(value any) string {
	switch value.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case int, int64:
		return "int"
	case float64:
		return "float"
	}
	return "unknown"
}

func (s *scene) checkResources() error {
	for _, name := range slices.Sorted(maps.Keys(s.state.Resources)) {
		if _, ok := s.charm.Resources[name]; !ok {
			return fmt.Errorf("resource %q is not in metadata.yaml", name)
		}
	}
	return nil
}

func (s *scene) checkNetworks() error {
	for _, name := range slices.Sorted(maps.Keys(s.state.Networks)) {
		if !s.binds(name) {
			return fmt.Errorf("network %q is neither an endpoint nor an extra-binding of metadata.yaml, nor juju-info", name)
		}
	}
	return nil
}

func (s *scene) binds(name string) bool {
	_, endpoint := s.charm.Endpoint(name)
	return endpoint || name == "juju-info" || slices.Contains(s.charm.ExtraBindings, name)
}

func (s *scene) checkContainers() error {
	for _, name := range slices.Sorted(maps.Keys(s.state.Containers)) {
		if _, ok := s.charm.Container(name); !ok {
			return fmt.Errorf("container %q is not in metadata.yaml", name)
		}
		c := s.state.Containers[name]
		holds := len(c.Layers)+len(c.Services)+len(c.Checks)+len(c.Notices) > 0
		if c.Pebble != nil && (holds || len(c.Files)+len(c.Users)+len(c.Missing)+len(c.Execs) > 0 || c.OnStart != nil || c.Down) {
			return fmt.Errorf("container %q has a Pebble that the test keeps: all else of it belongs there", name)
		}
		if c.Down && holds {
			return fmt.Errorf("container %q is down: it has no layers, services, checks or notices", name)
		}
	}
	return nil
}

func (s *scene) checkStorages() error {
	count := map[string]int{}
	for i, storage := range s.state.Storages {
		id := storage.id()
		spec, ok := s.charm.StorageSpec(storage.Name)
		switch {
		case !ok:
			return fmt.Errorf("storage %q is not in metadata.yaml", storage.Name)
		case storage.Index < 0:
			return fmt.Errorf("storage %s has a negative number", id)
		case slices.ContainsFunc(s.state.Storages[:i], func(other Storage) bool { return other.id() == id }):
			return fmt.Errorf("storage %s is there twice", id)
		case s.leaving() && !storage.Pending:
			return fmt.Errorf("storage %s: a dying unit's storages are detached before its relations end", id)
		}
		if count[storage.Name]++; spec.MaxCount >= 0 && count[storage.Name] > spec.MaxCount {
			return fmt.Errorf("storage %q has more than the %d instances of metadata.yaml", storage.Name, spec.MaxCount)
		}
	}
	return nil
}

func (s Storage) id() string { return fmt.Sprintf("%s/%d", s.Name, s.Index) }

func (s *scene) checkPorts() error {
	for i, text := range s.state.Ports {
		port, endpoint, limited := strings.Cut(text, " (")
		if err := checkPort(port); err != nil {
			return err
		}
		endpoint, closed := strings.CutSuffix(endpoint, ")")
		if _, ok := s.charm.Endpoint(endpoint); limited && (!ok || !closed) {
			return fmt.Errorf("port %q: endpoint %q is not in metadata.yaml", text, endpoint)
		}
		if slices.Contains(s.state.Ports[:i], text) {
			return fmt.Errorf("port %q is there twice", text)
		}
	}
	return nil
}

func checkPort(text string) error {
	if text == "icmp" {
		return nil
	}
	var number int
	var protocol string
	if _, err := fmt.Sscanf(text, "%d/%s", &number, &protocol); err != nil || number < 1 || number > 65535 ||
		!slices.Contains([]string{"tcp", "udp"}, protocol) || text != fmt.Sprintf("%d/%s", number, protocol) {
		return fmt.Errorf("port %q is not one of 1 to 65535 with /tcp or /udp, nor icmp", text)
	}
	return nil
}

func (s *scene) checkStored() error {
	total := 0
	for key, value := range s.state.Stored {
		switch total += len(key) + len(value); {
		case key == "":
			return fmt.Errorf("stored state has an empty key")
		case len(key) > 256:
			return fmt.Errorf("stored state: key of %d bytes, Juju takes 256", len(key))
		case len(value) > 64<<10:
			return fmt.Errorf("stored state: value of %q has %d bytes, Juju takes 64 KiB", key, len(value))
		case total > 2<<20:
			return fmt.Errorf("stored state has more than the 2 MiB that Juju takes")
		}
	}
	return nil
}

func (s *scene) checkStatuses() error {
	for which, status := range map[string]juju.Status{"Status": s.state.Status, "AppStatus": s.state.AppStatus} {
		switch status.Name {
		case "", juju.Active, juju.Blocked, juju.Maintenance, juju.Waiting:
		default:
			return fmt.Errorf("%s: a charm cannot set %q", which, status.Name)
		}
		if status.Name == "" && status.Message != "" {
			return fmt.Errorf("%s has a message and no name", which)
		}
	}
	return nil
}

// keeps says whether Juju keeps all of a databag.
func keeps(bag ops.Bag) bool {
	for key, value := range bag {
		if key == "" || value == "" || !utf8.ValidString(key) || !utf8.ValidString(value) {
			return false
		}
	}
	return true
}

// checkBag refuses what Juju does not keep.
func checkBag(of string, bag ops.Bag) error {
	for _, key := range slices.Sorted(maps.Keys(bag)) {
		value := bag[key]
		switch {
		case key == "":
			return fmt.Errorf("databag of %s has an empty key", of)
		case value == "":
			return fmt.Errorf("databag of %s: %q is empty: Juju keeps no key without a value", of, key)
		case !utf8.ValidString(key) || !utf8.ValidString(value):
			return fmt.Errorf("databag of %s: %q is not UTF-8", of, key)
		}
	}
	return nil
}
