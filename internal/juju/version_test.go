package juju_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

func TestParseVersion(t *testing.T) {
	t.Parallel()
	tests := map[string]juju.Version{
		"2.9.49":       {Major: 2, Minor: 9, Patch: 49},
		"3.6-beta2":    {Major: 3, Minor: 6, Tag: "beta", Patch: 2},
		"3.6.1.1":      {Major: 3, Minor: 6, Patch: 1, Build: 1},
		"4.0-beta5.12": {Major: 4, Minor: 0, Tag: "beta", Patch: 5, Build: 12},
		"0.0.0":        {},
	}
	for text, want := range tests {
		got, err := juju.ParseVersion(text)
		if err != nil || got != want {
			t.Errorf("ParseVersion(%q) = %+v, %v, want %+v", text, got, err, want)
		}
		if got.String() != text {
			t.Errorf("String() = %q, want %q", got, text)
		}
	}
	if got, err := juju.ParseVersion("3.6"); err != nil || got.String() != "3.6.0" {
		t.Errorf("ParseVersion(3.6) = %v, %v, want 3.6.0", got, err)
	}
	for _, text := range []string{"", "3", "3.", "3.6.", "v3.6.1", "3.6-beta", "3.6-2", "3.6.1-beta2", "3.6.1.2.3", " 3.6.1", "3.6.1\n", "3.-6.1", "9999999999.0.0"} {
		if got, err := juju.ParseVersion(text); err == nil {
			t.Errorf("ParseVersion(%q) = %v, want an error", text, got)
		}
	}
}

func TestVersionOrder(t *testing.T) {
	t.Parallel()
	order := []string{
		"2.9.49", "3.6-alpha9", "3.6-beta2", "3.6-beta2.1", "3.6-beta10", "3.6-rc1", "3.6.0", "3.6.0.1", "3.6.1", "3.6.10", "3.10.0", "4.0-beta5", "4.0.0",
	}
	versions := make([]juju.Version, len(order))
	for i, text := range order {
		versions[i], _ = juju.ParseVersion(text)
	}
	for i, a := range versions {
		for j, b := range versions {
			if got := a.Compare(b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%v.Compare(%v) = %d", a, b, got)
			}
		}
	}
	if !slices.IsSortedFunc(versions, juju.Version.Compare) {
		t.Error("not sorted")
	}
}

func TestVersionAtLeast(t *testing.T) {
	t.Parallel()
	tests := []struct {
		version             string
		major, minor, patch int
		want                bool
	}{
		{"3.6.2", 3, 6, 2, true},
		{"3.6.2.1", 3, 6, 2, true},
		{"3.6.1", 3, 6, 2, false},
		{"4.0.0", 3, 6, 2, true},
		{"3.6-beta2", 3, 6, 0, false},
		{"3.6-beta2", 3, 5, 9, true},
	}
	for _, test := range tests {
		v, err := juju.ParseVersion(test.version)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.AtLeast(test.major, test.minor, test.patch); got != test.want {
			t.Errorf("%s.AtLeast(%d, %d, %d) = %t", v, test.major, test.minor, test.patch, got)
		}
	}
	if (juju.Version{}).AtLeast(2, 8, 0) || !(juju.Version{}).IsZero() {
		t.Error("the zero version is no version")
	}
}

func TestVersionIsAString(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]juju.Version{`"3.6-beta2"`: {Major: 3, Minor: 6, Tag: "beta", Patch: 2}, `""`: {}} {
		var got juju.Version
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("Unmarshal(%s) = %v, %v", text, got, err)
		}
		if back, err := json.Marshal(got); err != nil || string(back) != text {
			t.Errorf("Marshal(%v) = %s, %v", got, back, err)
		}
	}
	var got juju.Version
	if err := json.Unmarshal([]byte(`"new"`), &got); err == nil {
		t.Error("no error for a version of words")
	}
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		has     func(juju.Version) bool
		yes, no []string
	}{
		"secrets":         {juju.Version.HasSecrets, []string{"3.0.3", "3.1.0", "4.0-beta5"}, []string{"2.9.49", "3.0.2"}},
		"user secrets":    {juju.Version.HasUserSecrets, []string{"3.3.0", "3.6-beta2"}, []string{"3.2.4", "3.3-rc1"}},
		"service ports":   {juju.Version.HasServicePorts, []string{"3.0.3", "3.1-beta1"}, []string{"2.9.49"}},
		"custom notices":  {juju.Version.HasCustomNotices, []string{"3.4.0"}, []string{"3.3.7"}},
		"workload users":  {juju.Version.HasWorkloadUsers, []string{"3.5.0"}, []string{"3.4.6"}},
		"check hooks":     {juju.Version.HasCheckHooks, []string{"3.6.0"}, []string{"3.6-beta2", "3.5.4"}},
		"relation model":  {juju.Version.HasRelationModel, []string{"3.6.2", "3.6.10"}, []string{"3.6.1"}},
		"identities":      {juju.Version.HasIdentities, []string{"3.6.4"}, []string{"3.6.3"}},
		"cloud spec":      {juju.Version.HasCloudSpec, []string{"3.6.10", "4.0.0"}, []string{"3.6.9"}},
		"service context": {juju.Version.HasServiceContext, []string{"3.1.6", "3.2.1", "3.3-rc1"}, []string{"3.1.5", "3.2-rc1", "3.2.0", "3.2.0.1"}},
		"leader settings": {juju.Version.HasLeaderSettings, []string{"2.9.49", "3.6.10"}, []string{"4.0-alpha1", "4.0.0"}},
	} {
		for want, texts := range map[bool][]string{true: test.yes, false: append(test.no, "0.0.0")} {
			for _, text := range texts {
				version, err := juju.ParseVersion(text)
				if err != nil {
					t.Fatal(err)
				}
				if got := test.has(version); got != want {
					t.Errorf("Juju %s has %s: %t", text, name, got)
				}
			}
		}
	}
}
