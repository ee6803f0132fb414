package bookie

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
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
	files, err := metadata.Files("bookie")
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
	for name, into := range map[string]any{"metadata.yaml": &meta, "config.yaml": &config} {
		if err := yaml.Unmarshal(files[name], into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	mounts := map[string]string{}
	for _, mount := range meta.Containers[containerName].Mounts {
		mounts[mount.Storage] = mount.Location
	}
	if diff := cmp.Diff(map[string]string{"journal": journalDir, "ledgers": ledgersDir}, mounts); diff != "" {
		t.Errorf("mounts of container %s (-code +YAML):\n%s", containerName, diff)
	}
	if diff := cmp.Diff([]string{containerName}, slices.Sorted(maps.Keys(meta.Containers))); diff != "" {
		t.Errorf("containers (-code +YAML):\n%s", diff)
	}
	want := []map[string]endpoint{
		{zookeeperEndpoint: {Interface: relation.ZooKeeper, Limit: 1}}, nil, {peerEndpoint: {Interface: "bookie_cluster"}},
	}
	if diff := cmp.Diff(want, []map[string]endpoint{meta.Requires, meta.Provides, meta.Peers}); diff != "" {
		t.Errorf("requires, provides, peers (-code +YAML):\n%s", diff)
	}

	declared, used := map[string]string{}, map[string]string{}
	var defaults options
	v := reflect.ValueOf(&defaults).Elem()
	for name, option := range config.Options {
		declared[name] = option.Type
	}
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("option")
		used[name] = map[reflect.Kind]string{reflect.String: "string", reflect.Int: "int", reflect.Bool: "boolean"}[v.Field(i).Kind()]
		if value := config.Options[name].Default; value != nil {
			v.Field(i).Set(reflect.ValueOf(value))
		}
	}
	if diff := cmp.Diff(used, declared); diff != "" {
		t.Errorf("options (-code +YAML):\n%s", diff)
	}
	if err := defaults.Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	if _, known := profiles[defaults.Profile]; !known {
		t.Errorf("default profile %q is not known", defaults.Profile)
	}
	if _, acts := any(New()).(ops.Actor); acts != (files["actions.yaml"] != nil) {
		t.Errorf("actions in the code: %v, actions.yaml: %q", acts, files["actions.yaml"])
	}
}

// What BookKeeper needs for itself fits into the smallest volumes: of the
// journal the files it keeps, the one it writes and one more until what is in
// it is flushed; of the ledgers some entry logs, for space is freed by whole
// logs, and compaction writes one before it frees another.
func TestVolumesFit(t *testing.T) {
	t.Parallel()
	files, err := metadata.Files("bookie")
	if err != nil {
		t.Fatal(err)
	}
	var meta struct {
		Storage map[string]struct {
			MinimumSize string `yaml:"minimum-size"`
		}
	}
	if err := yaml.Unmarshal(files["metadata.yaml"], &meta); err != nil {
		t.Fatal(err)
	}
	volume := func(name string) int64 {
		size, err := parseSize(meta.Storage[name].MinimumSize)
		if err != nil {
			t.Fatalf("minimum-size of storage %s: %v", name, err)
		}
		return size
	}
	for name := range profiles {
		conf := settings(options{Profile: name, DirectMemorySize: auto}, "", relation.ZooKeeperOffer{})
		number := func(key string) int64 {
			value, err := strconv.ParseInt(conf[key], 10, 64)
			if err != nil {
				t.Fatalf("profile %s: %s: %v", name, key, err)
			}
			return value
		}
		if need := number("journalMaxSizeMB") << 20 * (number("journalMaxBackups") + 2); need > volume("journal") {
			t.Errorf("profile %s: journals of %d MiB, a volume of %d MiB", name, need>>20, volume("journal")>>20)
		}
		if log := number("logSizeLimit"); log > volume("ledgers")/4 {
			t.Errorf("profile %s: entry logs of %d MiB, a volume of %d MiB", name, log>>20, volume("ledgers")>>20)
		}
	}
}
