package image

import (
	"os"
	"path/filepath"
	"strings"
)

// system is what the package looks at of the machine's environment.
type system struct {
	environ []string
}

func currentSystem() system { return system{environ: os.Environ()} }

func (s system) get(name string) string {
	value := ""
	for _, entry := range s.environ {
		if key, v, ok := strings.Cut(entry, "="); ok && key == name {
			value = v
		}
	}
	return value
}

// look returns the first executable file of that name on PATH, or "".
func (s system) look(name string) string {
	for _, dir := range filepath.SplitList(s.get("PATH")) {
		if dir == "" {
			continue
		}
		path := filepath.Join(dir, name)
		if executable(path) {
			return path
		}
	}
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// with returns the environment with entries set, as KEY=VALUE.
func (s system) with(entries ...string) []string {
	environ := make([]string, 0, len(s.environ)+len(entries))
	for _, entry := range s.environ {
		key, _, _ := strings.Cut(entry, "=")
		replaced := false
		for _, e := range entries {
			replaced = replaced || strings.HasPrefix(e, key+"=")
		}
		if !replaced {
			environ = append(environ, entry)
		}
	}
	return append(environ, entries...)
}
