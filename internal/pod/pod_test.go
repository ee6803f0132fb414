package pod

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestWorkload(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.start(l.spec("zoo/0", ""))
	up(t, p, "workload")

	// The charm adds a service through the socket that it sees, and the
	// service runs in the workload.
	sh(t, p, "charm", `cat > /tmp/layer.yaml <<END
services:
  trivial:
    override: replace
    startup: enabled
    command: sh -c 'echo service of \$ROLE; echo started > /run/proof; exec sleep 1000'
END
export PEBBLE_SOCKET=/charm/containers/workload/pebble.socket
/charm/bin/pebble add charm /tmp/layer.yaml
/charm/bin/pebble replan`)
	eventually(t, "running: the service", func() bool {
		output, outcome := shOutcome(t, p, "workload", "cat /run/proof && /charm/bin/pebble services")
		return outcome.ExitCode == 0 && strings.Contains(output, "started") && strings.Contains(output, "active")
	})
	eventually(t, "written: the service's output", func() bool {
		log, _ := os.ReadFile(p.Log("workload"))
		return strings.Contains(string(log), "service of test")
	})

	hosts := t.TempDir() // a directory of the host that no container was given
	for _, test := range []struct{ container, script, want string }{
		{"workload", "/pulsar/bin/hello", "hello"},
		{"workload", "cat /pulsar/data/zookeeper/keep", "kept"},
		{"charm", "cat /var/lib/juju/storage/data/0/keep", "kept"},
		{"workload", "cat /usr/share/of-the-image", "image"},
		{"workload", "echo changed > /usr/share/of-the-image; echo new > /etc/new; echo log > /pulsar/log; cat /usr/share/of-the-image /etc/new /pulsar/log", "changed\nnew\nlog"},
		{"workload", "hostname; hostname -f; cat /etc/hostname", "zoo-0\nzoo-0.zoo-endpoints.m.svc.cluster.local\nzoo-0"},
		{"workload", "grep search /etc/resolv.conf", "search m.svc.cluster.local svc.cluster.local cluster.local"},
		{"workload", "cat /proc/1/comm; echo $JUJU_CONTAINER_NAME $PEBBLE_SOCKET $HOME", "pebble\nworkload /charm/container/pebble.socket /root"},
		{"workload", "touch /pulsar/bin/x && ls /pulsar/bin", "hello\nx"},
		{"charm", "touch /usr/bin/x 2>/dev/null; echo $?", "1"},
		{"charm", "getent hosts zoo-0 >/dev/null && getent hosts nobody || echo unknown", "unknown"},
		{"charm", "ls /var/lib/juju/agents/unit-zoo-0/charm /charm/containers; readlink /var/lib/juju/tools/unit-zoo-0/config-get", "/charm/containers:\nworkload\n\n/var/lib/juju/agents/unit-zoo-0/charm:\nmetadata.yaml\n/charm/bin/jujuc"},
		{"charm", "echo x > /dev/null; head -c4 /dev/zero | wc -c; test -w /dev/shm; ls /proc/self/fd", "4\n0\n1\n2\n3"},
		{"charm", "mount -t tmpfs x /mnt 2>/dev/null || echo refused", "refused"},
		{"charm", "ls -d " + hosts + " /.host 2>/dev/null; true", ""},
	} {
		if got := sh(t, p, test.container, test.script); got != test.want {
			t.Errorf("%s: %s\ngot  %q\nwant %q", test.container, test.script, got, test.want)
		}
	}
	// Another pod comes back with another address. A program that reads
	// /etc/hosts once must not go on with the first.
	for _, address := range []string{"10.1.200.1", "10.1.200.2"} {
		l.write("renamed", address+" other-0.other-endpoints.m.svc.cluster.local\n", 0o644)
		if err := os.Rename(filepath.Join(l.dir, "renamed"), l.hosts); err != nil {
			t.Fatal(err)
		}
		got := sh(t, p, "workload", "getent hosts other-0.other-endpoints | cut -d' ' -f1; grep -c other /etc/hosts || true")
		if want := address + "\n0"; got != want {
			t.Errorf("other-0: got %q, want %q", got, want)
		}
	}
	if os.Getenv("JAVA_HOME") != "" || exec.Command("java", "-version").Run() == nil {
		if got := sh(t, p, "workload", "java -version 2>&1; $JAVA_HOME/bin/java -version 2>&1 | wc -l"); !strings.Contains(got, "ersion") {
			t.Errorf("java: %s", got)
		}
	}
	if _, err := os.Stat("/usr/bin/x"); err == nil {
		t.Error("a container wrote to the host")
	}
	if pid, err := p.PebblePID("workload"); err != nil || pid == 0 {
		t.Errorf("Pebble's process: %d, %v", pid, err)
	}
	content, err := p.ReadFile(t.Context(), "charm", "/etc/hostname")
	if err != nil || string(content) != "zoo-0\n" {
		t.Errorf("read %q, %v", content, err)
	}
	if _, err := p.ReadFile(t.Context(), "charm", "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestExec(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.start(l.spec("zoo/0", ""))
	up(t, p, "workload")
	for _, test := range []struct {
		name    string
		command Command
		want    Outcome
		output  string
	}{
		{"exit code", Command{Argv: []string{"sh", "-c", "exit 7"}}, Outcome{ExitCode: 7}, ""},
		{"signal", Command{Argv: []string{"sh", "-c", "kill -9 $$"}}, Outcome{ExitCode: 137, Killed: true}, ""},
		{"not found", Command{Argv: []string{"no-such"}}, Outcome{ExitCode: 127}, "no-such: command not found\n"},
		{"not executable", Command{Argv: []string{"/etc/hostname"}}, Outcome{ExitCode: 126}, "cannot run /etc/hostname: fork/exec /etc/hostname: permission denied\n"},
		{"stdin", Command{Argv: []string{"cat"}, Stdin: strings.NewReader("hello")}, Outcome{}, "hello"},
		{"environment", Command{Argv: []string{"sh", "-c", "echo $ROLE $X; pwd"}, Env: map[string]string{"X": "y"}, Dir: "/pulsar"}, Outcome{}, "test y\n/pulsar\n"},
		{"terminal", Command{Argv: []string{"sh", "-c", "tty; stty size"}, Terminal: true, Rows: 30, Columns: 100}, Outcome{}, "/dev/pts/0\r\n30 100\r\n"},
		{"much output", Command{Argv: []string{"sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x"}}, Outcome{}, strings.Repeat("x", 300000)},
		{"detached child", Command{Argv: []string{"sh", "-c", "echo done; setsid sleep 1000 &"}}, Outcome{}, "done\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var output bytes.Buffer
			test.command.Stdout, test.command.Stderr = &output, io.Discard
			if test.want.ExitCode == 126 || test.want.ExitCode == 127 {
				test.command.Stdout, test.command.Stderr = nil, &output
			}
			got, err := p.Exec(t.Context(), "workload", test.command)
			if err != nil || got != test.want || output.String() != test.output {
				t.Errorf("%+v, %v, want %+v; output %.80q", got, err, test.want, output.String())
			}
		})
	}
	if _, err := p.Exec(t.Context(), "nothing", Command{Argv: []string{"true"}}); err == nil || !strings.Contains(err.Error(), `no container "nothing"`) {
		t.Errorf("unknown container: %v", err)
	}
	// Giving up kills, the group with it.
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	go func() {
		read.Read(make([]byte, 1))
		cancel()
		io.Copy(io.Discard, read)
	}()
	if _, err := p.Exec(ctx, "workload", Command{Argv: []string{"sh", "-c", "echo x; sleep 4242; true"}, Stdout: write}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	eventually(t, "killed: what was given up", func() bool {
		output, _ := shOutcome(t, p, "workload", "grep -la 'sleep.424[2]' /proc/[0-9]*/cmdline")
		return !strings.Contains(output, "cmdline")
	})
}

// Two pods reach each other by name, also the one that came later.
func TestNetwork(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, b := l.spec("a/0", ""), l.spec("b/0", "")
	b.Containers[0].PebblePort = 8181
	pa := l.start(a)
	pb := l.start(b)
	up(t, pa, "workload")
	up(t, pb, "workload")
	ask := func(from *Pod, container, name string, port int) string {
		return sh(t, from, container, fmt.Sprintf(`bash -c 'exec 3<>/dev/tcp/%s/%d; printf "GET /v1/health HTTP/1.0\r\n\r\n" >&3; head -1 <&3'`, name, port))
	}
	for _, got := range []string{
		ask(pa, "workload", b.FQDN, 8181), ask(pb, "charm", a.FQDN, 38813), ask(pa, "charm", "localhost", 38813), ask(pa, "charm", a.FQDN, 38813),
	} {
		if !strings.Contains(got, "200 OK") {
			t.Errorf("answer %q", got)
		}
	}
	// A container's port is open in its own pod only.
	if output, outcome := shOutcome(t, pa, "charm", "bash -c 'exec 3<>/dev/tcp/localhost/8181'"); outcome.ExitCode == 0 {
		t.Errorf("another pod's port on localhost: %s", output)
	}
	if got := sh(t, pa, "charm", "ls /sys/class/net >/dev/null; cat /proc/net/dev | grep -c eth0"); got != "1" {
		t.Errorf("links: %s", got)
	}
	// The same address again, for a pod elsewhere.
	if err := pb.Kill(); err != nil {
		t.Fatal(err)
	}
	b.Dir += "2"
	pb = l.start(b)
	up(t, pb, "workload")
	if got := ask(pa, "workload", b.FQDN, 8181); !strings.Contains(got, "200 OK") {
		t.Errorf("answer of the second pod: %q", got)
	}
}

func TestContainerRestart(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.start(l.spec("zoo/0", ""))
	before := up(t, p, "workload")
	sh(t, p, "workload", "echo new > /pulsar/data/zookeeper/new; echo dirty > /pulsar/conf/zoo.cfg; touch /tmp/x /etc/x /var/lib/x /usr/x")
	pid, err := p.PebblePID("workload")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "restarted: the container", func() bool {
		after := bootID(p, "workload")
		return after != "" && after != before
	})
	if got := sh(t, p, "workload", "cat /pulsar/conf/zoo.cfg /pulsar/data/zookeeper/new; ls /tmp /etc/x /var/lib/x /usr/x 2>/dev/null | cat"); got != "freshnew\n/tmp:" && got != "freshnew" {
		t.Errorf("filesystem after the restart: %q", got)
	}
	containers, err := p.Containers(t.Context())
	if err != nil || len(containers) != 2 || containers[0].Name != "charm" || containers[0].Restarts != 0 ||
		containers[1].Restarts != 1 || containers[1].LastExit != "killed by SIGKILL" || !containers[1].Running {
		t.Errorf("containers: %+v, %v", containers, err)
	}

	// The charm's container loses its files too, but not /var/lib/juju.
	sh(t, p, "charm", "touch /tmp/x /var/lib/juju/x")
	if err := p.RestartCharmContainer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := sh(t, p, "charm", "ls /tmp; ls -d /var/lib/juju/x"); got != "/var/lib/juju/x" {
		t.Errorf("charm container after the restart: %q", got)
	}
}

// A container whose checks of level alive fail is restarted, as by a kubelet.
func TestLiveness(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	spec := l.spec("zoo/0", "")
	spec.Probe = Probe{InitialDelay: time.Nanosecond, Period: 20 * time.Millisecond, Failures: 2}
	p := l.start(spec)
	before := up(t, p, "workload")
	// The container may end before the command does.
	shOutcome(t, p, "workload", `cat > /tmp/layer.yaml <<END
checks:
  dead: {override: replace, level: alive, period: 20ms, timeout: 10ms, threshold: 1, tcp: {port: 1}}
END
/charm/bin/pebble add checks /tmp/layer.yaml`)
	eventually(t, "restarted: the container", func() bool {
		after := bootID(p, "workload")
		return after != "" && after != before
	})
}

func TestDispatch(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	spec := l.spec("zoo/0", `echo "out $JUJU_HOOK_NAME $PATH"
echo "err $(pwd) $HOME" >&2
config-get --format=json
python3 -c '
import os, socket
s = socket.socket(socket.AF_UNIX)
s.connect("\0" + os.environ["JUJU_AGENT_SOCKET_ADDRESS"][1:])
s.sendall(b"question")
s.shutdown(socket.SHUT_WR)
print(s.makefile().read())
'
exit 3
`)
	p := l.start(spec)
	// The agent's side answers with what it was asked.
	agent, err := net.Listen("unix", filepath.Join(l.dir, "agent.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	go func() {
		for {
			conn, err := agent.Accept()
			if err != nil {
				return
			}
			question, _ := io.ReadAll(conn)
			fmt.Fprintf(conn, "answer to %s", question)
			conn.Close()
		}
	}()
	var stdout, stderr bytes.Buffer
	run := Run{
		Env:         []string{"JUJU_HOOK_NAME=start", "JUJU_DISPATCH_PATH=hooks/start", "JUJU_AGENT_SOCKET_ADDRESS=" + AgentSocket("zoo/0")},
		JujucSocket: filepath.Join(l.dir, "agent.sock"), Stdout: &stdout, Stderr: &stderr,
	}
	for range 2 { // the socket is free again after each hook
		stdout.Reset()
		stderr.Reset()
		outcome, err := p.Dispatch(t.Context(), run)
		if err != nil || outcome != (Outcome{ExitCode: 3}) {
			t.Fatalf("%+v, %v\n%s%s", outcome, err, stdout.String(), stderr.String())
		}
		if got := stderr.String(); got != "err /var/lib/juju/agents/unit-zoo-0/charm \n" {
			t.Errorf("stderr %q", got)
		}
		got := stdout.String()
		if !strings.HasPrefix(got, "out start /var/lib/juju/tools/unit-zoo-0:") || !strings.HasSuffix(got, ":/charm/bin\n--format=json\nanswer to question\n") {
			t.Errorf("stdout %q", got)
		}
	}

	// A hook whose pod dies was killed, it has not failed.
	started := make(chan struct{})
	read, write := io.Pipe()
	go func() {
		read.Read(make([]byte, 1))
		close(started)
		io.Copy(io.Discard, read)
	}()
	go func() {
		<-started
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	}()
	outcome, err := p.Dispatch(t.Context(), Run{Command: []string{"sh", "-c", "echo x; sleep 1000"}, Stdout: write})
	if err != nil || !outcome.Killed {
		t.Errorf("killed pod: %+v, %v", outcome, err)
	}
}

func TestDispatchFiles(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.start(l.spec("zoo/0", ""))
	charm := filepath.Join(l.dir, "zoo-0", "charm")
	run := func() (Outcome, string) {
		var output bytes.Buffer
		outcome, err := p.Dispatch(t.Context(), Run{Env: []string{"JUJU_DISPATCH_PATH=hooks/start"}, Stdout: &output, Stderr: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		return outcome, output.String()
	}
	if outcome, _ := run(); outcome != (Outcome{Missing: true}) {
		t.Errorf("no files: %+v", outcome)
	}
	l.write("zoo-0/charm/hooks/start", "#!/bin/sh\necho hook", 0o755)
	if outcome, output := run(); outcome != (Outcome{}) || output != "hook\n" {
		t.Errorf("hook file: %+v %q", outcome, output)
	}
	l.write("zoo-0/charm/dispatch", "#!/bin/sh\n", 0o644)
	if outcome, _ := run(); outcome != (Outcome{ExitCode: 126}) {
		t.Errorf("dispatch without x: %+v", outcome)
	}
	if err := os.Remove(filepath.Join(charm, "metadata.yaml")); err != nil {
		t.Fatal(err)
	}
	if outcome, _ := run(); outcome != (Outcome{ExitCode: 1}) {
		t.Errorf("no charm: %+v", outcome)
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.start(l.spec("zoo/0", "echo stop hook"))
	up(t, p, "workload")
	sh(t, p, "workload", `cat > /tmp/layer.yaml <<END
services:
  trivial:
    override: replace
    command: sh -c 'trap "echo orderly > /pulsar/data/zookeeper/end; exit" TERM; touch /tmp/trap; while true; do sleep 0.1; done'
END
/charm/bin/pebble add charm /tmp/layer.yaml && /charm/bin/pebble start trivial; until test -e /tmp/trap; do sleep 0.01; done`)
	if err := p.Terminate(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The charm's container is there for the stop hook.
	var output bytes.Buffer
	if outcome, err := p.Dispatch(t.Context(), Run{Stdout: &output}); err != nil || outcome != (Outcome{}) || output.String() != "stop hook\n" {
		t.Errorf("stop hook: %+v, %v, %q", outcome, err, output.String())
	}
	if err := p.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	default:
		t.Error("a stopped pod is not done")
	}
	if end, err := os.ReadFile(filepath.Join(l.dir, "zoo-0", "storage", "end")); err != nil || string(end) != "orderly\n" {
		t.Errorf("the service's end: %q, %v", end, err)
	}
	if _, err := Adopt(t.Context(), p.Spec().Dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("adopting a dead pod: %v", err)
	}
	if _, err := Adopt(t.Context(), filepath.Join(l.dir, "none")); !errors.Is(err, ErrNotRunning) {
		t.Errorf("adopting nothing: %v", err)
	}
}

// A Java that is not where packages put it is shown where it is.
func TestJavaHome(t *testing.T) {
	l := newLab(t)
	l.write("jdk/bin/java", "#!/bin/sh\necho java of $JAVA_HOME", 0o755)
	home := filepath.Join(l.dir, "jdk")
	t.Setenv("JAVA_HOME", home)
	p := l.start(l.spec("zoo/0", ""))
	for _, container := range []string{"charm", "workload"} {
		if got := sh(t, p, container, "java; touch $JAVA_HOME/x 2>/dev/null || echo read-only"); got != "java of "+home+"\nread-only" {
			t.Errorf("%s: %q", container, got)
		}
	}
}

// In Docker the state directory is on an overlay, which cannot be the upper
// directory of another one.
func TestStateOnOverlay(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, dir := range []string{"lower", "upper", "work", "state"} {
		if err := os.Mkdir(filepath.Join(l.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	state := filepath.Join(l.dir, "state")
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", l.dir)
	if inUserNamespace() {
		options += ",userxattr"
	}
	if err := unix.Mount("overlay", state, "overlay", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(state, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	spec := l.spec("zoo/0", "")
	spec.Dir = filepath.Join(state, "pod")
	p := l.start(spec)
	up(t, p, "workload")
	if got := sh(t, p, "workload", "echo new > /etc/new; echo changed > /pulsar/conf/zoo.cfg; cat /etc/new /pulsar/conf/zoo.cfg; /pulsar/bin/hello"); got != "new\nchanged\nhello" {
		t.Errorf("got %q", got)
	}
}

func TestRemoveSparesMounts(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("storage/keep", "", 0o644)
	target := filepath.Join(l.dir, "pod", "a mount")
	if err := os.MkdirAll(target, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(filepath.Join(l.dir, "storage"), target, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	err := Remove(filepath.Join(l.dir, "pod"))
	if unmount := unix.Unmount(target, 0); unmount != nil {
		t.Error(unmount)
	}
	if _, keep := os.Stat(filepath.Join(l.dir, "storage", "keep")); err == nil || keep != nil {
		t.Errorf("remove: %v; the file: %v", err, keep)
	}
}

func TestNamespaceErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want string
	}{
		{unix.EPERM, "run as root"},
		{unix.ENOSPC, "user.max_user_namespaces"},
		{unix.EINVAL, "this kernel lacks"},
		{linkError("bridge", unix.EOPNOTSUPP), "modprobe bridge"},
	} {
		if got := namespaceError(test.err); !strings.Contains(got.Error(), test.want) {
			t.Errorf("%v: %v does not say %q", test.err, got, test.want)
		}
	}
}

func TestStartErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"address", func(s *Spec) { s.Address = "192.168.0.1" }, "none of a pod in 10.1.0.0/16"},
		{"image", func(s *Spec) { s.Containers[0].Image = "/no/image" }, "cannot find the image of container workload"},
		{"image contains pod", func(s *Spec) { s.Containers[0].Image = filepath.Dir(filepath.Dir(s.Dir)) }, "contains the pod's own directory"},
		{"container name", func(s *Spec) { s.Containers[0].Name = "charm" }, "is reserved"},
		{"path", func(s *Spec) { s.Dir += strings.Repeat("x", 100) }, "CHARMLAB_HOME"},
		{"storage", func(s *Spec) { s.Containers[0].Mounts[0].Source = "/no/storage" }, "source of a mount of container workload"},
		{"pebble", func(s *Spec) { s.Pebble = s.Hosts }, "cannot run /charm/bin/pebble"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			spec := l.spec("zoo/0", "")
			test.change(&spec)
			p, err := Start(t.Context(), spec)
			if err == nil {
				p.Kill()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want …%s…", err, test.want)
			}
		})
	}
}
