package model

import (
	"fmt"
	"slices"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Status is the model as juju status --format=json has it.
type Status struct {
	Model        ModelStatus                  `json:"model"`
	Machines     map[string]any               `json:"machines"`
	Applications map[string]ApplicationStatus `json:"applications"`
	Storage      *StorageStatus               `json:"storage,omitempty"`
	Remote       map[string]RemoteStatus      `json:"application-endpoints,omitempty"`
}

// ModelStatus is the model's own part.
type ModelStatus struct {
	Name       string     `json:"name"`
	Type       string     `json:"type"`
	Controller string     `json:"controller"`
	Cloud      string     `json:"cloud"`
	Version    string     `json:"version"`
	Status     StatusInfo `json:"model-status"`
	SLA        string     `json:"sla"`
}

// StatusInfo is a status. Since is empty unless SetTime was called.
type StatusInfo struct {
	Current string `json:"current,omitempty"`
	Message string `json:"message,omitempty"`
	Since   string `json:"since,omitempty"`
	Version string `json:"version,omitempty"`
}

// ApplicationStatus is an application.
type ApplicationStatus struct {
	Charm            string                      `json:"charm"`
	Base             *BaseStatus                 `json:"base,omitempty"`
	CharmOrigin      string                      `json:"charm-origin"`
	CharmName        string                      `json:"charm-name"`
	CharmRevision    int                         `json:"charm-rev"`
	CharmVersion     string                      `json:"charm-version,omitempty"`
	Scale            int                         `json:"scale,omitempty"`
	ProviderID       string                      `json:"provider-id,omitempty"`
	Address          string                      `json:"address,omitempty"`
	Exposed          bool                        `json:"exposed"`
	Life             string                      `json:"life,omitempty"`
	Status           StatusInfo                  `json:"application-status"`
	Relations        map[string][]RelationStatus `json:"relations,omitempty"`
	Units            map[string]UnitStatus       `json:"units,omitempty"`
	Version          string                      `json:"version,omitempty"`
	EndpointBindings map[string]string           `json:"endpoint-bindings,omitempty"`
}

// BaseStatus is the operating system of the charm container.
type BaseStatus struct {
	Name    string `json:"name"`
	Channel string `json:"channel"`
}

// RelationStatus is an application at the other end of an endpoint.
type RelationStatus struct {
	Application string `json:"related-application"`
	Interface   string `json:"interface"`
	Scope       string `json:"scope"`
}

// UnitStatus is a unit.
type UnitStatus struct {
	Workload   StatusInfo `json:"workload-status"`
	Agent      StatusInfo `json:"juju-status"`
	Leader     bool       `json:"leader,omitempty"`
	OpenPorts  []string   `json:"open-ports,omitempty"`
	Address    string     `json:"address,omitempty"`
	ProviderID string     `json:"provider-id,omitempty"`
}

// StorageStatus is the storages by id.
type StorageStatus struct {
	Storage map[string]StorageInstance `json:"storage"`
}

// StorageInstance is a storage.
type StorageInstance struct {
	Kind        string             `json:"kind"`
	Life        string             `json:"life"`
	Status      StatusInfo         `json:"status"`
	Persistent  bool               `json:"persistent"`
	Attachments StorageAttachments `json:"attachments"`
}

// StorageAttachments is where a storage is attached.
type StorageAttachments struct {
	Units map[string]StorageAttachment `json:"units"`
}

// StorageAttachment is where a unit sees a storage.
type StorageAttachment struct {
	Life     string `json:"life"`
	Location string `json:"location"`
}

// UnitDetail is a unit as juju show-unit --format=json has it.
type UnitDetail struct {
	OpenedPorts  []string       `json:"opened-ports"`
	Charm        string         `json:"charm"`
	Leader       bool           `json:"leader"`
	Life         string         `json:"life,omitempty"`
	RelationInfo []RelationInfo `json:"relation-info,omitempty"`
	ProviderID   string         `json:"provider-id,omitempty"`
	Address      string         `json:"address,omitempty"`
}

// RelationInfo is a relation as one of its units sees it.
type RelationInfo struct {
	ID              int                     `json:"relation-id"`
	Endpoint        string                  `json:"endpoint"`
	RelatedEndpoint string                  `json:"related-endpoint"`
	ApplicationData map[string]string       `json:"application-data"`
	LocalUnit       *RelationUnit           `json:"local-unit,omitempty"`
	RelatedUnits    map[string]RelationUnit `json:"related-units,omitempty"`
}

// RelationUnit is a unit's data in a relation.
type RelationUnit struct {
	InScope bool              `json:"in-scope"`
	Data    map[string]string `json:"data"`
}

// Status is the whole status.
func (m *Model) Status() Status {
	s := Status{
		Model: ModelStatus{
			Name: m.options.Name, Type: "caas", Controller: "charmlab", Cloud: "charmlab",
			Version: m.options.Version, Status: StatusInfo{Current: "available"}, SLA: "unsupported",
		},
		Machines:     map[string]any{},
		Applications: make(map[string]ApplicationStatus, len(m.apps)),
	}
	for name, a := range m.apps {
		if a.Remote == "" {
			s.Applications[name] = m.appStatus(a)
			continue
		}
		if s.Remote == nil {
			s.Remote = make(map[string]RemoteStatus)
		}
		s.Remote[name] = m.remoteStatus(a)
	}
	for _, u := range m.order {
		for _, storage := range u.Storages {
			if s.Storage == nil {
				s.Storage = &StorageStatus{Storage: make(map[string]StorageInstance)}
			}
			current := "pending"
			if storage.Provisioned {
				current = "attached"
			}
			s.Storage.Storage[storage.ID] = StorageInstance{
				Kind: storage.Kind, Life: storage.Life, Status: StatusInfo{Current: current},
				Attachments: StorageAttachments{Units: map[string]StorageAttachment{
					u.Name: {Life: storage.Life, Location: storage.Location},
				}},
			}
		}
	}
	return s
}

func info(r statusRecord) StatusInfo {
	return StatusInfo{Current: string(r.Name), Message: r.Message, Since: r.Since}
}

// shown leaves out what is alive: juju mentions only other lives.
func shown(l life) string {
	if l == alive {
		return ""
	}
	return string(l)
}

func charmURL(c *Charm) string { return fmt.Sprintf("local:%s-%d", c.Name, c.Revision) }

func (m *Model) appStatus(a *application) ApplicationStatus {
	out := ApplicationStatus{
		Charm: charmURL(a.charm), CharmOrigin: "local", CharmName: a.charm.Name, CharmRevision: a.charm.Revision,
		CharmVersion: a.charm.Version, Scale: a.Scale, Address: a.ServiceAddress, Life: shown(a.Life),
		Status: info(m.applicationStatus(a)), Version: a.Version,
		Relations: make(map[string][]RelationStatus), Units: make(map[string]UnitStatus, len(a.order)),
		EndpointBindings: map[string]string{"": "alpha"},
	}
	if a.charm.BaseName != "" {
		out.Base = &BaseStatus{Name: a.charm.BaseName, Channel: a.charm.BaseTrack}
	}
	for _, e := range a.charm.Endpoints {
		out.EndpointBindings[e.Name] = "alpha"
	}
	for _, r := range m.relationsOf(a.Name) {
		own, other, _ := r.own(a.Name)
		out.Relations[own.Endpoint] = append(out.Relations[own.Endpoint],
			RelationStatus{Application: other.App, Interface: own.Interface, Scope: "global"})
	}
	for _, u := range a.order {
		us := UnitStatus{
			Workload: info(statusRecord{m.workload(u), u.Workload.Since}), Agent: info(statusRecord{u.agentStatus(), u.AgentSays.Since}),
			Leader: a.Leader == u.Name, Address: u.Address, ProviderID: fmt.Sprintf("%s-%d", a.Name, u.Number),
		}
		if len(u.Ports) > 0 {
			us.OpenPorts = portNames(u.Ports, false)
		}
		if u.inError() {
			// juju shows an agent's error as the workload's.
			us.Workload.Since = u.AgentSays.Since
			if !u.lost() {
				us.Agent = StatusInfo{Current: "idle", Since: u.AgentSays.Since}
			}
		}
		us.Agent.Version = m.options.Version
		out.Units[u.Name] = us
	}
	return out
}

// agentStatus is the agent status as juju shows it.
func (u *unit) agentStatus() juju.Status {
	if u.lost() {
		return juju.Status{Name: "lost", Message: "agent is not communicating with the server"}
	}
	return u.AgentSays.Status
}

// workload is the workload status as juju shows it: an agent in error counts,
// even if it is lost.
func (m *Model) workload(u *unit) juju.Status {
	switch {
	case u.inError():
		return u.AgentSays.Status
	case u.lost() && u.Workload.Name != "terminated":
		return juju.Status{Name: juju.Unknown, Message: fmt.Sprintf("agent lost, see 'juju show-status-log %s'", u.Name)}
	}
	return u.Workload.Status
}

// severities are in Juju's order of what an application without a status of
// its own shows.
func severity(name juju.StatusName) int {
	return slices.Index([]juju.StatusName{
		juju.Unknown, "terminated", juju.Active, juju.Waiting, juju.Maintenance, juju.Blocked, juju.Error,
	}, name)
}

func (m *Model) applicationStatus(a *application) statusRecord {
	if a.Status.Name != "" {
		return a.Status
	}
	worst := statusRecord{Status: juju.Status{Name: juju.Unknown}}
	first := true
	for _, u := range a.order {
		if s := m.workload(u); first || severity(s.Name) > severity(worst.Name) {
			worst, first = statusRecord{s, u.Workload.Since}, false
		}
	}
	return worst
}

// WorkloadStatus is a unit's workload status as juju shows it: a failed hook is
// error with juju's message, a lost agent unknown.
func (m *Model) WorkloadStatus(unit string) juju.Status {
	if u, err := m.unit(unit); err == nil {
		return m.workload(u)
	}
	return juju.Status{}
}

// AgentStatus is a unit's agent status: allocating, executing, idle, error or
// lost, with juju's message.
func (m *Model) AgentStatus(unit string) juju.Status {
	if u, err := m.unit(unit); err == nil {
		return u.agentStatus()
	}
	return juju.Status{}
}

// ApplicationStatus is an application's status: as set by its leader, or the
// worst of its units'.
func (m *Model) ApplicationStatus(app string) juju.Status {
	if a := m.apps[app]; a != nil {
		return m.applicationStatus(a).Status
	}
	return juju.Status{}
}

// Life is alive, dying or dead, of a unit or an application; "" if there is
// none of that name.
func (m *Model) Life(name string) string {
	if a := m.apps[name]; a != nil {
		return string(a.Life)
	}
	if u, err := m.unit(name); err == nil {
		return string(u.Life)
	}
	return ""
}

// OpenedPorts are the ports that a unit opened, such as "6650/tcp".
func (m *Model) OpenedPorts(unit string) []string {
	if u, err := m.unit(unit); err == nil {
		return portNames(u.Ports, false)
	}
	return nil
}

// ShowUnit is one unit with the data of its relations.
func (m *Model) ShowUnit(unit string) (UnitDetail, error) {
	u, err := m.unit(unit)
	if err != nil {
		return UnitDetail{}, err
	}
	out := UnitDetail{
		OpenedPorts: portNames(u.Ports, false), Charm: charmURL(u.charm), Leader: u.app.Leader == u.Name,
		Life: string(u.Life), ProviderID: fmt.Sprintf("%s-%d", u.app.Name, u.Number), Address: u.Address,
	}
	for _, r := range m.relationsOf(u.app.Name) {
		own, other, _ := r.own(u.app.Name)
		relation := RelationInfo{
			ID: r.ID, Endpoint: own.Endpoint, RelatedEndpoint: other.Endpoint,
			ApplicationData: copyOf(r.Bags[other.App]), RelatedUnits: make(map[string]RelationUnit),
		}
		if _, in := r.inScope(u.Name); in {
			relation.LocalUnit = &RelationUnit{InScope: true, Data: copyOf(r.Bags[u.Name])}
		}
		if remote := m.apps[other.App]; remote != nil {
			for _, other := range remote.order {
				if _, in := r.inScope(other.Name); other != u && in {
					relation.RelatedUnits[other.Name] = RelationUnit{InScope: true, Data: copyOf(r.Bags[other.Name])}
				}
			}
		}
		out.RelationInfo = append(out.RelationInfo, relation)
	}
	return out, nil
}

func copyOf(b *bag) map[string]string {
	out := make(map[string]string)
	if b != nil {
		for key, value := range b.Data {
			out[key] = value
		}
	}
	return out
}
