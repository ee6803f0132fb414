package clientdummy

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/internal/relation"
	"github.com/pulsar-charms/pulsar-charms/metadata"
)

// endpoint is one of metadata.yaml; a scope that is empty is global.
type endpoint struct {
	Interface, Scope string
	Limit            int
}

// What the code names and what the YAML declares agree, in both directions,
// and the defaults are values that the charm takes.
func TestMetadataAgrees(t *testing.T) {
	t.Parallel()
	files, err := metadata.Files("pulsar-client-dummy")
	if err != nil {
		t.Fatal(err)
	}
	var meta struct {
		Containers map[string]struct {
			Mounts []struct{ Storage, Location string }
		}
		Requires, Provides, Peers map[string]endpoint
	}
	var config struct {
		Options map[string]struct {
			Type    string
			Default any
		}
	}
	var actions map[string]struct {
		Params map[string]struct{ Type string }
		// A parameter that is spelt wrong is refused.
		AdditionalProperties *bool `yaml:"additionalProperties"`
	}
	for name, into := range map[string]any{"metadata.yaml": &meta, "config.yaml": &config, "actions.yaml": &actions} {
		if err := yaml.Unmarshal(files[name], into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	mounts := map[string]string{}
	for _, mount := range meta.Containers[containerName].Mounts {
		mounts[mount.Storage] = mount.Location
	}
	if diff := cmp.Diff(map[string]string{"journal": journalDir}, mounts); diff != "" {
		t.Errorf("mounts of container %s (-code +YAML):\n%s", containerName, diff)
	}
	names := [][]string{slices.Sorted(maps.Keys(meta.Containers)), slices.Sorted(maps.Keys(actions))}
	if diff := cmp.Diff([][]string{{containerName}, slices.Sorted(maps.Keys(New().Actions()))}, names); diff != "" {
		t.Errorf("containers, actions (-code +YAML):\n%s", diff)
	}
	want := []map[string]endpoint{{pulsarEndpoint: {Interface: relation.PulsarClient, Limit: 1}}, nil, nil}
	if diff := cmp.Diff(want, []map[string]endpoint{meta.Requires, meta.Provides, meta.Peers}); diff != "" {
		t.Errorf("requires, provides, peers (-code +YAML):\n%s", diff)
	}
	for name, action := range actions {
		declared, used := map[string]string{}, map[string]string{}
		for param, spec := range action.Params {
			declared[param] = spec.Type
		}
		if params := map[string]any{"produce": produceParams{}, "consume": consumeParams{}, "check": checkParams{}}[name]; params != nil {
			for _, field := range reflect.VisibleFields(reflect.TypeOf(params)) {
				used[field.Tag.Get("param")] = map[reflect.Kind]string{reflect.String: "string", reflect.Int: "integer", reflect.Bool: "boolean"}[field.Type.Kind()]
			}
		}
		if diff := cmp.Diff(used, declared); diff != "" || action.AdditionalProperties == nil || *action.AdditionalProperties {
			t.Errorf("parameters of %s, which must be closed (-code +YAML):\n%s", name, diff)
		}
	}

	declared, used := map[string]string{}, map[string]string{}
	var defaults options
	v := reflect.ValueOf(&defaults).Elem()
	for name, option := range config.Options {
		declared[name] = option.Type
	}
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("option")
		used[name] = map[reflect.Kind]string{reflect.String: "string", reflect.Int: "int"}[v.Field(i).Kind()]
		if value := config.Options[name].Default; value != nil {
			v.Field(i).Set(reflect.ValueOf(value))
		}
	}
	if diff := cmp.Diff(used, declared); diff != "" {
		t.Errorf("options (-code +YAML):\n%s", diff)
	}
	if err := defaults.validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
}
