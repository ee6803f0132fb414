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

// view asks the hook's environment and tools. Outside of a relation's hooks the
// charm may have looked at a relation, too: h says so.
func (r *replay) view(c *Context, h traceHook) view {
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
		r.look(c, h, &v)
		return v.trim()
	}
	r.ask(c, &v.List, "relation-list")
	r.ask(c, &v.IDs, "relation-ids")
	if h.ReadError != nil {
		// Rights are only roughly known to the recorder's controller.
		v.Unit, v.App = h.RemoteData, h.RemoteAppData
		return v.trim()
	}
	if e.RemoteUnit != "" {
		v.Unit = r.readUnit(c, e.RelationID, e.RemoteUnit)
	}
	if e.RemoteApp != "" {
		r.ask(c, &v.App, "relation-get", "--app", "-", e.RemoteApp)
	}
	return v.trim()
}

// look reads the first relation with another application, and its first unit,
// as far as h did.
func (r *replay) look(c *Context, h traceHook, v *view) {
	rel := r.relation("db")
	if rel == nil {
		rel = r.relation("zk")
	}
	if rel == nil || len(h.RelationList)+len(h.RelationIDs)+len(h.RemoteData)+len(h.RemoteAppData) == 0 {
		return
	}
	own, other, _ := rel.own(c.app.Name)
	var members []string
	r.ask(c, &members, "relation-list", "-r", rel.juju(c.app.Name))
	if len(h.RelationList) > 0 {
		v.List = members
	}
	if len(h.RelationIDs) > 0 {
		r.ask(c, &v.IDs, "relation-ids", own.Endpoint)
	}
	if len(h.RemoteData) > 0 && len(members) > 0 {
		v.Unit = r.readUnit(c, rel.juju(c.app.Name), members[0])
	}
	if len(h.RemoteAppData) > 0 {
		r.ask(c, &v.App, "relation-get", "-r", rel.juju(c.app.Name), "--app", "-", other.App)
	}
}

// readUnit is a unit's databag without Juju's own keys.
func (r *replay) readUnit(c *Context, relation, unit string) map[string]string {
	var data map[string]string
	r.ask(c, &data, "relation-get", "-r", relation, "-", unit)
	for _, key := range []string{"private-address", "ingress-address", "egress-subnets"} {
		delete(data, key)
	}
	return data
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
