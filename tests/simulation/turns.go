package simulation

import (
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
)

// turns looks at a daemon that ends: if its charm stops one that serves, no
// other of the application may be down for that reason. One that was so for
// half a lease may have lost its turn.
func (w *world) turns(service, unit string) {
	if w.down[service] == nil {
		w.down[service] = map[string]time.Time{}
	}
	down := w.down[service]
	for other := range down {
		if w.pods[other] == nil || w.serves(service, other) {
			delete(down, other)
		}
	}
	if !w.busy[unit] || w.killing || !w.serves(service, unit) {
		return
	}
	for _, other := range sorted(down) {
		if since := time.Since(down[other]); other != unit && w.model.Life(other) == "alive" && since < rolling.Lease/2 {
			w.violate("%s of %s is stopped by its charm while that of %s is down for a restart, for %s", service, unit, other, since)
		}
	}
	down[unit] = time.Now()
}
