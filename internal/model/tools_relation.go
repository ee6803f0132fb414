package model

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

var errDenied = errors.New("permission denied")

// relation is the relation that -r names, else the hook's.
func (t *tool) relation(flag string) (*relation, *member, error) {
	id, spelled := flag, "-r"
	if t.spelled != "" {
		spelled = t.spelled
	}
	if id == "" {
		if id = t.hook.RelationID; id == "" {
			return nil, nil, usage("no relation id specified")
		}
	}
	n := relationNumber(id)
	if n < 0 {
		return nil, nil, usage("invalid value %q for option %s: invalid relation id", flag, spelled)
	}
	v, r := t.unit.Relations[n], t.model.relations[n]
	if v == nil || r == nil {
		if flag == "" {
			return nil, nil, fmt.Errorf("relation not found")
		}
		return nil, nil, usage("invalid value %q for option %s: relation not found", flag, spelled)
	}
	return r, v, nil
}

// members are the remote units whose joined has run, the joining one too, but
// not the departing one.
func (t *tool) members(r *relation, v *member) []string {
	names := make([]string, 0, len(v.Members)+1)
	here := t.hook.Relation() && relationNumber(t.hook.RelationID) == r.ID
	for _, known := range v.Members {
		if here && t.hook.Kind == juju.RelationDeparted && known.Unit == t.hook.RemoteUnit {
			continue
		}
		names = append(names, known.Unit)
	}
	if here && t.hook.RemoteUnit != "" && t.hook.Kind != juju.RelationDeparted && !slices.Contains(names, t.hook.RemoteUnit) {
		names = append(names, t.hook.RemoteUnit)
		slices.Sort(names)
	}
	return names
}

func (t *tool) relationIDs() error {
	if err := t.output("smart", nil); err != nil {
		return err
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	endpoint := t.hook.Name
	if len(t.args) == 1 {
		endpoint = t.args[0]
	} else if !t.hook.Relation() {
		return usage("no endpoint name specified")
	}
	ids := []string{}
	for _, r := range t.model.rels {
		v := t.unit.Relations[r.ID]
		if own, _, ok := r.own(t.app.Name); !ok || v == nil || own.Endpoint != endpoint {
			continue
		}
		// One that was dying when the agent started and has no members left
		// counts as broken.
		if v.Late && len(v.Members) == 0 {
			continue
		}
		ids = append(ids, r.juju(t.app.Name))
	}
	slices.Sort(ids)
	return t.write(ids)
}

func (t *tool) relationList() error {
	var id string
	var app bool
	if err := t.output("smart", flags{"r": &id, "relation": &id, "app": &app}); err != nil {
		return err
	}
	r, v, err := t.relation(id)
	if err != nil {
		return err
	}
	if err := t.atMost(0); err != nil {
		return err
	}
	if app {
		_, other, _ := r.own(t.app.Name)
		return t.write(other.App)
	}
	return t.write(t.members(r, v))
}

func (t *tool) relationModelGet() error {
	var id string
	if err := t.output("smart", flags{"r": &id, "relation": &id}); err != nil {
		return err
	}
	r, _, err := t.relation(id)
	if err != nil {
		return err
	}
	return t.write(map[string]string{"uuid": cmp.Or(r.Model, t.model.options.UUID)})
}

var appName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*$`)

func (t *tool) relationGet() error {
	var id string
	var app bool
	if err := t.output("smart", flags{"r": &id, "relation": &id, "app": &app}); err != nil {
		return err
	}
	r, v, err := t.relation(id)
	if err != nil {
		return err
	}
	if err := t.atMost(2); err != nil {
		return err
	}
	var key, owner string
	if len(t.args) > 0 && t.args[0] != "-" {
		key = t.args[0]
	}
	switch {
	case len(t.args) > 1:
		owner = t.args[1]
		switch _, _, err := juju.ParseUnit(owner); {
		case app:
			owner = juju.Application(owner)
		case err == nil:
		case appName.MatchString(owner):
			return usage("expected unit name, got application name %q", owner)
		default:
			return usage("invalid unit name %q", owner)
		}
	case !app && t.hook.RemoteUnit != "":
		owner = t.hook.RemoteUnit
	case t.hook.RemoteApp != "":
		owner, app = t.hook.RemoteApp, true
	default:
		return usage("no unit or application specified")
	}
	var data map[string]string
	if app {
		data, err = t.appBag(r, owner)
	} else {
		data, err = t.unitBag(r, v, owner)
	}
	if err != nil {
		return err
	}
	if key != "" {
		if value, ok := data[key]; ok {
			return t.write(value)
		}
		return t.write(nil)
	}
	if data == nil {
		data = map[string]string{}
	}
	return t.write(data)
}

func merged(data, changes map[string]string) map[string]string {
	if len(changes) == 0 {
		return data
	}
	out := maps.Clone(data)
	if out == nil {
		out = make(map[string]string, len(changes))
	}
	for key, value := range changes {
		if value == "" {
			delete(out, key)
		} else {
			out[key] = value
		}
	}
	return out
}

// unitBag is a unit's databag: the own one as written so far, another's as the
// unit's last joined or changed hook could see it.
func (t *tool) unitBag(r *relation, v *member, owner string) (map[string]string, error) {
	if owner == t.unit.Name {
		if b := r.Bags[owner]; b != nil {
			return merged(b.Data, t.unitData[r.ID]), nil
		}
		return t.unitData[r.ID], nil
	}
	if data, ok := v.Cache[owner]; ok {
		return data, nil
	}
	_, other, _ := r.own(t.app.Name)
	b := r.Bags[owner]
	if b == nil || !strings.Contains(owner, "/") || juju.Application(owner) != other.App {
		return nil, errDenied
	}
	_, known := v.find(owner)
	if known || t.hook.RemoteUnit == owner && relationNumber(t.hook.RelationID) == r.ID {
		if v.Cache == nil {
			v.Cache = make(map[string]map[string]string)
		}
		v.Cache[owner] = b.Data
	}
	return b.Data, nil
}

// appBag is an application's databag: another's as it is when the hook first
// reads it, the own one as written so far, for the leader; of a peer relation
// every unit may read it.
func (t *tool) appBag(r *relation, owner string) (map[string]string, error) {
	_, other, _ := r.own(t.app.Name)
	if owner == t.app.Name {
		leader := t.leader()
		if !leader && !r.peer() {
			return nil, errDenied
		}
		if leader {
			return merged(r.Bags[owner].Data, t.appData[r.ID]), nil
		}
	} else if owner != other.App {
		return nil, errDenied
	}
	key := fmt.Sprintf("%d %s", r.ID, owner)
	if data, ok := t.appBags[key]; ok {
		return data, nil
	}
	if t.appBags == nil {
		t.appBags = make(map[string]map[string]string)
	}
	b := r.Bags[owner]
	if b == nil {
		return nil, errDenied
	}
	t.appBags[key] = b.Data
	return b.Data, nil
}

func (t *tool) relationSet() error {
	var id, file, format string
	var app bool
	if err := t.parse(flags{"r": &id, "relation": &id, "app": &app, "file": &file, "format": &format}); err != nil {
		return err
	}
	t.deprecated(format)
	r, _, err := t.relation(id)
	if err != nil {
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
	}
	target := &t.unitData
	if app {
		if !t.leader() {
			return fmt.Errorf("cannot write relation settings")
		}
		target = &t.appData
	}
	if *target == nil {
		*target = make(map[int]map[string]string)
	}
	if have := (*target)[r.ID]; have != nil {
		maps.Copy(have, values)
	} else {
		(*target)[r.ID] = values
	}
	return nil
}
