package ops

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

type options struct {
	Profile string  `option:"profile" oneof:"production testing"`
	Tick    int     `option:"tick-time"`
	Ratio   float64 `option:"ratio"`
	Sync    bool    `option:"sync"`
}

func TestDecodeOptions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		config map[string]any
		want   options
		reason string // of the OptionError
		option string
	}{
		{
			name:   "all types",
			config: map[string]any{"profile": "testing", "tick-time": json.Number("2000"), "ratio": json.Number("0.5"), "sync": true, "other": "x"},
			want:   options{Profile: "testing", Tick: 2000, Ratio: 0.5, Sync: true},
		},
		{name: "unset options keep the default", config: map[string]any{"tick-time": nil, "profile": "production"}, want: options{Profile: "production", Ratio: 0.1}},
		{
			name:   "whole numbers as floats",
			config: map[string]any{"profile": "testing", "tick-time": json.Number("2e3"), "ratio": json.Number("2")},
			want:   options{Profile: "testing", Tick: 2000, Ratio: 2},
		},
		{name: "too big for an int", config: map[string]any{"tick-time": json.Number("9223372036854775808")}, option: "tick-time", reason: "not of type int"},
		{name: "too big to be exact", config: map[string]any{"tick-time": json.Number("1e17")}, option: "tick-time", reason: "not of type int"},
		{name: "too big for a float", config: map[string]any{"ratio": json.Number("1e999")}, option: "ratio", reason: "not of type float64"},
		{name: "not in the list", config: map[string]any{"profile": "huge"}, option: "profile", reason: "not one of production, testing"},
		{name: "wrong type", config: map[string]any{"tick-time": "2000"}, option: "tick-time", reason: "not of type int"},
		{name: "fraction", config: map[string]any{"tick-time": json.Number("0.5")}, option: "tick-time", reason: "not of type int"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got options
			if test.name == "unset options keep the default" {
				got.Ratio = 0.1
			}
			err := decodeOptions(test.config, reflect.ValueOf(&got).Elem(), false)
			if test.option == "" {
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				return
			}
			option, ok := errors.AsType[*OptionError](err)
			if !ok || option.Option != test.option || !strings.Contains(option.Reason, test.reason) {
				t.Errorf("got error %v, want option %s: …%s", err, test.option, test.reason)
			}
		})
	}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"search m.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.0.0.2\n":              {"m", "cluster.local"},
		"search controller-prod.svc.cluster.local svc.cluster.local cluster.local\n":                     {"controller-prod", "cluster.local"},
		"nameserver 10.0.0.2\nsearch m.svc.k8s.example. svc.k8s.example. k8s.example.\n":                 {"m", "k8s.example"},
		"search a.b.svc.cluster.local m.svc.other svc.cluster.local m.svc.cluster.local cluster.local\n": {"m", "cluster.local"},
		"search svc.cluster.local\n": {"", "cluster.local"},
		"nameserver 10.0.0.2\n":      {},
		"search lan example.com\n":   {},
	} {
		if namespace, domain := clusterOf(text); namespace != want[0] || domain != want[1] {
			t.Errorf("%q: got %q, %q, want %q", text, namespace, domain, want)
		}
	}
}

// The pods of the controller's model are in a namespace of another name.
func TestFQDN(t *testing.T) {
	t.Parallel()
	for want, env := range map[string]juju.Environment{
		"web-1.web-endpoints.m.svc.cluster.local":               {ModelName: "m"},
		"web-1.web-endpoints.controller-prod.svc.cluster.local": {ModelName: "controller", Namespace: "controller-prod"},
		"web-1.web-endpoints.m.svc.k8s.example":                 {ModelName: "m", Namespace: "m", ClusterDomain: "k8s.example"},
	} {
		env.UnitName = "web/1"
		if got := newUnit(Host{Environment: env}).FQDN(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
