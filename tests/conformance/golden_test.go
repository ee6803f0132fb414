package conformance

// call is a hook tool that was run as a program, as ops does.
type call struct {
	command        string
	code           int
	stdout, stderr string
}

// goldenTools are what Juju's tools print and how they exit: the forms smart,
// json and yaml, what is not there, what is refused, and what comes from stdin.
var goldenTools = []call{
	{"is-leader", 0, "True\n", ""},
	{"is-leader --format json", 0, "true\n", ""},
	{"is-leader --format=yaml", 0, "true\n", ""},
	{"config-get text", 0, "hello\n", ""},
	{"config-get count --format yaml", 0, "3\n", ""},
	{"config-get bare", 0, "", ""},
	{"config-get --format=json bare", 0, "null\n", ""},
	{"config-get nothing --format=json", 0, "null\n", ""},
	{"config-get --format=yaml", 0, "count: 3\ncrash: false\nflag: true\nlines: \"\"\nport: 8080\nratio: 1.5\ntext: hello\nwhole: 2\n", ""},
	{"config-get --all --format=json", 0, `{"bare":null,"count":3,"crash":false,"flag":true,"lines":"","port":8080,"ratio":1.5,"text":"hello","token":null,"whole":2}` + "\n", ""},
	{"relation-ids cluster", 0, "cluster:0\n", ""},
	{"relation-ids nothing --format=json", 0, "[]\n", ""},
	{"relation-list -r cluster:99", 2, "", "ERROR invalid value \"cluster:99\" for option -r: relation not found\n"},
	{"relation-get -r x - alpha/0", 2, "", "ERROR invalid value \"x\" for option -r: invalid relation id\n"},
	{"relation-set -r cluster:0 --file -", 0, "", ""},
	{"relation-get -r cluster:0 answer alpha/0", 0, "42\n", ""},
	{"relation-set -r cluster:0 stdin= answer=", 0, "", ""},
	{"relation-get -r cluster:0 answer alpha/0 --format=json", 0, "null\n", ""},
	{"state-set --file -", 0, "", ""},
	{"state-get one", 0, "1\n", ""},
	{"state-get empty --format=json", 0, "\"\"\n", ""},
	{"state-get two --strict", 1, "", "ERROR \"two\" not found\n"},
	{"state-delete one", 0, "", ""},
	{"state-delete empty", 0, "", ""},
	{"storage-list data", 0, "data/0\n", ""},
	{"storage-get -s data/77", 2, "", "ERROR invalid value \"data/77\" for option -s: storage not found\n"},
	{"network-get nothing", 1, "", "ERROR no network config found for binding \"nothing\"\n"},
	{"secret-get secret:0123456789abcdefghij", 1, "", "ERROR secret \"0123456789abcdefghij\" not found\n"},
	{"secret-get --label unknown", 1, "", "ERROR consumer label \"unknown\" not found\n"},
	{"status-set error no", 2, "", "ERROR invalid status \"error\", expected one of [maintenance blocked waiting active]\n"},
	{"opened-ports", 0, "8080/tcp\n", ""},
	{"opened-ports --format=yaml", 0, "- 8080/tcp\n", ""},
	{"open-port 8000-8010/tcp", 1, "", "ERROR port ranges are not supported for k8s applications, use individual ports instead\n"},
	{"action-set UPPER=no", 2, "", "ERROR key \"UPPER\" must start and end with lowercase alphanumeric, and contain only lowercase alphanumeric, hyphens and periods\n"},
	{"action-set stdout=no", 2, "", "ERROR cannot set reserved action key \"stdout\"\n"},
	{"config-get --no-such-flag", 2, "", "ERROR option provided but not defined: --no-such-flag\n"},
	{"is-leader --format=json -o leader.txt", 0, "", ""},
	{"cat leader.txt", 0, "true\n", ""},
}

// goldenEnvironment is all of the environment of an action that does not differ
// from model to model, by Juju 3.6 in a sidecar. There is no HOME.
var goldenEnvironment = map[string]string{
	"APT_LISTCHANGES_FRONTEND":      "none",
	"CHARM_DIR":                     "/var/lib/juju/agents/unit-alpha-0/charm",
	"CLOUD_API_VERSION":             "1.32.0",
	"DEBIAN_FRONTEND":               "noninteractive",
	"JUJU_ACTION_NAME":              "environment",
	"JUJU_AGENT_SOCKET_ADDRESS":     "@/var/lib/juju/agents/unit-alpha-0/agent.socket",
	"JUJU_AGENT_SOCKET_NETWORK":     "unix",
	"JUJU_API_ADDRESSES":            "10.152.183.1:17070",
	"JUJU_AVAILABILITY_ZONE":        "",
	"JUJU_CHARM_DIR":                "/var/lib/juju/agents/unit-alpha-0/charm",
	"JUJU_CHARM_FTP_PROXY":          "",
	"JUJU_CHARM_HTTPS_PROXY":        "",
	"JUJU_CHARM_HTTP_PROXY":         "",
	"JUJU_CHARM_NO_PROXY":           "",
	"JUJU_DISPATCH_PATH":            "actions/environment",
	"JUJU_HOOK_NAME":                "",
	"JUJU_MACHINE_ID":               "",
	"JUJU_MODEL_NAME":               "lab",
	"JUJU_PRINCIPAL_UNIT":           "",
	"JUJU_SLA":                      "unsupported",
	"JUJU_UNIT_NAME":                "alpha/0",
	"JUJU_VERSION":                  "3.6.8",
	"KUBERNETES_PORT":               "tcp://10.152.183.1:443",
	"KUBERNETES_PORT_443_TCP":       "tcp://10.152.183.1:443",
	"KUBERNETES_PORT_443_TCP_ADDR":  "10.152.183.1",
	"KUBERNETES_PORT_443_TCP_PORT":  "443",
	"KUBERNETES_PORT_443_TCP_PROTO": "tcp",
	"KUBERNETES_SERVICE_HOST":       "10.152.183.1",
	"KUBERNETES_SERVICE_PORT":       "443",
	"KUBERNETES_SERVICE_PORT_HTTPS": "443",
	"LANG":                          "C.UTF-8",
	"PATH":                          "/var/lib/juju/tools/unit-alpha-0:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/charm/bin",
	"TERM":                          "tmux-256color",
}
