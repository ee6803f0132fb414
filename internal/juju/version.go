package juju

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Version is the version of the Juju agent, such as 3.6.1, 3.6-beta2 or
// 3.6.1.1. The zero Version is no version and is older than every other.
type Version struct {
	Major, Minor int
	// Patch is the number after Tag in a pre-release: 2 in 3.6-beta2.
	Patch int
	// Build is the fourth number, which development builds have; else 0.
	Build int
	// Tag is "alpha", "beta", "rc" and the like; empty for a release.
	Tag string
}

var versionPattern = regexp.MustCompile(`^(\d{1,9})\.(\d{1,9})(?:(?:\.|-([a-z]+))(\d{1,9}))?(?:\.(\d{1,9}))?$`)

// ParseVersion reads JUJU_VERSION. A version of two numbers has patch 0.
func ParseVersion(version string) (Version, error) {
	parts := versionPattern.FindStringSubmatch(version)
	if parts == nil {
		return Version{}, fmt.Errorf("cannot parse version %q: want <major>.<minor>.<patch>[.<build>] or <major>.<minor>-<tag><number>[.<build>]", version)
	}
	// The pattern allows only digits, at most nine: never an error.
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	return Version{
		Major: number(parts[1]),
		Minor: number(parts[2]),
		Tag:   parts[3],
		Patch: number(parts[4]),
		Build: number(parts[5]),
	}, nil
}

// String is the version as Juju writes it; 0.0.0 for the zero Version.
func (v Version) String() string {
	separator := "."
	if v.Tag != "" {
		separator = "-" + v.Tag
	}
	s := fmt.Sprintf("%d.%d%s%d", v.Major, v.Minor, separator, v.Patch)
	if v.Build > 0 {
		s += "." + strconv.Itoa(v.Build)
	}
	return s
}

// IsZero says that the version is not known.
func (v Version) IsZero() bool { return v == Version{} }

// Compare is negative if v is older than other, 0 if they are the same and
// positive if v is newer. As in Juju, a pre-release is older than the release
// of the same two numbers: 3.6-beta2 < 3.6.0.
func (v Version) Compare(other Version) int {
	return cmp.Or(
		cmp.Compare(v.Major, other.Major),
		cmp.Compare(v.Minor, other.Minor),
		compareTags(v.Tag, other.Tag),
		cmp.Compare(v.Patch, other.Patch),
		cmp.Compare(v.Build, other.Build),
	)
}

// compareTags puts the empty tag, a release, behind every other.
func compareTags(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == "":
		return 1
	case b == "":
		return -1
	}
	return strings.Compare(a, b)
}

// AtLeast says whether v is the release major.minor.patch or newer. A
// pre-release of it, such as 3.6-beta2 of 3.6.0, is not.
func (v Version) AtLeast(major, minor, patch int) bool {
	return v.Compare(Version{Major: major, Minor: minor, Patch: patch}) >= 0
}

// MarshalText makes a version a string in JSON and YAML; the zero Version is
// the empty one.
func (v Version) MarshalText() ([]byte, error) {
	if v.IsZero() {
		return nil, nil
	}
	return []byte(v.String()), nil
}

// UnmarshalText is the reverse of MarshalText.
func (v *Version) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*v = Version{}
		return nil
	}
	parsed, err := ParseVersion(string(text))
	if err != nil {
		return err
	}
	*v = parsed
	return nil
}
