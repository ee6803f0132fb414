package zookeeper

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
	"github.com/pulsar-charms/pulsar-charms/internal/rolling"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

// States of a server in its unit's peer databag.
const (
	serving  = "serving"
	starting = "starting"
)

// The endpoints, and what is written there.
var (
	peers  = ops.Peer[member, cluster](Peers)
	offers = ops.Provides[relation.ZooKeeperOffer, relation.BookieMember](Endpoint)
)

// member is what a unit says of its server in its peer databag.
type member struct {
	State   string        `databag:"zookeeper-state"`
	Restart rolling.State `databag:"zookeeper-restart"`
	// Fresh says that the server was never in an ensemble.
	Fresh bool `databag:"zookeeper-fresh"`
	// Lost says that it was, and that its disk is empty now.
	Lost bool `databag:"zookeeper-lost"`
}

// cluster is what the leader decides.
type cluster struct {
	// Voters and Observers are the ordinals of the ensemble's members; as
	// long as there are no voters, nothing was decided and no server runs.
	Voters    []string `databag:"zookeeper-voters"`
	Observers []string `databag:"zookeeper-observers"`
	// Voted are the ordinals whose servers may have voted, in this life of the
	// unit or an earlier one; none before there is an ensemble. See birth.go.
	Voted []string `databag:"zookeeper-voted"`
	// Secret is the id of the secret with the super user's password.
	Secret string `databag:"zookeeper-secret"`
	// Turn says which unit may restart its server now.
	Turn rolling.Turn `databag:"zookeeper-turn"`
}

// secretKey is the key of the password within the secret.
const secretKey = "password"

// Validate checks that the members are units.
func (c cluster) Validate() error {
	for _, list := range []struct {
		key      string
		ordinals []string
	}{{"zookeeper-voters", c.Voters}, {"zookeeper-observers", c.Observers}, {"zookeeper-voted", c.Voted}} {
		for _, text := range list.ordinals {
			if ordinal, err := strconv.Atoi(text); err != nil || ordinal < 0 || ordinal > 1<<16 {
				return &ops.DataError{Key: list.key, Reason: fmt.Sprintf("%.20q is not a unit's number", text)}
			}
		}
	}
	return nil
}

// voted says whether the server of an ordinal may have voted.
func (c cluster) voted(ordinal int) bool { return slices.Contains(c.Voted, strconv.Itoa(ordinal)) }

// config are the members of a valid decision.
func (c cluster) config(host func(int) string) zk.Config {
	var change zk.Change
	for role, list := range map[zk.Role][]string{zk.Participant: c.Voters, zk.Observer: c.Observers} {
		for _, text := range list {
			if ordinal, err := strconv.Atoi(text); err == nil {
				change.Joining = append(change.Joining, zk.Member{ID: serverID(ordinal), Host: host(ordinal), Role: role})
			}
		}
	}
	return change.Apply(zk.Config{})
}

// setMembers writes a configuration into the databag's form.
func (c *cluster) setMembers(config zk.Config) {
	c.Voters, c.Observers = texts(ordinals(config.Voters())), texts(ordinals(config.Observers()))
}

func texts(numbers []int) []string {
	var out []string
	for _, n := range numbers {
		out = append(out, strconv.Itoa(n))
	}
	return out
}

// endpoints are the members that clients are told of: the lowest ordinals,
// which live longest, and one more than may fail at once. So most changes of
// scale change nothing for clients.
func endpoints(config zk.Config, planned []int, host func(int) string) []string {
	members := slices.SortedFunc(slices.Values(config.Members), func(a, b zk.Member) int { return cmp.Compare(a.ID, b.ID) })
	most := max(3, (len(config.Voters())-1)/2+1)
	var list []string
	for _, m := range members {
		o := ordinalOf(m.ID)
		if len(list) < most && (len(planned) == 0 || slices.Contains(planned, o)) {
			list = append(list, clientAddress(host(o)))
		}
	}
	return list
}
