package model

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// secretChange is what a hook wants of one secret; it is sent at its end.
type secretChange struct {
	create  *secret           // nil: the secret exists
	content map[string]string // nil: unchanged
	label   *string
	text    *string // description
	rotate  *string
	expire  *string
	follow  bool // the unit is to be on the new revision
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

// appoint works out when a secret is due, after a hook that changed it.
func (change *secretChange) appoint(s *secret, now time.Time) {
	if change.expire != nil {
		s.Expire = expiry(*change.expire, now)
	}
	if change.rotate != nil {
		s.Rotates = nextRotation(s.Rotate, now)
	}
}

// expiry is an --expire argument as RFC 3339. A duration from a time that is
// not known stays as it is: it never comes.
func expiry(text string, now time.Time) string {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Format(time.RFC3339)
		}
	}
	if d, err := time.ParseDuration(text); err == nil && !now.IsZero() {
		return now.Add(d).Format(time.RFC3339)
	}
	return text
}

// nextRotation is one period after now as RFC 3339; "" for none.
func nextRotation(policy string, now time.Time) string {
	if now.IsZero() {
		return ""
	}
	next := now
	switch policy {
	case "hourly":
		next = now.Add(time.Hour)
	case "daily":
		next = now.AddDate(0, 0, 1)
	case "weekly":
		next = now.AddDate(0, 0, 7)
	case "monthly":
		next = now.AddDate(0, 1, 0)
	case "quarterly":
		next = now.AddDate(0, 3, 0)
	case "yearly":
		next = now.AddDate(1, 0, 0)
	default:
		return ""
	}
	return next.Format(time.RFC3339)
}

// granted is a secret's grants with the change.
func (change *secretChange) granted(grants []grant) []grant {
	if len(change.grants)+len(change.revokes) == 0 {
		return grants
	}
	var out []grant
	for _, g := range grants {
		if !slices.ContainsFunc(change.revokes, g.revokedBy) {
			out = append(out, g)
		}
	}
	for _, g := range change.grants {
		if !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

// checkSecrets refuses the hook's changes as a whole if one is not allowed.
func (c *Context) checkSecrets(leader bool) error {
	for _, id := range c.strangers {
		if c.known(id) == nil {
			return fmt.Errorf("cannot apply changes: secret %q not found", id)
		}
		return errors.New("cannot apply changes: permission denied")
	}
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
			change.appoint(s, m.clock())
			if change.content != nil && !maps.Equal(change.content, s.revision(s.Latest).content()) {
				if change.expire == nil {
					s.Expire = "" // an expiry is one revision's
				}
				m.revise(s, change.content)
			}
		}
		if change.follow {
			m.follow(c.unit, s)
		}
		s.Grants = change.granted(s.Grants)
		for _, number := range change.dropped {
			m.removeSecret(s, number)
		}
		if change.removed {
			m.removeSecret(s, 0)
		}
		m.change++
	}
}
