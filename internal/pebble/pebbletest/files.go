package pebbletest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os/user"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// files is a tree of directories and regular files by clean absolute path.
type files map[string]node

type node struct {
	mode        fs.FileMode
	content     []byte
	user, group string
}

func newFiles() files { return files{"/": {mode: fs.ModeDir | 0o755, user: "root", group: "root"}} }

// keep drops all that is not at or below one of the mounts.
func (t files) keep(mounts []string) {
	for name := range t {
		kept := name == "/"
		for _, mount := range mounts {
			mount = path.Clean(mount)
			kept = kept || name == mount || below(name, mount) || below(mount, name)
		}
		if !kept {
			delete(t, name)
		}
	}
}

func below(name, dir string) bool {
	return strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}

// stat follows the path as the kernel does.
func (t files) stat(op, name string) (node, error) {
	clean := path.Clean(name)
	if found, ok := t[clean]; ok {
		return found, nil
	}
	for dir := path.Dir(clean); ; dir = path.Dir(dir) {
		if parent, ok := t[dir]; ok {
			if !parent.mode.IsDir() {
				return node{}, &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
			}
			return node{}, &fs.PathError{Op: op, Path: name, Err: syscall.ENOENT}
		}
	}
}

func (t files) makeDir(name string, mode fs.FileMode, user, group string) error {
	clean := path.Clean(name)
	found, err := t.stat("stat", clean)
	switch {
	case err == nil && found.mode.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: clean, Err: syscall.ENOTDIR}
	}
	if parent := path.Dir(clean); parent != clean {
		if err := t.makeDir(parent, mode, user, group); err != nil {
			return err
		}
	}
	t[clean] = node{mode: fs.ModeDir | mode.Perm(), user: user, group: group}
	return nil
}

func (t files) write(file pebble.File) error {
	clean := path.Clean(file.Path)
	owner, group := owners(file.User, file.Group)
	if err := t.makeDir(path.Dir(clean), 0o755, owner, group); err != nil {
		return fmt.Errorf("cannot create directory: %w", err)
	}
	if found, ok := t[clean]; ok && found.mode.IsDir() {
		return fmt.Errorf("rename %s.xxxxxxxxxxxx~ %s: file exists", clean, clean)
	}
	mode := file.Mode.Perm()
	if mode == 0 {
		mode = 0o644
	}
	t[clean] = node{mode: mode, content: bytes.Clone(file.Content), user: owner, group: group}
	return nil
}

func owners(user, group string) (string, string) {
	switch {
	case user == "":
		return "root", "root"
	case group == "":
		return user, user
	}
	return user, group
}

// knownUser refuses what the container's /etc/passwd does not have.
func (f *Fake) knownUser(name, group string) error {
	switch {
	case name != "" && name != "root" && !slices.Contains(f.options.Users, name):
		return user.UnknownUserError(name)
	case group != "" && group != "root" && !slices.Contains(f.options.Users, group):
		return user.UnknownGroupError(group)
	case name == "" && group != "":
		return errors.New("must specify user, not just group")
	}
	return nil
}

// fileError is an error that a file request carries in its result.
func fileError(err error) error {
	if err == nil {
		return nil
	}
	kind := "generic-file-error"
	switch {
	case errors.Is(err, fs.ErrPermission):
		kind = "permission-denied"
	case errors.Is(err, fs.ErrNotExist):
		kind = "not-found"
	}
	return &pebble.APIError{Kind: kind, Message: err.Error()}
}

func notAbsolute(name string) error {
	return fileError(fmt.Errorf("paths must be absolute, got %q", name))
}

// Pull implements pebble.Pebble.
func (f *Fake) Pull(ctx context.Context, name string) ([]byte, error) {
	if err := f.read(ctx, "Pull", name); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	if !path.IsAbs(name) {
		return nil, notAbsolute(name)
	}
	found, err := f.files.stat("stat", name)
	if err != nil {
		return nil, fileError(err)
	}
	if !found.mode.IsRegular() {
		return nil, fileError(fmt.Errorf("can only read a regular file: %q", name))
	}
	return bytes.Clone(found.content), nil
}

// Push implements pebble.Pebble.
func (f *Fake) Push(ctx context.Context, file pebble.File) error {
	if err := f.write(ctx, "Push", file.Path); err != nil {
		return err
	}
	defer f.mu.Unlock()
	if !path.IsAbs(file.Path) {
		return notAbsolute(file.Path)
	}
	if err := f.knownUser(file.User, file.Group); err != nil {
		return fileError(fmt.Errorf("cannot look up user and group: %w", err))
	}
	return fileError(f.files.write(file))
}

// ListFiles implements pebble.Pebble.
func (f *Fake) ListFiles(ctx context.Context, name string, itself bool) ([]pebble.FileInfo, error) {
	if err := f.read(ctx, "ListFiles", name); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	switch {
	case name == "":
		return nil, badRequest("must specify path")
	case !path.IsAbs(name):
		return nil, badRequest("path must be absolute, got %q", name)
	}
	found, err := f.files.stat("stat", name)
	if err != nil {
		refused := &pebble.APIError{Status: http.StatusBadRequest, Kind: "generic-file-error", Message: err.Error()}
		if errors.Is(err, fs.ErrNotExist) {
			refused.Status, refused.Kind = http.StatusNotFound, "not-found"
		}
		return nil, refused
	}
	clean := path.Clean(name)
	if itself || !found.mode.IsDir() {
		return []pebble.FileInfo{fileInfo(clean, found)}, nil
	}
	infos := []pebble.FileInfo{}
	for _, other := range sortedKeys(f.files) {
		if other != "/" && path.Dir(other) == clean {
			infos = append(infos, fileInfo(other, f.files[other]))
		}
	}
	return infos, nil
}

func fileInfo(name string, n node) pebble.FileInfo {
	return pebble.FileInfo{
		Path:  name,
		Name:  path.Base(name),
		Mode:  n.mode,
		Size:  int64(len(n.content)),
		User:  n.user,
		Group: n.group,
	}
}

// MakeDir implements pebble.Pebble.
func (f *Fake) MakeDir(ctx context.Context, name string, mode fs.FileMode) error {
	if err := f.write(ctx, "MakeDir", name); err != nil {
		return err
	}
	defer f.mu.Unlock()
	if !path.IsAbs(name) {
		return notAbsolute(name)
	}
	if mode.Perm() == 0 {
		mode = 0o755
	}
	return fileError(f.files.makeDir(name, mode, "root", "root"))
}

// Remove implements pebble.Pebble.
func (f *Fake) Remove(ctx context.Context, name string) error {
	if err := f.write(ctx, "Remove", name); err != nil {
		return err
	}
	defer f.mu.Unlock()
	if !path.IsAbs(name) {
		return notAbsolute(name)
	}
	clean := path.Clean(name)
	var busy error
	for other := range f.files {
		if other != clean && !below(other, clean) || other == "/" {
			continue
		}
		mounted := func(mount string) bool { return other == path.Clean(mount) || below(path.Clean(mount), other) }
		if slices.ContainsFunc(f.options.Mounts, mounted) {
			busy = fileError(&fs.PathError{Op: "unlinkat", Path: clean, Err: syscall.EBUSY})
			continue
		}
		delete(f.files, other)
	}
	return busy
}
