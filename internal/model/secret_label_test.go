package model

import (
	"strings"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// A label is of one secret only, whoever owns it and whoever reads it.
func TestSecretLabelsAreUnique(t *testing.T) {
	t.Parallel()
	const theirs, unit = "d0000000000000000009", "d000000000000000000b"
	for _, test := range []struct {
		name  string
		calls []string
		want  string // "": none
	}{
		{"reader's is the owner's", []string{"secret-get secret:" + theirs + " --label mine"}, `secret label "mine" for owner "application-web" already exists`},
		{"reader's own", []string{"secret-get secret:" + theirs + " --label new", "secret-get secret:" + theirs + " --label new"}, ""},
		{"unit's is the application's", []string{"secret-add key=value --owner unit --label mine"}, `secret label "mine" for owner "application-web" already exists`},
		{"application's is the unit's", []string{"secret-add key=value --label unit"}, `secret label "unit" for owner "unit-web-1" already exists`},
		{"owner's is the reader's", []string{"secret-get secret:" + theirs + " --label new", "secret-add key=value --label new"}, `secret label "new" for consumer "unit-web-1" already exists`},
		{"renamed to one that is taken", []string{"secret-set secret:" + unit + " --label mine"}, `secret label "mine" for owner "application-web" already exists`},
		{"renamed to one that is free by then", []string{"secret-remove secret:" + seededSecret, "secret-set secret:" + unit + " --label mine"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := seed(t)
			s.Secrets = append(s.Secrets, SeedSecret{ID: unit, Owner: "web/1", Label: "unit", Revisions: map[int]map[string]string{1: {"key": "one"}}})
			m, err := s.Model()
			if err != nil {
				t.Fatal(err)
			}
			hook := plain(juju.UpdateStatus)[0]
			if err := m.MakeDue("web/1", hook, false); err != nil {
				t.Fatal(err)
			}
			c, err := m.Begin("web/1", hook)
			if err != nil {
				t.Fatal(err)
			}
			var said string
			for _, call := range test.calls {
				words := strings.Fields(call)
				if code, _, stderr, _ := c.Run(words[0], words[1:], nil, false, nil); code != 0 {
					said += string(stderr)
				}
			}
			if err := c.End(Outcome{}); err != nil {
				said += err.Error()
			}
			if test.want == "" && said != "" || !strings.Contains(said, test.want) {
				t.Errorf("got %q, want %q", said, test.want)
			}
		})
	}
}
