package zk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Server is what one server says of itself.
type Server struct {
	// Mode is leader, follower or observer. A server that is in touch with a
	// leader but not yet a member says follower.
	Mode string
	// Zxid is the last transaction that the server has seen.
	Zxid int64
	// Nodes is the number of znodes.
	Nodes int
	// Version is ZooKeeper's version, such as "3.9.4".
	Version string
}

// ErrNotServing is of a server that runs and is in no quorum.
var ErrNotServing = errors.New("not serving: no quorum")

// Srvr asks the server at host:port, by its command of that name. It needs no
// session and so no quorum. The error is ErrNotServing, or of the network.
func Srvr(ctx context.Context, address string) (Server, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return Server{}, fmt.Errorf("cannot reach ZooKeeper: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	if _, err := io.WriteString(conn, "srvr"); err != nil {
		return Server{}, fmt.Errorf("cannot ask ZooKeeper at %s: %w", address, err)
	}
	answer, err := io.ReadAll(io.LimitReader(conn, 64<<10))
	if err != nil {
		return Server{}, fmt.Errorf("cannot ask ZooKeeper at %s: %w", address, err)
	}
	return parseSrvr(string(answer))
}

func parseSrvr(answer string) (Server, error) {
	var server Server
	for line := range strings.Lines(answer) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "Zookeeper version":
			server.Version, _, _ = strings.Cut(value, "-")
		case "Mode":
			server.Mode = value
		case "Zxid":
			zxid, err := strconv.ParseUint(strings.TrimPrefix(value, "0x"), 16, 64)
			if err != nil {
				return Server{}, fmt.Errorf("cannot parse ZooKeeper's answer: zxid %q", value)
			}
			server.Zxid = int64(zxid)
		case "Node count":
			nodes, err := strconv.Atoi(value)
			if err != nil {
				return Server{}, fmt.Errorf("cannot parse ZooKeeper's answer: node count %q", value)
			}
			server.Nodes = nodes
		}
	}
	if server.Mode == "" {
		return Server{}, ErrNotServing
	}
	return server, nil
}
