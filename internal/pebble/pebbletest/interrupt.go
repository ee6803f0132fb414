package pebbletest

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// ErrInterrupted is what an interrupted call returns.
var ErrInterrupted = errors.New("interrupted by the test")

// Interrupt passes the first n calls on to p, and fails all later ones with
// ErrInterrupted, as if the charm was killed there. With sent, call n+1 still
// reaches p, but its answer is lost.
func Interrupt(p pebble.Pebble, n int, sent bool) pebble.Pebble {
	return &interrupted{inner: p, left: n, sent: sent}
}

type interrupted struct {
	inner pebble.Pebble
	sent  bool

	mu   sync.Mutex
	left int
}

// next says whether the call reaches the inner Pebble, and its answer the
// caller.
func (i *interrupted) next() (reaches, answered bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.left--
	return i.left >= 0 || i.left == -1 && i.sent, i.left >= 0
}

func ask[T any](i *interrupted, call func() (T, error)) (T, error) {
	var zero T
	reaches, answered := i.next()
	if !reaches {
		return zero, ErrInterrupted
	}
	value, err := call()
	if !answered {
		return zero, ErrInterrupted
	}
	return value, err
}

func tell(i *interrupted, call func() error) error {
	_, err := ask(i, func() (struct{}, error) { return struct{}{}, call() })
	return err
}

func (i *interrupted) SystemInfo(ctx context.Context) (pebble.SystemInfo, error) {
	return ask(i, func() (pebble.SystemInfo, error) { return i.inner.SystemInfo(ctx) })
}

func (i *interrupted) Plan(ctx context.Context) (pebble.Layer, error) {
	return ask(i, func() (pebble.Layer, error) { return i.inner.Plan(ctx) })
}

func (i *interrupted) AddLayer(ctx context.Context, label string, layer pebble.Layer) error {
	return tell(i, func() error { return i.inner.AddLayer(ctx, label, layer) })
}

func (i *interrupted) Services(ctx context.Context, names ...string) ([]pebble.ServiceInfo, error) {
	return ask(i, func() ([]pebble.ServiceInfo, error) { return i.inner.Services(ctx, names...) })
}

func (i *interrupted) Replan(ctx context.Context) error {
	return tell(i, func() error { return i.inner.Replan(ctx) })
}

func (i *interrupted) Start(ctx context.Context, names ...string) error {
	return tell(i, func() error { return i.inner.Start(ctx, names...) })
}

func (i *interrupted) Stop(ctx context.Context, names ...string) error {
	return tell(i, func() error { return i.inner.Stop(ctx, names...) })
}

func (i *interrupted) Restart(ctx context.Context, names ...string) error {
	return tell(i, func() error { return i.inner.Restart(ctx, names...) })
}

func (i *interrupted) Signal(ctx context.Context, signal string, names ...string) error {
	return tell(i, func() error { return i.inner.Signal(ctx, signal, names...) })
}

func (i *interrupted) Checks(ctx context.Context, names ...string) ([]pebble.CheckInfo, error) {
	return ask(i, func() ([]pebble.CheckInfo, error) { return i.inner.Checks(ctx, names...) })
}

func (i *interrupted) Pull(ctx context.Context, path string) ([]byte, error) {
	return ask(i, func() ([]byte, error) { return i.inner.Pull(ctx, path) })
}

func (i *interrupted) Push(ctx context.Context, file pebble.File) error {
	return tell(i, func() error { return i.inner.Push(ctx, file) })
}

func (i *interrupted) ListFiles(ctx context.Context, path string, itself bool) ([]pebble.FileInfo, error) {
	return ask(i, func() ([]pebble.FileInfo, error) { return i.inner.ListFiles(ctx, path, itself) })
}

func (i *interrupted) MakeDir(ctx context.Context, path string, mode fs.FileMode) error {
	return tell(i, func() error { return i.inner.MakeDir(ctx, path, mode) })
}

func (i *interrupted) Remove(ctx context.Context, path string) error {
	return tell(i, func() error { return i.inner.Remove(ctx, path) })
}

func (i *interrupted) Exec(ctx context.Context, command pebble.Command) (pebble.ExecResult, error) {
	return ask(i, func() (pebble.ExecResult, error) { return i.inner.Exec(ctx, command) })
}

func (i *interrupted) Notify(ctx context.Context, key string, data map[string]string) error {
	return tell(i, func() error { return i.inner.Notify(ctx, key, data) })
}

func (i *interrupted) Notices(ctx context.Context) ([]pebble.Notice, error) {
	return ask(i, func() ([]pebble.Notice, error) { return i.inner.Notices(ctx) })
}
