package clientdummy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
)

// plan is what the unit should be, given what is.
func plan(s snapshot) ops.Plan {
	p := ops.Plan{Statuses: s.status()}
	if s.reachable && s.binaryError == nil && !s.pushed && !s.leaving {
		p.Steps = append(p.Steps, ops.Step{Name: "push the client", Run: s.push})
		return p // what runs it comes when it is there
	}
	if desired, change := s.desired(); s.reachable && change {
		p.Containers = map[string]pebble.Desired{containerName: desired}
		if s.ended && desired.Services[service].Startup == "enabled" {
			// No hook comes when Pebble has started it, so the status is that of
			// a start in this one.
			p.Steps = append(p.Steps, ops.Step{Name: "start the client again", Run: s.start})
		}
	}
	return p
}

// mode is what the unit does all the time: that of the option, with the
// writes as the actions say.
func (s snapshot) mode() string {
	produce := s.options.Mode == "produce" || s.options.Mode == "both"
	consume := s.options.Mode == "consume" || s.options.Mode == "both"
	switch s.writes {
	case "on":
		produce = true
	case "off":
		produce = false
	}
	switch {
	case produce && consume:
		return "both"
	case produce:
		return "produce"
	case consume:
		return "consume"
	}
	return "off"
}

// desired is the service; change is false if it should stay as it is.
func (s snapshot) desired() (d pebble.Desired, change bool) {
	d = pebble.Desired{Label: label}
	stop := s.pulsar == nil || s.leaving || s.optionError == nil && s.mode() == "off"
	switch {
	case stop && s.command == "":
		return d, false
	case stop:
		d.Services = map[string]pebble.Service{service: s.layer(s.command, "disabled")}
		return d, true
	case s.optionError != nil || s.binaryError != nil || s.pulsar.Problem != nil || !s.pulsar.Offer.Complete():
		return d, false
	case !s.pulsar.Offer.Ready && !s.running:
		return d, false
	}
	arguments := s.arguments("run",
		"--mode", s.mode(),
		"--rate", strconv.Itoa(s.options.MessageRate),
		"--size", strconv.Itoa(s.options.MessageSize),
		"--subscription-type", s.options.SubscriptionType,
		"--subscription", juju.Application(s.unit))
	d.Services = map[string]pebble.Service{service: s.layer(strings.Join(arguments, " "), "enabled")}
	return d, true
}

// layer is the service. No argument needs quotes: all are validated.
func (s snapshot) layer(command, startup string) pebble.Service {
	return pebble.Service{
		Override:     "replace",
		Summary:      "client of Pulsar",
		Startup:      startup,
		Command:      command,
		Environment:  map[string]string{"CLIENT_SHA256": s.binary.Hash}, // another client is another service
		OnSuccess:    "restart",
		OnFailure:    "restart",
		BackoffLimit: "10s",
		KillDelay:    "10s",
	}
}

// arguments are a command line of the client. While a service runs, its
// addresses are kept if they still serve.
func (s snapshot) arguments(command string, more ...string) []string {
	offer := s.pulsar.Offer
	topic, _ := relation.ParseTopic(s.options.Topic)
	arguments := []string{
		clientPath, command,
		"--service-url", keep(argument(s.command, "--service-url"), offer.ServiceURL),
		"--web-service-url", keep(argument(s.command, "--web-service-url"), offer.WebServiceURL),
		"--topic", topic.String(),
		"--partitions", strconv.Itoa(s.options.Partitions),
		"--journal", journalDir,
		"--name", runName(s.unit),
	}
	return append(arguments, more...)
}

// argument is the value of a flag in a command line; "" if it is not there.
func argument(command, flag string) string {
	fields := strings.Fields(command)
	if i := slices.Index(fields, flag); i >= 0 && i+1 < len(fields) {
		return fields[i+1]
	}
	return ""
}

// keep chooses between the addresses in use and those offered: a client finds
// all brokers through any of them, so the list in use stays as long as it has
// all that are offered, or at least three of them. Another list would cost a
// restart, and end a run, at each change of scale.
func keep(used, offered string) string {
	scheme, usedHosts, ok := strings.Cut(used, "://")
	offeredScheme, offeredHosts, _ := strings.Cut(offered, "://")
	if !ok || scheme != offeredScheme {
		return offered
	}
	have, want := strings.Split(usedHosts, ","), strings.Split(offeredHosts, ",")
	kept := 0
	for _, host := range want {
		if slices.Contains(have, host) {
			kept++
		}
	}
	if kept == len(want) || kept >= 3 {
		return used
	}
	return offered
}

func (s snapshot) status() []juju.Status {
	if s.leaving {
		return []juju.Status{statusLeaving()}
	}
	var statuses []juju.Status
	if s.optionError != nil {
		statuses = append(statuses, statusOption(s.optionError))
	}
	if s.reachable && s.binaryError != nil {
		statuses = append(statuses, statusNoClient(s.binaryError))
	}
	switch p := s.pulsar; {
	case p == nil:
		statuses = append(statuses, statusNoRelation(juju.Application(s.unit)))
	case p.Problem != nil:
		statuses = append(statuses, statusGarbage(p.Problem))
	case !p.Offer.Complete():
		statuses = append(statuses, statusNoAddress(p.App))
	case !p.Offer.Ready:
		statuses = append(statuses, statusNotReady(p.App))
	}
	if !s.reachable {
		statuses = append(statuses, statusNoContainer())
	}
	if len(statuses) > 0 {
		return statuses
	}
	if mode := s.mode(); mode != "off" {
		if !s.running {
			return []juju.Status{statusEnded(s.unit)}
		}
		topic, _ := relation.ParseTopic(s.options.Topic)
		return []juju.Status{statusBusy(mode, s.options.MessageRate, topic.String())}
	}
	return []juju.Status{statusIdle()}
}
