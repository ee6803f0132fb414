package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/charms/zookeeper"
	"github.com/pulsar-charms/pulsar-charms/internal/image"
	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
	"github.com/pulsar-charms/pulsar-charms/internal/zk"
)

const superPassword = "not-a-secret-in-a-test"

// ensemble are real ZooKeeper servers on addresses of 127.60.0.0/24, run on
// the files that charms/zookeeper renders. Only addresses and paths differ
// from a pod's, because they share one network and one root.
type ensemble struct {
	t       *testing.T
	image   string
	dir     string
	servers map[int]*exec.Cmd
}

func newEnsemble(t *testing.T) *ensemble {
	t.Helper()
	tree, err := image.Assemble(t.Context(), image.Options{Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	return &ensemble{t: t, image: tree, dir: t.TempDir(), servers: map[int]*exec.Cmd{}}
}

func host(id int) string { return fmt.Sprintf("127.60.0.%d", 10+id) }

func clientOf(id int) string { return net.JoinHostPort(host(id), fmt.Sprint(zk.ClientPort)) }

func member(id int, role zk.Role) zk.Member {
	return zk.Member{ID: id, Host: host(id), Role: role, ClientAddress: host(id)}
}

// options are those of the profile testing.
var zookeeperOptions = zookeeper.Options{
	Profile: "testing", LogLevel: "info", HeapSize: "auto", TickTime: 500, VotersMax: 5,
	ExtraConfig: "maxCnxns=500",
}

// path is where a path of the container is for a server.
func (e *ensemble) path(id int, inContainer string) string {
	return filepath.Join(e.dir, fmt.Sprint(id), strings.TrimPrefix(inContainer, "/pulsar/data/"))
}

// write puts the files of a server in place.
func (e *ensemble) write(id int, members zk.Config) {
	e.t.Helper()
	static := javaprops.Merge(zookeeper.Static(zookeeperOptions, zk.SuperDigest(superPassword)), javaprops.Properties{
		"quorumListenOnAllIPs": "false", "admin.serverAddress": host(id), "metricsProvider.httpHost": host(id),
	})
	static["dataDir"] = e.path(id, static["dataDir"])
	const dynamic = "/pulsar/data/zookeeper/conf/zoo.cfg.dynamic"
	for _, file := range zookeeper.Files(static, life, dynamic, members, id) {
		path := e.path(id, file.Path)
		content := strings.ReplaceAll(string(file.Content), dynamic, e.path(id, dynamic))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			e.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			e.t.Fatal(err)
		}
	}
}

// start starts a server on the files that are there.
func (e *ensemble) start(id int) {
	e.t.Helper()
	cmd := exec.Command(filepath.Join(e.image, "pulsar", "bin", "pulsar"), "zookeeper")
	cmd.Env = append(os.Environ(), "PULSAR_LOG_DIR="+e.path(id, "logs"))
	for key, value := range zookeeper.Environment(zookeeperOptions) {
		if key == "PULSAR_ZK_CONF" {
			value = e.path(id, value)
		}
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	log, err := os.Create(filepath.Join(e.dir, fmt.Sprintf("server-%d.log", id)))
	if err != nil {
		e.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	// Should the test be killed, the servers shall not stay.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	e.servers[id] = cmd
	e.t.Cleanup(func() { e.stop(id) })
}

func (e *ensemble) stop(id int) {
	if cmd := e.servers[id]; cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		delete(e.servers, id)
	}
}

// serves waits until a server is in a quorum and gives its mode.
func (e *ensemble) serves(id int) string {
	e.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(e.t.Context(), time.Second)
		server, err := zk.Ensemble{}.Server(ctx, clientOf(id))
		cancel()
		if err == nil {
			return server.Mode
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(e.dir, fmt.Sprintf("server-%d.log", id)))
			e.t.Fatalf("server %d does not serve: %v\n%s", id, err, log[max(0, len(log)-4000):])
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// change makes one change of membership through server 1.
func (e *ensemble) change(change zk.Change) zk.Config {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), 20*time.Second)
	defer cancel()
	for {
		config, err := zk.Ensemble{}.Reconfigure(ctx, []string{clientOf(1)}, superPassword, func(zk.Config) zk.Change { return change })
		if errors.Is(err, zk.ErrNoNewQuorum) && ctx.Err() == nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if err != nil {
			e.t.Fatal(err)
		}
		return config
	}
}

func (e *ensemble) wantMembers(got zk.Config, voters, observers []int) {
	e.t.Helper()
	if diff := cmp.Diff([][]int{voters, observers}, [][]int{got.Voters(), got.Observers()}); diff != "" {
		e.t.Fatalf("voters and observers (-want +got):\n%s", diff)
	}
}

// join starts servers that call themselves observers, and follow without a
// vote until they are taken in.
func (e *ensemble) join(present zk.Config, ids ...int) {
	e.t.Helper()
	for _, id := range ids {
		e.write(id, zk.Change{Joining: []zk.Member{member(id, zk.Observer)}}.Apply(present))
		e.start(id)
	}
	for _, id := range ids {
		e.serves(id)
	}
}

// becomes waits until a server has a mode.
func (e *ensemble) becomes(id int, mode string) {
	e.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for got := e.serves(id); got != mode; got = e.serves(id) {
		if time.Now().After(deadline) {
			e.t.Fatalf("server %d is %s and does not become %s", id, got, mode)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// life is what the charm would call the life of a unit.
const life = "2026-01-02T03:04:05.678Z"

// A real ensemble grows from one server to five, shrinks to three without its
// leader, turns a voter into an observer, and loses no write; servers that stay
// are never restarted.
func TestZooKeeperMembership(t *testing.T) {
	t.Parallel()
	e := newEnsemble(t)
	e.write(1, zk.Change{Joining: []zk.Member{member(1, zk.Participant)}}.Apply(zk.Config{}))
	e.start(1)
	e.serves(1)

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	client, err := zk.Dial(ctx, []string{clientOf(1)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	config, err := client.Config(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Create(ctx, "/kept", []byte("from the beginning")); err != nil {
		t.Fatal(err)
	}
	if err := client.Reconfigure(ctx, zk.Change{Leaving: []int{1}}, config.Version); err == nil {
		t.Error("the membership can be changed without the password")
	}

	e.join(config, 2, 3)
	config = e.change(zk.Change{Joining: []zk.Member{member(2, zk.Participant), member(3, zk.Participant)}})
	e.wantMembers(config, []int{1, 2, 3}, nil)
	// A voter whose disk is empty starts as an observer too, and votes when it has
	// followed: without it there is no quorum of 3 when another is down.
	e.stop(3)
	if err := os.RemoveAll(filepath.Join(e.dir, "3")); err != nil {
		t.Fatal(err)
	}
	e.join(zk.Change{Leaving: []int{3}}.Apply(config), 3)
	e.becomes(3, "follower")
	e.stop(2)
	e.serves(1)
	e.serves(3)
	e.start(2)
	e.serves(2)

	e.join(config, 4, 5)
	old := config.Version
	config = e.change(zk.Change{Joining: []zk.Member{member(4, zk.Participant), member(5, zk.Participant)}})
	e.wantMembers(config, []int{1, 2, 3, 4, 5}, nil)

	if err := client.Login(ctx, superPassword); err != nil {
		t.Fatal(err)
	}
	if err := client.Reconfigure(ctx, zk.Change{Leaving: []int{5}}, old); !errors.Is(err, zk.ErrChanged) {
		t.Errorf("a change on an old version: %v, want ErrChanged", err)
	}

	// Two leave at once, the leader, if that is not server 1, among them.
	leaving := []int{4, 5}
	for id := 2; id <= 5; id++ {
		if e.serves(id) == "leader" && id < 4 {
			leaving = []int{id, 5}
		}
	}
	config = e.change(zk.Change{Leaving: leaving})
	var stay []int
	for id := 1; id <= 5; id++ {
		if !slices.Contains(leaving, id) {
			stay = append(stay, id)
		}
	}
	e.wantMembers(config, stay, nil)
	for _, id := range leaving {
		e.stop(id)
	}
	for _, id := range stay {
		e.serves(id)
	}

	// One goes, and its partner becomes an observer: votes stay odd.
	config = e.change(zk.Change{Leaving: []int{stay[2]}, Joining: []zk.Member{member(stay[1], zk.Observer)}})
	e.wantMembers(config, []int{1}, []int{stay[1]})
	e.stop(stay[2])
	e.serves(1)
	e.becomes(stay[1], "observer")

	data, err := client.Get(ctx, "/kept")
	if err != nil || string(data) != "from the beginning" {
		t.Errorf("the first write is %q, %v", data, err)
	}
	for _, id := range []int{1, stay[1]} {
		if e.servers[id].ProcessState != nil {
			t.Errorf("server %d has ended: %v", id, e.servers[id].ProcessState)
		}
	}

	// ZooKeeper has rewritten its files: the charm relies on how.
	static, err := os.ReadFile(e.path(1, "/pulsar/data/zookeeper/conf/zoo.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	named := javaprops.Parse(static)["dynamicConfigFile"]
	if want := e.path(1, "/pulsar/data/zookeeper/conf/zoo.cfg.dynamic") + fmt.Sprintf(".%x", config.Version); named != want {
		t.Errorf("zoo.cfg names %s, want %s", named, want)
	}
	if got := javaprops.Parse(static)["charm.life"]; got != life {
		t.Errorf("zoo.cfg is of the life %q, want %q: ZooKeeper keeps keys that it does not know", got, life)
	}
	text, err := os.ReadFile(named)
	if err != nil {
		t.Fatal(err)
	}
	onDisk, err := zk.ParseConfig(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Members, onDisk.Members); diff != "" {
		t.Errorf("members on disk (-want +got):\n%s", diff)
	}
}
