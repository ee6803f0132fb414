package lab

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
)

func newLog(t *testing.T) *debugLog {
	t.Helper()
	now := func() time.Time { return time.Date(2025, 1, 2, 12, 0, 1, 0, time.UTC) }
	l, err := openLog(filepath.Join(t.TempDir(), "debug.log"), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.close() })
	return l
}

func TestLogFilters(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.add("pulsar/0", "INFO", "juju-log", "ready")
	l.add("pulsar/1", "DEBUG", "install", "unpacking")
	l.add("pulsar-manager/0", "ERROR", "juju-log", "two\nlines")
	l.add("", "WARNING", "lab", "disk nearly full")
	all := []string{
		"unit-pulsar-0: 12:00:01 INFO unit.pulsar/0.juju-log ready",
		"unit-pulsar-1: 12:00:01 DEBUG unit.pulsar/1.install unpacking",
		"unit-pulsar-manager-0: 12:00:01 ERROR unit.pulsar-manager/0.juju-log two",
		"lines",
		"controller-0: 12:00:01 WARNING lab disk nearly full",
	}
	for name, test := range map[string]struct {
		filter api.Log
		want   []string
	}{
		"all":           {api.Log{Lines: -1}, all},
		"last":          {api.Log{Lines: 1}, all[4:]},
		"none":          {api.Log{Lines: 0}, nil},
		"level":         {api.Log{Lines: -1, Level: "WARNING"}, all[2:]},
		"unit":          {api.Log{Lines: -1, Include: []string{"pulsar/1"}}, all[1:2]},
		"tag":           {api.Log{Lines: -1, Include: []string{"unit-pulsar-1"}}, all[1:2]},
		"application":   {api.Log{Lines: -1, Include: []string{"pulsar"}}, all[:2]},
		"pattern":       {api.Log{Lines: -1, Include: []string{"unit-pulsar-*"}}, all[:4]},
		"exclude":       {api.Log{Lines: -1, Exclude: []string{"pulsar", "controller-0"}}, all[2:4]},
		"several lines": {api.Log{Lines: -1, Include: []string{"pulsar-manager"}}, all[2:4]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			if err := l.copyTo(t.Context(), &out, test.filter, func() {}); err != nil {
				t.Fatal(err)
			}
			want := strings.Join(test.want, "\n")
			if want != "" {
				want += "\n"
			}
			if diff := cmp.Diff(want, out.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestLogFollows(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.add("db/0", "INFO", "juju-log", "before")
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var done sync.WaitGroup
	done.Go(func() {
		l.copyTo(ctx, w, api.Log{Lines: 1, Follow: true, Level: "INFO"}, func() {})
		w.Close()
	})
	buffer := make([]byte, 200)
	read := func() string {
		n, err := r.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		return string(buffer[:n])
	}
	if got := read(); !strings.HasSuffix(got, "before\n") {
		t.Errorf("first %q", got)
	}
	l.add("db/0", "DEBUG", "install", "not shown")
	l.add("db/0", "INFO", "juju-log", "after")
	if got := read(); !strings.HasSuffix(got, "after\n") {
		t.Errorf("then %q", got)
	}
	cancel()
	done.Wait()
}

func TestLineWriter(t *testing.T) {
	t.Parallel()
	var lines []string
	var keep bytes.Buffer
	w := &lineWriter{log: func(line string) { lines = append(lines, line) }, keep: &keep}
	for _, part := range []string{"a", "b\nc\n\n", strings.Repeat("x", maxLine), "rest"} {
		if _, err := io.WriteString(w, part); err != nil {
			t.Fatal(err)
		}
	}
	w.flush()
	w.flush()
	if diff := cmp.Diff([]string{"ab", "c", "", strings.Repeat("x", maxLine), "rest"}, lines); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if keep.Len() != len("ab\nc\n\n")+maxLine+len("rest") {
		t.Errorf("kept %d bytes", keep.Len())
	}
}
