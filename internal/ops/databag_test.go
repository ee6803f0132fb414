package ops

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type offer struct {
	Endpoints []string       `databag:"endpoints"`
	Ready     bool           `databag:"ready"`
	Count     int            `databag:"count"`
	Big       int64          `databag:"big"`
	Name      string         `databag:"name"`
	Members   map[string]int `databag:"members"`
	Private   string
}

func TestDatabagRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z0-9:./-]{1,8}`)
		in := offer{
			Endpoints: rapid.SliceOfN(word, 1, 4).Draw(t, "endpoints"),
			Ready:     rapid.Bool().Draw(t, "ready"),
			Count:     rapid.Int().Draw(t, "count"),
			Big:       rapid.Int64().Draw(t, "big"),
			Name:      word.Draw(t, "name"),
			Members:   rapid.MapOfN(word, rapid.Int(), 1, 3).Draw(t, "members"),
		}
		bag, err := Encode(in)
		if err != nil {
			t.Fatal(err)
		}
		var out offer
		if err := Decode(bag, &out); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(in, out); diff != "" {
			t.Errorf("(-written +read)\n%s", diff)
		}
	})
}

// What another charm writes is not to be trusted: garbage names its key and
// never panics.
func TestDecodeGarbage(t *testing.T) {
	t.Parallel()
	for name, bag := range map[string]Bag{
		"bool":    {"ready": "yes"},
		"int":     {"count": "12x"},
		"int64":   {"big": "99999999999999999999"},
		"json":    {"members": "{"},
		"utf-8":   {"name": "\xff\xfe"},
		"wrong":   {"members": `{"a":"b"}`},
		"endless": {"count": string(make([]byte, 1<<20))},
		"number":  {"members": `{"a":` + strings.Repeat("1", 1<<20) + `}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out offer
			err := Decode(bag, &out)
			data, ok := errors.AsType[*DataError](err)
			if !ok {
				t.Fatalf("got %v, want a *DataError", err)
			}
			if _, ok := bag[data.Key]; !ok {
				t.Errorf("the error names %q, which is not in the bag", data.Key)
			}
			if len(err.Error()) > 300 {
				t.Errorf("the error repeats %d characters of the garbage", len(err.Error()))
			}
		})
	}
}

func TestDecodeIgnoresWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	out := offer{Name: "default"}
	if err := Decode(Bag{"newer-key": "x", "ingress-address": "10.1.1.1", "name": ""}, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(offer{Name: "default"}, out); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEncodeRefusesCommaInList(t *testing.T) {
	t.Parallel()
	if bag, err := Encode(offer{Endpoints: []string{"a,b"}}); err == nil {
		t.Errorf("got %v, want an error", bag)
	}
}

func TestDifference(t *testing.T) {
	t.Parallel()
	have := Bag{"ingress-address": "10.0.0.1", "same": "1", "old": "1", "moved": "1"}
	want := Bag{"same": "1", "moved": "2", "new": "1"}
	if diff := cmp.Diff(Bag{"old": "", "moved": "2", "new": "1"}, difference(have, want)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
