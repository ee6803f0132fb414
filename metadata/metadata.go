// Package metadata embeds what Juju reads of each charm: metadata.yaml,
// config.yaml, actions.yaml. The YAML is the source; tests hold the Go types
// of the charms to it.
package metadata

import (
	"embed"
	"io/fs"
)

//go:embed all:*/*.yaml
var files embed.FS

// Charms are the names of the charms, sorted.
func Charms() []string {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		panic(err) // an embedded directory can always be read
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}

// FS holds the files of one charm, such as metadata.yaml, at its top. The
// error is of a charm that does not exist.
func FS(charm string) (fs.FS, error) {
	if _, err := fs.Stat(files, charm); err != nil {
		return nil, err
	}
	return fs.Sub(files, charm)
}

// Files are the contents of the files of one charm by name. The error is of a
// charm that does not exist.
func Files(charm string) (map[string][]byte, error) {
	entries, err := fs.ReadDir(files, charm)
	if err != nil {
		return nil, err
	}
	contents := map[string][]byte{}
	for _, entry := range entries {
		if contents[entry.Name()], err = fs.ReadFile(files, charm+"/"+entry.Name()); err != nil {
			return nil, err
		}
	}
	return contents, nil
}
