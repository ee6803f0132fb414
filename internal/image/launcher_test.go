package image

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// launched is what a launcher gave the fake java, without what every JVM gets.
func launched(t *testing.T, m *machine, environ []string, argv ...string) []string {
	t.Helper()
	home := filepath.Join(m.dir, "tree", "pulsar")
	cmd := exec.CommandContext(t.Context(), filepath.Join(home, "bin", argv[0]), argv[1:]...)
	cmd.Env = append([]string{"PATH=" + filepath.Join(m.dir, "bin") + ":/usr/bin:/bin"}, environ...)
	cmd.Dir = m.dir
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", argv, err, output)
	}
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(output), home, "HOME"), "\n"), "\n")
	var kept []string
	for i, line := range lines {
		previous := ""
		if i > 0 {
			previous = lines[i-1]
		}
		switch {
		case line == "--add-opens", previous == "--add-opens",
			slices.Contains(everywhere, line), strings.HasPrefix(line, "-Dbookkeeper.metadata."):
		default:
			kept = append(kept, line)
		}
	}
	return kept
}

// everywhere are options that every launcher gives; one test looks for them.
var everywhere = []string{
	"-Dlog4j2.is.webapp=false", "-Djute.maxbuffer=10485760", "-Djava.net.preferIPv4Stack=true", "-Dio.netty.tryReflectionSetAccessible=true",
	"-Dpulsar.log.dir=HOME/logs", "-Dpulsar.log.level=info", "-Dpulsar.log.root.level=info", "-Dpulsar.log.immediateFlush=false",
	"-Dpulsar.routing.appender.default=Console", "-Dpulsar.log.appender=RoutingAppender", "-Dlog4j.configurationFile=HOME/conf/log4j2.yaml",
}

func launchers(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	if err := writeTree(filepath.Join(m.dir, "tree")); err != nil {
		t.Fatal(err)
	}
	m.write("tree/pulsar/lib/b.jar", "", 0o644)
	m.write("tree/pulsar/lib/a.jar", "", 0o644)
	m.write("tree/pulsar/lib/C.jar", "", 0o644)
	return m
}

const classPath = "HOME/lib/C.jar:HOME/lib/a.jar:HOME/lib/b.jar"

func TestLaunchers(t *testing.T) {
	t.Parallel()
	m := launchers(t)
	m.write("tree/pulsar/cds/broker.jsa", "", 0o444)
	zookeeper := []string{"-Dzookeeper.4lw.commands.whitelist=*", "-Dzookeeper.snapshot.trust.empty=true", "-Dzookeeper.tcpKeepAlive=true", "-Dzookeeper.clientTcpKeepAlive=true"}
	tests := map[string]struct {
		environ []string
		argv    []string
		want    []string
	}{
		"zookeeper": {
			environ: []string{"PULSAR_MEM=-Xmx1m -Xms1m", "PULSAR_GC=-XX:+UseSerialGC", "PULSAR_EXTRA_OPTS=-Da=b", "PULSAR_ZK_CONF=/x/zoo.cfg"},
			argv:    []string{"pulsar", "zookeeper"},
			want: slices.Concat([]string{"-cp", classPath}, zookeeper, []string{
				"-Xmx1m", "-Xms1m", "-XX:+UseSerialGC", "-Da=b", "-Dpulsar.log.file=zookeeper.log",
				"org.apache.zookeeper.server.quorum.QuorumPeerMain", "/x/zoo.cfg",
			}),
		},
		"bookie": {
			environ: []string{"PULSAR_MEM=-Xmx9m", "BOOKIE_MEM=-Xmx2m", "BOOKIE_GC=-XX:+UseSerialGC", "BOOKIE_EXTRA_OPTS=-Da=b", "PULSAR_BOOKKEEPER_CONF=/x/bk.conf", "PULSAR_EXTRA_CLASSPATH=/x/y.jar"},
			argv:    []string{"pulsar", "bookie", "--flag", "two words"},
			want: []string{
				"-cp", classPath + ":/x/y.jar", "-Xmx2m", "-XX:+UseSerialGC", "-Da=b", "-Dpulsar.log.file=bookkeeper.log",
				"org.apache.bookkeeper.server.Main", "--conf", "/x/bk.conf", "--flag", "two words",
			},
		},
		"broker, with its archive": {
			environ: []string{"OPTS=-Dfirst=1", "PULSAR_MEM=-Xmx3m", "PULSAR_GC=-XX:+UseSerialGC", "PULSAR_EXTRA_OPTS=-Da=b"},
			argv:    []string{"pulsar", "broker"},
			want: []string{
				"-cp", classPath, "-Dfirst=1", "-Dlog4j.shutdownHookEnabled=false", "-Xmx3m", "-XX:+UseSerialGC", "-Da=b", "-Dpulsar.log.file=pulsar-broker.log",
				"-Dpulsar.functions.process.container.log.dir=HOME/logs", "-Dpulsar.functions.java.instance.jar=HOME/instances/java-instance.jar",
				"-Dpulsar.functions.extra.dependencies.dir=HOME/instances/deps", "-Dpulsar.functions.instance.classpath=" + classPath,
				"-Dpulsar.functions.log.conf=HOME/conf/log4j2.yaml", "-XX:SharedArchiveFile=HOME/cds/broker.jsa", "-Xshare:auto",
				"org.apache.pulsar.PulsarBrokerStarter", "--broker-conf", "HOME/conf/broker.conf",
			},
		},
		"metadata, with the official memory": {
			argv: []string{"pulsar", "initialize-cluster-metadata", "--cluster", "c"},
			want: []string{
				"-cp", classPath, "-Xms2g", "-Xmx2g", "-XX:MaxDirectMemorySize=4g", "-XX:+UseZGC", "-XX:+PerfDisableSharedMem", "-XX:+AlwaysPreTouch",
				"-Dpulsar.allocator.exit_on_oom=true", "-Dio.netty.recycler.maxCapacityPerThread=4096", "-Dpulsar.log.file=pulsar.log",
				"org.apache.pulsar.PulsarClusterMetadataSetup", "--cluster", "c",
			},
		},
		"bookkeeper bookie": {
			environ: []string{"BOOKIE_MEM=-Xmx2m", "BOOKIE_GC=-XX:+UseSerialGC", "BOOKIE_EXTRA_OPTS=-Da=b", "BOOKIE_CONF=/x/bk.conf", "BOOKIE_LOG_CONF=/x/log.yaml"},
			argv:    []string{"bookkeeper", "bookie"},
			want: []string{
				"-cp", classPath, "-Dlog4j.configurationFile=/x/log.yaml", "-Xmx2m", "-XX:+UseSerialGC", "-Da=b",
				"-Dpulsar.log.file=bookkeeper-server.log", "-Dpulsar.log.appender=Console", "org.apache.bookkeeper.server.Main", "--conf", "/x/bk.conf",
			},
		},
		"bookkeeper shell": {
			environ: []string{"PULSAR_MEM=-Xmx2m", "PULSAR_GC=-XX:+UseSerialGC", "PULSAR_EXTRA_OPTS=-Da=b", "PULSAR_LOG_ROOT_LEVEL=error"},
			argv:    []string{"bookkeeper", "shell", "listbookies", "-rw"},
			want: []string{
				"-cp", classPath, "-Xmx2m", "-XX:+UseSerialGC", "-Dio.netty.leakDetectionLevel=disabled", "-Da=b",
				"-Dpulsar.log.file=bookkeeper-server.log", "-Dpulsar.log.appender=Console",
				"-DentryFormatterClass=org.apache.bookkeeper.util.StringEntryFormatter", "org.apache.bookkeeper.bookie.BookieShell",
				"-conf", "HOME/conf/bookkeeper.conf", "listbookies", "-rw",
			},
		},
		"pulsar-admin": {
			environ: []string{"PULSAR_CLIENT_CONF=/x/client.conf"},
			argv:    []string{"pulsar-admin", "brokers", "list", "a b"},
			want: []string{
				"-cp", classPath, "-Xmx128m", "-XX:MaxDirectMemorySize=128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
				"-Dio.netty.leakDetectionLevel=disabled", "-Dpulsar.log.file=pulsar-tools.log",
				"org.apache.pulsar.admin.cli.PulsarAdminTool", "/x/client.conf", "brokers", "list", "a b",
			},
		},
		"a class": {
			environ: []string{"PULSAR_MEM=-Xmx1m", "PULSAR_GC=-XX:+UseSerialGC", "PULSAR_EXTRA_OPTS=-Da=b"},
			argv:    []string{"pulsar", "org.example.Main", "x"},
			want:    []string{"-cp", classPath, "-Xmx1m", "-XX:+UseSerialGC", "-Da=b", "-Dpulsar.log.file=pulsar.log", "org.example.Main", "x"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, launched(t, m, test.environ, test.argv...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLauncherOptionsOfEveryJVM(t *testing.T) {
	t.Parallel()
	m := launchers(t)
	home := filepath.Join(m.dir, "tree", "pulsar")
	for _, launcher := range []string{"pulsar version", "bookkeeper bookie", "pulsar-client produce"} {
		name, argument, _ := strings.Cut(launcher, " ")
		cmd := exec.CommandContext(t.Context(), filepath.Join(home, "bin", name), argument)
		cmd.Env = []string{"JAVA_HOME=" + m.dir, "PATH=/usr/bin:/bin"}
		output, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, option := range everywhere {
			if name == "bookkeeper" && strings.Contains(option, "appender=RoutingAppender") {
				continue
			}
			if !strings.Contains(strings.ReplaceAll(string(output), home, "HOME"), option+"\n") {
				t.Errorf("%s: no %s", launcher, option)
			}
		}
		if !strings.Contains(string(output), "--add-opens\njava.base/java.nio=ALL-UNNAMED\n") {
			t.Errorf("%s: java.nio is not opened", launcher)
		}
	}
}

// Files of defaults below conf, log settings, and a caller's own archive.
func TestLauncherSettings(t *testing.T) {
	t.Parallel()
	m := launchers(t)
	m.write("tree/pulsar/cds/zookeeper.jsa", "", 0o444)
	m.write("tree/pulsar/conf/pulsar_env.sh", "PULSAR_MEM=-Xmx7m\nPULSAR_LOG_LEVEL=warn\n", 0o644)
	got := launched(t, m, []string{
		"PULSAR_GC=-XX:+UseSerialGC", "PULSAR_EXTRA_OPTS=-XX:ArchiveClassesAtExit=/x.jsa", "PULSAR_LOG_ROOT_LEVEL=error",
		"PULSAR_LOG_APPENDER=RollingFile", "PULSAR_LOG_DIR=" + m.dir + "/new/log", "PULSAR_LOG_CONF=/x/log.yaml",
	}, "pulsar", "zookeeper")
	for _, want := range []string{
		"-Xmx7m", "-Dpulsar.log.level=warn", "-Dpulsar.log.root.level=error", "-Dpulsar.log.appender=RollingFile",
		"-Dpulsar.log.dir=" + m.dir + "/new/log", "-Dlog4j.configurationFile=/x/log.yaml",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s in %v", want, got)
		}
	}
	if slices.Contains(got, "-Xshare:auto") {
		t.Error("an archive is read while another is made")
	}
}

func TestLaunchersRefuse(t *testing.T) {
	t.Parallel()
	m := launchers(t)
	m.write("old/bin/java", "", 0o755)
	m.write("old/release", "JAVA_VERSION=\"11.0.2\"\n", 0o644)
	bin := filepath.Join(m.dir, "tree", "pulsar", "bin")
	tests := map[string]struct {
		argv    []string
		environ string
		want    string
	}{
		"no command":   {argv: []string{"pulsar"}, want: "Usage: pulsar <command>"},
		"no Java":      {argv: []string{"pulsar", "broker"}, environ: "PATH=/nowhere", want: "Error: no Java"},
		"too old":      {argv: []string{"bookkeeper", "bookie"}, environ: "JAVA_HOME=" + m.dir + "/old", want: "Error: Java 11 is too old"},
		"not included": {argv: []string{"pulsar", "proxy"}, want: "Error: proxy is not part of this image"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			argv := append([]string{"-p", filepath.Join(bin, test.argv[0])}, test.argv[1:]...)
			cmd := exec.CommandContext(t.Context(), "/bin/bash", argv[1:]...)
			cmd.Env = []string{"PATH=/usr/bin:/bin"}
			if test.environ != "" {
				cmd.Env = append(cmd.Env, test.environ)
			}
			output, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(output), test.want) {
				t.Errorf("%v, %q, want %q", err, output, test.want)
			}
		})
	}
}
