package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

// provision makes the directories of a unit's storages. They belong to the
// unit's number, as a StatefulSet's volumes do: a unit that comes back under
// the same number finds them as they were. d.mu is held.
func (d *Daemon) provision(m *model.Model, app, unit string) {
	for _, id := range m.Due(unit).Provision {
		source, location, err := d.place(m, app, unit, id)
		if err == nil {
			err = os.MkdirAll(source, 0o755)
		}
		if err == nil {
			err = m.StorageProvisioned(unit, id, location)
		}
		if err != nil {
			d.log.add("", "ERROR", "lab", diskError("cannot provision storage "+id, d.home, err).Error())
		}
	}
}

// place says where a storage is on this machine and in the charm container.
func (d *Daemon) place(m *model.Model, app, unit, id string) (source, location string, err error) {
	record := d.record.State.Applications[app]
	if record == nil {
		return "", "", fmt.Errorf("application %q is not known to the lab", app)
	}
	name, index := "", 0
	for _, s := range m.Storages(unit) {
		if s.ID == id {
			name = s.Name
			break
		}
	}
	for _, s := range m.Storages(unit) {
		if s.ID == id {
			break
		}
		if s.Name == name {
			index++
		}
	}
	spec, ok := m.CharmOf(app).StorageSpec(name)
	if !ok {
		return "", "", fmt.Errorf("storage %q is not in the charm", id)
	}
	source = filepath.Join(record.Storage, fmt.Sprint(juju.Ordinal(unit)), fmt.Sprintf("%s-%d", name, index))
	location = filepath.Join("/var/lib/juju/storage", name, fmt.Sprint(index))
	if spec.Location != "" {
		location = spec.Location
		if spec.MaxCount != 1 {
			location = filepath.Join(location, fmt.Sprint(index))
		}
	}
	return source, location, nil
}

// podSpec describes a unit's pod as the model wants it now; d.mu is held.
// The pod's directory and address are those of record.
func (d *Daemon) podSpec(m *model.Model, unit string, record *podRecord) (PodSpec, error) {
	app := juju.Application(unit)
	charm := m.CharmOf(app)
	if charm == nil {
		return PodSpec{}, fmt.Errorf("application %q has no charm", app)
	}
	spec := PodSpec{
		Unit: unit, Model: d.record.Name, Name: juju.UnitFQDN(unit, d.record.Name, juju.DefaultClusterDomain),
		Address: record.Address, Hosts: d.hosts(), Dir: filepath.Join(record.Dir, "r"), Charm: filepath.Join(record.Dir, "charm"),
	}
	spec.Storage = append(spec.Storage, Mount{
		Source: filepath.Join(record.Dir, "resources"), Target: filepath.Dir(filepath.Dir(model.ImageResource(unit, "image"))),
	})
	mounts := map[string][]Mount{} // by the storage's name
	for _, s := range m.Storages(unit) {
		source, location, err := d.place(m, app, unit, s.ID)
		if err != nil {
			return spec, err
		}
		spec.Storage = append(spec.Storage, Mount{Source: source, Target: location})
		mounts[s.Name] = append(mounts[s.Name], Mount{Source: source})
	}
	resources := m.ResourcesOf(app)
	for _, c := range charm.Containers {
		container := ContainerSpec{Name: c.Name, Image: resources[c.Resource]}
		for _, mount := range c.Mounts {
			several := false
			if s, ok := charm.StorageSpec(mount.Storage); ok {
				several = s.MaxCount != 1
			}
			for i, at := range mounts[mount.Storage] {
				at.Target = mount.Location
				if several {
					at.Target = filepath.Join(at.Target, fmt.Sprint(i))
				}
				container.Storage = append(container.Storage, at)
			}
		}
		spec.Containers = append(spec.Containers, container)
	}
	sort.Slice(spec.Containers, func(i, j int) bool { return spec.Containers[i].Name < spec.Containers[j].Name })
	return spec, nil
}

// lead gives leadership to the lowest living unit if the leader's agent has
// been away for too long; d.mu is held.
func (d *Daemon) lead(m *model.Model, app string) {
	leader := m.Leader(app)
	units := m.UnitsOf(app)
	exists := false
	for _, unit := range units {
		exists = exists || unit == leader
	}
	if exists && m.Agent(leader) == model.AgentUp {
		delete(d.away, app)
		return
	}
	if exists {
		since, ok := d.away[app]
		if !ok {
			d.away[app] = d.now()
			return
		}
		if d.now().Sub(since) < d.timing.Leadership {
			return
		}
	}
	for _, unit := range units {
		detail, err := m.ShowUnit(unit)
		if err != nil || unit == leader || detail.Life != "" && detail.Life != "alive" || m.Agent(unit) != model.AgentUp {
			continue
		}
		if err := m.SetLeader(app, unit); err == nil {
			delete(d.away, app)
			d.log.add("", "INFO", "lab", fmt.Sprintf("%s leads %s now", unit, app))
		}
		return
	}
}

// roll replaces the pods of an earlier charm one by one, the highest number
// first and the next when the last is ready again, as a StatefulSet does;
// d.mu is held.
func (d *Daemon) roll(m *model.Model, app string) {
	outdated := m.OutdatedPods(app)
	if len(outdated) == 0 {
		return
	}
	for _, unit := range m.WantsPods(app) {
		driver := d.drivers[unit]
		if driver == nil || driver.replacing {
			return
		}
		if !slices.Contains(outdated, unit) && !driver.ready {
			return
		}
	}
	d.drivers[outdated[0]].replace(false)
}

func (d *Daemon) hosts() string { return filepath.Join(d.home, "hosts") }

// writeHosts makes the file of names follow the pods; d.mu is held.
func (d *Daemon) writeHosts() {
	pods, services := map[string]string{}, map[string]string{}
	for unit, driver := range d.drivers {
		if driver.address != "" {
			pods[unit] = driver.address
		}
	}
	for app, record := range d.record.State.Applications {
		services[app] = record.Service
	}
	content := hostsFile(d.record.Name, pods, services)
	if old, err := os.ReadFile(d.hosts()); err == nil && string(old) == content {
		return
	}
	if err := writeAtomically(d.hosts(), []byte(content)); err != nil {
		d.log.add("", "ERROR", "lab", diskError("cannot write the names of pods", d.home, err).Error())
	}
}

// newPod gives a unit a new address and an empty directory with a fresh copy
// of the charm. The caller records them.
func (d *Daemon) newPod(unit string) (*podRecord, error) {
	d.mu.Lock()
	app := d.record.State.Applications[juju.Application(unit)]
	if app == nil {
		d.mu.Unlock()
		return nil, fmt.Errorf("application of %s is gone", unit)
	}
	n := d.record.State.Addresses
	d.record.State.Addresses++
	revision := app.Revision
	charm := d.charmDir(juju.Application(unit), revision)
	resources := d.record.Model.ResourcesOf(juju.Application(unit))
	d.mu.Unlock()
	record := &podRecord{Address: podAddress(n), Dir: filepath.Join(d.home, "p", fmt.Sprint(n)), Revision: revision}
	if err := os.RemoveAll(record.Dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(record.Dir, 0o755); err != nil {
		return nil, diskError("cannot make a pod for "+unit, d.home, err)
	}
	if err := unpackCharm(charm, filepath.Join(record.Dir, "charm")); err != nil {
		return nil, diskError("cannot make a pod for "+unit, d.home, err)
	}
	if err := describeImages(resources, filepath.Join(record.Dir, "resources")); err != nil {
		return nil, diskError("cannot make a pod for "+unit, d.home, err)
	}
	return record, nil
}

// describeImages writes what resource-get gives of each oci-image. The lab's
// images are directories; "" is the bare base.
func describeImages(resources map[string]string, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, image := range resources {
		if image == "" {
			image = "base"
		}
		text, err := yaml.Marshal(struct{ RegistryPath, Username, Password string }{RegistryPath: image})
		if err == nil {
			err = os.MkdirAll(filepath.Join(dir, name), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name, "content.yaml"), text, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// backoff is how long a pod that keeps dying has to wait before the next.
func backoff(attempt int, first, limit time.Duration) time.Duration {
	wait := first
	for i := 0; i < attempt && wait < limit; i++ {
		wait *= 2
	}
	return min(wait, limit)
}
