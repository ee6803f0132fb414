package image

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// cluster is a cluster without charms, as cluster.sh runs it: size daemons of
// each kind, number n at 127.10.<0, 1 or 2>.1<n>.
type cluster struct {
	tree    string
	dir     string // for configuration, data and logs
	size    int    // up to 9
	archive bool   // write class archives into the tree; in a network of its own

	zookeeper, bookie, broker Daemon
}

// The smallest heaps and thread pools that carry a cluster, and the compiler
// that starts fastest.
const (
	fastStart  = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
	fewBuffers = "-Dio.netty.allocator.numDirectArenas=1 -Dio.netty.allocator.numHeapArenas=1" +
		" -Dsun.net.inetaddr.ttl=5 -Dsun.net.inetaddr.negative.ttl=1"
)

func (c cluster) numbers() []int {
	var numbers []int
	for n := 1; n <= c.size; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}

func address(kind, n int) string { return fmt.Sprintf("127.10.%d.1%d", kind, n) }

// each lists format, given an address of each daemon of a kind.
func (c cluster) each(kind int, format, separator string) string {
	var list []string
	for _, n := range c.numbers() {
		list = append(list, fmt.Sprintf(format, address(kind, n)))
	}
	return strings.Join(list, separator)
}

// quorum is the size of ledger ensembles that lets one bookie fail.
func (c cluster) quorum() int { return min(c.size, 2) }

func overlaid(defaults, over map[string]string) map[string]string {
	result := maps.Clone(defaults)
	maps.Copy(result, over)
	return result
}

func lines(values map[string]string, format string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, format+"\n", key, values[key])
	}
	return b.String()
}

// write writes all that cluster.sh reads.
func (c cluster) write() error {
	files := map[string]string{
		"zookeeper.env": environment(c.zookeeper, map[string]string{
			"PULSAR_MEM": "-Xmx96m -XX:MaxDirectMemorySize=32m", "PULSAR_GC": fastStart, "PULSAR_EXTRA_OPTS": fewBuffers,
		}),
		"init.env": environment(Daemon{}, map[string]string{
			"PULSAR_MEM": "-Xmx128m -XX:MaxDirectMemorySize=64m", "PULSAR_GC": fastStart, "PULSAR_EXTRA_OPTS": fewBuffers,
		}),
		"bookie.env": environment(c.bookie, map[string]string{
			"BOOKIE_MEM": "-Xmx192m -XX:MaxDirectMemorySize=128m", "BOOKIE_GC": fastStart, "BOOKIE_EXTRA_OPTS": fewBuffers,
		}),
		"broker.env": environment(c.broker, map[string]string{
			"PULSAR_MEM": "-Xmx320m -XX:MaxDirectMemorySize=192m", "PULSAR_GC": fastStart, "PULSAR_EXTRA_OPTS": fewBuffers,
		}),
		"init.args": strings.Join([]string{
			"--cluster", "baseline", "--metadata-store", "zk:" + c.each(0, "%s:2181", ","),
			"--configuration-metadata-store", "zk:" + c.each(0, "%s:2181", ","),
			"--web-service-url", "http://" + c.each(2, "%s:8080", ","), "--broker-service-url", "pulsar://" + c.each(2, "%s:6650", ","), "",
		}, "\n"),
	}
	var members strings.Builder
	for _, n := range c.numbers() {
		fmt.Fprintf(&members, "server.%d=%[2]s:2888:3888:participant;%[2]s:2181\n", n, address(0, n))
	}
	for _, n := range c.numbers() {
		data := filepath.Join(c.dir, "data", fmt.Sprintf("zookeeper-%d", n))
		files[fmt.Sprintf("data/zookeeper-%d/myid", n)] = fmt.Sprintln(n)
		files[fmt.Sprintf("conf/zookeeper-%d.dynamic", n)] = members.String()
		files[fmt.Sprintf("conf/zookeeper-%d.conf", n)] = lines(overlaid(map[string]string{
			"tickTime": "2000", "initLimit": "10", "syncLimit": "5", "dataDir": data,
			"standaloneEnabled": "false", "reconfigEnabled": "true",
			"dynamicConfigFile":  filepath.Join(c.dir, "conf", fmt.Sprintf("zookeeper-%d.dynamic", n)),
			"admin.enableServer": "false",
		}, c.zookeeper.Config), "%s=%s")
		data = filepath.Join(c.dir, "data", fmt.Sprintf("bookie-%d", n))
		files[fmt.Sprintf("conf/bookie-%d.conf", n)] = lines(overlaid(map[string]string{
			"bookiePort": "3181", "advertisedAddress": address(1, n), "listeningInterface": "lo", "allowLoopback": "true",
			"journalDirectories": filepath.Join(data, "journal"), "ledgerDirectories": filepath.Join(data, "ledgers"),
			"metadataServiceUri": "zk+hierarchical://" + c.each(0, "%s:2181", ";") + "/ledgers", "zkTimeout": "10000",
			"httpServerEnabled": "true", "httpServerHost": address(1, n), "httpServerPort": "8000",
			"httpServerClass":     "org.apache.bookkeeper.http.vertx.VertxHttpServer",
			"ledgerStorageClass":  "org.apache.bookkeeper.bookie.storage.ldb.DbLedgerStorage",
			"statsProviderClass":  "org.apache.bookkeeper.stats.prometheus.PrometheusMetricsProvider",
			"numAddWorkerThreads": "1", "numReadWorkerThreads": "1", "serverNumIOThreads": "2",
			"dbStorage_writeCacheMaxSizeMb": "16", "dbStorage_readAheadCacheMaxSizeMb": "16", "dbStorage_rocksDB_blockCacheSize": "8388608",
		}, c.bookie.Config), "%s=%s")
		files[fmt.Sprintf("conf/broker-%d.conf", n)] = lines(overlaid(map[string]string{
			"clusterName": "baseline", "bindAddress": address(2, n), "advertisedAddress": address(2, n),
			"brokerServicePort": "6650", "webServicePort": "8080",
			"metadataStoreUrl": "zk:" + c.each(0, "%s:2181", ","), "configurationMetadataStoreUrl": "zk:" + c.each(0, "%s:2181", ","),
			"metadataStoreSessionTimeoutMillis": "10000",
			"managedLedgerDefaultEnsembleSize":  fmt.Sprint(c.quorum()), "managedLedgerDefaultWriteQuorum": fmt.Sprint(c.quorum()),
			"managedLedgerDefaultAckQuorum": fmt.Sprint(c.quorum()), "managedLedgerCacheSizeMB": "32",
			"numIOThreads": "2", "numHttpServerThreads": "4", "numOrderedExecutorThreads": "2", "numCacheExecutorThreadPoolSize": "2",
			"numExecutorThreadPoolSize": "2", "bookkeeperNumberOfChannelsPerBookie": "2",
		}, c.broker.Config), "%s=%s")
	}
	for name, content := range files {
		path := filepath.Join(c.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// environment renders a file of shell exports.
func environment(daemon Daemon, defaults map[string]string) string {
	quoted := make(map[string]string)
	for key, value := range overlaid(defaults, daemon.Environment) {
		quoted[key] = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
	}
	return lines(quoted, "export %s=%s")
}

// run runs cluster.sh, calls stage for each word that it prints, and ends the
// cluster when stage has returned for "brokers".
func (c cluster) run(ctx context.Context, stage func(word string) error) error {
	if err := c.write(); err != nil {
		return err
	}
	enter, err := writeScript(c.dir, "enter.sh")
	if err != nil {
		return err
	}
	script, err := writeScript(c.dir, "cluster.sh")
	if err != nil {
		return err
	}
	root := filepath.Join(c.dir, "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	mode := "run"
	if c.archive {
		mode = "archive"
	}
	var last error
	for _, user := range namespaces() {
		cmd := exec.CommandContext(ctx, "bash", enter, c.tree, root, "bash", script, c.dir, fmt.Sprint(c.size), mode)
		cmd.SysProcAttr = isolated(user, c.archive)
		started, err := follow(cmd, stage)
		if started {
			return err
		}
		last = err
	}
	return fmt.Errorf("cannot make namespaces: run as root, or allow unprivileged user namespaces: %w", last)
}

// namespaces lists whether to try with a user namespace: not if root can do
// without, but in a container root cannot.
func namespaces() []bool {
	if os.Geteuid() == 0 {
		return []bool{false, true}
	}
	return []bool{true}
}

// isolated asks for namespaces. The process namespace ends everything in it
// with its first process, and that one ends with this.
func isolated(user, network bool) *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	if network {
		attributes.Cloneflags |= syscall.CLONE_NEWNET
	}
	if user {
		attributes.Cloneflags |= syscall.CLONE_NEWUSER
		attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return attributes
}

// follow starts the script and feeds stage with its words. Started is false if
// the script did not come to its first word.
func follow(cmd *exec.Cmd, stage func(string) error) (started bool, err error) {
	// The signal at this process's death is really sent at the thread's.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return false, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	var stderr tail
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return false, err
	}
	var stageErr error
	scanner := bufio.NewScanner(stdout)
	for scanner.Scan() {
		started = true
		if stageErr == nil {
			stageErr = stage(scanner.Text())
		}
		if stageErr != nil || scanner.Text() == "brokers" {
			_ = stdin.Close()
		}
		if stageErr != nil {
			_ = cmd.Process.Kill()
		}
	}
	_, _ = io.Copy(io.Discard, stdout)
	err = cmd.Wait()
	switch {
	case stageErr != nil:
		return started, stageErr
	case err != nil && stderr.String() != "":
		return started, fmt.Errorf("%w: %s", err, stderr.String())
	}
	return started, err
}

// tail keeps the end of what is written to it.
type tail struct{ content []byte }

func (t *tail) Write(p []byte) (int, error) {
	const most = 2000
	t.content = append(t.content, p...)
	if len(t.content) > most {
		t.content = t.content[len(t.content)-most:]
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.content)) }

// archivesLimit is far more than archives take; a cluster that has not come up
// by then never will.
const archivesLimit = 10 * time.Minute

// makeArchives runs the smallest cluster once and keeps the classes that each
// role loaded.
func makeArchives(ctx context.Context, tree, scratch string, p *progress) error {
	ctx, cancel := context.WithTimeout(ctx, archivesLimit)
	defer cancel()
	c := cluster{tree: tree, dir: scratch, size: 1, archive: true}
	err := c.run(ctx, func(word string) error {
		p.linef("class archives: %s", map[string]string{
			"start": "starting ZooKeeper", "quorum": "initialising metadata", "metadata": "starting a bookie and a broker",
			"bookies": "bookie is ready", "brokers": "broker is healthy, writing", "end": "written",
		}[word])
		return nil
	})
	return errors.Join(err, ctx.Err())
}
