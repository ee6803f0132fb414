package opstest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// due is the event as Juju's hook; the error says why it cannot come.
func (s *scene) due(ctx context.Context) (model.Hook, error) {
	hook := model.Hook{Hook: s.event.hook}
	switch {
	case hook.Relation():
		return hook, s.relationDue(&hook)
	case s.event.relation != 0:
		return hook, fmt.Errorf("In is for relation hooks")
	case s.event.restarted:
		return hook, fmt.Errorf("AfterRestart is for relation-broken")
	}
	switch s.kind() {
	case juju.Install:
		return hook, s.installDue()
	case juju.LeaderElected:
		if !s.state.Leader {
			return hook, fmt.Errorf("the unit does not lead: set Leader")
		}
	case juju.LeaderSettingsChanged:
		switch {
		case s.state.Leader:
			return hook, fmt.Errorf("the unit leads")
		case s.version.Major >= 4:
			return hook, fmt.Errorf("Juju has it only before 4, this is %s", s.state.Juju)
		}
	case juju.Stop, juju.Remove:
		return hook, s.endDue()
	case juju.StorageAttached, juju.StorageDetaching:
		return hook, s.storageDue(&hook)
	case juju.PebbleReady, juju.PebbleCustomNotice, juju.PebbleCheckFailed, juju.PebbleCheckRecovered:
		return hook, s.workloadDue(ctx, &hook)
	case juju.SecretChanged, juju.SecretRotate, juju.SecretExpired, juju.SecretRemove:
		return hook, s.secretDue(&hook)
	case juju.Action:
		return hook, s.actionDue()
	}
	return hook, nil
}

func (s *scene) since(what string, major, minor int) error {
	if s.version.AtLeast(major, minor, 0) {
		return nil
	}
	return fmt.Errorf("Juju has %s from %d.%d, this is %s", what, major, minor, s.state.Juju)
}

func (s *scene) installDue() error {
	if len(s.state.Stored) > 0 || len(s.state.Ports) > 0 || s.state.Status.Name != "" {
		return fmt.Errorf("it is the unit's first hook: there can be no Stored, Ports or Status yet")
	}
	for _, r := range s.state.Relations {
		if len(r.LocalUnit) > 0 {
			return fmt.Errorf("it is the unit's first hook: it cannot have written into relation %s yet", relationID(r.Endpoint, r.ID))
		}
	}
	if s.state.Dying {
		return fmt.Errorf("a unit that dies before it is installed runs no hook but remove")
	}
	return nil
}

func (s *scene) endDue() error {
	if !s.state.Dying {
		if s.kind() == juju.Remove {
			return fmt.Errorf("it comes only to a unit that goes away: set Dying")
		}
		return nil
	}
	for _, r := range s.state.Relations {
		switch {
		case s.role(r.Endpoint) != model.Peer:
			return fmt.Errorf("a dying unit's relations have ended before: relation %s must go", relationID(r.Endpoint, r.ID))
		case len(r.RemoteUnits) > 0:
			return fmt.Errorf("a dying unit's peers have departed before: relation %s must have no RemoteUnits", relationID(r.Endpoint, r.ID))
		}
	}
	return nil
}

func (s *scene) relationDue(hook *model.Hook) error {
	if _, ok := s.charm.Endpoint(hook.Name); !ok {
		return fmt.Errorf("endpoint %q is not in metadata.yaml", hook.Name)
	}
	r, err := s.eventRelation()
	if err != nil {
		return err
	}
	peer := s.role(r.Endpoint) == model.Peer
	hook.RelationID, hook.RemoteUnit = relationID(r.Endpoint, r.ID), s.event.object
	hook.RemoteApp = juju.Application(s.remote(r, 0))
	needsUnit := slices.Contains([]juju.HookKind{juju.RelationJoined, juju.RelationDeparted}, hook.Kind)
	switch {
	case s.event.restarted && hook.Kind != juju.RelationBroken:
		return fmt.Errorf("AfterRestart is for relation-broken")
	case needsUnit && hook.RemoteUnit == "":
		return fmt.Errorf("it needs a remote unit")
	case (s.state.Dying || r.Dying) && (hook.Kind == juju.RelationCreated || hook.Kind == juju.RelationJoined):
		return fmt.Errorf("relation %s is at its end for this unit", hook.RelationID)
	case hook.Kind == juju.RelationBroken && peer && !(s.state.Dying && s.event.restarted):
		return fmt.Errorf("peer relations do not break, but in a Dying unit with AfterRestart")
	}
	if hook.Kind == juju.RelationBroken && s.event.restarted {
		hook.RemoteApp = ""
	}
	if hook.RemoteUnit == "" {
		return nil
	}
	return s.remoteUnitDue(hook, r)
}

func (s *scene) remoteUnitDue(hook *model.Hook, r Relation) error {
	number := juju.Ordinal(hook.RemoteUnit)
	if _, joined := r.RemoteUnits[number]; !joined || s.remote(r, number) != hook.RemoteUnit {
		return fmt.Errorf("unit %q is not among the RemoteUnits of relation %s", hook.RemoteUnit, hook.RelationID)
	}
	if hook.Kind != juju.RelationDeparted {
		return nil
	}
	hook.DepartingUnit = hook.RemoteUnit
	if s.state.Dying {
		hook.DepartingUnit = s.unit()
	}
	if !s.state.Dying && !r.Dying {
		return nil
	}
	names := make([]string, 0, len(r.RemoteUnits))
	for other := range r.RemoteUnits {
		names = append(names, s.remote(r, other))
	}
	if first := slices.Min(names); first != hook.RemoteUnit {
		return fmt.Errorf("units depart in the order of their names: %s first", first)
	}
	return nil
}

// eventRelation is the relation that the event is of.
func (s *scene) eventRelation() (Relation, error) {
	var found []Relation
	for _, r := range s.state.Relations {
		remote := juju.Application(s.remote(r, 0))
		if r.Endpoint == s.event.hook.Name && (s.event.relation == 0 || r.ID == s.event.relation) &&
			(s.event.object == "" || juju.Application(s.event.object) == remote) {
			found = append(found, r)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return Relation{}, fmt.Errorf("endpoint %q has %d relations that it could be of: choose one with In", s.event.hook.Name, len(found))
	case s.event.object != "":
		return Relation{}, fmt.Errorf("no relation of endpoint %q is with the application of %q", s.event.hook.Name, s.event.object)
	}
	return Relation{}, fmt.Errorf("the state has no such relation of endpoint %q", s.event.hook.Name)
}

func (s *scene) storageDue(hook *model.Hook) error {
	if _, ok := s.charm.StorageSpec(hook.Name); !ok {
		return fmt.Errorf("storage %q is not in metadata.yaml", hook.Name)
	}
	hook.StorageID = s.event.object
	at := slices.IndexFunc(s.state.Storages, func(storage Storage) bool { return storage.id() == hook.StorageID })
	switch {
	case at < 0:
		return fmt.Errorf("the state has no storage %q", hook.StorageID)
	case s.state.Storages[at].Pending:
		return fmt.Errorf("storage %q is Pending", hook.StorageID)
	case s.state.Dying && hook.Kind == juju.StorageAttached:
		return fmt.Errorf("the unit is Dying")
	}
	return nil
}

func (s *scene) workloadDue(ctx context.Context, hook *model.Hook) error {
	if _, ok := s.charm.Container(hook.Name); !ok {
		return fmt.Errorf("container %q is not in metadata.yaml", hook.Name)
	}
	container, ok := s.state.Containers[hook.Name]
	if !ok || container.Down {
		return fmt.Errorf("container %q does not answer in this state", hook.Name)
	}
	switch hook.Kind {
	case juju.PebbleCustomNotice:
		hook.NoticeKey, hook.NoticeType = s.event.object, "custom"
		return errors.Join(s.since("custom notices", 3, 4), s.noticeDue(ctx, hook, container))
	case juju.PebbleCheckFailed, juju.PebbleCheckRecovered:
		hook.CheckName = s.event.object
		return errors.Join(s.since("hooks of checks", 3, 6), s.checkDue(ctx, hook, container))
	}
	return nil
}

// noticeDue asks a Pebble of the test what it has, as checkDue does: neither
// can come of what is not there.
func (s *scene) noticeDue(ctx context.Context, hook *model.Hook, container Container) error {
	notices := container.Notices
	if container.Pebble != nil {
		var err error
		if notices, err = container.Pebble.Notices(ctx); err != nil {
			return fmt.Errorf("container %q does not tell its notices: %w", hook.Name, err)
		}
	}
	at := slices.IndexFunc(notices, func(n pebble.Notice) bool { return n.Key == hook.NoticeKey })
	if at < 0 {
		return fmt.Errorf("container %q has no notice %q", hook.Name, hook.NoticeKey)
	}
	if hook.NoticeID = notices[at].ID; hook.NoticeID == "" {
		hook.NoticeID = fmt.Sprint(at + 1)
	}
	return nil
}

func (s *scene) checkDue(ctx context.Context, hook *model.Hook, container Container) error {
	known := slices.ContainsFunc(container.Layers, func(l Layer) bool {
		_, ok := l.Layer.Checks[hook.CheckName]
		return ok
	})
	down := container.Checks[hook.CheckName].Status == "down"
	if container.Pebble != nil {
		checks, err := container.Pebble.Checks(ctx, hook.CheckName)
		if err != nil {
			return fmt.Errorf("container %q does not tell its checks: %w", hook.Name, err)
		}
		known = len(checks) > 0
		down = known && checks[0].Status == "down"
	}
	switch {
	case !known:
		return fmt.Errorf("container %q has no check %q in its plan", hook.Name, hook.CheckName)
	case hook.Kind == juju.PebbleCheckFailed && !down:
		return fmt.Errorf("check %q of container %q is not down", hook.CheckName, hook.Name)
	case hook.Kind == juju.PebbleCheckRecovered && down:
		return fmt.Errorf("check %q of container %q is down", hook.CheckName, hook.Name)
	}
	return nil
}

func (s *scene) secretDue(hook *model.Hook) error {
	name := strings.TrimPrefix(s.event.object, "secret:")
	at := slices.IndexFunc(s.state.Secrets, func(secret Secret) bool {
		return secret.ID == name || secret.Label == name && name != ""
	})
	if at < 0 {
		return fmt.Errorf("the state has no secret %q", s.event.object)
	}
	secret := s.state.Secrets[at]
	hook.SecretID, hook.SecretRevision = "secret:"+secret.ID, s.event.revision
	owner, own := s.owner(secret)
	latest := slices.Max(slices.Collect(maps.Keys(secret.Revisions)))
	_, known := secret.Revisions[hook.SecretRevision]
	if hook.Kind == juju.SecretChanged {
		switch {
		case own && (owner == s.unit() || s.state.Leader):
			return fmt.Errorf("the unit owns secret %q: it is not told of what it writes", s.event.object)
		case secret.Tracked == 0:
			return fmt.Errorf("the unit has not read secret %q: set Tracked", s.event.object)
		case secret.Tracked == latest:
			return fmt.Errorf("the unit tracks the latest revision of secret %q already", s.event.object)
		}
		return nil
	}
	switch {
	case !own:
		return fmt.Errorf("secret %q is owned by %s, which gets this hook", s.event.object, owner)
	case owner == s.state.App && !s.state.Leader:
		return fmt.Errorf("secret %q is the application's: only its leader gets this hook", s.event.object)
	case hook.Kind == juju.SecretRotate && (secret.Rotate == "" || secret.Rotate == "never"):
		return fmt.Errorf("secret %q has no rotate policy", s.event.object)
	case hook.Kind == juju.SecretExpired && secret.Expire == "":
		return fmt.Errorf("secret %q does not expire", s.event.object)
	case hook.Kind != juju.SecretRotate && !known:
		return fmt.Errorf("secret %q has no revision %d", s.event.object, hook.SecretRevision)
	case hook.Kind == juju.SecretRemove && hook.SecretRevision == latest:
		return fmt.Errorf("revision %d of secret %q is the latest: it is in use", latest, s.event.object)
	}
	return nil
}

// actionDue refuses parameters that the action does not declare, unless it
// says that it takes others. Juju before 4 lets them through; the rest it
// checks itself.
func (s *scene) actionDue() error {
	name := s.event.hook.Name
	spec, ok := s.charm.Actions[name]
	if !ok {
		return fmt.Errorf("action %q is not in actions.yaml", name)
	}
	if open, _ := spec.Params["additionalProperties"].(bool); open {
		return nil
	}
	properties, _ := spec.Params["properties"].(map[string]any)
	for _, param := range slices.Sorted(maps.Keys(s.event.params)) {
		if _, ok := properties[param]; !ok {
			return fmt.Errorf("parameter %q of action %q is not in actions.yaml", param, name)
		}
	}
	return nil
}
