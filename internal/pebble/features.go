package pebble

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// Feature is something that an old Pebble does not have. Juju 2.9 brings
// v1.1.1, 3.4 v1.7.4, 3.5 v1.10.2, 3.6 v1.26.0 in late patch releases.
type Feature struct {
	Name string
	// Since is the first version of Pebble known to have it, such as
	// "v1.15.0".
	Since string
}

// The features. Where Pebble's sources of the version before were not to be
// had, Since may be a little late.
var (
	// FeatureNotices are notices of any kind.
	FeatureNotices = Feature{"notices", "v1.7.4"}
	// FeatureLogLabels are labels of log targets.
	FeatureLogLabels = Feature{"labels of log targets", "v1.7.4"}
	// FeatureIdentities are identities, over all ways.
	FeatureIdentities = Feature{"identities", "v1.15.0"}
	// FeatureCheckControl starts and stops checks, also by their Startup in a layer.
	FeatureCheckControl = Feature{"starting and stopping checks", "v1.19.0"}
	// FeatureMetrics are the daemon's metrics, and identities with access "metrics".
	FeatureMetrics = Feature{"metrics", "v1.19.0"}
	// FeatureCheckRefresh runs a check at once.
	FeatureCheckRefresh = Feature{"running a check at once", "v1.22.2"}
	// FeatureOpenTelemetry is the log target of that type.
	FeatureOpenTelemetry = Feature{"OpenTelemetry log targets", "v1.26.0"}
)

// Supports says whether the daemon's version has the feature. It is true for a
// version that is no number, such as "unknown" of a Pebble built by hand.
func (s SystemInfo) Supports(f Feature) bool {
	have, ok := parseVersion(s.Version)
	since, _ := parseVersion(f.Since)
	if !ok {
		return true
	}
	for i := range have {
		if have[i] != since[i] {
			return have[i] > since[i]
		}
	}
	return true
}

// parseVersion reads "v1.26.0" and "v1.26.0-rc1".
func parseVersion(text string) ([3]int, bool) {
	var version [3]int
	text, _, _ = strings.Cut(strings.TrimPrefix(text, "v"), "-")
	parts := strings.Split(text, ".")
	if len(parts) != len(version) {
		return version, false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil {
			return version, false
		}
		version[i] = n
	}
	return version, true
}

// UnsupportedError is a request that the daemon is too old for.
type UnsupportedError struct {
	Feature Feature
	Version string // the daemon's
	Err     error  // the daemon's own refusal
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("pebble %s is too old for %s (it needs %s): %v", e.Version, e.Feature.Name, e.Feature.Since, e.Err)
}

// Unwrap gives the daemon's own refusal.
func (e *UnsupportedError) Unwrap() error { return e.Err }

// needs turns the refusal of an endpoint that the daemon does not have into an
// UnsupportedError.
func (c *Client) needs(ctx context.Context, f Feature, err error) error {
	refused, ok := errors.AsType[*APIError](err)
	if !ok {
		return err
	}
	switch {
	case refused.Status == http.StatusMethodNotAllowed:
	case refused.Status == http.StatusNotFound && refused.Message == "invalid API endpoint requested":
	default:
		return err
	}
	return c.unsupported(ctx, f, refused)
}

func (c *Client) unsupported(ctx context.Context, f Feature, refused error) error {
	info, err := c.SystemInfo(ctx)
	if err != nil {
		return err
	}
	return &UnsupportedError{Feature: f, Version: info.Version, Err: refused}
}

var unknownField = regexp.MustCompile(`field (\S+) not found in type`)

// unknownKey turns the refusal of a layer with keys of a later Pebble, or a
// later type of log target, into an UnsupportedError.
func (c *Client) unknownKey(ctx context.Context, err error) error {
	refused, ok := errors.AsType[*APIError](err)
	if !ok {
		return err
	}
	if strings.Contains(refused.Message, `unsupported type "opentelemetry"`) {
		return c.unsupported(ctx, FeatureOpenTelemetry, refused)
	}
	match := unknownField.FindStringSubmatch(refused.Message)
	switch {
	case match == nil:
		return err
	case match[1] == "startup": // services always had it
		return c.unsupported(ctx, FeatureCheckControl, refused)
	case match[1] == "labels":
		return c.unsupported(ctx, FeatureLogLabels, refused)
	}
	return c.unsupported(ctx, Feature{fmt.Sprintf("the key %q in a layer", match[1]), "a later version"}, refused)
}
