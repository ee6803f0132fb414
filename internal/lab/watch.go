package lab

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

// sightings counts the containers of a pod that have been seen healthy.
type sightings struct {
	mu   sync.Mutex
	want int
	have int
}

func (s *sightings) all() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.have >= s.want
}

func (s *sightings) add() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.have++
}

// watch is an agent's look at the Pebble of one container.
type watch struct {
	u         *driver
	container string
	pebble    Workload
	seen      *sightings
}

// boots polls the boot id and tells the model of starts and ends.
func (w *watch) boots(ctx context.Context) {
	d := w.u.d
	last, healthy := "", false
	tell := func(change func(m *model.Model) error) {
		if err := d.update(change); err != nil && ctx.Err() == nil {
			d.log.add(w.u.unit, "WARNING", "lab", err.Error())
		}
	}
	// A Pebble that is starting is looked for more often: the start of a pod
	// should not wait for the clock.
	delay := min(d.timing.Poll, 50*time.Millisecond)
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, 5*time.Second)
		id, err := w.pebble.BootID(asking)
		if err == nil && !healthy && w.pebble.Healthy(asking) {
			healthy = true
			w.seen.add()
			d.mu.Lock()
			d.touch()
			d.mu.Unlock()
		}
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && last != "":
			last = ""
			tell(func(m *model.Model) error { return m.ContainerDown(w.u.unit, w.container) })
		case err == nil && id != last:
			last = id
			delay = d.timing.Poll
			tell(func(m *model.Model) error { return m.ContainerUp(w.u.unit, w.container, id) })
		}
		wait(ctx, delay)
	}
}

// notices waits for custom notices and for checks that fail or recover. What
// the model was told once it remembers: a new agent hears it again from there.
func (w *watch) notices(ctx context.Context) {
	d := w.u.d
	d.mu.Lock()
	record := d.record.State.Pods[w.u.unit]
	d.mu.Unlock()
	if record == nil {
		return
	}
	for ctx.Err() == nil {
		d.mu.Lock()
		after := record.Heard[w.container]
		d.mu.Unlock()
		asking, cancel := context.WithTimeout(ctx, noticeWait+10*time.Second)
		list, err := w.pebble.Notices(asking, after)
		cancel()
		if err != nil {
			wait(ctx, min(d.timing.Poll, 200*time.Millisecond))
			continue
		}
		for _, n := range list {
			err := w.hear(ctx, record, n)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				d.log.add(w.u.unit, "WARNING", "lab", fmt.Sprintf("notice %s of %s: %v", n.ID, w.container, err))
			}
		}
	}
}

// heard notes that the model knows of a notice; d.mu is held.
func (w *watch) heard(record *podRecord, n Notice) {
	if record.Heard == nil {
		record.Heard = map[string]time.Time{}
	}
	if n.LastRepeated.After(record.Heard[w.container]) {
		record.Heard[w.container] = n.LastRepeated
	}
}

func (w *watch) hear(ctx context.Context, record *podRecord, n Notice) error {
	d, unit, container := w.u.d, w.u.unit, w.container
	if n.Type == "custom" {
		return d.update(func(m *model.Model) error {
			w.heard(record, n)
			return m.Notice(unit, container, n.ID, n.Type, n.Key)
		})
	}
	check, failed, ok := w.checkOf(ctx, n)
	if !ok {
		d.mu.Lock()
		defer d.mu.Unlock()
		w.heard(record, n)
		return nil
	}
	return d.update(func(m *model.Model) error {
		w.heard(record, n)
		if failed {
			return m.CheckFailed(unit, container, check)
		}
		return m.CheckRecovered(unit, container, check)
	})
}

// checkOf asks Pebble which check a change is about, if any.
func (w *watch) checkOf(ctx context.Context, n Notice) (check string, failed, ok bool) {
	switch n.LastData["kind"] {
	case "perform-check", "recover-check":
	default:
		return "", false, false
	}
	asking, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := w.pebble.Change(asking, n.Key)
	if err != nil {
		return "", false, false // pruned: the check has moved on since
	}
	return checkEvent(n, c)
}
