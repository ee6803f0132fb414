package ops

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bag is the content of a databag: strings by key. Juju cannot keep a key
// with an empty value, so an absent key and an empty value are the same.
type Bag = map[string]string

// jujuKeys are written into unit databags by Juju itself.
var jujuKeys = []string{"egress-subnets", "ingress-address", "private-address"}

// DataError is a value in a databag that cannot be read. It is the other
// side's fault and no retry heals it, so it belongs into a status.
type DataError struct {
	Key    string
	Reason string
}

func (e *DataError) Error() string {
	return fmt.Sprintf("cannot read databag key %q: %s", e.Key, e.Reason)
}

// Decode fills the struct that into points to from a bag. Fields are tagged
// `databag:"key"`; fields without a tag are left alone. The types are string,
// int, int64, bool ("true" or "false"), []string (comma separated), and
// anything else as JSON. A key that is absent leaves its field as it is; a
// value that does not fit is a *DataError.
func Decode(bag Bag, into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("cannot decode databag: want a pointer to a struct, got %T", into)
	}
	v = v.Elem()
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("databag")
		text := bag[key]
		if key == "" || text == "" {
			continue
		}
		if !utf8.ValidString(text) {
			return &DataError{Key: key, Reason: "not valid UTF-8"}
		}
		if err := decodeField(v.Field(i), text); err != nil {
			return &DataError{Key: key, Reason: err.Error()}
		}
	}
	return nil
}

func decodeField(field reflect.Value, text string) error {
	switch target := field.Addr().Interface().(type) {
	case *string:
		*target = text
	case *bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%s is neither true nor false", excerpt(text))
		}
		*target = text == "true"
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%s is not an integer", excerpt(text))
		}
		*target = n
	case *int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%s is not an integer", excerpt(text))
		}
		*target = n
	case *[]string:
		*target = nil
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*target = append(*target, part)
			}
		}
	default:
		if err := json.Unmarshal([]byte(text), field.Addr().Interface()); err != nil {
			// The error may quote all of a number.
			return fmt.Errorf("%s is not the JSON expected: %s", excerpt(text), beginning(err.Error(), 120))
		}
	}
	return nil
}

// excerpt quotes the beginning of a text that came from outside.
func excerpt(text string) string {
	return strconv.Quote(beginning(text, 40))
}

// beginning cuts a text that is longer than limit, in bytes.
func beginning(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

// Encode is the reverse of Decode. Zero values give no key. The error is of a
// value that JSON cannot hold, or of a list entry with a comma.
func Encode(value any) (Bag, error) {
	v := reflect.Indirect(reflect.ValueOf(value))
	if v.Kind() != reflect.Struct {
		return nil, fmt.Errorf("cannot encode databag: want a struct, got %T", value)
	}
	bag := Bag{}
	for i := range v.NumField() {
		key, field := v.Type().Field(i).Tag.Get("databag"), v.Field(i)
		if key == "" || field.IsZero() {
			continue
		}
		text, err := encodeField(field)
		if err != nil {
			return nil, fmt.Errorf("cannot encode databag key %q: %w", key, err)
		}
		if text != "" {
			bag[key] = text
		}
	}
	return bag, nil
}

func encodeField(field reflect.Value) (string, error) {
	switch value := field.Interface().(type) {
	case string:
		return value, nil
	case bool:
		return strconv.FormatBool(value), nil
	case int:
		return strconv.Itoa(value), nil
	case int64:
		return strconv.FormatInt(value, 10), nil
	case []string:
		for _, entry := range value {
			if strings.Contains(entry, ",") {
				return "", fmt.Errorf("list entry %q contains a comma", entry)
			}
		}
		return strings.Join(value, ","), nil
	default:
		// Maps are marshalled with sorted keys, so the text is stable.
		text, err := json.Marshal(value)
		if err != nil {
			return "", errors.Unwrap(err)
		}
		return string(text), nil
	}
}

// difference is what has to be set so that have becomes want; "" deletes.
// Keys that Juju owns are left alone.
func difference(have, want Bag) Bag {
	diff := Bag{}
	for _, key := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[key]; !ok && !slices.Contains(jujuKeys, key) {
			diff[key] = ""
		}
	}
	for key, value := range want {
		if have[key] != value {
			diff[key] = value
		}
	}
	return diff
}
