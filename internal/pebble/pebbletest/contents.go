package pebbletest

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Contents are what a container holds, as plain data: what a test wants a
// charm to find, and what the charm left.
type Contents struct {
	// Layers in the order in which their labels were first added.
	Layers []LabelledLayer
	// Services are those that are not inactive, by name.
	Services map[string]ServiceState
	// Checks are those that are not just up without a failure, by name.
	Checks map[string]CheckState
	// Files by absolute path. A path that ends with a slash is a directory;
	// those of mode 0755 that are root's, or hold something, need not be there.
	Files map[string]FileState
	// Notices are the custom notices, oldest first. What all custom notices
	// share, and the times of the first and the last, are left out.
	Notices []pebble.Notice
}

// LabelledLayer is a layer under its label.
type LabelledLayer struct {
	Label string
	Layer pebble.Layer
}

// ServiceState is a service of the plan.
type ServiceState struct {
	// Current is "active", "backoff" or "error".
	Current string
	// PID is another after each start.
	PID int
	// Config is what the process was started with, if it is not what the plan
	// says now.
	Config *pebble.Service
}

// CheckState is a check of the plan.
type CheckState struct {
	// Status is "up", "down" or "inactive".
	Status string
	// Failures in a row: of a check that is up fewer than its threshold, of one
	// that is down as many at least, which 0 means.
	Failures int
}

// FileState is a file or directory. A mode of 0 is 0644, or 0755 of a
// directory; no user is root.
type FileState struct {
	Content     string
	Mode        fs.FileMode
	User, Group string
}

// Restore makes a fake that was not used yet hold the contents. The error is
// Pebble's of a layer, a notice or a file that it would not take, or says what
// does not fit together.
func (f *Fake) Restore(c Contents) error {
	for i, l := range c.Layers {
		if slices.ContainsFunc(c.Layers[:i], func(other LabelledLayer) bool { return other.Label == l.Label }) {
			return fmt.Errorf("layer %q is there twice", l.Label)
		}
		if err := f.AddLayer(context.Background(), l.Label, l.Layer); err != nil {
			return fmt.Errorf("layer %q: %w", l.Label, err)
		}
	}
	f.ResetCalls()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range sortedKeys(c.Files) {
		if err := f.restoreFile(name, c.Files[name]); err != nil {
			return fmt.Errorf("file %q: %w", name, err)
		}
	}
	for _, name := range sortedKeys(c.Services) {
		if err := f.restoreService(name, c.Services[name]); err != nil {
			return fmt.Errorf("service %q: %w", name, err)
		}
	}
	for _, name := range sortedKeys(c.Checks) {
		if f.checks[name] == nil {
			return fmt.Errorf("check %q is not in the plan", name)
		}
		if err := f.restoreCheck(name, c.Checks[name]); err != nil {
			return fmt.Errorf("check %q: %w", name, err)
		}
	}
	if len(c.Notices) > 0 {
		if err := f.tooOld("Notify"); err != nil {
			return fmt.Errorf("notice %q: %w", c.Notices[0].Key, err)
		}
	}
	for _, notice := range c.Notices {
		if _, err := f.notify(pebble.NewNotice{Key: notice.Key, Data: notice.LastData}); err != nil {
			return fmt.Errorf("notice %q: %w", notice.Key, err)
		}
		made := &f.notices[len(f.notices)-1]
		made.Occurrences = max(made.Occurrences, notice.Occurrences)
		if notice.ID != "" {
			made.ID = notice.ID
			if id, err := strconv.Atoi(notice.ID); err == nil {
				f.noticeIDs = max(f.noticeIDs, id) // the next one's is another
			}
		}
	}
	return nil
}

func (f *Fake) restoreFile(name string, file FileState) error {
	clean, isDir := strings.CutSuffix(name, "/")
	if !path.IsAbs(name) {
		return notAbsolute(name)
	}
	owner, err := f.owner(nil, nil, file.User, file.Group)
	if err != nil {
		return err
	}
	if !isDir {
		// Push would give directories that it makes to the file's owner.
		if err := f.files.makeDir(path.Dir(name), node{mode: fs.ModeDir | 0o755}); err != nil {
			return err
		}
		return f.push(pebble.File{Path: name, Content: []byte(file.Content), Mode: file.Mode, User: file.User, Group: file.Group})
	}
	if err := f.files.makeDir(clean, node{mode: fs.ModeDir | 0o755}); err != nil {
		return err
	}
	made := f.files[path.Clean(clean)]
	made.owner = owner
	if file.Mode.Perm() != 0 {
		made.mode = fs.ModeDir | file.Mode.Perm()
	}
	f.files[path.Clean(clean)] = made
	return nil
}

// restoreCheck does nothing to services: what the check did to them is in the
// contents too.
func (f *Fake) restoreCheck(name string, given CheckState) error {
	failures, err := f.checks[name].counted(given.Status, given.Failures)
	if err != nil {
		return err
	}
	if active := given.Status != "inactive"; active != f.checks[name].active() {
		f.startCheck(name, f.effective(name), active)
	}
	c := f.checks[name]
	if given.Status == "down" {
		f.goDown(name, c)
	}
	c.failures = failures
	return nil
}

func (f *Fake) restoreService(name string, given ServiceState) error {
	config, ok := f.plan.Services[name]
	if !ok && given.Config == nil {
		return fmt.Errorf("it is not in the plan")
	}
	if given.Config != nil {
		config = *given.Config
	}
	at := slices.Index([]string{stopped.String(), running.String(), backoff.String(), exited.String()}, given.Current)
	if at < 0 {
		return fmt.Errorf("%q is not one of active, backoff, error, inactive", given.Current)
	}
	f.services[name] = &service{name: name, state: [...]state{stopped, running, backoff, exited}[at], config: config, pid: given.PID, since: f.now()}
	f.pids = max(f.pids, given.PID)
	return nil
}

// Contents are what the fake holds now; none of one that was killed but for
// files in mounts. Nothing is shared with the fake.
func (f *Fake) Contents() Contents {
	f.mu.Lock()
	defer f.mu.Unlock()
	var c Contents
	for _, l := range f.layers {
		c.Layers = append(c.Layers, LabelledLayer{l.label, l.layer.Clone()})
	}
	for name, s := range f.services {
		if s.state == stopped {
			continue
		}
		out := ServiceState{Current: s.state.String(), PID: s.pid}
		if !reflect.DeepEqual(f.plan.Services[name], s.config) {
			config := pebble.Layer{Services: map[string]pebble.Service{name: s.config}}.Clone().Services[name]
			out.Config = &config
		}
		c.Services = put(c.Services, name, out)
	}
	for name, known := range f.checks {
		initial := "up"
		if known.config.Startup == "disabled" {
			initial = "inactive"
		}
		if known.status != initial || known.failures > 0 {
			c.Checks = put(c.Checks, name, CheckState{known.status, known.failures})
		}
	}
	c.Files = f.contentsOfFiles()
	for _, notice := range f.notices {
		c.Notices = append(c.Notices, pebble.Notice{
			ID: notice.ID, Key: notice.Key, Occurrences: notice.Occurrences, LastRepeated: notice.LastRepeated,
			LastData: maps.Clone(notice.LastData),
		})
	}
	return c
}

func (f *Fake) contentsOfFiles() map[string]FileState {
	var out map[string]FileState
	holds := make(map[string]bool, len(f.files))
	for name := range f.files {
		holds[path.Dir(name)] = true
	}
	for name, n := range f.files {
		file := FileState{Content: string(n.content), Mode: n.mode.Perm(), User: f.name(n.owner.uid), Group: f.name(n.owner.gid)}
		usual := fs.FileMode(0o644)
		if n.mode.IsDir() {
			usual = 0o755
		}
		if file.Mode == usual {
			file.Mode = 0
		}
		if file.User == "root" && file.Group == "root" {
			file.User, file.Group = "", ""
		}
		if n.mode.IsDir() {
			mount := slices.ContainsFunc(f.options.Mounts, func(m string) bool { return path.Clean(m) == name })
			if name == "/" || file == (FileState{}) && (holds[name] || mount) {
				continue
			}
			name += "/"
		}
		out = put(out, name, file)
	}
	return out
}

func put[V any](table map[string]V, key string, value V) map[string]V {
	if table == nil {
		table = make(map[string]V)
	}
	table[key] = value
	return table
}
