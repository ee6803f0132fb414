package pebbletest

import (
	"cmp"
	"net/http"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// newest is the Pebble whose behaviour the contract suite compares.
const newest = "v1.32.1"

func (f *Fake) version() string { return cmp.Or(f.options.Version, newest) }

func (f *Fake) supports(feature pebble.Feature) bool {
	return f.options.Version == "" || pebble.SystemInfo{Version: f.options.Version}.Supports(feature)
}

// featureOf is what an endpoint came with; false for those that always were.
func featureOf(verb string) (pebble.Feature, bool) {
	switch verb {
	case "Notify", "Notices", "WaitNotices", "Notice":
		return pebble.FeatureNotices, true
	case "Identities", "AddIdentities", "UpdateIdentities", "ReplaceIdentities", "RemoveIdentities":
		return pebble.FeatureIdentities, true
	case "StartChecks", "StopChecks":
		return pebble.FeatureCheckControl, true
	case "RefreshCheck":
		return pebble.FeatureCheckRefresh, true
	case "Metrics":
		return pebble.FeatureMetrics, true
	}
	return pebble.Feature{}, false
}

// tooOld refuses a request that the daemon's version does not have, as a
// pebble.Client tells it.
func (f *Fake) tooOld(verb string) error {
	if f.options.Version == "" {
		return nil
	}
	feature, newer := featureOf(verb)
	if !newer || f.supports(feature) {
		return nil
	}
	if feature == pebble.FeatureCheckControl { // reading checks is there
		return f.unsupported(feature, &pebble.APIError{Status: http.StatusMethodNotAllowed, Message: `method "POST" not allowed`})
	}
	return f.unsupported(feature, notFound("invalid API endpoint requested"))
}

// tooOldFor refuses a layer with what the daemon's version does not know.
func (f *Fake) tooOldFor(label string, layer pebble.Layer) error {
	if f.options.Version == "" {
		return nil
	}
	refuse := func(section, key, kind string) error {
		return badRequest("cannot parse layer YAML: cannot parse layer %q section %q: yaml: unmarshal errors:\n  field %s not found in type plan.%s", label, section, key, kind)
	}
	for _, name := range sortedKeys(layer.Checks) {
		if layer.Checks[name].Startup != "" && !f.supports(pebble.FeatureCheckControl) {
			return f.unsupported(pebble.FeatureCheckControl, refuse("checks", "startup", "Check"))
		}
	}
	for _, name := range sortedKeys(layer.LogTargets) {
		switch target := layer.LogTargets[name]; {
		case len(target.Labels) > 0 && !f.supports(pebble.FeatureLogLabels):
			return f.unsupported(pebble.FeatureLogLabels, refuse("log-targets", "labels", "LogTarget"))
		case target.Type == "opentelemetry" && !f.supports(pebble.FeatureOpenTelemetry):
			return f.unsupported(pebble.FeatureOpenTelemetry, badRequest(
				"cannot parse layer YAML: log target %q has unsupported type %q, must be %q or %q", name, target.Type, "loki", "syslog"))
		}
	}
	return nil
}

func (f *Fake) unsupported(feature pebble.Feature, refused error) error {
	return &pebble.UnsupportedError{Feature: feature, Version: f.version(), Err: refused}
}
