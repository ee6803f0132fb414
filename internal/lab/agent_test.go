package lab

import (
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/jujuc"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

// A tool that the model's Juju does not have is refused in its words.
func TestUnknownTool(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"3.6.8": "bad request: unknown command: moon-get", "4.0.0": "bad request: unknown hook command: moon-get",
	} {
		seed := model.Seed{Options: model.Options{Name: "m", Version: version}, Charm: &model.Charm{Name: "a"}, App: "a", Units: []int{0}}
		m, err := seed.Model()
		if err != nil {
			t.Fatal(err)
		}
		hook := model.Hook{Hook: juju.Hook{Kind: juju.UpdateStatus}}
		if err := m.MakeDue("a/0", hook, false); err != nil {
			t.Fatal(err)
		}
		run, err := m.Begin("a/0", hook)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&agent{u: &driver{}}).tools(run)(jujuc.Request{CommandName: "moon-get"}); err == nil || err.Error() != want {
			t.Errorf("Juju %s: %v, want %s", version, err, want)
		}
	}
}
