package zk

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Role is what a member does in the ensemble.
type Role string

// The roles of ZooKeeper.
const (
	Participant Role = "participant" // votes
	Observer    Role = "observer"    // follows without a vote
)

// Ports that every server of the charms uses.
const (
	ClientPort   = 2181
	quorumPort   = 2888
	electionPort = 3888
)

// Member is one server of an ensemble.
type Member struct {
	ID   int // from 1
	Host string
	Role Role
	// ClientAddress is where the server listens for clients; "" means all
	// addresses.
	ClientAddress string
}

// Spec is the member as ZooKeeper writes it behind "server.<id>=".
func (m Member) Spec() string {
	client := m.ClientAddress
	if client == "" {
		client = "0.0.0.0"
	}
	return fmt.Sprintf("%s:%d:%d:%s;%s:%d", m.Host, quorumPort, electionPort, m.Role, client, ClientPort)
}

// Line is the member as a line of a dynamic configuration file.
func (m Member) Line() string { return fmt.Sprintf("server.%d=%s", m.ID, m.Spec()) }

// Config is the membership of an ensemble.
type Config struct {
	// Version is ZooKeeper's own counter of changes.
	Version int64
	// Members are sorted by id.
	Members []Member
}

// ParseConfig reads the content of /zookeeper/config or of a dynamic
// configuration file. What is not a server or the version is left out.
func ParseConfig(text string) (Config, error) {
	var config Config
	for line := range strings.Lines(text) {
		key, value, found := strings.Cut(strings.TrimSpace(line), "=")
		switch {
		case !found:
		case key == "version":
			version, err := strconv.ParseInt(value, 16, 64)
			if err != nil {
				return Config{}, fmt.Errorf("cannot parse ZooKeeper configuration: version %q is not a hexadecimal number", value)
			}
			config.Version = version
		case strings.HasPrefix(key, "server."):
			member, err := parseMember(strings.TrimPrefix(key, "server."), value)
			if err != nil {
				return Config{}, fmt.Errorf("cannot parse ZooKeeper configuration: %w", err)
			}
			config.Members = append(config.Members, member)
		}
	}
	slices.SortFunc(config.Members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return config, nil
}

// parseMember reads host:2888:3888[:role][;[client:]port].
func parseMember(id, spec string) (Member, error) {
	number, err := strconv.Atoi(id)
	if err != nil || number < 1 {
		return Member{}, fmt.Errorf("server id %q is not a number from 1", id)
	}
	server, client, _ := strings.Cut(spec, ";")
	parts := strings.Split(server, ":")
	if len(parts) < 3 || parts[0] == "" {
		return Member{}, fmt.Errorf("server.%d: %q is not <host>:<port>:<port>", number, spec)
	}
	member := Member{ID: number, Host: parts[0], Role: Participant}
	if len(parts) > 3 {
		member.Role = Role(parts[3])
	}
	if address, _, found := strings.Cut(client, ":"); found && address != "0.0.0.0" {
		member.ClientAddress = address
	}
	return member, nil
}

// Member finds a member by id.
func (c Config) Member(id int) (Member, bool) {
	for _, m := range c.Members {
		if m.ID == id {
			return m, true
		}
	}
	return Member{}, false
}

// Voters are the ids of the members that vote, sorted.
func (c Config) Voters() []int { return c.ids(Participant) }

// Observers are the ids of the members that do not vote, sorted.
func (c Config) Observers() []int { return c.ids(Observer) }

func (c Config) ids(role Role) []int {
	var ids []int
	for _, m := range c.Members {
		if m.Role == role {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// File is the configuration as a dynamic configuration file without a
// version, so that the newer one of a running ensemble wins over it.
func (c Config) File() []byte {
	var text strings.Builder
	for _, m := range c.Members {
		text.WriteString(m.Line() + "\n")
	}
	return []byte(text.String())
}

// Change is a change of membership in one atomic step. A member that joins
// with the id of a present one takes its place, so roles change the same way.
type Change struct {
	Joining []Member
	Leaving []int
}

// Empty says that the change changes nothing.
func (c Change) Empty() bool { return len(c.Joining) == 0 && len(c.Leaving) == 0 }

// Apply is the configuration after the change; its version is not known yet.
func (c Change) Apply(before Config) Config {
	members := map[int]Member{}
	for _, m := range before.Members {
		members[m.ID] = m
	}
	for _, id := range c.Leaving {
		delete(members, id)
	}
	for _, m := range c.Joining {
		members[m.ID] = m
	}
	after := Config{Version: before.Version}
	for _, m := range members {
		after.Members = append(after.Members, m)
	}
	slices.SortFunc(after.Members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return after
}
