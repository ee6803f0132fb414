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

// reconcile is a hook but for its flush.
func (u *Unit) reconcile(ctx context.Context, charm Charm) error {
	if err := u.heal(u.handle(ctx, charm)); err != nil {
		return err
	}
	err := charm.Reconcile(ctx, u)
	if errors.Is(err, hooktool.ErrNotLeader) && u.demote() {
		// Leadership moved in the middle. What only a leader writes is the
		// new one's now; the rest is decided once more, without it.
		u.log.Info("lost leadership during the hook")
		err = charm.Reconcile(ctx, u)
	}
	return u.heal(err)
}

// heal takes an error that is a status for one. The hook then succeeds.
func (u *Unit) heal(err error) error {
	if err == nil {
		return nil
	}
	status, ok := statusOf(err)
	if !ok {
		return err
	}
	u.log.Warn("cannot go on in this hook", "error", err)
	u.AddStatus(status)
	return nil
}

// demote forgets that the unit leads, and what it wrote as the leader. It
// reports false if the charm did not take the unit for one.
func (u *Unit) demote() bool {
	if u.leader == nil || !*u.leader {
		return false
	}
	*u.leader = false
	for key := range u.writes {
		if key.app {
			delete(u.writes, key)
			delete(u.bags, key)
			delete(u.committed, key)
		}
	}
	for id := range u.secretSets {
		if s := u.owned[id]; s != nil && !s.Unit {
			delete(u.secretSets, id)
			delete(u.owned, id)
		}
	}
	u.statuses, u.appStatuses = nil, nil
	return true
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
