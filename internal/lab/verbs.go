package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

// deploy unpacks the charm before it asks the model, which may still refuse.
func (d *Daemon) deploy(_ context.Context, q api.Deploy) (api.Deployed, error) {
	unpacked, charm, err := d.readCharm(q.Charm)
	if err != nil {
		return api.Deployed{}, err
	}
	defer os.RemoveAll(unpacked)
	app := q.App
	if app == "" {
		app = charm.Name
	}
	if err := checkResources(charm, q.Resources, true); err != nil {
		return api.Deployed{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.record.Model == nil {
		if err := d.addModel(DefaultModel); err != nil {
			return api.Deployed{}, err
		}
	}
	m := d.record.Model
	if d.record.State.Applications[app] != nil && m.CharmOf(app) == nil {
		return api.Deployed{}, fmt.Errorf("cannot deploy %q: pods of its last deployment are still ending; try again", app)
	}
	m.SetTime(stamp(d.now()))
	err = m.Deploy(model.DeployArgs{App: app, Charm: charm, Units: q.Units, Config: q.Config, Trust: q.Trust, Resources: q.Resources})
	if err != nil {
		return api.Deployed{}, err
	}
	n := d.record.State.Services
	d.record.State.Services++
	record := &application{
		Charm: charm.Name, Service: serviceAddress(n), Since: d.now(),
		Storage: filepath.Join(d.home, "storage", fmt.Sprintf("%s-%d", app, n)),
	}
	d.record.State.Applications[app] = record
	err = errors.Join(
		os.RemoveAll(d.charmsOf(app)),
		m.SetServiceAddress(app, record.Service),
		d.keepCharm(unpacked, app, 0),
	)
	if err == nil {
		err = d.record.save(d.home)
	}
	if err != nil {
		// Nothing has started yet; half an application would never work.
		err = errors.Join(err, m.RemoveApplication(app, true))
		delete(d.record.State.Applications, app)
		return api.Deployed{}, diskError("cannot deploy "+app, d.home, err)
	}
	d.touch()
	return api.Deployed{App: app, Charm: charm.Name, Revision: 0, Base: baseOf(charm)}, nil
}

// refresh keeps the new charm beside the old one, which pods still run.
func (d *Daemon) refresh(_ context.Context, q api.Refresh) (api.Deployed, error) {
	var unpacked string
	var charm *model.Charm
	if q.Charm != "" {
		var err error
		if unpacked, charm, err = d.readCharm(q.Charm); err != nil {
			return api.Deployed{}, err
		}
		defer os.RemoveAll(unpacked)
		if err := checkResources(charm, q.Resources, false); err != nil {
			return api.Deployed{}, err
		}
	}
	done := api.Deployed{App: q.App}
	err := d.update(func(m *model.Model) error {
		record := d.record.State.Applications[q.App]
		present := m.CharmOf(q.App)
		if record == nil || present == nil {
			return fmt.Errorf("application %q not found", q.App)
		}
		resources := map[string]string{}
		for k, v := range m.ResourcesOf(q.App) {
			resources[k] = v
		}
		for k, v := range q.Resources {
			resources[k] = v
		}
		revision := record.Revision
		if charm == nil {
			copied := *present
			charm = &copied
		} else {
			revision++
			charm.Revision = revision
			if charm.Name != present.Name {
				return fmt.Errorf("cannot upgrade application %q from charm %q to charm %q", q.App, present.Name, charm.Name)
			}
			if err := checkResources(charm, resources, true); err != nil {
				return err
			}
			if err := os.RemoveAll(d.charmDir(q.App, revision)); err != nil {
				return err
			}
			if err := d.keepCharm(unpacked, q.App, revision); err != nil {
				return diskError("cannot refresh "+q.App, d.home, err)
			}
		}
		if err := m.Refresh(q.App, charm, resources); err != nil {
			return err
		}
		record.Revision = revision
		done.Charm, done.Revision, done.Base = charm.Name, revision, baseOf(charm)
		return nil
	})
	return done, err
}

func baseOf(c *model.Charm) string {
	if c.BaseName == "" {
		return "ubuntu@22.04/stable"
	}
	return c.BaseName + "@" + c.BaseTrack + "/stable"
}

// readCharm unpacks a charm into a directory of its own and checks what Juju
// checks only when it is too late: that there is something to run.
func (d *Daemon) readCharm(path string) (dir string, charm *model.Charm, err error) {
	parent := filepath.Join(d.home, "charms")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", nil, diskError("cannot read the charm", d.home, err)
	}
	holder, err := os.MkdirTemp(parent, ".new-")
	if err != nil {
		return "", nil, diskError("cannot read the charm", d.home, err)
	}
	dir = filepath.Join(holder, "charm")
	files := map[string][]byte{}
	err = unpackCharm(path, dir)
	if err == nil {
		files, err = charmFiles(dir)
	}
	if err == nil {
		charm, err = model.ParseCharm(files)
	}
	if err == nil {
		err = checkDispatch(dir)
	}
	if err == nil {
		addExecAction(charm)
		// The charm moves out of its holder when it is kept.
		return holder, charm, nil
	}
	return "", nil, errors.Join(diskError("cannot deploy the charm", d.home, err), os.RemoveAll(holder))
}

// checkDispatch wants something that can be run.
func checkDispatch(dir string) error {
	info, err := os.Stat(filepath.Join(dir, "dispatch"))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, "hooks")); err == nil {
			return nil
		}
		return errors.New("it has neither dispatch nor hooks")
	}
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o111 == 0 {
		return errors.New("its dispatch is not executable: chmod +x dispatch, and pack it again")
	}
	return nil
}

// keepCharm moves an unpacked charm to its place.
func (d *Daemon) keepCharm(holder, app string, revision int) error {
	if err := os.MkdirAll(d.charmsOf(app), 0o755); err != nil {
		return err
	}
	return os.Rename(filepath.Join(holder, "charm"), d.charmDir(app, revision))
}

// checkResources wants an image for each container and nothing unknown.
func checkResources(charm *model.Charm, given map[string]string, all bool) error {
	var missing []string
	for name, r := range charm.Resources {
		if _, ok := given[name]; !ok && r.Type == "oci-image" {
			missing = append(missing, name)
		}
	}
	sort.Strings(missing)
	if all && len(missing) > 0 {
		return fmt.Errorf("local charm missing OCI images for: %s (give each as --resource %s=<directory, pulsar or base>)", strings.Join(missing, ", "), missing[0])
	}
	for name, dir := range given {
		if _, ok := charm.Resources[name]; !ok {
			return fmt.Errorf("resource %q is not one of charm %q", name, charm.Name)
		}
		if dir == "" {
			continue
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return fmt.Errorf("resource %q: %s is not a directory", name, dir)
		}
	}
	return nil
}

// resolveUnit knows app/leader; d.mu is held.
func (d *Daemon) resolveUnit(m *model.Model, unit string) (string, error) {
	app, isLeader := strings.CutSuffix(unit, "/leader")
	if !isLeader {
		if !slices.Contains(m.Units(), unit) {
			return "", fmt.Errorf("unit %q not found", unit)
		}
		return unit, nil
	}
	if !slices.Contains(m.Applications(), app) {
		return "", fmt.Errorf("application %q not found", app)
	}
	leader := m.Leader(app)
	if leader == "" {
		return "", fmt.Errorf("could not determine leader for %q", app)
	}
	return leader, nil
}

func (d *Daemon) run(_ context.Context, q api.Run) (api.Enqueued, error) {
	var done api.Enqueued
	err := d.update(func(m *model.Model) error {
		var units []string
		for _, unit := range q.Units {
			resolved, err := d.resolveUnit(m, unit)
			if err != nil {
				return err
			}
			units = append(units, resolved)
		}
		actions, err := m.EnqueueAction(units, q.Action, wholeNumbers(q.Params).(map[string]any))
		if err != nil {
			return err
		}
		for _, a := range actions {
			done.Operation = a.Operation
			done.Tasks = append(done.Tasks, taskOf(a))
		}
		return nil
	})
	return done, err
}

// wholeNumbers turns decoded JSON numbers into int64 or float64.
func wholeNumbers(v any) any {
	switch v := v.(type) {
	case nil:
		return map[string]any{}
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, inner := range v {
			m[k] = wholeNumber(inner)
		}
		return m
	}
	return wholeNumber(v)
}

func wholeNumber(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		return wholeNumbers(v)
	case []any:
		list := make([]any, len(v))
		for i, inner := range v {
			list[i] = wholeNumber(inner)
		}
		return list
	}
	return v
}

func taskOf(a model.Action) api.Task {
	return api.Task{
		ID: a.ID, Unit: a.Unit, Action: a.Name, Status: a.Status, Message: a.Message, Results: a.Results, Log: a.Log,
		Enqueued: unstamp(a.Enqueued), Started: unstamp(a.Started), Completed: unstamp(a.Completed),
	}
}

// execAction is the action behind juju exec, which every charm has.
const execAction = "juju-exec"

// addExecAction declares it.
func addExecAction(charm *model.Charm) {
	if charm.Actions == nil {
		charm.Actions = map[string]model.ActionSpec{}
	}
	charm.Actions[execAction] = model.ActionSpec{Params: map[string]any{
		"type": "object",
		"properties": map[string]any{
			"command": map[string]any{"type": "string"},
			"timeout": map[string]any{"type": "number"},
		},
		"required": []any{"command"},
	}}
}

// execCommand is what a juju-exec runs instead of the charm.
func execCommand(m *model.Model, id string) []string {
	a, err := m.Action(id)
	if err != nil {
		return []string{"false"}
	}
	return []string{"/bin/bash", "-c", fmt.Sprint(a.Params["command"])}
}

func (d *Daemon) task(_ context.Context, q api.TaskID) (api.Task, error) {
	var task api.Task
	err := d.observe(func(m *model.Model) error {
		a, err := m.Action(q.ID)
		if err != nil {
			return err
		}
		task = taskOf(a)
		return nil
	})
	return task, err
}

func (d *Daemon) cancelTask(_ context.Context, q api.TaskID) (api.None, error) {
	return api.None{}, d.update(func(m *model.Model) error { return m.CancelAction(q.ID) })
}

func (d *Daemon) status(context.Context, api.None) (api.Observation, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := api.Observation{Change: d.count}
	cloud, region, _ := strings.Cut(Cloud, "/")
	if m := d.record.Model; m != nil {
		m.SetTime(stamp(d.now()))
		status, err := convert[api.Status](m.Status())
		if err != nil {
			return seen, err
		}
		seen.Status = status
		for unit, driver := range d.drivers {
			shown, ok := status.Applications[juju.Application(unit)].Units[unit]
			if ok && driver.fault != "" {
				shown.Workload.Current, shown.Workload.Message = "error", driver.fault
				status.Applications[juju.Application(unit)].Units[unit] = shown
			}
		}
		for _, r := range m.Relations() {
			kind, message := "regular", ""
			if r.Peer {
				kind = "peer"
			}
			if r.Life == "dying" {
				message = "removing"
			}
			seen.Relations = append(seen.Relations, api.Relation{
				ID: r.ID, Provider: r.Provider, Requirer: r.Requirer, Interface: r.Interface, Type: kind, Message: message,
			})
		}
	} else {
		seen.Status.Model = api.ModelStatus{Name: DefaultModel, Type: "caas", Status: api.StatusInfo{Current: "available"}, SLA: "unsupported"}
	}
	if seen.Status.Applications == nil {
		seen.Status.Applications = map[string]api.ApplicationStatus{}
	}
	if seen.Status.Machines == nil {
		seen.Status.Machines = map[string]any{}
	}
	seen.Status.Model.Controller, seen.Status.Model.Cloud, seen.Status.Model.Region = "charmlab", cloud, region
	if seen.Status.Model.Version == "" {
		seen.Status.Model.Version = JujuVersion
	}
	seen.Status.Controller.Timestamp = d.now().UTC().Format("15:04:05Z")
	return seen, nil
}

func (d *Daemon) showUnit(_ context.Context, q api.Unit) (api.UnitDetail, error) {
	var detail api.UnitDetail
	err := d.observe(func(m *model.Model) error {
		unit, err := d.resolveUnit(m, q.Unit)
		if err != nil {
			return err
		}
		found, err := m.ShowUnit(unit)
		if err == nil {
			detail, err = convert[api.UnitDetail](found)
		}
		return err
	})
	if detail.OpenedPorts == nil {
		detail.OpenedPorts = []string{}
	}
	return detail, err
}

// advance puts the lab's clock forward, for good: what is due by then comes at
// once. The clock of charms and workloads is the machine's.
func (d *Daemon) advance(_ context.Context, q api.Advance) (api.None, error) {
	if q.By <= 0 {
		return api.None{}, fmt.Errorf("cannot go back in time by %s", q.By)
	}
	return api.None{}, d.update(func(m *model.Model) error {
		d.record.State.Ahead += q.By
		d.ahead.Store(int64(d.record.State.Ahead))
		m.SetTime(stamp(d.now()))
		m.SecretsDue()
		return nil
	})
}
