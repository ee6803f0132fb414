package opstest

import (
	"context"
	"errors"
	"io/fs"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// recorder tells of layers that Pebble refuses, and of writes to a Pebble that
// does not tell of them itself.
type recorder struct {
	pebble.Pebble
	refused func(error)
	wrote   func(call ...string) // nil: it tells itself
}

func (r *recorder) note(call ...string) {
	if r.wrote != nil {
		r.wrote(call...)
	}
}

func (r *recorder) AddLayer(ctx context.Context, label string, layer pebble.Layer) error {
	r.note("AddLayer", label)
	err := r.Pebble.AddLayer(ctx, label, layer)
	if api := (*pebble.APIError)(nil); errors.As(err, &api) {
		r.refused(err)
	}
	return err
}

func (r *recorder) Replan(ctx context.Context) error {
	r.note("Replan")
	return r.Pebble.Replan(ctx)
}

func (r *recorder) Start(ctx context.Context, names ...string) error {
	r.note(append([]string{"Start"}, names...)...)
	return r.Pebble.Start(ctx, names...)
}

func (r *recorder) Stop(ctx context.Context, names ...string) error {
	r.note(append([]string{"Stop"}, names...)...)
	return r.Pebble.Stop(ctx, names...)
}

func (r *recorder) Restart(ctx context.Context, names ...string) error {
	r.note(append([]string{"Restart"}, names...)...)
	return r.Pebble.Restart(ctx, names...)
}

func (r *recorder) Signal(ctx context.Context, signal string, names ...string) error {
	r.note(append([]string{"Signal", signal}, names...)...)
	return r.Pebble.Signal(ctx, signal, names...)
}

func (r *recorder) Push(ctx context.Context, file pebble.File) error {
	r.note("Push", file.Path)
	return r.Pebble.Push(ctx, file)
}

func (r *recorder) MakeDir(ctx context.Context, path string, mode fs.FileMode) error {
	r.note("MakeDir", path)
	return r.Pebble.MakeDir(ctx, path, mode)
}

func (r *recorder) Remove(ctx context.Context, path string) error {
	r.note("Remove", path)
	return r.Pebble.Remove(ctx, path)
}

func (r *recorder) Exec(ctx context.Context, command pebble.Command) (pebble.ExecResult, error) {
	r.note(append([]string{"Exec"}, command.Args...)...)
	return r.Pebble.Exec(ctx, command)
}

func (r *recorder) Notify(ctx context.Context, key string, data map[string]string) error {
	r.note("Notify", key)
	return r.Pebble.Notify(ctx, key, data)
}
