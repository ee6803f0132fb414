package ops

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
)

// Secret is a value that does not print itself: every format, slog and JSON
// show "(secret)". Reveal gives it to who must have it.
type Secret struct{ value string }

// NewSecret wraps a value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal is the value itself.
func (s Secret) Reveal() string { return s.value }

// Empty says that there is none.
func (s Secret) Empty() bool { return s.value == "" }

func (s Secret) String() string               { return "(secret)" }
func (s Secret) GoString() string             { return "(secret)" }
func (s Secret) LogValue() slog.Value         { return slog.StringValue("(secret)") }
func (s Secret) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// Format keeps every verb from reaching the value.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("(secret)")) }

// GeneratePassword gives 256 random bits as text without punctuation that a
// shell or a properties file would take amiss.
func GeneratePassword() Secret {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails since Go 1.24
	return Secret{base64.RawURLEncoding.EncodeToString(raw)}
}

// SecretContent reads the latest content of a Juju secret by its URI. It
// reports false if there is no such secret or this unit may not read it yet.
func (u *Unit) SecretContent(ctx context.Context, id string) (content map[string]Secret, ok bool, err error) {
	raw, err := u.tools.SecretGet(ctx, hooktool.SecretRef{ID: id, Refresh: true})
	if errors.Is(err, hooktool.ErrNotFound) || errors.Is(err, hooktool.ErrPermission) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot read secret %s: %w", id, err)
	}
	content = make(map[string]Secret, len(raw))
	for key, value := range raw {
		content[key] = Secret{value}
	}
	return content, true, nil
}

// AddAppSecret makes a secret that the application owns and every unit of it
// may read, and gives its URI. Only the leader may; the secret exists once
// the hook has succeeded. Keys are of three or more lower-case characters.
func (u *Unit) AddAppSecret(ctx context.Context, label string, content map[string]Secret) (id string, err error) {
	raw := make(map[string]string, len(content))
	for key, value := range content {
		raw[key] = value.value
	}
	id, err = u.tools.SecretAdd(ctx, hooktool.SecretSpec{Label: label, Owner: "application", Content: raw})
	if err != nil {
		return "", fmt.Errorf("cannot add secret %q: %w", label, err)
	}
	return id, nil
}
