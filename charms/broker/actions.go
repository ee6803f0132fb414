package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

// Actions are this half's actions by name.
func Actions(admin Admin) map[string]ops.ActionFunc {
	return map[string]ops.ActionFunc{
		"broker-health": func(ctx context.Context, u *ops.Unit, a *ops.Action) error { return brokerHealth(ctx, admin, u, a) },
		"get-endpoints": getEndpoints,
	}
}

// brokerHealth asks all planned units' brokers at once.
func brokerHealth(ctx context.Context, admin Admin, u *ops.Unit, a *ops.Action) error {
	goal, err := u.Goal(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	failures := make([]error, len(goal.Units))
	var group sync.WaitGroup
	for i, unit := range goal.Units {
		group.Go(func() { failures[i] = admin.Health(ctx, fmt.Sprintf("%s:%d", u.PeerFQDN(unit), WebPort)) })
	}
	group.Wait()
	healthy := 0
	for i, unit := range goal.Units {
		result := "healthy"
		if failures[i] == nil {
			healthy++
		} else {
			result = failures[i].Error()
		}
		a.Set("brokers."+strings.ReplaceAll(unit, "/", "-"), result)
	}
	a.Set("healthy", healthy)
	a.Set("planned", len(goal.Units))
	if healthy == 0 {
		return errors.New("no broker can take messages; see the units' status")
	}
	return nil
}

// getEndpoints shows what the pulsar relation offers.
func getEndpoints(ctx context.Context, u *ops.Unit, a *ops.Action) error {
	goal, err := u.Goal(ctx)
	if err != nil {
		return err
	}
	var hosts []string
	for _, unit := range goal.Units {
		hosts = append(hosts, u.PeerFQDN(unit))
	}
	if len(hosts) == 0 {
		return errors.New("no unit is planned to stay")
	}
	cluster, err := peers.Read(ctx, u)
	if err != nil {
		return err
	}
	if held := cluster.Decision.Held; held.Name != "" {
		a.Set("cluster-name", held.Name)
		a.Set("initialised", held.Initialised)
	}
	a.Set("application", juju.Application(u.Name()))
	a.Set("service-url", serviceURL(hosts))
	a.Set("web-service-url", webServiceURL(hosts))
	return nil
}
