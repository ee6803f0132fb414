package bookie

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
)

// The check looks for what BookKeeper 4.17 says when it has given up and its
// process stays, as read from one.
func TestStuckCommand(t *testing.T) {
	t.Parallel()
	state := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != "/api/v1/bookie/state" {
				http.NotFound(w, r)
				return
			}
			fmt.Fprint(w, text)
		}
	}
	hangs := make(chan struct{})
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		healthy bool
	}{
		{"given up", state("{\n  \"running\" : false,\n  \"readOnly\" : true,\n  \"shuttingDown\" : true,\n  \"availableForHighPriorityWrites\" : true\n}"), false},
		{"starting", state("{\n  \"running\" : false,\n  \"readOnly\" : false,\n  \"shuttingDown\" : false,\n  \"availableForHighPriorityWrites\" : true\n}"), true},
		{"another format", state(`{"running":true,"shuttingDown":true}`), false},
		{"an error", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "busy", http.StatusInternalServerError) }, true},
		{"no answer in time", func(http.ResponseWriter, *http.Request) { <-hangs }, true},
		{"nobody listens", nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			if c.name == "no answer in time" {
				defer close(hangs)
			}
			port := server.Listener.Addr().(*net.TCPAddr).Port
			if c.handler == nil {
				server.Close()
			}
			script, ok := strings.CutPrefix(stuckCommand(port), "/bin/bash -c '")
			script, ends := strings.CutSuffix(script, "'")
			if !ok || !ends || strings.Contains(script, "'") {
				t.Fatalf("not one command of bash: %s", stuckCommand(port))
			}
			output, err := exec.CommandContext(t.Context(), "/bin/bash", "-c", script).CombinedOutput()
			if healthy := err == nil; healthy != c.healthy {
				t.Errorf("healthy %v, want %v: %v %s", healthy, c.healthy, err, output)
			}
		})
	}
}
