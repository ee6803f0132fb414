package image

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// sources are everything that an image is made of besides the jars.
//
//go:embed pom.xml *.sh tree
var sources embed.FS

// sourcesHash is a short hash of the sources and the Java that will run them:
// class archives are good for one JVM only.
func sourcesHash(java Java) (string, error) {
	hash := sha256.New()
	_, _ = fmt.Fprintf(hash, "%s %s\n", java.Home, java.Version)
	err := fs.WalkDir(sources, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := sources.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		_, _ = fmt.Fprintf(hash, "%s\n", name)
		_, err = io.Copy(hash, file)
		return err
	})
	return hex.EncodeToString(hash.Sum(nil))[:16], err
}

// writeTree writes launchers and default configuration into a tree.
func writeTree(dir string) error {
	for _, empty := range []string{"cds", "data", "lib", "logs"} {
		if err := os.MkdirAll(filepath.Join(dir, "pulsar", empty), 0o755); err != nil {
			return err
		}
	}
	return fs.WalkDir(sources, "tree", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel("tree", name)
		if err != nil {
			return err
		}
		content, err := sources.ReadFile(name)
		if err != nil {
			return err
		}
		target := filepath.Join(dir, relative)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if path.Base(path.Dir(name)) == "bin" && path.Ext(name) == "" {
			mode = 0o755
		}
		return os.WriteFile(target, content, mode)
	})
}

// writeScript writes one of the embedded scripts into a directory.
func writeScript(dir, name string) (string, error) {
	content, err := sources.ReadFile(name)
	if err != nil {
		return "", err
	}
	target := filepath.Join(dir, name)
	return target, os.WriteFile(target, content, 0o755)
}
