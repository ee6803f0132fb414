package ops_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// packages that FEATURES.md names things of, by their directories.
var packages = map[string]string{
	"ops": ".", "opstest": "opstest", "hooktool": "../hooktool", "juju": "../juju", "pebble": "../pebble",
	"pebbletest": "../pebble/pebbletest", "model": "../model",
	// For their tests.
	"bookie": "../../charms/bookie", "pulsar": "../../charms/pulsar", "clientdummy": "../../charms/clientdummy",
}

// declared are the names of a directory's Go files: functions, types, methods
// and fields as Type.Name.
func declared(t *testing.T, directory string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(directory, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Go files in %s: %v", directory, err)
	}
	names := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range parsed.Decls {
			addNames(names, declaration)
		}
	}
	return names
}

func addNames(names map[string]bool, declaration ast.Decl) {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			name = receiver(d.Recv.List[0].Type) + "." + name
		}
		names[name] = true
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			typ, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			names[typ.Name.Name] = true
			var fields *ast.FieldList
			switch body := typ.Type.(type) {
			case *ast.StructType:
				fields = body.Fields
			case *ast.InterfaceType:
				fields = body.Methods
			default:
				continue
			}
			for _, field := range fields.List {
				for _, name := range field.Names {
					names[typ.Name.Name+"."+name.Name] = true
				}
			}
		}
	}
}

func receiver(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

var featureName = regexp.MustCompile("`(?:(ops|opstest|hooktool|juju|pebble|pebbletest|model)\\.([A-Z][\\w.]*)|((?:Test|Benchmark)\\w+))`")

// Every name in the table of features exists, so that the table cannot outlive
// what it promises; and a no comes with its reason.
func TestFeatureTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("FEATURES.md")
	if err != nil {
		t.Fatal(err)
	}
	known, tests := map[string]map[string]bool{}, map[string]bool{}
	for name, directory := range packages {
		known[name] = declared(t, directory)
		maps.Copy(tests, known[name])
	}
	// A row that speaks of each charm needs the test in each.
	for _, charm := range []string{"bookie", "pulsar", "clientdummy"} {
		if !known[charm]["TestMetadataAgrees"] {
			t.Errorf("charm %s has no TestMetadataAgrees", charm)
		}
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| what") {
			continue
		}
		rows++
		if len(cells) != 2 {
			t.Errorf("%q has %d cells", line, len(cells))
			continue
		}
		for _, match := range featureName.FindAllStringSubmatch(cells[1], -1) {
			if match[3] != "" && !tests[match[3]] {
				t.Errorf("%s: there is no test %s", cells[0], match[3])
			}
			if match[1] != "" && !known[match[1]][match[2]] {
				t.Errorf("%s: package %s has no %s", cells[0], match[1], match[2])
			}
		}
		if strings.HasPrefix(cells[1], "no") && !strings.HasPrefix(cells[1], "no, because ") && !strings.HasPrefix(cells[1], "nothing ") {
			t.Errorf("%s: %q gives no reason", cells[0], cells[1])
		}
	}
	if rows < 80 {
		t.Errorf("%d rows: the test does not read the table any more", rows)
	}
}
