package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
)

// bookiesModel is three bookies and a pulsar of three units that has what bookies
// need.
func bookiesModel(bookie *model.Charm) (*model.Model, error) {
	m := model.New(model.Options{Name: "bench"})
	err := errors.Join(
		m.Deploy(model.DeployArgs{App: "bookie", Charm: bookie, Units: 3, Config: map[string]string{"profile": "testing"}}),
		m.Deploy(model.DeployArgs{App: "pulsar", Units: 3, Charm: &model.Charm{
			Name: "pulsar", Endpoints: []model.Endpoint{{Name: "zookeeper", Role: model.Provider, Interface: "zookeeper"}},
		}}),
	)
	if err != nil {
		return nil, err
	}
	if _, err := m.Integrate("bookie:zookeeper", "pulsar:zookeeper"); err != nil {
		return nil, err
	}
	for n, unit := range m.Units() {
		if err := m.PodUp(unit, model.PodInfo{Address: fmt.Sprintf("10.1.0.%d", 10+n), Fresh: true}); err != nil {
			return nil, err
		}
		for _, storage := range m.Storages(unit) {
			if err := m.StorageProvisioned(unit, storage.ID, "/var/lib/juju/storage/"+storage.ID); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

// settle runs hooks until all are through, and the measured unit's status has
// become active in a last hook that wrote nothing.
func (s *stage) settle(ctx context.Context) error {
	silent, posts := false, 0
	for !silent || s.model.WorkloadStatus(s.unit).Name != juju.Active {
		if err := ctx.Err(); err != nil {
			status := s.model.WorkloadStatus(s.unit)
			return fmt.Errorf("%w with status %s: %s", err, status.Name, status.Message)
		}
		ready := s.model.Ready()
		if len(ready) == 0 {
			if err := s.model.UpdateStatusDue(s.unit); err != nil {
				return err
			}
			continue
		}
		c, err := s.model.Begin(ready[0], s.model.Next(ready[0])[0])
		if err != nil {
			return err
		}
		if c.Unit() != s.unit {
			if err := s.play(c); err != nil {
				return err
			}
			continue
		}
		result, err := s.dispatch(ctx, c, socket)
		if err != nil {
			return err
		}
		if silent = result.writes == 0; silent {
			before := posts
			_, posts = s.requests()
			silent = posts == before
		}
	}
	return nil
}

// play is a hook of another unit: it writes what its charm would have.
func (s *stage) play(c *model.Context) error {
	if c.Hook().Kind == juju.RelationJoined {
		switch juju.Application(c.Unit()) {
		case "bookie":
			if err := write(c, "cluster", false, ops.Bag{"restart": `{"healthy":true}`}); err != nil {
				return err
			}
		case "pulsar":
			if s.model.Leader("pulsar") != c.Unit() {
				break
			}
			offer, err := ops.Encode(offered(s.model.UnitsOf("pulsar")))
			if err != nil {
				return err
			}
			if err := write(c, "zookeeper", true, offer); err != nil {
				return err
			}
		}
	}
	return c.End(model.Outcome{})
}

func offered(units []string) relation.ZooKeeperOffer {
	var endpoints []string
	for _, unit := range units {
		endpoints = append(endpoints, juju.UnitFQDN(unit, "bench", juju.DefaultClusterDomain)+":2181")
	}
	return relation.ZooKeeperOffer{
		Endpoints: endpoints, MetadataServiceURI: "zk+hierarchical://" + strings.Join(endpoints, ";") + "/ledgers",
		MetadataInitialised: true, ClusterName: "pulsar", MaxFrameSize: 5253120, SessionTimeout: 10000,
	}
}

// write writes into the unit's or, as leader, the application's databag of the
// relation of an endpoint.
func write(c *model.Context, endpoint string, app bool, bag ops.Bag) error {
	code, ids, stderr, _ := c.Run("relation-ids", []string{endpoint}, nil, false, nil)
	if code == 0 {
		args := []string{"-r", strings.TrimSpace(string(ids))}
		if app {
			args = append(args, "--app")
		}
		for _, key := range slices.Sorted(maps.Keys(bag)) {
			args = append(args, key+"="+bag[key])
		}
		code, _, stderr, _ = c.Run("relation-set", args, nil, false, nil)
	}
	if code != 0 {
		return fmt.Errorf("cannot play %s of %s: %s", c.Hook(), c.Unit(), stderr)
	}
	return nil
}
