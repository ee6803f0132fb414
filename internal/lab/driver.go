package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

// driver runs one unit: one pod after the other, and the unit's agent in
// each. It lives as long as the model wants a pod for the unit.
type driver struct {
	d    *Daemon
	unit string

	// Below is guarded by d.mu.
	address   string // of the present pod
	pod       Pod
	ready     bool   // the present pod's containers answered and its agent was idle
	replacing bool   // the present pod is to be replaced
	forced    bool   // and without grace
	retired   bool   // the unit is gone
	fault     string // why there is no pod
	// end ends the session with the present pod.
	end context.CancelCauseFunc
}

// Why a session with a pod ends.
var (
	errPodGone  = errors.New("the pod has gone")
	errReplaced = errors.New("the pod is replaced")
	errRetired  = errors.New("the unit is gone")
	errStale    = errors.New("the pod is of an earlier unit of that name")
	errGaveUp   = errors.New("the agent gave up")
)

// drive starts a unit's driver; d.mu is held.
func (d *Daemon) drive(ctx context.Context, unit string) {
	u := &driver{d: d, unit: unit}
	if record := d.record.State.Pods[unit]; record != nil {
		u.address = record.Address
	}
	d.drivers[unit] = u
	d.work.Add(1)
	go func() {
		defer d.work.Done()
		u.run(ctx)
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.drivers[unit] == u {
			delete(d.drivers, unit)
		}
		d.touch()
	}()
}

// driven says whether a unit of the application still has a driver; d.mu is
// held.
func (d *Daemon) driven(app string) bool {
	for unit := range d.drivers {
		if len(unit) > len(app) && unit[:len(app)] == app && unit[len(app)] == '/' {
			return true
		}
	}
	return false
}

// retire ends the driver and its pod; d.mu is held.
func (u *driver) retire() {
	if u.retired {
		return
	}
	u.retired = true
	if u.end != nil {
		u.end(errRetired)
	}
}

// replace ends the pod, and a new one follows. Unless forced, the unit's stop
// hook runs before, for as long as the pod's grace lasts; d.mu is held.
func (u *driver) replace(force bool) {
	if u.end == nil {
		return // there is no pod; the next is new anyway
	}
	end := u.end
	if force {
		u.replacing, u.forced = true, true
		end(errReplaced)
		return
	}
	if u.replacing {
		return
	}
	u.replacing = true
	if err := u.d.record.Model.PodTerminating(u.unit); err != nil {
		u.d.log.add(u.unit, "WARNING", "lab", err.Error())
	}
	u.d.touch()
	pod := u.pod
	go func() {
		terminating, cancel := context.WithTimeout(context.Background(), u.d.timing.Grace)
		defer cancel()
		if err := pod.Terminate(terminating); err != nil {
			end(errReplaced)
		}
	}()
	time.AfterFunc(u.d.timing.Grace, func() { end(errReplaced) })
}

func (u *driver) isRetired() bool {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	return u.retired
}

// isWanted asks the model itself: a session may end with its unit, before the
// driver is told to retire.
func (u *driver) isWanted() bool {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	m := u.d.record.Model
	return !u.retired && m != nil && slices.Contains(m.WantsPods(juju.Application(u.unit)), u.unit)
}

func (u *driver) run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil && u.isWanted() {
		pod, fresh, err := u.obtain(ctx)
		if err != nil {
			u.d.log.add(u.unit, "ERROR", "lab", err.Error())
			u.blame(err)
			wait(ctx, backoff(failures, time.Second, 30*time.Second))
			failures++
			continue
		}
		began := time.Now()
		cause := u.serve(ctx, pod, fresh)
		if ctx.Err() != nil {
			return // the daemon ends; the pod stays for the next one
		}
		u.release(ctx, pod, cause)
		if time.Since(began) > 10*time.Second {
			failures = 0
		} else if errors.Is(cause, errPodGone) {
			wait(ctx, backoff(failures, 100*time.Millisecond, 10*time.Second))
			failures++
		}
	}
	if ctx.Err() == nil {
		u.discard()
	}
}

// wait waits, or not so long if ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// obtain adopts the pod that is on record, or starts a new one.
func (u *driver) obtain(ctx context.Context) (pod Pod, fresh bool, err error) {
	d := u.d
	d.mu.Lock()
	record := d.record.State.Pods[u.unit]
	var spec PodSpec
	if record != nil {
		spec, err = d.podSpec(d.record.Model, u.unit, record)
	}
	d.mu.Unlock()
	if err != nil {
		return nil, false, err
	}
	if record != nil {
		if pod, err := d.runtime.Adopt(ctx, spec); err == nil {
			u.hold(pod, record.Address)
			return pod, false, nil
		}
		u.discard()
	}
	record, err = d.newPod(u.unit)
	if err != nil {
		return nil, false, err
	}
	// On record before it runs: a pod that nobody knows would never end.
	d.mu.Lock()
	d.record.State.Pods[u.unit] = record
	spec, err = d.podSpec(d.record.Model, u.unit, record)
	if err == nil {
		err = d.record.save(d.home)
	}
	if err == nil {
		u.address = record.Address
		d.writeHosts()
	}
	d.mu.Unlock()
	if err == nil {
		pod, err = d.runtime.Start(ctx, spec)
	}
	if err != nil {
		u.discard()
		return nil, false, fmt.Errorf("cannot start the pod of %s: %w", u.unit, err)
	}
	u.hold(pod, record.Address)
	return pod, true, nil
}

// blame shows in the status why there is no pod.
func (u *driver) blame(err error) {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	u.fault = err.Error()
	u.d.touch()
}

func (u *driver) hold(pod Pod, address string) {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	u.pod, u.address, u.ready, u.replacing, u.forced, u.fault = pod, address, false, false, false, ""
}

// release ends a pod whose session is over.
func (u *driver) release(ctx context.Context, pod Pod, cause error) {
	d := u.d
	d.mu.Lock()
	forced := u.forced
	d.mu.Unlock()
	err := d.update(func(m *model.Model) error { return m.PodDown(u.unit) })
	if err != nil && !u.isRetired() && !errors.Is(cause, errStale) {
		d.log.add(u.unit, "WARNING", "lab", err.Error())
	}
	if errors.Is(cause, errPodGone) || forced {
		err = pod.Kill()
	} else {
		err = pod.Stop(ctx, d.timing.Grace)
	}
	if err != nil {
		d.log.add(u.unit, "WARNING", "lab", "cannot end the pod: "+err.Error())
	}
	if ctx.Err() == nil {
		u.discard()
	}
}

// discard forgets the pod on record and removes its directory.
func (u *driver) discard() {
	d := u.d
	d.mu.Lock()
	record := d.record.State.Pods[u.unit]
	delete(d.record.State.Pods, u.unit)
	u.pod, u.address, u.ready, u.end = nil, "", false, nil
	d.mu.Unlock()
	if record == nil {
		return
	}
	if err := os.RemoveAll(record.Dir); err != nil {
		d.log.add(u.unit, "WARNING", "lab", "cannot remove what a pod left: "+err.Error())
	}
}

// serve is the agent's life in one pod, worker after worker. It returns why
// it ended.
func (u *driver) serve(ctx context.Context, pod Pod, fresh bool) error {
	for {
		cause := u.session(ctx, pod, fresh)
		if !errors.Is(cause, errGaveUp) {
			return cause
		}
		fresh = false
		wait(ctx, u.d.timing.Worker)
		select {
		case <-pod.Gone():
			return errPodGone
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
	}
}

// session is one agent process: its polls, its timers and its hooks.
func (u *driver) session(parent context.Context, pod Pod, fresh bool) error {
	d := u.d
	ctx, cancel := context.WithCancelCause(parent)
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer cancel(nil)
	d.mu.Lock()
	u.end = cancel
	if u.retired {
		d.mu.Unlock()
		return errRetired
	}
	address := u.address
	d.mu.Unlock()
	watchers.Add(1)
	go func() {
		defer watchers.Done()
		select {
		case <-pod.Gone():
			cancel(errPodGone)
		case <-ctx.Done():
		}
	}()
	if err := u.up(ctx, model.PodInfo{Address: address, Fresh: fresh}); err != nil {
		return err
	}
	var containers []model.Container
	d.mu.Lock()
	if charm := d.record.Model.CharmOf(u.unit); charm != nil {
		containers = charm.Containers
	}
	d.mu.Unlock()
	seen := &sightings{want: len(containers)}
	for _, c := range containers {
		w := &watch{u: u, container: c.Name, pebble: pod.Workload(c.Name), seen: seen}
		watchers.Add(2)
		go func() { defer watchers.Done(); w.boots(ctx) }()
		go func() { defer watchers.Done(); w.notices(ctx) }()
	}
	a := &agent{u: u, pod: pod, seen: seen}
	if cause := a.run(ctx); cause != nil {
		return cause
	}
	return context.Cause(ctx)
}

// up tells the model that the agent started. A unit that is dead, and only
// waits for others to follow, has no agent any more; one that is made again
// under the same name has.
func (u *driver) up(ctx context.Context, info model.PodInfo) error {
	d := u.d
	for {
		err := d.update(func(m *model.Model) error { return m.PodUp(u.unit, info) })
		if err == nil {
			return nil
		}
		d.mu.Lock()
		changed := d.changed
		d.mu.Unlock()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		case <-time.After(time.Second):
		}
	}
}
