package repo

import (
	"bytes"
	"fmt"
	"go/format"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/metadata"
)

// eachText calls check with every tracked text file.
func eachText(t *testing.T, check func(file string, content []byte)) {
	t.Helper()
	for _, file := range tracked(t) {
		content, err := os.ReadFile(filepath.Join("../..", file))
		if os.IsNotExist(err) {
			continue // deleted, not yet in git
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(content, []byte{0}) {
			check(file, content)
		}
	}
}

// foreign are texts that belong to one machine. They are written in parts, or
// else this file would name them.
var foreign = []struct {
	pattern *regexp.Regexp
	why     string
}{
	{regexp.MustCompile(`(^|[^\w./-])/(wo` + `rk\b|(ro` + `ot|ho` + `me/\w+|Us` + `ers)/)`), "a path of one machine"},
	{regexp.MustCompile(`\.\./sha` + `red`), "a directory outside of the repository"},
	{regexp.MustCompile(`\b(proxy\.gol` + `ang\.org|sum\.gol` + `ang\.org|repo1?\.ma` + `ven(\.apache)?\.org|registry\.np` + `mjs\.org|jf` + `rog\.io|docker\.i` + `o/|ghcr\.i` + `o/)`), "the host of a registry; machines have their own settings"},
}

func TestNothingNamesAMachine(t *testing.T) {
	t.Parallel()
	patterns := foreign
	for _, host := range configuredHosts(t) {
		patterns = append(patterns, struct {
			pattern *regexp.Regexp
			why     string
		}{regexp.MustCompile(regexp.QuoteMeta(host)), "a host of this machine's settings"})
	}
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(top, "/") > 1 { // a short one, such as /src, is a word of any text
		patterns = append(patterns, struct {
			pattern *regexp.Regexp
			why     string
		}{regexp.MustCompile(regexp.QuoteMeta(top)), "where the repository lies on this machine"})
	}
	eachText(t, func(file string, content []byte) {
		for _, p := range patterns {
			for _, found := range p.pattern.FindAll(content, 3) {
				t.Errorf("%s names %q: %s", file, found, p.why)
			}
		}
	})
}

// configuredHosts are where this machine fetches Go modules.
func configuredHosts(t *testing.T) (hosts []string) {
	t.Helper()
	output, err := exec.Command("go", "env", "GOPROXY", "GOSUMDB").Output()
	if err != nil {
		t.Fatalf("go env: %v", err)
	}
	for _, entry := range strings.FieldsFunc(string(output), func(r rune) bool { return strings.ContainsRune(",|\n ", r) }) {
		if u, err := url.Parse(entry); err == nil && strings.Contains(u.Hostname(), ".") {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts
}

func TestFormat(t *testing.T) {
	t.Parallel()
	eachText(t, func(file string, content []byte) {
		for n, line := range bytes.Split(content, []byte("\n")) {
			if file != "LICENSE" && len(bytes.TrimRight(line, " \t\r")) != len(line) {
				t.Errorf("%s:%d ends with white space", file, n+1)
			}
		}
		if len(content) > 0 && content[len(content)-1] != '\n' {
			t.Errorf("%s does not end with a line break", file)
		}
		if !strings.HasSuffix(file, ".go") {
			return
		}
		formatted, err := format.Source(content)
		if err != nil || !bytes.Equal(formatted, content) {
			t.Errorf("%s is not formatted: run gofmt -w on it (%v)", file, err)
		}
	})
}

// Each charm can be packed with charmcraft, and then is what make charms
// packs: the same base and architectures, the same binaries under the same
// names, and nothing declared otherwise than in metadata/.
func TestCharmcraft(t *testing.T) {
	t.Parallel()
	packs, err := os.ReadFile("../../cmd/pack/main.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range metadata.Charms() {
		file := filepath.Join("charmcraft", name, "charmcraft.yaml")
		content, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Errorf("charm %s cannot be packed with charmcraft: %v", name, err)
			continue
		}
		if err := checkCharmcraft(name, content, string(packs)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

type baseYAML struct {
	Name, Channel string
	Architectures []string
}

var goBuild = regexp.MustCompile(`go build .*-o "\$CRAFT_PART_INSTALL/([\w-]+)" \./(cmd/[\w-]+)`)

func checkCharmcraft(name string, content []byte, packs string) error {
	var craft struct {
		Type  string
		Bases []struct {
			RunOn []baseYAML `yaml:"run-on"`
		}
		Parts map[string]struct {
			OverrideBuild string `yaml:"override-build"`
		}
	}
	if err := yaml.Unmarshal(content, &craft); err != nil {
		return err
	}
	if craft.Type != "charm" {
		return fmt.Errorf("its type is %q", craft.Type)
	}
	var bases []baseYAML
	for _, base := range craft.Bases {
		bases = append(bases, base.RunOn...)
	}
	want := []baseYAML{{"ubuntu", "22.04", []string{"amd64"}}, {"ubuntu", "22.04", []string{"arm64"}}}
	if diff := cmp.Diff(want, bases); diff != "" {
		return fmt.Errorf("bases (-make charms +charmcraft)\n%s", diff)
	}
	built := map[string]string{}
	for _, part := range craft.Parts {
		for _, match := range goBuild.FindAllStringSubmatch(part.OverrideBuild, -1) {
			built[match[1]] = match[2]
			if _, err := os.Stat(filepath.Join("../..", match[2])); err != nil {
				return fmt.Errorf("it builds %s, which does not exist", match[2])
			}
		}
		if !strings.Contains(part.OverrideBuild, "metadata/"+name+"/*.yaml") {
			return fmt.Errorf("it does not take the files of metadata/%s", name)
		}
	}
	if built["dispatch"] != "cmd/"+name {
		return fmt.Errorf("dispatch is built of %q, want cmd/%s", built["dispatch"], name)
	}
	for binary, source := range built {
		if binary != "dispatch" && !strings.Contains(packs, fmt.Sprintf("{%q: %q}", binary, "./"+source)) {
			return fmt.Errorf("%s is built of %s, which cmd/pack does not pack", binary, source)
		}
	}
	return compareKeys(name, content)
}

// compareKeys holds what charmcraft.yaml declares, if anything, to metadata/.
func compareKeys(name string, content []byte) error {
	files, err := metadata.Files(name)
	if err != nil {
		return err
	}
	var craft, meta, config, actions map[string]any
	for _, document := range []struct {
		content []byte
		into    *map[string]any
	}{{content, &craft}, {files["metadata.yaml"], &meta}, {files["config.yaml"], &config}, {files["actions.yaml"], &actions}} {
		if err := yaml.Unmarshal(document.content, document.into); err != nil {
			return err
		}
	}
	meta["config"], meta["actions"] = config, actions
	for key, value := range craft {
		if want, ok := meta[key]; ok {
			if diff := cmp.Diff(want, value); diff != "" {
				return fmt.Errorf("%s (-metadata/%s +charmcraft)\n%s", key, name, diff)
			}
		}
	}
	return nil
}
