package pebble_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// old is a socket that says what Pebble v1.10.2 or v1.4.0 said to each request.
func old(t *testing.T) *pebble.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "old")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	answer := func(w http.ResponseWriter, status int, document string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, document)
	}
	refuse := func(w http.ResponseWriter, status int, message string) {
		answer(w, status, `{"type":"error","status-code":`+strconv.Itoa(status)+`,"result":{"message":"`+message+`"}}`)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.URL.Path == "/v1/system-info":
			answer(w, 200, `{"type":"sync","status-code":200,"result":{"version":"v1.10.2","boot-id":"x"}}`)
		case r.URL.Path == "/v1/checks" && r.Method == "POST":
			refuse(w, 405, `method \"POST\" not allowed`)
		case r.URL.Path == "/v1/checks":
			answer(w, 200, `{"type":"sync","status-code":200,"result":[{"name":"c","status":"up","threshold":3}]}`)
		case r.URL.Path == "/v1/layers" && strings.Contains(string(body), "opentelemetry"):
			refuse(w, 400, `cannot parse layer YAML: log target \"t\" has unsupported type \"opentelemetry\", must be \"loki\" or \"syslog\"`)
		case r.URL.Path == "/v1/layers" && strings.Contains(string(body), "startup"):
			refuse(w, 400, `cannot parse layer YAML: cannot parse layer \"charm\" section \"checks\": yaml: unmarshal errors:\n  line 4: field startup not found in type plan.Check`)
		case r.URL.Path == "/v1/layers" && strings.Contains(string(body), "kill-delay"):
			refuse(w, 400, `cannot parse layer YAML: cannot parse layer \"charm\": yaml: unmarshal errors:\n  line 4: field kill-delay not found in type plan.Service`)
		case r.URL.Path == "/v1/layers":
			refuse(w, 400, `cannot parse layer YAML: cannot parse layer \"charm\" section \"log-targets\": yaml: unmarshal errors:\n  line 4: field labels not found in type plan.LogTarget`)
		default:
			refuse(w, 404, "invalid API endpoint requested")
		}
	})}
	go func() { _ = server.Serve(listener) }()
	client := pebble.NewClient(filepath.Join(dir, "s"))
	t.Cleanup(func() {
		client.Close()
		_ = server.Close()
		_ = os.RemoveAll(dir)
	})
	return client
}

func TestOldPebble(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := old(t)
	layer := func(l pebble.Layer) error { return c.AddLayer(ctx, "charm", l) }
	_, stop := c.StopChecks(ctx, "c")
	_, refresh := c.RefreshCheck(ctx, "c")
	_, metrics := c.Metrics(ctx)
	_, notices := c.Notices(ctx)
	_, identities := c.Identities(ctx)
	for _, test := range []struct {
		err  error
		want string
	}{
		{stop, "pebble v1.10.2 is too old for starting and stopping checks (it needs v1.19.0)"},
		{refresh, "pebble v1.10.2 is too old for running a check at once (it needs v1.22.2)"},
		{metrics, "pebble v1.10.2 is too old for metrics (it needs v1.19.0)"},
		{notices, "pebble v1.10.2 is too old for notices (it needs v1.7.4)"},
		{identities, "pebble v1.10.2 is too old for identities (it needs v1.15.0)"},
		{c.RemoveIdentities(ctx, "x"), "pebble v1.10.2 is too old for identities (it needs v1.15.0)"},
		{layer(pebble.Layer{LogTargets: map[string]pebble.LogTarget{"t": {Type: "opentelemetry"}}}),
			"pebble v1.10.2 is too old for OpenTelemetry log targets (it needs v1.26.0)"},
		{layer(pebble.Layer{Checks: map[string]pebble.Check{"c": {Startup: "disabled"}}}),
			"pebble v1.10.2 is too old for starting and stopping checks (it needs v1.19.0)"},
		{layer(pebble.Layer{LogTargets: map[string]pebble.LogTarget{"t": {Labels: map[string]string{"a": "b"}}}}),
			"pebble v1.10.2 is too old for labels of log targets (it needs v1.7.4)"},
		{layer(pebble.Layer{Services: map[string]pebble.Service{"x": {KillDelay: "1s"}}}),
			`pebble v1.10.2 is too old for the key "kill-delay" in a layer (it needs a later version)`},
	} {
		unsupported, ok := errors.AsType[*pebble.UnsupportedError](test.err)
		if !ok || !strings.HasPrefix(test.err.Error(), test.want+": ") || pebble.Unavailable(test.err) || unsupported.Version != "v1.10.2" {
			t.Errorf("got %v, want %s", test.err, test.want)
		}
		if _, ok := errors.AsType[*pebble.APIError](test.err); !ok {
			t.Errorf("%v hides what the daemon said", test.err)
		}
	}
	infos, err := c.Checks(ctx)
	if err != nil || len(infos) != 1 || infos[0].Startup != "" || infos[0].Successes != 0 {
		t.Errorf("checks of an old daemon: %+v, %v", infos, err)
	}
}

func TestSupports(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"v1.15.0": true, "v1.26.0": true, "v2.0.0": true, "1.15.1": true, "v1.15.0-rc1": true, "unknown": true, "": true,
		"v1.14.9": false, "v1.4.2": false, "v0.99.0": false,
	} {
		if got := (pebble.SystemInfo{Version: version}).Supports(pebble.FeatureIdentities); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}

// Wrappers need not have what few charms use.
func TestAs(t *testing.T) {
	t.Parallel()
	client := pebble.NewClient("/nowhere")
	if _, err := pebble.As[pebble.IdentityKeeper](client); err != nil {
		t.Error(err)
	}
	if _, err := pebble.As[pebble.IdentityKeeper](struct{ pebble.Pebble }{client}); err == nil || !strings.Contains(err.Error(), "pebble.IdentityKeeper") {
		t.Errorf("got %v", err)
	}
}
