package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

const (
	container = "work"
	config    = "/etc/twin.conf"
	down      = "/tmp/down"
)

// charm is one hook's.
type charm struct {
	once ops.Bag // what only this hook knows, for the peer databag
}

// options are config.yaml's.
type options struct {
	Text  string  `option:"text"`
	Lines string  `option:"lines"`
	Bare  string  `option:"bare"`
	Count int     `option:"count"`
	Port  int     `option:"port"`
	Ratio float64 `option:"ratio"`
	Whole float64 `option:"whole"`
	Flag  bool    `option:"flag"`
	Crash bool    `option:"crash"`
	Token string  `option:"token"`
}

// all are the options as the configuration file has them, in its order.
func (o options) all() [][2]string {
	list := [][2]string{
		{"bare", o.Bare}, {"count", strconv.Itoa(o.Count)}, {"flag", strconv.FormatBool(o.Flag)}, {"port", strconv.Itoa(o.Port)},
		{"ratio", text(o.Ratio)}, {"text", o.Text}, {"token", o.Token}, {"whole", text(o.Whole)},
	}
	return slices.DeleteFunc(list, func(option [2]string) bool { return option[1] == "" })
}

func text(number float64) string { return strconv.FormatFloat(number, 'g', 6, 64) }

// unit is one hook: what the charm looks at, and what it wants.
type unit struct {
	*ops.Unit
	options options
	leader  bool
	heard   []string
	plan    ops.Plan
	once    ops.Bag
}

// trace tells of the hook in the log.
func trace(u *ops.Unit, format string, args ...any) {
	u.Log().Info(fmt.Sprintf("trace "+u.Hook().String()+format, args...))
}

// Reconcile implements ops.Charm.
func (c *charm) Reconcile(ctx context.Context, u *ops.Unit) (err error) {
	now := unit{Unit: u, once: c.once}
	if now.leader, err = u.Leader(ctx); err != nil {
		return err
	}
	if err := u.Config(ctx, &now.options); err != nil {
		return err
	}
	if err := now.event(ctx); err != nil {
		return err
	}
	return now.reconcile(ctx)
}

// event traces those hooks for which the charm has no handler.
func (c *unit) event(ctx context.Context) error {
	env := c.Environment()
	switch c.Hook().Kind {
	case juju.PebbleCustomNotice, juju.PebbleCheckFailed, juju.PebbleCheckRecovered, juju.SecretRotate, juju.SecretExpired, juju.SecretRemove:
	case juju.RelationCreated, juju.RelationJoined, juju.RelationChanged, juju.RelationDeparted, juju.RelationBroken:
		trace(c.Unit, " relation=%s app=%s unit=%s departing=%s", env.RelationID, env.RemoteApp, env.RemoteUnit, env.DepartingUnit)
	case juju.StorageAttached, juju.StorageDetaching:
		trace(c.Unit, " storage=%s location=%s", c.Hook().Name, env.StorageLocation)
	case juju.SecretChanged:
		trace(c.Unit, " label=%s", env.SecretLabel)
		_, _, err := c.ReadSecret(ctx, ops.SecretRef{ID: env.SecretID, Label: env.SecretLabel, Refresh: true})
		return err
	default:
		trace(c.Unit, "")
		if c.Hook().Kind == juju.ConfigChanged && c.options.Crash {
			return errors.New("told to crash")
		}
	}
	return nil
}

// CustomNotice implements ops.NoticeHandler.
func (c *charm) CustomNotice(ctx context.Context, u *ops.Unit, notice ops.Notice) error {
	trace(u, " workload=%s type=%s key=%s", notice.Container, notice.Type, notice.Key)
	data, err := notice.Data(ctx)
	c.once = ops.Bag{"notice": strings.TrimSpace(notice.Key + " " + data["colour"])}
	return err
}

// CheckFailed implements ops.CheckFailedHandler.
func (c *charm) CheckFailed(ctx context.Context, u *ops.Unit, check ops.Check) error {
	info, _, err := check.Info(ctx)
	trace(u, " workload=%s check=%s status=%s", check.Container, check.Name, info.Status)
	c.once = ops.Bag{"check": check.Name + " " + info.Status}
	return err
}

// CheckRecovered implements ops.CheckRecoveredHandler.
func (c *charm) CheckRecovered(ctx context.Context, u *ops.Unit, check ops.Check) error {
	return c.CheckFailed(ctx, u, check)
}

// SecretRotate implements ops.SecretRotateHandler.
func (c *charm) SecretRotate(ctx context.Context, u *ops.Unit, event ops.SecretEvent) error {
	trace(u, " label=%s", event.Label)
	secret, ok, err := u.OwnSecret(ctx, ops.SecretRef{ID: event.ID})
	if err != nil || !ok {
		return err
	}
	return secret.SetContent(ctx, password(fmt.Sprintf("rotated-%d", secret.Revision)))
}

// SecretExpired implements ops.SecretExpiredHandler.
func (c *charm) SecretExpired(ctx context.Context, u *ops.Unit, event ops.SecretEvent) error {
	trace(u, " label=%s revision=%d", event.Label, event.Revision)
	secret, ok, err := u.OwnSecret(ctx, ops.SecretRef{ID: event.ID})
	if err != nil || !ok {
		return err
	}
	return secret.SetContent(ctx, password(fmt.Sprintf("after-%d", event.Revision)))
}

// SecretRemove implements ops.SecretRemoveHandler.
func (c *charm) SecretRemove(ctx context.Context, u *ops.Unit, event ops.SecretEvent) error {
	trace(u, " label=%s revision=%d", event.Label, event.Revision)
	return event.RemoveRevision(ctx)
}

// RelationBroken implements ops.RelationBrokenHandler: the secret of a relation
// goes with it.
func (c *charm) RelationBroken(ctx context.Context, u *ops.Unit, relation *ops.Relation) error {
	leader, err := u.Leader(ctx)
	if err != nil || !leader || relation.Endpoint != "source" {
		return err
	}
	secret, ok, err := u.OwnSecret(ctx, ops.SecretRef{Label: label("source", relation.ID)})
	if err != nil || !ok {
		return err
	}
	return secret.Remove(ctx)
}

var (
	_ ops.NoticeHandler         = (*charm)(nil)
	_ ops.CheckFailedHandler    = (*charm)(nil)
	_ ops.CheckRecoveredHandler = (*charm)(nil)
	_ ops.SecretRotateHandler   = (*charm)(nil)
	_ ops.SecretExpiredHandler  = (*charm)(nil)
	_ ops.SecretRemoveHandler   = (*charm)(nil)
	_ ops.RelationBrokenHandler = (*charm)(nil)
)

func password(text string) map[string]ops.Secret {
	return map[string]ops.Secret{"password": ops.NewSecret(text)}
}

// label names the secret of a relation, such as source-3.
func label(endpoint, relation string) string {
	return endpoint + "-" + relation[strings.LastIndexByte(relation, ':')+1:]
}

func (c *unit) reconcile(ctx context.Context) error {
	planned := 0
	if c.leader {
		goal, err := c.Goal(ctx)
		if err != nil {
			return err
		}
		planned = len(goal.Units)
	}
	peers, err := c.peers(ctx, planned)
	if err != nil {
		return err
	}
	if err := c.offer(ctx); err != nil {
		return err
	}
	if err := c.listen(ctx); err != nil {
		return err
	}
	c.plan.Ports = []string{fmt.Sprintf("%d/tcp", c.options.Port)}
	c.plan.Version = fmt.Sprintf("1.%d", c.options.Count)
	if c.options.Count < 0 {
		c.plan.Statuses = append(c.plan.Statuses, ops.Blocked(fmt.Sprintf("option count: %d is negative", c.options.Count)))
	}
	if _, err := c.Container(container).SystemInfo(ctx); pebble.Unavailable(err) {
		c.plan.Statuses = append(c.plan.Statuses, juju.Status{Name: juju.Waiting, Message: "for the container"})
	} else {
		c.plan.Containers = map[string]pebble.Desired{container: c.desired()}
		c.plan.Statuses = append(c.plan.Statuses, ops.Active(fmt.Sprintf("%d peers, port %d", peers, c.options.Port)))
	}
	if c.leader {
		c.plan.AppStatuses = []juju.Status{ops.Active(fmt.Sprintf("planned %d", planned))}
		if !c.options.Flag {
			c.plan.AppStatuses = []juju.Status{{Name: juju.Waiting, Message: "for the flag"}}
		}
	}
	_, err = c.Apply(ctx, c.plan)
	return err
}

// peers writes into the peer relation and returns the number of peers.
func (c *unit) peers(ctx context.Context, planned int) (count int, err error) {
	relations, err := c.Relations(ctx, "cluster")
	if err != nil {
		return 0, err
	}
	for _, r := range relations {
		if r.Broken {
			continue
		}
		own, err := r.LocalUnit(ctx)
		if err != nil {
			return 0, err
		}
		bag := ops.Bag{"greeting": c.options.Text + " from " + c.Name(), "notice": own["notice"], "check": own["check"]}
		for key, value := range c.once {
			bag[key] = value
		}
		c.plan.Databags = append(c.plan.Databags, ops.Databag{Relation: r.ID, Data: bag})
		if c.leader {
			c.plan.Databags = append(c.plan.Databags, ops.Databag{
				Relation: r.ID, App: true, Data: ops.Bag{"text": c.options.Text, "planned": strconv.Itoa(planned)},
			})
		}
		for _, peer := range r.Units {
			data, err := r.RemoteUnit(ctx, peer)
			if err != nil {
				return 0, err
			}
			c.heard = append(c.heard, data["greeting"])
		}
		count = len(r.Units)
	}
	slices.Sort(c.heard)
	return count, nil
}

func (c *unit) offer(ctx context.Context) error {
	relations, err := c.Relations(ctx, "source")
	if err != nil {
		return err
	}
	for _, r := range relations {
		if r.Broken {
			continue
		}
		c.plan.Databags = append(c.plan.Databags, ops.Databag{Relation: r.ID, Data: ops.Bag{"port": strconv.Itoa(c.options.Port)}})
		if !c.leader {
			continue
		}
		secret, err := c.EnsureSecret(ctx, ops.SecretSpec{
			Label: label("source", r.ID), Make: func() (map[string]ops.Secret, error) { return password("first"), nil },
			SecretInfo: ops.SecretInfo{Description: "of a relation", Rotate: ops.RotateHourly},
			Readers:    []string{r.ID},
		})
		if err != nil {
			return err
		}
		c.plan.Databags = append(c.plan.Databags, ops.Databag{
			Relation: r.ID, App: true, Data: ops.Bag{"text": c.options.Text, "secret": secret.ID},
		})
	}
	return nil
}

func (c *unit) listen(ctx context.Context) error {
	relations, err := c.Relations(ctx, "sink")
	if err != nil {
		return err
	}
	for _, r := range relations {
		if r.Broken {
			continue
		}
		remote, err := r.RemoteApp(ctx)
		if err != nil {
			return err
		}
		var ports []string
		for _, other := range r.Units {
			data, err := r.RemoteUnit(ctx, other)
			if err != nil {
				return err
			}
			ports = append(ports, data["port"])
		}
		slices.Sort(ports)
		digest := ""
		if uri := remote["secret"]; uri != "" {
			content, ok, err := c.ReadSecret(ctx, ops.SecretRef{ID: uri, Label: label("sink", r.ID)})
			if err != nil {
				return err
			}
			if digest = "not granted"; ok {
				digest = fmt.Sprintf("%x", sha256.Sum256([]byte(content["password"].Reveal())))[:12]
			}
		}
		c.plan.Databags = append(c.plan.Databags, ops.Databag{
			Relation: r.ID, Data: ops.Bag{"heard": remote["text"], "ports": strings.Join(ports, ","), "digest": digest},
		})
		c.heard = append(c.heard, remote["text"])
	}
	return nil
}

func (c *unit) desired() pebble.Desired {
	var content strings.Builder
	for _, option := range c.options.all() {
		fmt.Fprintf(&content, "%s=%s\n", option[0], option[1])
	}
	for _, heard := range c.heard {
		fmt.Fprintf(&content, "heard=%s\n", heard)
	}
	content.WriteString(c.options.Lines)
	return pebble.Desired{
		Label: "charm",
		Files: []pebble.File{{Path: config, Content: []byte(content.String()), Mode: fs.FileMode(0o640)}},
		Services: map[string]pebble.Service{"twin": {
			Summary: "sleeps", Command: "sleep 1000000", Startup: "enabled", Environment: map[string]string{"TEXT": c.options.Text},
		}},
		Checks: map[string]pebble.Check{"up": {
			Period: "2s", Timeout: "1900ms", Threshold: 2, Exec: &pebble.ExecCheck{Command: "test ! -e " + down},
		}},
	}
}
