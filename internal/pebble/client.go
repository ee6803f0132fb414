package pebble

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
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

var _ Pebble = (*Client)(nil)

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
		return Layer{}, errors.New("cannot parse plan: " + err.Error())
	}
	return plan, nil
}

// AddLayer implements Pebble.
func (c *Client) AddLayer(ctx context.Context, label string, layer Layer) error {
	s := c.session(ctx)
	defer s.close()
	data, err := yaml.Marshal(WithOverride(layer))
	if err != nil {
		return errors.New("cannot marshal layer: " + err.Error())
	}
	return s.wrap(s.pebble.AddLayer(&client.AddLayerOptions{Combine: true, Label: label, LayerData: data}))
}

// WithOverride is the layer with "replace" wherever an override is empty,
// which Pebble would refuse. AddLayer sends this.
func WithOverride(layer Layer) Layer {
	services := make(map[string]Service, len(layer.Services))
	for name, service := range layer.Services {
		service.Override = cmp.Or(service.Override, "replace")
		services[name] = service
	}
	checks := make(map[string]Check, len(layer.Checks))
	for name, check := range layer.Checks {
		check.Override = cmp.Or(check.Override, "replace")
		checks[name] = check
	}
	layer.Services, layer.Checks = services, checks
	return layer
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
	change, err := s.pebble.WaitChange(id, &client.WaitChangeOptions{Timeout: remaining(ctx)})
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

// remaining is the time until ctx's deadline; 0 if it has none. The daemon
// then forgets the wait too.
func remaining(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	// 0 would mean no limit.
	return max(time.Until(deadline), time.Millisecond)
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
		infos = append(infos, CheckInfo{
			Name:      info.Name,
			Level:     string(info.Level),
			Status:    string(info.Status),
			Failures:  info.Failures,
			Threshold: info.Threshold,
		})
	}
	return infos, nil
}

// Pull implements Pebble.
func (c *Client) Pull(ctx context.Context, path string) ([]byte, error) {
	s := c.session(ctx)
	defer s.close()
	var content bytes.Buffer
	if err := s.pebble.Pull(&client.PullOptions{Path: path, Target: &content}); err != nil {
		return nil, s.wrap(err)
	}
	return content.Bytes(), nil
}

// Push implements Pebble.
func (c *Client) Push(ctx context.Context, file File) error {
	s := c.session(ctx)
	defer s.close()
	return s.wrap(s.pebble.Push(&client.PushOptions{
		Source:      bytes.NewReader(file.Content),
		Path:        file.Path,
		MakeDirs:    true,
		Permissions: file.Mode.Perm(),
		User:        file.User,
		Group:       file.Group,
	}))
}

// ListFiles implements Pebble.
func (c *Client) ListFiles(ctx context.Context, path string, itself bool) ([]FileInfo, error) {
	s := c.session(ctx)
	defer s.close()
	got, err := s.pebble.ListFiles(&client.ListFilesOptions{Path: path, Itself: itself})
	if err != nil {
		return nil, s.wrap(err)
	}
	infos := make([]FileInfo, 0, len(got))
	for _, info := range got {
		infos = append(infos, FileInfo{
			Path:  info.Path(),
			Name:  info.Name(),
			Mode:  info.Mode(),
			Size:  info.Size(),
			User:  info.User(),
			Group: info.Group(),
		})
	}
	return infos, nil
}

// MakeDir implements Pebble.
func (c *Client) MakeDir(ctx context.Context, path string, mode fs.FileMode) error {
	s := c.session(ctx)
	defer s.close()
	return s.wrap(s.pebble.MakeDir(&client.MakeDirOptions{Path: path, MakeParents: true, Permissions: mode.Perm()}))
}

// Remove implements Pebble.
func (c *Client) Remove(ctx context.Context, path string) error {
	s := c.session(ctx)
	defer s.close()
	return s.wrap(s.pebble.RemovePath(&client.RemovePathOptions{Path: path, Recursive: true}))
}

// Notify implements Pebble.
func (c *Client) Notify(ctx context.Context, key string, data map[string]string) error {
	s := c.session(ctx)
	defer s.close()
	_, err := s.pebble.Notify(&client.NotifyOptions{Type: client.CustomNotice, Key: key, Data: data})
	return s.wrap(err)
}

// Notices implements Pebble.
func (c *Client) Notices(ctx context.Context) ([]Notice, error) {
	s := c.session(ctx)
	defer s.close()
	got, err := s.pebble.Notices(&client.NoticesOptions{Types: []client.NoticeType{client.CustomNotice}})
	if err != nil {
		return nil, s.wrap(err)
	}
	notices := make([]Notice, 0, len(got))
	for _, notice := range got {
		notices = append(notices, Notice{
			ID:           notice.ID,
			Key:          notice.Key,
			Occurrences:  notice.Occurrences,
			LastRepeated: notice.LastRepeated,
			LastData:     notice.LastData,
		})
	}
	slices.SortStableFunc(notices, func(a, b Notice) int {
		return cmp.Or(a.LastRepeated.Compare(b.LastRepeated), strings.Compare(a.ID, b.ID))
	})
	return notices, nil
}
