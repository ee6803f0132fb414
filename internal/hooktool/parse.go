package hooktool

// parseFlat reads what is nearly always the answer of relation-get: an object
// of strings without escapes. ok is false for all else, which is left to
// encoding/json; what this accepts, encoding/json reads as the same.
func parseFlat(text []byte) (table map[string]string, ok bool) {
	rest, ok := cut(text, '{')
	if !ok {
		return nil, false
	}
	table = map[string]string{}
	if end, ok := cut(rest, '}'); ok {
		return table, len(skip(end)) == 0
	}
	for {
		var key, value string
		if key, rest, ok = plainString(rest); !ok {
			return nil, false
		}
		if rest, ok = cut(rest, ':'); !ok {
			return nil, false
		}
		if value, rest, ok = plainString(rest); !ok {
			return nil, false
		}
		table[key] = value
		if end, ok := cut(rest, '}'); ok {
			return table, len(skip(end)) == 0
		}
		if rest, ok = cut(rest, ','); !ok {
			return nil, false
		}
	}
}

func skip(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\n' || text[0] == '\t' || text[0] == '\r') {
		text = text[1:]
	}
	return text
}

// cut takes one character off, with the space before it.
func cut(text []byte, c byte) (rest []byte, ok bool) {
	text = skip(text)
	if len(text) == 0 || text[0] != c {
		return nil, false
	}
	return text[1:], true
}

// plainString takes a string of printable ASCII without escapes off.
func plainString(text []byte) (value string, rest []byte, ok bool) {
	if text, ok = cut(text, '"'); !ok {
		return "", nil, false
	}
	for i, c := range text {
		switch {
		case c == '"':
			return string(text[:i]), text[i+1:], true
		case c < ' ' || c > '~' || c == '\\':
			return "", nil, false
		}
	}
	return "", nil, false
}
