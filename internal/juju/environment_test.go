package juju_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// unitEnviron is what every hook has on Kubernetes, sorted by key.
var unitEnviron = []string{
	"CHARM_DIR=/var/lib/juju/agents/unit-pulsar-0/charm",
	"CLOUD_API_VERSION=1.30.1",
	"JUJU_AGENT_SOCKET_ADDRESS=@/var/lib/juju/agents/unit-pulsar-0/agent.socket",
	"JUJU_AGENT_SOCKET_NETWORK=unix",
	"JUJU_API_ADDRESSES=10.0.0.1:17070 [fe80::1]:17070",
	"JUJU_AVAILABILITY_ZONE=",
	"JUJU_CHARM_DIR=/var/lib/juju/agents/unit-pulsar-0/charm",
	"JUJU_CHARM_FTP_PROXY=",
	"JUJU_CHARM_HTTPS_PROXY=",
	"JUJU_CHARM_HTTP_PROXY=http://proxy:3128",
	"JUJU_CHARM_NO_PROXY=10.0.0.0/8",
	"JUJU_CONTEXT_ID=pulsar/0-hook-7",
	"JUJU_MACHINE_ID=",
	"JUJU_MODEL_NAME=streams",
	"JUJU_MODEL_UUID=f47ac10b-58cc-4372-a567-0e02b2c3d479",
	"JUJU_PRINCIPAL_UNIT=",
	"JUJU_UNIT_NAME=pulsar/0",
	"JUJU_VERSION=3.6.1",
	"KUBERNETES_SERVICE_HOST=10.152.183.1",
	"LANG=C.UTF-8",
	"PATH=/var/lib/juju/tools/unit-pulsar-0:/usr/bin:/charm/bin",
}

// environ adds variables to unitEnviron, which they replace, sorted by key.
func environ(more ...string) []string {
	values := make(map[string]string)
	for _, entry := range slices.Concat(unitEnviron, more) {
		key, _, _ := strings.Cut(entry, "=")
		values[key] = entry
	}
	var list []string
	for _, entry := range values {
		list = append(list, entry)
	}
	slices.SortFunc(list, func(a, b string) int {
		a, _, _ = strings.Cut(a, "=")
		b, _, _ = strings.Cut(b, "=")
		return strings.Compare(a, b)
	})
	return list
}

func unitEnvironment(hook juju.Hook) juju.Environment {
	return juju.Environment{
		Hook:               hook,
		UnitName:           "pulsar/0",
		ModelName:          "streams",
		ModelUUID:          "f47ac10b-58cc-4372-a567-0e02b2c3d479",
		Version:            juju.Version{Major: 3, Minor: 6, Patch: 1},
		CharmDir:           "/var/lib/juju/agents/unit-pulsar-0/charm",
		ContextID:          "pulsar/0-hook-7",
		AgentSocketAddress: "@/var/lib/juju/agents/unit-pulsar-0/agent.socket",
		AgentSocketNetwork: "unix",
		APIAddresses:       []string{"10.0.0.1:17070", "[fe80::1]:17070"},
		CharmProxy:         juju.Proxy{HTTP: "http://proxy:3128", No: "10.0.0.0/8"},
		CloudAPIVersion:    "1.30.1",
		Path:               "/var/lib/juju/tools/unit-pulsar-0:/usr/bin:/charm/bin",
		Other:              map[string]string{"LANG": "C.UTF-8", "KUBERNETES_SERVICE_HOST": "10.152.183.1"},
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		environ []string // besides unitEnviron
		hook    juju.Hook
		want    func(e *juju.Environment)
	}{
		"install": {
			environ: []string{"JUJU_DISPATCH_PATH=hooks/install", "JUJU_HOOK_NAME=install"},
			hook:    juju.Hook{Kind: juju.Install},
		},
		"relation-changed of a unit": {
			environ: []string{
				"JUJU_DISPATCH_PATH=hooks/my-db-relation-changed", "JUJU_HOOK_NAME=my-db-relation-changed",
				"JUJU_RELATION=my-db", "JUJU_RELATION_ID=my-db:31", "JUJU_REMOTE_UNIT=pg/10", "JUJU_REMOTE_APP=pg",
			},
			hook: juju.Hook{Kind: juju.RelationChanged, Name: "my-db"},
			want: func(e *juju.Environment) {
				e.Relation, e.RelationID, e.RemoteUnit, e.RemoteApp = "my-db", "my-db:31", "pg/10", "pg"
			},
		},
		"relation-broken after a restart of the agent": {
			environ: []string{
				"JUJU_DISPATCH_PATH=hooks/db-relation-broken", "JUJU_HOOK_NAME=db-relation-broken",
				"JUJU_RELATION=db", "JUJU_RELATION_ID=db:0", "JUJU_REMOTE_UNIT=", "JUJU_REMOTE_APP=",
			},
			hook: juju.Hook{Kind: juju.RelationBroken, Name: "db"},
			want: func(e *juju.Environment) { e.Relation, e.RelationID = "db", "db:0" },
		},
		"relation-departed": {
			environ: []string{
				"JUJU_DISPATCH_PATH=hooks/db-relation-departed", "JUJU_HOOK_NAME=db-relation-departed",
				"JUJU_RELATION=db", "JUJU_RELATION_ID=db:0", "JUJU_REMOTE_UNIT=pg/1", "JUJU_REMOTE_APP=pg", "JUJU_DEPARTING_UNIT=pulsar/0",
			},
			hook: juju.Hook{Kind: juju.RelationDeparted, Name: "db"},
			want: func(e *juju.Environment) {
				e.Relation, e.RelationID, e.RemoteUnit, e.RemoteApp, e.DepartingUnit = "db", "db:0", "pg/1", "pg", "pulsar/0"
			},
		},
		"custom notice": {
			environ: []string{
				"JUJU_DISPATCH_PATH=hooks/broker-pebble-custom-notice", "JUJU_HOOK_NAME=broker-pebble-custom-notice",
				"JUJU_WORKLOAD_NAME=broker", "JUJU_NOTICE_ID=17", "JUJU_NOTICE_TYPE=custom", "JUJU_NOTICE_KEY=example.com/ready",
			},
			hook: juju.Hook{Kind: juju.PebbleCustomNotice, Name: "broker"},
			want: func(e *juju.Environment) {
				e.Workload, e.NoticeID, e.NoticeType, e.NoticeKey = "broker", "17", "custom", "example.com/ready"
			},
		},
		"failed check": {
			environ: []string{
				"JUJU_DISPATCH_PATH=hooks/broker-pebble-check-failed", "JUJU_HOOK_NAME=broker-pebble-check-failed",
				"JUJU_WORKLOAD_NAME=broker", "JUJU_PEBBLE_CHECK_NAME=up",
			},
			hook: juju.Hook{Kind: juju.PebbleCheckFailed, Name: "broker"},
			want: func(e *juju.Environment) { e.Workload, e.CheckName = "broker", "up" },
		},
		"secret without a label": {
			environ: []string{
				"JUJU_DISPATCH_PATH=hooks/secret-changed", "JUJU_HOOK_NAME=secret-changed",
				"JUJU_SECRET_ID=secret:9m4e2mr0ui3e8a215n4g", "JUJU_SECRET_LABEL=",
			},
			hook: juju.Hook{Kind: juju.SecretChanged},
			want: func(e *juju.Environment) { e.SecretID = "secret:9m4e2mr0ui3e8a215n4g" },
		},
		"expired secret": {
			environ: []string{
				"JUJU_DISPATCH_PATH=hooks/secret-expired", "JUJU_HOOK_NAME=secret-expired",
				"JUJU_SECRET_ID=secret:9m4e2mr0ui3e8a215n4g", "JUJU_SECRET_LABEL=super", "JUJU_SECRET_REVISION=2",
			},
			hook: juju.Hook{Kind: juju.SecretExpired},
			want: func(e *juju.Environment) {
				e.SecretID, e.SecretLabel, e.SecretRevision = "secret:9m4e2mr0ui3e8a215n4g", "super", 2
			},
		},
		"tracing": {
			environ: []string{
				"JUJU_DISPATCH_PATH=hooks/start", "JUJU_HOOK_NAME=start",
				"JUJU_TRACE_ID=4bf92f3577b34da6a3ce929d0e0e4736", "JUJU_SPAN_ID=00f067aa0ba902b7", "JUJU_TRACE_FLAGS=01",
			},
			hook: juju.Hook{Kind: juju.Start},
			want: func(e *juju.Environment) {
				e.TraceID, e.SpanID, e.TraceFlags = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "01"
			},
		},
		"storage": {
			environ: []string{
				"JUJU_DISPATCH_PATH=hooks/data-storage-attached", "JUJU_HOOK_NAME=data-storage-attached",
				"JUJU_STORAGE_ID=data/0", "JUJU_STORAGE_LOCATION=/var/lib/juju/storage/data/0", "JUJU_STORAGE_KIND=filesystem",
			},
			hook: juju.Hook{Kind: juju.StorageAttached, Name: "data"},
			want: func(e *juju.Environment) {
				e.StorageID, e.StorageLocation, e.StorageKind = "data/0", "/var/lib/juju/storage/data/0", "filesystem"
			},
		},
		"action": {
			environ: []string{
				"JUJU_DISPATCH_PATH=actions/list-bookies", "JUJU_HOOK_NAME=",
				"JUJU_ACTION_NAME=list-bookies", "JUJU_ACTION_UUID=4", "JUJU_ACTION_TAG=action-4",
			},
			hook: juju.Hook{Kind: juju.Action, Name: "list-bookies"},
			want: func(e *juju.Environment) { e.ActionName, e.ActionUUID, e.ActionTag = "list-bookies", "4", "action-4" },
		},
		"legacy proxies and a pre-release": {
			environ: []string{
				"JUJU_DISPATCH_PATH=hooks/start", "JUJU_HOOK_NAME=start", "JUJU_VERSION=4.0-beta5.1",
				"http_proxy=http://p", "HTTP_PROXY=http://p", "no_proxy=localhost", "NO_PROXY=localhost",
			},
			hook: juju.Hook{Kind: juju.Start},
			want: func(e *juju.Environment) {
				e.Version = juju.Version{Major: 4, Minor: 0, Tag: "beta", Patch: 5, Build: 1}
				e.LegacyProxy = juju.Proxy{HTTP: "http://p", No: "localhost"}
			},
		},
		"token and certificate": {
			environ: []string{
				"JUJU_DISPATCH_PATH=hooks/start", "JUJU_HOOK_NAME=start", "JUJU_AGENT_TOKEN=t", "JUJU_AGENT_CA_CERT=/ca.crt",
			},
			hook: juju.Hook{Kind: juju.Start},
			want: func(e *juju.Environment) { e.AgentToken, e.AgentCACert = "t", "/ca.crt" },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := unitEnvironment(test.hook)
			if test.want != nil {
				test.want(&want)
			}
			input := environ(test.environ...)
			got, err := juju.ParseEnvironment(input)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(input, got.Environ()); diff != "" {
				t.Errorf("Environ is not the reverse (-want +got):\n%s", diff)
			}
		})
	}
}

// What a driver of hooks leaves empty is still set, as Juju does.
func TestEnvironOfLittle(t *testing.T) {
	t.Parallel()
	e := juju.Environment{
		Hook:     juju.Hook{Kind: juju.RelationCreated, Name: "db"},
		UnitName: "a/0", ModelName: "m", Version: juju.Version{Major: 3, Minor: 6},
		Relation: "db", RelationID: "db:0", RemoteApp: "db",
		ClusterDomain: "cluster.example", Namespace: "controller-x",
	}
	got := e.Environ()
	for _, want := range []string{"JUJU_REMOTE_UNIT=", "JUJU_MACHINE_ID=", "JUJU_API_ADDRESSES=", "JUJU_CHARM_NO_PROXY=", "JUJU_HOOK_NAME=db-relation-created"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	for _, entry := range got {
		for _, absent := range []string{"JUJU_DEPARTING_UNIT", "JUJU_SECRET", "JUJU_ACTION", "JUJU_AGENT_TOKEN", "JUJU_STORAGE", "http_proxy", "PATH", "JUJU_WORKLOAD_NAME"} {
			if strings.HasPrefix(entry, absent) {
				t.Errorf("%q is set", entry)
			}
		}
		if strings.Contains(entry, "cluster.example") || strings.Contains(entry, "controller-x") {
			t.Errorf("%q: Juju does not tell the cluster's domain, or the namespace", entry)
		}
	}
	e.ClusterDomain, e.Namespace = "", ""
	again, err := juju.ParseEnvironment(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, again); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

// The map of other variables is the caller's.
func TestEnvironLeavesOtherAlone(t *testing.T) {
	t.Parallel()
	e := unitEnvironment(juju.Hook{Kind: juju.Start})
	e.Environ()
	if diff := cmp.Diff(unitEnvironment(juju.Hook{Kind: juju.Start}), e); diff != "" {
		t.Errorf("Environ changed its receiver (-want +got):\n%s", diff)
	}
}

func TestMalformedEnvironment(t *testing.T) {
	t.Parallel()
	relation := []string{
		"JUJU_DISPATCH_PATH=hooks/db-relation-changed", "JUJU_RELATION=db", "JUJU_RELATION_ID=db:0", "JUJU_REMOTE_APP=pg", "JUJU_REMOTE_UNIT=",
	}
	tests := map[string]struct {
		environ []string
		want    string // part of the error
	}{
		"not run by Juju":          {nil, "JUJU_DISPATCH_PATH is not set"},
		"no directory in the path": {[]string{"JUJU_DISPATCH_PATH=install"}, `dispatch path "install"`},
		"other directory":          {[]string{"JUJU_DISPATCH_PATH=bin/install"}, `dispatch path "bin/install"`},
		"empty hook":               {[]string{"JUJU_DISPATCH_PATH=hooks/"}, `dispatch path "hooks/"`},
		"no unit":                  {[]string{"JUJU_DISPATCH_PATH=hooks/start", "JUJU_UNIT_NAME="}, "JUJU_UNIT_NAME"},
		"unit without number":      {[]string{"JUJU_DISPATCH_PATH=hooks/start", "JUJU_UNIT_NAME=pulsar"}, `unit name "pulsar"`},
		"unit with a zero before":  {[]string{"JUJU_DISPATCH_PATH=hooks/start", "JUJU_UNIT_NAME=pulsar/01"}, `unit name "pulsar/01"`},
		"no model":                 {[]string{"JUJU_DISPATCH_PATH=hooks/start", "JUJU_MODEL_NAME="}, "JUJU_MODEL_NAME"},
		"no version":               {[]string{"JUJU_DISPATCH_PATH=hooks/start", "JUJU_VERSION="}, "JUJU_VERSION"},
		"version of words":         {[]string{"JUJU_DISPATCH_PATH=hooks/start", "JUJU_VERSION=latest"}, `version "latest"`},
		"relative charm directory": {[]string{"JUJU_DISPATCH_PATH=hooks/start", "JUJU_CHARM_DIR=charm"}, "JUJU_CHARM_DIR"},
		"relation hook without id": {append(slices.Clone(relation), "JUJU_RELATION_ID="), "JUJU_RELATION_ID"},
		"relation id of a number":  {append(slices.Clone(relation), "JUJU_RELATION_ID=0"), "JUJU_RELATION_ID"},
		"relation id of words":     {append(slices.Clone(relation), "JUJU_RELATION_ID=db:x"), "JUJU_RELATION_ID"},
		"negative relation id":     {append(slices.Clone(relation), "JUJU_RELATION_ID=db:-1"), "JUJU_RELATION_ID"},
		"other endpoint's id":      {append(slices.Clone(relation), "JUJU_RELATION_ID=web:0"), "web:0"},
		"other endpoint":           {append(slices.Clone(relation), "JUJU_RELATION=web"), "JUJU_RELATION"},
		"other container":          {[]string{"JUJU_DISPATCH_PATH=hooks/a-pebble-ready", "JUJU_WORKLOAD_NAME=b"}, "JUJU_WORKLOAD_NAME"},
		"secret hook without id":   {[]string{"JUJU_DISPATCH_PATH=hooks/secret-changed"}, "JUJU_SECRET_ID"},
		"other storage":            {[]string{"JUJU_DISPATCH_PATH=hooks/a-storage-attached", "JUJU_STORAGE_ID=b/0"}, "JUJU_STORAGE_ID"},
		"other action":             {[]string{"JUJU_DISPATCH_PATH=actions/a", "JUJU_ACTION_NAME=b"}, "JUJU_ACTION_NAME"},
		"notice without key":       {[]string{"JUJU_DISPATCH_PATH=hooks/a-pebble-custom-notice", "JUJU_WORKLOAD_NAME=a", "JUJU_NOTICE_ID=1"}, "JUJU_NOTICE_KEY"},
		"check without name":       {[]string{"JUJU_DISPATCH_PATH=hooks/a-pebble-check-failed", "JUJU_WORKLOAD_NAME=a"}, "JUJU_PEBBLE_CHECK_NAME"},
		"secret revision of words": {[]string{"JUJU_DISPATCH_PATH=hooks/secret-expired", "JUJU_SECRET_REVISION=two"}, "JUJU_SECRET_REVISION"},
		"nobody joins":             {append(slices.Clone(relation), "JUJU_DISPATCH_PATH=hooks/db-relation-joined"), "JUJU_REMOTE_UNIT"},
		"nobody departs":           {append(slices.Clone(relation), "JUJU_DISPATCH_PATH=hooks/db-relation-departed"), "JUJU_REMOTE_UNIT"},
		"an application changes":   {append(slices.Clone(relation), "JUJU_REMOTE_UNIT=pg"), `unit name "pg"`},
		"an application departs":   {append(slices.Clone(relation), "JUJU_DISPATCH_PATH=hooks/db-relation-departed", "JUJU_REMOTE_UNIT=pg/0", "JUJU_DEPARTING_UNIT=pg"), "JUJU_DEPARTING_UNIT"},
		"removal of no revision":   {[]string{"JUJU_DISPATCH_PATH=hooks/secret-remove", "JUJU_SECRET_ID=secret:9m4e2mr0ui3e8a215n4g"}, "JUJU_SECRET_REVISION"},
		"expiry of no revision":    {[]string{"JUJU_DISPATCH_PATH=hooks/secret-expired", "JUJU_SECRET_ID=secret:9m4e2mr0ui3e8a215n4g"}, "JUJU_SECRET_REVISION"},
		"secret revision zero":     {[]string{"JUJU_DISPATCH_PATH=hooks/secret-expired", "JUJU_SECRET_REVISION=0"}, "JUJU_SECRET_REVISION"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := juju.ParseEnvironment(environ(test.environ...))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
			if diff := cmp.Diff(juju.Environment{}, got); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		})
	}
}

// Entries that are none, and keys that come twice, are no reason to fail.
func TestOddEntries(t *testing.T) {
	t.Parallel()
	got, err := juju.ParseEnvironment(append(environ("JUJU_DISPATCH_PATH=hooks/start", "A=1=2"), "nonsense", "=x", "", "LANG=C"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"A": "1=2", "LANG": "C", "KUBERNETES_SERVICE_HOST": "10.152.183.1"}
	if diff := cmp.Diff(want, got.Other); diff != "" {
		t.Errorf("other variables (-want +got):\n%s", diff)
	}
}

// A newer Juju may send a hook that this library does not know. The caller
// can tell, and run it nevertheless.
func TestUnknownHook(t *testing.T) {
	t.Parallel()
	input := environ("JUJU_DISPATCH_PATH=hooks/moon-rising", "JUJU_HOOK_NAME=moon-rising")
	got, err := juju.ParseEnvironment(input)
	unknown, ok := errors.AsType[*juju.UnknownHookError](err)
	if !ok || unknown.Hook != "moon-rising" {
		t.Fatalf("error is %v, want unknown hook moon-rising", err)
	}
	if diff := cmp.Diff(unitEnvironment(juju.Hook{Kind: "moon-rising"}), got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(input, got.Environ()); diff != "" {
		t.Errorf("Environ is not the reverse (-want +got):\n%s", diff)
	}
}

// The secrets of Juju 2.9's experiment are told by another variable.
func TestSecretURL(t *testing.T) {
	t.Parallel()
	got, err := juju.ParseEnvironment(environ("JUJU_DISPATCH_PATH=hooks/secret-rotate", "JUJU_VERSION=2.9.49", "JUJU_SECRET_URL=secret://app/password"))
	if err != nil || got.SecretID != "secret://app/password" || got.Other["JUJU_SECRET_URL"] != "" {
		t.Errorf("secret is %q, %v; other variables %v", got.SecretID, err, got.Other)
	}
}

// What a charm does not act on is kept by name: variables of old versions, of
// machines and of the container.
func TestOtherVariables(t *testing.T) {
	t.Parallel()
	other := []string{
		"JUJU_SLA=unsupported", "JUJU_METER_STATUS=GREEN", "JUJU_METER_INFO=", "JUJU_TARGET_BASE=ubuntu@22.04", "JUJU_TARGET_SERIES=jammy",
		"KUBERNETES_SERVICE_PORT=443", "KUBERNETES_PORT_443_TCP_ADDR=10.152.183.1", "TERM=tmux-256color",
		"DEBIAN_FRONTEND=noninteractive", "APT_LISTCHANGES_FRONTEND=none", "JUJU_DEBUG_AT=all", "JUJU_DEBUG=",
	}
	got, err := juju.ParseEnvironment(environ(append(other, "JUJU_DISPATCH_PATH=hooks/pre-series-upgrade")...))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range other {
		key, value, _ := strings.Cut(entry, "=")
		if kept, ok := got.Other[key]; !ok || kept != value {
			t.Errorf("%s is kept as %q", entry, kept)
		}
	}
}
