package pebbletest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

func TestContractFileKeeper(t *testing.T) {
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		in := func(name string) string { return filepath.Join(b.dir, "keep", name) }
		big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		check1(t, b.PushFrom(ctx, pebble.File{Path: in("big.log"), Mode: 0o600}, bytes.NewReader(big)))
		var back bytes.Buffer
		if err := b.PullTo(ctx, in("big.log"), &back); err != nil || !bytes.Equal(back.Bytes(), big) {
			t.Errorf("%d bytes came back, %v", back.Len(), err)
		}
		if err := b.PushFrom(ctx, pebble.File{Path: in("big.log")}, io.MultiReader(strings.NewReader("x"), iotest.ErrReader(errBroken))); !errors.Is(err, errBroken) || pebble.Unavailable(err) {
			t.Errorf("push from a broken reader: %v", err)
		}
		if err := b.PullTo(ctx, in("big.log"), brokenWriter{}); !errors.Is(err, errBroken) || pebble.Unavailable(err) {
			t.Errorf("pull to a broken writer: %v", err)
		}
		check1(t, b.Push(ctx, pebble.File{Path: in("mine"), User: b.user, UserID: &b.uid}))
		check1(t, b.MakeDirectory(ctx, pebble.Directory{Path: in("dir"), Mode: 0o711, User: b.user}))
		check1(t, b.MakeDirectory(ctx, pebble.Directory{Path: in("deep/er"), Parents: true, UserID: &b.uid}))
		found, err := b.FindFiles(ctx, in(""), "[b-d]*i*")
		check1(t, err)
		var got []string
		for _, info := range found {
			got = append(got, info.Mode.String()+" "+info.Name+" "+strings.Replace(info.User, b.user, "me", 1))
			if info.UserID != b.uid || info.Group == "" || info.Modified.IsZero() {
				t.Errorf("info: %+v", info)
			}
		}
		if diff := cmp.Diff([]string{"-rw------- big.log me", "drwx--x--x dir me"}, got); diff != "" {
			t.Errorf("found (-want +got):\n%s", diff)
		}
		find := func(dir, pattern string) error { _, err := b.FindFiles(ctx, dir, pattern); return err }
		for _, test := range []struct {
			name    string
			err     error
			want    string
			missing bool
		}{
			{"pattern", find(in(""), "[x"), "syntax error in pattern", false},
			{"find in nothing", find(in("none"), "*"), "stat " + in("none") + ": no such file or directory", true},
			{"pull to", b.PullTo(ctx, in("none"), io.Discard), "stat " + in("none") + ": no such file or directory", true},
			{"user and id", b.Push(ctx, pebble.File{Path: in("x"), User: "root", UserID: new(42)}),
				`cannot look up user and group: user "root" UID (0) does not match user-id (42)`, false},
			{"group and id", b.Push(ctx, pebble.File{Path: in("x"), User: "root", Group: "root", GroupID: new(42)}),
				`cannot look up user and group: group "root" GID (0) does not match group-id (42)`, false},
			{"a star", b.Push(ctx, pebble.File{Path: in("new/*")}), `cannot create tempfile for filename containing '*': "*"`, false},
			{"unknown id", b.Push(ctx, pebble.File{Path: in("x"), UserID: new(424242)}),
				"cannot look up user and group: user: unknown userid 424242", false},
			{"unknown group", b.MakeDirectory(ctx, pebble.Directory{Path: in("x"), User: "root", Group: "nosuchgroup"}),
				"cannot look up user and group: group: unknown group nosuchgroup", false},
			{"make again", b.MakeDirectory(ctx, pebble.Directory{Path: in("dir")}), "mkdir " + in("dir") + ": file exists", false},
			{"make below nothing", b.MakeDirectory(ctx, pebble.Directory{Path: in("no/x")}), "mkdir " + in("no/x") + ".mkdir-new: no such file or directory", true},
			{"make relative", b.MakeDirectory(ctx, pebble.Directory{Path: "x"}), `paths must be absolute, got "x"`, false},
			{"remove a full one", b.RemoveOne(ctx, in("deep")), "remove " + in("deep") + ": directory not empty", false},
			{"remove nothing", b.RemoveOne(ctx, in("none")), "remove " + in("none") + ": no such file or directory", true},
			{"remove relative", b.RemoveOne(ctx, "x"), `paths must be absolute, got "x"`, false},
			{"remove", b.RemoveOne(ctx, in("deep/er")), "", false},
			{"remove the empty one", b.RemoveOne(ctx, in("deep")), "", false},
			{"remove a file", b.RemoveOne(ctx, in("mine")), "", false},
		} {
			if got := refusal(t, test.err); got != test.want || errors.Is(test.err, fs.ErrNotExist) != test.missing {
				t.Errorf("%s: %q (missing %v), want %q", test.name, got, errors.Is(test.err, fs.ErrNotExist), test.want)
			}
		}
	})
}

// errBroken looks like an error of the daemon's connection.
var errBroken = &net.OpError{Op: "write", Err: io.ErrUnexpectedEOF}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }
