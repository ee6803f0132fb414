package labtest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/lab"
)

// pebble is as much of a Pebble as an agent sees.
type pebble struct {
	mu      sync.Mutex
	boot    string
	last    time.Time
	list    []lab.Notice
	changes map[string]lab.Change
	changed chan struct{}
}

func (p *pebble) restart(boot string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.boot = boot
}

func (p *pebble) add(n lab.Notice) {
	// Times must grow for the reader to get on.
	now := time.Now()
	if !now.After(p.last) {
		now = p.last.Add(time.Nanosecond)
	}
	p.last, n.LastRepeated = now, now
	n.ID = fmt.Sprint(len(p.list) + 1)
	p.list = append(p.list, n)
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *pebble) notify(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(lab.Notice{Type: "custom", Key: key})
}

func (p *pebble) check(name string, failed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kind, status := "recover-check", "Done"
	if failed {
		kind, status = "perform-check", "Error"
	}
	id := fmt.Sprint(len(p.changes) + 1)
	if p.changes == nil {
		p.changes = map[string]lab.Change{}
	}
	p.changes[id] = lab.Change{Kind: kind, Status: status}
	p.add(lab.Notice{Type: "change-update", Key: id, LastData: map[string]string{"kind": kind, "check-name": name}})
}

// BootID implements lab.Workload.
func (p *pebble) BootID(context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.boot, nil
}

// Healthy implements lab.Workload.
func (p *pebble) Healthy(context.Context) bool { return true }

// Notices implements lab.Workload.
func (p *pebble) Notices(ctx context.Context, after time.Time) ([]lab.Notice, error) {
	for {
		p.mu.Lock()
		changed := p.changed
		var later []lab.Notice
		for _, n := range p.list {
			if n.LastRepeated.After(after) {
				later = append(later, n)
			}
		}
		p.mu.Unlock()
		if len(later) > 0 {
			return later, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

// Change implements lab.Workload.
func (p *pebble) Change(_ context.Context, id string) (lab.Change, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changes[id], nil
}
