package ops

import (
	"context"
	"fmt"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Service is what a workload container has of one service.
type Service struct {
	// Up says that the container's Pebble answers. Nothing else is known if it
	// does not.
	Up bool
	// Info is Pebble's own; its zero value if Pebble's plan has no such service.
	Info pebble.ServiceInfo
	// Layer is Pebble's plan of the container.
	Layer pebble.Layer
	// Hash is that of what the running service was started with; "" if that is
	// not known: Apply did not, or was cut short. It would restart it then.
	Hash string
}

// Planned says that Pebble was told of the service, running or not.
func (s Service) Planned() bool { return s.Info.Name != "" }

// Running says that the service runs now.
func (s Service) Running() bool { return s.Info.Running() }

// Differs says that the service runs on something else than desired: that it
// should restart.
func (s Service) Differs(desired pebble.Desired) bool {
	name := s.Info.Name
	return s.Running() && s.Hash != pebble.Hash(desired, name)
}

// Service looks at a service, which a pebble.Desired with that label starts. A
// Pebble that does not answer is no error: its
// pebble-ready hook will come.
func (u *Unit) Service(ctx context.Context, container, label, name string) (Service, error) {
	c := u.Container(container)
	layer, err := c.Plan(ctx)
	if pebble.Unavailable(err) {
		return Service{}, nil
	}
	if err != nil {
		return Service{}, fmt.Errorf("cannot read the plan of container %s: %w", container, err)
	}
	s := Service{Up: true, Layer: layer}
	if _, planned := layer.Services[name]; !planned {
		return s, nil
	}
	services, err := c.Services(ctx, name)
	if pebble.Unavailable(err) {
		return Service{}, nil
	}
	if err != nil {
		return Service{}, fmt.Errorf("cannot read service %s of container %s: %w", name, container, err)
	}
	if len(services) == 1 {
		s.Info = services[0]
	}
	if !s.Running() {
		return s, nil
	}
	// The plan does not tell: it is changed before the process is, and the hook
	// may end in between. Who asks whether a restart is due would be told that
	// none is, and Apply would make it nevertheless.
	s.Hash, err = pebble.StartedHash(ctx, c, label, name)
	if pebble.Unavailable(err) {
		return Service{}, nil
	}
	if err != nil {
		return Service{}, fmt.Errorf("cannot tell what service %s of container %s runs on: %w", name, container, err)
	}
	return s, nil
}
