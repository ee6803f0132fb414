package hooktool

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// flat writes a map as an object that is JSON and YAML at once, sorted by
// key. Juju reads such files as YAML, which takes raw control characters and
// exotic line ends amiss: all that is not printable ASCII is escaped, except
// characters beyond U+FFFF, for which the two have different escapes.
func flat(data map[string]string) ([]byte, error) {
	var out strings.Builder
	out.WriteByte('{')
	for i, key := range slices.Sorted(maps.Keys(data)) {
		if !utf8.ValidString(key) || !utf8.ValidString(data[key]) {
			return nil, fmt.Errorf("cannot encode key %q: not UTF-8", key)
		}
		if i > 0 {
			out.WriteString(", ")
		}
		quote(&out, key)
		out.WriteString(": ")
		quote(&out, data[key])
	}
	out.WriteString("}\n")
	return []byte(out.String()), nil
}

func quote(out *strings.Builder, text string) {
	out.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case r >= 0x20 && r < 0x7f, r > 0xffff:
			out.WriteRune(r)
		default:
			fmt.Fprintf(out, `\u%04x`, r)
		}
	}
	out.WriteByte('"')
}
