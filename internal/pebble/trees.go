package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Exists says whether there is anything at the path; links are followed.
func Exists(ctx context.Context, p Pebble, path string) (bool, error) {
	_, err := p.ListFiles(ctx, path, true)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// IsDir says whether there is a directory at the path; links are followed.
func IsDir(ctx context.Context, p Pebble, path string) (bool, error) {
	infos, err := p.ListFiles(ctx, path, true)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && len(infos) == 1 && infos[0].Mode.IsDir(), err
}

// Tree is what a directory of the container shall hold.
type Tree struct {
	// Path is the directory in the container.
	Path string
	// Files are its files and directories. Links and other special files are
	// refused.
	Files fs.FS
	// Mode gives the permission bits of a file by its path in Files and its
	// entry there; nil: those of Files, and 0644 where they are 0.
	Mode func(name string, info fs.FileInfo) fs.FileMode
	// User and Group own all; empty for the daemon's own.
	User, Group string
	// Prune removes what the directory has and Files has not.
	Prune bool
}

// TreeChange is what PushTree did; the zero value: nothing, no write was sent.
// All paths are absolute, sorted.
type TreeChange struct {
	Pushed []string // files whose content, mode or owner differed
	Made   []string // directories, empty or not
	// Removed are what Prune removed, of a directory only itself, and what a
	// daemon left that died while it wrote one of the files.
	Removed []string
}

// Nothing says whether PushTree found everything as it should be.
func (c TreeChange) Nothing() bool { return len(c.Pushed)+len(c.Made)+len(c.Removed) == 0 }

// PushTree makes a directory of the container what t says, and says what it
// did, also when it fails. It lists each directory, and reads only files of the
// right size; each file is written atomically. Interrupted, the next PushTree
// finishes. Other than Apply it remembers nothing: it reads all that is not
// known to differ, and an owner that is not named may be anybody.
func PushTree(ctx context.Context, p Pebble, t Tree) (TreeChange, error) {
	w := treePush{p: p, t: t}
	err := fs.WalkDir(t.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("cannot read %s of the tree: %w", name, err)
		}
		return w.visit(ctx, name, entry)
	})
	return w.change, err
}

type treePush struct {
	p      Pebble
	t      Tree
	have   map[string]FileInfo // by path, of the directories seen so far
	change TreeChange
}

func (w *treePush) visit(ctx context.Context, name string, entry fs.DirEntry) error {
	target := path.Join(w.t.Path, name)
	info, err := entry.Info()
	switch {
	case err != nil:
		return fmt.Errorf("cannot read %s of the tree: %w", name, err)
	case info.IsDir():
		return w.directory(ctx, name, target)
	case !info.Mode().IsRegular():
		return fmt.Errorf("cannot push %s of the tree: it is no regular file", name)
	}
	content, err := fs.ReadFile(w.t.Files, name)
	if err != nil {
		return fmt.Errorf("cannot read %s of the tree: %w", name, err)
	}
	mode := info.Mode().Perm()
	if w.t.Mode != nil {
		mode = w.t.Mode(name, info).Perm()
	}
	if mode == 0 {
		mode = defaultMode
	}
	have, there := w.have[target]
	if there && have.Mode == mode && have.Size == int64(len(content)) && w.owned(have) {
		old, err := w.p.Pull(ctx, target)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot read %s: %w", target, err)
		}
		if err == nil && bytes.Equal(old, content) {
			return nil
		}
	}
	if there && have.Mode.IsDir() {
		if err := w.remove(ctx, target); err != nil {
			return err
		}
	}
	if err := w.p.Push(ctx, File{Path: target, Content: content, Mode: mode, User: w.t.User, Group: w.t.Group}); err != nil {
		return fmt.Errorf("cannot push %s: %w", target, err)
	}
	w.change.Pushed = append(w.change.Pushed, target)
	return nil
}

func (w *treePush) owned(have FileInfo) bool {
	return (w.t.User == "" || w.t.User == have.User) && (w.t.Group == "" || w.t.Group == have.Group)
}

// directory makes a directory, and looks what it has.
func (w *treePush) directory(ctx context.Context, name, target string) error {
	have, there := w.have[target]
	if there && !have.Mode.IsDir() {
		if err := w.remove(ctx, target); err != nil {
			return err
		}
		there = false
	}
	if there || name == "." {
		infos, err := w.p.ListFiles(ctx, target, false)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			there = false
		case err != nil:
			return fmt.Errorf("cannot list %s: %w", target, err)
		default:
			return w.listed(ctx, name, infos)
		}
	}
	if err := w.makeDirectory(ctx, target); err != nil {
		return fmt.Errorf("cannot make %s: %w", target, err)
	}
	w.change.Made = append(w.change.Made, target)
	return nil
}

func (w *treePush) makeDirectory(ctx context.Context, target string) error {
	if w.t.User == "" && w.t.Group == "" {
		return w.p.MakeDir(ctx, target, 0)
	}
	keeper, err := As[FileKeeper](w.p)
	if err != nil {
		return err
	}
	return keeper.MakeDirectory(ctx, Directory{Path: target, Parents: true, User: w.t.User, Group: w.t.Group})
}

// listed notes what a directory has, and removes what it shall not have.
func (w *treePush) listed(ctx context.Context, name string, infos []FileInfo) error {
	for _, info := range infos {
		set(&w.have, info.Path, info)
		unwanted, err := w.unwanted(path.Join(name, info.Name))
		if err != nil {
			return err
		}
		if !unwanted {
			continue
		}
		if err := w.remove(ctx, info.Path); err != nil {
			return err
		}
	}
	return nil
}

// unwanted says whether what the directory has is to be removed.
func (w *treePush) unwanted(name string) (bool, error) {
	_, err := fs.Stat(w.t.Files, name)
	switch {
	case err == nil:
		return false, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("cannot read %s of the tree: %w", name, err)
	case w.t.Prune:
		return true, nil
	}
	wanted := leftoverOf(name)
	if wanted == "" {
		return false, nil
	}
	_, err = fs.Stat(w.t.Files, wanted)
	return err == nil, nil
}

// leftoverOf is the name of the file that a daemon was writing when it died and
// left the name; "" for other names. Pebble writes "x" as "x.", a random number
// and "~", and then renames it.
func leftoverOf(name string) string {
	text, ok := strings.CutSuffix(name, "~")
	of := strings.TrimRight(text, "0123456789")
	if !ok || of == text || len(of) < 2 || !strings.HasSuffix(of, ".") {
		return ""
	}
	return strings.TrimSuffix(of, ".")
}

func (w *treePush) remove(ctx context.Context, target string) error {
	if err := w.p.Remove(ctx, target); err != nil {
		return fmt.Errorf("cannot remove %s: %w", target, err)
	}
	delete(w.have, target)
	w.change.Removed = append(w.change.Removed, target)
	slices.Sort(w.change.Removed)
	return nil
}

// PullTree reads all regular files of a directory of the container, by path
// relative to it. Links and other special files are left out. It is an error
// if the files together have more than limit bytes; a file that goes away
// meanwhile is left out too.
func PullTree(ctx context.Context, p Pebble, dir string, limit int64) (map[string]File, error) {
	files := make(map[string]File)
	var total int64
	for pending := []string{path.Clean(dir)}; len(pending) > 0; pending = pending[1:] {
		infos, err := p.ListFiles(ctx, pending[0], false)
		if errors.Is(err, fs.ErrNotExist) && pending[0] != path.Clean(dir) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot list %s: %w", pending[0], err)
		}
		if len(infos) == 1 && infos[0].Path == pending[0] {
			return nil, fmt.Errorf("cannot list %s: it is no directory", pending[0])
		}
		for _, info := range infos {
			if info.Mode.IsDir() {
				pending = append(pending, info.Path)
				continue
			}
			if !info.Mode.IsRegular() {
				continue
			}
			if total += info.Size; total > limit {
				return nil, fmt.Errorf("cannot pull %s: it has more than %d bytes", dir, limit)
			}
			content, err := p.Pull(ctx, info.Path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("cannot pull %s: %w", info.Path, err)
			}
			name := strings.TrimPrefix(strings.TrimPrefix(info.Path, path.Clean(dir)), "/")
			files[name] = File{Path: info.Path, Content: content, Mode: info.Mode.Perm(), User: info.User, Group: info.Group}
		}
	}
	return files, nil
}

// PullDirectory is PullTree into a directory of this machine, which it makes.
// Each file is written atomically, with its mode, and only if it differs; what
// else the directory has stays. It returns the paths that it wrote, relative
// and sorted.
func PullDirectory(ctx context.Context, p Pebble, dir, to string, limit int64) ([]string, error) {
	files, err := PullTree(ctx, p, dir, limit)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return nil, err
	}
	// Names came from the container: nothing may be written outside.
	root, err := os.OpenRoot(to)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var written []string
	for _, name := range sortedNames(files) {
		local := filepath.FromSlash(name)
		differs, err := writeLocal(root, local, files[name])
		if err != nil {
			return written, fmt.Errorf("cannot write %s: %w", filepath.Join(to, local), err)
		}
		if differs {
			written = append(written, name)
		}
	}
	return written, nil
}

func writeLocal(root *os.Root, name string, file File) (bool, error) {
	info, err := root.Lstat(name)
	if err == nil && info.Mode() == file.Mode {
		if old, err := root.ReadFile(name); err == nil && bytes.Equal(old, file.Content) {
			return false, nil
		}
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return false, err
	}
	temporary := name + ".partial"
	if err := root.WriteFile(temporary, file.Content, 0o600); err != nil {
		return false, err
	}
	if err := root.Chmod(temporary, file.Mode); err != nil {
		return false, err
	}
	return true, root.Rename(temporary, name)
}
