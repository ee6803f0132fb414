package metadata_test

import (
	"io/fs"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/metadata"
)

func TestEveryCharmHasItsFiles(t *testing.T) {
	t.Parallel()
	charms := metadata.Charms()
	if len(charms) == 0 {
		t.Fatal("no charm is embedded")
	}
	for _, charm := range charms {
		files, err := metadata.Files(charm)
		if err != nil {
			t.Fatal(err)
		}
		var meta struct {
			Name, Summary, Description string
			Containers                 map[string]struct{ Resource string }
			Resources                  map[string]struct{ Type string }
		}
		if err := yaml.Unmarshal(files["metadata.yaml"], &meta); err != nil {
			t.Errorf("%s: metadata.yaml: %v", charm, err)
		}
		if meta.Name != charm || meta.Summary == "" || meta.Description == "" || len(meta.Containers) == 0 {
			t.Errorf("%s: metadata.yaml lacks its name, a summary, a description or containers: %+v", charm, meta)
		}
		for container, c := range meta.Containers {
			if meta.Resources[c.Resource].Type != "oci-image" {
				t.Errorf("%s: container %s has no oci-image resource", charm, container)
			}
		}
		for _, name := range []string{"config.yaml", "actions.yaml"} {
			content, ok := files[name]
			if !ok {
				continue
			}
			var any map[string]any
			if err := yaml.Unmarshal(content, &any); err != nil || len(any) == 0 {
				t.Errorf("%s: %s: %v, %d keys", charm, name, err, len(any))
			}
		}
		top, err := metadata.FS(charm)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fs.ReadFile(top, "metadata.yaml"); err != nil {
			t.Errorf("%s: FS: %v", charm, err)
		}
	}
	if _, err := metadata.FS("no-such-charm"); err == nil {
		t.Error("FS gives files of a charm that does not exist")
	}
}
