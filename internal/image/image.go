package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Options say where the image is kept and what it is made of.
type Options struct {
	// Cache is the directory that keeps what was assembled; empty means
	// charmlab/images below the user's cache directory.
	Cache string
	// Home is an existing Pulsar distribution (PULSAR_HOME) to use instead of
	// Maven's artifacts; empty for none.
	Home string
	// Progress receives lines for a person to read; nil for none.
	Progress io.Writer
}

// room is what an image takes on disk, class archives included, in bytes.
const room = 600 << 20

// Assemble returns the directory of the image's tree and makes it first if it
// is not there, which takes minutes and the network once; afterwards it takes
// milliseconds. Two processes may call it at once. The tree belongs to the
// cache: mount it, never write to it. Its one entry is the directory pulsar.
//
// Errors say what is missing (Java, Maven, network, disk) and what to do. An
// image without class archives is an image; Progress tells of it.
func Assemble(ctx context.Context, options Options) (dir string, err error) {
	return assembler{Options: options, system: currentSystem(), room: room, archives: makeArchives}.assemble(ctx)
}

type assembler struct {
	Options
	system   system
	room     uint64
	archives func(ctx context.Context, tree, scratch string, p *progress) error
}

// record is what was assembled, beside the tree: written last, so that an image
// without one is not finished.
type record struct {
	// Sizes of the tree's files by path, in bytes.
	Sizes map[string]int64 `json:"sizes"`
	// Archives tells whether the class archives could be made.
	Archives bool `json:"archives"`
}

const recordName = "record.json"

func (a assembler) assemble(ctx context.Context) (string, error) {
	p := &progress{writer: a.Progress}
	java, err := a.system.java(ctx)
	if err != nil {
		return "", err
	}
	if a.Cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("cannot find a place for the image: %w", err)
		}
		a.Cache = filepath.Join(user, "charmlab", "images")
	}
	if a.Cache, err = filepath.Abs(a.Cache); err != nil {
		return "", err
	}
	if a.Home != "" {
		return a.adopt(ctx, p)
	}
	key, err := sourcesHash(java)
	if err != nil {
		return "", err
	}
	final := filepath.Join(a.Cache, key)
	tree := filepath.Join(final, "tree")
	if r, err := whole(final); err == nil {
		if !r.Archives {
			p.linef("this image has no class archives; delete %s to try again to make them", final)
		}
		return tree, nil
	}
	if err := os.MkdirAll(a.Cache, 0o755); err != nil {
		return "", fmt.Errorf("cannot make the image's directory: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(a.Cache, "lock"), func() { p.linef("waiting for another process that makes the image") })
	if err != nil {
		return "", err
	}
	defer unlock()
	_, err = whole(final)
	if err == nil {
		return tree, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		p.linef("%v; making it again", err)
	}
	if err := a.make(ctx, final, p); err != nil {
		if fullDisk(err) {
			err = fmt.Errorf("the disk with %s is full: the image needs %d MB; free some, or set XDG_CACHE_HOME to another place: %w", a.Cache, a.room>>20, err)
		}
		return "", fmt.Errorf("cannot assemble the image: %w", err)
	}
	p.linef("ready in %s", tree)
	return tree, nil
}

// make makes an image beside its final place and renames it into that.
func (a assembler) make(ctx context.Context, final string, p *progress) error {
	m, err := newMaven(a.system, p)
	if err != nil {
		return err
	}
	// What an interrupted run left is a name that nobody uses.
	partial := final + ".partial"
	for _, old := range []string{partial, final} {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(a.Cache, &disk); err != nil {
		return fmt.Errorf("cannot see how full the disk with %s is: %w", a.Cache, err)
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < a.room {
		return fmt.Errorf("%d MB are free: %w", free>>20, syscall.ENOSPC)
	}
	tree, scratch := filepath.Join(partial, "tree"), filepath.Join(partial, "scratch")
	if err := errors.Join(os.MkdirAll(tree, 0o755), os.MkdirAll(scratch, 0o755)); err != nil {
		return err
	}
	if err := writeTree(tree); err != nil {
		return err
	}
	p.linef("resolving Pulsar 4.0.8 with Maven, once (about 245 MB, if they are not in its local repository)")
	if err := a.fetch(ctx, m, scratch, filepath.Join(tree, "pulsar", "lib"), p); err != nil {
		return err
	}
	archived := true
	p.linef("making class archives, once (about a minute)")
	if err := a.archives(ctx, tree, scratch, p); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if fullDisk(err) {
			return err
		}
		archived = false
		p.linef("warning: no class archives, daemons will start slower: %v", err)
		if err := removeContent(filepath.Join(tree, "pulsar", "cds")); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(scratch); err != nil {
		return err
	}
	if err := writeRecord(partial, archived); err != nil {
		return err
	}
	return os.Rename(partial, final)
}

// fetch copies the POM's jars into lib; what is broken in Maven's local
// repository is deleted there and fetched again.
func (a assembler) fetch(ctx context.Context, m maven, scratch, lib string, p *progress) error {
	const attempts = 3
	for attempt := 1; ; attempt++ {
		jars, err := m.jars(ctx, scratch)
		if err != nil {
			return err
		}
		p.linef("copying and checking %d jars", len(jars))
		err = copyJars(ctx, jars, lib)
		if err == nil {
			return nil
		}
		broken := brokenJars(err)
		if len(broken) == 0 || attempt == attempts {
			return err
		}
		for _, jar := range broken {
			p.linef("%v; fetching it again", jar)
			for _, file := range []string{jar.path, jar.path + ".sha1"} {
				if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("cannot delete a broken jar: %w", err)
				}
			}
		}
		if err := removeContent(lib); err != nil {
			return err
		}
	}
}

func brokenJars(err error) []*brokenJarError {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var broken []*brokenJarError
	for _, e := range joined.Unwrap() {
		if jar, ok := errors.AsType[*brokenJarError](e); ok {
			broken = append(broken, jar)
		}
	}
	return broken
}

func removeContent(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Mkdir(dir, 0o755)
}

func writeRecord(dir string, archived bool) error {
	tree := filepath.Join(dir, "tree")
	r := record{Sizes: map[string]int64{}, Archives: archived}
	err := filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(tree, path)
		r.Sizes[relative] = info.Size()
		return err
	})
	if err != nil {
		return err
	}
	content, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, recordName), content, 0o644)
}

// whole returns an image's record if every file is there in its size, and
// fs.ErrNotExist if there is no image.
func whole(dir string) (record, error) {
	content, err := os.ReadFile(filepath.Join(dir, recordName))
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(content, &r); err != nil {
		return record{}, fmt.Errorf("the image in %s is damaged: %s: %v", dir, recordName, err)
	}
	for path, size := range r.Sizes {
		info, err := os.Lstat(filepath.Join(dir, "tree", path))
		if err != nil || info.Size() != size {
			return record{}, fmt.Errorf("the image in %s is damaged: %s is missing or cut short", dir, path)
		}
	}
	return r, nil
}
