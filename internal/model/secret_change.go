package model

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// secretChange is what a hook wants of one secret; it is sent at its end.
type secretChange struct {
	create  *secret           // nil: the secret exists
	content map[string]string // nil: unchanged
	label   *string
	text    *string // description
	rotate  *string
	expire  *string
	removed bool
	dropped []int // revisions to remove
	grants  []grant
	revokes []grant // Relation -1: of any
}

func (c *Context) secretChange(id string) *secretChange {
	if c.secrets == nil {
		c.secrets = make(map[string]*secretChange)
	}
	change := c.secrets[id]
	if change == nil {
		change = &secretChange{}
		c.secrets[id] = change
	}
	return change
}

// known is a secret as the hook sees it: one it just added, too.
func (c *Context) known(id string) *secret {
	if change := c.secrets[id]; change != nil {
		if change.removed {
			return nil
		}
		if change.create != nil {
			return change.create
		}
	}
	return c.model.secrets[id]
}

// manages says whether the hook may change the secret.
func (c *Context) manages(s *secret) bool {
	return s.Owner == c.unit.Name || s.Owner == c.app.Name && c.leader()
}

func (change *secretChange) apply(s *secret) {
	for value, target := range map[**string]*string{&change.label: &s.Label, &change.text: &s.Description, &change.rotate: &s.Rotate, &change.expire: &s.Expire} {
		if *value != nil {
			*target = **value
		}
	}
	if s.Rotate == "never" {
		s.Rotate = ""
	}
}

// checkSecrets refuses the hook's changes as a whole if one is not allowed.
func (c *Context) checkSecrets(leader bool) error {
	for _, id := range slices.Sorted(maps.Keys(c.secrets)) {
		s := c.secrets[id].create
		if s == nil {
			if s = c.model.secrets[id]; s == nil {
				return fmt.Errorf("cannot apply changes: secret %q not found", id)
			}
		}
		if s.ofApp() && !leader {
			return errors.New("cannot apply changes: permission denied: this unit is not the leader")
		}
	}
	return nil
}

func (c *Context) flushSecrets() {
	m := c.model
	for _, id := range slices.Sorted(maps.Keys(c.secrets)) {
		change := c.secrets[id]
		s := change.create
		if s != nil {
			m.secrets[id] = s
		} else {
			s = m.secrets[id]
			change.apply(s)
			if change.content != nil && !maps.Equal(change.content, s.revision(s.Latest).content()) {
				m.revise(s, change.content)
			}
		}
		for _, g := range change.grants {
			if !slices.Contains(s.Grants, g) {
				s.Grants = append(s.Grants, g)
			}
		}
		for _, revoked := range change.revokes {
			s.Grants = slices.DeleteFunc(s.Grants, func(g grant) bool {
				return g.Target == revoked.Target && (revoked.Relation < 0 || g.Relation == revoked.Relation)
			})
		}
		for _, number := range change.dropped {
			m.removeSecret(s, number)
		}
		if change.removed {
			m.removeSecret(s, 0)
		}
		m.change++
	}
}
