package model

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/juju/charm/v12"
)

// Role is the side of an endpoint.
type Role string

// The roles of an endpoint.
const (
	Provider Role = "provider"
	Requirer Role = "requirer"
	Peer     Role = "peer"
)

// Charm is what Juju reads of a charm's files. A Charm is not changed after
// it was given to a model.
type Charm struct {
	Name     string `json:"name"`
	Summary  string `json:"summary,omitempty"`
	Revision int    `json:"revision"`
	// Version is the text of the file version.
	Version    string                `json:"version,omitempty"`
	BaseName   string                `json:"base-name,omitempty"`    // "ubuntu"
	BaseTrack  string                `json:"base-channel,omitempty"` // "22.04"
	Containers []Container           `json:"containers,omitempty"`   // sorted by name
	Endpoints  []Endpoint            `json:"endpoints,omitempty"`    // sorted by name
	Storage    []StorageSpec         `json:"storage,omitempty"`      // sorted by name
	Options    map[string]Option     `json:"options,omitempty"`
	Actions    map[string]ActionSpec `json:"actions,omitempty"`
	Resources  map[string]Resource   `json:"resources,omitempty"`
	// ExtraBindings are bindings beside the endpoints, sorted.
	ExtraBindings []string `json:"extra-bindings,omitempty"`
	// Assumes must all hold where the charm is deployed.
	Assumes []Assumption `json:"assumes,omitempty"`
}

// Container is a workload container.
type Container struct {
	Name     string  `json:"name"`
	Resource string  `json:"resource,omitempty"` // name of the oci-image resource
	Mounts   []Mount `json:"mounts,omitempty"`
}

// Mount is a storage as a workload container sees it.
type Mount struct {
	Storage  string `json:"storage"`
	Location string `json:"location"`
}

// Endpoint is one end of possible relations. Limit is 0 if there is none.
type Endpoint struct {
	Name      string `json:"name"`
	Role      Role   `json:"role"`
	Interface string `json:"interface"`
	Limit     int    `json:"limit,omitempty"`
	Optional  bool   `json:"optional,omitempty"`
	Scope     string `json:"scope,omitempty"` // "global" or "container"
}

// StorageSpec is a storage that each unit has MinCount to MaxCount times;
// MaxCount -1 is no limit.
type StorageSpec struct {
	Name        string `json:"name"`
	Type        string `json:"type"` // "filesystem" or "block"
	Location    string `json:"location,omitempty"`
	MinCount    int    `json:"min-count"`
	MaxCount    int    `json:"max-count"`
	MinimumSize uint64 `json:"minimum-size,omitempty"` // MiB
	ReadOnly    bool   `json:"read-only,omitempty"`
}

// Option is a configuration option. Type is string, int, float, boolean or
// secret; Default is nil or a string, int64, float64 or bool.
type Option struct {
	Type        string `json:"type"`
	Default     any    `json:"default,omitempty"`
	Description string `json:"description,omitempty"`
}

// ActionSpec is an action; Params is the JSON schema of its parameters.
type ActionSpec struct {
	Description string         `json:"description,omitempty"`
	Params      map[string]any `json:"params,omitempty"`
}

// Resource is a resource; Type is "oci-image" or "file".
type Resource struct {
	Type        string `json:"type"`
	Description string `json:"description,omitempty"`
	Path        string `json:"path,omitempty"`
}

// Endpoint is the charm's endpoint of that name.
func (c *Charm) Endpoint(name string) (Endpoint, bool) {
	for _, endpoint := range c.Endpoints {
		if endpoint.Name == name {
			return endpoint, true
		}
	}
	return Endpoint{}, false
}

// StorageSpec is the charm's storage of that name.
func (c *Charm) StorageSpec(name string) (StorageSpec, bool) {
	for _, spec := range c.Storage {
		if spec.Name == name {
			return spec, true
		}
	}
	return StorageSpec{}, false
}

// Container is the charm's container of that name.
func (c *Charm) Container(name string) (Container, bool) {
	for _, container := range c.Containers {
		if container.Name == name {
			return container, true
		}
	}
	return Container{}, false
}

// ParseCharm reads a charm as Juju does, with Juju's own library: files are
// metadata.yaml and, if the charm has them, manifest.yaml, config.yaml,
// actions.yaml and version, by their names.
func ParseCharm(files map[string][]byte) (*Charm, error) {
	metadata, ok := files["metadata.yaml"]
	if !ok {
		return nil, fmt.Errorf("cannot read charm: metadata.yaml is missing")
	}
	meta, err := charm.ReadMeta(bytes.NewReader(metadata))
	if err != nil {
		return nil, fmt.Errorf("cannot read charm: metadata.yaml: %v", err)
	}
	c := &Charm{Name: meta.Name, Summary: meta.Summary, Version: strings.TrimSpace(string(files["version"]))}
	format := charm.FormatV1
	var reasons []charm.FormatSelectionReason
	if data, ok := files["manifest.yaml"]; ok {
		manifest, err := charm.ReadManifest(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("cannot read charm %q: manifest.yaml: %v", meta.Name, err)
		}
		if len(manifest.Bases) > 0 {
			// Juju takes the new format for a charm with bases.
			format, reasons = charm.FormatV2, []charm.FormatSelectionReason{charm.SelectionManifest}
			c.BaseName, c.BaseTrack = manifest.Bases[0].Name, manifest.Bases[0].Channel.Track
		}
	}
	if err := meta.Check(format, reasons...); err != nil {
		return nil, fmt.Errorf("cannot read charm %q: %v", meta.Name, err)
	}
	c.readMeta(meta)
	if data, ok := files["config.yaml"]; ok {
		config, err := charm.ReadConfig(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("cannot read charm %q: config.yaml: %v", meta.Name, err)
		}
		c.Options = make(map[string]Option, len(config.Options))
		for name, option := range config.Options {
			c.Options[name] = Option{Type: option.Type, Default: option.Default, Description: option.Description}
		}
	}
	if data, ok := files["actions.yaml"]; ok {
		actions, err := charm.ReadActionsYaml(meta.Name, bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("cannot read charm %q: actions.yaml: %v", meta.Name, err)
		}
		c.Actions = make(map[string]ActionSpec, len(actions.ActionSpecs))
		for name, spec := range actions.ActionSpecs {
			c.Actions[name] = ActionSpec{Description: spec.Description, Params: spec.Params}
		}
	}
	return c, nil
}

func (c *Charm) readMeta(meta *charm.Meta) {
	for _, name := range slices.Sorted(maps.Keys(meta.Containers)) {
		container := meta.Containers[name]
		out := Container{Name: name, Resource: container.Resource}
		for _, mount := range container.Mounts {
			out.Mounts = append(out.Mounts, Mount{Storage: mount.Storage, Location: mount.Location})
		}
		c.Containers = append(c.Containers, out)
	}
	c.Assumes = assumptions(meta.Assumes)
	c.ExtraBindings = slices.Sorted(maps.Keys(meta.ExtraBindings))
	endpoints := meta.CombinedRelations()
	for _, name := range slices.Sorted(maps.Keys(endpoints)) {
		relation := endpoints[name]
		c.Endpoints = append(c.Endpoints, Endpoint{
			Name: name, Role: Role(relation.Role), Interface: relation.Interface,
			Limit: relation.Limit, Optional: relation.Optional, Scope: string(relation.Scope),
		})
	}
	for _, name := range slices.Sorted(maps.Keys(meta.Storage)) {
		storage := meta.Storage[name]
		c.Storage = append(c.Storage, StorageSpec{
			Name: name, Type: string(storage.Type), Location: storage.Location,
			MinCount: storage.CountMin, MaxCount: storage.CountMax,
			MinimumSize: storage.MinimumSize, ReadOnly: storage.ReadOnly,
		})
	}
	if len(meta.Resources) > 0 {
		c.Resources = make(map[string]Resource, len(meta.Resources))
	}
	for name, resource := range meta.Resources {
		c.Resources[name] = Resource{Type: resource.Type.String(), Description: resource.Description, Path: resource.Path}
	}
}

// schema is the option types in the form of Juju's library.
func (c *Charm) schema() *charm.Config {
	config := charm.NewConfig()
	for name, option := range c.Options {
		config.Options[name] = charm.Option{Type: option.Type, Default: option.Default, Description: option.Description}
	}
	return config
}

// parseOptions turns the operator's text into typed values with Juju's own
// rules and messages.
func (c *Charm) parseOptions(values map[string]string) (map[string]any, error) {
	settings, err := c.schema().ParseSettingsStrings(values)
	if err == nil {
		// Parsing lets any text be a secret; the controller looks again.
		settings, err = c.schema().ValidateSettings(settings)
	}
	if err != nil {
		return nil, err
	}
	return settings, nil
}

// params checks an action's parameters against its schema and adds the
// defaults.
func (s ActionSpec) params(given map[string]any) (map[string]any, error) {
	if len(s.Params) == 0 {
		return given, nil
	}
	spec := charm.ActionSpec{Description: s.Description, Params: s.Params}
	if given == nil {
		given = map[string]any{}
	}
	if err := spec.ValidateParams(given); err != nil {
		return nil, err
	}
	return spec.InsertDefaults(given)
}
