package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Workload is what the agent asks of a container's Pebble. The charm's own
// dealings with Pebble are richer and none of the lab's business.
type Workload interface {
	// BootID differs for every start of the daemon.
	BootID(ctx context.Context) (string, error)
	// Healthy says whether checks of the level ready are up.
	Healthy(ctx context.Context) bool
	// Notices waits for notices that were repeated after the given time.
	Notices(ctx context.Context, after time.Time) ([]Notice, error)
	// Change says what a change was about.
	Change(ctx context.Context, id string) (Change, error)
}

// Notice is a notice of a Pebble.
type Notice struct {
	ID           string            `json:"id"`
	Type         string            `json:"type"`
	Key          string            `json:"key"`
	LastRepeated time.Time         `json:"last-repeated"`
	LastData     map[string]string `json:"last-data"`
}

// Change is a change of a Pebble: what it did, and how that ended.
type Change struct {
	Kind   string `json:"kind"`
	Status string `json:"status"`
}

// pebbleSocket is a Workload by Pebble's own API: JSON over HTTP on a unix
// socket.
type pebbleSocket struct{ http *http.Client }

func newPebbleSocket(socket string) *pebbleSocket {
	return &pebbleSocket{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
		// Connections of a Pebble that died would fail the next poll.
		DisableKeepAlives: true,
	}}}
}

func (p *pebbleSocket) get(ctx context.Context, path string, result any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://pebble"+path, nil)
	if err != nil {
		return err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Result json.RawMessage `json:"result"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<20)).Decode(&answer); err != nil {
		return fmt.Errorf("cannot read Pebble's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("pebble answered %s: %s", resp.Status, answer.Result)
	}
	return json.Unmarshal(answer.Result, result)
}

func (p *pebbleSocket) BootID(ctx context.Context) (string, error) {
	var info struct {
		BootID string `json:"boot-id"`
	}
	err := p.get(ctx, "/v1/system-info", &info)
	return info.BootID, err
}

func (p *pebbleSocket) Healthy(ctx context.Context) bool {
	var health struct {
		Healthy bool `json:"healthy"`
	}
	return p.get(ctx, "/v1/health?level=ready", &health) == nil && health.Healthy
}

// noticeWait is how long one request for notices stays open.
const noticeWait = 30 * time.Second

func (p *pebbleSocket) Notices(ctx context.Context, after time.Time) ([]Notice, error) {
	query := url.Values{"types": {"custom,change-update"}, "timeout": {noticeWait.String()}}
	if !after.IsZero() {
		query.Set("after", after.Format(time.RFC3339Nano))
	}
	var notices []Notice
	err := p.get(ctx, "/v1/notices?"+query.Encode(), &notices)
	return notices, err
}

func (p *pebbleSocket) Change(ctx context.Context, id string) (Change, error) {
	var c Change
	err := p.get(ctx, "/v1/changes/"+url.PathEscape(id), &c)
	return c, err
}

// checkEvent tells a check's failure or recovery from a change and the notice
// of it, which names the check: a perform-check change ends in Error when the
// threshold is reached, the recover-check change after it is Done when the
// check is up again.
func checkEvent(n Notice, c Change) (check string, failed, ok bool) {
	check = n.LastData["check-name"]
	switch {
	case check == "":
	case c.Kind == "perform-check" && c.Status == "Error":
		return check, true, true
	case c.Kind == "recover-check" && c.Status == "Done":
		return check, false, true
	}
	return "", false, false
}
