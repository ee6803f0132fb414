package relation_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
)

// good is what should be in a databag, by key.
var good = map[string]string{
	"endpoints": "a:2181,b:2181", "database": "/x/y", "metadata-service-uri": "zk+hierarchical://a:1;b:2/ledgers", "metadata-initialised": "true",
	"cluster-name": "pulsar", "max-frame-size": "5253120", "session-timeout": "10000",
	"bookie-id": "[fd00::1]:3181", "state": "serving", "fqdn": "a.b",
	"service-url": "pulsar://a:6650", "web-service-url": "http://a:8080,b:8080/", "ready": "true",
	"key-of-a-newer-charm": "x",
}

// value draws what may be found there: that, and what nobody should have
// written.
func value(t *rapid.T, good string) string {
	nasty := rapid.SampledFrom([]string{
		"\n", "\r\nadminPassword=x", "\x00", "\xff\xfe", " ", ",", ";", "\u2028", "${HOME}", "$(id)", "'", "\"", "\\", "=", "--flag", "é",
		"-1", "1e9", "99999999999999999999",
	}).Draw(t, "nasty")
	switch rapid.IntRange(0, 8).Draw(t, "kind") {
	case 0, 1:
		return good
	case 2:
		return good + nasty
	case 3:
		return nasty + good
	case 4:
		return good + nasty + good
	case 5:
		return nasty
	case 6:
		return strings.Repeat(good+",", 1<<20/(len(good)+1))
	case 7:
		return strings.Repeat("x", 1<<20)
	}
	return rapid.String().Draw(t, "any")
}

// plain is what a configuration file, a command line and a status may hold.
var plain = regexp.MustCompile(`^[-+./,:;\[\]_0-9=A-Za-z]*$`)

// accepted checks what a charm would use of a databag: nothing but plain text
// of a bounded length.
func accepted[T ops.Validator](t *rapid.T, bag ops.Bag) {
	var data T
	if err := ops.Decode(bag, &data); err != nil {
		if len(err.Error()) > 400 {
			t.Fatalf("an error of %d bytes is too long for a status", len(err.Error()))
		}
		return
	}
	if err := data.Validate(); err != nil {
		if len(err.Error()) > 400 {
			t.Fatalf("an error of %d bytes is too long for a status", len(err.Error()))
		}
		return
	}
	text, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	for name, field := range fields {
		values, ok := field.([]any)
		if !ok {
			values = []any{field}
		}
		for _, value := range values {
			if text, ok := value.(string); ok && (!plain.MatchString(text) || len(text) > 1<<16) {
				t.Fatalf("%T takes %.100q for %s", data, text, name)
			}
		}
		if len(values) > 1<<8 {
			t.Fatalf("%T takes %d values for %s", data, len(values), name)
		}
	}
	if again, err := ops.Encode(data); err != nil {
		t.Fatalf("%T takes %v, which cannot be written: %v", data, again, err)
	}
}

// Whatever others write, it is either told to the operator in a line, or fit
// for a configuration.
func TestAnyBag(t *testing.T) {
	t.Parallel()
	keys := slices.Sorted(maps.Keys(good))
	rapid.Check(t, func(t *rapid.T) {
		bag := ops.Bag{}
		for range rapid.IntRange(1, 3).Draw(t, "keys") {
			key := rapid.SampledFrom(keys).Draw(t, "key")
			bag[key] = value(t, good[key])
		}
		accepted[relation.ZooKeeperOffer](t, bag)
		accepted[relation.BookieMember](t, bag)
		accepted[relation.PulsarOffer](t, bag)
	})
}
