package api

// Status is the model as juju status --format=json prints it for a model on
// Kubernetes (Juju 3.6).
type Status struct {
	Model        ModelStatus                  `json:"model" yaml:"model"`
	Machines     map[string]any               `json:"machines" yaml:"machines"`
	Applications map[string]ApplicationStatus `json:"applications" yaml:"applications"`
	Storage      *StorageStatus               `json:"storage,omitempty" yaml:"storage,omitempty"`
	Controller   ControllerStatus             `json:"controller" yaml:"controller"`
}

// ModelStatus is the model's own line.
type ModelStatus struct {
	Name       string     `json:"name" yaml:"name"`
	Type       string     `json:"type" yaml:"type"`
	Controller string     `json:"controller" yaml:"controller"`
	Cloud      string     `json:"cloud" yaml:"cloud"`
	Region     string     `json:"region,omitempty" yaml:"region,omitempty"`
	Version    string     `json:"version" yaml:"version"`
	Status     StatusInfo `json:"model-status" yaml:"model-status"`
	SLA        string     `json:"sla" yaml:"sla"`
}

// StatusInfo is a status with its message and age.
type StatusInfo struct {
	Current string `json:"current,omitempty" yaml:"current,omitempty"`
	Message string `json:"message,omitempty" yaml:"message,omitempty"`
	Since   string `json:"since,omitempty" yaml:"since,omitempty"`
	Version string `json:"version,omitempty" yaml:"version,omitempty"`
}

// ApplicationStatus is one application.
type ApplicationStatus struct {
	Charm            string                      `json:"charm" yaml:"charm"`
	Base             *Base                       `json:"base,omitempty" yaml:"base,omitempty"`
	CharmOrigin      string                      `json:"charm-origin" yaml:"charm-origin"`
	CharmName        string                      `json:"charm-name" yaml:"charm-name"`
	CharmRevision    int                         `json:"charm-rev" yaml:"charm-rev"`
	CharmVersion     string                      `json:"charm-version,omitempty" yaml:"charm-version,omitempty"`
	Scale            int                         `json:"scale,omitempty" yaml:"scale,omitempty"`
	ProviderID       string                      `json:"provider-id,omitempty" yaml:"provider-id,omitempty"`
	Address          string                      `json:"address,omitempty" yaml:"address,omitempty"`
	Exposed          bool                        `json:"exposed" yaml:"exposed"`
	Life             string                      `json:"life,omitempty" yaml:"life,omitempty"`
	Status           StatusInfo                  `json:"application-status" yaml:"application-status"`
	Relations        map[string][]RelationStatus `json:"relations,omitempty" yaml:"relations,omitempty"`
	Units            map[string]UnitStatus       `json:"units,omitempty" yaml:"units,omitempty"`
	Version          string                      `json:"version,omitempty" yaml:"version,omitempty"`
	EndpointBindings map[string]string           `json:"endpoint-bindings,omitempty" yaml:"endpoint-bindings,omitempty"`
}

// Base is the operating system of the charm container.
type Base struct {
	Name    string `json:"name" yaml:"name"`
	Channel string `json:"channel" yaml:"channel"`
}

// RelationStatus is one application at the other end of an endpoint.
type RelationStatus struct {
	Application string `json:"related-application" yaml:"related-application"`
	Interface   string `json:"interface" yaml:"interface"`
	Scope       string `json:"scope" yaml:"scope"`
	// Endpoint, Role and ID are not in juju's output; the table needs them.
	Endpoint string `json:"-" yaml:"-"`
}

// UnitStatus is one unit.
type UnitStatus struct {
	Workload   StatusInfo `json:"workload-status" yaml:"workload-status"`
	Agent      StatusInfo `json:"juju-status" yaml:"juju-status"`
	Leader     bool       `json:"leader,omitempty" yaml:"leader,omitempty"`
	OpenPorts  []string   `json:"open-ports,omitempty" yaml:"open-ports,omitempty"`
	Address    string     `json:"address,omitempty" yaml:"address,omitempty"`
	ProviderID string     `json:"provider-id,omitempty" yaml:"provider-id,omitempty"`
}

// StorageStatus is the storage section.
type StorageStatus struct {
	Storage map[string]StorageInstance `json:"storage,omitempty" yaml:"storage,omitempty"`
}

// StorageInstance is one storage, by its id.
type StorageInstance struct {
	Kind        string             `json:"kind" yaml:"kind"`
	Life        string             `json:"life" yaml:"life"`
	Status      StatusInfo         `json:"status" yaml:"status"`
	Persistent  bool               `json:"persistent" yaml:"persistent"`
	Attachments StorageAttachments `json:"attachments" yaml:"attachments"`
}

// StorageAttachments is where a storage is attached.
type StorageAttachments struct {
	Units map[string]StorageAttachment `json:"units" yaml:"units"`
}

// StorageAttachment is where a unit sees a storage.
type StorageAttachment struct {
	Life     string `json:"life" yaml:"life"`
	Location string `json:"location" yaml:"location"`
}

// ControllerStatus is the clock of the answer.
type ControllerStatus struct {
	Timestamp string `json:"timestamp" yaml:"timestamp"`
}

// Observation is the status and what its table needs besides.
type Observation struct {
	Status    Status     `json:"status"`
	Relations []Relation `json:"relations"`
	Change    uint64     `json:"change"` // count of changes at the time
}

// Relation is a line of the table of relations.
type Relation struct {
	ID        int    `json:"id"`
	Provider  string `json:"provider"` // app:endpoint
	Requirer  string `json:"requirer"`
	Interface string `json:"interface"`
	Type      string `json:"type"` // regular or peer
	Message   string `json:"message"`
}

// UnitDetail is a unit as juju show-unit prints it.
type UnitDetail struct {
	OpenedPorts  []string       `json:"opened-ports" yaml:"opened-ports"`
	Charm        string         `json:"charm" yaml:"charm"`
	Leader       bool           `json:"leader" yaml:"leader"`
	Life         string         `json:"life,omitempty" yaml:"life,omitempty"`
	RelationInfo []RelationInfo `json:"relation-info,omitempty" yaml:"relation-info,omitempty"`
	ProviderID   string         `json:"provider-id,omitempty" yaml:"provider-id,omitempty"`
	Address      string         `json:"address,omitempty" yaml:"address,omitempty"`
}

// RelationInfo is a relation as one of its units sees it.
type RelationInfo struct {
	ID              int                     `json:"relation-id" yaml:"relation-id"`
	Endpoint        string                  `json:"endpoint" yaml:"endpoint"`
	RelatedEndpoint string                  `json:"related-endpoint" yaml:"related-endpoint"`
	ApplicationData map[string]string       `json:"application-data" yaml:"application-data"`
	LocalUnit       *RelationUnit           `json:"local-unit,omitempty" yaml:"local-unit,omitempty"`
	RelatedUnits    map[string]RelationUnit `json:"related-units,omitempty" yaml:"related-units,omitempty"`
}

// RelationUnit is a unit's data in a relation.
type RelationUnit struct {
	InScope bool              `json:"in-scope" yaml:"in-scope"`
	Data    map[string]string `json:"data" yaml:"data"`
}
