// Package pack writes .charm archives: the zip that juju deploy takes, with
// the charm's binary as dispatch. The same input gives the same bytes.
package pack

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"time"
)

// Charm is what goes into an archive.
type Charm struct {
	// Files are the charm's YAML files and others that go in as they are.
	Files fs.FS
	// Arch is the Go and Debian name of the architecture: amd64 or arm64.
	Arch string
	// Version is free text for the file "version"; empty for none.
	Version string
	// Binaries are the executables by their name in the archive, as paths.
	// "dispatch" must be among them: Juju runs it for every hook and does not
	// look whether it is there.
	Binaries map[string]string
}

// Base is the Ubuntu release of the charm container's image.
const base = "22.04"

// manifest lists the base; Juju refuses a charm with containers but none.
func manifest(arch string) string {
	return "bases:\n- name: ubuntu\n  channel: " + base + "/stable\n  architectures:\n  - " + arch + "\n"
}

// epoch is the time of every entry: the oldest that a zip can hold.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

type entry struct {
	name string
	mode fs.FileMode
	open func() (io.ReadCloser, error)
}

func text(s string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte(s))), nil }
}

// Write writes the archive to a file, through a temporary one beside it.
func Write(file string, charm Charm) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), ".pack-*")
	if err != nil {
		return fmt.Errorf("cannot pack %s: %w", file, err)
	}
	defer os.Remove(temporary.Name())
	err = write(temporary, charm)
	if closeErr := temporary.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Chmod(temporary.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("cannot pack %s: %w", file, err)
	}
	return nil
}

func write(w io.Writer, charm Charm) error {
	if charm.Binaries["dispatch"] == "" {
		return fmt.Errorf("no binary named dispatch")
	}
	entries := []entry{{"manifest.yaml", 0o644, text(manifest(charm.Arch))}}
	if charm.Version != "" {
		entries = append(entries, entry{"version", 0o644, text(charm.Version + "\n")})
	}
	err := fs.WalkDir(charm.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			entries = append(entries, entry{name, 0o644, func() (io.ReadCloser, error) { return charm.Files.Open(name) }})
		}
		return err
	})
	if err != nil {
		return err
	}
	for name, source := range charm.Binaries {
		entries = append(entries, entry{path.Clean(name), 0o755, func() (io.ReadCloser, error) { return os.Open(source) }})
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	for _, e := range entries {
		if err := add(z, e); err != nil {
			return fmt.Errorf("cannot add %s: %w", e.name, err)
		}
	}
	return z.Close()
}

func add(z *zip.Writer, e entry) error {
	header := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: epoch}
	header.SetMode(e.mode)
	w, err := z.CreateHeader(header)
	if err != nil {
		return err
	}
	r, err := e.open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}

// Build compiles a main package statically and reproducibly for Linux.
func Build(ctx context.Context, dir, pkg, arch, output string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", output, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build %s for %s: %w\n%s", pkg, arch, err, bytes.TrimSpace(out))
	}
	return nil
}
