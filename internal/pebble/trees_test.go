package pebble_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

func tree(dir string) pebble.Tree {
	return pebble.Tree{Path: dir, Files: fstest.MapFS{
		"a.conf":        {Data: []byte("a=1\n")},
		"bin/run":       {Data: []byte("#!/bin/sh\n"), Mode: 0o755},
		"deep/er/x":     {Data: []byte("x")},
		"deep/er/y":     {},
		"deep/key":      {Data: []byte("secret"), Mode: 0o600},
		"empty":         {Mode: fs.ModeDir | 0o755},
		"was/directory": {Data: []byte("d")},
	}}
}

func TestPushTree(t *testing.T) {
	both(t, func(t *testing.T, p pebble.Pebble, dir string) {
		ctx := t.Context()
		dir = filepath.Join(dir, "tree")
		in := func(names ...string) []string {
			var paths []string
			for _, name := range names {
				paths = append(paths, filepath.Join(dir, name))
			}
			return paths
		}
		push := func(what string, tree pebble.Tree, want pebble.TreeChange) {
			t.Helper()
			change, err := pebble.PushTree(ctx, p, tree)
			if diff := cmp.Diff(want, change); diff != "" || err != nil {
				t.Fatalf("%s (-want +got): %v\n%s", what, err, diff)
			}
			if change, err := pebble.PushTree(ctx, p, tree); !change.Nothing() || err != nil {
				t.Fatalf("%s: once more did %+v, %v", what, change, err)
			}
		}
		all := tree(dir)
		push("everything", all, pebble.TreeChange{
			Pushed: in("a.conf", "bin/run", "deep/er/x", "deep/er/y", "deep/key", "was/directory"),
			Made:   in("", "bin", "deep", "deep/er", "empty", "was"),
		})
		changed := tree(dir)
		files := changed.Files.(fstest.MapFS)
		files["a.conf"] = &fstest.MapFile{Data: []byte("a=2\n")}              // same size
		files["deep/key"] = &fstest.MapFile{Data: []byte("secret")}           // another mode
		files["deep/er/x"] = &fstest.MapFile{Data: []byte("xx"), Mode: 0o600} // both
		delete(files, "was/directory")
		files["was"] = &fstest.MapFile{Data: []byte("a file now")}
		delete(files, "bin/run")
		push("changes", changed, pebble.TreeChange{
			Pushed: in("a.conf", "deep/er/x", "deep/key", "was"), Removed: in("was"),
		})
		if there, err := pebble.Exists(ctx, p, filepath.Join(dir, "bin/run")); !there || err != nil {
			t.Errorf("what is not in the tree is gone without Prune: %v", err)
		}
		changed.Prune = true
		delete(files, "deep/er/y")
		push("pruning", changed, pebble.TreeChange{Removed: in("bin", "deep/er/y")})
		moded := tree(dir)
		moded.Prune = true
		moded.Mode = func(name string, _ fs.FileInfo) fs.FileMode {
			if name == "a.conf" {
				return 0o640
			}
			return 0
		}
		push("modes of its own", moded, pebble.TreeChange{
			Pushed:  in("a.conf", "bin/run", "deep/er/x", "deep/er/y", "was/directory"),
			Made:    in("bin", "was"),
			Removed: in("was"),
		})

		for _, test := range []struct {
			path        string
			there, isIt bool
		}{
			{"a.conf", true, false}, {"deep", true, true}, {"none", false, false}, {"none/below", false, false},
		} {
			there, err := pebble.Exists(ctx, p, filepath.Join(dir, test.path))
			isDir, err2 := pebble.IsDir(ctx, p, filepath.Join(dir, test.path))
			if there != test.there || isDir != test.isIt || errors.Join(err, err2) != nil {
				t.Errorf("%s: %v %v, %v", test.path, there, isDir, errors.Join(err, err2))
			}
		}

		pulled, err := pebble.PullTree(ctx, p, dir, 100)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]string)
		for name, file := range pulled {
			got[name] = file.Mode.String() + " " + string(file.Content)
		}
		want := map[string]string{
			"a.conf": "-rw-r----- a=1\n", "bin/run": "-rw-r--r-- #!/bin/sh\n", "deep/er/x": "-rw-r--r-- x", "deep/er/y": "-rw-r--r-- ",
			"deep/key": "-rw-r--r-- secret", "was/directory": "-rw-r--r-- d",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pulled (-want +got):\n%s", diff)
		}
		if _, err := pebble.PullTree(ctx, p, dir, 10); err == nil {
			t.Error("more than the limit was pulled")
		}
		if _, err := pebble.PullTree(ctx, p, filepath.Join(dir, "a.conf"), 10); err == nil {
			t.Error("a file was pulled as a tree")
		}
		if _, err := pebble.PullTree(ctx, p, filepath.Join(dir, "none"), 10); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("no directory: %v", err)
		}

		local := filepath.Join(t.TempDir(), "new", "dir")
		written, err := pebble.PullDirectory(ctx, p, dir, local, 100)
		if diff := cmp.Diff([]string{"a.conf", "bin/run", "deep/er/x", "deep/er/y", "deep/key", "was/directory"}, written); diff != "" || err != nil {
			t.Errorf("written: %v\n%s", err, diff)
		}
		if err := os.WriteFile(filepath.Join(local, "deep/key"), []byte("tamper"), 0o644); err != nil {
			t.Fatal(err)
		}
		written, err = pebble.PullDirectory(ctx, p, dir, local, 100)
		if diff := cmp.Diff([]string{"deep/key"}, written); diff != "" || err != nil {
			t.Errorf("written again: %v\n%s", err, diff)
		}
		info, err := os.Stat(filepath.Join(local, "a.conf"))
		content, err2 := os.ReadFile(filepath.Join(local, "deep/key"))
		if errors.Join(err, err2) != nil || info.Mode() != 0o640 || string(content) != "secret" {
			t.Errorf("local files: %v, %q, %v", info.Mode(), content, errors.Join(err, err2))
		}
	})
}

func TestPushTreeRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	f := pebbletest.NewFake(pebbletest.Options{Users: []string{"app"}})
	if _, err := pebble.PushTree(t.Context(), f, pebble.Tree{Path: "/x", Files: os.DirFS(dir)}); err == nil {
		t.Error("a link was pushed")
	}
	if _, err := pebble.PushTree(t.Context(), f, pebble.Tree{Path: "/x", Files: os.DirFS(dir + "/none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no tree: %v", err)
	}
	owned := tree("/y")
	owned.User, owned.Group = "app", "app"
	if _, err := pebble.PushTree(t.Context(), f, owned); err != nil {
		t.Fatal(err)
	}
	infos, err := f.ListFiles(t.Context(), "/y", false)
	for _, info := range infos {
		if info.User != "app" || info.UserID != 1000 {
			t.Errorf("owner: %+v", info)
		}
	}
	if change, err2 := pebble.PushTree(t.Context(), f, owned); !change.Nothing() || err != nil || err2 != nil || len(infos) != 5 {
		t.Errorf("once more did %+v, %v, %v", change, err, err2)
	}
	f.Kill()
	if _, err := pebble.PushTree(t.Context(), f, owned); !pebble.Unavailable(err) {
		t.Errorf("without a daemon: %v", err)
	}
}

// Interrupted after any call, the next push finishes.
func TestPushTreeInterrupted(t *testing.T) {
	t.Parallel()
	for at, more := (crash{}), true; more; at = at.next() {
		f := pebbletest.NewFake(pebbletest.Options{})
		_, err := pebble.PushTree(t.Context(), pebbletest.Interrupt(f, at.calls, at.sent), tree("/x"))
		more = err != nil
		if more && !errors.Is(err, pebbletest.ErrInterrupted) {
			t.Fatal(err)
		}
		if _, err := pebble.PushTree(t.Context(), f, tree("/x")); err != nil {
			t.Errorf("after %+v: %v", at, err)
		}
		if change, err := pebble.PushTree(t.Context(), f, tree("/x")); !change.Nothing() || err != nil {
			t.Errorf("after %+v, once more did %+v, %v", at, change, err)
		}
	}
}
