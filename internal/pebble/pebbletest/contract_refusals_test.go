package pebbletest

import (
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// A service of which there can be no process is inactive, whatever it was.
func TestContractNoProcess(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	check1(t, err)
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		check1(t, b.Push(ctx, pebble.File{Path: b.dir + "/file"}))
		check1(t, b.AddLayer(ctx, "charm", layerOf(map[string]pebble.Service{
			"dir": {Command: "sleep 1000", WorkingDir: "/nope"}, "no-dir": {Command: "sleep 1000", WorkingDir: b.dir + "/file"},
			"path": {Command: "/nope/program x"}, "name": {Command: "nosuchprogram x", OnFailure: "ignore"}, "runs": {Command: "sleep 1000", WorkingDir: b.dir},
		})))
		for name, want := range map[string]string{
			"dir":    "cannot start service: fork/exec /usr/bin/sleep: no such file or directory",
			"no-dir": "cannot start service: fork/exec /usr/bin/sleep: not a directory",
			"path":   "cannot start service: fork/exec /nope/program: no such file or directory",
			"name":   `cannot start service: exec: "nosuchprogram": executable file not found in $PATH`,
		} {
			failed, ok := errors.AsType[*pebble.ChangeError](b.Start(ctx, name))
			if !ok {
				t.Errorf("%s starts", name)
				continue
			}
			want = "cannot perform the following tasks:\n- Start service \"" + name + "\" (" + want + ")"
			if got := strings.ReplaceAll(failed.Message, sleep, "/usr/bin/sleep"); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		check1(t, b.Start(ctx, "runs"))
		check1(t, b.AddLayer(ctx, "charm", layerOf(map[string]pebble.Service{"runs": {Command: "sleep 1000", WorkingDir: "/nope"}})))
		if _, ok := errors.AsType[*pebble.ChangeError](b.Replan(ctx)); !ok {
			t.Error("a replan starts a service in a directory that is not there")
		}
		want := map[string]string{
			"dir": "disabled inactive", "no-dir": "disabled inactive", "path": "disabled inactive", "name": "disabled inactive", "runs": "disabled inactive",
		}
		if diff := cmp.Diff(want, statuses(t, b)); diff != "" {
			t.Errorf("services (-want +got):\n%s", diff)
		}
	})
}

// tempName is what of a temporary name differs each time.
var tempName = regexp.MustCompile(`\.\d+~`)

// What is no name of a file is refused.
func TestContractNames(t *testing.T) {
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		in := func(name string) string { return b.dir + "/names/" + name }
		long := strings.Repeat("n", 300)
		push := func(name string) error { return b.Push(ctx, pebble.File{Path: name}) }
		pull := func(name string) error { _, err := b.Pull(ctx, name); return err }
		list := func(name string) error { _, err := b.ListFiles(ctx, name, true); return err }
		makeOne := func(name string) error { return b.MakeDirectory(ctx, pebble.Directory{Path: name}) }
		check1(t, push(in("file")))
		check1(t, b.MakeDir(ctx, in("dir"), 0))
		for _, test := range []struct {
			name string
			err  error
			want string
		}{
			{"push onto a directory", push(in("dir")), "rename " + in("dir.N~") + " " + in("dir") + ": file exists"},
			{"push with a slash", push(in("dir/d/")), "rename " + in("dir/d/d.N~") + " " + in("dir/d/") + ": file exists"},
			{"that has made the directory", list(in("dir/d/")), ""},
			{"push onto a file with a slash", push(in("file/")), "cannot create directory: mkdir " + in("file") + ": not a directory"},
			{"push onto a dot", push(in("dir/.")), "rename " + in("dir/..N~") + " " + in("dir/.") + ": file exists"},
			{"push onto the parent", push(in("dir/..")), "rename " + in("dir/...N~") + " " + in("dir/..") + ": file exists"},
			{"push onto the root", push("/"), "createtemp /.*~: pattern contains path separator"},
			{"push of a long name", push(in(long)), "open " + in(long) + ".N~: file name too long"},
			{"push of the longest name", push(in(long[:255-12])), ""},
			{"push of a name too long for the temporary one", push(in(long[:255])), "open " + in(long[:255]) + ".N~: file name too long"},
			{"push below a long name", push(in(long + "/x")), "cannot create directory: mkdir " + in(long) + ".mkdir-new: file name too long"},
			{"push of no UTF-8", push(in("a\xff")), `no metadata for path "` + in(`a\xff`) + `"`},
			{"push of a new line", push(in("\"q\nx")), `cannot read file part 0: malformed MIME header: missing colon: "x\""`},
			{"push of a control character", push(in("\"q\rx")),
				`cannot read file part 0: malformed MIME header line: "Content-Disposition: form-data; name=\"files\"; filename=\"` + in(`\\\"q\rx`) + `\""`},
			{"push of a quote", push(in("q\"x")), ""},
			{"push of a backslash, a tab and an é", push(in("b\\\té")), ""},
			{"pull with a slash", pull(in("file/")), "stat " + in("file/") + ": not a directory"},
			{"pull of a directory", pull(in("dir/")), `can only read a regular file: "` + in("dir/") + `"`},
			{"pull of a long name", pull(in(long)), "stat " + in(long) + ": file name too long"},
			{"list with a slash", list(in("file/")), "stat " + in("file/") + ": not a directory"},
			{"make over a file", makeOne(in("file/")), "mkdir " + in("file") + ": not a directory"},
			{"make below a file", makeOne(in("file/x")), "mkdir " + in("file/x.mkdir-new") + ": not a directory"},
			{"make a long name", makeOne(in(long)), "mkdir " + in(long) + ".mkdir-new: file name too long"},
			{"make a name too long for the temporary one", b.MakeDir(ctx, in(long[:250]), 0), "mkdir " + in(long[:250]) + ".mkdir-new: file name too long"},
			{"make with a slash", makeOne(in("made/")), ""},
			{"remove below a file", b.Remove(ctx, in("file/x")), "unlinkat " + in("file/x") + ": not a directory"},
			{"remove far below a file", b.Remove(ctx, in("file/x/y")), "open " + in("file/x") + ": not a directory"},
			{"remove a long name", b.Remove(ctx, in(long)), "unlinkat " + in(long) + ": file name too long"},
			{"remove one with a slash", b.RemoveOne(ctx, in("file/")), "remove " + in("file/") + ": not a directory"},
			{"remove one below a file", b.RemoveOne(ctx, in("file/x")), "remove " + in("file/x") + ": not a directory"},
			{"remove what is not there", b.Remove(ctx, in("none/x")), ""},
			{"remove with a slash", b.Remove(ctx, in("file/")), ""},
			{"that has removed the file", list(in("file")), "stat " + in("file") + ": no such file or directory"},
		} {
			if got := tempName.ReplaceAllString(refusal(t, test.err), ".N~"); got != test.want {
				t.Errorf("%s: %q, want %q", test.name, got, test.want)
			}
		}
	})
}

// Layers whose labels begin with the same directory are neighbours.
func TestContractLayersOfADirectory(t *testing.T) {
	contract(t, func(t *testing.T, b backend) {
		for _, test := range []struct{ label, want string }{
			{"z/1", ""}, {"z/2", ""}, {"q", ""},
			{"z/3", "cannot insert sub-directory layer without 'inner' attribute set"},
			{"z", "cannot insert sub-directory layer without 'inner' attribute set"},
			{"z/1", ""}, {"q/1", ""}, {"y", ""}, {"q", ""},
			{"q/2", "cannot insert sub-directory layer without 'inner' attribute set"},
		} {
			err := b.AddLayer(t.Context(), test.label, layerOf(map[string]pebble.Service{"a": {Command: "sleep 1000"}}))
			if got := refusal(t, err); got != test.want {
				t.Errorf("layer %s: %q, want %q", test.label, got, test.want)
			}
			if refused, ok := errors.AsType[*pebble.APIError](err); ok && refused.Status != 500 {
				t.Errorf("layer %s: status %d", test.label, refused.Status)
			}
		}
	})
}

// Of the output of a command as much is kept as one wants to have in memory.
func TestContractLongOutput(t *testing.T) {
	contract(t, func(t *testing.T, b backend) {
		result, err := b.Exec(t.Context(), pebble.Command{Args: []string{"cat"}, Stdin: make([]byte, pebble.OutputLimit+5)})
		if err != nil || len(result.Stdout) != pebble.OutputLimit {
			t.Errorf("%d bytes, %v", len(result.Stdout), err)
		}
	})
}
