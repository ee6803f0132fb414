package image

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindJava(t *testing.T) {
	t.Parallel()
	const says = "#!/bin/sh\necho 'openjdk version \"%s\" 2025-01-01' >&2\n"
	tests := map[string]struct {
		files   map[string]string
		environ []string
		want    Java
		words   string
	}{
		"on PATH": {
			files: map[string]string{"jdk/bin/java": "", "jdk/release": "A=b\nJAVA_VERSION=\"21.0.2\"\n"}, environ: []string{"PATH=/nowhere:DIR/jdk/bin"},
			want: Java{Home: "DIR/jdk", Version: "21.0.2", Major: 21},
		},
		"JAVA_HOME wins": {
			files:   map[string]string{"a/bin/java": "", "a/release": "JAVA_VERSION=\"21\"", "b/bin/java": "", "b/release": "JAVA_VERSION=\"25.0.1\""},
			environ: []string{"PATH=DIR/a/bin", "JAVA_HOME=DIR/b"},
			want:    Java{Home: "DIR/b", Version: "25.0.1", Major: 25},
		},
		"without a release file": {
			files: map[string]string{"bin/java": strings.Replace(says, "%s", "17.0.9", 1)}, environ: []string{"PATH=DIR/bin"},
			want: Java{Home: "DIR", Version: "17.0.9", Major: 17},
		},
		"too old": {
			files: map[string]string{"bin/java": "", "release": "JAVA_VERSION=\"11.0.20\""}, environ: []string{"PATH=DIR/bin"},
			words: "Java 11.0.20 in DIR: it is too old; install a JDK 17 or later",
		},
		"far too old": {
			files: map[string]string{"bin/java": strings.Replace(says, "%s", "1.8.0_392", 1)}, environ: []string{"PATH=DIR/bin"},
			words: "Java 1.8.0_392 in DIR: it is too old",
		},
		"broken": {
			files: map[string]string{"bin/java": "#!/bin/sh\necho oh no\nexit 3\n"}, environ: []string{"PATH=DIR/bin"},
			words: "cannot run Java in DIR: exit status 3: oh no",
		},
		"wrong JAVA_HOME": {environ: []string{"JAVA_HOME=DIR"}, words: "JAVA_HOME is DIR and there is no bin/java in it"},
		"none":            {environ: []string{"PATH=DIR"}, words: "install a JDK 17 or later"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			m := &machine{t: t, dir: dir}
			for file, content := range test.files {
				m.write(file, content, 0o755)
			}
			var s system
			for _, entry := range test.environ {
				s.environ = append(s.environ, strings.ReplaceAll(entry, "DIR", dir))
			}
			got, err := s.java(t.Context())
			if test.words != "" {
				if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), dir, "DIR"), test.words) {
					t.Errorf("error is %v, want %q", err, test.words)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got.Home = strings.Replace(got.Home, dir, "DIR", 1)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
