package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

func (t *tool) secretGrant() error {
	var relation, unit string
	if err := t.parse(flags{"r": &relation, "relation": &relation, "unit": &unit}); err != nil {
		return err
	}
	s, err := t.argument()
	if err != nil {
		return err
	}
	if s == nil {
		id, _ := secretID(t.args[0])
		return fmt.Errorf("secret %q not found", id)
	}
	r, _, err := t.relation(relation)
	if err != nil {
		return err
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	_, other, _ := r.own(t.app.Name)
	g := grant{Target: other.App, Relation: r.ID}
	if unit != "" {
		if juju.Application(unit) != other.App {
			return usage("cannot specify unit %q in relation to application %q", unit, other.App)
		}
		if t.granted(s, func(other grant) bool { return other == g }) {
			return nil // all of its application may read
		}
		g.Target = unit
	} else if t.granted(s, g.ofUnits) {
		return fmt.Errorf("any unit level grants need to be revoked before granting access to the corresponding application")
	}
	change := t.secretChange(s.ID)
	change.revokes = slices.DeleteFunc(change.revokes, g.revokedBy)
	change.grants = append(change.grants, g)
	return nil
}

// revokedBy says whether revoking other ends the grant, or the reverse.
func (g grant) revokedBy(other grant) bool {
	return g.Target == other.Target && (g.Relation == other.Relation || g.Relation < 0 || other.Relation < 0)
}

// ofUnits says whether other is for one unit of the grant's application.
func (g grant) ofUnits(other grant) bool {
	return other.Relation == g.Relation && strings.HasPrefix(other.Target, g.Target+"/")
}

// granted says whether the secret has such a grant, as the hook left it.
func (t *tool) granted(s *secret, such func(grant) bool) bool {
	grants := s.Grants
	if change := t.secrets[s.ID]; change != nil {
		grants = change.granted(grants)
	}
	return slices.ContainsFunc(grants, such)
}

func (t *tool) secretRevoke() error {
	var relation, app, unit string
	if err := t.parse(flags{"r": &relation, "relation": &relation, "app": &app, "application": &app, "unit": &unit}); err != nil {
		return err
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	s, err := t.argument()
	if err != nil {
		return err
	}
	g := grant{Relation: -1}
	if app != "" && !appName.MatchString(app) {
		return usage("application %q not valid", app)
	}
	if _, _, err := juju.ParseUnit(unit); unit != "" && err != nil {
		return usage("unit %q not valid", unit)
	}
	if app != "" && unit != "" {
		return usage("specify only one of application or unit")
	}
	if app != "" && (relation != "" || t.hook.RelationID != "") {
		return usage("do not specify both relation and app")
	}
	switch {
	case unit != "":
		g.Target = unit
	case app != "":
		g.Target = app
	case relation == "" && t.hook.RelationID == "":
		return usage("missing relation or application or unit")
	default:
		r, _, err := t.relation(relation)
		if err != nil {
			return err
		}
		_, other, _ := r.own(t.app.Name)
		g = grant{Target: other.App, Relation: r.ID}
	}
	if s == nil {
		return t.stranger()
	}
	change := t.secretChange(s.ID)
	change.grants = slices.DeleteFunc(change.grants, g.revokedBy)
	change.revokes = append(change.revokes, g)
	return nil
}
