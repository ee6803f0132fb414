package model

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// view is what a hook's environment and tools show.
type view struct {
	Hook, Relation, RemoteUnit, RemoteApp, Departing string
	Workload, Notice, Storage, Secret, Label         string
	Revision, Action                                 string
	Leader                                           bool
	List, IDs                                        []string
	Unit, App                                        map[string]string
}

// traced is what tells hooks apart in a trace.
func traced(v view) string {
	return strings.Join([]string{v.Hook, v.Relation, v.RemoteUnit, v.RemoteApp, v.Departing, v.Notice, v.Storage, v.Secret, v.Revision, v.Action}, "|")
}

func (h Hook) traced() view {
	v := view{Hook: h.String(), Relation: h.RelationID, RemoteUnit: h.RemoteUnit, RemoteApp: h.RemoteApp, Departing: h.DepartingUnit, Storage: h.StorageID, Secret: h.SecretID}
	if h.Kind == juju.Action {
		v.Hook = "action:" + h.Name
		v.Action = traceAction(h.ActionID)
	}
	if h.NoticeID != "" {
		v.Notice = h.NoticeID + " " + h.NoticeType + " " + h.NoticeKey
	}
	if h.SecretRevision > 0 {
		v.Revision = fmt.Sprint(h.SecretRevision)
	}
	return v
}

// traceAction is the number of an action in the traces, where operations are
// not counted.
func traceAction(id string) string {
	var n int
	fmt.Sscan(id, &n)
	return fmt.Sprint(n / 2)
}

func (h traceHook) view() view {
	v := view{
		Hook: h.Hook, Relation: h.Relation, Departing: h.DepartingUnit, Workload: h.Workload, Notice: h.Notice,
		Storage: h.Storage, Secret: h.Secret, Label: h.Label, Action: h.Action, Leader: h.Leader == "true",
		List: h.RelationList, IDs: h.RelationIDs, Unit: h.RemoteData, App: h.RemoteAppData,
		RemoteUnit: text(h.RemoteUnit), RemoteApp: text(h.RemoteApp),
	}
	if h.Revision != nil {
		v.Revision = fmt.Sprint(h.Revision)
	}
	return v.trim()
}

// mask leaves out what a told hook does not say.
func (h traceHook) mask(v view) view {
	if !h.told {
		return v
	}
	if h.Leader == "" {
		v.Leader = false
	}
	if h.RelationList == nil {
		v.List = nil
	}
	if h.RemoteData == nil {
		v.Unit = nil
	}
	if h.RemoteAppData == nil {
		v.App = nil
	}
	if h.DepartingUnit == "" {
		v.Departing = ""
	}
	v.IDs, v.Label = h.RelationIDs, h.Label
	if h.Action == "" {
		v.Action = ""
	}
	return v
}

// trim makes empty and absent the same.
func (v view) trim() view {
	if len(v.List) == 0 {
		v.List = nil
	}
	if len(v.IDs) == 0 {
		v.IDs = nil
	}
	if len(v.Unit) == 0 {
		v.Unit = nil
	}
	if len(v.App) == 0 {
		v.App = nil
	}
	return v
}

// view asks the hook's environment and tools.
func (r *replay) view(c *Context) view {
	e := c.Environment()
	v := view{
		Hook: e.Hook.String(), Relation: e.RelationID, RemoteUnit: e.RemoteUnit, RemoteApp: e.RemoteApp, Departing: e.DepartingUnit,
		Workload: e.Workload, Storage: e.StorageID, Secret: e.SecretID, Label: e.SecretLabel,
	}
	if e.Hook.Kind == juju.Action {
		v.Hook, v.Action = "action:"+e.ActionName, traceAction(e.ActionUUID)
	}
	if e.NoticeID != "" {
		v.Notice = e.NoticeID + " " + e.NoticeType + " " + e.NoticeKey
	}
	if e.SecretRevision > 0 {
		v.Revision = fmt.Sprint(e.SecretRevision)
	}
	r.ask(c, &v.Leader, "is-leader")
	if !e.Hook.Relation() {
		return v
	}
	r.ask(c, &v.List, "relation-list")
	r.ask(c, &v.IDs, "relation-ids")
	if e.RemoteUnit != "" {
		r.ask(c, &v.Unit, "relation-get", "-", e.RemoteUnit)
		for _, key := range []string{"private-address", "ingress-address", "egress-subnets"} {
			delete(v.Unit, key)
		}
	}
	if e.RemoteApp != "" {
		r.ask(c, &v.App, "relation-get", "--app", "-", e.RemoteApp)
	}
	return v.trim()
}

func (r *replay) ask(c *Context, into any, tool string, args ...string) {
	code, out, errOut, _ := c.Run(tool, append([]string{"--format=json"}, args...), nil, false, nil)
	if code != 0 {
		r.wrong("%s: %s: exit %d %s", c.hook.Describe(), tool, code, errOut)
		return
	}
	if err := json.Unmarshal(out, into); err != nil {
		r.wrong("%s: %q: %w", tool, out, err)
	}
}

func (r *replay) run(c *Context, tool string, args ...string) {
	if code, _, errOut, _ := c.Run(tool, args, nil, false, nil); code != 0 {
		r.wrong("%s: %s %v: exit %d %s", c.hook.Describe(), tool, args, code, errOut)
	}
}
