package pulsar

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/charms/broker"
	"github.com/pulsar-charms/pulsar-charms/charms/zookeeper"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
	"github.com/pulsar-charms/pulsar-charms/metadata"
)

func files(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := metadata.Files("pulsar")
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// endpoint is one of metadata.yaml; a scope that is empty is global.
type endpoint struct {
	Interface, Scope string
	Limit            int
}

// What the code names and what the YAML declares agree, in both directions,
// and the defaults are values that the charm takes.
func TestMetadataAgrees(t *testing.T) {
	t.Parallel()
	var meta struct {
		Containers map[string]struct {
			Mounts []struct{ Storage, Location string }
		}
		Storage                   map[string]any
		Requires, Provides, Peers map[string]endpoint
	}
	var config struct {
		Options map[string]struct {
			Type    string
			Default any
		}
	}
	var actions map[string]struct {
		Params map[string]any
		// A parameter that is spelt wrong is refused.
		AdditionalProperties *bool `yaml:"additionalProperties"`
	}
	for name, into := range map[string]any{"metadata.yaml": &meta, "config.yaml": &config, "actions.yaml": &actions} {
		if err := yaml.Unmarshal(files(t)[name], into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	names := map[string][]string{
		"containers": slices.Sorted(maps.Keys(meta.Containers)),
		"storage":    slices.Sorted(maps.Keys(meta.Storage)),
		"actions":    slices.Sorted(maps.Keys(actions)),
	}
	want := map[string][]string{
		"containers": {broker.Container, zookeeper.Container},
		"storage":    {zookeeper.Storage},
		"actions":    slices.Sorted(maps.Keys(New().Actions())),
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("names (-code +YAML):\n%s", diff)
	}
	endpoints := []map[string]endpoint{
		nil, {broker.Endpoint: {Interface: relation.PulsarClient}, zookeeper.Endpoint: {Interface: relation.ZooKeeper}},
		{zookeeper.Peers: {Interface: "pulsar_cluster"}},
	}
	if diff := cmp.Diff(endpoints, []map[string]endpoint{meta.Requires, meta.Provides, meta.Peers}); diff != "" {
		t.Errorf("requires, provides, peers (-code +YAML):\n%s", diff)
	}
	for name, action := range actions {
		if len(action.Params) > 0 || action.AdditionalProperties == nil || *action.AdditionalProperties {
			t.Errorf("action %s takes %v, or what is not declared; the code reads no parameters", name, action.Params)
		}
	}
	if broker.Peers != zookeeper.Peers {
		t.Error("the halves name shared endpoints differently")
	}
	if mount := meta.Containers[zookeeper.Container].Mounts[0]; mount.Storage != zookeeper.Storage || mount.Location != "/pulsar/data/zookeeper" {
		t.Errorf("mount of container %s: %+v", zookeeper.Container, mount)
	}

	declared, used := map[string]string{}, map[string]string{}
	for name, option := range config.Options {
		declared[name] = option.Type
	}
	var defaults struct {
		ZooKeeper zookeeper.Options
		Broker    broker.Options
	}
	for _, half := range []any{&defaults.ZooKeeper, &defaults.Broker} {
		v := reflect.ValueOf(half).Elem()
		for i := range v.NumField() {
			name := v.Type().Field(i).Tag.Get("option")
			used[name] = map[reflect.Kind]string{reflect.String: "string", reflect.Int: "int"}[v.Field(i).Kind()]
			if value := config.Options[name].Default; value != nil {
				v.Field(i).Set(reflect.ValueOf(value))
			}
		}
	}
	if diff := cmp.Diff(used, declared); diff != "" {
		t.Errorf("options (-code +YAML):\n%s", diff)
	}
	if err := defaults.ZooKeeper.Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	if err := defaults.Broker.Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
}
