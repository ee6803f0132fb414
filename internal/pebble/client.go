package pebble

import (
	"context"
	"errors"
	"io/fs"
)

// Client is Pebble over a unix socket. It is safe for concurrent use.
type Client struct {
	socket string
}

var _ Pebble = (*Client)(nil)

// NewClient talks to the daemon at the socket, in a charm
// /charm/containers/<container>/pebble.socket. It does not connect yet.
func NewClient(socket string) *Client { return &Client{socket: socket} }

// Close closes idle connections; the client stays usable.
func (c *Client) Close() {}

var errTodo = errors.New("not written yet")

func (c *Client) SystemInfo(ctx context.Context) (SystemInfo, error) { return SystemInfo{}, errTodo }
func (c *Client) Plan(ctx context.Context) (Layer, error)            { return Layer{}, errTodo }
func (c *Client) AddLayer(ctx context.Context, label string, layer Layer) error {
	return errTodo
}
func (c *Client) Services(ctx context.Context, names ...string) ([]ServiceInfo, error) {
	return nil, errTodo
}
func (c *Client) Replan(ctx context.Context) error                                 { return errTodo }
func (c *Client) Start(ctx context.Context, names ...string) error                 { return errTodo }
func (c *Client) Stop(ctx context.Context, names ...string) error                  { return errTodo }
func (c *Client) Restart(ctx context.Context, names ...string) error               { return errTodo }
func (c *Client) Signal(ctx context.Context, signal string, names ...string) error { return errTodo }
func (c *Client) Checks(ctx context.Context, names ...string) ([]CheckInfo, error) {
	return nil, errTodo
}
func (c *Client) Pull(ctx context.Context, path string) ([]byte, error) { return nil, errTodo }
func (c *Client) Push(ctx context.Context, file File) error             { return errTodo }
func (c *Client) ListFiles(ctx context.Context, path string, itself bool) ([]FileInfo, error) {
	return nil, errTodo
}
func (c *Client) MakeDir(ctx context.Context, path string, mode fs.FileMode) error { return errTodo }
func (c *Client) Remove(ctx context.Context, path string) error                    { return errTodo }
func (c *Client) Exec(ctx context.Context, command Command) (ExecResult, error) {
	return ExecResult{}, errTodo
}
func (c *Client) Notify(ctx context.Context, key string, data map[string]string) error {
	return errTodo
}
func (c *Client) Notices(ctx context.Context) ([]Notice, error) { return nil, errTodo }
