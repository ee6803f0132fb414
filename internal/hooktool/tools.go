package hooktool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Tools are the hook tools of a hook. A method's error is a *ToolError if the
// tool refused; else the call did not come through or the answer makes no
// sense. A map or slice that a method gives is never nil; one in a struct may
// be. Where a tool takes data that Juju accepts in no other way than on the
// command line, over Fork one argument may have at most 128 KiB.
//
// A method that needs a newer Juju than 2.9 says which. An older one gives an
// *UnsupportedError.
type Tools struct {
	runner  Runner
	version juju.Version
}

// New gives the tools over a runner, of a Juju whose version is not known:
// tools that it lacks are found out by trying.
func New(runner Runner) *Tools { return &Tools{runner: runner} }

// For gives the same tools of a Juju of a known version: one that it lacks is
// refused without a call.
func (t *Tools) For(version juju.Version) *Tools { return &Tools{runner: t.runner, version: version} }

// Do runs any tool and gives what it printed on standard output: the way to a
// tool, or a flag, that has no method.
func (t *Tools) Do(ctx context.Context, call Call) ([]byte, error) {
	if err := t.lacking(call.Tool); err != nil {
		return nil, err
	}
	result, err := t.runner.Run(ctx, call)
	if err == nil && result.Code != 0 {
		err = newToolError(call, result)
	}
	if err != nil {
		return nil, t.explain(call.Tool, err)
	}
	return result.Stdout, nil
}

// do runs a tool for its effect.
func (t *Tools) do(ctx context.Context, tool string, args ...string) error {
	_, err := t.Do(ctx, Call{Tool: tool, Args: args})
	return err
}

// write runs a tool that reads a map from its input. Input has no limit of
// length, unlike arguments, and shows in no list of processes.
func (t *Tools) write(ctx context.Context, data map[string]string, tool string, args ...string) error {
	input, err := flat(data)
	if err != nil {
		return fmt.Errorf("cannot run %s: %w", tool, err)
	}
	_, err = t.Do(ctx, Call{Tool: tool, Args: append(args, "--file", "-"), Stdin: input})
	return err
}

// read runs a tool with --format=json and decodes its answer.
func (t *Tools) read(ctx context.Context, into any, tool string, args ...string) error {
	output, err := t.Do(ctx, Call{Tool: tool, Args: append([]string{"--format=json"}, args...)})
	if err != nil {
		return err
	}
	if isNull(output) && !mayBeNull(tool, args) {
		return fmt.Errorf("cannot read the answer of %s: it is null", tool)
	}
	if table, ok := into.(*map[string]string); ok {
		if *table, ok = parseFlat(output); ok {
			return nil
		}
	}
	decode := json.Unmarshal
	if _, untyped := into.(*map[string]any); untyped {
		decode = unmarshalNumbers
	}
	if err := decode(output, into); err != nil {
		if tool == "secret-get" {
			err = errors.New("not an object of strings") // err may quote the content
		}
		return fmt.Errorf("cannot read the answer of %s: %w", tool, err)
	}
	return nil
}

// unmarshalNumbers is json.Unmarshal for values without a type, in which a
// whole number may be beyond what a float64 holds: it makes json.Number of all.
func unmarshalNumbers(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("something comes after the value")
	}
	return nil
}

func isNull(output []byte) bool { return string(bytes.TrimSpace(output)) == "null" }

// mayBeNull says whether a tool prints null where another prints [], {} or
// "". Of secret-ids and state-get it is known (Juju 3.6), of the others it
// would be no surprise; from any other tool it is no answer.
func mayBeNull(tool string, args []string) bool {
	switch tool {
	case "secret-ids", "state-get", "action-get":
		return true
	case "relation-list":
		return slices.Contains(args, "--app")
	}
	return false
}

func (t *Tools) readMap(ctx context.Context, tool string, args ...string) (map[string]string, error) {
	var answer map[string]string
	if err := t.read(ctx, &answer, tool, args...); err != nil {
		return nil, err
	}
	if answer == nil {
		answer = map[string]string{}
	}
	return answer, nil
}

func (t *Tools) readAny(ctx context.Context, tool string, args ...string) (map[string]any, error) {
	var answer map[string]any
	if err := t.read(ctx, &answer, tool, args...); err != nil {
		return nil, err
	}
	if answer == nil {
		answer = map[string]any{}
	}
	return answer, nil
}

func (t *Tools) readList(ctx context.Context, tool string, args ...string) ([]string, error) {
	var answer []string
	if err := t.read(ctx, &answer, tool, args...); err != nil {
		return nil, err
	}
	if answer == nil {
		answer = []string{}
	}
	if slices.Contains(answer, "") {
		return nil, fmt.Errorf("cannot read the answer of %s: an entry is empty", tool)
	}
	return answer, nil
}

// ConfigGet gives the application's options: string, bool, and json.Number for
// both kinds of numbers; an option of type secret is a string secret:…. An
// option without a value is left out, or nil with all.
func (t *Tools) ConfigGet(ctx context.Context, all bool) (map[string]any, error) {
	if all {
		return t.readAny(ctx, "config-get", "--all")
	}
	return t.readAny(ctx, "config-get")
}

// IsLeader says whether the unit leads its application. True holds for 30
// seconds more at least; false stays false for the whole hook. A dying leader
// stays one until its lease is over.
func (t *Tools) IsLeader(ctx context.Context) (bool, error) {
	var leader bool
	err := t.read(ctx, &leader, "is-leader")
	return leader, err
}

// NetworkGet gives the addresses of a binding, which is an endpoint or an
// extra binding; with a relation's id, as that relation's other side sees
// them. BindAddresses is empty before the pod's address is known. An unknown
// binding is ErrNotFound.
func (t *Tools) NetworkGet(ctx context.Context, binding, relation string) (Network, error) {
	var network Network
	err := t.read(ctx, &network, "network-get", append(option("-r", relation), "--", binding)...)
	return network, err
}

// UnitGet gives "private-address" or "public-address" of the unit. NetworkGet
// says more; this is what there was before it.
func (t *Tools) UnitGet(ctx context.Context, address string) (string, error) {
	var value string
	err := t.read(ctx, &value, "unit-get", "--", address)
	return value, err
}

// Network are the addresses of a binding, in the shape of network-get's JSON.
// On Kubernetes a bind address is the pod's and an ingress address that of
// the application's Service, the same for all units.
type Network struct {
	BindAddresses    []BindAddress `json:"bind-addresses"`
	IngressAddresses []string      `json:"ingress-addresses"`
	EgressSubnets    []string      `json:"egress-subnets"` // CIDR
}

// BindAddress is one network interface.
type BindAddress struct {
	MACAddress    string    `json:"mac-address"`
	InterfaceName string    `json:"interface-name"`
	Addresses     []Address `json:"addresses"`
}

// Address is one address of an interface; Hostname and CIDR may be empty.
type Address struct {
	Hostname string `json:"hostname"`
	Value    string `json:"value"`
	CIDR     string `json:"cidr"`
}

// BindAddress is the first bind address, or "" if there is none yet.
func (n Network) BindAddress() string {
	for _, b := range n.BindAddresses {
		for _, a := range b.Addresses {
			return a.Value
		}
	}
	return ""
}

// GoalState gives the units that shall exist, of this application and, by
// endpoint, of the related ones, also before they join.
func (t *Tools) GoalState(ctx context.Context) (GoalState, error) {
	var state GoalState
	if err := t.read(ctx, &state, "goal-state"); err != nil {
		return GoalState{}, err
	}
	if len(state.Units) == 0 {
		return GoalState{}, errors.New("cannot read the answer of goal-state: no units, not even this one")
	}
	if state.Relations == nil {
		state.Relations = map[string]map[string]GoalStatus{}
	}
	return state, nil
}

// GoalState is what the model is meant to become.
type GoalState struct {
	// Units are this application's, this one too, by name.
	Units map[string]GoalStatus `json:"units"`
	// Relations has, for each own endpoint, the remote applications and
	// units by name.
	Relations map[string]map[string]GoalStatus `json:"relations"`
}

// GoalStatus is the state of one application or unit.
type GoalStatus struct {
	// Status is a word of juju status; of a unit also "dying", of a relation
	// "joined" and the like.
	Status string
	// Since is when it came to be so; zero if Juju did not say.
	Since time.Time
}

// UnmarshalJSON reads one entry of goal-state.
func (s *GoalStatus) UnmarshalJSON(data []byte) error {
	// There is an entry for each unit of the model around the charm.
	if entry, ok := parseFlat(data); ok {
		s.Status, s.Since = entry["status"], parseTime(entry["since"])
		return nil
	}
	var raw struct{ Status, Since string }
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	s.Status, s.Since = raw.Status, parseTime(raw.Since)
	return nil
}

// parseTime reads the forms of time that hook tools print; zero if it is none.
func parseTime(text string) time.Time {
	for _, layout := range []string{"2006-01-02 15:04:05Z", time.RFC3339Nano} {
		if parsed, err := time.Parse(layout, text); err == nil {
			return parsed
		}
	}
	return time.Time{}
}

// OpenPort opens a port at the end of the hook, such as "6650/tcp", for all
// endpoints or only the named ones. On Kubernetes the application's Service
// follows from Juju 3.0.3 on, and a range is ErrUnsupported.
func (t *Tools) OpenPort(ctx context.Context, port string, endpoints ...string) error {
	return t.do(ctx, "open-port", ports(endpoints, port)...)
}

// ClosePort closes a port at the end of the hook.
func (t *Tools) ClosePort(ctx context.Context, port string, endpoints ...string) error {
	return t.do(ctx, "close-port", ports(endpoints, port)...)
}

func ports(endpoints []string, port string) []string {
	if len(endpoints) == 0 {
		return []string{"--", port}
	}
	return []string{"--endpoints", strings.Join(endpoints, ","), "--", port}
}

// OpenedPorts gives the ports that are open, such as "6650/tcp", with what
// this hook has opened and closed.
func (t *Tools) OpenedPorts(ctx context.Context) ([]string, error) {
	return t.readList(ctx, "opened-ports")
}

// OpenedPort is a range of ports that is open, or one port.
type OpenedPort struct {
	// Port is as OpenPort takes it, such as "6650/tcp".
	Port string
	// Endpoints are those for which it is open; "*" alone means all.
	Endpoints []string
}

// OpenedPortsByEndpoint is OpenedPorts with the endpoints.
func (t *Tools) OpenedPortsByEndpoint(ctx context.Context) ([]OpenedPort, error) {
	lines, err := t.readList(ctx, "opened-ports", "--endpoints")
	if err != nil {
		return nil, err
	}
	opened := make([]OpenedPort, 0, len(lines))
	for _, line := range lines {
		port, endpoints, found := strings.Cut(line, " (")
		endpoints, closed := strings.CutSuffix(endpoints, ")")
		if !found || !closed {
			return nil, fmt.Errorf("cannot read the answer of opened-ports: %q has no endpoints", excerpt(line))
		}
		list := strings.Split(endpoints, ",")
		for i := range list {
			list[i] = strings.TrimSpace(list[i])
		}
		opened = append(opened, OpenedPort{Port: port, Endpoints: list})
	}
	return opened, nil
}

// ApplicationVersionSet shows the workload's version in juju status, at once.
func (t *Tools) ApplicationVersionSet(ctx context.Context, version string) error {
	return t.do(ctx, "application-version-set", "--", version)
}

// JujuReboot reboots the machine: after the hook, which is then not run
// again, or with now at once, in the middle of it, which runs again then.
// There is none on Kubernetes: the error is ErrUnsupported or another
// *ToolError.
func (t *Tools) JujuReboot(ctx context.Context, now bool) error {
	if now {
		return t.do(ctx, "juju-reboot", "--now")
	}
	return t.do(ctx, "juju-reboot")
}

// JujuLog writes to the model's log, at once. Level is TRACE, DEBUG, INFO, WARNING,
// ERROR or CRITICAL. An empty message is not sent; a long one is cut into
// several.
func (t *Tools) JujuLog(ctx context.Context, level, message string) error {
	for _, piece := range pieces(message) {
		if err := t.do(ctx, "juju-log", "--log-level", level, "--", piece); err != nil {
			return err
		}
	}
	return nil
}

// excerpt is the beginning of a text from outside, for an error.
func excerpt(text string) string {
	if len(text) > longestArgument {
		return strings.ToValidUTF8(text[:longestArgument], "") + "…"
	}
	return text
}

// pieceLimit is the length of a log message that goes out as one, in bytes;
// well below what the kernel takes as one argument.
const pieceLimit = 64 << 10

// pieces cuts a text between characters. No program can be given a NUL.
func pieces(text string) []string {
	var list []string
	text = strings.ReplaceAll(text, "\x00", string(utf8.RuneError))
	for len(text) > pieceLimit {
		end := pieceLimit
		for end > pieceLimit-utf8.UTFMax && !utf8.RuneStart(text[end]) {
			end--
		}
		list = append(list, text[:end])
		text = text[end:]
	}
	if text != "" {
		list = append(list, text)
	}
	return list
}

// ResourceGet gives the path of a resource's file, after Juju has fetched it.
// For an oci-image it holds registrypath, username and password as YAML.
func (t *Tools) ResourceGet(ctx context.Context, name string) (string, error) {
	output, err := t.Do(ctx, Call{Tool: "resource-get", Args: []string{"--", name}})
	if err != nil {
		return "", err
	}
	path := strings.TrimSuffix(string(output), "\n")
	if path == "" {
		return "", errors.New("cannot read the answer of resource-get: no path")
	}
	return path, nil
}

// CredentialGet gives the access to the cloud below the model. It needs trust
// (juju trust), and in a model on Kubernetes Juju 3.6.10.
func (t *Tools) CredentialGet(ctx context.Context) (CloudSpec, error) {
	var spec CloudSpec
	err := t.read(ctx, &spec, "credential-get")
	return spec, err
}

// CloudSpec is a cloud and how to use it.
type CloudSpec struct {
	Type             string          `json:"type"`
	Name             string          `json:"name"`
	Region           string          `json:"region"`
	Endpoint         string          `json:"endpoint"`
	IdentityEndpoint string          `json:"identity-endpoint"`
	StorageEndpoint  string          `json:"storage-endpoint"`
	Credential       CloudCredential `json:"credential"`
	CACertificates   []string        `json:"cacertificates"`
	SkipTLSVerify    bool            `json:"skip-tls-verify"`
	IsController     bool            `json:"is-controller-cloud"`
}

// CloudCredential is a login of a cloud. It does not print itself.
type CloudCredential struct {
	AuthType   string            `json:"auth-type"`
	Attributes map[string]string `json:"attrs"`
	Redacted   []string          `json:"redacted"` // names of attributes left out
}

const hidden = "(credential)"

// Format keeps every verb of fmt from reaching the attributes.
func (c CloudCredential) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalText keeps encoders from reaching the attributes.
func (c CloudCredential) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue keeps loggers from reaching the attributes.
func (c CloudCredential) LogValue() slog.Value { return slog.StringValue(hidden) }
