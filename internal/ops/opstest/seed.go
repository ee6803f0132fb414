package opstest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

// seed is the state as the model takes it.
func (s *scene) seed() model.Seed {
	state := s.state
	seed := model.Seed{
		Options: model.Options{Name: state.Model, UUID: state.ModelUUID, Version: state.Juju},
		Now:     state.Now.UTC().Format("02 Jan 2006 15:04:05Z"),
		Charm:   s.charm, App: state.App, Unit: state.Unit, Leaving: slices.Clone(state.Leaving), Leader: state.Leader,
		Trust: state.Trust, Config: make(map[string]any, len(state.Config)), Resources: state.Resources,
		Address: state.Address, ServiceAddress: state.ServiceAddress,
		Status: state.Status, AppStatus: state.AppStatus, Version: state.Version, Ports: state.Ports,
	}
	if state.CloudSpec != nil {
		seed.CloudCredential = printed(*state.CloudSpec)
	}
	if len(state.Stored) > 0 {
		seed.State = state.Stored
	}
	for number := range state.Units {
		if !slices.Contains(state.Leaving, number) && (number != state.Unit || !state.Dying) {
			seed.Units = append(seed.Units, number)
		}
	}
	if state.Dying {
		seed.Leaving = append(seed.Leaving, state.Unit)
	}
	for name, value := range state.Config {
		if number, ok := value.(int); ok {
			value = int64(number)
		}
		seed.Config[name] = value
	}
	if len(state.Networks) > 0 {
		seed.Networks = make(map[string]model.Network, len(state.Networks))
		for name, network := range state.Networks {
			seed.Networks[name] = model.Network(network)
		}
	}
	for name, container := range state.Containers {
		if !container.Down {
			seed.Containers = append(seed.Containers, name)
		}
	}
	for _, storage := range state.Storages {
		seed.Storages = append(seed.Storages, s.seedStorage(storage))
	}
	for _, r := range state.Relations {
		seed.Relations = append(seed.Relations, s.seedRelation(r))
	}
	for _, secret := range state.Secrets {
		seed.Secrets = append(seed.Secrets, s.seedSecret(secret))
	}
	return seed
}

// printed is what credential-get prints; a CloudSpec does not print itself.
func printed(c hooktool.CloudSpec) map[string]any {
	return map[string]any{
		"type": c.Type, "name": c.Name, "region": c.Region, "endpoint": c.Endpoint,
		"identity-endpoint": c.IdentityEndpoint, "storage-endpoint": c.StorageEndpoint,
		"credential":     map[string]any{"auth-type": c.Credential.AuthType, "attrs": c.Credential.Attributes, "redacted": c.Credential.Redacted},
		"cacertificates": c.CACertificates, "skip-tls-verify": c.SkipTLSVerify, "is-controller-cloud": c.IsController,
	}
}

func (s *scene) seedStorage(storage Storage) model.Storage {
	spec, _ := s.charm.StorageSpec(storage.Name)
	location := storage.Location
	switch {
	case location != "":
	case spec.Location != "" && spec.MaxCount == 1:
		location = spec.Location
	default:
		location = "/var/lib/juju/storage/" + storage.id()
	}
	kind := spec.Type
	if kind == "" {
		kind = "filesystem"
	}
	return model.Storage{
		ID: storage.id(), Name: storage.Name, Kind: kind, Location: location,
		Provisioned: !storage.Pending, Attached: !storage.Pending,
	}
}

func (s *scene) seedRelation(r Relation) model.SeedRelation {
	return model.SeedRelation{
		ID: r.ID, Endpoint: r.Endpoint, App: juju.Application(s.remote(r, 0)), ModelUUID: r.ModelUUID, Dying: r.Dying,
		Remote: r.RemoteUnits, Planned: r.Planned,
		UnitData: r.LocalUnit, AppData: r.LocalApp, RemoteAppData: r.RemoteApp,
	}
}

func (s *scene) seedSecret(secret Secret) model.SeedSecret {
	owner, own := s.owner(secret)
	out := model.SeedSecret{
		ID: secret.ID, Owner: owner, Description: secret.Description, Rotate: secret.Rotate, Expire: secret.Expire,
		Revisions: secret.Revisions, Tracked: secret.Tracked, Told: true,
	}
	if own {
		out.Label = secret.Label
	} else {
		out.ConsumerLabel = secret.Label
	}
	for _, g := range secret.Grants {
		grant := model.SeedGrant{Target: s.state.App, Relation: -1}
		if r, ok := s.relation(g.Relation); ok {
			if grant.Relation = r.ID; own {
				grant.Target = juju.Application(s.remote(r, 0))
			}
		}
		if g.Unit != "" {
			grant.Target = g.Unit
		}
		out.Grants = append(out.Grants, grant)
	}
	return out
}

// after is the state that the hook left; given is what was said before, which
// has not what Juju always makes.
func (s *scene) after(given State, hook model.Hook, done bool, after model.After) State {
	given.Status, given.AppStatus, given.Version, given.Ports = after.Status, after.AppStatus, after.Version, after.Ports
	if s.state.Status.Name == "" && after.Status.Name == juju.Unknown {
		given.Status = juju.Status{}
	}
	given.Stored = after.State
	given.Storages = s.storagesAfter(given.Storages, after.Storages)
	given.Relations = nil
	for i, r := range s.state.Relations {
		id := relationID(r.Endpoint, r.ID)
		if done && hook.RelationID == id && hook.Kind == juju.RelationBroken {
			continue
		}
		if done && hook.RelationID == id && hook.Kind == juju.RelationDeparted {
			delete(r.RemoteUnits, juju.Ordinal(hook.RemoteUnit))
		}
		if hook.Kind != juju.Install {
			r.LocalUnit = withoutJuju(after.UnitData[r.ID], r.LocalUnit)
		}
		r.LocalApp = after.AppData[r.ID]
		made := i >= s.stated
		if made && len(r.LocalUnit)+len(r.LocalApp) == 0 {
			continue // as Juju always makes it
		}
		if s.unnamed[r.ID] {
			r.App = ""
		}
		given.Relations = append(given.Relations, r)
	}
	given.Secrets = s.secretsAfter(given.Secrets, after.Secrets)
	if done && hook.Kind == juju.RelationBroken {
		left := scene{charm: s.charm, state: given}
		left.state.App = s.state.App
		given.Secrets = left.forget(given.Secrets)
	}
	return given
}

// forget drops what ended with a relation: grants over it, and secrets of an
// application that this unit has no more to do with.
func (s *scene) forget(secrets []Secret) []Secret {
	for i, secret := range secrets {
		secrets[i].Grants = slices.DeleteFunc(secret.Grants, func(g Grant) bool {
			_, ok := s.relation(g.Relation)
			return g.Relation != "" && !ok
		})
	}
	return slices.DeleteFunc(secrets, func(secret Secret) bool {
		owner, own := s.owner(secret)
		return !own && owner != ofModel && !s.related(owner)
	})
}

// jujuKeys are written into unit databags by Juju itself.
var jujuKeys = []string{"egress-subnets", "ingress-address", "private-address"}

func withoutJuju(bag, given map[string]string) map[string]string {
	out := make(map[string]string, len(bag))
	for key, value := range bag {
		if _, said := given[key]; said || !slices.Contains(jujuKeys, key) {
			out[key] = value
		}
	}
	return out
}

func (s *scene) storagesAfter(given []Storage, after []model.Storage) []Storage {
	var out []Storage
	for _, storage := range after {
		made := Storage{Name: storage.Name, Pending: !storage.Provisioned}
		_, number, _ := strings.Cut(storage.ID, "/")
		made.Index, _ = strconv.Atoi(number)
		same := func(other Storage) bool { return other.id() == storage.ID }
		if at := slices.IndexFunc(given, same); at >= 0 {
			out = append(out, given[at])
		} else if !slices.ContainsFunc(s.state.Storages, same) {
			out = append(out, made)
		}
	}
	return out
}

func (s *scene) secretsAfter(given []Secret, after []model.SeedSecret) []Secret {
	var out []Secret
	left := slices.Clone(after)
	take := func(secret Secret) {
		at := slices.IndexFunc(left, func(other model.SeedSecret) bool { return other.ID == secret.ID })
		if at < 0 {
			return // removed
		}
		out = append(out, s.secretAfter(secret, left[at]))
		left = slices.Delete(left, at, at+1)
	}
	for _, secret := range given {
		take(secret)
	}
	for _, made := range slices.Clone(left) {
		secret := Secret{ID: made.ID, Owner: made.Owner}
		if secret.Owner == s.state.App {
			secret.Owner = ""
		}
		take(secret)
	}
	return out
}

func (s *scene) secretAfter(secret Secret, after model.SeedSecret) Secret {
	_, own := s.owner(secret)
	secret.Description, secret.Rotate, secret.Expire = after.Description, after.Rotate, after.Expire
	secret.Revisions, secret.Tracked = after.Revisions, after.Tracked
	if _, there := after.Revisions[after.Tracked]; !there {
		secret.Tracked = 0
	}
	if secret.Label = after.Label; !own {
		secret.Label = after.ConsumerLabel
		return secret
	}
	secret.Grants = nil
	for _, g := range after.Grants {
		at := slices.IndexFunc(s.state.Relations, func(r Relation) bool { return r.ID == g.Relation })
		if at < 0 {
			continue
		}
		grant := Grant{Relation: relationID(s.state.Relations[at].Endpoint, g.Relation)}
		if strings.Contains(g.Target, "/") {
			grant.Unit = g.Target
		}
		secret.Grants = append(secret.Grants, grant)
	}
	return secret
}
