package pack_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/juju/charm/v12"

	"github.com/pulsar-charms/pulsar-charms/internal/pack"
)

const metadataYAML = `name: tiny
summary: A tiny charm.
description: A tiny charm.
containers:
  work:
    resource: image
resources:
  image:
    type: oci-image
`

func tiny(t *testing.T, arch string) pack.Charm {
	t.Helper()
	dispatch := filepath.Join(t.TempDir(), "binary")
	if err := os.WriteFile(dispatch, []byte("\x7fELF and so on"), 0o600); err != nil {
		t.Fatal(err)
	}
	return pack.Charm{
		Files:    fstest.MapFS{"metadata.yaml": {Data: []byte(metadataYAML)}},
		Arch:     arch,
		Version:  "v1",
		Binaries: map[string]string{"dispatch": dispatch},
	}
}

// Juju's own library must read what we write, with the base that a charm with
// containers needs and a dispatch that can be run.
func TestArchiveIsReadByJuju(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tiny.charm")
	if err := pack.Write(file, tiny(t, "arm64")); err != nil {
		t.Fatal(err)
	}
	archive, err := charm.ReadCharmArchive(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := archive.Meta().Name; got != "tiny" {
		t.Errorf("name: got %q", got)
	}
	bases := archive.Manifest().Bases
	if len(bases) != 1 || bases[0].Architectures[0] != "arm64" {
		t.Errorf("bases: got %v", bases)
	}
	directory := t.TempDir()
	if err := archive.ExpandTo(directory); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(directory, "dispatch"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o755 {
		t.Errorf("dispatch has mode %v, want 0755", info.Mode())
	}
}

func TestSameInputSameBytes(t *testing.T) {
	t.Parallel()
	input := tiny(t, "amd64")
	var archives [2][]byte
	for i := range archives {
		file := filepath.Join(t.TempDir(), "tiny.charm")
		if err := pack.Write(file, input); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		archives[i] = content
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two archives of the same input differ")
	}
}

func TestDispatchIsRequired(t *testing.T) {
	t.Parallel()
	input := tiny(t, "amd64")
	input.Binaries = nil
	file := filepath.Join(t.TempDir(), "tiny.charm")
	if err := pack.Write(file, input); err == nil {
		t.Error("a charm without dispatch was packed")
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a failed pack left a file")
	}
}
