package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// Actions are this half's actions by name.
func Actions(e Ensemble) map[string]ops.ActionFunc {
	return map[string]ops.ActionFunc{
		"get-quorum": func(ctx context.Context, u *ops.Unit, a *ops.Action) error { return getQuorum(ctx, e, u, a) },
	}
}

// getQuorum asks the ensemble for its members and each of them for its state.
func getQuorum(ctx context.Context, e Ensemble, u *ops.Unit, a *ops.Action) error {
	session, cancel := context.WithTimeout(ctx, sessionTimeout)
	defer cancel()
	config, err := e.Config(session, []string{localServer})
	if err != nil {
		return errors.New("this unit's ZooKeeper is in no quorum; run the action on another unit, and see its status")
	}
	up, leader := 0, ""
	for _, m := range config.Members {
		unit := fmt.Sprintf("%s/%d", u.App(), ordinalOf(m.ID))
		prefix := "members." + strings.ReplaceAll(unit, "/", "-") + "."
		a.Set(prefix+"role", m.Role)
		a.Set(prefix+"host", m.Host)
		server, err := ask(ctx, e, m)
		if err != nil {
			a.Set(prefix+"mode", "down")
			continue
		}
		a.Set(prefix+"mode", server.Mode)
		a.Set(prefix+"zxid", fmt.Sprintf("0x%x", server.Zxid))
		if server.Mode == "leader" {
			leader = unit
		}
		if m.Role == zk.Participant {
			up++
		}
	}
	voters := len(config.Voters())
	majority := voters/2 + 1
	a.Set("config-version", fmt.Sprintf("%x", config.Version))
	a.Set("leader", leader)
	a.Set("voters", voters)
	a.Set("voters-up", up)
	a.Set("observers", len(config.Observers()))
	a.Set("quorum-size", majority)
	a.Set("tolerates", max(up-majority, 0))
	return nil
}

func ask(ctx context.Context, e Ensemble, m zk.Member) (zk.Server, error) {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	return e.Server(ctx, clientAddress(m.Host))
}
