package model

import (
	"fmt"
	"strings"

	"github.com/juju/charm/v12/assumes"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Assumption is something that a charm needs where it is deployed: a feature,
// or any or all of several.
type Assumption struct {
	// Feature is "juju", "k8s-api" or the like; Op is ">=" or "<", empty if
	// every Version will do.
	Feature string       `json:"feature,omitempty"`
	Op      string       `json:"op,omitempty"`
	Version string       `json:"version,omitempty"`
	AnyOf   []Assumption `json:"any-of,omitempty"`
	AllOf   []Assumption `json:"all-of,omitempty"`
}

func (a Assumption) String() string {
	list := func(word string, of []Assumption) string {
		texts := make([]string, len(of))
		for i, one := range of {
			texts[i] = one.String()
		}
		return word + " of " + strings.Join(texts, ", ")
	}
	switch {
	case len(a.AnyOf) > 0:
		return list("any", a.AnyOf)
	case len(a.AllOf) > 0:
		return list("all", a.AllOf)
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", a.Feature, a.Op, a.Version))
}

// MeetsAssumptions says whether the charm may be deployed on Kubernetes by
// that version of Juju; the error names what it lacks. Of Kubernetes every
// version will do, and a pre-release counts as its release.
func (c *Charm) MeetsAssumptions(version string) error {
	v, err := juju.ParseVersion(version)
	if err != nil {
		return err
	}
	v.Tag, v.Build = "", 0
	for _, a := range c.Assumes {
		if !a.holds(v) {
			return fmt.Errorf("charm %q assumes %s, this is Juju %s on Kubernetes", c.Name, a, version)
		}
	}
	return nil
}

func (a Assumption) holds(v juju.Version) bool {
	for _, one := range a.AllOf {
		if !one.holds(v) {
			return false
		}
	}
	for _, one := range a.AnyOf {
		if one.holds(v) {
			return true
		}
	}
	switch {
	case len(a.AnyOf) > 0:
		return false
	case len(a.AllOf) > 0, a.Feature == "k8s-api":
		return true
	case a.Feature != "juju":
		return false
	}
	want, err := juju.ParseVersion(a.Version)
	switch {
	case a.Op == "":
		return true
	case err != nil:
		return false
	case a.Op == string(assumes.VersionLT):
		return v.Compare(want) < 0
	}
	return v.Compare(want) >= 0
}

// assumptions reads the expression of metadata.yaml.
func assumptions(tree *assumes.ExpressionTree) []Assumption {
	if tree == nil {
		return nil
	}
	return assumption(tree.Expression).AllOf // the outermost list is one
}

func assumption(expression assumes.Expression) Assumption {
	switch e := expression.(type) {
	case assumes.FeatureExpression:
		a := Assumption{Feature: e.Name, Op: string(e.Constraint)}
		if e.Version != nil {
			a.Version = e.Version.String()
		}
		return a
	case assumes.CompositeExpression:
		var all []Assumption
		for _, one := range e.SubExpressions {
			all = append(all, assumption(one))
		}
		if e.ExprType == assumes.AnyOfExpression {
			return Assumption{AnyOf: all}
		}
		return Assumption{AllOf: all}
	}
	return Assumption{}
}
