// Package conformance holds the lab to a framework that we did not write: it
// packs one charm twice, in Python on ops and in Go on internal/ops, and its
// test drives both through charmlab and compares what they leave.
package conformance

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/pack"
)

//go:embed charm
var shared embed.FS

//go:embed python/charm.py python/dispatch
var script embed.FS

//go:embed python/requirements.txt
var requirements string

// PackGo builds the charm in Go and writes it to file. Root is the top of the
// repository.
func PackGo(ctx context.Context, root, file string) error {
	dir, err := os.MkdirTemp("", "twin")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	dispatch := filepath.Join(dir, "dispatch")
	if err := pack.Build(ctx, root, "./tests/conformance/twin", runtime.GOARCH, dispatch); err != nil {
		return err
	}
	files, err := fs.Sub(shared, "charm")
	if err != nil {
		return err
	}
	return pack.Write(file, pack.Charm{Files: files, Arch: runtime.GOARCH, Binaries: map[string]string{"dispatch": dispatch}})
}

// PackPython installs ops from its registry, once into a cache below root, and
// writes the charm in Python to file: as charmcraft lays it out, with the byte
// code of its libraries.
func PackPython(ctx context.Context, root, file string) error {
	libraries, err := install(ctx, filepath.Join(root, ".cache", "conformance"), requirements)
	if err != nil {
		return fmt.Errorf("cannot install ops for the charm in Python: %w", err)
	}
	dir, err := os.MkdirTemp("", "twin")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	files, err := fs.Sub(shared, "charm")
	if err != nil {
		return err
	}
	stage := filepath.Join(dir, "charm")
	dispatch := filepath.Join(dir, "dispatch")
	if err := errors.Join(
		os.CopyFS(stage, files),
		os.CopyFS(filepath.Join(stage, "venv"), os.DirFS(libraries)),
		extract("python/charm.py", filepath.Join(stage, "src", "charm.py")),
		extract("python/dispatch", dispatch),
	); err != nil {
		return err
	}
	return pack.Write(file, pack.Charm{Files: os.DirFS(stage), Arch: runtime.GOARCH, Binaries: map[string]string{"dispatch": dispatch}})
}

func extract(name, file string) error {
	content, err := script.ReadFile(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o644)
}

// install gives a directory with the libraries of a requirements file.
func install(ctx context.Context, cache, requirements string) (string, error) {
	python, version, err := findPython(ctx)
	if err != nil {
		return "", err
	}
	libraries := filepath.Join(cache, fmt.Sprintf("%x", sha256.Sum256([]byte(version+requirements)))[:16])
	if _, err := os.Stat(libraries); err == nil {
		return libraries, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(cache, ".install")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	list, target := filepath.Join(dir, "requirements.txt"), filepath.Join(dir, "libraries")
	if err := os.WriteFile(list, []byte(requirements), 0o644); err != nil {
		return "", err
	}
	environment := filepath.Join(dir, "environment")
	for _, command := range [][]string{
		{python, "-m", "venv", environment},
		{filepath.Join(environment, "bin", "pip"), "install", "--quiet", "--no-compile", "--disable-pip-version-check", "--target", target, "--requirement", list},
		// The times of an archive's files say nothing of the byte code's age.
		{python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", target},
	} {
		if output, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("cannot run %s (pip has to reach its package registry): %w\n%s",
				strings.Join(command, " "), err, strings.TrimSpace(string(output)))
		}
	}
	if err := os.RemoveAll(filepath.Join(target, "bin")); err != nil {
		return "", err
	}
	// Another process may have been faster.
	if err := os.Rename(target, libraries); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return libraries, nil
}

// findPython looks where the lab's pods see a Python, too: a charm runs on that
// of its container, which is the machine's.
func findPython(ctx context.Context) (python, version string, err error) {
	const lacking = "install python3 (3.10 or later) and python3-venv, on Debian and Ubuntu by apt-get install -y python3 python3-venv"
	var causes []error
	for _, python := range []string{"/usr/bin/python3", "/bin/python3"} {
		output, err := exec.CommandContext(ctx, python, "-c",
			"import sys, venv, ensurepip; assert sys.version_info >= (3, 10), sys.version; print(sys.version)").CombinedOutput()
		if err == nil {
			return python, string(output), nil
		}
		causes = append(causes, fmt.Errorf("%s: %w %s", python, err, strings.TrimSpace(string(output))))
	}
	return "", "", fmt.Errorf("cannot find a Python for charms, %s: %w", lacking, errors.Join(causes...))
}
