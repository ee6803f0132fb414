package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Charm is what an author writes. What Juju tells only once a charm hears
// through the one-method interfaces …Handler, if it has their methods.
type Charm interface {
	// Reconcile brings the unit from what it is to what it should be. It runs
	// in every hook and must write nothing if nothing differs. An error fails
	// the hook: Juju runs it again later and nothing else of the unit until
	// it succeeds. An error that is a status (see StatusError) does not.
	Reconcile(ctx context.Context, u *Unit) error
}

// Host is all of the world that one dispatch touches.
type Host struct {
	Environment juju.Environment
	Tools       hooktool.Runner
	// Pebble gives the daemon of a workload container.
	Pebble func(container string) pebble.Pebble
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// LogLevel is the lowest level that is sent to Juju; nil sends all, and
	// the agent keeps what the model's logging-config wants. No hook tool
	// tells a charm what that is.
	LogLevel slog.Leveler
}

// Run is one dispatch of a charm; nil means exit code 0. It calls the handler
// of what the hook tells, if the charm has it, then Reconcile, and sends the
// writes that were gathered, so a failed hook leaves none. Of a hook that Juju
// will tell again, an error is what makes it do so.
func Run(ctx context.Context, host Host, charm Charm) (err error) {
	u := newUnit(host)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
			u.log.Error("panic in hook", "hook", u.hook.String(), "panic", r, "stack", string(debug.Stack()))
			u.security(ctx, "sys_crash:panic", fmt.Sprintf("hook %s panicked", u.hook))
		}
	}()
	switch u.hook.Kind {
	case juju.CollectMetrics, juju.MeterStatusChanged, juju.PreSeriesUpgrade, juju.PostSeriesUpgrade:
		// Of machines and of old versions, some without most hook tools.
		u.log.Debug("ignoring hook", "hook", u.hook.String())
		return nil
	case juju.Action:
		err = u.runAction(ctx, charm)
	default:
		err = u.reconcile(ctx, charm)
	}
	if err == nil {
		err = u.flush(ctx)
	}
	if err != nil {
		u.log.Error("hook failed", "hook", u.hook.String(), "error", err)
		if refusal, ok := errors.AsType[*hooktool.ToolError](err); ok && (errors.Is(err, hooktool.ErrPermission) || errors.Is(err, hooktool.ErrNotLeader)) {
			u.security(ctx, "authz_fail:"+u.Name()+","+refusal.Tool, refusal.Error())
		}
	}
	return err
}

// reconcile is a hook but for its flush. If leadership moved in the middle,
// what only a leader writes is the new one's now: the charm begins once more,
// as one of many.
func (u *Unit) reconcile(ctx context.Context, charm Charm) error {
	err := u.attempt(ctx, charm)
	if u.deposed(err) {
		u.log.Info("lost leadership during the hook")
		u.demote()
		err = u.attempt(ctx, charm)
	}
	return err
}

func (u *Unit) attempt(ctx context.Context, charm Charm) error {
	if err := u.heal(u.handle(ctx, charm)); err != nil {
		return err
	}
	return u.heal(charm.Reconcile(ctx, u))
}

// heal takes an error that is a status for one. The hook then succeeds.
func (u *Unit) heal(err error) error {
	if err == nil {
		return nil
	}
	status, ok := statusOf(err)
	if !ok || u.deposed(err) {
		return err
	}
	u.log.Warn("cannot go on in this hook", "error", err)
	u.AddStatus(status)
	return nil
}

// deposed says that Juju refused what only a leader may, and that the charm
// took the unit for it.
func (u *Unit) deposed(err error) bool {
	return u.leader != nil && *u.leader && errors.Is(err, hooktool.ErrNotLeader)
}

// demote forgets that the unit leads, and what the hook has gathered, so that
// nothing of it is written twice when the charm decides anew. Changes of the
// unit's own secrets stay: the next ones take their place.
func (u *Unit) demote() {
	*u.leader = false
	for key, before := range u.committed {
		if u.bags[key] = before; key.app {
			delete(u.bags, key) // who does not lead may not read it
		}
	}
	clear(u.writes)
	clear(u.committed)
	u.state = u.stored
	clear(u.stateDiff)
	clear(u.storageAdds)
	for id := range u.secretSets {
		if s := u.owned[id]; s != nil && !s.Unit {
			delete(u.secretSets, id)
			delete(u.owned, id)
		}
	}
	u.statuses, u.moreStatuses, u.appStatuses = nil, nil, nil
}

// levelTrace is below slog's own levels; Juju has it.
const levelTrace = slog.LevelDebug - 4

// security logs an event of security in the form that Canonical's products
// share (OWASP's vocabulary), at TRACE, where collectors look for it.
func (u *Unit) security(ctx context.Context, event, description string) {
	text, err := json.Marshal(struct {
		Type        string `json:"type"`
		Time        string `json:"datetime"`
		Level       string `json:"level"`
		Event       string `json:"event"`
		Description string `json:"description"`
		App         string `json:"appid"`
	}{"security", u.Now().UTC().Format(time.RFC3339), "WARN", event, description, u.env.ModelUUID + "-" + u.Name()})
	if err == nil {
		u.log.Log(ctx, levelTrace, string(text))
	}
}
