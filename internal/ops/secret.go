package ops

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"regexp"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
)

// Secret is a value that does not print itself: every format, encoder and
// logger shows "(secret)". Reveal gives it to who must have it. The zero
// Secret is empty. Compare with Equal, not with ==.
type Secret struct {
	// A pointer, because fmt shows unexported fields of a struct that holds a
	// Secret without asking its methods.
	value *string
}

const concealed = "(secret)"

// NewSecret wraps a value.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal is the value itself.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty says that there is none.
func (s Secret) Empty() bool { return s.Reveal() == "" }

// Equal says whether both have the same value.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

func (s Secret) String() string               { return concealed }
func (s Secret) GoString() string             { return concealed }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(concealed) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(concealed), nil }

// Format keeps every verb from reaching the value.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(concealed)) }

// GeneratePassword gives 256 random bits as text without punctuation that a
// shell or a properties file would take amiss.
func GeneratePassword() Secret {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails since Go 1.24
	return NewSecret(base64.RawURLEncoding.EncodeToString(raw))
}

func conceal(raw map[string]string) map[string]Secret {
	content := make(map[string]Secret, len(raw))
	for key, value := range raw {
		content[key] = NewSecret(value)
	}
	return content
}

func reveal(content map[string]Secret) map[string]string {
	raw := make(map[string]string, len(content))
	for key, value := range content {
		raw[key] = value.Reveal()
	}
	return raw
}

// SecretRef names a secret to read, by ID or by the reader's own label, and
// which revision. With both the reader gives the secret that label.
type SecretRef = hooktool.SecretRef

// SecretContent reads the latest content of a Juju secret by its URI, and
// stays with that revision. It reports false if there is no such secret or
// this unit may not read it yet. Juju ≥ 3.0.3.
func (u *Unit) SecretContent(ctx context.Context, id string) (content map[string]Secret, ok bool, err error) {
	return u.ReadSecret(ctx, SecretRef{ID: id, Refresh: true})
}

// ReadSecret reads a secret: with Refresh the latest revision, with which the
// unit then stays (at once, even if the hook fails); with Peek the latest
// without staying; else the one that the unit stays with, or the latest at
// the first time. secret-changed comes when there is a later one than the
// unit stays with. It reports false if there is no such secret or this unit
// may not read it yet. Nothing is cached: what this hook has written or
// refreshed is what it reads. Juju ≥ 3.0.3.
func (u *Unit) ReadSecret(ctx context.Context, ref SecretRef) (content map[string]Secret, ok bool, err error) {
	if ref.Peek || ref.Refresh {
		if pending, ok := u.pendingContent(ref); ok {
			return conceal(pending), true, nil
		}
	}
	raw, err := u.tools.SecretGet(ctx, ref)
	if errors.Is(err, hooktool.ErrNotFound) || errors.Is(err, hooktool.ErrPermission) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot read secret %s: %w", refName(ref), err)
	}
	return conceal(raw), true, nil
}

// pendingContent is new content of an own secret that waits for the flush.
func (u *Unit) pendingContent(ref SecretRef) (map[string]string, bool) {
	for id, change := range u.secretSets {
		if (ref.ID == id || ref.ID == "" && ref.Label == u.owned[id].Label) && change.Content != nil {
			return change.Content, true
		}
	}
	return nil, false
}

func refName(ref SecretRef) string {
	if ref.ID != "" {
		return ref.ID
	}
	return fmt.Sprintf("%q", ref.Label)
}

// SecretID is the value of an option of type secret: the URI of a user's
// secret. Config refuses what is none. Juju ≥ 3.3.
type SecretID string

// secretURI has a model's UUID if the secret is of another model.
var secretURI = regexp.MustCompile(`^secret:(//[0-9a-f-]{36}/)?[0-9a-v]{20}$`)

func (id SecretID) check() error {
	if !secretURI.MatchString(string(id)) {
		return errors.New("not a secret: want the URI that juju add-secret gave, secret:<id>")
	}
	return nil
}

// SecretOption reads the latest content of the secret that an option names. An
// *OptionError says that the operator has not granted it, or has removed it;
// secret-changed comes when its content changes.
func (u *Unit) SecretOption(ctx context.Context, option string, id SecretID) (map[string]Secret, error) {
	content, ok, err := u.SecretContent(ctx, string(id))
	if err == nil && !ok {
		err = &OptionError{Option: option, Reason: fmt.Sprintf("the secret cannot be read: juju grant-secret <name> %s", u.App())}
	}
	return content, err
}
