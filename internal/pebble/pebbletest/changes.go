package pebbletest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// change is one that the fake remembers.
type change struct {
	pebble.ChangeInfo
	services []string
}

// addChange records a change and its tasks, and returns its ID; as in Pebble,
// all but a thousand old ones are forgotten.
func (f *Fake) addChange(info pebble.ChangeInfo, services ...string) string {
	f.changeIDs++
	info.ID = strconv.Itoa(f.changeIDs)
	info.Spawned = f.now()
	for i := range info.Tasks {
		f.taskIDs++
		info.Tasks[i].ID = strconv.Itoa(f.taskIDs)
	}
	if len(f.changes) >= 1000 {
		if old := slices.IndexFunc(f.changes, func(c change) bool { return c.Ready }); old >= 0 {
			f.changes = slices.Delete(f.changes, old, old+1)
		}
	}
	f.changes = append(f.changes, change{info, services})
	return info.ID
}

// endChange ends a change that has not, with all its tasks.
func (f *Fake) endChange(id, status, message string) {
	index := f.changeIndex(id)
	if index < 0 || f.changes[index].Ready {
		return
	}
	c := &f.changes[index]
	c.Status, c.Err, c.Ready, c.Readied = status, message, true, f.now()
	tasks := slices.Clone(c.Tasks)
	for i := range tasks {
		if tasks[i].Status == "Doing" {
			tasks[i].Status = status
		}
	}
	c.Tasks = tasks
	f.wake()
}

func (f *Fake) changeIndex(id string) int {
	return slices.IndexFunc(f.changes, func(c change) bool { return c.ID == id })
}

// Changes implements pebble.ChangeKeeper. What a call of the fake does has
// ended when the call returns; only checks go on.
func (f *Fake) Changes(ctx context.Context, filter pebble.ChangeFilter) ([]pebble.ChangeInfo, error) {
	if err := f.read(ctx, "Changes"); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	if !slices.Contains([]string{"", "in-progress", "ready", "all"}, filter.Select) {
		return nil, badRequest("select should be one of: all,in-progress,ready")
	}
	infos := []pebble.ChangeInfo{}
	for _, c := range f.changes {
		wanted := filter.Select == "all" || c.Ready == (filter.Select == "ready")
		if wanted && (filter.Service == "" || slices.Contains(c.services, filter.Service)) {
			infos = append(infos, c.copied())
		}
	}
	return infos, nil
}

func (c change) copied() pebble.ChangeInfo {
	info := c.ChangeInfo
	info.Tasks = slices.Clone(info.Tasks)
	for i := range info.Tasks {
		info.Tasks[i].Log = slices.Clone(info.Tasks[i].Log)
	}
	return info
}

func (f *Fake) change(ctx context.Context, verb, id string, write bool) (*change, error) {
	if !changeID(id) {
		return nil, fmt.Errorf("invalid change ID %q", id)
	}
	if err := f.request(ctx, call{verb: verb, name: id}, write); err != nil {
		return nil, err
	}
	index := f.changeIndex(id)
	if index < 0 {
		f.mu.Unlock()
		return nil, notFound("cannot find change with id %q", id)
	}
	return &f.changes[index], nil
}

// changeID says whether Pebble's client would send it.
func changeID(id string) bool {
	return id != "" && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// Change implements pebble.ChangeKeeper.
func (f *Fake) Change(ctx context.Context, id string) (pebble.ChangeInfo, error) {
	c, err := f.change(ctx, "Change", id, false)
	if err != nil {
		return pebble.ChangeInfo{}, err
	}
	defer f.mu.Unlock()
	return c.copied(), nil
}

// WaitChange implements pebble.ChangeKeeper. The change of a check ends when
// the check is stopped, or goes down or up again.
func (f *Fake) WaitChange(ctx context.Context, id string) (pebble.ChangeInfo, error) {
	for {
		c, err := f.change(ctx, "WaitChange", id, false)
		if err != nil {
			return pebble.ChangeInfo{}, err
		}
		info, news := c.copied(), f.news
		f.mu.Unlock()
		if info.Ready {
			return info, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
		}
	}
}

// AbortChange implements pebble.ChangeKeeper.
func (f *Fake) AbortChange(ctx context.Context, id string) (pebble.ChangeInfo, error) {
	c, err := f.change(ctx, "AbortChange", id, true)
	if err != nil {
		return pebble.ChangeInfo{}, err
	}
	defer f.mu.Unlock()
	if c.Ready {
		return pebble.ChangeInfo{}, badRequest("cannot abort change %s with nothing pending", id)
	}
	for _, name := range f.checkNames {
		if known := f.checks[name]; known.change == id {
			known.change, known.status = "", "inactive"
		}
	}
	f.endChange(id, "Hold", "")
	return c.copied(), nil
}

// Log writes a line of a service's output.
func (f *Fake) Log(service, message string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logs = append(f.logs, pebble.LogEntry{Time: f.now(), Service: service, Message: message})
	f.wake()
}

// Logs implements pebble.LogReader with the lines of Log.
func (f *Fake) Logs(ctx context.Context, options pebble.LogOptions, line func(pebble.LogEntry) error) error {
	last := options.Last
	if last == 0 && !options.Follow {
		last = 30
	}
	for given := -1; ; {
		if err := f.read(ctx, "Logs", options.Services...); err != nil {
			return err
		}
		var entries []pebble.LogEntry
		for _, entry := range f.logs {
			if len(options.Services) == 0 || slices.Contains(options.Services, entry.Service) {
				entries = append(entries, entry)
			}
		}
		news := f.news
		f.mu.Unlock()
		if given < 0 { // only the first time
			given = 0
			if last >= 0 {
				given = max(0, len(entries)-last)
			}
		}
		for ; given < len(entries); given++ {
			if err := line(entries[given]); err != nil {
				return err
			}
		}
		if !options.Follow {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
		}
	}
}

// Metrics implements pebble.LogReader.
func (f *Fake) Metrics(ctx context.Context) (string, error) {
	if err := f.read(ctx, "Metrics"); err != nil {
		return "", err
	}
	defer f.mu.Unlock()
	var text strings.Builder
	write := func(name, kind, comment, label, value string, n int) {
		fmt.Fprintf(&text, "# HELP %s %s\n# TYPE %s %s\n%s{%s=%q} %d\n\n", name, comment, name, kind, name, label, value, n)
	}
	number := map[bool]int{true: 1}
	for _, name := range sortedKeys(f.services) {
		s := f.services[name]
		write("pebble_service_active", "gauge", "Whether the service is currently active (1) or not (0)", "service", name,
			number[s.state == running])
		write("pebble_service_start_count", "counter", "Number of times the service has started", "service", name, s.starts)
	}
	for _, name := range f.checkNames {
		c := f.checks[name]
		if c.active() {
			write("pebble_check_up", "gauge", "Whether the health check is up (1) or not (0)", "check", name, number[c.status == "up"])
		}
		write("pebble_check_success_count", "counter", "Number of times the check has succeeded", "check", name, c.ran)
		write("pebble_check_failure_count", "counter", "Number of times the check has failed", "check", name, c.failed)
	}
	return text.String(), nil
}
