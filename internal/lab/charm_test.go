package lab

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type entry struct {
	name, content string
	mode          fs.FileMode
}

func archive(t *testing.T, entries ...entry) string {
	t.Helper()
	var buffer bytes.Buffer
	w := zip.NewWriter(&buffer)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		header.SetMode(e.mode)
		f, err := w.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "x.charm")
	if err := os.WriteFile(file, buffer.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// listing is the files below dir with mode and content.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if e.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			files[name] = "-> " + target
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		files[name] = info.Mode().String() + " " + string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestUnpackCharm(t *testing.T) {
	t.Parallel()
	file := archive(t,
		entry{"metadata.yaml", "name: x", 0o644},
		entry{"dispatch", "#!/bin/sh", 0o755},
		entry{"lib/", "", fs.ModeDir | 0o755},
		entry{"lib/a/b.txt", "b", 0o600},
		entry{"hooks/install", "../dispatch", fs.ModeSymlink | 0o777},
	)
	want := map[string]string{
		"metadata.yaml": "-rw-r--r-- name: x",
		"dispatch":      "-rwxr-xr-x #!/bin/sh",
		"lib/a/b.txt":   "-rw------- b",
		"hooks/install": "-> ../dispatch",
	}
	dir := filepath.Join(t.TempDir(), "charm")
	if err := unpackCharm(file, dir); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, listing(t, dir)); diff != "" {
		t.Errorf("archive, -want +got:\n%s", diff)
	}
	again := filepath.Join(t.TempDir(), "charm")
	if err := unpackCharm(dir, again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, listing(t, again)); diff != "" {
		t.Errorf("directory, -want +got:\n%s", diff)
	}
}

func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("no zip"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ charm, want string }{
		"not a zip":     {plain, "not a valid zip file"},
		"no metadata":   {archive(t, entry{"dispatch", "", 0o755}), "no metadata.yaml"},
		"escape":        {archive(t, entry{"../evil", "", 0o644}), "leads out of the charm"},
		"absolute path": {archive(t, entry{"/etc/evil", "", 0o644}), "leads out of the charm"},
		"absolute link": {archive(t, entry{"a", "/etc/passwd", fs.ModeSymlink | 0o777}), "is absolute"},
		"climbing link": {archive(t, entry{"a/b", "../../x", fs.ModeSymlink | 0o777}), "leads out of the charm"},
		"write by link": {archive(t, entry{"a", "b", fs.ModeSymlink | 0o777}, entry{"a", "x", 0o644}), "file exists"},
		"missing":       {"/nonexistent", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			err := unpackCharm(test.charm, filepath.Join(parent, "charm"))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			if left, _ := os.ReadDir(parent); len(left) > 0 {
				t.Errorf("left over: %v", left)
			}
		})
	}
}

func TestDispatchMustRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := checkDispatch(dir); err == nil || !strings.Contains(err.Error(), "neither dispatch nor hooks") {
		t.Errorf("without: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "dispatch"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := checkDispatch(dir); err == nil || !strings.Contains(err.Error(), "not executable") {
		t.Errorf("mode 0644: %v", err)
	}
	if err := os.Chmod(filepath.Join(dir, "dispatch"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := checkDispatch(dir); err != nil {
		t.Error(err)
	}
}
