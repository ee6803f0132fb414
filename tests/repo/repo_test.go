// Package repo tests the repository itself: which package may import which,
// that each says what it is for, and that nothing names the machine it was
// written on.
package repo

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/pulsar-charms/pulsar-charms/"

// pkg is what go list says of a package.
type pkg struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	Imports      []string
	Deps         []string
	TestImports  []string
	XTestImports []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,Deps,TestImports,XTestImports", "./...")
	cmd.Dir = "../.."
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []pkg
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	for decoder.More() {
		var p pkg
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module)
		packages = append(packages, p)
	}
	return packages
}

// arrows say what a package may not import, directly or through others.
var arrows = []struct {
	from   string // prefix of the importing package
	except []string
	to     string // prefix of the imported one
	deep   bool   // also through others
	why    string
}{
	{from: "internal/juju", to: module, deep: true, why: "the vocabulary stands below everything"},
	{from: "internal/model", to: module + "internal/ops", deep: true, why: "Juju's rules do not know the charm library"},
	{from: "internal/model", to: "net/http", why: "the model does no I/O"},
	{from: "internal/model", to: "os/exec", why: "the model does no I/O"},
	{from: "internal/hooktool", to: module + "internal/ops", deep: true, why: "hook tools hold no policy"},
	{from: "internal/pebble", to: module + "internal/ops", deep: true, why: "the container stands below the library"},
	{from: "charms/", to: module + "internal/model", deep: true, why: "the model is never linked into a charm"},
	{from: "charms/", to: module + "internal/lab", deep: true, why: "the lab is never linked into a charm"},
	{from: "charms/", to: "github.com/juju/charm", deep: true, why: "it adds 11 MB to a charm"},
	{from: "charms/", to: "github.com/apache/pulsar-client-go", deep: true, why: "a hook binary stays small; the client is a binary of its own"},
	{from: "internal/ops", except: []string{"internal/ops/opstest"}, to: module + "internal/model", deep: true, why: "the model is never linked into a charm"},
	{from: "internal/", except: []string{"internal/pebble"}, to: "github.com/canonical/pebble/client", why: "internal/pebble is the only importer of Pebble's client"},
	{from: "charms/", to: "github.com/canonical/pebble/client", why: "internal/pebble is the only importer of Pebble's client"},
	{from: "internal/", to: module + "charms", deep: true, why: "the library does not know the charms"},
	{from: "charms/bookie", to: module + "charms", why: "charms do not import each other; charms/pulsar composes its halves"},
	{from: "charms/clientdummy", to: module + "charms", why: "charms do not import each other; charms/pulsar composes its halves"},
	{from: "charms/broker", to: module + "charms", why: "charms do not import each other; charms/pulsar composes its halves"},
	{from: "charms/zookeeper", to: module + "charms", why: "charms do not import each other; charms/pulsar composes its halves"},
}

func TestArrows(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		for _, arrow := range arrows {
			if !strings.HasPrefix(p.ImportPath, arrow.from) ||
				slices.ContainsFunc(arrow.except, func(e string) bool { return strings.HasPrefix(p.ImportPath, e) }) {
				continue
			}
			imports := p.Imports
			if arrow.deep {
				imports = p.Deps
			}
			for _, imported := range imports {
				if imported != module+p.ImportPath && strings.HasPrefix(imported, arrow.to) {
					t.Errorf("%s must not import %s: %s", p.ImportPath, imported, arrow.why)
				}
			}
		}
	}
}

// Packages named …test support tests and nothing else.
func TestTestSupportIsForTests(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		if strings.HasSuffix(p.ImportPath, "test") || strings.HasPrefix(p.ImportPath, "tests/") {
			continue
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, module) && strings.HasSuffix(imported, "test") {
				t.Errorf("%s must not import %s: it is for tests", p.ImportPath, imported)
			}
		}
	}
}

func TestPackageComments(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		if len(p.GoFiles) == 0 {
			continue
		}
		var comments []string
		for _, file := range p.GoFiles {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if parsed.Doc != nil {
				comments = append(comments, file)
			}
		}
		if len(comments) != 1 {
			t.Errorf("%s has %d package comments, want one: %v", p.ImportPath, len(comments), comments)
		}
	}
}

// vague names say nothing of what a package holds.
var vague = []string{"util", "utils", "common", "helpers", "types", "interfaces", "misc", "base"}

func TestPackageNames(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		if slices.Contains(vague, filepath.Base(p.ImportPath)) {
			t.Errorf("%s: name the noun that the package is about", p.ImportPath)
		}
	}
}

// tracked are the files that git has, by path from the top.
func tracked(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = "../.."
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	return strings.FieldsFunc(string(output), func(r rune) bool { return r == 0 })
}

func TestTopLevel(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"ARCHITECTURE.md", "LICENSE", "Makefile", "README.md", "charmcraft", "charms", "cmd", "go.mod", "go.sum",
		"internal", "metadata", "tests",
	}
	for _, file := range tracked(t) {
		top, _, _ := strings.Cut(file, "/")
		if !strings.HasPrefix(top, ".") && !slices.Contains(allowed, top) {
			t.Errorf("%s: the top level is fixed", file)
		}
	}
}

func TestFileSizes(t *testing.T) {
	t.Parallel()
	const limit = 700
	for _, file := range tracked(t) {
		if !strings.HasSuffix(file, ".go") {
			continue
		}
		content, err := os.ReadFile(filepath.Join("../..", file))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(content), "\n"); n > limit {
			t.Errorf("%s has %d lines; split it by noun before %d", file, n, limit)
		}
	}
}

// A test that skips says nothing; one that cannot run must fail and say why.
func TestNothingSkips(t *testing.T) {
	t.Parallel()
	for _, file := range tracked(t) {
		if !strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "tests/repo/") {
			continue
		}
		content, err := os.ReadFile(filepath.Join("../..", file))
		if err == nil && (strings.Contains(string(content), "t.Skip") || strings.Contains(string(content), "SkipNow()")) {
			t.Errorf("%s skips a test", file)
		}
	}
}
