package clientdummy

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/metadata"
)

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
		Requires, Provides, Peers map[string]any
	}
	var config struct {
		Options map[string]struct {
			Type    string
			Default any
		}
	}
	var actions map[string]any
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
	names := [][]string{
		slices.Sorted(maps.Keys(meta.Containers)), slices.Sorted(maps.Keys(meta.Requires)),
		slices.Sorted(maps.Keys(meta.Provides)), slices.Sorted(maps.Keys(meta.Peers)), slices.Sorted(maps.Keys(actions)),
	}
	want := [][]string{{containerName}, {pulsarEndpoint}, nil, nil, slices.Sorted(maps.Keys(New().Actions()))}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("containers, requires, provides, peers, actions (-code +YAML):\n%s", diff)
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
