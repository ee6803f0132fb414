package pebbletest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os/user"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// files is a tree of directories and regular files by clean absolute path.
// Nobody changes the content of a node.
type files map[string]node

type node struct {
	mode     fs.FileMode
	content  []byte
	owner    owner
	modified time.Time
}

type owner struct{ uid, gid int }

func newFiles() files { return files{"/": {mode: fs.ModeDir | 0o755}} }

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

// Wipe loses the content of a directory, as an empty disk in its place does.
// It also works while the daemon is down.
func (f *Fake) Wipe(dir string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.files {
		if below(name, path.Clean(dir)) {
			delete(f.files, name)
		}
	}
}

func below(name, dir string) bool {
	return strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}

// nameLimit is how long the kernel lets a name be. Pebble makes a file under
// the name with tempSuffix, whose digits vary, and a directory with dirSuffix.
const (
	nameLimit  = 255
	tempSuffix = ".1234567890~"
	dirSuffix  = ".mkdir-new"
)

// stat follows the path as the kernel does.
func (t files) stat(op, name string) (node, error) {
	clean := path.Clean(name)
	if found, ok := t[clean]; ok {
		if !found.mode.IsDir() && strings.HasSuffix(name, "/") {
			return node{}, &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
		}
		return found, nil
	}
	if len(path.Base(clean)) > nameLimit {
		return node{}, &fs.PathError{Op: op, Path: name, Err: syscall.ENAMETOOLONG}
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

// enter says why a process cannot begin in the directory.
func (t files) enter(dir string) error {
	found, err := t.stat("chdir", dir)
	switch failed, ok := errors.AsType[*fs.PathError](err); {
	case ok:
		return failed.Err
	case !found.mode.IsDir():
		return syscall.ENOTDIR
	}
	return nil
}

func (t files) makeDir(name string, made node) error {
	clean := path.Clean(name)
	found, err := t.stat("stat", clean)
	switch {
	case err == nil && found.mode.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: clean, Err: syscall.ENOTDIR}
	}
	if parent := path.Dir(clean); parent != clean {
		if err := t.makeDir(parent, made); err != nil {
			return err
		}
	}
	if len(path.Base(clean)+dirSuffix) > nameLimit {
		return &fs.PathError{Op: "mkdir", Path: clean + dirSuffix, Err: syscall.ENAMETOOLONG}
	}
	t[clean] = made
	return nil
}

func (t files) write(name string, written node) error {
	parent := node{mode: fs.ModeDir | 0o755, owner: written.owner, modified: written.modified}
	dir, base := path.Dir(name), path.Base(name)
	if err := t.makeDir(dir, parent); err != nil {
		return fmt.Errorf("cannot create directory: %w", err)
	}
	temp := path.Join(dir, base+tempSuffix)
	switch {
	case strings.Contains(base, "*"):
		return fmt.Errorf("cannot create tempfile for filename containing '*': %q", base)
	case base == "/":
		return errors.New("createtemp /.*~: pattern contains path separator")
	case len(base+tempSuffix) > nameLimit:
		return &fs.PathError{Op: "open", Path: temp, Err: syscall.ENAMETOOLONG}
	}
	clean := path.Clean(name)
	if found := t[clean]; found.mode.IsDir() {
		return fmt.Errorf("rename %s %s: file exists", temp, name)
	}
	t[clean] = written
	return nil
}

// sendable says what the daemon makes of a file's name, which travels in a
// header.
func sendable(name string) error {
	_, after, broken := strings.Cut(name, "\n")
	switch {
	case !utf8.ValidString(name):
		return badRequest("no metadata for path %q", name)
	case broken:
		return badRequest("cannot read file part 0: malformed MIME header: missing colon: %q", after+`"`)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name)
		return badRequest("cannot read file part 0: malformed MIME header line: %q", `Content-Disposition: form-data; name="files"; filename="`+escaped+`"`)
	}
	return nil
}

// owner is whom the container's /etc/passwd and /etc/group mean, in Pebble's
// words. Users count from 1000, and each has a group of the same number.
func (f *Fake) owner(uid, gid *int, name, group string) (owner, error) {
	found := owner{}
	if uid == nil && name == "" && gid == nil && group == "" {
		return found, nil
	}
	if name != "" {
		id := f.id(name)
		switch {
		case id < 0:
			return found, user.UnknownUserError(name)
		case uid != nil && *uid != id:
			return found, fmt.Errorf("user %q UID (%d) does not match user-id (%d)", name, id, *uid)
		}
		uid = &id
	}
	if group != "" {
		id := f.id(group)
		switch {
		case id < 0:
			return found, user.UnknownGroupError(group)
		case gid != nil && *gid != id:
			return found, fmt.Errorf("group %q GID (%d) does not match group-id (%d)", group, id, *gid)
		}
		gid = &id
	}
	switch {
	case uid == nil:
		return found, errors.New("must specify user, not just group")
	case gid != nil:
	case f.name(*uid) == "":
		return found, user.UnknownUserIdError(*uid)
	default:
		gid = uid
	}
	return owner{*uid, *gid}, nil
}

func (f *Fake) knownUser(uid, gid *int, name, group string) error {
	_, err := f.owner(uid, gid, name, group)
	return err
}

const firstUser = 1000

// id is the number of a user or group; -1 if there is none.
func (f *Fake) id(name string) int {
	if name == "root" {
		return 0
	}
	if index := slices.Index(f.options.Users, name); index >= 0 {
		return firstUser + index
	}
	return -1
}

// name is the name of a user or group; "" if there is none.
func (f *Fake) name(id int) string {
	switch {
	case id == 0:
		return "root"
	case id >= firstUser && id < firstUser+len(f.options.Users):
		return f.options.Users[id-firstUser]
	}
	return ""
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
	if err := f.readOne(ctx, "Pull", name); err != nil {
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

// PullTo implements pebble.FileKeeper.
func (f *Fake) PullTo(ctx context.Context, name string, to io.Writer) error {
	content, err := f.Pull(ctx, name)
	if err != nil {
		return err
	}
	if _, err := to.Write(content); err != nil {
		return fmt.Errorf("cannot write to target: %w", err)
	}
	return nil
}

// Push implements pebble.Pebble.
func (f *Fake) Push(ctx context.Context, file pebble.File) error {
	if err := f.request(ctx, call{verb: "Push", name: file.Path}, true); err != nil {
		return err
	}
	defer f.mu.Unlock()
	return f.push(file)
}

func (f *Fake) push(file pebble.File) error {
	if err := sendable(file.Path); err != nil {
		return err
	}
	if !path.IsAbs(file.Path) {
		return notAbsolute(file.Path)
	}
	owner, err := f.owner(file.UserID, file.GroupID, file.User, file.Group)
	if err != nil {
		return fileError(fmt.Errorf("cannot look up user and group: %w", err))
	}
	mode := file.Mode.Perm()
	if mode == 0 {
		mode = 0o644
	}
	return fileError(f.files.write(file.Path, node{mode, bytes.Clone(file.Content), owner, f.now()}))
}

// PushFrom implements pebble.FileKeeper.
func (f *Fake) PushFrom(ctx context.Context, file pebble.File, from io.Reader) error {
	content, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	file.Content = content
	return f.Push(ctx, file)
}

// ListFiles implements pebble.Pebble.
func (f *Fake) ListFiles(ctx context.Context, name string, itself bool) ([]pebble.FileInfo, error) {
	if err := f.readOne(ctx, "ListFiles", name); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	return f.list(name, "", itself)
}

// FindFiles implements pebble.FileKeeper.
func (f *Fake) FindFiles(ctx context.Context, dir, pattern string) ([]pebble.FileInfo, error) {
	if err := f.read(ctx, "FindFiles", dir, pattern); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	return f.list(dir, pattern, false)
}

func (f *Fake) list(name, pattern string, itself bool) ([]pebble.FileInfo, error) {
	switch {
	case name == "":
		return nil, badRequest("must specify path")
	case !path.IsAbs(name):
		return nil, badRequest("path must be absolute, got %q", name)
	}
	found, err := f.files.stat("stat", name)
	if err != nil {
		return nil, listError(err)
	}
	clean := path.Clean(name)
	names := []string{clean}
	if !itself && found.mode.IsDir() {
		names = names[:0]
		for other := range f.files {
			if other != "/" && path.Dir(other) == clean {
				names = append(names, other)
			}
		}
		slices.Sort(names)
	}
	infos := []pebble.FileInfo{}
	for _, other := range names {
		matches := true
		if pattern != "" {
			if matches, err = path.Match(pattern, path.Base(other)); err != nil {
				return nil, listError(err)
			}
		}
		if matches {
			infos = append(infos, f.fileInfo(other, f.files[other]))
		}
	}
	return infos, nil
}

func listError(err error) error {
	refused := &pebble.APIError{Status: http.StatusBadRequest, Kind: "generic-file-error", Message: err.Error()}
	if errors.Is(err, fs.ErrNotExist) {
		refused.Status, refused.Kind = http.StatusNotFound, "not-found"
	}
	return refused
}

func (f *Fake) fileInfo(name string, n node) pebble.FileInfo {
	return pebble.FileInfo{
		Path:     name,
		Name:     path.Base(name),
		Mode:     n.mode,
		Size:     int64(len(n.content)),
		User:     f.name(n.owner.uid),
		Group:    f.name(n.owner.gid),
		UserID:   n.owner.uid,
		GroupID:  n.owner.gid,
		Modified: n.modified,
	}
}

// MakeDir implements pebble.Pebble.
func (f *Fake) MakeDir(ctx context.Context, name string, mode fs.FileMode) error {
	return f.MakeDirectory(ctx, pebble.Directory{Path: name, Mode: mode, Parents: true})
}

// MakeDirectory implements pebble.FileKeeper.
func (f *Fake) MakeDirectory(ctx context.Context, dir pebble.Directory) error {
	if err := f.write(ctx, "MakeDir", dir.Path); err != nil {
		return err
	}
	defer f.mu.Unlock()
	if !path.IsAbs(dir.Path) {
		return notAbsolute(dir.Path)
	}
	owner, err := f.owner(dir.UserID, dir.GroupID, dir.User, dir.Group)
	if err != nil {
		return fileError(fmt.Errorf("cannot look up user and group: %w", err))
	}
	mode := dir.Mode.Perm()
	if mode == 0 {
		mode = 0o755
	}
	made := node{mode: fs.ModeDir | mode, owner: owner, modified: f.now()}
	if dir.Parents {
		return fileError(f.files.makeDir(dir.Path, made))
	}
	clean := path.Clean(dir.Path)
	if found, err := f.files.stat("mkdir", clean); err == nil {
		failed := &fs.PathError{Op: "mkdir", Path: dir.Path, Err: syscall.EEXIST}
		if !found.mode.IsDir() && strings.HasSuffix(dir.Path, "/") {
			failed.Path, failed.Err = clean, syscall.ENOTDIR
		}
		return fileError(failed)
	}
	// Pebble makes it under another name, and renames it.
	if parent, err := f.files.stat("mkdir", path.Dir(clean)); err != nil || !parent.mode.IsDir() || len(path.Base(clean+dirSuffix)) > nameLimit {
		_, err := f.files.stat("mkdir", clean+dirSuffix)
		return fileError(err)
	}
	f.files[clean] = made
	return nil
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
	if _, err := f.files.stat("unlinkat", clean); err != nil && !errors.Is(err, fs.ErrNotExist) {
		if _, isDirect := f.files[path.Dir(clean)]; !isDirect && errors.Is(err, syscall.ENOTDIR) {
			err = &fs.PathError{Op: "open", Path: path.Dir(clean), Err: syscall.ENOTDIR}
		}
		return fileError(err)
	}
	var busy error
	for other := range f.files {
		if other != clean && !below(other, clean) || other == "/" {
			continue
		}
		if f.mounted(other) {
			busy = fileError(&fs.PathError{Op: "unlinkat", Path: clean, Err: syscall.EBUSY})
			continue
		}
		delete(f.files, other)
	}
	return busy
}

// mounted says whether the path is a mount, or has one below it.
func (f *Fake) mounted(name string) bool {
	return slices.ContainsFunc(f.options.Mounts, func(mount string) bool {
		return name == path.Clean(mount) || below(path.Clean(mount), name)
	})
}

// RemoveOne implements pebble.FileKeeper.
func (f *Fake) RemoveOne(ctx context.Context, name string) error {
	if err := f.write(ctx, "Remove", name); err != nil {
		return err
	}
	defer f.mu.Unlock()
	if !path.IsAbs(name) {
		return notAbsolute(name)
	}
	clean := path.Clean(name)
	_, err := f.files.stat("remove", name)
	if err != nil {
		return fileError(err)
	}
	for other := range f.files {
		if below(other, clean) {
			return fileError(&fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY})
		}
	}
	if f.mounted(clean) {
		return fileError(&fs.PathError{Op: "remove", Path: name, Err: syscall.EBUSY})
	}
	delete(f.files, clean)
	return nil
}
