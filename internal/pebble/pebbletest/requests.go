package pebbletest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

type check struct {
	config   pebble.Check
	status   string
	failures int
}

// planChanged starts new and changed checks, as the daemon does at once.
func (f *Fake) planChanged() {
	for name, config := range f.plan.Checks {
		known := f.checks[name]
		if known != nil && reflect.DeepEqual(known.config, config) {
			continue
		}
		status := "up"
		if config.Startup == "disabled" {
			status = "inactive"
		}
		f.checks[name] = &check{config: config, status: status}
	}
}

// Checks implements pebble.Pebble.
func (f *Fake) Checks(ctx context.Context, names ...string) ([]pebble.CheckInfo, error) {
	if err := f.read(ctx, append([]string{"Checks"}, names...)...); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	infos := []pebble.CheckInfo{}
	for _, name := range sortedKeys(f.checks) {
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		c := f.checks[name]
		infos = append(infos, pebble.CheckInfo{
			Name:      name,
			Level:     c.config.Level,
			Status:    c.status,
			Failures:  c.failures,
			Threshold: c.config.Threshold,
		})
	}
	return infos, nil
}

// SetCheck sets a check of the plan to "up" or "down", and its failures. One
// that goes down does to services what their on-check-failure says.
func (f *Fake) SetCheck(name, status string, failures int) error {
	if status != "up" && status != "down" {
		return fmt.Errorf("cannot set check %q to %q", name, status)
	}
	f.mu.Lock()
	c := f.checks[name]
	if c == nil {
		f.mu.Unlock()
		return fmt.Errorf("cannot set check %q: it is not in the plan", name)
	}
	fell := status == "down" && c.status != "down"
	c.status, c.failures = status, failures
	var ended []Process
	shutdown := false
	for _, service := range sortedKeys(f.services) {
		s := f.services[service]
		if !fell || s.state == stopped {
			continue
		}
		switch action := s.config.OnCheckFailure[name]; {
		case strings.HasSuffix(action, "shutdown"):
			shutdown = true
		case action == "restart":
			if s.state == running {
				ended = append(ended, s.process())
			}
			f.transition(s, backoff)
		}
	}
	f.mu.Unlock()
	for _, process := range ended {
		f.stopped(process)
	}
	if shutdown {
		f.Kill()
	}
	return nil
}

// Exec implements pebble.Pebble.
func (f *Fake) Exec(ctx context.Context, command pebble.Command) (pebble.ExecResult, error) {
	if err := f.write(ctx, append([]string{"Exec"}, command.Args...)...); err != nil {
		return pebble.ExecResult{}, err
	}
	handler, err := f.prepare(&command)
	f.mu.Unlock()
	if err != nil {
		return pebble.ExecResult{}, err
	}
	if command.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, command.Timeout)
		defer cancel()
	}
	return handler(ctx, command)
}

// prepare checks the command and fills in its service's context.
func (f *Fake) prepare(command *pebble.Command) (ExecHandler, error) {
	if len(command.Args) == 0 {
		return nil, badRequest("must specify command")
	}
	handler := f.handlers[command.Args[0]]
	if handler == nil {
		return nil, badRequest("cannot find executable %q", command.Args[0])
	}
	if command.ServiceContext != "" {
		s, ok := f.plan.Services[command.ServiceContext]
		if !ok {
			return nil, badRequest("context service %q not found", command.ServiceContext)
		}
		command.Environment = overlayTable(s.Environment, command.Environment)
		merged := pebble.Service{User: s.User, Group: s.Group, WorkingDir: s.WorkingDir}
		overlay(&merged.User, command.User)
		overlay(&merged.Group, command.Group)
		overlay(&merged.WorkingDir, command.WorkingDir)
		command.User, command.Group, command.WorkingDir = merged.User, merged.Group, merged.WorkingDir
	}
	if err := f.knownUser(command.User, command.Group); err != nil {
		return nil, badRequest("%v", err)
	}
	if dir := command.WorkingDir; dir != "" {
		found, err := f.files.stat("stat", path.Clean(dir))
		switch {
		case err != nil:
			return nil, serverError("cannot call exec: working directory %q does not exist", dir)
		case !found.mode.IsDir():
			return nil, serverError("cannot call exec: working directory %q not a directory", dir)
		}
	}
	return handler, nil
}

// noticeKey is a domain with at least two parts, and a path.
var noticeKey = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+(/[a-z0-9]+(-[a-z0-9]+)*)+$`)

// Notify implements pebble.Pebble.
func (f *Fake) Notify(ctx context.Context, key string, data map[string]string) error {
	if err := f.write(ctx, "Notify", key); err != nil {
		return err
	}
	notice, err := f.notify(key, data)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if f.options.OnNotice != nil {
		f.options.OnNotice(notice)
	}
	return nil
}

func (f *Fake) notify(key string, data map[string]string) (pebble.Notice, error) {
	encoded, err := json.Marshal(data)
	switch {
	case err != nil:
		return pebble.Notice{}, err
	case !noticeKey.MatchString(key):
		return pebble.Notice{}, badRequest(`invalid key %q (must be in "example.com/path" format)`, key)
	case len(key) > 256:
		return pebble.Notice{}, badRequest("key must be 256 bytes or less")
	case len(data) > 0 && len(encoded) > 4096:
		return pebble.Notice{}, badRequest("total size of data must be 4096 bytes or less")
	}
	notice := pebble.Notice{ID: strconv.Itoa(len(f.notices) + 1), Key: key}
	index := slices.IndexFunc(f.notices, func(n pebble.Notice) bool { return n.Key == key })
	if index >= 0 {
		notice = f.notices[index]
		f.notices = slices.Delete(f.notices, index, index+1)
	}
	notice.Occurrences++
	notice.LastRepeated = f.now()
	notice.LastData = maps.Clone(data)
	f.notices = append(f.notices, notice)
	return notice, nil
}

// Notices implements pebble.Pebble.
func (f *Fake) Notices(ctx context.Context) ([]pebble.Notice, error) {
	if err := f.read(ctx, "Notices"); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	notices := slices.Clone(f.notices)
	for i := range notices {
		notices[i].LastData = maps.Clone(notices[i].LastData)
	}
	return notices, nil
}
