package image

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// adopt makes a tree whose pulsar is a link to an existing distribution.
func (a assembler) adopt() (string, error) {
	home, err := filepath.EvalSymlinks(a.Home)
	if err == nil {
		home, err = filepath.Abs(home)
	}
	if err != nil {
		return "", fmt.Errorf("cannot use PULSAR_HOME: %w", err)
	}
	for _, launcher := range []string{"bin/pulsar", "bin/bookkeeper"} {
		if !executable(filepath.Join(home, launcher)) {
			return "", fmt.Errorf("cannot use PULSAR_HOME %s: it is no Pulsar distribution, there is no %s", home, launcher)
		}
	}
	if jars, _ := filepath.Glob(filepath.Join(home, "lib", "*.jar")); len(jars) == 0 {
		return "", fmt.Errorf("cannot use PULSAR_HOME %s: there is no jar in lib; it may be a source tree", home)
	}
	hash := sha256.Sum256([]byte(home))
	tree := filepath.Join(a.Cache, "home-"+hex.EncodeToString(hash[:8]), "tree")
	link := filepath.Join(tree, "pulsar")
	if target, err := os.Readlink(link); err == nil && target == home {
		return tree, nil
	}
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return "", fmt.Errorf("cannot use PULSAR_HOME %s: %w", home, err)
	}
	// Through a rename, because another process may be at the same.
	temporary, err := os.MkdirTemp(filepath.Dir(tree), "link-*")
	if err != nil {
		return "", fmt.Errorf("cannot use PULSAR_HOME %s: %w", home, err)
	}
	defer os.RemoveAll(temporary)
	err = os.Symlink(home, filepath.Join(temporary, "pulsar"))
	if err == nil {
		err = os.Rename(filepath.Join(temporary, "pulsar"), link)
	}
	if err != nil {
		return "", fmt.Errorf("cannot use PULSAR_HOME %s: %w", home, err)
	}
	return tree, nil
}
