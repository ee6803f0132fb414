package integration

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/juju/charm/v12"
	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/metadata"
)

// machines are the architectures that charms are packed for.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// What make charms writes is what Juju's own library takes, runs in the charm
// container of either architecture without a library of that container, and
// is the same wherever and however often it is packed.
func TestPack(t *testing.T) {
	here, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Symlink(here, elsewhere); err != nil {
		t.Fatal(err)
	}
	first, second := pack(t, here), pack(t, elsewhere)
	for arch, machine := range machines {
		for _, name := range metadata.Charms() {
			t.Run(name+"_"+arch, func(t *testing.T) {
				file := name + "_" + arch + ".charm"
				checkArchive(t, filepath.Join(first, file), name, arch)
				checkBinaries(t, filepath.Join(first, file), name, machine)
				if !bytes.Equal(read(t, filepath.Join(first, file)), read(t, filepath.Join(second, file))) {
					t.Error("two packs of the same source differ")
				}
			})
		}
	}
}

// pack packs all charms from the repository by one of its paths.
func pack(t *testing.T, repository string) (output string) {
	t.Helper()
	output = t.TempDir()
	cmd := exec.Command("go", "run", "./cmd/pack", "-output", output, "-arch", "amd64,arm64")
	cmd.Dir, cmd.Env = repository, append(os.Environ(), "PWD="+repository)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot pack: %v\n%s", err, out)
	}
	return output
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// declared is what the sources of a charm say.
type declared struct {
	Containers, Resources, Storage, Requires, Provides, Peers, Options, Actions []string
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func checkArchive(t *testing.T, file, name, arch string) {
	t.Helper()
	archive, err := charm.ReadCharmArchive(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := charm.CheckMeta(archive); err != nil {
		t.Error(err)
	}
	meta, manifest := archive.Meta(), archive.Manifest()
	if meta.Name != name {
		t.Errorf("name is %q", meta.Name)
	}
	if len(manifest.Bases) != 1 || manifest.Bases[0].Name != "ubuntu" || manifest.Bases[0].Channel.String() != "22.04/stable" ||
		!slices.Equal(manifest.Bases[0].Architectures, []string{arch}) {
		t.Errorf("bases are %v", manifest.Bases)
	}

	files, err := metadata.Files(name)
	if err != nil {
		t.Fatal(err)
	}
	var source struct{ Containers, Resources, Storage, Requires, Provides, Peers map[string]any }
	var config struct{ Options map[string]any }
	var actions map[string]any
	for file, into := range map[string]any{"metadata.yaml": &source, "config.yaml": &config, "actions.yaml": &actions} {
		if err := yaml.Unmarshal(files[file], into); err != nil {
			t.Fatal(err)
		}
	}
	want := declared{
		keys(source.Containers), keys(source.Resources), keys(source.Storage), keys(source.Requires), keys(source.Provides),
		keys(source.Peers), keys(config.Options), keys(actions),
	}
	got := declared{
		keys(meta.Containers), keys(meta.Resources), keys(meta.Storage), keys(meta.Requires), keys(meta.Provides),
		keys(meta.Peers), keys(archive.Config().Options), keys(archive.Actions().ActionSpecs),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-sources +archive)\n%s", diff)
	}
}

// binaries of each charm; Juju runs dispatch.
func binaries(name string) []string {
	if name == "pulsar-client-dummy" {
		return []string{"client", "dispatch"}
	}
	return []string{"dispatch"}
}

// checkBinaries looks at what is executable in the archive.
func checkBinaries(t *testing.T, file, name string, machine elf.Machine) {
	t.Helper()
	archive, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	var found []string
	for _, entry := range archive.File {
		switch mode := entry.Mode(); mode {
		case 0o755:
			found = append(found, entry.Name)
			if err := checkBinary(entry, machine); err != nil {
				t.Errorf("%s: %v", entry.Name, err)
			}
		case 0o644:
		default:
			t.Errorf("%s has mode %v", entry.Name, mode)
		}
	}
	if diff := cmp.Diff(binaries(name), found); diff != "" {
		t.Errorf("executables (-want +got)\n%s", diff)
	}
}

func checkBinary(entry *zip.File, machine elf.Machine) error {
	reader, err := entry.Open()
	if err != nil {
		return err
	}
	defer reader.Close()
	content, err := io.ReadAll(reader)
	if err != nil {
		return err
	}
	program, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return err
	}
	if program.Machine != machine || program.Type != elf.ET_EXEC {
		return fmt.Errorf("it is %v for %v, want an executable for %v", program.Type, program.Machine, machine)
	}
	for _, segment := range program.Progs {
		if segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC {
			return fmt.Errorf("it is not static: it has a segment %v", segment.Type)
		}
	}
	return nil
}
