package javaprops_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
)

func TestRenderIsSortedAndEscaped(t *testing.T) {
	t.Parallel()
	p := javaprops.Properties{
		"b":       "plain=value: #kept !",
		"a":       " leading blank",
		"c d":     `back\slash`,
		"e":       "line\nbreak\tand tab",
		"f":       "Grüße 𝄞",
		"empty":   "",
		"k:ey=#!": "x",
	}
	want := `# Written by the charm.
a=\ leading blank
b=plain=value: #kept !
c\ d=back\\slash
e=line\nbreak\tand tab
empty=
f=Gr\u00fc\u00dfe \ud834\udd1e
k\:ey\=\#\!=x
`
	if diff := cmp.Diff(want, string(p.Render("Written by the charm."))); diff != "" {
		t.Errorf("rendered file (-want +got):\n%s", diff)
	}
}

// What is rendered is read back as it was, whatever the text.
func TestRenderParseRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := javaprops.Properties(rapid.MapOf(rapid.StringN(1, 8, -1), rapid.String()).Draw(t, "properties"))
		if diff := cmp.Diff(want, javaprops.Parse(want.Render("comment"))); diff != "" {
			t.Errorf("after a round trip (-want +got):\n%s", diff)
		}
	})
}

func TestParseReadsWhatJavaReads(t *testing.T) {
	t.Parallel()
	text := "#Mon Jan 01\n! also a comment\n  \ntickTime=2000\r\nserver.1 = a:2888:3888:participant;0.0.0.0:2181\nlist=a,\\\n   b\nkey value with blanks\ncolon:x\nbroken=\\u12\nlast=trailing\\"
	want := javaprops.Properties{
		"tickTime": "2000",
		"server.1": "a:2888:3888:participant;0.0.0.0:2181",
		"list":     "a,b",
		"key":      "value with blanks",
		"colon":    "x",
		"broken":   "u12",
		"last":     "trailing",
	}
	if diff := cmp.Diff(want, javaprops.Parse([]byte(text))); diff != "" {
		t.Errorf("parsed file (-want +got):\n%s", diff)
	}
}

func TestParseLines(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       javaprops.Properties
		reason     string
	}{
		{name: "nothing", text: "", want: javaprops.Properties{}},
		{name: "lines, comments and blanks", text: "\n# why\n snapCount = 1000 \nurl=a=b\\n\n", want: javaprops.Properties{"snapCount": "1000", "url": `a=b\n`}},
		{name: "empty value", text: "a=", want: javaprops.Properties{"a": ""}},
		{name: "no equals sign", text: "a=1\nsnapCount 1000", reason: `line 2: "snapCount 1000" is not key=value`},
		{name: "no key", text: "=secret", reason: `line 1: "" is not key=value`},
		{name: "blank in key", text: "a b=secret", reason: `line 1: key "a b" may hold only letters, digits and . _ - /`},
		{name: "twice", text: "a=1\na=2", reason: "line 2: key a is given twice"},
		{name: "not text", text: "a=\xff", reason: "line 1: not valid UTF-8"},
		{name: "very long", text: "01234567890123456789012345678901234567890", reason: `line 1: "012345678901234567890123456789…" is not key=value`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := javaprops.ParseLines(test.text)
			reason := ""
			if lineError, ok := errors.AsType[*javaprops.LineError](err); ok {
				reason = lineError.Error()
			}
			if diff := cmp.Diff(test.reason, reason); diff != "" {
				t.Errorf("reason (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("properties (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOwned(t *testing.T) {
	t.Parallel()
	p := javaprops.Properties{"snapCount": "1", "Server.1": "x", "clientPort": "1"}
	if got := p.Owned("dataDir", "server.*", "clientport"); got != "Server.1" {
		t.Errorf("Owned() = %q, want Server.1, the first in order", got)
	}
	if got := p.Owned("snap", "server"); got != "" {
		t.Errorf("Owned() = %q for patterns that name no whole key", got)
	}
}

func TestMergeLastWins(t *testing.T) {
	t.Parallel()
	got := javaprops.Merge(javaprops.Properties{"a": "default", "b": "default"}, nil, javaprops.Properties{"b": "user"}, javaprops.Properties{"c": "fixed"})
	if diff := cmp.Diff(javaprops.Properties{"a": "default", "b": "user", "c": "fixed"}, got); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
	if got.Hash() == javaprops.Merge(got, javaprops.Properties{"a": "x"}).Hash() {
		t.Error("hashes of different properties are equal")
	}
}
