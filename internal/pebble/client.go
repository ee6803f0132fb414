package pebble

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/canonical/pebble/client"
	"gopkg.in/yaml.v3"
)

// Client is Pebble over a unix socket. It is safe for concurrent use.
//
// A call whose context ends returns at once. What it had asked of the daemon
// goes on there: a service that is starting starts. Only Exec ends its command.
type Client struct {
	socket    string
	transport *http.Transport
}

var _ Daemon = (*Client)(nil)

// NewClient talks to the daemon at the socket, in a charm
// /charm/containers/<container>/pebble.socket. It does not connect yet.
func NewClient(socket string) *Client {
	c := &Client{socket: socket}
	c.transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
		// One hook reads a few dozen files one after the other.
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     30 * time.Second,
		DisableCompression:  true,
	}
	return c
}

// Close closes idle connections; the client stays usable.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// SystemInfo implements Pebble.
func (c *Client) SystemInfo(ctx context.Context) (SystemInfo, error) {
	s := c.session(ctx)
	defer s.close()
	info, err := s.pebble.SysInfo()
	if err != nil {
		return SystemInfo{}, s.wrap(err)
	}
	return SystemInfo{Version: info.Version, BootID: info.BootID}, nil
}

// Plan implements Pebble.
func (c *Client) Plan(ctx context.Context) (Layer, error) {
	s := c.session(ctx)
	defer s.close()
	data, err := s.pebble.PlanBytes(nil)
	if err != nil {
		return Layer{}, s.wrap(err)
	}
	var plan Layer
	if err := yaml.Unmarshal(data, &plan); err != nil {
		return Layer{}, fmt.Errorf("cannot parse plan: %w", err)
	}
	for name, target := range plan.LogTargets {
		target.Services = normalList(target.Services) // Pebble writes []
		plan.LogTargets[name] = target
	}
	return plan, nil
}

// AddLayer implements Pebble.
func (c *Client) AddLayer(ctx context.Context, label string, layer Layer) error {
	s := c.session(ctx)
	defer s.close()
	data, err := yaml.Marshal(WithOverride(layer))
	if err != nil {
		return fmt.Errorf("cannot marshal layer: %w", err)
	}
	err = s.wrap(s.pebble.AddLayer(&client.AddLayerOptions{Combine: true, Label: label, LayerData: data}))
	return c.unknownKey(ctx, err)
}

// Services implements Pebble.
func (c *Client) Services(ctx context.Context, names ...string) ([]ServiceInfo, error) {
	s := c.session(ctx)
	defer s.close()
	got, err := s.pebble.Services(&client.ServicesOptions{Names: names})
	if err != nil {
		return nil, s.wrap(err)
	}
	infos := make([]ServiceInfo, 0, len(got))
	for _, info := range got {
		infos = append(infos, ServiceInfo{
			Name:         info.Name,
			Startup:      string(info.Startup),
			Current:      string(info.Current),
			CurrentSince: info.CurrentSince,
		})
	}
	return infos, nil
}

// Replan implements Pebble.
func (c *Client) Replan(ctx context.Context) error {
	return c.change(ctx, (*client.Client).Replan)
}

// AutoStart implements AutoStarter.
func (c *Client) AutoStart(ctx context.Context) error {
	return c.change(ctx, (*client.Client).AutoStart)
}

// Start implements Pebble.
func (c *Client) Start(ctx context.Context, names ...string) error {
	return c.change(ctx, (*client.Client).Start, names...)
}

// Stop implements Pebble.
func (c *Client) Stop(ctx context.Context, names ...string) error {
	return c.change(ctx, (*client.Client).Stop, names...)
}

// Restart implements Pebble.
func (c *Client) Restart(ctx context.Context, names ...string) error {
	return c.change(ctx, (*client.Client).Restart, names...)
}

// change runs one action on services and waits for its change.
func (c *Client) change(
	ctx context.Context, action func(*client.Client, *client.ServiceOptions) (string, error), names ...string,
) error {
	s := c.session(ctx)
	defer s.close()
	id, err := action(s.pebble, &client.ServiceOptions{Names: names})
	if err != nil {
		return s.wrap(err)
	}
	change, err := s.pebble.WaitChange(id, &client.WaitChangeOptions{Timeout: limit(ctx)})
	if err != nil {
		return s.wrap(err)
	}
	if change.Err == "" {
		return nil
	}
	failed := &ChangeError{ID: change.ID, Summary: change.Summary, Message: change.Err}
	for _, task := range change.Tasks {
		failed.Log = append(failed.Log, task.Log...)
	}
	return failed
}

// limit is how long the daemon shall go on with what ctx bounds; 0 for ever.
// It is somewhat later than ctx ends here, so that there is one error only.
func limit(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(time.Until(deadline), 0) + time.Second
}

// Signal implements Pebble.
func (c *Client) Signal(ctx context.Context, signal string, names ...string) error {
	s := c.session(ctx)
	defer s.close()
	return s.wrap(s.pebble.SendSignal(&client.SendSignalOptions{Signal: signal, Services: names}))
}

// Checks implements Pebble.
func (c *Client) Checks(ctx context.Context, names ...string) ([]CheckInfo, error) {
	s := c.session(ctx)
	defer s.close()
	got, err := s.pebble.Checks(&client.ChecksOptions{Names: names})
	if err != nil {
		return nil, s.wrap(err)
	}
	infos := make([]CheckInfo, 0, len(got))
	for _, info := range got {
		infos = append(infos, checkInfo(*info))
	}
	return infos, nil
}

func checkInfo(info client.CheckInfo) CheckInfo {
	return CheckInfo{
		Name:      info.Name,
		Level:     string(info.Level),
		Startup:   string(info.Startup),
		Status:    string(info.Status),
		Successes: deref(info.Successes),
		Failures:  info.Failures,
		Threshold: info.Threshold,
		ChangeID:  info.ChangeID,
	}
}

// StartChecks implements CheckController.
func (c *Client) StartChecks(ctx context.Context, names ...string) ([]string, error) {
	return c.controlChecks(ctx, (*client.Client).StartChecks, names)
}

// StopChecks implements CheckController.
func (c *Client) StopChecks(ctx context.Context, names ...string) ([]string, error) {
	return c.controlChecks(ctx, (*client.Client).StopChecks, names)
}

func (c *Client) controlChecks(
	ctx context.Context, action func(*client.Client, *client.ChecksActionOptions) (*client.ChecksActionResult, error), names []string,
) ([]string, error) {
	s := c.session(ctx)
	defer s.close()
	result, err := action(s.pebble, &client.ChecksActionOptions{Names: names})
	if err != nil {
		return nil, c.needs(ctx, FeatureCheckControl, s.wrap(err))
	}
	return result.Changed, nil
}

// RefreshCheck implements CheckController.
func (c *Client) RefreshCheck(ctx context.Context, name string) (CheckInfo, error) {
	s := c.session(ctx)
	defer s.close()
	result, err := s.pebble.RefreshCheck(&client.RefreshCheckOptions{Name: name})
	if err != nil {
		return CheckInfo{}, c.needs(ctx, FeatureCheckRefresh, s.wrap(err))
	}
	if result.Error != "" {
		return checkInfo(result.Info), &CheckError{Check: name, Message: result.Error}
	}
	return checkInfo(result.Info), nil
}

// Healthy implements CheckController.
func (c *Client) Healthy(ctx context.Context, level string, names ...string) (bool, error) {
	s := c.session(ctx)
	defer s.close()
	healthy, err := s.pebble.Health(&client.HealthOptions{Level: client.CheckLevel(level), Names: names})
	return healthy, s.wrap(err)
}

// Changes implements ChangeKeeper.
func (c *Client) Changes(ctx context.Context, f ChangeFilter) ([]ChangeInfo, error) {
	selectors := map[string]client.ChangeSelector{
		"": client.ChangesInProgress, "in-progress": client.ChangesInProgress, "ready": client.ChangesReady, "all": client.ChangesAll,
	}
	selector, ok := selectors[f.Select]
	if !ok {
		// The client would panic; these are the daemon's words.
		return nil, &APIError{Status: http.StatusBadRequest, Message: "select should be one of: all,in-progress,ready"}
	}
	s := c.session(ctx)
	defer s.close()
	got, err := s.pebble.Changes(&client.ChangesOptions{Selector: selector, ServiceName: f.Service})
	if err != nil {
		return nil, s.wrap(err)
	}
	infos := make([]ChangeInfo, 0, len(got))
	for _, change := range got {
		infos = append(infos, changeInfo(change))
	}
	slices.SortStableFunc(infos, func(a, b ChangeInfo) int { return a.Spawned.Compare(b.Spawned) })
	return infos, nil
}

func changeInfo(change *client.Change) ChangeInfo {
	info := ChangeInfo{
		ID:      change.ID,
		Kind:    change.Kind,
		Summary: change.Summary,
		Status:  change.Status,
		Ready:   change.Ready,
		Err:     change.Err,
		Spawned: change.SpawnTime,
		Readied: change.ReadyTime,
	}
	for _, task := range change.Tasks {
		info.Tasks = append(info.Tasks, TaskInfo{
			ID: task.ID, Kind: task.Kind, Summary: task.Summary, Status: task.Status, Log: task.Log,
		})
	}
	return info
}

// Change implements ChangeKeeper.
func (c *Client) Change(ctx context.Context, id string) (ChangeInfo, error) {
	return c.oneChange(ctx, func(p *client.Client) (*client.Change, error) { return p.Change(id) })
}

// WaitChange implements ChangeKeeper.
func (c *Client) WaitChange(ctx context.Context, id string) (ChangeInfo, error) {
	return c.oneChange(ctx, func(p *client.Client) (*client.Change, error) {
		return p.WaitChange(id, &client.WaitChangeOptions{Timeout: limit(ctx)})
	})
}

// AbortChange implements ChangeKeeper.
func (c *Client) AbortChange(ctx context.Context, id string) (ChangeInfo, error) {
	return c.oneChange(ctx, func(p *client.Client) (*client.Change, error) { return p.Abort(id) })
}

func (c *Client) oneChange(ctx context.Context, ask func(*client.Client) (*client.Change, error)) (ChangeInfo, error) {
	s := c.session(ctx)
	defer s.close()
	change, err := ask(s.pebble)
	if err != nil {
		return ChangeInfo{}, s.wrap(err)
	}
	return changeInfo(change), nil
}
