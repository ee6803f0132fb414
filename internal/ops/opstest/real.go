package opstest

import (
	"context"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// RealPebble is a container with a real Pebble in a temporary directory, which
// ends with the test: what Pebble takes, does and refuses is the real thing.
// Paths of files are below that directory; commands run on this machine and
// see its files, not the container's. Starting a service takes a second. The
// first use on a machine builds Pebble.
func RealPebble(t testing.TB) Container {
	t.Helper()
	daemon := pebbletest.Start(t)
	return Container{Pebble: &rooted{Pebble: daemon.Client, root: filepath.Join(daemon.Dir, "root")}}
}

// rooted is a Pebble whose files are below a directory.
type rooted struct {
	pebble.Pebble
	root string
}

func (r *rooted) below(name string) string {
	if !path.IsAbs(name) {
		return name // Pebble shall refuse it
	}
	return filepath.Join(r.root, name)
}

func (r *rooted) Pull(ctx context.Context, name string) ([]byte, error) {
	return r.Pebble.Pull(ctx, r.below(name))
}

func (r *rooted) Push(ctx context.Context, file pebble.File) error {
	file.Path = r.below(file.Path)
	return r.Pebble.Push(ctx, file)
}

func (r *rooted) ListFiles(ctx context.Context, name string, itself bool) ([]pebble.FileInfo, error) {
	infos, err := r.Pebble.ListFiles(ctx, r.below(name), itself)
	for i := range infos {
		if infos[i].Path = strings.TrimPrefix(infos[i].Path, r.root); infos[i].Path == "" {
			infos[i].Path, infos[i].Name = "/", "/"
		}
	}
	return infos, err
}

func (r *rooted) MakeDir(ctx context.Context, name string, mode fs.FileMode) error {
	return r.Pebble.MakeDir(ctx, r.below(name), mode)
}

func (r *rooted) Remove(ctx context.Context, name string) error {
	return r.Pebble.Remove(ctx, r.below(name))
}
