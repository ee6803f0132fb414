package pebbletest

import (
	"errors"
	"strings"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// An old daemon refuses what it does not have, as the client says it.
func TestFakeOfAnOldVersion(t *testing.T) {
	t.Parallel()
	ctx, f := t.Context(), NewFake(Options{Version: "v1.4.2"})
	layer := func(l pebble.Layer) error { return f.AddLayer(ctx, "charm", l) }
	_, stop := f.StopChecks(ctx, "c")
	_, refresh := f.RefreshCheck(ctx, "c")
	_, metrics := f.Metrics(ctx)
	_, notices := f.Notices(ctx)
	for _, test := range []struct {
		err  error
		want string
	}{
		{stop, "pebble v1.4.2 is too old for starting and stopping checks (it needs v1.19.0)"},
		{refresh, "pebble v1.4.2 is too old for running a check at once (it needs v1.22.2)"},
		{metrics, "pebble v1.4.2 is too old for metrics (it needs v1.19.0)"},
		{notices, "pebble v1.4.2 is too old for notices (it needs v1.7.4)"},
		{f.RemoveIdentities(ctx, "x"), "pebble v1.4.2 is too old for identities (it needs v1.15.0)"},
		{layer(pebble.Layer{LogTargets: map[string]pebble.LogTarget{"t": {Type: "opentelemetry", Location: "x"}}}),
			"pebble v1.4.2 is too old for OpenTelemetry log targets (it needs v1.26.0)"},
		{layer(pebble.Layer{Checks: map[string]pebble.Check{"c": {Startup: "disabled"}}}),
			"pebble v1.4.2 is too old for starting and stopping checks (it needs v1.19.0)"},
		{layer(pebble.Layer{LogTargets: map[string]pebble.LogTarget{"t": {Labels: map[string]string{"a": "b"}}}}),
			"pebble v1.4.2 is too old for labels of log targets (it needs v1.7.4)"},
	} {
		if _, ok := errors.AsType[*pebble.UnsupportedError](test.err); !ok || !strings.HasPrefix(test.err.Error(), test.want+": ") {
			t.Errorf("got %v, want %s", test.err, test.want)
		}
		if _, ok := errors.AsType[*pebble.APIError](test.err); !ok {
			t.Errorf("%v hides what the daemon said", test.err)
		}
	}
	check1(t, layer(pebble.Layer{Checks: map[string]pebble.Check{"c": {TCP: &pebble.TCPCheck{Port: 1}}}}))
	infos, err := f.Checks(ctx)
	if err != nil || len(infos) != 1 || infos[0].Startup != "" {
		t.Errorf("checks of an old daemon: %+v, %v", infos, err)
	}
}
