package hooktool_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

type bag = map[string]string

// toolTests have, for each method, the command line it runs and what it makes
// of the answer, which has the form of Juju 3.6's.
var toolTests = map[string]struct {
	run    func(ctx context.Context, tools *hooktool.Tools) (any, error)
	answer string
	call   []string // the tool and its arguments; nil: none is run
	stdin  string   // "" means the tool reads nothing
	want   any
}{
	"config": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.ConfigGet(ctx, false) },
		answer: `{"name":"x","size":9007199254740993,"ratio":0.5,"on":true,"key":"secret:9m4e2mr0ui3e8a215n4g"}` + "\n",
		call:   []string{"config-get", "--format=json"},
		want:   map[string]any{"name": "x", "size": json.Number("9007199254740993"), "ratio": json.Number("0.5"), "on": true, "key": "secret:9m4e2mr0ui3e8a215n4g"},
	},
	"all config": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.ConfigGet(ctx, true) },
		answer: "{\"name\":null}\n",
		call:   []string{"config-get", "--format=json", "--all"},
		want:   map[string]any{"name": nil},
	},
	"no config": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.ConfigGet(ctx, false) },
		answer: "{}\n",
		call:   []string{"config-get", "--format=json"},
		want:   map[string]any{},
	},
	"leader": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.IsLeader(ctx) },
		answer: "true\n",
		call:   []string{"is-leader", "--format=json"},
		want:   true,
	},
	"network": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.NetworkGet(ctx, "db", "") },
		answer: `{"bind-addresses":[{"mac-address":"","interface-name":"eth0","addresses":[{"hostname":"h","value":"10.1.0.7","cidr":"10.1.0.0/16"}]}],` +
			`"egress-subnets":["10.152.183.5/32"],"ingress-addresses":["10.152.183.5"]}`,
		call: []string{"network-get", "--format=json", "--", "db"},
		want: hooktool.Network{
			BindAddresses: []hooktool.BindAddress{{
				InterfaceName: "eth0", Addresses: []hooktool.Address{{Hostname: "h", Value: "10.1.0.7", CIDR: "10.1.0.0/16"}},
			}},
			IngressAddresses: []string{"10.152.183.5"}, EgressSubnets: []string{"10.152.183.5/32"},
		},
	},
	"network of a relation": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return tools.NetworkGet(ctx, "db", "db:3")
		},
		answer: `{"ingress-addresses":["10.152.183.5"]}`,
		call:   []string{"network-get", "--format=json", "-r", "db:3", "--", "db"},
		want:   hooktool.Network{IngressAddresses: []string{"10.152.183.5"}},
	},
	"address of the unit": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return tools.UnitGet(ctx, "private-address")
		},
		answer: "\"10.1.0.7\"\n",
		call:   []string{"unit-get", "--format=json", "--", "private-address"},
		want:   "10.1.0.7",
	},
	"leader settings": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.LeaderGet(ctx) },
		answer: "{}\n",
		call:   []string{"leader-get", "--format=json"},
		want:   bag{},
	},
	"set leader settings": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.LeaderSet(ctx, bag{"b": "", "a": "-1"})
		},
		call: []string{"leader-set", "--", "a=-1", "b="},
	},
	"reboot": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.JujuReboot(ctx, false)
		},
		call: []string{"juju-reboot"},
	},
	"reboot at once": {
		run:  func(ctx context.Context, tools *hooktool.Tools) (any, error) { return nil, tools.JujuReboot(ctx, true) },
		call: []string{"juju-reboot", "--now"},
	},
	"open ports by endpoint": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.OpenedPortsByEndpoint(ctx) },
		answer: `["6650/tcp (*)","80/tcp (a, b)"]`,
		call:   []string{"opened-ports", "--format=json", "--endpoints"},
		want:   []hooktool.OpenedPort{{Port: "6650/tcp", Endpoints: []string{"*"}}, {Port: "80/tcp", Endpoints: []string{"a", "b"}}},
	},
	"goal state": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.GoalState(ctx) },
		answer: `{"units":{"a/0":{"status":"active","since":"2024-05-06 07:08:09Z"},"a/1":{"status":"dying"},"a/2":{"status":"\u0077aiting","since":"","more":{"x":1}}},` +
			`"relations":{"db":{"pg":{"status":"joined","since":"2024-05-06 07:08:10Z"}}}}`,
		call: []string{"goal-state", "--format=json"},
		want: hooktool.GoalState{
			Units: map[string]hooktool.GoalStatus{
				"a/0": {Status: "active", Since: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)}, "a/1": {Status: "dying"},
				"a/2": {Status: "waiting"},
			},
			Relations: map[string]map[string]hooktool.GoalStatus{
				"db": {"pg": {Status: "joined", Since: time.Date(2024, 5, 6, 7, 8, 10, 0, time.UTC)}},
			},
		},
	},
	"relation ids": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.RelationIDs(ctx, "db") },
		answer: `["db:1","db:3"]`,
		call:   []string{"relation-ids", "--format=json", "--", "db"},
		want:   []string{"db:1", "db:3"},
	},
	"relation units": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.RelationList(ctx, "db:1") },
		answer: `[]`,
		call:   []string{"relation-list", "--format=json", "-r", "db:1"},
		want:   []string{},
	},
	"units of the hook's relation": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.RelationList(ctx, "") },
		answer: `["pg/0"]`,
		call:   []string{"relation-list", "--format=json"},
		want:   []string{"pg/0"},
	},
	"remote application": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return tools.RelationRemoteApp(ctx, "db:1")
		},
		answer: `"pg"`,
		call:   []string{"relation-list", "--format=json", "--app", "-r", "db:1"},
		want:   "pg",
	},
	"unknown remote application": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return tools.RelationRemoteApp(ctx, "db:1")
		},
		answer: `null`,
		call:   []string{"relation-list", "--format=json", "--app", "-r", "db:1"},
		want:   "",
	},
	"unit databag": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return tools.RelationGet(ctx, "db:1", "pg/0", false)
		},
		answer: `{"ingress-address":"10.0.0.1","x":"<&>\u00e4"}`,
		call:   []string{"relation-get", "--format=json", "-r", "db:1", "--", "-", "pg/0"},
		want:   bag{"ingress-address": "10.0.0.1", "x": "<&>ä"},
	},
	"application databag": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return tools.RelationGet(ctx, "db:1", "pg", true)
		},
		answer: "{}",
		call:   []string{"relation-get", "--format=json", "-r", "db:1", "--app", "--", "-", "pg"},
		want:   bag{},
	},
	"databag of the hook's relation": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return tools.RelationGet(ctx, "", "", false)
		},
		answer: "{}",
		call:   []string{"relation-get", "--format=json", "--", "-"},
		want:   bag{},
	},
	"set databag": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.RelationSet(ctx, "db:1", false, bag{"b": "", "a": "--app"})
		},
		call:  []string{"relation-set", "-r", "db:1", "--file", "-"},
		stdin: `{"a": "--app", "b": ""}` + "\n",
	},
	"set application databag": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.RelationSet(ctx, "db:1", true, bag{"a": "1"})
		},
		call:  []string{"relation-set", "-r", "db:1", "--app", "--file", "-"},
		stdin: `{"a": "1"}` + "\n",
	},
	"set nothing": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, errors.Join(tools.RelationSet(ctx, "db:1", true, nil), tools.StateSet(ctx, bag{}), tools.ActionSet(ctx, nil),
				tools.JujuLog(ctx, "INFO", ""), tools.ActionLog(ctx, ""))
		},
	},
	"model of the relation": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return tools.RelationModelGet(ctx, "db:1")
		},
		answer: `{"uuid":"f47ac10b"}`,
		call:   []string{"relation-model-get", "--format=json", "-r", "db:1"},
		want:   "f47ac10b",
	},
	"state": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.StateGet(ctx) },
		answer: `{"a":""}`,
		call:   []string{"state-get", "--format=json"},
		want:   bag{"a": ""},
	},
	"no state": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.StateGet(ctx) },
		answer: "null\n",
		call:   []string{"state-get", "--format=json"},
		want:   bag{},
	},
	"set state": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.StateSet(ctx, bag{"a": "", "k": `"\` + "\n\x7f\u0085ä😀\ufeff"})
		},
		call:  []string{"state-set", "--file", "-"},
		stdin: `{"a": "", "k": "\"\\\u000a\u007f\u0085\u00e4😀\ufeff"}` + "\n",
	},
	"delete state": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.StateDelete(ctx, "--strict")
		},
		call: []string{"state-delete", "--", "--strict"},
	},
	"set status": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.StatusSet(ctx, juju.Status{Name: juju.Waiting, Message: "-- for ZooKeeper"})
		},
		call: []string{"status-set", "--", "waiting", "-- for ZooKeeper"},
	},
	"set application status": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.StatusSetApp(ctx, juju.Status{Name: juju.Active})
		},
		call: []string{"status-set", "--application", "--", "active", ""},
	},
	"status": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.StatusGet(ctx) },
		answer: `{"message":"installing","status":"maintenance","status-data":{}}`,
		call:   []string{"status-get", "--format=json", "--include-data"},
		want:   juju.Status{Name: juju.Maintenance, Message: "installing"},
	},
	"application status": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			application, units, err := tools.StatusGetApp(ctx)
			return []any{application, units}, err
		},
		answer: `{"application-status":{"message":"m","status":"active","status-data":{},"units":{"a/0":{"message":"","status":"active","status-data":{}}}}}`,
		call:   []string{"status-get", "--format=json", "--include-data", "--application"},
		want:   []any{juju.Status{Name: juju.Active, Message: "m"}, map[string]juju.Status{"a/0": {Name: juju.Active}}},
	},
	"open port": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.OpenPort(ctx, "6650/tcp")
		},
		call: []string{"open-port", "--", "6650/tcp"},
	},
	"close port of endpoints": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.ClosePort(ctx, "6650/tcp", "a", "b")
		},
		call: []string{"close-port", "--endpoints", "a,b", "--", "6650/tcp"},
	},
	"open ports": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.OpenedPorts(ctx) },
		answer: `["6650/tcp","icmp"]`,
		call:   []string{"opened-ports", "--format=json"},
		want:   []string{"6650/tcp", "icmp"},
	},
	"version": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.ApplicationVersionSet(ctx, "4.0.1")
		},
		call: []string{"application-version-set", "--", "4.0.1"},
	},
	"log": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.JujuLog(ctx, "DEBUG", "--x")
		},
		call: []string{"juju-log", "--log-level", "DEBUG", "--", "--x"},
	},
	"resource": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.ResourceGet(ctx, "image") },
		answer: "/var/lib/juju/agents/unit-a-0/resources/image/content.yaml",
		call:   []string{"resource-get", "--", "image"},
		want:   "/var/lib/juju/agents/unit-a-0/resources/image/content.yaml",
	},
	"credential": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.CredentialGet(ctx) },
		answer: `{"type":"kubernetes","name":"k8s","endpoint":"https://10.0.0.1","credential":{"auth-type":"oauth2","attrs":{"Token":"t"}},` +
			`"cacertificates":["c"],"skip-tls-verify":false,"is-controller-cloud":true}`,
		call: []string{"credential-get", "--format=json"},
		want: hooktool.CloudSpec{
			Type: "kubernetes", Name: "k8s", Endpoint: "https://10.0.0.1", CACertificates: []string{"c"}, IsController: true,
			Credential: hooktool.CloudCredential{AuthType: "oauth2", Attributes: bag{"Token": "t"}},
		},
	},
	"action parameters": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.ActionGet(ctx) },
		answer: `{"count":2,"names":["x"]}`,
		call:   []string{"action-get", "--format=json"},
		want:   map[string]any{"count": json.Number("2"), "names": []any{"x"}},
	},
	"action results": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.ActionSet(ctx, bag{"b": "2=3", "a.c": "\n"})
		},
		call: []string{"action-set", "--", "a.c=\n", "b=2=3"},
	},
	"action failure": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.ActionFail(ctx, "-1 bookies")
		},
		call: []string{"action-fail", "--", "-1 bookies"},
	},
	"action failure without a reason": {
		run:  func(ctx context.Context, tools *hooktool.Tools) (any, error) { return nil, tools.ActionFail(ctx, "") },
		call: []string{"action-fail"},
	},
	"action progress": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.ActionLog(ctx, "half done")
		},
		call: []string{"action-log", "--", "half done"},
	},
	"storages": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.StorageList(ctx, "data") },
		answer: `["data/0"]`,
		call:   []string{"storage-list", "--format=json", "--", "data"},
		want:   []string{"data/0"},
	},
	"all storages": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.StorageList(ctx, "") },
		answer: `[]`,
		call:   []string{"storage-list", "--format=json"},
		want:   []string{},
	},
	"storage": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.StorageGet(ctx, "data/0") },
		answer: `{"kind":"filesystem","location":"/data"}`,
		call:   []string{"storage-get", "--format=json", "-s", "data/0"},
		want:   hooktool.Storage{Kind: "filesystem", Location: "/data"},
	},
	"add storage": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.StorageAdd(ctx, "data", 2)
		},
		call: []string{"storage-add", "--", "data=2"},
	},
	"secret": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return tools.SecretGet(ctx, hooktool.SecretRef{ID: "secret:9m4e2mr0ui3e8a215n4g", Label: "admin", Refresh: true})
		},
		answer: `{"password":"p"}`,
		call:   []string{"secret-get", "--format=json", "--label", "admin", "--refresh", "--", "secret:9m4e2mr0ui3e8a215n4g"},
		want:   bag{"password": "p"},
	},
	"secret by label": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return tools.SecretGet(ctx, hooktool.SecretRef{Label: "admin", Peek: true})
		},
		answer: `{"password":"p"}`,
		call:   []string{"secret-get", "--format=json", "--label", "admin", "--peek"},
		want:   bag{"password": "p"},
	},
	"about a secret": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return tools.SecretInfo(ctx, hooktool.SecretRef{ID: "secret:9m4e2mr0ui3e8a215n4g"})
		},
		answer: `{"9m4e2mr0ui3e8a215n4g":{"revision":2,"label":"admin","owner":"application","description":"d","rotation":"daily",` +
			`"expiry":"2024-05-06T07:08:09Z","rotates":"2024-05-06T07:08:10Z","access":[{"target":"application-db","scope":"relation-a.db#b.db","role":"view"}]}}`,
		call: []string{"secret-info-get", "--format=json", "--", "secret:9m4e2mr0ui3e8a215n4g"},
		want: hooktool.SecretInfo{
			ID: "secret:9m4e2mr0ui3e8a215n4g", Revision: 2, Label: "admin", Owner: "application", Description: "d", Rotation: "daily",
			Expires: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), Rotates: time.Date(2024, 5, 6, 7, 8, 10, 0, time.UTC),
			Access: []hooktool.SecretAccess{{Target: "application-db", Scope: "relation-a.db#b.db", Role: "view"}},
		},
	},
	"secret ids": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.SecretIDs(ctx) },
		answer: `["9m4e2mr0ui3e8a215n4g"]`,
		call:   []string{"secret-ids", "--format=json"},
		want:   []string{"secret:9m4e2mr0ui3e8a215n4g"},
	},
	"no secret ids": {
		run:    func(ctx context.Context, tools *hooktool.Tools) (any, error) { return tools.SecretIDs(ctx) },
		answer: "null\n",
		call:   []string{"secret-ids", "--format=json"},
		want:   []string{},
	},
	"change only a secret's label": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.SecretSet(ctx, "secret:9m4e2mr0ui3e8a215n4g", hooktool.SecretSpec{
				Label: "new", Description: "d e", Rotate: "never", Expire: time.Date(2024, 5, 6, 9, 8, 9, 0, time.FixedZone("", 7200)),
			})
		},
		call: []string{
			"secret-set", "--label", "new", "--description", "d e", "--expire", "2024-05-06T07:08:09Z", "--rotate", "never",
			"--", "secret:9m4e2mr0ui3e8a215n4g",
		},
	},
	"grant": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.SecretGrant(ctx, "secret:9m4e2mr0ui3e8a215n4g", "db:1", "pg/0")
		},
		call: []string{"secret-grant", "-r", "db:1", "--unit", "pg/0", "--", "secret:9m4e2mr0ui3e8a215n4g"},
	},
	"revoke": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.SecretRevoke(ctx, "secret:9m4e2mr0ui3e8a215n4g", hooktool.SecretRevocation{App: "pg"})
		},
		call: []string{"secret-revoke", "--app", "pg", "--", "secret:9m4e2mr0ui3e8a215n4g"},
	},
	"remove a secret": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.SecretRemove(ctx, "secret:9m4e2mr0ui3e8a215n4g", 0)
		},
		call: []string{"secret-remove", "--", "secret:9m4e2mr0ui3e8a215n4g"},
	},
	"remove a revision": {
		run: func(ctx context.Context, tools *hooktool.Tools) (any, error) {
			return nil, tools.SecretRemove(ctx, "secret:9m4e2mr0ui3e8a215n4g", 3)
		},
		call: []string{"secret-remove", "--revision", "3", "--", "secret:9m4e2mr0ui3e8a215n4g"},
	},
}

func TestTools(t *testing.T) {
	t.Parallel()
	for name, test := range toolTests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overEach(t, says(test.answer), func(t *testing.T, a *agent, runner hooktool.Runner) {
				got, err := test.run(t.Context(), hooktool.New(runner))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("result (-want +got):\n%s", diff)
				}
				var calls [][]string
				for _, call := range a.executed() {
					calls = append(calls, append([]string{call.CommandName}, call.Args...))
					if call.Dir != a.env.CharmDir {
						t.Errorf("tool ran in %q, want %q", call.Dir, a.env.CharmDir)
					}
					if string(call.Stdin) != test.stdin || call.StdinSet != (test.stdin != "") {
						t.Errorf("input is %q (%t), want %q", call.Stdin, call.StdinSet, test.stdin)
					}
				}
				want := [][]string{test.call}
				if test.call == nil {
					want = nil
				}
				if diff := cmp.Diff(want, calls); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// What is too long for an argument gets through.
func TestLongData(t *testing.T) {
	t.Parallel()
	overEach(t, says(""), func(t *testing.T, a *agent, runner hooktool.Runner) {
		tools := hooktool.New(runner)
		value := strings.Repeat("ä", 200<<10)
		if err := tools.RelationSet(t.Context(), "db:1", false, bag{"k": value}); err != nil {
			t.Fatal(err)
		}
		if err := tools.JujuLog(t.Context(), "INFO", "x"+value); err != nil {
			t.Fatal(err)
		}
		var logged strings.Builder
		for _, call := range a.executed() {
			if call.CommandName == "relation-set" {
				if len(call.Stdin) < 400<<10 {
					t.Errorf("relation-set got %d bytes", len(call.Stdin))
				}
				continue
			}
			piece := call.Args[len(call.Args)-1]
			if len(piece) > 64<<10 || strings.ToValidUTF8(piece, "") != piece {
				t.Errorf("juju-log got a piece of %d bytes, cut within a character or too long", len(piece))
			}
			logged.WriteString(piece)
		}
		if logged.String() != "x"+value {
			t.Errorf("%d bytes arrived in the log, want %d", logged.Len(), len(value)+1)
		}
	})
}

// The first bind address is the pod's; there is none before the pod has one.
func TestBindAddress(t *testing.T) {
	t.Parallel()
	n := hooktool.Network{BindAddresses: []hooktool.BindAddress{{}, {Addresses: []hooktool.Address{{Value: "10.0.0.1"}, {Value: "10.0.0.2"}}}}}
	if got := n.BindAddress(); got != "10.0.0.1" {
		t.Errorf("BindAddress = %q", got)
	}
	if got := (hooktool.Network{}).BindAddress(); got != "" {
		t.Errorf("BindAddress = %q, want none", got)
	}
}
