package simulation

import (
	"context"

	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

// foreignApp is an application by somebody else, on the other side of every
// interface.
const foreignApp = "foreign"

func foreignMetadata() *model.Charm {
	return &model.Charm{Name: foreignApp, Endpoints: []model.Endpoint{
		{Name: "offers-pulsar", Role: model.Provider, Interface: "pulsar_client"},
		{Name: "offers-zookeeper", Role: model.Provider, Interface: "zookeeper"},
		{Name: "pulsar", Role: model.Requirer, Interface: "pulsar_client"},
		{Name: "zookeeper", Role: model.Requirer, Interface: "zookeeper"},
	}}
}

// foreignCharm writes garbage into its databags, other garbage now and then.
type foreignCharm struct{ w *world }

// garbage are values that no charm should use, by key: of another type, of
// another program, too long, or none.
var garbage = map[string][]string{
	"endpoints":            {"", ",,,", "no-port", "a:b:c", "x:0", "../../etc/passwd:1", "ünïcode:2181"},
	"metadata-service-uri": {"", "zk://a:1/ledgers", "zk+hierarchical://;;/ledgers", "zk+hierarchical://a:1", "null"},
	"metadata-initialised": {"", "yes", "True", "1"},
	"cluster-name":         {"", "a b", "$(reboot)", "{}"},
	"max-frame-size":       {"", "-1", "big", "99999999999999999999"},
	"session-timeout":      {"", "-5", "1e3"},
	"service-url":          {"", "pulsar://", "http://a:1", "pulsar://a:1,b"},
	"web-service-url":      {"", "http://", "a:8080"},
	"ready":                {"", "maybe"},
	"bookie-id":            {"", "nobody", "a:b:c", "pulsar-0:99999"},
	"state":                {"", "serving", "[]"},
	"fqdn":                 {"", "a b", "-"},
	"password":             {"", "x"},
}

// Reconcile implements ops.Charm.
func (c foreignCharm) Reconcile(ctx context.Context, u *ops.Unit) error {
	leader, err := u.Leader(ctx)
	if err != nil {
		return err
	}
	var plan ops.Plan
	for _, endpoint := range c.w.charms[foreignApp].Endpoints {
		relations, err := u.Relations(ctx, endpoint.Name)
		if err != nil {
			return err
		}
		for _, r := range relations {
			plan.Databags = append(plan.Databags, ops.Databag{Relation: r.ID, Data: c.garbage()})
			if leader {
				plan.Databags = append(plan.Databags, ops.Databag{Relation: r.ID, App: true, Data: c.garbage()})
			}
		}
	}
	_, err = u.Apply(ctx, plan)
	return err
}

func (c foreignCharm) garbage() ops.Bag {
	bag := ops.Bag{}
	for _, key := range sorted(garbage) {
		if value := choose(c.w, garbage[key]); value != "" {
			bag[key] = value
		}
	}
	c.w.fault("garbage in a databag")
	return bag
}
