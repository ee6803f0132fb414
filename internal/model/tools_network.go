package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// openPort is an opened port; Endpoint is empty for all.
type openPort struct {
	Endpoint string `json:"endpoint,omitempty"`
	Number   int    `json:"number"` // -1 for icmp
	Protocol string `json:"protocol"`
}

func (p openPort) String() string {
	if p.Protocol == "icmp" {
		return "icmp"
	}
	return fmt.Sprintf("%d/%s", p.Number, p.Protocol)
}

func parsePort(text string) (openPort, error) {
	lower := strings.ToLower(text)
	if lower == "icmp" {
		return openPort{Number: -1, Protocol: "icmp"}, nil
	}
	number, protocol, given := strings.Cut(lower, "/")
	if !given {
		protocol = "tcp"
	}
	if from, to, isRange := strings.Cut(number, "-"); isRange && from != to {
		return openPort{}, fmt.Errorf("port ranges are not supported for k8s applications, use individual ports instead")
	} else if isRange {
		number = from
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return openPort{}, usage("expected <port>[/<protocol>] or <from>-<to>[/<protocol>] or icmp; got %q", text)
	}
	if n < 1 || n > 65535 {
		return openPort{}, usage("port range bounds must be between 1 and 65535, got %d-%d", n, n)
	}
	if protocol != "tcp" && protocol != "udp" {
		return openPort{}, usage("invalid protocol %q, expected \"tcp\", \"udp\", or \"icmp\"", protocol)
	}
	return openPort{Number: n, Protocol: protocol}, nil
}

// portArgs are the ports of open-port and close-port, one for each endpoint.
func (t *tool) portArgs() ([]openPort, error) {
	var endpoints, format string
	if err := t.parse(flags{"endpoints": &endpoints, "format": &format}); err != nil {
		return nil, err
	}
	t.deprecated(format)
	if len(t.args) == 0 {
		return nil, usage("no port or range specified")
	}
	if err := t.atMost(1); err != nil {
		return nil, err
	}
	port, err := parsePort(t.args[0])
	if err != nil {
		return nil, err
	}
	ports := []openPort{port}
	if endpoints != "" {
		ports = nil
		for _, name := range strings.Split(endpoints, ",") {
			name = strings.TrimSpace(name)
			if _, ok := t.unit.charm.Endpoint(name); !ok {
				return nil, fmt.Errorf("endpoint %q not found", name)
			}
			ports = append(ports, openPort{name, port.Number, port.Protocol})
		}
	}
	if !t.portsSet {
		t.Context.ports, t.Context.portsSet = slices.Clone(t.unit.Ports), true
	}
	return ports, nil
}

func (t *tool) openPort() error {
	ports, err := t.portArgs()
	if err != nil {
		return err
	}
	for _, port := range ports {
		if !slices.Contains(t.ports, port) {
			t.Context.ports = append(t.ports, port)
		}
	}
	sortPorts(t.ports)
	return nil
}

func (t *tool) closePort() error {
	ports, err := t.portArgs()
	if err != nil {
		return err
	}
	t.Context.ports = slices.DeleteFunc(t.ports, func(have openPort) bool { return slices.Contains(ports, have) })
	return nil
}

func sortPorts(ports []openPort) {
	slices.SortFunc(ports, func(a, b openPort) int {
		if a.Protocol != b.Protocol {
			return strings.Compare(a.Protocol, b.Protocol)
		}
		if a.Number != b.Number {
			return a.Number - b.Number
		}
		return strings.Compare(a.Endpoint, b.Endpoint)
	})
}

func (t *tool) openedPorts() error {
	var endpoints bool
	if err := t.output("smart", flags{"endpoints": &endpoints}); err != nil {
		return err
	}
	if err := t.atMost(0); err != nil {
		return err
	}
	ports := t.unit.Ports
	if t.portsSet {
		ports = t.ports
	}
	return t.write(portNames(ports, endpoints))
}

// portNames are the ports in order, each once, with their endpoints if they
// are asked for: "80/tcp (db, peers)", "80/tcp (*)" for all.
func portNames(ports []openPort, endpoints bool) []string {
	names := []string{}
	at := make(map[string][]string)
	for _, port := range ports {
		name := port.String()
		if at[name] == nil {
			names = append(names, name)
		}
		at[name] = append(at[name], port.Endpoint)
	}
	for i, name := range names {
		switch {
		case !endpoints:
		case slices.Contains(at[name], ""):
			names[i] += " (*)"
		default:
			slices.Sort(at[name])
			names[i] += " (" + strings.Join(at[name], ", ") + ")"
		}
	}
	return names
}

type networkAddress struct {
	Hostname string `json:"hostname" yaml:"hostname"`
	Value    string `json:"value" yaml:"value"`
	CIDR     string `json:"cidr" yaml:"cidr"`
	// YAML has the value twice, for old readers.
	Again string `json:"-" yaml:"address"`
}

type networkInterface struct {
	MAC       string           `json:"mac-address" yaml:"mac-address"`
	Name      string           `json:"interface-name" yaml:"interface-name"`
	Addresses []networkAddress `json:"addresses" yaml:"addresses"`
	MACAgain  string           `json:"-" yaml:"macaddress"`
	NameAgain string           `json:"-" yaml:"interfacename"`
}

type networkInfo struct {
	Bind    []networkInterface `json:"bind-addresses,omitempty" yaml:"bind-addresses,omitempty"`
	Egress  []string           `json:"egress-subnets,omitempty" yaml:"egress-subnets,omitempty"`
	Ingress []string           `json:"ingress-addresses,omitempty" yaml:"ingress-addresses,omitempty"`
}

// networkGet is the pod's address to bind to and the Service's for the world:
// the latter is no unit's own.
func (t *tool) networkGet() error {
	var bind, ingress, egress, primary bool
	var id string
	err := t.output("smart", flags{
		"bind-address": &bind, "ingress-address": &ingress, "egress-subnets": &egress,
		"primary-address": &primary, "r": &id, "relation": &id,
	})
	if err != nil {
		return err
	}
	if len(t.args) < 1 {
		return usage("no arguments specified")
	}
	if t.args[0] == "" {
		return usage("no binding name specified")
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	if id != "" {
		if _, _, err := t.relation(id); err != nil {
			return err
		}
	}
	binding := t.args[0]
	_, ok := t.unit.charm.Endpoint(binding)
	if !ok && binding != "juju-info" && !slices.Contains(t.unit.charm.ExtraBindings, binding) {
		return fmt.Errorf("no network config found for binding %q", binding)
	}
	network := t.network(binding)
	info := networkInfo{
		Bind:    []networkInterface{{Addresses: []networkAddress{}}},
		Ingress: network.Ingress, Egress: network.Egress,
	}
	for _, address := range network.Bind {
		info.Bind[0].Addresses = append(info.Bind[0].Addresses, networkAddress{Value: address, Again: address})
	}
	if !bind && !ingress && !egress && !primary {
		return t.write(info)
	}
	if primary && (bind || ingress || egress) {
		return fmt.Errorf("--primary-address must be the only flag specified")
	}
	if (bind || primary) && len(network.Bind) == 0 {
		return fmt.Errorf("no addresses attached to space for binding %q", binding)
	}
	if primary {
		return t.write(network.Bind[0])
	}
	values := map[string]any{}
	if bind {
		values["bind-address"] = network.Bind[0]
	}
	if ingress {
		addresses := append(slices.Clone(info.Ingress), network.Bind...)
		if len(addresses) == 0 {
			return fmt.Errorf("no addresses attached to space for binding %q", binding)
		}
		values["ingress-address"] = addresses[0]
	}
	if egress {
		values["egress-subnets"] = info.Egress
	}
	if len(values) == 1 {
		for _, value := range values {
			return t.write(value)
		}
	}
	return t.write(values)
}

// network is the binding's own network, else that of the pod and its Service.
func (t *tool) network(binding string) Network {
	if network, ok := t.unit.networks[binding]; ok {
		return network
	}
	var network Network
	if t.unit.Address != "" {
		network.Bind = []string{t.unit.Address}
	}
	if keys := t.model.addresses(t.unit); keys != nil {
		network.Ingress = []string{keys["ingress-address"]}
		network.Egress = []string{keys["egress-subnets"]}
	}
	return network
}

func (t *tool) unitGet() error {
	if err := t.output("smart", nil); err != nil {
		return err
	}
	if len(t.args) == 0 {
		return usage("no setting specified")
	}
	if err := t.atMost(1); err != nil {
		return err
	}
	switch t.args[0] {
	case "private-address":
		if t.unit.Address == "" {
			return fmt.Errorf("no private address")
		}
		return t.write(t.unit.Address)
	case "public-address":
		if keys := t.model.addresses(t.unit); keys != nil {
			return t.write(keys["ingress-address"])
		}
		return fmt.Errorf("no public address")
	}
	return usage("unknown setting %q", t.args[0])
}

type goalStatus struct {
	Status string `json:"status" yaml:"status"`
	Since  string `json:"since,omitempty" yaml:"since,omitempty"`
}

// goalState is who is planned: dying units are among them, with that status;
// of other applications also units that have not joined yet.
func (t *tool) goalState() error {
	if err := t.output("yaml", nil); err != nil {
		return err
	}
	if err := t.atMost(0); err != nil {
		return err
	}
	units := func(into map[string]goalStatus, a *application) {
		for _, u := range a.order {
			switch u.Life {
			case dying:
				into[u.Name] = goalStatus{string(dying), goalTime(u.Workload.Since)}
			case alive:
				into[u.Name] = goalStatus{string(u.Workload.Name), goalTime(u.Workload.Since)}
			}
		}
	}
	own := make(map[string]goalStatus)
	units(own, t.app)
	relations := make(map[string]map[string]goalStatus)
	for _, r := range t.model.relationsOf(t.app.Name) {
		end, other, _ := r.own(t.app.Name)
		remote := t.model.apps[other.App]
		if r.peer() || remote == nil {
			continue
		}
		if relations[end.Endpoint] == nil {
			relations[end.Endpoint] = make(map[string]goalStatus)
		}
		status := "joining"
		if len(r.Scope) > 0 {
			status = "joined"
		}
		if r.Life != alive {
			status = string(dying)
		}
		relations[end.Endpoint][other.App] = goalStatus{status, goalTime(r.Since)}
		units(relations[end.Endpoint], remote)
	}
	return t.write(struct {
		Units     map[string]goalStatus            `json:"units" yaml:"units"`
		Relations map[string]map[string]goalStatus `json:"relations" yaml:"relations"`
	}{own, relations})
}
