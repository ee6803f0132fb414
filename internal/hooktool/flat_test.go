package hooktool

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"
)

// Juju reads relation-set's and state-set's input as YAML and secret-add's
// file as JSON: what it reads must be what the charm meant, for every text.
func TestFlatIsJSONAndYAML(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// go-yaml wants a key that is followed by a colon within 1024 bytes.
		want := rapid.MapOf(rapid.StringN(0, 100, 100), rapid.String()).Draw(t, "data")
		encoded, err := flat(want)
		if err != nil {
			t.Fatal(err)
		}
		for name, decode := range map[string]func([]byte, any) error{"json": json.Unmarshal, "yaml": yaml.Unmarshal} {
			got := map[string]string{}
			if err := decode(encoded, &got); err != nil {
				t.Fatalf("%s refuses %s: %v", name, encoded, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s reads %s otherwise (-want +got):\n%s", name, encoded, diff)
			}
		}
	})
}

// Texts that YAML could take for something else.
func TestFlatTexts(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"true": "true", "null": "null", "1.50": "1.50", "~": "~", "<<": "<<", "": " ", "a: b": "- c", "#": "# d", "%": "%YAML 1.1", "é": "\u0085\u2028\u2029\ufeff\ufffe\uffff",
		"lines": "a\n\n b\t\r\nc\n", "quotes": `"'\`, "zero": "\x00\x1b\x7f\u009f", "beyond": "😀\U0010ffff", "alias": "*a &b !c @d `e",
	}
	encoded, err := flat(want)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	if err := yaml.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("YAML reads it otherwise (-want +got):\n%s", diff)
	}
	again, err := flat(want)
	if err != nil || string(again) != string(encoded) {
		t.Errorf("the same data is written %s and %s, %v", encoded, again, err)
	}
}

func TestFlatRefusesBytes(t *testing.T) {
	t.Parallel()
	for _, data := range []map[string]string{{"k": "\xff"}, {"\xff": "v"}} {
		if encoded, err := flat(data); err == nil {
			t.Errorf("%q was written as %s", data, encoded)
		}
	}
}
