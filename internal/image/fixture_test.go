package image

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// machine is a directory with a fake java, a fake mvn, Maven Central and a
// local repository.
type machine struct {
	t   *testing.T
	dir string
	// cache is where images go.
	cache string
	// trouble is a file of shell that mvn runs first.
	trouble string
}

// mvnScript does what Maven does here: it fetches the jars that the local
// repository lacks and lists them all.
const mvnScript = `#!/bin/bash
set -eu
cd "${0%/*}/.."
echo run >>runs
for argument; do case $argument in -Dmdep.outputFile=*) output=${argument#*=} ;; esac; done
if [[ -e trouble ]]; then . ./trouble; fi
for jar in central/*.jar; do
	name=${jar##*/}
	if [[ ! -e repository/$name ]]; then
		cp "$jar" "$jar.sha1" repository/
		echo "Downloaded from central: https://repo.example/x/$name (1.5 MB at 3.1 MB/s)"
	fi
done
list=$(printf '%s:' "$PWD"/repository/*.jar)
echo -n "${list%:}" >"$output"
`

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{t: t, dir: dir, cache: filepath.Join(dir, "cache"), trouble: filepath.Join(dir, "trouble")}
	m.write("bin/java", "#!/bin/sh\nprintf '%s\\n' \"$@\"\n", 0o755)
	m.write("release", "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"17.0.15\"\n", 0o644)
	m.write("bin/mvn", mvnScript, 0o755)
	m.write("repository/.keep", "", 0o644)
	for _, name := range []string{"alpha-1.jar", "beta-2.jar", "Gamma-3.jar"} {
		m.publish(name)
	}
	return m
}

func (m *machine) write(name, content string, mode os.FileMode) {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		m.t.Fatal(err)
	}
}

// publish puts a jar and its checksum into Maven Central.
func (m *machine) publish(name string) {
	m.t.Helper()
	var buffer bytes.Buffer
	writer := zip.NewWriter(&buffer)
	entry, err := writer.Create("class")
	if err == nil {
		_, err = entry.Write([]byte(strings.Repeat(name, 100)))
	}
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		m.t.Fatal(err)
	}
	sum := sha1.Sum(buffer.Bytes())
	m.write("central/"+name, buffer.String(), 0o644)
	m.write("central/"+name+".sha1", hex.EncodeToString(sum[:]), 0o644)
}

func (m *machine) read(name string) string {
	m.t.Helper()
	content, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(content)
}

// runs is how often mvn ran.
func (m *machine) runs() int {
	content, _ := os.ReadFile(filepath.Join(m.dir, "runs"))
	return strings.Count(string(content), "\n")
}

func (m *machine) assembler() assembler {
	return assembler{
		Options: Options{Cache: m.cache},
		system:  system{environ: []string{"PATH=" + filepath.Join(m.dir, "bin") + ":/usr/bin:/bin"}},
		archives: func(_ context.Context, tree, _ string, _ *progress) error {
			return os.WriteFile(filepath.Join(tree, "pulsar", "cds", "broker.jsa"), []byte("archive"), 0o444)
		},
	}
}

// assemble must succeed.
func (m *machine) assemble(a assembler) string {
	m.t.Helper()
	tree, err := a.assemble(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return tree
}

// refuse must fail with an error that has all of the words.
func (m *machine) refuse(a assembler, words ...string) {
	m.t.Helper()
	tree, err := a.assemble(m.t.Context())
	if err == nil {
		m.t.Fatalf("made %s", tree)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			m.t.Errorf("error %q lacks %q", err, word)
		}
	}
}
