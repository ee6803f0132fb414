package ops

import (
	"context"
	"fmt"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// What Juju tells only once comes to a charm through the interfaces of this
// file, each of one method. They are found by type, and a method of another
// shape is never called: let the compiler see it, with
//
//	var _ ops.StopHandler = (*Charm)(nil)
//
// A handler runs before Reconcile of the same hook, so that Reconcile sees
// what it did; what both write is sent together at the end. Its error fails
// the hook before Reconcile runs, and Juju runs the hook again with the same
// event (secret-rotate even once more after that). Two kinds of error do not
// fail it: one that is a status (see StatusError), and any error of a notice's
// or check's handler, since a failure there restarts the agent's worker every
// few seconds and shows no error to anybody. They are logged and shown as a
// status, and the event counts as handled.
//
// An event may come more than once: a hook that was killed runs again, notices
// repeat after each restart of the agent, and if the unit turns out to lead no
// more, handler and Reconcile run once more in the same hook, which has then
// forgotten what they had written.
type (
	// RelationDepartedHandler hears who leaves a relation. Reconcile sees only
	// that somebody is not there any more.
	RelationDepartedHandler interface {
		RelationDeparted(ctx context.Context, u *Unit, departed Departed) error
	}
	// RelationBrokenHandler hears that a relation is over for this unit. Own
	// databags can still be written; the remote application's data are mostly
	// refused by then. Whether the unit itself goes, Unit.Goal tells. Peer
	// relations break only in a dying unit whose agent was restarted.
	RelationBrokenHandler interface {
		RelationBroken(ctx context.Context, u *Unit, relation *Relation) error
	}
	// StorageDetachingHandler hears that a storage goes. In a dying unit it is
	// the first thing told, before relations end.
	StorageDetachingHandler interface {
		StorageDetaching(ctx context.Context, u *Unit, storage Storage) error
	}
	// StopHandler hears that the pod ends, within 30 seconds, or that the unit
	// does: Unit.Goal tells which. A pod that is lost has no stop.
	StopHandler interface {
		Stop(ctx context.Context, u *Unit) error
	}
	// RemoveHandler hears the last hook of the unit.
	RemoveHandler interface {
		Remove(ctx context.Context, u *Unit) error
	}
	// SecretExpiredHandler hears, as the owner, that a revision expired. Juju
	// says it once and does nothing itself.
	SecretExpiredHandler interface {
		SecretExpired(ctx context.Context, u *Unit, event SecretEvent) error
	}
	// SecretRotateHandler hears, as the owner, that a secret is due for new
	// content.
	SecretRotateHandler interface {
		SecretRotate(ctx context.Context, u *Unit, event SecretEvent) error
	}
	// SecretRemoveHandler hears, as the owner, that nobody reads a revision
	// any more. Juju says it once; what was out of use when the agent started
	// or the unit began to lead is never told.
	SecretRemoveHandler interface {
		SecretRemove(ctx context.Context, u *Unit, event SecretEvent) error
	}
	// NoticeHandler hears a custom notice of a container. Juju ≥ 3.4.
	NoticeHandler interface {
		CustomNotice(ctx context.Context, u *Unit, notice Notice) error
	}
	// CheckFailedHandler hears that a Pebble check failed as often as its
	// threshold. Juju ≥ 3.6.
	CheckFailedHandler interface {
		CheckFailed(ctx context.Context, u *Unit, check Check) error
	}
	// CheckRecoveredHandler hears that a failed check is well again. Juju ≥
	// 3.6.
	CheckRecoveredHandler interface {
		CheckRecovered(ctx context.Context, u *Unit, check Check) error
	}
)

// Departed says who leaves a relation.
type Departed struct {
	// Relation does not list the unit any more. The databag of Remote can
	// still be read.
	Relation *Relation
	// Remote is the remote unit that is told apart from this one: the one
	// that leaves, or if Self, one of those that stay.
	Remote string
	// Leaving is the unit that leaves: Remote, or this one.
	Leaving string
	// Self says that this unit leaves, because it or its application is going.
	Self bool
}

// SecretEvent says which secret of this owner an event is about.
type SecretEvent struct {
	ID    string // URI, secret:…
	Label string // the owner's; may be empty
	// Revision is what expired or is out of use; 0 in secret-rotate.
	Revision int

	unit *Unit
}

// RemoveRevision removes the event's revision at the end of the hook; of
// secret-rotate, which has none, it is an error.
func (e SecretEvent) RemoveRevision(ctx context.Context) error {
	if e.Revision == 0 {
		return fmt.Errorf("cannot remove a revision of secret %s: the event names none", e.ID)
	}
	if err := e.unit.tools.SecretRemove(ctx, e.ID, e.Revision); err != nil {
		return fmt.Errorf("cannot remove revision %d of secret %s: %w", e.Revision, e.ID, err)
	}
	return nil
}

// Notice is a notice of a container's Pebble.
type Notice struct {
	Container string
	ID        string // Pebble's number of it, the same each time it repeats
	Type      string // "custom"
	Key       string // such as "example.com/ready"

	unit *Unit
}

// Data asks the container for what was given with the notice the last time.
// It is nil if there was nothing, or if the notice has expired.
func (n Notice) Data(ctx context.Context) (map[string]string, error) {
	notices, err := n.unit.Container(n.Container).Notices(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot read notice %s of container %q: %w", n.ID, n.Container, err)
	}
	for _, notice := range notices {
		if notice.ID == n.ID {
			return notice.LastData, nil
		}
	}
	return nil, nil
}

// Check is a check of a container's Pebble.
type Check struct {
	Container string
	Name      string

	unit *Unit
}

// Info asks the container how the check is now, which may be otherwise than
// the event says. ok is false if the plan does not have it any more.
func (c Check) Info(ctx context.Context) (info pebble.CheckInfo, ok bool, err error) {
	checks, err := c.unit.Container(c.Container).Checks(ctx, c.Name)
	if err != nil {
		return info, false, fmt.Errorf("cannot read check %q of container %q: %w", c.Name, c.Container, err)
	}
	for _, check := range checks {
		if check.Name == c.Name {
			return check, true, nil
		}
	}
	return info, false, nil
}

// handle calls the charm's handler of what the hook tells, if it has one.
func (u *Unit) handle(ctx context.Context, charm Charm) error {
	switch u.hook.Kind {
	case juju.RelationDeparted, juju.RelationBroken:
		return u.handleRelation(ctx, charm)
	case juju.SecretExpired, juju.SecretRotate, juju.SecretRemove:
		return u.handleSecret(ctx, charm)
	case juju.PebbleCustomNotice, juju.PebbleCheckFailed, juju.PebbleCheckRecovered:
		err := u.handlePebble(ctx, charm)
		if u.deposed(err) {
			return err // once more
		}
		if err != nil {
			u.log.Error("handler failed", "hook", u.hook.String(), "error", err)
			u.AddStatus(Waiting(fmt.Sprintf("cannot handle %s: %s", u.hook, line(err))))
		}
	case juju.StorageDetaching:
		if h, ok := charm.(StorageDetachingHandler); ok {
			return h.StorageDetaching(ctx, u, Storage{ID: u.env.StorageID, Location: u.env.StorageLocation})
		}
	case juju.Stop:
		if h, ok := charm.(StopHandler); ok {
			return h.Stop(ctx, u)
		}
	case juju.Remove:
		if h, ok := charm.(RemoveHandler); ok {
			return h.Remove(ctx, u)
		}
	}
	return nil
}

func (u *Unit) handleRelation(ctx context.Context, charm Charm) error {
	departed, hearsDeparted := charm.(RelationDepartedHandler)
	broken, hearsBroken := charm.(RelationBrokenHandler)
	switch {
	case u.hook.Kind == juju.RelationDeparted && hearsDeparted:
		relation, err := u.hookRelation(ctx)
		if err != nil {
			return err
		}
		event := Departed{Relation: relation, Remote: u.env.RemoteUnit, Leaving: u.env.DepartingUnit}
		if event.Leaving == "" { // Juju before 2.8 does not say
			event.Leaving = event.Remote
		}
		event.Self = event.Leaving == u.Name()
		return departed.RelationDeparted(ctx, u, event)
	case u.hook.Kind == juju.RelationBroken && hearsBroken:
		relation, err := u.hookRelation(ctx)
		if err != nil {
			return err
		}
		return broken.RelationBroken(ctx, u, relation)
	}
	return nil
}

func (u *Unit) handleSecret(ctx context.Context, charm Charm) error {
	event := SecretEvent{ID: u.env.SecretID, Label: u.env.SecretLabel, Revision: u.env.SecretRevision, unit: u}
	switch u.hook.Kind {
	case juju.SecretExpired:
		if h, ok := charm.(SecretExpiredHandler); ok {
			return h.SecretExpired(ctx, u, event)
		}
	case juju.SecretRotate:
		if h, ok := charm.(SecretRotateHandler); ok {
			return h.SecretRotate(ctx, u, event)
		}
	case juju.SecretRemove:
		if h, ok := charm.(SecretRemoveHandler); ok {
			return h.SecretRemove(ctx, u, event)
		}
	}
	return nil
}

func (u *Unit) handlePebble(ctx context.Context, charm Charm) error {
	check := Check{Container: u.hook.Name, Name: u.env.CheckName, unit: u}
	switch u.hook.Kind {
	case juju.PebbleCustomNotice:
		if h, ok := charm.(NoticeHandler); ok {
			return h.CustomNotice(ctx, u, Notice{
				Container: u.hook.Name, ID: u.env.NoticeID, Type: u.env.NoticeType, Key: u.env.NoticeKey, unit: u,
			})
		}
	case juju.PebbleCheckFailed:
		if h, ok := charm.(CheckFailedHandler); ok {
			return h.CheckFailed(ctx, u, check)
		}
	case juju.PebbleCheckRecovered:
		if h, ok := charm.(CheckRecoveredHandler); ok {
			return h.CheckRecovered(ctx, u, check)
		}
	}
	return nil
}
