package ops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Rotation is how often Juju runs secret-rotate.
type Rotation string

// The rotations that Juju knows; empty means never for a new secret and as it
// is for an old one.
const (
	RotateNever     Rotation = "never"
	RotateHourly    Rotation = "hourly"
	RotateDaily     Rotation = "daily"
	RotateWeekly    Rotation = "weekly"
	RotateMonthly   Rotation = "monthly"
	RotateQuarterly Rotation = "quarterly"
	RotateYearly    Rotation = "yearly"
)

// SecretSpec is what an own secret should be.
type SecretSpec struct {
	// Label names it among the owner's secrets; it must not be empty.
	Label string
	// Unit says that the unit owns it; else the application does, which means
	// its leader.
	Unit bool
	// Content by key: keys are of three or more lower-case letters, digits and
	// inner hyphens, values together have at most 64 KiB. Nil leaves it alone.
	Content map[string]Secret
	// Make gives the content of a secret that does not exist yet, if Content
	// is nil: a password that is made once.
	Make func() (map[string]Secret, error)
	// SecretInfo is the rest. What is zero in it is left alone.
	SecretInfo
	// Readers are the ids of the relations whose remote applications may read
	// the secret, and no others; nil leaves the grants alone.
	Readers []string
}

// SecretInfo is what there is to a secret beside its content.
type SecretInfo struct {
	Description string
	Rotate      Rotation
	// Expire is when secret-expired shall run.
	Expire time.Time
}

// OwnSecret is a secret that the unit, or its application, owns, with what
// this hook has changed of it. Changes reach Juju together at the end of the
// hook.
type OwnSecret struct {
	ID    string // URI, secret:…
	Label string
	// Unit says that the unit owns it; else the application does.
	Unit bool
	// Revision is the latest that Juju has.
	Revision int
	SecretInfo
	// Rotates is when the next secret-rotate is due; zero for none.
	Rotates time.Time

	unit   *Unit
	added  map[string]Secret // content of a secret that this hook has made
	grants []grant
}

// grant is who may read a secret.
type grant struct {
	tag      string // of an application or a unit
	scope    string // tag of the relation, if Juju told of the grant
	relation string // its id, if this hook granted
}

// EnsureSecret makes the secret be as it should: it is made if the owner has
// none of that label, and changed where it differs. The same content is not
// written again, so it makes no new revision. Who does not lead gets
// hooktool.ErrNotLeader for a secret of the application. Juju ≥ 3.0.3.
func (u *Unit) EnsureSecret(ctx context.Context, spec SecretSpec) (*OwnSecret, error) {
	if spec.Label == "" {
		return nil, errors.New("cannot ensure a secret: it has no label")
	}
	s, ok, err := u.labelled(ctx, spec.Label, spec.Unit)
	if err != nil {
		return nil, err
	}
	if !ok {
		if s, err = u.addSecret(ctx, spec); err != nil {
			return nil, err
		}
	} else {
		if spec.Content != nil {
			if err := s.SetContent(ctx, spec.Content); err != nil {
				return nil, err
			}
		}
		s.SetInfo(spec.SecretInfo)
	}
	if spec.Readers != nil {
		return s, s.setReaders(ctx, spec.Readers)
	}
	return s, nil
}

// addSecret makes the secret, at the end of the hook; Juju gives its URI at
// once.
func (u *Unit) addSecret(ctx context.Context, spec SecretSpec) (*OwnSecret, error) {
	content := spec.Content
	if content == nil && spec.Make != nil {
		var err error
		if content, err = spec.Make(); err != nil {
			return nil, fmt.Errorf("cannot make the content of secret %q: %w", spec.Label, err)
		}
	}
	s := &OwnSecret{Label: spec.Label, Unit: spec.Unit, Revision: 1, SecretInfo: spec.SecretInfo, unit: u, added: content}
	owner := "application"
	if s.Unit {
		owner = "unit"
	}
	var err error
	s.ID, err = u.tools.SecretAdd(ctx, hooktool.SecretSpec{
		Content: reveal(content), Label: s.Label, Owner: owner,
		Description: s.Description, Rotate: string(s.Rotate), Expire: s.Expire,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot add secret %q: %w", spec.Label, err)
	}
	u.owned[s.ID] = s
	return s, nil
}

// AddAppSecret makes a secret that the application owns and every unit of it
// may read, and gives its URI; if there is one of that label, it gets the
// content. Only the leader may; the secret exists once the hook has
// succeeded. Keys are of three or more lower-case characters.
func (u *Unit) AddAppSecret(ctx context.Context, label string, content map[string]Secret) (id string, err error) {
	s, err := u.EnsureSecret(ctx, SecretSpec{Label: label, Content: content})
	if err != nil {
		return "", err
	}
	return s.ID, nil
}

// labelled finds a secret of that owner. Juju refuses the unit a label that
// its application has, and the reverse, at the end of the hook.
func (u *Unit) labelled(ctx context.Context, label string, unit bool) (*OwnSecret, bool, error) {
	for _, id := range slices.Sorted(maps.Keys(u.owned)) {
		if s := u.owned[id]; s.Label == label && s.Unit == unit {
			return s, true, nil
		}
	}
	s, ok, err := u.OwnSecret(ctx, SecretRef{Label: label})
	if err != nil || !ok || s.Unit == unit {
		return s, ok, err
	}
	// The label is also one of the other owner's.
	all, err := u.OwnSecrets(ctx)
	for _, s := range all {
		if s.Label == label && s.Unit == unit {
			return s, true, nil
		}
	}
	return nil, false, err
}

// OwnSecret finds a secret that the unit owns, or as the leader its
// application, by ID or else by label. It reports false if there is none.
func (u *Unit) OwnSecret(ctx context.Context, ref SecretRef) (*OwnSecret, bool, error) {
	if s, ok := u.owned[ref.ID]; ok {
		return s, true, nil
	}
	info, err := u.tools.SecretInfo(ctx, ref)
	if errors.Is(err, hooktool.ErrNotFound) || errors.Is(err, hooktool.ErrPermission) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot read about secret %s: %w", refName(ref), err)
	}
	if s, ok := u.owned[info.ID]; ok {
		return s, true, nil
	}
	s := &OwnSecret{
		ID: info.ID, Label: info.Label, Unit: info.Owner == "unit", Revision: info.Revision,
		SecretInfo: SecretInfo{Description: info.Description, Rotate: Rotation(info.Rotation), Expire: info.Expires},
		Rotates:    info.Rotates, unit: u,
	}
	if s.Rotate == "" {
		s.Rotate = RotateNever
	}
	for _, access := range info.Access {
		s.grants = append(s.grants, grant{tag: access.Target, scope: access.Scope})
	}
	u.owned[s.ID] = s
	return s, true, nil
}

// OwnSecrets are all secrets that the unit owns and, as the leader, its
// application, sorted by ID.
func (u *Unit) OwnSecrets(ctx context.Context) ([]*OwnSecret, error) {
	ids, err := u.tools.SecretIDs(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot list own secrets: %w", err)
	}
	var all []*OwnSecret
	for _, id := range slices.Sorted(slices.Values(ids)) {
		s, ok, err := u.OwnSecret(ctx, SecretRef{ID: id})
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, s)
		}
	}
	return all, nil
}

// Content is the latest content, with what this hook has set.
func (s *OwnSecret) Content(ctx context.Context) (map[string]Secret, error) {
	raw, err := s.content(ctx)
	return conceal(raw), err
}

func (s *OwnSecret) content(ctx context.Context) (map[string]string, error) {
	if change := s.unit.secretSets[s.ID]; change != nil && change.Content != nil {
		return change.Content, nil
	}
	return s.stored(ctx)
}

// stored is the content without what waits for the flush.
func (s *OwnSecret) stored(ctx context.Context) (map[string]string, error) {
	if s.added != nil {
		return reveal(s.added), nil
	}
	raw, err := s.unit.tools.SecretGet(ctx, SecretRef{ID: s.ID, Peek: true})
	if err != nil {
		return nil, fmt.Errorf("cannot read secret %s: %w", s.ID, err)
	}
	return raw, nil
}

// SetContent makes a new revision at the end of the hook, if the content
// differs from the latest.
func (s *OwnSecret) SetContent(ctx context.Context, content map[string]Secret) error {
	if len(content) == 0 {
		return fmt.Errorf("cannot set secret %s: no content", s.ID)
	}
	stored, err := s.stored(ctx)
	if err != nil {
		return err
	}
	change := s.change()
	change.Content = nil
	if raw := reveal(content); !maps.Equal(raw, stored) {
		change.Content = raw
	}
	s.settle()
	return nil
}

// SetInfo changes what is not zero in info and differs, at the end of the
// hook. Content stays as it is, or as it was set.
func (s *OwnSecret) SetInfo(info SecretInfo) {
	change := s.change()
	if info.Description != "" && info.Description != s.Description {
		s.Description, change.Description = info.Description, info.Description
	}
	if info.Rotate != "" && info.Rotate != s.Rotate {
		s.Rotate, change.Rotate = info.Rotate, string(info.Rotate)
	}
	if !info.Expire.IsZero() && !info.Expire.Truncate(time.Second).Equal(s.Expire.Truncate(time.Second)) {
		s.Expire, change.Expire = info.Expire, info.Expire
	}
	s.settle()
}

// change is what waits for the flush.
func (s *OwnSecret) change() *hooktool.SecretSpec {
	if s.unit.secretSets[s.ID] == nil {
		s.unit.secretSets[s.ID] = &hooktool.SecretSpec{}
	}
	return s.unit.secretSets[s.ID]
}

// settle drops a change that changes nothing.
func (s *OwnSecret) settle() {
	if c := s.unit.secretSets[s.ID]; c.Content == nil && c.Description == "" && c.Rotate == "" && c.Expire.IsZero() {
		delete(s.unit.secretSets, s.ID)
	}
}

// Grant lets the remote application of a relation read the secret, from the
// end of the hook on as long as the relation lasts. With a unit, only that
// one; Juju then refuses a grant to its application.
func (s *OwnSecret) Grant(ctx context.Context, relation *Relation, unit string) error {
	tag := applicationTag(relation.App)
	if unit != "" {
		tag = juju.UnitTag(unit)
	}
	if slices.ContainsFunc(s.grants, func(g grant) bool { return g.tag == tag }) {
		return nil
	}
	if err := s.unit.tools.SecretGrant(ctx, s.ID, relation.ID, unit); err != nil {
		return fmt.Errorf("cannot grant secret %s to relation %s: %w", s.ID, relation.ID, err)
	}
	s.grants = append(s.grants, grant{tag: tag, relation: relation.ID})
	return nil
}

// Revoke ends, at the end of the hook, what Grant gave.
func (s *OwnSecret) Revoke(ctx context.Context, relation *Relation, unit string) error {
	from, tag := hooktool.SecretRevocation{Relation: relation.ID}, applicationTag(relation.App)
	if unit != "" {
		from, tag = hooktool.SecretRevocation{Unit: unit}, juju.UnitTag(unit)
	}
	return s.revoke(ctx, from, tag)
}

func (s *OwnSecret) revoke(ctx context.Context, from hooktool.SecretRevocation, tag string) error {
	if err := s.unit.tools.SecretRevoke(ctx, s.ID, from); err != nil {
		return fmt.Errorf("cannot revoke secret %s from %s: %w", s.ID, tag, err)
	}
	s.grants = slices.DeleteFunc(s.grants, func(g grant) bool { return g.tag == tag })
	return nil
}

// revokeApplication ends a grant to a whole application. In a hook of any
// relation Juju (3.6) takes that for given and refuses an application: there
// the relation that the grant is of is named.
func (s *OwnSecret) revokeApplication(ctx context.Context, app string, g grant) error {
	env := s.unit.env
	if env.RelationID == "" {
		return s.revoke(ctx, hooktool.SecretRevocation{App: app}, g.tag)
	}
	id := g.relation
	if id == "" {
		var err error
		if id, err = s.unit.relationOf(ctx, app, g.scope); err != nil {
			return err
		}
	}
	if id == "" && (env.RemoteApp == app || env.RemoteApp == "") {
		id = env.RelationID // perhaps over, and none of the listed
	}
	if id == "" {
		s.unit.log.Info("cannot revoke a secret in the hook of another relation: left to a later hook", "secret", s.ID, "reader", g.tag)
		return nil
	}
	return s.revoke(ctx, hooktool.SecretRevocation{Relation: id}, g.tag)
}

// relationOf finds the id of the relation with an application that has a tag,
// which is made of its endpoints, such as "relation-web.db#postgres.server";
// "" if there is none.
func (u *Unit) relationOf(ctx context.Context, app, tag string) (id string, err error) {
	for end := range strings.SplitSeq(strings.TrimPrefix(tag, "relation-"), "#") {
		owner, endpoint, _ := strings.Cut(end, ".")
		if owner != u.App() || endpoint == "" {
			continue
		}
		relations, err := u.Relations(ctx, endpoint)
		if err != nil {
			return "", err
		}
		for _, r := range relations {
			if r.App == app {
				return r.ID, nil
			}
		}
	}
	return "", nil
}

const appTagPrefix = "application-"

func applicationTag(app string) string { return appTagPrefix + app }

// setReaders makes the applications that may read the secret those of the
// relations. Grants to single units are left alone.
func (s *OwnSecret) setReaders(ctx context.Context, relations []string) error {
	want := map[string]*Relation{}
	for _, id := range relations {
		endpoint, _, _ := strings.Cut(id, ":")
		all, err := s.unit.Relations(ctx, endpoint)
		if err != nil {
			return err
		}
		for _, r := range all {
			if r.ID == id && !r.Broken && r.App != "" {
				want[applicationTag(r.App)] = r
			}
		}
	}
	for _, g := range slices.Clone(s.grants) {
		if app, ok := strings.CutPrefix(g.tag, appTagPrefix); ok && want[g.tag] == nil {
			if err := s.revokeApplication(ctx, app, g); err != nil {
				return err
			}
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(want)) {
		if err := s.Grant(ctx, want[tag], ""); err != nil {
			return err
		}
	}
	return nil
}

// RemoveRevision removes one revision at the end of the hook.
func (s *OwnSecret) RemoveRevision(ctx context.Context, revision int) error {
	if revision < 1 {
		return fmt.Errorf("cannot remove revision %d of secret %s: revisions start with 1", revision, s.ID)
	}
	if err := s.unit.tools.SecretRemove(ctx, s.ID, revision); err != nil {
		return fmt.Errorf("cannot remove revision %d of secret %s: %w", revision, s.ID, err)
	}
	return nil
}

// Remove removes the secret with all revisions at the end of the hook.
func (s *OwnSecret) Remove(ctx context.Context) error {
	if err := s.unit.tools.SecretRemove(ctx, s.ID, 0); err != nil {
		return fmt.Errorf("cannot remove secret %s: %w", s.ID, err)
	}
	delete(s.unit.secretSets, s.ID)
	delete(s.unit.owned, s.ID)
	return nil
}
