package ops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// flush sends what the hook has gathered, each kind once. What the leader
// writes comes as late as can be, since Juju refuses the whole hook if
// leadership is gone when it ends; version and status come last, since they
// stay even if the hook fails.
func (u *Unit) flush(ctx context.Context) error {
	newVersion, err := u.rememberVersion(ctx)
	if err != nil {
		return err
	}
	if err := u.flushBags(ctx, false); err != nil {
		return err
	}
	if err := u.flushState(ctx); err != nil {
		return err
	}
	if err := u.flushStorage(ctx); err != nil {
		return err
	}
	if err := u.flushSecrets(ctx); err != nil {
		return err
	}
	if err := u.flushBags(ctx, true); err != nil {
		return err
	}
	if newVersion {
		if err := u.tools.ApplicationVersionSet(ctx, u.version); err != nil {
			return fmt.Errorf("cannot set workload version: %w", err)
		}
	}
	if u.hook.Kind == juju.Action && !u.planned {
		// An action that did not look at the whole unit cannot tell its status.
		return nil
	}
	if err := u.flushAppStatus(ctx); err != nil {
		return err
	}
	return u.flushStatus(ctx)
}

// versionKey remembers what was given to application-version-set, which Juju
// offers no tool to read.
const versionKey = "ops.version"

func (u *Unit) rememberVersion(ctx context.Context) (changed bool, err error) {
	if u.version == "" {
		return false, nil
	}
	state, err := u.readState(ctx)
	if err != nil || state[versionKey] == u.version {
		return false, err
	}
	return true, u.SetState(ctx, versionKey, u.version)
}

// flushBags sends each changed databag once, in a fixed order.
func (u *Unit) flushBags(ctx context.Context, app bool) error {
	keys := slices.SortedFunc(maps.Keys(u.writes), func(a, b bagKey) int { return compareIDs(a.relation, b.relation) })
	for _, key := range keys {
		if key.app != app {
			continue
		}
		err := u.tools.RelationSet(ctx, key.relation, key.app, u.writes[key])
		if app && u.lostLeadership(err, "databag", key.relation) {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("cannot write databag of %s in relation %s: %w", key.owner, key.relation, err)
		}
		delete(u.writes, key)
	}
	return nil
}

// lostLeadership says whether a write failed for want of leadership that the
// unit had when it decided on it. The new leader decides anew; nothing is
// wrong with this hook.
func (u *Unit) lostLeadership(err error, what, name string) bool {
	if !errors.Is(err, hooktool.ErrNotLeader) {
		return false
	}
	u.log.Info("lost leadership during the hook: the new leader writes this", "what", what, "name", name)
	return true
}

func (u *Unit) flushState(ctx context.Context) error {
	set := Bag{}
	for _, key := range slices.Sorted(maps.Keys(u.stateDiff)) {
		if value := u.stateDiff[key]; value != "" {
			set[key] = value
			continue
		}
		if err := u.tools.StateDelete(ctx, key); err != nil {
			return fmt.Errorf("cannot delete unit state %q: %w", key, err)
		}
	}
	if len(set) > 0 {
		if err := u.tools.StateSet(ctx, set); err != nil {
			return fmt.Errorf("cannot write unit state: %w", err)
		}
	}
	clear(u.stateDiff)
	return nil
}

// flushStorage asks for each storage once: Juju adds up what several calls ask
// for.
func (u *Unit) flushStorage(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(u.storageAdds)) {
		if err := u.tools.StorageAdd(ctx, name, u.storageAdds[name]); err != nil {
			return fmt.Errorf("cannot add storage %q: %w", name, err)
		}
	}
	clear(u.storageAdds)
	return nil
}

// flushSecrets sends all changes of a secret in one call: of two calls in one
// hook Juju keeps what the second says.
func (u *Unit) flushSecrets(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(u.secretSets)) {
		err := u.tools.SecretSet(ctx, id, *u.secretSets[id])
		if u.lostLeadership(err, "secret", id) {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("cannot change secret %s: %w", id, err)
		}
	}
	clear(u.secretSets)
	return nil
}

// flushStatus writes the worst status, once, if it differs. Juju itself
// changes the status in some hooks, so it is read each time; but what the
// hook has set since it read it, status-get does not show (Juju 3.6).
func (u *Unit) flushStatus(ctx context.Context) error {
	want := shown(juju.Worst(slices.Concat(u.statuses, u.moreStatuses)...))
	if want.Name == "" {
		want = Active("")
	}
	if !u.progressed {
		have, err := u.tools.StatusGet(ctx)
		if err != nil {
			return fmt.Errorf("cannot read status: %w", err)
		}
		if have == want {
			return nil
		}
	}
	if err := u.tools.StatusSet(ctx, want); err != nil {
		return fmt.Errorf("cannot set status: %w", err)
	}
	return nil
}

// flushAppStatus does the same for the application, if the charm gives one.
func (u *Unit) flushAppStatus(ctx context.Context) error {
	want := shown(juju.Worst(u.appStatuses...))
	if want.Name == "" {
		return nil
	}
	if leader, err := u.Leader(ctx); err != nil || !leader {
		return err
	}
	have, _, err := u.tools.StatusGetApp(ctx)
	if err == nil && have != want {
		err = u.tools.StatusSetApp(ctx, want)
	}
	if err != nil && !u.lostLeadership(err, "status", u.App()) {
		return fmt.Errorf("cannot set the application's status: %w", err)
	}
	return nil
}
