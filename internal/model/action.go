package model

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Action is a run of an action on a unit (juju calls it a task).
type Action struct {
	ID        string
	Operation string // shared by all that were enqueued together
	Unit      string
	Name      string
	Params    map[string]any
	Status    string // pending, running, completed, failed, cancelled, aborting, aborted
	Message   string
	Results   map[string]any
	Log       []string
	Enqueued  string // as SetTime told
	Started   string
	Completed string
}

func (m *Model) nextOperation() string {
	m.counters.Operation++
	return strconv.Itoa(m.counters.Operation)
}

// EnqueueAction asks units to run an action; one Action for each unit, in
// their order. The errors are the controller's.
func (m *Model) EnqueueAction(units []string, name string, params map[string]any) ([]Action, error) {
	var found []*unit
	for _, unit := range units {
		u, err := m.unit(unit)
		if err != nil {
			return nil, err
		}
		if u.Life == dead {
			return nil, fmt.Errorf("cannot run action on unit %q: it is dead", unit)
		}
		found = append(found, u)
	}
	var all []map[string]any
	for _, u := range found {
		spec, ok := u.app.charm.Actions[name]
		if !ok {
			return nil, fmt.Errorf("action %q not defined on unit %q", name, u.Name)
		}
		full, err := spec.params(params)
		if err != nil {
			return nil, err
		}
		all = append(all, full)
	}
	operation := m.nextOperation()
	var out []Action
	for i, u := range found {
		a := &Action{
			ID: m.nextOperation(), Operation: operation, Unit: u.Name, Name: name,
			Params: all[i], Status: "pending", Enqueued: m.now,
		}
		m.actions[a.ID] = a
		u.Queue = append(u.Queue, a.ID)
		m.touch(u)
		out = append(out, *a)
	}
	return out, nil
}

// CancelAction cancels an action. If it runs, its status becomes aborting and
// the driver shall kill it.
func (m *Model) CancelAction(id string) error {
	a := m.actions[id]
	if a == nil {
		return fmt.Errorf("action %q not found", id)
	}
	switch a.Status {
	case "pending":
		m.finish(a, "cancelled", "action cancelled via the API", nil)
		if u, err := m.unit(a.Unit); err == nil {
			u.Queue = slices.DeleteFunc(u.Queue, func(other string) bool { return other == id })
			m.touch(u)
		}
	case "running":
		a.Status = "aborting"
		m.change++
	}
	return nil
}

// Action is the action of that id.
func (m *Model) Action(id string) (Action, error) {
	if a := m.actions[id]; a != nil {
		return *a, nil
	}
	return Action{}, fmt.Errorf("action %q not found", id)
}

// ActionIDs are all actions, oldest first.
func (m *Model) ActionIDs() []string {
	number := func(id string) int { n, _ := strconv.Atoi(id); return n }
	return slices.SortedFunc(maps.Keys(m.actions), func(a, b string) int { return cmp.Compare(number(a), number(b)) })
}

func (m *Model) actionHook(id string) Hook {
	return Hook{Hook: juju.Hook{Kind: juju.Action, Name: m.actions[id].Name}, ActionID: id}
}

func (m *Model) startAction(u *unit, id string) {
	u.Queue = slices.DeleteFunc(u.Queue, func(other string) bool { return other == id })
	m.actions[id].Status, m.actions[id].Started = "running", m.now
}

func (m *Model) finish(a *Action, status, message string, results map[string]any) {
	if a == nil {
		return
	}
	a.Status, a.Message, a.Results, a.Completed = status, message, results, m.now
	m.change++
}

// endAction ends an action. Its failure is not the unit's: the agent goes back
// to what it was doing.
func (c *Context) endAction(o Outcome) error {
	m, u := c.model, c.unit
	u.Op.Action = ""
	if u.Op.Step == pending {
		m.failed(u)
	}
	a := m.actions[c.hook.ActionID]
	results := c.results
	if results == nil {
		results = make(map[string]any)
	}
	results["return-code"] = o.ExitCode
	for key, text := range map[string][]byte{"stdout": o.Stdout, "stderr": o.Stderr} {
		if len(text) > 0 {
			results[key] = string(text)
		}
	}
	// A cancelled action that succeeds all the same is completed.
	failed := "failed"
	if a.Status == "aborting" {
		failed = "aborted"
	}
	switch {
	case o.Killed:
		m.finish(a, failed, "action terminated", results)
		return nil
	case o.Missing:
		delete(results, "return-code")
		m.finish(a, failed, fmt.Sprintf("action not implemented on unit %q", u.Name), results)
		return nil
	case o.ExitCode != 0:
		m.finish(a, failed, fmt.Sprintf("exit status %d", o.ExitCode), results)
		return nil
	}
	message := ""
	if c.failure != nil {
		message = *c.failure
	}
	if err := c.flush(); err != nil {
		text, _ := results["stderr"].(string)
		if text != "" {
			text += "\n"
		}
		results["stderr"], results["return-code"] = text+err.Error(), 1
		m.finish(a, "failed", cmp.Or(message, "committing requested changes failed"), results)
		return err
	}
	if c.failure == nil {
		failed = "completed"
	}
	m.finish(a, failed, message, results)
	return nil
}
