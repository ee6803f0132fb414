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

// notices waits for custom notices and for checks that fail or recover. An
// agent keeps its place in memory only, so a new one hears all again.
func (w *watch) notices(ctx context.Context) {
	d := w.u.d
	var after time.Time
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, noticeWait+10*time.Second)
		list, err := w.pebble.Notices(asking, after)
		cancel()
		if err != nil {
			wait(ctx, min(d.timing.Poll, 200*time.Millisecond))
			continue
		}
		for _, n := range list {
			if n.LastRepeated.After(after) {
				after = n.LastRepeated
			}
			if err := w.hear(ctx, n); err != nil && ctx.Err() == nil {
				d.log.add(w.u.unit, "WARNING", "lab", fmt.Sprintf("notice %s of %s: %v", n.ID, w.container, err))
			}
		}
	}
}

func (w *watch) hear(ctx context.Context, n Notice) error {
	unit, container := w.u.unit, w.container
	if n.Type == "custom" {
		return w.u.d.update(func(m *model.Model) error { return m.Notice(unit, container, n.ID, n.Type, n.Key) })
	}
	switch n.LastData["kind"] {
	case "perform-check", "recover-check":
	default:
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := w.pebble.Change(asking, n.Key)
	if err != nil {
		return nil // pruned: the check has moved on since
	}
	check, failed, ok := checkEvent(c)
	if !ok {
		return nil
	}
	return w.u.d.update(func(m *model.Model) error {
		if failed {
			return m.CheckFailed(unit, container, check)
		}
		return m.CheckRecovered(unit, container, check)
	})
}
