package opstest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
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
	return Container{Pebble: &rooted{Daemon: daemon.Client, root: filepath.Join(daemon.Dir, "root")}}
}

// rooted is a Pebble whose files are below a directory.
type rooted struct {
	pebble.Daemon
	root string
}

func (r *rooted) below(name string) string {
	if !path.IsAbs(name) {
		return name // Pebble shall refuse it
	}
	return filepath.Join(r.root, name)
}

func (r *rooted) Pull(ctx context.Context, name string) ([]byte, error) {
	return r.Daemon.Pull(ctx, r.below(name))
}

func (r *rooted) Push(ctx context.Context, file pebble.File) error {
	file.Path = r.below(file.Path)
	return r.Daemon.Push(ctx, file)
}

func (r *rooted) ListFiles(ctx context.Context, name string, itself bool) ([]pebble.FileInfo, error) {
	infos, err := r.Daemon.ListFiles(ctx, r.below(name), itself)
	return r.above(infos), err
}

func (r *rooted) FindFiles(ctx context.Context, dir, pattern string) ([]pebble.FileInfo, error) {
	infos, err := r.Daemon.FindFiles(ctx, r.below(dir), pattern)
	return r.above(infos), err
}

func (r *rooted) above(infos []pebble.FileInfo) []pebble.FileInfo {
	for i := range infos {
		if infos[i].Path = strings.TrimPrefix(infos[i].Path, r.root); infos[i].Path == "" {
			infos[i].Path, infos[i].Name = "/", "/"
		}
	}
	return infos
}

func (r *rooted) PullTo(ctx context.Context, name string, to io.Writer) error {
	return r.Daemon.PullTo(ctx, r.below(name), to)
}

func (r *rooted) PushFrom(ctx context.Context, file pebble.File, from io.Reader) error {
	file.Path = r.below(file.Path)
	return r.Daemon.PushFrom(ctx, file, from)
}

func (r *rooted) MakeDirectory(ctx context.Context, dir pebble.Directory) error {
	dir.Path = r.below(dir.Path)
	return r.Daemon.MakeDirectory(ctx, dir)
}

func (r *rooted) RemoveOne(ctx context.Context, name string) error {
	return r.Daemon.RemoveOne(ctx, r.below(name))
}

func (r *rooted) MakeDir(ctx context.Context, name string, mode fs.FileMode) error {
	return r.Daemon.MakeDir(ctx, r.below(name), mode)
}

func (r *rooted) Remove(ctx context.Context, name string) error {
	return r.Daemon.Remove(ctx, r.below(name))
}

// judged is a Pebble that tells of the layers that it refuses.
type judged struct {
	pebble.Daemon
	refused func(error)
}

func (j *judged) AddLayer(ctx context.Context, label string, layer pebble.Layer) error {
	err := j.Daemon.AddLayer(ctx, label, layer)
	if _, ok := errors.AsType[*pebble.APIError](err); ok {
		j.refused(err)
	}
	return err
}

// recorder tells of what is written to a Pebble that keeps no list itself, in
// the words of pebbletest.Fake.
type recorder struct {
	pebble.Daemon
	wrote func(call ...string)
}

func (r *recorder) AddLayer(ctx context.Context, label string, layer pebble.Layer) error {
	r.wrote("AddLayer", label)
	return r.Daemon.AddLayer(ctx, label, layer)
}

func (r *recorder) Replan(ctx context.Context) error {
	r.wrote("Replan")
	return r.Daemon.Replan(ctx)
}

func (r *recorder) AutoStart(ctx context.Context) error {
	r.wrote("AutoStart")
	return r.Daemon.AutoStart(ctx)
}

func (r *recorder) Start(ctx context.Context, names ...string) error {
	r.wrote(append([]string{"Start"}, names...)...)
	return r.Daemon.Start(ctx, names...)
}

func (r *recorder) Stop(ctx context.Context, names ...string) error {
	r.wrote(append([]string{"Stop"}, names...)...)
	return r.Daemon.Stop(ctx, names...)
}

func (r *recorder) Restart(ctx context.Context, names ...string) error {
	r.wrote(append([]string{"Restart"}, names...)...)
	return r.Daemon.Restart(ctx, names...)
}

func (r *recorder) Signal(ctx context.Context, signal string, names ...string) error {
	r.wrote(append([]string{"Signal", signal}, names...)...)
	return r.Daemon.Signal(ctx, signal, names...)
}

func (r *recorder) StartChecks(ctx context.Context, names ...string) ([]string, error) {
	r.wrote(append([]string{"StartChecks"}, names...)...)
	return r.Daemon.StartChecks(ctx, names...)
}

func (r *recorder) StopChecks(ctx context.Context, names ...string) ([]string, error) {
	r.wrote(append([]string{"StopChecks"}, names...)...)
	return r.Daemon.StopChecks(ctx, names...)
}

func (r *recorder) RefreshCheck(ctx context.Context, name string) (pebble.CheckInfo, error) {
	r.wrote("RefreshCheck", name)
	return r.Daemon.RefreshCheck(ctx, name)
}

func (r *recorder) Push(ctx context.Context, file pebble.File) error {
	r.wrote("Push", file.Path)
	return r.Daemon.Push(ctx, file)
}

func (r *recorder) PushFrom(ctx context.Context, file pebble.File, from io.Reader) error {
	r.wrote("Push", file.Path)
	return r.Daemon.PushFrom(ctx, file, from)
}

func (r *recorder) MakeDir(ctx context.Context, path string, mode fs.FileMode) error {
	r.wrote("MakeDir", path)
	return r.Daemon.MakeDir(ctx, path, mode)
}

func (r *recorder) MakeDirectory(ctx context.Context, dir pebble.Directory) error {
	r.wrote("MakeDir", dir.Path)
	return r.Daemon.MakeDirectory(ctx, dir)
}

func (r *recorder) Remove(ctx context.Context, path string) error {
	r.wrote("Remove", path)
	return r.Daemon.Remove(ctx, path)
}

func (r *recorder) RemoveOne(ctx context.Context, path string) error {
	r.wrote("Remove", path)
	return r.Daemon.RemoveOne(ctx, path)
}

func (r *recorder) Exec(ctx context.Context, command pebble.Command) (pebble.ExecResult, error) {
	r.wrote(append([]string{"Exec"}, command.Args...)...)
	return r.Daemon.Exec(ctx, command)
}

func (r *recorder) Run(ctx context.Context, command pebble.Command, streams pebble.Streams) (pebble.Process, error) {
	r.wrote(append([]string{"Exec"}, command.Args...)...)
	return r.Daemon.Run(ctx, command, streams)
}

func (r *recorder) Notify(ctx context.Context, key string, data map[string]string) error {
	r.wrote("Notify", key)
	return r.Daemon.Notify(ctx, key, data)
}

func (r *recorder) Record(ctx context.Context, notice pebble.NewNotice) (string, error) {
	r.wrote("Notify", notice.Key)
	return r.Daemon.Record(ctx, notice)
}

func (r *recorder) AddIdentities(ctx context.Context, identities map[string]pebble.Identity) error {
	r.wrote(append([]string{"AddIdentities"}, slices.Sorted(maps.Keys(identities))...)...)
	return r.Daemon.AddIdentities(ctx, identities)
}

func (r *recorder) UpdateIdentities(ctx context.Context, identities map[string]pebble.Identity) error {
	r.wrote(append([]string{"UpdateIdentities"}, slices.Sorted(maps.Keys(identities))...)...)
	return r.Daemon.UpdateIdentities(ctx, identities)
}

func (r *recorder) ReplaceIdentities(ctx context.Context, identities map[string]pebble.Identity, remove ...string) error {
	r.wrote(append([]string{"ReplaceIdentities"}, append(slices.Sorted(maps.Keys(identities)), remove...)...)...)
	return r.Daemon.ReplaceIdentities(ctx, identities, remove...)
}

func (r *recorder) RemoveIdentities(ctx context.Context, names ...string) error {
	r.wrote(append([]string{"RemoveIdentities"}, names...)...)
	return r.Daemon.RemoveIdentities(ctx, names...)
}
