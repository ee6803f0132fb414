package image

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAssembleMakesTheTreeOnce(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	var said bytes.Buffer
	a := m.assembler()
	a.Progress = &said
	tree := m.assemble(a)

	entries, err := os.ReadDir(tree)
	if err != nil || len(entries) != 1 || entries[0].Name() != "pulsar" {
		t.Errorf("the tree has %v, want pulsar alone (%v)", entries, err)
	}
	for _, file := range []string{"bin/pulsar", "bin/bookkeeper", "bin/pulsar-admin", "bin/pulsar-client"} {
		if !executable(filepath.Join(tree, "pulsar", file)) {
			t.Errorf("%s cannot be executed", file)
		}
	}
	for _, file := range []string{
		"conf/zookeeper.conf", "conf/bookkeeper.conf", "conf/broker.conf", "conf/client.conf", "conf/log4j2.yaml",
		"conf/functions_worker.yml", "lib/alpha-1.jar", "lib/beta-2.jar", "lib/Gamma-3.jar", "cds/broker.jsa", "data", "logs",
	} {
		if _, err := os.Stat(filepath.Join(tree, "pulsar", file)); err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(said.String(), "fetched 3 files") {
		t.Errorf("no progress in:\n%s", said.String())
	}

	start := time.Now()
	if again := m.assemble(a); again != tree {
		t.Errorf("the second call gave %s, want %s", again, tree)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("the second call took %v", took)
	}
	if m.runs() != 1 {
		t.Errorf("mvn ran %d times", m.runs())
	}
}

func TestAssembleTwoAtOnce(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, err := m.assembler().assemble(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if m.runs() != 1 {
		t.Errorf("mvn ran %d times", m.runs())
	}
}

func TestAssembleNoticesDamage(t *testing.T) {
	t.Parallel()
	jar := "pulsar/lib/beta-2.jar"
	damages := map[string]func(t *testing.T, tree string) error{
		"a jar cut short":    func(_ *testing.T, tree string) error { return os.Truncate(filepath.Join(tree, jar), 10) },
		"a jar missing":      func(_ *testing.T, tree string) error { return os.Remove(filepath.Join(tree, jar)) },
		"a record cut short": func(_ *testing.T, tree string) error { return os.Truncate(filepath.Join(tree, "..", recordName), 10) },
		"no record":          func(_ *testing.T, tree string) error { return os.Remove(filepath.Join(tree, "..", recordName)) },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			tree := m.assemble(m.assembler())
			if err := damage(t, tree); err != nil {
				t.Fatal(err)
			}
			tree = m.assemble(m.assembler())
			want := m.read("central/beta-2.jar")
			if got, err := os.ReadFile(filepath.Join(tree, jar)); err != nil || string(got) != want {
				t.Errorf("the jar was not made whole: %v", err)
			}
			if m.runs() != 2 {
				t.Errorf("mvn ran %d times, want 2", m.runs())
			}
		})
	}
}

func TestAssembleFetchesBrokenJarsAgain(t *testing.T) {
	t.Parallel()
	breaks := map[string]func(jar string) string{
		"cut short": func(jar string) string { return jar[:len(jar)/2] },
		"altered":   func(jar string) string { return strings.Replace(jar, "class", "klass", 1) },
		"empty":     func(string) string { return "" },
	}
	for name, change := range breaks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			good := m.read("central/alpha-1.jar")
			m.write("repository/alpha-1.jar", change(good), 0o644)
			m.write("repository/alpha-1.jar.sha1", m.read("central/alpha-1.jar.sha1"), 0o644)
			tree := m.assemble(m.assembler())
			got, err := os.ReadFile(filepath.Join(tree, "pulsar", "lib", "alpha-1.jar"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(good, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A jar that is broken at its source is an error, not a loop.
func TestAssembleGivesUpOnBrokenSource(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write("central/alpha-1.jar", "not a jar", 0o644)
	m.refuse(m.assembler(), "alpha-1.jar is broken")
	if m.runs() != 3 {
		t.Errorf("mvn ran %d times, want 3", m.runs())
	}
}

func TestAssembleGoesOnAfterAnInterruption(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write("trouble", "cp central/alpha-1.jar repository/\ntouch fetching\nexec sleep 100\n", 0o644)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(m.dir, "fetching")); err == nil {
				cancel()
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	_, err := m.assembler().assemble(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error is %v", err)
	}
	if err := os.Remove(m.trouble); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	a := m.assembler()
	a.Progress = &said
	m.assemble(a)
	if !strings.Contains(said.String(), "fetched 2 files") {
		t.Errorf("what was fetched was not kept:\n%s", said.String())
	}
	left, err := filepath.Glob(filepath.Join(m.cache, "*.partial"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestAssembleTriesABrokenTransferAgain(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write("trouble", "rm trouble\necho '[ERROR] Could not transfer artifact x from/to central: Connection reset'\nexit 1\n", 0o644)
	m.assemble(m.assembler())
	if m.runs() != 2 {
		t.Errorf("mvn ran %d times, want 2", m.runs())
	}
}

func TestAssembleSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		trouble string
		change  func(m *machine, a *assembler)
		words   []string
	}{
		"no network": {
			trouble: "echo '[ERROR] Failed to execute goal: Could not transfer artifact x: repo.example: Temporary failure in name resolution'; exit 1",
			words:   []string{"Maven Central cannot be reached", "connect to the network", "kept"},
		},
		"Maven's disk is full": {
			trouble: "echo '[ERROR] Could not transfer artifact x: No space left on device'; exit 1",
			words:   []string{"~/.m2", "full", "free some"},
		},
		"something else": {
			trouble: "echo '[INFO] fine'; echo '[ERROR] the plug-in is odd'; exit 1",
			words:   []string{"cannot fetch Pulsar", "the plug-in is odd"},
		},
		"mvn says nothing": {
			trouble: "exit 7",
			words:   []string{"cannot fetch Pulsar", "exit status 7"},
		},
		"our disk is full": {
			change: func(_ *machine, a *assembler) { a.room = 1 << 62 },
			words:  []string{"is full", "the image needs", "XDG_CACHE_HOME", "no space left on device"},
		},
		"the disk fills up": {
			change: func(_ *machine, a *assembler) {
				a.archives = func(context.Context, string, string, *progress) error {
					_, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
					if err == nil {
						err = os.WriteFile("/dev/full", []byte("x"), 0o600)
					}
					return err
				}
			},
			words: []string{"is full", "free some"},
		},
		"no Maven": {
			change: func(m *machine, a *assembler) {
				if err := os.Remove(filepath.Join(m.dir, "bin/mvn")); err != nil {
					m.t.Fatal(err)
				}
				a.system.environ = []string{"PATH=" + filepath.Join(m.dir, "bin")}
			},
			words: []string{"cannot find Maven", "install it", "PULSAR_HOME"},
		},
		"no Java": {
			change: func(_ *machine, a *assembler) { a.system.environ = []string{"PATH="} },
			words:  []string{"cannot find Java", "install a JDK 17 or later"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			a := m.assembler()
			if test.trouble != "" {
				m.write("trouble", test.trouble, 0o644)
			}
			if test.change != nil {
				test.change(m, &a)
			}
			m.refuse(a, test.words...)
		})
	}
}

func TestAssembleWithoutArchivesIsAnImage(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	var said bytes.Buffer
	a := m.assembler()
	a.Progress = &said
	a.archives = func(_ context.Context, tree, _ string, _ *progress) error {
		return errors.Join(os.WriteFile(filepath.Join(tree, "pulsar", "cds", "broker.jsa"), []byte("half"), 0o600), errors.New("no namespaces"))
	}
	tree := m.assemble(a)
	if left, _ := os.ReadDir(filepath.Join(tree, "pulsar", "cds")); len(left) != 0 {
		t.Errorf("half an archive is left: %v", left)
	}
	if !strings.Contains(said.String(), "warning: no class archives, daemons will start slower: ") {
		t.Errorf("no warning in:\n%s", said.String())
	}
	said.Reset()
	m.assemble(a)
	if !strings.Contains(said.String(), "no class archives; delete ") {
		t.Errorf("no way to try again in:\n%s", said.String())
	}
}

func TestHome(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write("dist/bin/pulsar", "#!/bin/sh\n", 0o755)
	m.write("dist/bin/bookkeeper", "#!/bin/sh\n", 0o755)
	a := m.assembler()
	a.Home = filepath.Join(m.dir, "dist")
	m.refuse(a, "PULSAR_HOME", "no jar in lib")
	m.write("dist/lib/a.jar", "", 0o644)
	m.write("dist/conf/broker.conf", "a=b", 0o644)
	m.write("dist/data/old", "", 0o644)
	m.write("dist/lib/sub/link", "", 0o644)
	tree := m.assemble(a)
	for _, file := range []string{"bin/pulsar", "bin/bookkeeper", "lib/a.jar", "conf/broker.conf", "logs", "data"} {
		if _, err := os.Stat(filepath.Join(tree, "pulsar", file)); err != nil {
			t.Error(err)
		}
	}
	if !executable(filepath.Join(tree, "pulsar", "bin", "pulsar")) {
		t.Error("the launcher cannot be executed")
	}
	if _, err := os.Stat(filepath.Join(tree, "pulsar", "data", "old")); err == nil {
		t.Error("data of the distribution are in the image")
	}
	if again := m.assemble(a); again != tree {
		t.Errorf("the second call gave %s, want %s", again, tree)
	}
	if m.runs() != 0 {
		t.Error("mvn ran")
	}
	m.write("dist/conf/broker.conf", "a=changed", 0o644)
	tree = m.assemble(a)
	if content, err := os.ReadFile(filepath.Join(tree, "pulsar", "conf", "broker.conf")); err != nil || string(content) != "a=changed" {
		t.Errorf("a change of the distribution is not seen: %q %v", content, err)
	}
	a.Home = m.cache
	m.refuse(a, "PULSAR_HOME", "no bin/pulsar")
	a.Home = filepath.Join(m.dir, "nowhere")
	m.refuse(a, "PULSAR_HOME", "nowhere")
}
