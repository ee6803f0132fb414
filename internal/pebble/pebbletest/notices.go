package pebbletest

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Notify implements pebble.Pebble.
func (f *Fake) Notify(ctx context.Context, key string, data map[string]string) error {
	_, err := f.Record(ctx, pebble.NewNotice{Key: key, Data: data})
	return err
}

// Record implements pebble.NoticeBoard.
func (f *Fake) Record(ctx context.Context, added pebble.NewNotice) (string, error) {
	if err := f.write(ctx, "Notify", added.Key); err != nil {
		return "", err
	}
	notice, err := f.notify(added)
	f.mu.Unlock()
	if err != nil {
		return "", err
	}
	if f.options.OnNotice != nil {
		f.options.OnNotice(notice)
	}
	return notice.ID, nil
}

func (f *Fake) notify(added pebble.NewNotice) (pebble.Notice, error) {
	encoded, err := json.Marshal(added.Data)
	if err != nil {
		return pebble.Notice{}, err
	}
	if err := pebble.CheckNoticeKey(added.Key); err != nil {
		return pebble.Notice{}, badRequest("%v", err)
	}
	if len(added.Data) > 0 && len(encoded) > 4096 {
		return pebble.Notice{}, badRequest("total size of data must be 4096 bytes or less")
	}
	now := f.now()
	notice := pebble.Notice{Type: "custom", Key: added.Key, UserID: new(0), FirstOccurred: now, LastRepeated: now}
	index := slices.IndexFunc(f.notices, func(n pebble.Notice) bool { return n.Key == added.Key })
	repeated := true
	if index < 0 {
		f.noticeIDs++
		notice.ID = strconv.Itoa(f.noticeIDs)
		f.notices = append(f.notices, notice)
		index = len(f.notices) - 1
	} else {
		notice = f.notices[index]
		if repeated = added.RepeatAfter == 0 || now.After(notice.LastRepeated.Add(added.RepeatAfter)); repeated {
			notice.LastRepeated = now
		}
	}
	notice.Occurrences++
	notice.LastOccurred = now
	notice.LastData = maps.Clone(added.Data)
	notice.RepeatAfter = added.RepeatAfter
	f.notices[index] = notice
	if repeated {
		// The last repeated one is last.
		f.notices = append(slices.Delete(f.notices, index, index+1), notice)
		f.wake()
	}
	return notice, nil
}

// wake wakes those that wait for notices or log lines.
func (f *Fake) wake() {
	close(f.news)
	f.news = make(chan struct{})
}

// Notices implements pebble.Pebble.
func (f *Fake) Notices(ctx context.Context) ([]pebble.Notice, error) {
	return f.FindNotices(ctx, pebble.NoticeFilter{Types: []string{"custom"}})
}

// FindNotices implements pebble.NoticeBoard. The fake has custom notices only,
// all of root.
func (f *Fake) FindNotices(ctx context.Context, filter pebble.NoticeFilter) ([]pebble.Notice, error) {
	if err := f.read(ctx, "Notices"); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	return f.find(filter)
}

func (f *Fake) find(filter pebble.NoticeFilter) ([]pebble.Notice, error) {
	if filter.AllUsers && filter.UserID != nil {
		return nil, badRequest(`cannot use both "users" and "user-id" parameters`)
	}
	found := []pebble.Notice{}
	for _, n := range f.notices {
		if len(filter.Types) > 0 && !slices.Contains(filter.Types, n.Type) ||
			len(filter.Keys) > 0 && !slices.Contains(filter.Keys, n.Key) ||
			!filter.After.IsZero() && !n.LastRepeated.After(filter.After) ||
			filter.UserID != nil && *filter.UserID != *n.UserID {
			continue
		}
		n.LastData = maps.Clone(n.LastData)
		found = append(found, n)
	}
	return found, nil
}

// WaitNotices implements pebble.NoticeBoard.
func (f *Fake) WaitNotices(ctx context.Context, filter pebble.NoticeFilter) ([]pebble.Notice, error) {
	for {
		if err := f.read(ctx, "WaitNotices"); err != nil {
			return nil, err
		}
		found, err := f.find(filter)
		news := f.news
		f.mu.Unlock()
		if err != nil || len(found) > 0 {
			return found, err
		}
		select {
		case <-news:
		case <-ctx.Done():
		}
	}
}

// Notice implements pebble.NoticeBoard.
func (f *Fake) Notice(ctx context.Context, id string) (pebble.Notice, error) {
	if err := f.readOne(ctx, "Notice", id); err != nil {
		return pebble.Notice{}, err
	}
	defer f.mu.Unlock()
	for _, n := range f.notices {
		if n.ID == id {
			n.LastData = maps.Clone(n.LastData)
			return n, nil
		}
	}
	return pebble.Notice{}, notFound("cannot find notice with ID %q", id)
}

// Identities implements pebble.IdentityKeeper.
func (f *Fake) Identities(ctx context.Context) (map[string]pebble.Identity, error) {
	if err := f.read(ctx, "Identities"); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	masked := make(map[string]pebble.Identity, len(f.identities))
	for name, identity := range f.identities {
		if identity.LocalUser != nil {
			identity.LocalUser = new(*identity.LocalUser)
		}
		if identity.BasicPassword != "" {
			identity.BasicPassword = "*****"
		}
		if identity.CertPEM != "" {
			identity.CertPEM = "*****"
		}
		masked[name] = identity
	}
	return masked, nil
}

// AddIdentities implements pebble.IdentityKeeper.
func (f *Fake) AddIdentities(ctx context.Context, identities map[string]pebble.Identity) error {
	return f.changeIdentities(ctx, "AddIdentities", identities, nil, func(known bool) bool { return !known },
		"identities already exist: ")
}

// UpdateIdentities implements pebble.IdentityKeeper.
func (f *Fake) UpdateIdentities(ctx context.Context, identities map[string]pebble.Identity) error {
	return f.changeIdentities(ctx, "UpdateIdentities", identities, nil, func(known bool) bool { return known },
		"identities do not exist: ")
}

// ReplaceIdentities implements pebble.IdentityKeeper.
func (f *Fake) ReplaceIdentities(ctx context.Context, identities map[string]pebble.Identity, remove ...string) error {
	return f.changeIdentities(ctx, "ReplaceIdentities", identities, remove, func(bool) bool { return true }, "")
}

// RemoveIdentities implements pebble.IdentityKeeper.
func (f *Fake) RemoveIdentities(ctx context.Context, names ...string) error {
	return f.changeIdentities(ctx, "RemoveIdentities", nil, names, func(known bool) bool { return known },
		"identities do not exist: ")
}

// changeIdentities refuses all if one of the names is not as it must be.
func (f *Fake) changeIdentities(
	ctx context.Context, verb string, identities map[string]pebble.Identity, remove []string, fits func(known bool) bool, refusal string,
) error {
	names := sortedKeys(identities)
	if err := f.write(ctx, verb, append(names, remove...)...); err != nil {
		return err
	}
	defer f.mu.Unlock()
	for _, name := range names {
		if err := validateIdentity(name, identities[name]); err != nil {
			return badRequest("invalid identity for %q: %v", name, err)
		}
	}
	var wrong []string
	for _, name := range append(names, remove...) {
		if _, known := f.identities[name]; !fits(known) {
			wrong = append(wrong, name)
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return badRequest("%s%s", refusal, strings.Join(wrong, ", "))
	}
	changed := maps.Clone(f.identities)
	for _, name := range remove {
		delete(changed, name)
	}
	for name, identity := range identities {
		if identity.LocalUser != nil {
			identity.LocalUser = new(*identity.LocalUser)
		}
		changed[name] = identity
	}
	users := make(map[int][]string)
	for _, name := range sortedKeys(changed) {
		if user := changed[name].LocalUser; user != nil {
			users[*user] = append(users[*user], name)
		}
	}
	for _, user := range slices.Sorted(maps.Keys(users)) {
		if len(users[user]) > 1 {
			return badRequest("cannot have multiple identities with user ID %d (%s)", user, strings.Join(users[user], ", "))
		}
	}
	f.identities = changed
	return nil
}

var identityName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_\-]*$`)

func validateIdentity(name string, identity pebble.Identity) error {
	if identity.CertPEM != "" {
		block, rest := pem.Decode([]byte(identity.CertPEM))
		switch {
		case block == nil:
			return errors.New("cert identity must include a PEM-encoded certificate")
		case len(rest) > 0:
			return errors.New("cert identity cannot have extra data after the PEM block")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("cannot parse certificate from cert identity: %w", err)
		}
	}
	switch {
	case !identityName.MatchString(name):
		// Pebble has not got the name yet that it wants to show.
		return errors.New(`identity name "" invalid: must start with an alphabetic character and only contain ` +
			`alphanumeric characters, underscore, and hyphen`)
	case identity.Access == "":
		return errors.New(`access value must be specified ("admin", "read", "metrics", or "untrusted")`)
	case !slices.Contains([]string{"admin", "read", "metrics", "untrusted"}, identity.Access):
		return fmt.Errorf(`invalid access value %q, must be "admin", "read", "metrics", or "untrusted"`, identity.Access)
	case identity.LocalUser == nil && identity.BasicPassword == "" && identity.CertPEM == "":
		return errors.New(`identity must have at least one type ("local", "basic", or "cert")`)
	}
	return nil
}
