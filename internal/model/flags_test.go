package model

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFlags: names of one letter stand behind one hyphen, with their value or
// before it, longer ones behind two.
func TestFlags(t *testing.T) {
	t.Parallel()
	m := pair(t)
	check(t, during(t, m, "app/0"), []call{
		{line: "relation-list -rdb:1 --format=json", want: `["db/0"]`},
		{line: "relation-list -r db:1 --format json", want: `["db/0"]`},
		{line: "relation-list --relation=db:1 --format=json", want: `["db/0"]`},
		{line: "relation-list --relation 9", want: `!2 invalid value "9" for option --relation: relation not found`},
		{line: "relation-list --relation x", want: `!2 invalid value "x" for option --relation: invalid relation id`},
		{line: "relation-list -r", want: "!2 option needs an argument: -r"},
		{line: "relation-list --relation", want: "!2 option needs an argument: --relation"},
		{line: "relation-list -format=json", want: "!2 option provided but not defined: -f"},
		{line: "relation-list -r 1 --app=maybe", want: `!2 invalid value "maybe" for option --app: strconv.ParseBool: parsing "maybe": invalid syntax`},
		{line: "relation-list -r 1 --app=false --format=json", want: `["db/0"]`},
		{line: "config-get -a --format=json", want: `{"count":3,"name":"x","on":true,"ratio":null}`},
		{line: "relation-set -r db:1 -- a=-1"},
		{line: "relation-get --format=json -r db:1 a app/0", want: `"-1"`},
		{line: "relation-ids --help", want: "Usage: relation-ids [options]"},
		{line: "status-set -h", want: "Usage: status-set [options]"},
	})
}

// TestFormats: smart prints text bare, an empty one not at all, and everything
// that is not flat as YAML, with lists not indented.
func TestFormats(t *testing.T) {
	t.Parallel()
	m := pair(t)
	must(t, m.SetConfig("app", map[string]string{"ratio": "10000000"}, nil))
	settle(t, m)
	c := during(t, m, "app/1")
	check(t, c, []call{
		{line: "state-set empty="},
		{line: "state-get empty", want: ""},
		{line: "state-get empty --format=json", want: `""`},
		{line: "state-get empty --format=yaml", want: `""`},
		{line: "config-get ratio", want: "1e+07"},
		{line: "config-get ratio --format=json", want: "10000000"},
		{line: "config-get on", want: "True"},
		{line: "config-get on --format=yaml", want: "true"},
		{line: "config-get nothing --format=yaml", want: ""},
		{line: "relation-list -r db:1", want: "db/0"},
		{line: "relation-list -r db:1 --format=yaml", want: "- db/0"},
		{line: "relation-get -r db:1 nothing app/1", want: ""},
		{line: "network-get db --egress-subnets --format=yaml", want: "- " + m.Status().Applications["app"].Address + "/32"},
		{line: "network-get db", want: strings.Join([]string{
			"bind-addresses:", `- mac-address: ""`, `  interface-name: ""`, "  addresses:",
			`  - hostname: ""`, "    value: 10.1.0.2", `    cidr: ""`, "    address: 10.1.0.2", `  macaddress: ""`, `  interfacename: ""`,
			"egress-subnets:", "- " + m.Status().Applications["app"].Address + "/32",
			"ingress-addresses:", "- " + m.Status().Applications["app"].Address,
		}, "\n")},
		{line: "opened-ports", want: ""},
		{line: "opened-ports --format=yaml", want: "[]"},
	})
}

// TestOutputFile: -o is written by the agent, if it can.
func TestOutputFile(t *testing.T) {
	t.Parallel()
	m := pair(t)
	c := during(t, m, "app/0")
	check(t, c, []call{{line: "config-get -o out.json", want: "!1 open out.json: read-only file system"}})
	written := make(map[string]string)
	c.SetWriter(func(path string, data []byte) error {
		if path == "" || strings.HasPrefix(path, "/nowhere") {
			return fmt.Errorf("open %s: no such file or directory", path)
		}
		written[path] = string(data)
		return nil
	})
	check(t, c, []call{
		{line: "config-get count --format=json --output=out.json"},
		{line: "is-leader -o leads"},
		{line: "is-leader -o /nowhere/x", want: "!1 open /nowhere/x: no such file or directory"},
	})
	if diff := cmp.Diff(map[string]string{"out.json": "3\n", "leads": "True\n"}, written); diff != "" {
		t.Error(diff)
	}
}

// TestToolsOfVersions: which Juju has which tools, and how it refuses others.
func TestToolsOfVersions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		version string
		has     []string
		lacks   []string
		refusal string
	}{
		{"2.9.44", []string{"leader-get", "action-get", "goal-state"}, []string{"secret-add", "secret-ids", "relation-model-get", "frobnicate"}, "unknown command"},
		{"3.0.0", []string{"leader-get", "secret-add"}, []string{"secret-info-get", "relation-model-get"}, "unknown command"},
		{"3.0.2", []string{"secret-info-get"}, []string{"relation-model-get"}, "unknown command"},
		{"3.6-beta2", []string{"secret-ids", "leader-set"}, []string{"relation-model-get"}, "unknown command"},
		{"3.6.2", []string{"relation-model-get", "leader-get", "action-get"}, []string{"juju-dance"}, "unknown command"},
		{"4.0.1", []string{"relation-model-get", "secret-add"}, []string{"leader-get", "leader-set", "action-get", "action-log"}, "unknown hook command"},
	} {
		m := New(Options{Name: "test", Version: test.version})
		must(t, m.Deploy(DeployArgs{Charm: &Charm{Name: "app", Actions: map[string]ActionSpec{"go": {}}}, Units: 1}))
		must(t, m.PodUp("app/0", PodInfo{Fresh: true}))
		settle(t, m)
		c := during(t, m, "app/0")
		for _, tool := range test.has {
			if !c.HasTool(tool) {
				t.Errorf("%s lacks %s", test.version, tool)
			}
		}
		for _, tool := range test.lacks {
			check(t, c, []call{{line: tool, want: "!1 bad request: " + test.refusal + ": " + tool}})
		}
		must(t, c.End(Outcome{}))
		_, err := m.EnqueueAction([]string{"app/0"}, "go", nil)
		must(t, err)
		c, err = m.Begin("app/0", m.Next("app/0")[0])
		must(t, err)
		check(t, c, []call{{line: "action-get --format=json", want: "{}"}})
		must(t, c.End(Outcome{}))
	}
}

// TestLeaderSettingsChangedOfVersions: 4.0 does not send it.
func TestLeaderSettingsChangedOfVersions(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{"2.9.44": true, "3.6.8": true, "4.0.0": false} {
		m := New(Options{Name: "test", Version: version})
		must(t, m.Deploy(DeployArgs{Charm: &Charm{Name: "app"}, Units: 2}))
		must(t, m.PodUp("app/1", PodInfo{Fresh: true}))
		if got := strings.Contains(strings.Join(settle(t, m), " "), "leader-settings-changed"); got != want {
			t.Errorf("%s: leader-settings-changed ran: %v", version, got)
		}
	}
}

// TestCredentialGet: on Kubernetes from 3.6.10, with trust.
func TestCredentialGet(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		version string
		trust   bool
		want    string
	}{
		{"3.6.8", true, `!1 cannot access cloud credentials: credential-get on a "caas" model not supported`},
		{"3.6.10", false, "!1 cannot access cloud credentials: permission denied"},
		{"3.6.10", true, "!1 cannot access cloud credentials: permission denied"}, // the model has none
	} {
		m := New(Options{Name: "test", Version: test.version})
		must(t, m.Deploy(DeployArgs{Charm: &Charm{Name: "app"}, Units: 1, Trust: test.trust}))
		must(t, m.PodUp("app/0", PodInfo{Fresh: true}))
		settle(t, m)
		check(t, during(t, m, "app/0"), []call{{line: "credential-get --format=json", want: test.want}})
	}
}

// TestStorageAdd: the counts of the charm's metadata hold at the hook's end.
func TestStorageAdd(t *testing.T) {
	t.Parallel()
	m := New(Options{Name: "test"})
	charm := &Charm{Name: "app", Storage: []StorageSpec{{Name: "logs", Type: "filesystem", MaxCount: 3}}}
	must(t, m.Deploy(DeployArgs{Charm: charm, Units: 1}))
	must(t, m.PodUp("app/0", PodInfo{Fresh: true}))
	settle(t, m)
	c := during(t, m, "app/0")
	check(t, c, []call{
		{line: "storage-add", want: "!2 storage add requires a storage directive"},
		{line: "storage-add logs=0", want: `!2 cannot parse constraints for storage "logs": count must be greater than zero, got "0"`},
		{line: "storage-add logs=?", want: `!2 cannot parse constraints for storage "logs": unrecognized storage constraint "?"`},
		{line: "storage-add other", want: `!1 cannot add storage: charm storage "other" not found`},
		{line: "storage-add logs=pool,2,1G"},
		{line: "storage-list --format=json", want: "[]"},
	})
	must(t, c.End(Outcome{}))
	if got := m.Due("app/0").Provision; len(got) != 2 {
		t.Fatalf("to provision: %v", got)
	}
	for _, id := range m.Due("app/0").Provision {
		must(t, m.StorageProvisioned("app/0", id, "/storage/"+id))
	}
	if diff := cmp.Diff([]string{"app/0 logs-storage-attached", "app/0 logs-storage-attached"}, settle(t, m)); diff != "" {
		t.Error(diff)
	}
	c = during(t, m, "app/0")
	check(t, c, []call{{line: "storage-add logs=2"}})
	if err := c.End(Outcome{}); err == nil || !strings.Contains(err.Error(), "at most 3") {
		t.Errorf("five of three storages: %v", err)
	}
	must(t, m.Resolved("app/0", false))
	settle(t, m)
	if _, err := m.AddStorage("app/0", "logs"); err != nil {
		t.Error(err)
	}
	if _, err := m.AddStorage("app/0", "logs"); err == nil {
		t.Error("a fourth storage was added")
	}
	must(t, m.DetachStorage("app/0", "logs/0"))
	if diff := cmp.Diff([]string{"app/0 logs-storage-detaching"}, settle(t, m)); diff != "" {
		t.Error(diff)
	}
	// One that was never attached goes without a hook.
	must(t, m.DetachStorage("app/0", "logs/2"))
	if ran := settle(t, m); len(ran) > 0 || len(m.Storages("app/0")) != 1 {
		t.Errorf("ran %v, left %v", ran, m.Storages("app/0"))
	}
}

// TestJSON: what is printed is what json.Marshal prints.
func TestJSON(t *testing.T) {
	t.Parallel()
	for _, value := range []any{
		nil, true, "", "plain", "a\"b\\c\n<&>\u2028ü\xff", []string(nil), []string{}, []string{"b", "a<"},
		map[string]string(nil), map[string]string{}, map[string]string{"b": "1", "a\t": "é", "c": ""}, map[string]any{"a": 1.5, "b": nil}, 7,
	} {
		want, err := json.Marshal(value)
		must(t, err)
		got, err := appendJSON([]byte("> "), value)
		must(t, err)
		if string(got) != "> "+string(want) {
			t.Errorf("%#v: %s, want %s", value, got, want)
		}
	}
}

// TestMistakes are refusals that no other test has.
func TestMistakes(t *testing.T) {
	t.Parallel()
	m := pair(t)
	c := during(t, m, "app/0")
	_, out, _, _ := c.Run("secret-add", []string{"token=one"}, nil, false, nil)
	uri := strings.TrimSpace(string(out))
	check(t, c, []call{
		{line: "relation-ids", want: "!2 no endpoint name specified"},
		{line: "relation-get -r db:1 - db", want: `!2 expected unit name, got application name "db"`},
		{line: "relation-get -r db:1 - db/x", want: `!2 invalid unit name "db/x"`},
		{line: "relation-get -r db:1 --app --format=json - db/0", want: "{}"},
		{line: "relation-get -r db:1 --app", want: "!2 no unit or application specified"},
		{line: "config-get --all count", want: `!2 cannot use argument --all together with key "count"`},
		{line: "leader-get a=b", want: `!2 invalid key "a=b"`},
		{line: "state-delete", want: ""},
		{line: "network-get ''", want: "!2 no binding name specified"},
		{line: "network-get db --primary-address --bind-address", want: "!1 --primary-address must be the only flag specified"},
		{line: "network-get db --primary-address", want: "10.1.0.1"},
		{line: "open-port 80 --endpoints peers,db"},
		{line: "open-port 81"},
		{line: "opened-ports --endpoints --format=json", want: `["80/tcp (db, peers)","81/tcp (*)"]`},
		{line: "opened-ports --format=json", want: `["80/tcp","81/tcp"]`},
		{line: "close-port 80 --endpoints peers"},
		{line: "opened-ports --endpoints --format=json", want: `["80/tcp (db)","81/tcp (*)"]`},
		{line: "juju-reboot --now", want: `!1 juju-reboot is not supported on a "caas" model`},
		{line: "secret-remove " + uri + " --revision x", want: `!2 invalid value "x" for option --revision: strconv.ParseInt: parsing "x": invalid syntax`},
		{line: "secret-revoke " + uri + " --app db --unit db/0", want: "!2 specify only one of application or unit"},
		{line: "secret-revoke " + uri + " --app Db", want: `!2 application "Db" not valid`},
		{line: "secret-revoke " + uri + " --unit db", want: `!2 unit "db" not valid`},
		{line: "secret-revoke secret:d00000000000000009v0", want: "!2 missing relation or application or unit"},
		{line: "secret-revoke " + uri + " --app db -r db:1", want: "!2 do not specify both relation and app"},
		{line: "secret-grant " + uri + " -r db:1"},
		{line: "secret-grant " + uri + " -r db:1 --unit db/0"}, // it may already
	})
	_, _, errOut, _ := c.Run("relation-set", []string{"-r", "db:1", "--format=json", "a=1"}, nil, false, nil)
	if want := `--format flag deprecated for command "relation-set"`; string(errOut) != want {
		t.Errorf("relation-set --format: %s", errOut)
	}
	must(t, c.End(Outcome{}))
	check(t, during(t, m, "app/1"), []call{{line: "relation-get -r db:1 --app - app", want: "!1 permission denied"}})
}
