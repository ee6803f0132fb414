// Package javaprops writes and reads Java properties files, the format of
// zoo.cfg, bookkeeper.conf and broker.conf, and of the extra-config options
// that operators give as lines of key=value.
package javaprops

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Properties are keys with their values. The zero value has none.
type Properties map[string]string

// Merge is all layers in one; of a key that occurs in several, the last
// layer's value. Precedence is the order of the arguments: defaults first,
// what the charm owns last.
func Merge(layers ...Properties) Properties {
	size := 0
	for _, layer := range layers {
		size += len(layer)
	}
	merged := make(Properties, size)
	for _, layer := range layers {
		maps.Copy(merged, layer)
	}
	return merged
}

// Render is the file's text: a comment, then one line a key, sorted, ASCII
// only, escaped so that java.util.Properties reads back the same values.
func (p Properties) Render(comment string) []byte {
	var out strings.Builder
	keys, size := make([]string, 0, len(p)), len(comment)+8
	for key, value := range p {
		keys = append(keys, key)
		size += len(key) + len(value) + 2
	}
	slices.Sort(keys)
	out.Grow(size)
	for line := range strings.Lines(comment) {
		out.WriteString("# " + strings.TrimRight(line, "\n") + "\n")
	}
	for _, key := range keys {
		writeEscaped(&out, key, true)
		out.WriteByte('=')
		writeEscaped(&out, p[key], false)
		out.WriteByte('\n')
	}
	return []byte(out.String())
}

// Hash names the content: equal exactly for equal properties.
func (p Properties) Hash() string {
	sum := sha256.Sum256(p.Render(""))
	return hex.EncodeToString(sum[:8])
}

// plain says whether text is written as it is.
func plain(text string, key bool) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c > '~', c == '\\', c == ' ' && (key || i == 0):
			return false
		case key && strings.IndexByte("=:#!", c) >= 0:
			return false
		}
	}
	return true
}

func writeEscaped(out *strings.Builder, text string, key bool) {
	if plain(text, key) {
		out.WriteString(text)
		return
	}
	for i, r := range text {
		switch {
		case r == '\\':
			out.WriteString(`\\`)
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\r':
			out.WriteString(`\r`)
		case r == '\t':
			out.WriteString(`\t`)
		case r == '\f':
			out.WriteString(`\f`)
		case r == ' ' && (key || i == 0):
			// Blanks before a value are skipped, one within a key ends it.
			out.WriteString(`\ `)
		case key && strings.ContainsRune("=:#!", r):
			out.WriteByte('\\')
			out.WriteRune(r)
		case r >= 0x20 && r < 0x7f:
			out.WriteRune(r)
		default:
			// Readers take the file for Latin-1 or for UTF-8; \u is the same in both.
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(out, `\u%04x`, unit)
			}
		}
	}
}

// LineError is a line that is not of the form key=value.
type LineError struct {
	Line   int // from 1
	Reason string
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// ParseLines reads what an operator writes into an extra-config option: lines
// of key=value, blanks around either ignored; empty lines and those that
// begin with # are skipped. Values are literal: no escapes, no continuation.
// The error is a *LineError.
func ParseLines(text string) (Properties, error) {
	p := Properties{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, found := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch {
		case !utf8.ValidString(line):
			return nil, &LineError{number, "not valid UTF-8"}
		case !found || key == "":
			return nil, &LineError{number, fmt.Sprintf("%s is not key=value", excerpt(line))}
		case !validKey(key):
			return nil, &LineError{number, fmt.Sprintf("key %s may hold only letters, digits and . _ - /", excerpt(key))}
		}
		if _, ok := p[key]; ok {
			return nil, &LineError{number, fmt.Sprintf("key %s is given twice", key)}
		}
		p[key] = value
	}
	return p, nil
}

func validKey(key string) bool {
	for _, r := range key {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-/", r) {
			return false
		}
	}
	return true
}

// excerpt quotes the beginning of a text. It stops before a value, which may
// be a secret.
func excerpt(text string) string {
	const limit = 30
	text, _, _ = strings.Cut(text, "=")
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// Owned is the first key, in alphabetical order, that one of the patterns
// covers: a key itself, or a prefix followed by *. "" if there is none.
// Letters' case is ignored, since ZooKeeper reads some keys so.
func (p Properties) Owned(patterns ...string) string {
	for _, key := range slices.Sorted(maps.Keys(p)) {
		for _, pattern := range patterns {
			prefix, open := strings.CutSuffix(pattern, "*")
			if strings.EqualFold(key, pattern) ||
				open && len(key) >= len(prefix) && strings.EqualFold(key[:len(prefix)], prefix) {
				return key
			}
		}
	}
	return ""
}
