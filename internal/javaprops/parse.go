package javaprops

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Parse reads a properties file as java.util.Properties does. It takes
// everything: what no rule fits is text.
func Parse(text []byte) Properties {
	lines := logicalLines(string(text))
	p := make(Properties, len(lines))
	for _, line := range lines {
		key, rest := scan(line, true)
		rest = strings.TrimLeft(rest, " \t\f")
		if rest != "" && (rest[0] == '=' || rest[0] == ':') {
			rest = strings.TrimLeft(rest[1:], " \t\f")
		}
		value, _ := scan(rest, false)
		p[key] = value
	}
	return p
}

// logicalLines joins continued lines and leaves out comments and blanks.
func logicalLines(text string) []string {
	lines := make([]string, 0, strings.Count(text, "\n")+1)
	open := false
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.TrimLeft(line, " \t\f")
		if !open && (line == "" || line[0] == '#' || line[0] == '!') {
			continue
		}
		backslashes := len(line) - len(strings.TrimRight(line, `\`))
		continued := backslashes%2 == 1
		if continued {
			line = line[:len(line)-1]
		}
		if open {
			lines[len(lines)-1] += line
		} else {
			lines = append(lines, line)
		}
		open = continued
	}
	return lines
}

// scan unescapes text, of a key up to the first separator, and gives what
// follows.
func scan(text string, key bool) (unescaped, rest string) {
	end := len(text)
	if key {
		if i := strings.IndexAny(text, "=: \t\f"); i >= 0 {
			end = i
		}
	}
	// Most text has nothing to unescape.
	if strings.IndexByte(text[:end], '\\') < 0 && utf8.ValidString(text[:end]) {
		return text[:end], text[end:]
	}
	var out []uint16
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if key && strings.ContainsRune("=: \t\f", r) {
			return string(utf16.Decode(out)), text[i:]
		}
		i += size
		if r == '\\' && i < len(text) {
			escaped := text[i]
			i++
			switch escaped {
			case 'n':
				r = '\n'
			case 'r':
				r = '\r'
			case 't':
				r = '\t'
			case 'f':
				r = '\f'
			case 'u':
				if i+4 <= len(text) {
					if code, err := strconv.ParseUint(text[i:i+4], 16, 16); err == nil {
						out = append(out, uint16(code))
						i += 4
						continue
					}
				}
				r = 'u'
			default:
				r = rune(escaped)
			}
		}
		out = utf16.AppendRune(out, r)
	}
	return string(utf16.Decode(out)), ""
}
