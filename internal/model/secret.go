package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// secret is what the controller keeps of a secret.
type secret struct {
	ID          string               `json:"id"`
	Owner       string               `json:"owner"`           // application or unit
	Model       string               `json:"model,omitempty"` // of the owner, if not this one
	Label       string               `json:"label,omitempty"`
	Description string               `json:"description,omitempty"`
	Rotate      string               `json:"rotate,omitempty"`
	Expire      string               `json:"expire,omitempty"`  // RFC 3339; of the latest revision
	Rotates     string               `json:"rotates,omitempty"` // RFC 3339; next secret-rotate
	Revisions   []*revision          `json:"revisions"`         // ascending; removed ones are gone
	Latest      int                  `json:"latest"`
	Grants      []grant              `json:"grants,omitempty"`
	Consumers   map[string]*consumer `json:"consumers,omitempty"` // by unit
	RotateDue   bool                 `json:"rotate-due,omitempty"`
}

type revision struct {
	Number   int               `json:"number"`
	Content  map[string]string `json:"content"`
	Obsolete bool              `json:"obsolete,omitempty"`
	Due      bool              `json:"due,omitempty"` // expired, secret-expired has not run
}

// grant lets an application or a unit read, as long as the relation lives.
type grant struct {
	Target   string `json:"target"`
	Relation int    `json:"relation"`
}

// consumer is a unit that read the secret: the revision it is on, the latest
// of which secret-changed told it, and whether it was ever told.
type consumer struct {
	Current int    `json:"current"`
	Label   string `json:"label,omitempty"`
	Told    bool   `json:"told,omitempty"`
}

// secretRevision names a revision that a hook is due for.
type secretRevision struct {
	ID       string `json:"id"`
	Revision int    `json:"revision"`
}

const secretScheme = "secret:"

func secretURI(id string) string { return secretScheme + id }

// uri names the model of a secret that is not of this one.
func (s *secret) uri() string {
	if s.Model != "" {
		return secretScheme + "//" + s.Model + "/" + s.ID
	}
	return secretURI(s.ID)
}

// secretID is the id in "secret:<id>", "secret://<model>/<id>" or "<id>".
func secretID(uri string) (string, bool) {
	id := strings.TrimPrefix(uri, secretScheme)
	if i := strings.LastIndexByte(id, '/'); i >= 0 {
		id = id[i+1:]
	}
	if len(id) != 20 {
		return "", false
	}
	for _, c := range id {
		if (c < '0' || c > '9') && (c < 'a' || c > 'v') {
			return "", false
		}
	}
	return id, true
}

// newSecretID is 20 characters of the alphabet of Juju's ids; they count up.
func (m *Model) newSecretID() string {
	m.counters.Secret++
	const digits = "0123456789abcdefghijklmnopqrstuv"
	id := []byte("d0000000000000000000")
	for i, n := len(id)-1, m.counters.Secret; n > 0 && i > 0; i, n = i-1, n/32 {
		id[i] = digits[n%32]
	}
	return string(id)
}

func (s *secret) revision(number int) *revision {
	for _, r := range s.Revisions {
		if r.Number == number {
			return r
		}
	}
	return nil
}

// ownedBy says whether the unit is of the owner's side.
func (s *secret) ownedBy(u *unit) bool { return s.Owner == u.Name || s.Owner == u.app.Name }

func (s *secret) ofApp() bool { return !strings.Contains(s.Owner, "/") }

// handles says whether the unit gets the owner's hooks: of an application's
// secret only the leader.
func (s *secret) handles(u *unit) bool {
	return s.Owner == u.Name || s.Owner == u.app.Name && u.app.Leader == u.Name
}

func (s *secret) granted(u *unit) bool {
	for _, g := range s.Grants {
		if g.Target == u.Name || g.Target == u.app.Name {
			return true
		}
	}
	return false
}

func (m *Model) secretByURI(uri string) *secret {
	id, _ := secretID(uri)
	return m.secrets[id]
}

func (m *Model) handlesSecret(u *unit, uri string) bool {
	s := m.secretByURI(uri)
	return s != nil && s.handles(u)
}

// secretLabel is the unit's own label of a secret.
func (m *Model) secretLabel(u *unit, uri string) string {
	s := m.secretByURI(uri)
	switch {
	case s == nil:
		return ""
	case s.ownedBy(u):
		return s.Label
	case s.Consumers[u.Name] != nil:
		return s.Consumers[u.Name].Label
	}
	return ""
}

// SecretRotationDue tells that the time to rotate a secret has come.
func (m *Model) SecretRotationDue(uri string) error {
	s := m.secretByURI(uri)
	if s == nil {
		return fmt.Errorf("secret %q not found", uri)
	}
	s.RotateDue = true
	for _, u := range m.owners(s) {
		if !slices.Contains(u.Memory.Rotations, s.ID) {
			u.Memory.Rotations = append(u.Memory.Rotations, s.ID)
		}
		m.touch(u)
	}
	return nil
}

// SecretExpire tells that the time of a secret's revision is over.
func (m *Model) SecretExpire(uri string, revision int) error {
	s := m.secretByURI(uri)
	if s == nil || s.revision(revision) == nil {
		return fmt.Errorf("secret %q not found", uri)
	}
	s.revision(revision).Due = true
	for _, u := range m.owners(s) {
		due := secretRevision{s.ID, revision}
		if !slices.Contains(u.Memory.Expired, due) {
			u.Memory.Expired = append(u.Memory.Expired, due)
		}
		m.touch(u)
	}
	return nil
}

// SecretsDue tells all rotations and expiries whose time has come by SetTime.
func (m *Model) SecretsDue() {
	now := m.clock()
	come := func(at string) bool {
		t, err := time.Parse(time.RFC3339, at)
		return err == nil && !now.IsZero() && !now.Before(t)
	}
	for _, id := range slices.Sorted(maps.Keys(m.secrets)) {
		s := m.secrets[id]
		if come(s.Expire) {
			s.Expire = ""
			_ = m.SecretExpire(secretURI(id), s.Latest) // it is there
			m.change++
		}
		if come(s.Rotates) && !s.RotateDue {
			_ = m.SecretRotationDue(secretURI(id))
			m.change++
		}
	}
}

// owners are the running agents that get the owner's hooks.
func (m *Model) owners(s *secret) []*unit {
	var out []*unit
	for _, u := range m.order {
		if u.Agent == AgentUp && s.handles(u) {
			out = append(out, u)
		}
	}
	return out
}

// recallSecrets is what a starting agent learns of secrets: rotations and
// expiries that are due, and changes of those it was never told of. Revisions
// that are obsolete already, and changes made while it was away of secrets
// that it knows, it does not learn of.
func (m *Model) recallSecrets(u *unit) {
	for _, id := range slices.Sorted(maps.Keys(m.secrets)) {
		s := m.secrets[id]
		if s.ownedBy(u) && (!s.ofApp() || u.app.Leader == u.Name) {
			if s.RotateDue {
				u.Memory.Rotations = append(u.Memory.Rotations, id)
			}
			for _, r := range s.Revisions {
				if r.Due {
					u.Memory.Expired = append(u.Memory.Expired, secretRevision{id, r.Number})
				}
			}
		}
		if c := s.Consumers[u.Name]; c != nil && !c.Told && c.Current < s.Latest && !s.handles(u) {
			u.Memory.Changed = append(u.Memory.Changed, id)
		}
	}
}

func secretHook(kind juju.HookKind, id string, revision int) Hook {
	return Hook{Hook: juju.Hook{Kind: kind}, SecretID: secretURI(id), SecretRevision: revision}
}

// secretHooks are the hooks that the unit's secrets are due for. What is about
// a secret that the unit does not own any more is dropped.
func (m *Model) secretHooks(u *unit) (hooks []Hook, again bool) {
	if len(u.Memory.Expired) > 0 {
		due := u.Memory.Expired[0]
		if s := m.secrets[due.ID]; s == nil || !s.handles(u) {
			u.Memory.Expired = u.Memory.Expired[1:]
			return nil, true
		}
		return []Hook{secretHook(juju.SecretExpired, due.ID, due.Revision)}, false
	}
	if len(u.Memory.Rotations) > 0 {
		id := u.Memory.Rotations[0]
		if s := m.secrets[id]; s == nil || !s.handles(u) {
			u.Memory.Rotations = u.Memory.Rotations[1:]
			return nil, true
		}
		return []Hook{secretHook(juju.SecretRotate, id, 0)}, false
	}
	for _, id := range u.Memory.Changed {
		if s := m.secrets[id]; s != nil {
			hook := secretHook(juju.SecretChanged, id, 0)
			hook.SecretID = s.uri()
			hooks = append(hooks, hook)
		}
	}
	if len(hooks) > 0 {
		return hooks, false
	}
	// Of one secret the revisions come one after the other.
	for i, due := range u.Memory.Obsolete {
		earlier := slices.ContainsFunc(u.Memory.Obsolete[:i], func(other secretRevision) bool { return other.ID == due.ID })
		if s := m.secrets[due.ID]; s != nil && s.handles(u) && !earlier {
			hooks = append(hooks, secretHook(juju.SecretRemove, due.ID, due.Revision))
		}
	}
	return hooks, false
}

// commitSecret records a secret hook. One that was retried leaves its rotation
// or expiry in the agent's list, so that it runs once more.
func (m *Model) commitSecret(u *unit, hook Hook, again bool) {
	id, _ := secretID(hook.SecretID)
	s := m.secrets[id]
	due := secretRevision{id, hook.SecretRevision}
	remove := func(list []secretRevision) []secretRevision {
		return slices.DeleteFunc(list, func(other secretRevision) bool { return other == due })
	}
	switch hook.Kind {
	case juju.SecretRotate:
		if s != nil {
			s.RotateDue = false
			s.Rotates = nextRotation(s.Rotate, m.clock())
		}
		if !again {
			u.Memory.Rotations = slices.DeleteFunc(u.Memory.Rotations, func(other string) bool { return other == id })
		}
	case juju.SecretExpired:
		if s != nil && s.revision(due.Revision) != nil {
			s.revision(due.Revision).Due = false
		}
		if !again {
			u.Memory.Expired = remove(u.Memory.Expired)
		}
	case juju.SecretRemove:
		u.Memory.Obsolete = remove(u.Memory.Obsolete)
	case juju.SecretChanged:
		u.Memory.Changed = slices.DeleteFunc(u.Memory.Changed, func(other string) bool { return other == id })
		if s != nil && s.Consumers[u.Name] != nil {
			s.Consumers[u.Name].Told = true
		}
	}
}

// revise adds a revision and tells those who read the secret.
func (m *Model) revise(s *secret, content map[string]string) {
	s.Latest++
	s.Revisions = append(s.Revisions, &revision{Number: s.Latest, Content: content})
	for _, unit := range slices.Sorted(maps.Keys(s.Consumers)) {
		u, err := m.unit(unit)
		if err != nil || s.handles(u) {
			continue // who writes it needs no telling
		}
		if u.Agent == AgentUp && !slices.Contains(u.Memory.Changed, s.ID) {
			u.Memory.Changed = append(u.Memory.Changed, s.ID)
			m.touch(u)
		}
	}
	m.obsolete(s)
}

// follow moves a unit to the latest revision.
func (m *Model) follow(u *unit, s *secret) {
	c := s.Consumers[u.Name]
	if c == nil {
		c = &consumer{}
		if s.Consumers == nil {
			s.Consumers = make(map[string]*consumer)
		}
		s.Consumers[u.Name] = c
	}
	c.Current = s.Latest
	u.Memory.Changed = slices.DeleteFunc(u.Memory.Changed, func(id string) bool { return id == s.ID })
	m.obsolete(s)
	m.touch(u)
}

// obsolete finds revisions that nobody reads any more and tells the owner.
func (m *Model) obsolete(s *secret) {
	for _, r := range s.Revisions {
		if r.Obsolete || r.Number == s.Latest {
			continue
		}
		used := false
		for unit, c := range s.Consumers {
			u, err := m.unit(unit)
			used = used || err == nil && c.Current == r.Number && !s.handles(u)
		}
		if !used {
			m.markObsolete(s, r)
		}
	}
}

func (m *Model) markObsolete(s *secret, r *revision) {
	r.Obsolete = true
	for _, u := range m.owners(s) {
		u.Memory.Obsolete = append(u.Memory.Obsolete, secretRevision{s.ID, r.Number})
		m.touch(u)
	}
}

// removeSecret removes a revision, or with revision 0 the secret.
func (m *Model) removeSecret(s *secret, number int) {
	if number != 0 {
		s.Revisions = slices.DeleteFunc(s.Revisions, func(r *revision) bool { return r.Number == number })
	}
	if number == 0 || len(s.Revisions) == 0 {
		delete(m.secrets, s.ID)
	}
	for _, u := range m.order {
		u.Memory.Obsolete = slices.DeleteFunc(u.Memory.Obsolete, func(due secretRevision) bool {
			return due.ID == s.ID && (number == 0 || due.Revision == number)
		})
		m.touch(u)
	}
}
