package pebbletest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// check is what the daemon knows of a check of the plan.
type check struct {
	config    pebble.Check // with its service's context
	status    string
	successes int
	failures  int
	change    string // of the running check
	// ran and failed count for metrics, also across restarts of the check.
	ran, failed int
}

func (c *check) active() bool { return c.status != "inactive" }

// counted is how many failures the status stands for, or why it cannot be: a
// check is down exactly when they have reached its threshold; one that is
// inactive keeps those that it had.
func (c *check) counted(status string, failures int) (int, error) {
	threshold := c.config.Threshold
	switch {
	case !slices.Contains([]string{"up", "down", "inactive"}, status):
		return 0, fmt.Errorf("status %q is not one of up, down, inactive", status)
	case failures < 0:
		return 0, fmt.Errorf("%d failures", failures)
	case status == "up" && failures >= threshold:
		return 0, fmt.Errorf("it is down with %d failures: its threshold is %d", failures, threshold)
	case status == "down" && failures == 0:
		return threshold, nil
	case status == "down" && failures < threshold:
		return 0, fmt.Errorf("it is up with %d failures: its threshold is %d", failures, threshold)
	}
	return failures, nil
}

func (c *check) info(name string) pebble.CheckInfo {
	startup := c.config.Startup
	if startup == "" {
		startup = "enabled"
	}
	return pebble.CheckInfo{
		Name:      name,
		Level:     c.config.Level,
		Startup:   startup,
		Status:    c.status,
		Successes: c.successes,
		Failures:  c.failures,
		Threshold: c.config.Threshold,
		ChangeID:  c.change,
	}
}

// startCheck begins with a check as its configuration is now, or just knows it.
func (f *Fake) startCheck(name string, config pebble.Check, active bool) {
	c := &check{config: config, status: "inactive"}
	if known := f.checks[name]; known != nil {
		f.endChange(known.change, "Hold", "")
		c.ran, c.failed = known.ran, known.failed
	}
	if active {
		c.status = "up"
		f.checkChange(name, c, "perform-check", "Perform")
	}
	f.checks[name] = c
}

func (f *Fake) checkChange(name string, c *check, kind, verb string) {
	what := "exec"
	switch {
	case c.config.HTTP != nil:
		what = "HTTP"
	case c.config.TCP != nil:
		what = "TCP"
	}
	summary := fmt.Sprintf("%s %s check %q", verb, what, name)
	c.change = f.addChange(pebble.ChangeInfo{Kind: kind, Summary: summary, Status: "Doing", Tasks: []pebble.TaskInfo{
		{Kind: kind, Summary: summary, Status: "Doing"},
	}})
}

// Checks implements pebble.Pebble.
func (f *Fake) Checks(ctx context.Context, names ...string) ([]pebble.CheckInfo, error) {
	if err := f.read(ctx, "Checks", names...); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	infos := make([]pebble.CheckInfo, 0, len(f.checkNames))
	for _, name := range f.checkNames {
		if len(names) == 0 || slices.Contains(names, name) {
			info := f.checks[name].info(name)
			if !f.supports(pebble.FeatureCheckControl) {
				info.Startup = ""
			}
			infos = append(infos, info)
		}
	}
	return infos, nil
}

// StartChecks implements pebble.CheckController.
func (f *Fake) StartChecks(ctx context.Context, names ...string) ([]string, error) {
	return f.controlChecks(ctx, "StartChecks", "start", names, func(name string, c *check) bool {
		if c.active() {
			return false
		}
		f.startCheck(name, f.effective(name), true)
		return true
	})
}

// StopChecks implements pebble.CheckController.
func (f *Fake) StopChecks(ctx context.Context, names ...string) ([]string, error) {
	return f.controlChecks(ctx, "StopChecks", "stop", names, func(_ string, c *check) bool {
		if !c.active() {
			return false
		}
		f.endChange(c.change, "Hold", "")
		c.status, c.change = "inactive", ""
		return true
	})
}

func (f *Fake) controlChecks(
	ctx context.Context, verb, action string, names []string, control func(string, *check) bool,
) ([]string, error) {
	if err := f.write(ctx, verb, names...); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	if len(names) == 0 {
		return nil, badRequest("must specify checks for %s action", action)
	}
	if missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return f.checks[name] != nil }); len(missing) > 0 {
		slices.Sort(missing)
		return nil, badRequest("cannot %s checks: cannot find checks in plan: %s", action, strings.Join(missing, ", "))
	}
	changed := []string{}
	for _, name := range names {
		if control(name, f.checks[name]) {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	return changed, nil
}

// RefreshCheck implements pebble.CheckController, with Options.RunCheck.
func (f *Fake) RefreshCheck(ctx context.Context, name string) (pebble.CheckInfo, error) {
	if err := f.write(ctx, "RefreshCheck", name); err != nil {
		return pebble.CheckInfo{}, err
	}
	c := f.checks[name]
	if name == "" || c == nil {
		f.mu.Unlock()
		if name == "" {
			return pebble.CheckInfo{}, badRequest("must specify check name")
		}
		return pebble.CheckInfo{}, notFound("cannot find check with name %q", name)
	}
	config, active := c.config, c.active()
	f.mu.Unlock()
	var failure error
	if f.options.RunCheck != nil {
		failure = f.options.RunCheck(name, config)
	}
	if active {
		f.ran(name, failure)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if c = f.checks[name]; c == nil {
		return pebble.CheckInfo{}, fmt.Errorf("%w: the fake was killed", pebble.ErrUnavailable)
	}
	if failure != nil {
		return c.info(name), &pebble.CheckError{Check: name, Message: failure.Error()}
	}
	return c.info(name), nil
}

// ran counts one run of a check, as the daemon does each period.
func (f *Fake) ran(name string, failure error) {
	f.mu.Lock()
	c := f.checks[name]
	if c == nil || !c.active() {
		f.mu.Unlock()
		return
	}
	var shutdown func()
	switch {
	case failure != nil:
		c.failed++
		shutdown = f.count(name, c, c.failures+1)
	case c.status == "down":
		f.recovered(name, c)
		c.ran++
		c.successes = 1
	default:
		c.failures = 0
		c.ran++
		c.successes++
	}
	f.mu.Unlock()
	if shutdown != nil {
		shutdown()
	}
}

func (f *Fake) recovered(name string, c *check) {
	c.status, c.failures = "up", 0
	f.endChange(c.change, "Done", "")
	f.checkChange(name, c, "perform-check", "Perform")
}

// count sets the failures of a check. If it goes down by them, the function
// does to services what their on-check-failure says, without the lock.
func (f *Fake) count(name string, c *check, failures int) func() {
	c.failures = failures
	if failures < c.config.Threshold || c.status == "down" {
		return nil
	}
	return f.fell(name, c)
}

func (f *Fake) goDown(name string, c *check) {
	c.status = "down"
	f.endChange(c.change, "Error", fmt.Sprintf("cannot perform the following tasks:\n- Perform check %q", name))
	f.checkChange(name, c, "recover-check", "Recover")
}

func (f *Fake) fell(name string, c *check) func() {
	f.goDown(name, c)
	var ended []Process
	shutdown := false
	for _, service := range sortedKeys(f.services) {
		s := f.services[service]
		if s.state == stopped {
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
	return func() {
		for _, process := range ended {
			f.stopped(process)
		}
		if shutdown {
			f.Kill()
		}
	}
}

// SetCheck sets a check of the plan that is not inactive to "up" or "down", and
// its failures, as in CheckState. One that goes down does to services what
// their on-check-failure says.
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
	failures, err := c.counted(status, failures)
	if err == nil && !c.active() {
		err = errors.New("it is inactive")
	}
	if err != nil {
		f.mu.Unlock()
		return fmt.Errorf("cannot set check %q: %w", name, err)
	}
	var shutdown func()
	switch {
	case status == "down" && c.status != "down":
		shutdown = f.fell(name, c)
	case status == "up" && c.status == "down":
		f.recovered(name, c)
	}
	c.status, c.failures = status, failures
	f.mu.Unlock()
	if shutdown != nil {
		shutdown()
	}
	return nil
}

// Healthy implements pebble.CheckController.
func (f *Fake) Healthy(ctx context.Context, level string, names ...string) (bool, error) {
	if err := f.read(ctx, "Healthy", append([]string{level}, names...)...); err != nil {
		return false, err
	}
	defer f.mu.Unlock()
	if !slices.Contains([]string{"", "alive", "ready"}, level) {
		return false, badRequest(`level must be "alive" or "ready"`)
	}
	for name, c := range f.checks {
		counts := level == "" || c.config.Level == level || level == "ready" && c.config.Level == "alive"
		if counts && c.status == "down" && (len(names) == 0 || slices.Contains(names, name)) {
			return false, nil
		}
	}
	return true, nil
}

// effective is the plan's check with its service's context: that environment
// counts as the check's.
func (f *Fake) effective(name string) pebble.Check {
	config := f.plan.Checks[name]
	if config.Exec == nil || config.Exec.ServiceContext == "" {
		return config
	}
	exec := *config.Exec
	s := f.plan.Services[exec.ServiceContext]
	exec.Environment = withDefaults(exec.Environment, s.Environment)
	overlay(&exec.User, s.User)
	overlay(&exec.Group, s.Group)
	overlay(&exec.WorkingDir, s.WorkingDir)
	overlay(&exec.UserID, s.UserID)
	overlay(&exec.GroupID, s.GroupID)
	config.Exec = &exec
	return config
}

func notFound(format string, args ...any) error {
	return &pebble.APIError{Status: http.StatusNotFound, Message: fmt.Sprintf(format, args...)}
}
