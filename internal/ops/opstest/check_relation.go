package opstest

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

func (s *scene) checkRelations() error {
	for i, r := range s.state.Relations {
		endpoint, ok := s.charm.Endpoint(r.Endpoint)
		if !ok {
			return fmt.Errorf("endpoint %q is not in metadata.yaml", r.Endpoint)
		}
		id := relationID(r.Endpoint, r.ID)
		before := s.state.Relations[:i]
		same := 0
		for _, other := range before {
			if other.ID == r.ID {
				return fmt.Errorf("relation id %d is there twice", r.ID)
			}
			if other.Endpoint == r.Endpoint {
				same++
			}
		}
		if endpoint.Scope == "container" {
			return fmt.Errorf("relation %s: endpoint %q is for subordinates, which Kubernetes has not", id, r.Endpoint)
		}
		if r.ID < 0 {
			return fmt.Errorf("relation id %d is negative", r.ID)
		}
		var err error
		if endpoint.Role == model.Peer {
			err = s.checkPeer(id, r, same)
		} else {
			err = s.checkRemote(id, r, same, endpoint.Limit)
		}
		if err != nil {
			return err
		}
		for of, bag := range map[string]map[string]string{r.App: r.RemoteApp, s.state.App: r.LocalApp, s.unit(): r.LocalUnit} {
			if err := checkBag(of+" in "+id, bag); err != nil {
				return err
			}
		}
		for number, bag := range r.RemoteUnits {
			if keeps(bag) {
				continue
			}
			return checkBag(fmt.Sprintf("%s in %s", s.remote(r, number), id), bag)
		}
	}
	return nil
}

// remote is the name of a relation's remote unit.
func (s *scene) remote(r Relation, number int) string {
	if r.App == "" {
		return s.name(number)
	}
	return fmt.Sprintf("%s/%d", r.App, number)
}

func (s *scene) checkPeer(id string, r Relation, same int) error {
	switch {
	case same > 0:
		return fmt.Errorf("peer relation %q is there twice: Juju makes one", r.Endpoint)
	case r.App != "" && r.App != s.state.App:
		return fmt.Errorf("peer relation %s is with the own application, not with %q", id, r.App)
	case len(r.RemoteApp) > 0:
		return fmt.Errorf("peer relation %s: the application's data are LocalApp, there is no RemoteApp", id)
	case len(r.Planned) > 0:
		return fmt.Errorf("peer relation %s: planned units are State.Units", id)
	case r.Dying:
		return fmt.Errorf("peer relation %s cannot be removed", id)
	}
	for number := range r.RemoteUnits {
		switch {
		case number == s.state.Unit:
			return fmt.Errorf("peer relation %s: RemoteUnits names %s itself: its data are LocalUnit", id, s.unit())
		case number < 0 || number >= s.state.Units && !slices.Contains(s.state.Leaving, number):
			return fmt.Errorf("peer relation %s: %s is neither among the %d units nor Leaving", id, s.name(number), s.state.Units)
		}
	}
	return nil
}

func (s *scene) checkRemote(id string, r Relation, same, limit int) error {
	switch {
	case !appName.MatchString(r.App):
		return fmt.Errorf("relation %s: %q is not a name for an application", id, r.App)
	case r.App == s.state.App:
		return fmt.Errorf("relation %s is with the own application", id)
	case limit > 0 && same >= limit:
		return fmt.Errorf("relation %s: establishing a new relation for %s:%s would exceed its maximum relation limit of %d", id, s.state.App, r.Endpoint, limit)
	}
	for number := range r.RemoteUnits {
		if number < 0 {
			return fmt.Errorf("relation %s: unit number %d is negative", id, number)
		}
	}
	for _, number := range r.Planned {
		if _, joined := r.RemoteUnits[number]; joined || number < 0 {
			return fmt.Errorf("relation %s: Planned names %s, which has joined", id, s.remote(r, number))
		}
	}
	return nil
}

var (
	secretID  = regexp.MustCompile(`^[0-9a-v]{20}$`)
	secretKey = regexp.MustCompile(`^[a-z](-?[a-z0-9]){2,}$`)
)

// ofModel owns secrets that a user added.
const ofModel = "model"

// owner is the full name of a secret's owner; own says that it is this unit or
// its application.
func (s *scene) owner(secret Secret) (name string, own bool) {
	switch secret.Owner {
	case "", s.state.App:
		return s.state.App, true
	case s.unit():
		return s.unit(), true
	}
	return secret.Owner, false
}

func (s *scene) checkSecrets() error {
	for i, secret := range s.state.Secrets {
		owner, own := s.owner(secret)
		label := func(other Secret) bool { return secret.Label != "" && other.Label == secret.Label }
		before := s.state.Secrets[:i]
		switch {
		case !s.version.AtLeast(3, 0, 0):
			return fmt.Errorf("secret %q: Juju has secrets from 3.0, this is %s", secret.ID, s.state.Juju)
		case !secretID.MatchString(secret.ID):
			return fmt.Errorf("secret %q: an ID has 20 characters of 0 to 9 and a to v: see SecretID", secret.ID)
		case slices.ContainsFunc(before, func(other Secret) bool { return other.ID == secret.ID }):
			return fmt.Errorf("secret %s is there twice", secret.ID)
		case slices.ContainsFunc(before, label):
			return fmt.Errorf("secret %s: label %q is there twice", secret.ID, secret.Label)
		case owner == ofModel && !s.version.AtLeast(3, 3, 0):
			return fmt.Errorf("secret %s: Juju has users' secrets from 3.3, this is %s", secret.ID, s.state.Juju)
		case !own && owner != ofModel && !s.related(owner):
			return fmt.Errorf("secret %s: its owner %q is in no relation of this unit", secret.ID, owner)
		}
		if err := s.checkContent(secret); err != nil {
			return fmt.Errorf("secret %s: %w", secret.ID, err)
		}
		if err := s.checkGrants(secret, owner, own); err != nil {
			return fmt.Errorf("secret %s: %w", secret.ID, err)
		}
	}
	return nil
}

// related says whether an application or unit is at the other side of a
// relation.
func (s *scene) related(name string) bool {
	return slices.ContainsFunc(s.state.Relations, func(r Relation) bool {
		_, joined := r.RemoteUnits[juju.Ordinal(name)]
		return name == r.App || joined && juju.Application(name) == juju.Application(s.remote(r, 0))
	})
}

func (s *scene) checkContent(secret Secret) error {
	if len(secret.Revisions) == 0 {
		return fmt.Errorf("it has no revision")
	}
	for _, number := range slices.Sorted(maps.Keys(secret.Revisions)) {
		if number < 1 || len(secret.Revisions[number]) == 0 {
			return fmt.Errorf("revision %d: revisions count from 1 and have content", number)
		}
		for _, key := range slices.Sorted(maps.Keys(secret.Revisions[number])) {
			if !secretKey.MatchString(key) {
				return fmt.Errorf("key %q not valid: three or more lower-case letters, digits and inner hyphens", key)
			}
		}
	}
	if _, ok := secret.Revisions[secret.Tracked]; secret.Tracked != 0 && !ok {
		return fmt.Errorf("the tracked revision %d is not there", secret.Tracked)
	}
	if !slices.Contains([]string{"", "never", "hourly", "daily", "weekly", "monthly", "quarterly", "yearly"}, secret.Rotate) {
		return fmt.Errorf("rotate policy %q not valid", secret.Rotate)
	}
	if _, err := time.Parse(time.RFC3339, secret.Expire); secret.Expire != "" && err != nil {
		return fmt.Errorf("expire time %q is not as in RFC 3339", secret.Expire)
	}
	return nil
}

func (s *scene) checkGrants(secret Secret, owner string, own bool) error {
	for _, g := range secret.Grants {
		if owner == ofModel {
			if g != (Grant{}) {
				return fmt.Errorf("a user grants it to the application, not over a relation: Grant{}")
			}
			continue
		}
		r, ok := s.relation(g.Relation)
		if !ok {
			return fmt.Errorf("it is granted over relation %q, which is not there", g.Relation)
		}
		remote := juju.Application(s.remote(r, 0))
		switch {
		case own && g.Unit != "" && juju.Application(g.Unit) != remote:
			return fmt.Errorf("cannot specify unit %q in relation to application %q", g.Unit, remote)
		case !own && juju.Application(owner) != remote:
			return fmt.Errorf("it is granted over relation %s, which is not with its owner %q", g.Relation, owner)
		case !own && g.Unit != "" && g.Unit != s.unit():
			return fmt.Errorf("a grant to %s is none to %s", g.Unit, s.unit())
		}
	}
	return nil
}

// relation finds "db:3" or, if there is only one, "db".
func (s *scene) relation(name string) (Relation, bool) {
	for _, r := range s.state.Relations {
		if relationID(r.Endpoint, r.ID) == name {
			return r, true
		}
	}
	if !strings.Contains(name, ":") {
		of := func(r Relation) bool { return r.Endpoint == name }
		if at := slices.IndexFunc(s.state.Relations, of); at >= 0 && !slices.ContainsFunc(s.state.Relations[at+1:], of) {
			return s.state.Relations[at], true
		}
	}
	return Relation{}, false
}
