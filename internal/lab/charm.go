package lab

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// unpackCharm puts the content of a charm, archive or directory, under dir,
// which must not exist; an interrupted call leaves nothing there.
func unpackCharm(charm, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	partial, err := os.MkdirTemp(filepath.Dir(dir), ".unpack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(partial)
	if err := os.Chmod(partial, 0o755); err != nil {
		return err
	}
	info, err := os.Stat(charm)
	switch {
	case err != nil:
	case info.IsDir():
		err = copyTree(charm, partial)
	default:
		err = unzip(charm, partial)
	}
	if err == nil {
		_, err = os.Stat(filepath.Join(partial, "metadata.yaml"))
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("there is no metadata.yaml in it")
		}
	}
	if err != nil {
		return fmt.Errorf("cannot read charm %s: %w", charm, err)
	}
	return os.Rename(partial, dir)
}

func unzip(archive, dir string) error {
	r, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer r.Close()
	for _, entry := range r.File {
		if !filepath.IsLocal(strings.TrimSuffix(entry.Name, "/")) {
			return fmt.Errorf("entry %q leads out of the charm", entry.Name)
		}
		if err := extract(entry, filepath.Join(dir, entry.Name)); err != nil {
			return fmt.Errorf("entry %q: %w", entry.Name, err)
		}
	}
	return nil
}

func extract(entry *zip.File, target string) error {
	mode := entry.Mode()
	if mode.IsDir() {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	content, err := entry.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	if mode&fs.ModeSymlink != 0 {
		link, err := io.ReadAll(io.LimitReader(content, 4096))
		if err != nil {
			return err
		}
		return symlink(string(link), entry.Name, target)
	}
	return writeFrom(content, target, mode.Perm())
}

// symlink makes a link that stays inside the charm, as Juju demands.
func symlink(link, name, target string) error {
	if filepath.IsAbs(link) {
		return fmt.Errorf("symlink %q is absolute", link)
	}
	if !filepath.IsLocal(filepath.Join(filepath.Dir(name), link)) {
		return fmt.Errorf("symlink %q leads out of the charm", link)
	}
	return os.Symlink(link, target)
}

func writeFrom(r io.Reader, target string, mode fs.FileMode) error {
	f, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode|0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// copyTree copies files, directories and symlinks; others, such as sockets,
// are not part of a charm.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case info.Mode()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case info.Mode().IsRegular():
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			return writeFrom(f, target, info.Mode().Perm())
		}
		return nil
	})
}

// charmFiles reads the files of an unpacked charm that describe it.
func charmFiles(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range []string{"metadata.yaml", "config.yaml", "actions.yaml", "manifest.yaml", "revision", "version"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name] = content
	}
	return files, nil
}
