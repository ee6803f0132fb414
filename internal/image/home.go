package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// adopt makes a tree out of an existing distribution: of hard links where it
// can, or else of copies, because a link to it would lead nowhere in containers.
func (a assembler) adopt(ctx context.Context, p *progress) (string, error) {
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
	tree, err := a.copyHome(ctx, home, p)
	if fullDisk(err) {
		err = fmt.Errorf("the disk with %s is full: free some, or set XDG_CACHE_HOME to another place: %w", a.Cache, err)
	}
	if err != nil {
		return "", fmt.Errorf("cannot use PULSAR_HOME %s: %w", home, err)
	}
	return tree, nil
}

func (a assembler) copyHome(ctx context.Context, home string, p *progress) (string, error) {
	key, err := homeHash(home)
	if err != nil {
		return "", err
	}
	final := filepath.Join(a.Cache, "home-"+key)
	tree := filepath.Join(final, "tree")
	if _, err := os.Stat(tree); err == nil {
		return tree, nil
	}
	if err := os.MkdirAll(a.Cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, filepath.Join(a.Cache, "lock"), func() { p.linef("waiting for another process that makes an image") })
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(tree); err == nil {
		return tree, nil
	}
	p.linef("linking or copying %s", home)
	partial := final + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", err
	}
	target := filepath.Join(partial, "tree", "pulsar")
	if err := os.MkdirAll(target, 0o755); err != nil {
		return "", err
	}
	err = walkHome(home, func(relative string, info fs.FileInfo) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return place(filepath.Join(home, relative), filepath.Join(target, relative), info)
	})
	// What the official image has and a fresh distribution may lack.
	for _, dir := range []string{"conf", "data", "logs"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(target, dir), 0o755))
	}
	if err != nil {
		return "", err
	}
	return tree, os.Rename(partial, final)
}

// walkHome visits what belongs to a distribution, parents first: not what was
// logged and stored when it ran where it is.
func walkHome(home string, visit func(relative string, info fs.FileInfo) error) error {
	return filepath.WalkDir(home, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == home {
			return err
		}
		relative, err := filepath.Rel(home, path)
		if err != nil {
			return err
		}
		if relative == "data" || relative == "logs" {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return visit(relative, info)
	})
}

// homeHash changes when a file of the distribution does.
func homeHash(home string) (string, error) {
	hash := sha256.New()
	_, _ = fmt.Fprintf(hash, "%s\n", home)
	err := walkHome(home, func(relative string, info fs.FileInfo) error {
		if info.IsDir() {
			return nil
		}
		_, err := fmt.Fprintf(hash, "%s %v %d %d\n", relative, info.Mode(), info.Size(), info.ModTime().UnixNano())
		return err
	})
	return hex.EncodeToString(hash.Sum(nil))[:16], err
}

// place makes target what source is: jars are linked, the rest is copied, since an
// editor may write to the original in place.
func place(source, target string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return os.MkdirAll(target, info.Mode().Perm()|0o700)
	case info.Mode()&fs.ModeSymlink != 0:
		to, err := os.Readlink(source)
		if err != nil {
			return err
		}
		return os.Symlink(to, target)
	case !info.Mode().IsRegular():
		return nil
	}
	if filepath.Ext(source) == ".jar" && os.Link(source, target) == nil {
		return nil
	}
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
