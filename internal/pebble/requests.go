package pebble

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/canonical/pebble/client"
)

var noticeKey = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+(/[a-z0-9]+(-[a-z0-9]+)*)+$`)

// CheckNoticeKey is what Pebble would say against the key of a custom notice,
// in Pebble's words, or nil: a domain of two parts or more, a slash and a path,
// of lower-case letters, digits and single dashes, at most 256 bytes.
func CheckNoticeKey(key string) error {
	switch {
	case !noticeKey.MatchString(key):
		return fmt.Errorf(`invalid key %q (must be in "example.com/path" format)`, key)
	case len(key) > 256:
		return errors.New("key must be 256 bytes or less")
	}
	return nil
}

// Notify implements Pebble.
func (c *Client) Notify(ctx context.Context, key string, data map[string]string) error {
	_, err := c.Record(ctx, NewNotice{Key: key, Data: data})
	return err
}

// Record implements NoticeBoard.
func (c *Client) Record(ctx context.Context, notice NewNotice) (string, error) {
	s := c.session(ctx)
	defer s.close()
	id, err := s.pebble.Notify(&client.NotifyOptions{
		Type: client.CustomNotice, Key: notice.Key, Data: notice.Data, RepeatAfter: notice.RepeatAfter,
	})
	return id, c.needs(ctx, FeatureNotices, s.wrap(err))
}

// Notices implements Pebble.
func (c *Client) Notices(ctx context.Context) ([]Notice, error) {
	return c.FindNotices(ctx, NoticeFilter{Types: []string{"custom"}})
}

// Notice implements NoticeBoard.
func (c *Client) Notice(ctx context.Context, id string) (Notice, error) {
	s := c.session(ctx)
	defer s.close()
	got, err := s.pebble.Notice(id)
	if err != nil {
		return Notice{}, c.needs(ctx, FeatureNotices, s.wrap(err))
	}
	return notice(got), nil
}

// FindNotices implements NoticeBoard.
func (c *Client) FindNotices(ctx context.Context, f NoticeFilter) ([]Notice, error) {
	s := c.session(ctx)
	defer s.close()
	got, err := s.pebble.Notices(noticesOptions(f))
	if err != nil {
		return nil, c.needs(ctx, FeatureNotices, s.wrap(err))
	}
	return sortedNotices(got), nil
}

// WaitNotices implements NoticeBoard.
func (c *Client) WaitNotices(ctx context.Context, f NoticeFilter) ([]Notice, error) {
	for {
		s := c.session(ctx)
		// The daemon needs a limit of its own; it notices when we leave.
		got, err := s.pebble.WaitNotices(ctx, time.Hour, noticesOptions(f))
		s.close()
		if err != nil {
			return nil, c.needs(ctx, FeatureNotices, s.wrap(err))
		}
		if len(got) > 0 {
			return sortedNotices(got), nil
		}
		// Nothing for an hour; or at once, as of types that the daemon does not
		// know and so never has.
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

func noticesOptions(f NoticeFilter) *client.NoticesOptions {
	options := &client.NoticesOptions{Keys: f.Keys, After: f.After}
	for _, noticeType := range f.Types {
		options.Types = append(options.Types, client.NoticeType(noticeType))
	}
	if f.UserID != nil {
		options.UserID = new(uint32(*f.UserID))
	}
	if f.AllUsers {
		options.Users = client.NoticesUsersAll
	}
	return options
}

func sortedNotices(got []*client.Notice) []Notice {
	notices := make([]Notice, 0, len(got))
	for _, n := range got {
		notices = append(notices, notice(n))
	}
	slices.SortStableFunc(notices, func(a, b Notice) int {
		return cmp.Or(a.LastRepeated.Compare(b.LastRepeated), strings.Compare(a.ID, b.ID))
	})
	return notices
}

func notice(n *client.Notice) Notice {
	converted := Notice{
		ID:            n.ID,
		Type:          string(n.Type),
		Key:           n.Key,
		Occurrences:   n.Occurrences,
		FirstOccurred: n.FirstOccurred,
		LastOccurred:  n.LastOccurred,
		LastRepeated:  n.LastRepeated,
		LastData:      n.LastData,
		RepeatAfter:   n.RepeatAfter,
	}
	if n.UserID != nil {
		converted.UserID = new(int(*n.UserID))
	}
	return converted
}

// Identities implements IdentityKeeper.
func (c *Client) Identities(ctx context.Context) (map[string]Identity, error) {
	s := c.session(ctx)
	defer s.close()
	got, err := s.pebble.Identities(nil)
	if err != nil {
		return nil, c.needs(ctx, FeatureIdentities, s.wrap(err))
	}
	identities := make(map[string]Identity, len(got))
	for name, identity := range got {
		converted := Identity{Access: string(identity.Access)}
		if identity.Local != nil && identity.Local.UserID != nil {
			converted.LocalUser = new(int(*identity.Local.UserID))
		}
		if identity.Basic != nil {
			converted.BasicPassword = identity.Basic.Password
		}
		if identity.Cert != nil {
			converted.CertPEM = identity.Cert.PEM
		}
		identities[name] = converted
	}
	return identities, nil
}

// AddIdentities implements IdentityKeeper.
func (c *Client) AddIdentities(ctx context.Context, identities map[string]Identity) error {
	return c.tellIdentities(ctx, (*client.Client).AddIdentities, identities, nil)
}

// UpdateIdentities implements IdentityKeeper.
func (c *Client) UpdateIdentities(ctx context.Context, identities map[string]Identity) error {
	return c.tellIdentities(ctx, (*client.Client).UpdateIdentities, identities, nil)
}

// ReplaceIdentities implements IdentityKeeper.
func (c *Client) ReplaceIdentities(ctx context.Context, identities map[string]Identity, remove ...string) error {
	return c.tellIdentities(ctx, (*client.Client).ReplaceIdentities, identities, remove)
}

// RemoveIdentities implements IdentityKeeper.
func (c *Client) RemoveIdentities(ctx context.Context, names ...string) error {
	return c.tellIdentities(ctx, func(p *client.Client, all map[string]*client.Identity) error {
		set := make(map[string]struct{}, len(all))
		for name := range all {
			set[name] = struct{}{}
		}
		return p.RemoveIdentities(set)
	}, nil, names)
}

func (c *Client) tellIdentities(
	ctx context.Context, tell func(*client.Client, map[string]*client.Identity) error, identities map[string]Identity, remove []string,
) error {
	converted := make(map[string]*client.Identity, len(identities)+len(remove))
	for _, name := range remove {
		converted[name] = nil
	}
	for name, identity := range identities {
		sent := &client.Identity{Access: client.IdentityAccess(identity.Access)}
		if identity.LocalUser != nil {
			sent.Local = &client.LocalIdentity{UserID: new(uint32(*identity.LocalUser))}
		}
		if identity.BasicPassword != "" {
			sent.Basic = &client.BasicIdentity{Password: identity.BasicPassword}
		}
		if identity.CertPEM != "" {
			sent.Cert = &client.CertIdentity{PEM: identity.CertPEM}
		}
		converted[name] = sent
	}
	s := c.session(ctx)
	defer s.close()
	return c.needs(ctx, FeatureIdentities, s.wrap(tell(s.pebble, converted)))
}

// raw sends a GET whose answer is no JSON document.
func (s *session) raw(path string, query url.Values) (io.ReadCloser, error) {
	response, err := s.pebble.Requester().Do(s.ctx, &client.RequestOptions{
		Type: client.RawRequest, Method: "GET", Path: path, Query: query,
	})
	if err != nil {
		return nil, s.wrap(err)
	}
	if response.StatusCode == 200 {
		return response.Body, nil
	}
	defer response.Body.Close()
	var document struct {
		Result struct{ Message, Kind string }
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, OutputLimit))
	if err == nil && json.Unmarshal(content, &document) != nil {
		document.Result.Message = strings.TrimSpace(string(content))
	}
	refused := &client.Error{StatusCode: response.StatusCode, Kind: document.Result.Kind, Message: document.Result.Message}
	return nil, s.wrap(cmp.Or[error](err, refused))
}

// Logs implements LogReader.
func (c *Client) Logs(ctx context.Context, options LogOptions, line func(LogEntry) error) error {
	query := url.Values{"services": options.Services}
	if options.Last != 0 {
		query.Set("n", strconv.Itoa(max(options.Last, -1)))
	}
	if options.Follow {
		query.Set("follow", "true")
	}
	s := c.session(ctx)
	defer s.close()
	body, err := s.raw("/v1/logs", query)
	if err != nil {
		return err
	}
	defer body.Close()
	// A line is at most 4 KiB, and as JSON perhaps six times that.
	scanner := bufio.NewScanner(body)
	scanner.Buffer(nil, 1<<16)
	for scanner.Scan() {
		var entry LogEntry
		if err := json.Unmarshal(scanner.Bytes(), &entry); err != nil {
			return fmt.Errorf("cannot parse log line: %w", err)
		}
		if err := line(entry); err != nil {
			return err
		}
	}
	if err := scanner.Err(); err != nil || options.Follow {
		return s.wrap(cmp.Or(err, io.ErrUnexpectedEOF))
	}
	return nil
}

// Metrics implements LogReader.
func (c *Client) Metrics(ctx context.Context) (string, error) {
	s := c.session(ctx)
	defer s.close()
	body, err := s.raw("/v1/metrics", nil)
	if err != nil {
		return "", c.needs(ctx, FeatureMetrics, err)
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	return string(content), s.wrap(err)
}
