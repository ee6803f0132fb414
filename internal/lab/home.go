package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// JujuVersion is the release whose rules the lab follows and which it tells
// to charms.
const JujuVersion = "3.6.8"

// DefaultModel is the model that the first verb makes if there is none.
const DefaultModel = "lab"

// Cloud is what status shows as cloud and region.
const Cloud = "charmlab/localhost"

// maxHome keeps the paths of sockets inside the state directory below the
// 108 bytes of a unix address.
const maxHome = 60

// Home is the state directory: $CHARMLAB_HOME, or charmlab under
// $XDG_STATE_HOME or ~/.local/state. It need not exist.
func Home(getenv func(string) string) (string, error) {
	home := getenv("CHARMLAB_HOME")
	if home == "" {
		state := getenv("XDG_STATE_HOME")
		if state == "" {
			user := getenv("HOME")
			if user == "" {
				return "", errors.New("cannot find a state directory: set CHARMLAB_HOME, or HOME")
			}
			state = filepath.Join(user, ".local", "state")
		}
		home = filepath.Join(state, "charmlab")
	}
	home, err := filepath.Abs(home)
	if err != nil {
		return "", fmt.Errorf("cannot find the state directory: %w", err)
	}
	if len(home) > maxHome {
		return "", fmt.Errorf("state directory %s is too long for unix sockets: set CHARMLAB_HOME to a path of at most %d bytes", home, maxHome)
	}
	return home, nil
}

// Socket is where the daemon of the lab in home listens.
func Socket(home string) string { return filepath.Join(home, "charmlab.sock") }

// Remove deletes what a lab that has ended kept in home, and home itself if
// nothing else is in it: somebody may have chosen a directory with more.
func Remove(home string) error {
	var errs []error
	for _, pattern := range []string{
		"charmlab.sock", "model.json", ".model.json-*", "debug.log", "hosts", "charms", "p", "storage",
		"machine.*", ".probe-*",
	} {
		// The only error of Glob is a bad pattern.
		names, _ := filepath.Glob(filepath.Join(home, pattern))
		for _, name := range names {
			errs = append(errs, removeTree(name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if entries, err := os.ReadDir(home); err != nil || len(entries) > 0 {
		return nil
	}
	return os.Remove(home)
}

// removeTree removes a tree in which overlays have left directories that
// their owner may not read.
func removeTree(tree string) error {
	err := os.RemoveAll(tree)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	// What cannot be opened up shows when it cannot be removed.
	_ = filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(tree)
}

// writeAtomically replaces a file as a whole, so that a reader and a restart
// see the old content or the new one. It does not wait for the disk: what
// would need that, the machine's own crash, ends all pods, too.
func writeAtomically(file string, content []byte) error {
	partial, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-")
	if err != nil {
		return err
	}
	_, err = partial.Write(content)
	if closed := partial.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(partial.Name(), file)
	}
	if err != nil {
		os.Remove(partial.Name())
	}
	return err
}
