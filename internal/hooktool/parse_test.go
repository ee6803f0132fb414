package hooktool

import (
	"encoding/json"
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// What parseFlat accepts, encoding/json reads as the same.
func TestParseFlatAgreesWithJSON(t *testing.T) {
	t.Parallel()
	check := func(t rapid.TB, text []byte) (accepted bool) {
		got, ok := parseFlat(text)
		var want map[string]string
		if err := json.Unmarshal(text, &want); ok && (err != nil || !maps.Equal(got, want)) {
			t.Fatalf("%q: got %q, want %q, %v", text, got, want, err)
		}
		return ok
	}
	for text, want := range map[string]bool{
		`{}`: true, " { } \n": true, `{"a":"b"}`: true, "{\"a\" : \"b\" , \"c\":\"\"}\n": true, `{"a":"b","a":"c"}`: true,
		``: false, `null`: false, `{`: false, `{"a"`: false, `{"a":"b"`: false, `{"a":"b",}`: false, `{"a":1}`: false, `{"a":"\n"}`: false,
		"{\"a\":\"\xff\"}": false, `{"a":"b"} x`: false, `{"a":{}}`: false, `["a"]`: false, `{"é":"b"}`: false, `{,"a":"b"}`: false,
	} {
		if got := check(t, []byte(text)); got != want {
			t.Errorf("%q: accepted %v, want %v", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ \n]*\{([ {}:,"a\\é]|"[ -~]*"|"a":"b")*\}?[ \n}]*`).Draw(t, "text")
		check(t, []byte(text))
		table := rapid.MapOf(rapid.String(), rapid.StringMatching(`[ -~]*`)).Draw(t, "table")
		encoded, err := json.Marshal(table)
		if err != nil {
			t.Fatal(err)
		}
		check(t, encoded)
	})
}
