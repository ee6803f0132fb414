package charmlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Pebble is built from its module, as the one that Juju 3.6 ships would be
// for another release.
const (
	pebblePackage = "github.com/canonical/pebble/cmd/pebble"
	pebbleVersion = "v1.32.1"
)

// pebbleProgram finds the Pebble that containers run: the one that
// $CHARMLAB_PEBBLE names, the one beside charmlab, or one that was built
// before or is built now.
func pebbleProgram(ctx context.Context, getenv func(string) string, progress io.Writer) (string, error) {
	if program := getenv("CHARMLAB_PEBBLE"); program != "" {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("cannot use CHARMLAB_PEBBLE: %w", err)
		}
		return filepath.Abs(program)
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot find charmlab's own program: %w", err)
	}
	here := filepath.Dir(self)
	if program := filepath.Join(here, "pebble"); isProgram(program) {
		return program, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cannot keep a Pebble: %w (CHARMLAB_PEBBLE names one that is there)", err)
	}
	kept := filepath.Join(cache, "charmlab", "pebble-"+pebbleVersion)
	if isProgram(kept) {
		return kept, nil
	}
	fmt.Fprintf(progress, "Building Pebble %s, once\n", pebbleVersion)
	if err := buildPebble(ctx, here, kept); err != nil {
		return "", fmt.Errorf("cannot build Pebble: %w", err)
	}
	return kept, nil
}

func isProgram(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// buildPebble builds Pebble with the versions of the module that charmlab
// lies in, or that the caller stands in, or else with Pebble's own. A second
// charmlab may do so at the same time: the program appears as a whole.
func buildPebble(ctx context.Context, here, program string) error {
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("there is no Go: install it, or let CHARMLAB_PEBBLE name a Pebble")
	}
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(program), ".pebble-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	run := func(directory string, args ...string) error {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = directory
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOBIN="+dir)
		output, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(output)))
		}
		return nil
	}
	built := filepath.Join(dir, "pebble")
	for _, directory := range []string{here, "."} {
		if err = run(directory, "build", "-trimpath", "-o", built, pebblePackage); err == nil {
			return os.Rename(built, program)
		}
	}
	if err := run(here, "install", pebblePackage+"@"+pebbleVersion); err != nil {
		return fmt.Errorf("%w (from within charmlab's repository it needs no network; CHARMLAB_PEBBLE may name one that is there)", err)
	}
	return os.Rename(built, program)
}
