package zk

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

// Errors that callers tell apart.
var (
	ErrNoNode     = zk.ErrNoNode
	ErrNodeExists = zk.ErrNodeExists
	// ErrChanged is of a change of membership that was overtaken by another.
	ErrChanged = errors.New("the membership was changed by somebody else meanwhile")
	// ErrNoNewQuorum is of a change whose new members do not follow the
	// leader yet; it did nothing.
	ErrNoNewQuorum = errors.New("too few of the new members follow the leader")
)

// Client is a session with an ensemble.
type Client struct{ conn *zk.Conn }

// configPath is where ZooKeeper keeps its membership. Everybody may read it.
const configPath = "/zookeeper/config"

// Dial opens a session through any of the servers, host:port each. It fails
// when ctx ends before one of them is in a quorum.
func Dial(ctx context.Context, servers []string) (*Client, error) {
	conn, events, err := zk.Connect(servers, 10*time.Second,
		zk.WithHostProvider(&hosts{}), zk.WithLogInfo(false), zk.WithLogger(silent{}))
	if err != nil {
		return nil, fmt.Errorf("cannot connect to ZooKeeper: %w", err)
	}
	for {
		select {
		case event := <-events:
			if event.State == zk.StateHasSession {
				return &Client{conn}, nil
			}
		case <-ctx.Done():
			conn.Close()
			return nil, fmt.Errorf("cannot open a session with ZooKeeper at %s: %w", strings.Join(servers, ","), ctx.Err())
		}
	}
}

// Close ends the session.
func (c *Client) Close() { c.conn.Close() }

// do runs one operation; the library's have no context, so the connection is
// closed under an operation that takes too long.
func do[T any](ctx context.Context, c *Client, operation func() (T, error)) (T, error) {
	if err := ctx.Err(); err != nil {
		var zero T
		return zero, err
	}
	stop := context.AfterFunc(ctx, c.conn.Close)
	defer stop()
	result, err := operation()
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return result, err
}

// Login proves to be the super user of SuperDigest.
func (c *Client) Login(ctx context.Context, password string) error {
	_, err := do(ctx, c, func() (struct{}, error) {
		return struct{}{}, c.conn.AddAuth("digest", []byte(superUser+":"+password))
	})
	if err != nil {
		return fmt.Errorf("cannot log in to ZooKeeper: %w", err)
	}
	return nil
}

const superUser = "super"

// SuperDigest is the value of the server's property superDigest for a
// password: a hash, which does not give the password away if that is random.
func SuperDigest(password string) string {
	sum := sha1.Sum([]byte(superUser + ":" + password)) // ZooKeeper's choice
	return superUser + ":" + base64.StdEncoding.EncodeToString(sum[:])
}

// Config is the present membership.
func (c *Client) Config(ctx context.Context) (Config, error) {
	text, err := do(ctx, c, func() ([]byte, error) {
		text, _, err := c.conn.Get(configPath)
		return text, err
	})
	if err != nil {
		return Config{}, fmt.Errorf("cannot read the membership of ZooKeeper: %w", err)
	}
	return ParseConfig(string(text))
}

// Reconfigure changes the membership if it still has the given version. It
// needs Login. The error is ErrChanged, ErrNoNewQuorum, or of the connection;
// after the last the change may have been done: removing the leader closes
// the connection.
func (c *Client) Reconfigure(ctx context.Context, change Change, version int64) error {
	joining, leaving := make([]string, 0, len(change.Joining)), make([]string, 0, len(change.Leaving))
	for _, m := range change.Joining {
		joining = append(joining, m.Line())
	}
	for _, id := range change.Leaving {
		leaving = append(leaving, fmt.Sprint(id))
	}
	_, err := do(ctx, c, func() (*zk.Stat, error) { return c.conn.IncrementalReconfig(joining, leaving, version) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, zk.ErrBadVersion):
		err = ErrChanged
	case strings.HasSuffix(err.Error(), " -13"): // NewConfigNoQuorum, which the library has no name for
		err = ErrNoNewQuorum
	case strings.HasSuffix(err.Error(), " -14"): // ReconfigInProgress
		err = ErrChanged
	}
	return fmt.Errorf("cannot change the membership of ZooKeeper: %w", err)
}

// Exists says whether a znode exists.
func (c *Client) Exists(ctx context.Context, path string) (bool, error) {
	found, err := do(ctx, c, func() (bool, error) {
		found, _, err := c.conn.Exists(path)
		return found, err
	})
	if err != nil {
		return false, fmt.Errorf("cannot look for %s in ZooKeeper: %w", path, err)
	}
	return found, nil
}

// Get reads a znode; ErrNoNode if there is none.
func (c *Client) Get(ctx context.Context, path string) ([]byte, error) {
	data, err := do(ctx, c, func() ([]byte, error) {
		data, _, err := c.conn.Get(path)
		return data, err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read %s in ZooKeeper: %w", path, err)
	}
	return data, nil
}

// Children are the names below a znode; ErrNoNode if there is none.
func (c *Client) Children(ctx context.Context, path string) ([]string, error) {
	names, err := do(ctx, c, func() ([]string, error) {
		names, _, err := c.conn.Children(path)
		return names, err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list %s in ZooKeeper: %w", path, err)
	}
	return names, nil
}

// Create makes a znode that everybody may use; ErrNodeExists if there is one.
func (c *Client) Create(ctx context.Context, path string, data []byte) error {
	_, err := do(ctx, c, func() (string, error) {
		return c.conn.Create(path, data, zk.FlagPersistent, zk.WorldACL(zk.PermAll))
	})
	if err != nil {
		return fmt.Errorf("cannot create %s in ZooKeeper: %w", path, err)
	}
	return nil
}

// Delete removes a znode without children, of any version; none is no error.
func (c *Client) Delete(ctx context.Context, path string) error {
	_, err := do(ctx, c, func() (struct{}, error) { return struct{}{}, c.conn.Delete(path, -1) })
	if err != nil && !errors.Is(err, zk.ErrNoNode) {
		return fmt.Errorf("cannot delete %s in ZooKeeper: %w", path, err)
	}
	return nil
}

// hosts gives the servers by name, in turn from a random one, so that each
// dial resolves anew: pods change their addresses, and a name that does not
// resolve yet must not spoil the others.
type hosts struct {
	mu      sync.Mutex
	servers []string
	next    int
	tried   int
}

func (h *hosts) Init(servers []string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(servers) == 0 {
		return errors.New("no servers are given")
	}
	h.servers, h.next = servers, rand.IntN(len(servers))
	return nil
}

func (h *hosts) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.servers)
}

func (h *hosts) Next() (server string, retryStart bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	server = h.servers[h.next%len(h.servers)]
	retryStart = h.tried > 0 && h.tried%len(h.servers) == 0
	h.next++
	h.tried++
	return server, retryStart
}

func (h *hosts) Connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tried = 0
}

type silent struct{}

func (silent) Printf(string, ...any) {}
