package model

import (
	"fmt"
	"slices"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Storage is a storage of a unit.
type Storage struct {
	ID          string
	Name        string
	Unit        string
	Kind        string // filesystem or block
	Location    string // in the charm container; "" until provisioned
	Life        string
	Provisioned bool
	Attached    bool // storage-attached has run
}

func (u *unit) storage(id string) *Storage {
	for _, s := range u.Storages {
		if s.ID == id {
			return s
		}
	}
	return nil
}

// addStorage makes a storage. Its number is model-wide, as Juju's are.
func (m *Model) addStorage(u *unit, spec StorageSpec) *Storage {
	kind := spec.Type
	if kind == "" {
		kind = "filesystem"
	}
	s := &Storage{
		ID: fmt.Sprintf("%s/%d", spec.Name, m.counters.Storage[""]), Name: spec.Name,
		Unit: u.Name, Kind: kind, Life: string(alive),
	}
	m.counters.Storage[""]++
	u.Storages = append(u.Storages, s)
	m.touch(u)
	return s
}

// StorageProvisioned tells that a storage is there, and where the charm
// container sees it.
func (m *Model) StorageProvisioned(unit, id, location string) error {
	u, err := m.unit(unit)
	if err != nil {
		return err
	}
	s := u.storage(id)
	if s == nil {
		return fmt.Errorf("storage %q not found on unit %q", id, unit)
	}
	s.Provisioned, s.Location = true, location
	m.touch(u)
	return nil
}

// AddStorage adds a storage to a unit (juju add-storage); it returns its id.
func (m *Model) AddStorage(unit, name string) (string, error) {
	u, err := m.unit(unit)
	if err != nil {
		return "", err
	}
	spec, ok := u.charm.StorageSpec(name)
	if !ok {
		return "", fmt.Errorf("cannot add storage: charm storage %q not found", name)
	}
	if u.Life != alive {
		return "", fmt.Errorf("cannot add storage: unit %q is not alive", unit)
	}
	if spec.MaxCount >= 0 && u.countStorage(name) >= spec.MaxCount {
		return "", fmt.Errorf("cannot add storage: at most %d instances of %q may be attached", spec.MaxCount, name)
	}
	return m.addStorage(u, spec).ID, nil
}

// countStorage is the number of a unit's living storages of a name.
func (u *unit) countStorage(name string) int {
	n := 0
	for _, s := range u.Storages {
		if s.Name == name && s.Life == string(alive) {
			n++
		}
	}
	return n
}

// checkStorage refuses more storages than the charm may have.
func (c *Context) checkStorage() error {
	wanted := make(map[string]int)
	for _, name := range c.storage {
		wanted[name]++
		spec, _ := c.unit.charm.StorageSpec(name)
		if spec.MaxCount >= 0 && c.unit.countStorage(name)+wanted[name] > spec.MaxCount {
			return fmt.Errorf("cannot apply changes: adding storage %q: at most %d instances of it may be attached", name, spec.MaxCount)
		}
	}
	return nil
}

// DetachStorage makes a unit's storage go away.
func (m *Model) DetachStorage(unit, id string) error {
	u, err := m.unit(unit)
	if err != nil {
		return err
	}
	s := u.storage(id)
	if s == nil {
		return fmt.Errorf("storage %q not found on unit %q", id, unit)
	}
	s.Life = string(dying)
	m.touch(u)
	return nil
}

// Storages are the storages of a unit in the order they were made.
func (m *Model) Storages(unit string) []Storage {
	u, err := m.unit(unit)
	if err != nil {
		return nil
	}
	var out []Storage
	for _, s := range u.Storages {
		out = append(out, *s)
	}
	return out
}

func (u *unit) going(s *Storage) bool { return u.Life != alive || s.Life != string(alive) }

// dropStorages removes what goes and was never attached: no hook for that.
func (m *Model) dropStorages(u *unit) {
	if len(u.Storages) == 0 {
		return
	}
	u.Storages = slices.DeleteFunc(u.Storages, func(s *Storage) bool { return u.going(s) && !s.Attached })
}

func (u *unit) storageHooks() []Hook {
	var hooks []Hook
	for _, s := range u.Storages {
		kind := juju.StorageAttached
		if u.going(s) {
			kind = juju.StorageDetaching
		} else if s.Attached || !s.Provisioned {
			continue
		}
		hooks = append(hooks, Hook{Hook: juju.Hook{Kind: kind, Name: s.Name}, StorageID: s.ID})
	}
	return hooks
}

func (u *unit) commitStorage(hook Hook) {
	s := u.storage(hook.StorageID)
	if s == nil {
		return
	}
	if hook.Kind == juju.StorageAttached {
		s.Attached = true
		return
	}
	u.Storages = slices.DeleteFunc(u.Storages, func(other *Storage) bool { return other == s })
}
