package simulation

import (
	"context"
	"io/fs"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// gated is a Pebble behind the gate.
type gated struct {
	inner pebble.Pebble
	gate  *gate
}

func (g gated) tell(call string, args []string, do func() error) error {
	_, err := pass(g.gate, func() (struct{}, error) {
		g.gate.write("pebble "+call, args, nil)
		w, last := g.gate.w, g.gate.w.acting
		w.acting = g.gate.unit
		defer func() { w.acting = last }()
		return struct{}{}, do()
	})
	return err
}

func (g gated) SystemInfo(ctx context.Context) (pebble.SystemInfo, error) {
	return pass(g.gate, func() (pebble.SystemInfo, error) { return g.inner.SystemInfo(ctx) })
}

func (g gated) Plan(ctx context.Context) (pebble.Layer, error) {
	return pass(g.gate, func() (pebble.Layer, error) { return g.inner.Plan(ctx) })
}

func (g gated) AddLayer(ctx context.Context, label string, layer pebble.Layer) error {
	for name, s := range layer.Services {
		g.gate.w.public("command of service ", name, s.Command)
		for _, value := range s.Environment {
			g.gate.w.public("environment of service ", name, value)
		}
	}
	return g.tell("add layer", []string{label}, func() error { return g.inner.AddLayer(ctx, label, layer) })
}

func (g gated) Services(ctx context.Context, names ...string) ([]pebble.ServiceInfo, error) {
	return pass(g.gate, func() ([]pebble.ServiceInfo, error) { return g.inner.Services(ctx, names...) })
}

func (g gated) Replan(ctx context.Context) error {
	return g.tell("replan", nil, func() error { return g.inner.Replan(ctx) })
}

func (g gated) Start(ctx context.Context, names ...string) error {
	return g.tell("start", names, func() error { return g.inner.Start(ctx, names...) })
}

func (g gated) Stop(ctx context.Context, names ...string) error {
	return g.tell("stop", names, func() error { return g.inner.Stop(ctx, names...) })
}

func (g gated) Restart(ctx context.Context, names ...string) error {
	return g.tell("restart", names, func() error { return g.inner.Restart(ctx, names...) })
}

func (g gated) Signal(ctx context.Context, signal string, names ...string) error {
	return g.tell("signal", names, func() error { return g.inner.Signal(ctx, signal, names...) })
}

func (g gated) Checks(ctx context.Context, names ...string) ([]pebble.CheckInfo, error) {
	return pass(g.gate, func() ([]pebble.CheckInfo, error) { return g.inner.Checks(ctx, names...) })
}

func (g gated) Pull(ctx context.Context, path string) ([]byte, error) {
	return pass(g.gate, func() ([]byte, error) { return g.inner.Pull(ctx, path) })
}

func (g gated) Push(ctx context.Context, file pebble.File) error {
	g.gate.w.public("file ", file.Path, string(file.Content))
	g.gate.w.checkData(g.gate.unit, file.Path)
	return g.tell("push", []string{file.Path}, func() error { return g.inner.Push(ctx, file) })
}

func (g gated) ListFiles(ctx context.Context, path string, itself bool) ([]pebble.FileInfo, error) {
	return pass(g.gate, func() ([]pebble.FileInfo, error) { return g.inner.ListFiles(ctx, path, itself) })
}

func (g gated) MakeDir(ctx context.Context, path string, mode fs.FileMode) error {
	return g.tell("mkdir", []string{path}, func() error { return g.inner.MakeDir(ctx, path, mode) })
}

func (g gated) Remove(ctx context.Context, path string) error {
	g.gate.w.checkData(g.gate.unit, path)
	return g.tell("remove", []string{path}, func() error { return g.inner.Remove(ctx, path) })
}

func (g gated) Exec(ctx context.Context, command pebble.Command) (pebble.ExecResult, error) {
	g.gate.w.public("command ", command.Args[0], strings.Join(command.Args, " "))
	return pass(g.gate, func() (pebble.ExecResult, error) {
		g.gate.write("pebble exec", command.Args, nil)
		return g.inner.Exec(ctx, command)
	})
}

func (g gated) Notify(ctx context.Context, key string, data map[string]string) error {
	return g.tell("notify", []string{key}, func() error { return g.inner.Notify(ctx, key, data) })
}

func (g gated) Notices(ctx context.Context) ([]pebble.Notice, error) {
	return pass(g.gate, func() ([]pebble.Notice, error) { return g.inner.Notices(ctx) })
}
