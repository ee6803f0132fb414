package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

// Timing is how fast the lab's clocks run. A zero field has the default.
type Timing struct {
	Poll         time.Duration // look at Pebble's boot id; default 500 ms (Juju: 5 s)
	ReadyAgain   time.Duration // pebble-ready again after it failed; 5 s
	Retry        time.Duration // first automatic retry of a failed hook; 5 s, doubled up to RetryMax
	RetryMax     time.Duration // 5 min
	UpdateStatus time.Duration // 5 min; negative: never
	Leadership   time.Duration // a leader without an agent loses it after this; 15 s (Juju: 60 s)
	Grace        time.Duration // of a pod's end; 30 s
	Worker       time.Duration // restart of an agent that gave up; 3 s
}

func (t Timing) withDefaults() Timing {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&t.Poll, 500*time.Millisecond)
	set(&t.ReadyAgain, 5*time.Second)
	set(&t.Retry, 5*time.Second)
	set(&t.RetryMax, 5*time.Minute)
	set(&t.UpdateStatus, 5*time.Minute)
	set(&t.Leadership, 15*time.Second)
	set(&t.Grace, 30*time.Second)
	set(&t.Worker, 3*time.Second)
	return t
}

// Options describe a daemon.
type Options struct {
	// Home is the state directory; it must exist.
	Home    string
	Runtime Runtime
	Timing  Timing
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Daemon is the lab's daemon. See New and Serve.
type Daemon struct {
	home    string
	runtime Runtime
	timing  Timing
	now     func() time.Time // with what Advance added
	log     *debugLog
	ahead   atomic.Int64 // how far now is ahead of Options.Now

	// mu guards all below, the model included.
	mu      sync.Mutex
	record  *record // Model is nil until there is one
	changed chan struct{}
	count   uint64
	drivers map[string]*driver
	away    map[string]time.Time // leaders without an agent, since when
	stopped bool
	work    sync.WaitGroup // drivers
}

// New reads the record of the lab in its home, if there is one. Pods are
// adopted or started by Serve.
func New(o Options) (*Daemon, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	r, err := load(o.Home)
	if err != nil {
		return nil, err
	}
	if r == nil {
		r = &record{Format: recordFormat, State: newState()}
	}
	d := &Daemon{
		home: o.Home, runtime: o.Runtime, timing: o.Timing.withDefaults(),
		record: r, changed: make(chan struct{}), drivers: map[string]*driver{}, away: map[string]time.Time{},
	}
	d.now = func() time.Time { return o.Now().Add(time.Duration(d.ahead.Load())) }
	d.ahead.Store(int64(r.State.Ahead))
	if d.log, err = openLog(filepath.Join(o.Home, "debug.log"), d.now); err != nil {
		return nil, diskError("cannot start", o.Home, err)
	}
	return d, nil
}

// Serve answers requests and runs the model until ctx ends. Pods go on after
// it: it is for their machine to end them.
func (d *Daemon) Serve(ctx context.Context, listener net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &http.Server{
		Handler:     d.handler(),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	managed := make(chan struct{})
	go func() {
		defer close(managed)
		d.manage(ctx)
	}()
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	err := server.Serve(listener)
	cancel()
	<-managed
	d.work.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.record.Model != nil {
		if err := d.record.save(d.home); err != nil {
			return err
		}
	}
	d.log.close()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// errNoModel is what a question about units is answered before there is a
// model.
var errNoModel = errors.New("there is no model yet: deploy something")

// update changes the model under the lock, saves it and tells everybody. The
// change stays even if it cannot be saved; the error then says why.
func (d *Daemon) update(change func(m *model.Model) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.record.Model == nil {
		return errNoModel
	}
	d.record.Model.SetTime(stamp(d.now()))
	err := change(d.record.Model)
	d.touch()
	if saved := d.record.save(d.home); err == nil {
		err = saved
	}
	return err
}

// touch wakes everybody who waits for a change; d.mu is held.
func (d *Daemon) touch() {
	d.count++
	close(d.changed)
	d.changed = make(chan struct{})
}

// observe looks at the model under the lock.
func (d *Daemon) observe(look func(m *model.Model) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.record.Model == nil {
		return errNoModel
	}
	d.record.Model.SetTime(stamp(d.now()))
	return look(d.record.Model)
}

// stampLayout is how juju status prints a time.
const stampLayout = "02 Jan 2006 15:04:05Z"

func stamp(t time.Time) string { return t.UTC().Format(stampLayout) }

// unstamp is the zero time for the empty stamp of what has not happened.
func unstamp(s string) time.Time {
	t, err := time.Parse(stampLayout, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

var validModel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// addModel makes the model; d.mu is held.
func (d *Daemon) addModel(name string) error {
	switch {
	case d.record.Model != nil:
		return fmt.Errorf("model %q exists already, and charmlab keeps only one: charmlab destroy-model ends it", d.record.Name)
	case !validModel.MatchString(name) || len(name) > 63:
		return fmt.Errorf("%q is not a valid name: model names may only contain lowercase letters, digits and hyphens", name)
	}
	d.record.Name = name
	d.record.Model = model.New(model.Options{Name: name, Version: JujuVersion})
	return nil
}

// manage keeps pods, leaders and names as the model wants them.
func (d *Daemon) manage(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		d.mu.Lock()
		changed := d.changed
		d.reconcile(ctx)
		d.mu.Unlock()
		select {
		case <-ctx.Done():
			d.mu.Lock()
			d.stopped = true
			d.mu.Unlock()
			return
		case <-changed:
		case <-ticker.C:
		}
	}
}

// reconcile starts and ends drivers, provisions storages, moves leadership
// and replaces outdated pods; d.mu is held.
func (d *Daemon) reconcile(ctx context.Context) {
	m := d.record.Model
	if m == nil || d.stopped {
		return
	}
	before := m.Change()
	m.SetTime(stamp(d.now()))
	m.SecretsDue()
	wanted := map[string]bool{}
	apps := map[string]bool{}
	for _, app := range m.Applications() {
		apps[app] = true
		for _, unit := range m.WantsPods(app) {
			wanted[unit] = true
			d.provision(m, app, unit)
			if d.drivers[unit] == nil {
				d.drive(ctx, unit)
			}
		}
		d.lead(m, app)
		d.roll(m, app)
	}
	for unit, driver := range d.drivers {
		if !wanted[unit] {
			driver.retire()
		}
	}
	d.forget(m, apps)
	d.writeHosts()
	if m.Change() != before {
		d.touch()
		if err := d.record.save(d.home); err != nil {
			d.log.add("", "ERROR", "lab", err.Error())
		}
	}
}

// forget drops what belonged to applications that are gone and whose pods
// have ended; d.mu is held.
func (d *Daemon) forget(m *model.Model, apps map[string]bool) {
	for name, app := range d.record.State.Applications {
		if apps[name] || d.driven(name) {
			continue
		}
		delete(d.record.State.Applications, name)
		for _, dir := range []string{app.Storage, d.charmsOf(name)} {
			if err := os.RemoveAll(dir); err != nil {
				d.log.add("", "WARNING", "lab", fmt.Sprintf("cannot remove what %s left: %v", name, err))
			}
		}
	}
}

func (d *Daemon) charmsOf(app string) string { return filepath.Join(d.home, "charms", app) }

func (d *Daemon) charmDir(app string, revision int) string {
	return filepath.Join(d.charmsOf(app), fmt.Sprint(revision))
}
