package model

import (
	"fmt"
	"testing"
)

func TestAssumptions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ assumes, version, want string }{
		{"[k8s-api]", "2.9.0", ""},
		{"[juju >= 3.4]", "3.4.0", ""},
		{"[juju >= 3.4]", "3.4-beta1", ""},
		{"[juju >= 3.4]", "3.3.9", `charm "web" assumes juju >= 3.4.0, this is Juju 3.3.9 on Kubernetes`},
		{"[k8s-api, juju >= 3.4, juju < 4]", "3.6.8", ""},
		{"[k8s-api, juju >= 3.4, juju < 4]", "4.0.0", `charm "web" assumes juju < 4.0.0, this is Juju 4.0.0 on Kubernetes`},
		{"[{any-of: [juju < 3, juju >= 3.6]}]", "2.9.50", ""},
		{"[{any-of: [juju < 3, juju >= 3.6]}]", "3.6.1", ""},
		{"[{any-of: [juju < 3, juju >= 3.6]}]", "3.1.0", `charm "web" assumes any of juju < 3.0.0, juju >= 3.6.0, this is Juju 3.1.0 on Kubernetes`},
		{"[{any-of: [juju >= 9, {all-of: [k8s-api, juju >= 3]}]}]", "3.1.0", ""},
		{"[{all-of: [k8s-api, juju >= 9]}]", "3.1.0", `charm "web" assumes all of k8s-api, juju >= 9.0.0, this is Juju 3.1.0 on Kubernetes`},
		{"[openstack]", "3.1.0", `charm "web" assumes openstack, this is Juju 3.1.0 on Kubernetes`},
		{"[]", "2.9.0", ""},
	} {
		t.Run(test.assumes+" "+test.version, func(t *testing.T) {
			t.Parallel()
			charm, err := ParseCharm(map[string][]byte{
				"metadata.yaml": []byte("name: web\nsummary: s\ndescription: d\nassumes: " + test.assumes),
				"manifest.yaml": []byte("bases: [{name: ubuntu, channel: 22.04/stable, architectures: [amd64]}]"),
			})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := charm.MeetsAssumptions(test.version); err != nil {
				got = fmt.Sprint(err)
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
