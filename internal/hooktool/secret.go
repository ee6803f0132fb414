package hooktool

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// SecretSpec is what SecretAdd and SecretSet write. All secret tools need Juju
// 3.0.3.
type SecretSpec struct {
	// Content by key. Keys are of three or more lower-case letters and
	// digits, a letter first, with single hyphens between them; values are any bytes, also none, together at most
	// 64 KiB. SecretSet leaves the content as it is if this is empty.
	Content map[string]string
	// Label is the owner's own name of the secret; empty means none, or in
	// SecretSet that it stays.
	Label string
	// Description is for people; as Label.
	Description string
	// Expire is when secret-expired shall run; zero means never, or in
	// SecretSet that it stays.
	Expire time.Time
	// Rotate is never, hourly, daily, weekly, monthly, quarterly or yearly;
	// empty means never, or in SecretSet that it stays.
	Rotate string
	// Owner is "application" or "unit"; empty means application. SecretSet
	// ignores it.
	Owner string
}

// SecretRef names a secret to read.
type SecretRef struct {
	// ID is the URI, secret:…. It may be empty if Label is set.
	ID string
	// Label names the secret in the stead of ID. With both, the reader gives
	// the secret this label.
	Label string
	// Refresh reads the latest revision and stays with it; Peek reads it
	// once. Else the revision is the one read before, or the latest at the
	// first time.
	Refresh, Peek bool
}

// SecretInfo is what the owner of a secret can read about it.
type SecretInfo struct {
	ID          string // URI, secret:…
	Revision    int    // the latest
	Label       string
	Owner       string // "application" or "unit"
	Description string
	Rotation    string    // never, hourly, …
	Expires     time.Time // zero: never
	Rotates     time.Time // next secret-rotate; zero: never
	Access      []SecretAccess
}

// SecretAccess is one grant of a secret.
type SecretAccess struct {
	Target string `json:"target"` // tag, such as application-db
	Scope  string `json:"scope"`  // tag of the relation
	Role   string `json:"role"`   // "view"
}

// SecretAdd makes a secret at the end of the hook and gives its URI. A secret
// of the application is the leader's to add: else ErrNotLeader.
func (t *Tools) SecretAdd(ctx context.Context, spec SecretSpec) (uri string, err error) {
	if len(spec.Content) == 0 {
		return "", errors.New("cannot run secret-add: no content")
	}
	output, err := t.secretWrite(ctx, spec, "secret-add", option("--owner", spec.Owner))
	if err != nil {
		return "", err
	}
	uri = strings.TrimSpace(string(output))
	if id, ok := strings.CutPrefix(uri, secretScheme); !ok || id == "" || strings.ContainsAny(id, " \n") {
		return "", errors.New("cannot read the answer of secret-add: not a secret's URI")
	}
	return uri, nil
}

// SecretSet changes a secret at the end of the hook. The same content makes
// no new revision (Juju 3.6; older ones make one). A secret of the application
// is the leader's to change: else ErrNotLeader.
func (t *Tools) SecretSet(ctx context.Context, uri string, spec SecretSpec) error {
	_, err := t.secretWrite(ctx, spec, "secret-set", []string{"--", uri})
	return err
}

// secretWrite hands the content over in a file that only its owner may read:
// arguments are there for all to see in /proc, and the agent logs them. The
// agent opens the file itself, so its path is absolute, and it is removed when
// the tool is done.
func (t *Tools) secretWrite(ctx context.Context, spec SecretSpec, tool string, last []string) (output []byte, err error) {
	var args []string
	if len(spec.Content) > 0 {
		file, err := secretFile(spec.Content)
		if err != nil {
			return nil, fmt.Errorf("cannot run %s: %w", tool, err)
		}
		defer func() {
			if remove := os.Remove(file); remove != nil && err == nil {
				err = fmt.Errorf("cannot remove the content's file: %w", remove)
			}
		}()
		args = append(args, "--file", file)
	}
	args = append(args, option("--label", spec.Label)...)
	args = append(args, option("--description", spec.Description)...)
	if !spec.Expire.IsZero() {
		args = append(args, "--expire", spec.Expire.UTC().Format(time.RFC3339))
	}
	args = append(args, option("--rotate", spec.Rotate)...)
	return t.Do(ctx, Call{Tool: tool, Args: append(args, last...)})
}

// secretKey is what Juju takes as a key (3.6). It also takes key#file, for
// which the agent, as root, reads a file, and key#base64: neither is a key
// that somebody else may choose.
var secretKey = regexp.MustCompile(`^[a-z](-?[a-z0-9]){2,}$`)

// secretFile writes content where the agent can read it: charm and agent
// share their container's temporary directory.
func secretFile(content map[string]string) (path string, err error) {
	encoded := make(map[string]string, len(content))
	for key, value := range content {
		if !secretKey.MatchString(key) {
			return "", fmt.Errorf("key %q is not of three or more lower-case letters and digits, a letter first, with single hyphens between them", excerpt(key))
		}
		if utf8.ValidString(value) {
			encoded[key] = value
		} else {
			encoded[key+"#base64"] = base64.StdEncoding.EncodeToString([]byte(value))
		}
	}
	data, err := flat(encoded)
	if err != nil {
		return "", err
	}
	file, err := os.CreateTemp("", "hooktool-*") // mode 0600
	if err != nil {
		return "", fmt.Errorf("cannot write the content's file: %w", err)
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("cannot write the content's file: %w", errors.Join(err, os.Remove(file.Name())))
	}
	return file.Name(), nil
}

// SecretGet gives the content of a secret. One that does not exist is
// ErrNotFound, one that is not granted ErrPermission. Refreshing somebody
// else's secret has its effect at once, also if the hook fails; of an own
// secret that was changed in this hook, at the hook's end. Without Peek or
// Refresh such a change does not show.
//
// A value that is not UTF-8 needs ID, or comes with U+FFFD in the place of
// what is none: JSON has no other strings, and Juju gives the bytes only by
// key, and a key only by URI.
func (t *Tools) SecretGet(ctx context.Context, ref SecretRef) (map[string]string, error) {
	args := option("--label", ref.Label)
	if ref.Refresh {
		args = append(args, "--refresh")
	}
	if ref.Peek {
		args = append(args, "--peek")
	}
	args = append(args, option("--", ref.ID)...)
	content, err := t.readMap(ctx, "secret-get", args...)
	if err != nil || ref.ID == "" {
		return content, err
	}
	for key, value := range content {
		if !strings.ContainsRune(value, utf8.RuneError) {
			continue
		}
		var encoded string
		if err := t.read(ctx, &encoded, "secret-get", slices.Concat(args, []string{key + "#base64"})...); err != nil {
			return nil, err
		}
		decoded, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, errors.New("cannot read the answer of secret-get: not base64")
		}
		content[key] = string(decoded)
	}
	return content, nil
}

// SecretInfo gives what is known of a secret that this unit, or as the leader
// its application, owns. Only ID or Label of ref count.
func (t *Tools) SecretInfo(ctx context.Context, ref SecretRef) (SecretInfo, error) {
	args := option("--", ref.ID)
	if ref.ID == "" {
		args = option("--label", ref.Label)
	}
	var answer map[string]struct {
		Revision    int            `json:"revision"`
		Label       string         `json:"label"`
		Owner       string         `json:"owner"`
		Description string         `json:"description"`
		Rotation    string         `json:"rotation"`
		Expiry      string         `json:"expiry"`
		Rotates     string         `json:"rotates"`
		Access      []SecretAccess `json:"access"`
	}
	if err := t.read(ctx, &answer, "secret-info-get", args...); err != nil {
		return SecretInfo{}, err
	}
	if len(answer) != 1 {
		return SecretInfo{}, fmt.Errorf("cannot read the answer of secret-info-get: %d secrets, want one", len(answer))
	}
	var info SecretInfo
	for id, a := range answer {
		info = SecretInfo{
			ID: secretURI(id), Revision: a.Revision, Label: a.Label, Owner: a.Owner, Description: a.Description,
			Rotation: a.Rotation, Expires: parseTime(a.Expiry), Rotates: parseTime(a.Rotates), Access: slices.Clone(a.Access),
		}
	}
	return info, nil
}

// SecretIDs gives the URIs of the secrets that this unit, or as the leader
// its application, owns.
func (t *Tools) SecretIDs(ctx context.Context) ([]string, error) {
	ids, err := t.readList(ctx, "secret-ids")
	for i := range ids {
		ids[i] = secretURI(ids[i])
	}
	return ids, err
}

const secretScheme = "secret:"

// secretURI gives the form that secret-add prints; some tools leave the
// scheme out.
func secretURI(id string) string {
	if strings.HasPrefix(id, secretScheme) {
		return id
	}
	return secretScheme + id
}

// SecretGrant lets the remote application of a relation, or only one unit of
// it if unit is not empty, read a secret; at the end of the hook. After a
// grant to a unit Juju refuses one to its application.
func (t *Tools) SecretGrant(ctx context.Context, uri, relation, unit string) error {
	args := append(option("-r", relation), option("--unit", unit)...)
	return t.do(ctx, "secret-grant", append(args, "--", uri)...)
}

// SecretRevocation says whose access ends: exactly one field is set. In the
// hooks of a relation Juju (3.6) refuses App: the relation is given there.
type SecretRevocation struct{ Relation, App, Unit string }

// SecretRevoke ends a grant at the end of the hook.
func (t *Tools) SecretRevoke(ctx context.Context, uri string, from SecretRevocation) error {
	args := slices.Concat(option("-r", from.Relation), option("--app", from.App), option("--unit", from.Unit))
	return t.do(ctx, "secret-revoke", append(args, "--", uri)...)
}

// SecretRemove removes one revision of a secret at the end of the hook, or
// the whole secret for revision 0.
func (t *Tools) SecretRemove(ctx context.Context, uri string, revision int) error {
	var args []string
	if revision != 0 {
		args = []string{"--revision", strconv.Itoa(revision)}
	}
	return t.do(ctx, "secret-remove", append(args, "--", uri)...)
}
