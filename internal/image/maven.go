package image

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// plugin is pinned: Maven's default differs between its releases.
const plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath"

// maven fetches what the POM names into the user's own local repository, which
// makes an interrupted download go on where it was.
type maven struct {
	system   system
	path     string // of mvn
	progress *progress
}

func newMaven(s system, p *progress) (maven, error) {
	for _, variable := range []string{"MAVEN_HOME", "M2_HOME"} {
		if home := s.get(variable); home != "" && executable(filepath.Join(home, "bin", "mvn")) {
			return maven{system: s, path: filepath.Join(home, "bin", "mvn"), progress: p}, nil
		}
	}
	if path := s.look("mvn"); path != "" {
		return maven{system: s, path: path, progress: p}, nil
	}
	return maven{}, errors.New("cannot find Maven: install it (Debian, Ubuntu: maven), put mvn on PATH, or set PULSAR_HOME to a Pulsar distribution")
}

// errTransfer marks what may go well at a second try.
var errTransfer = errors.New("a transfer failed")

// jars returns the paths in the local repository of all jars of the POM.
func (m maven) jars(ctx context.Context, dir string) ([]string, error) {
	const attempts = 3
	for attempt := 1; ; attempt++ {
		jars, err := m.run(ctx, dir)
		if err == nil || attempt == attempts || !errors.Is(err, errTransfer) || ctx.Err() != nil {
			return jars, err
		}
		m.progress.linef("%v; once more", err)
	}
}

func (m maven) run(ctx context.Context, dir string) ([]string, error) {
	content, err := sources.ReadFile("pom.xml")
	if err != nil {
		return nil, err
	}
	pom, list := filepath.Join(dir, "pom.xml"), filepath.Join(dir, "jars.txt")
	if err := os.WriteFile(pom, content, 0o644); err != nil {
		return nil, err
	}
	// Strict checksums: a transfer that was cut short or altered is an error.
	cmd := exec.CommandContext(ctx, m.path, "-B", "-C", "-f", pom, "-Dstyle.color=never",
		"-DincludeScope=runtime", "-Dmdep.outputFile="+list, plugin)
	cmd.Env = m.system.with("LC_ALL=C")
	// mvn is a script in front of a JVM: end both. The signal at this process's
	// death is really sent at the thread's.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	var trouble []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		trouble = m.follow(reader)
	}()
	err = cmd.Run()
	_ = writer.Close()
	<-done
	if ctx.Err() != nil {
		return nil, fmt.Errorf("cannot fetch Pulsar: interrupted; what was fetched is kept: %w", ctx.Err())
	}
	if err != nil {
		return nil, explain(err, trouble)
	}
	paths, err := os.ReadFile(list)
	if err != nil {
		return nil, fmt.Errorf("cannot read what Maven resolved: %w", err)
	}
	jars := filepath.SplitList(strings.TrimSpace(string(paths)))
	if len(jars) == 0 {
		return nil, errors.New("cannot fetch Pulsar: Maven resolved no jar")
	}
	return jars, nil
}

var downloaded = regexp.MustCompile(`^(?:\[INFO\] )?Downloaded(?: from [^:]+)?: \S+/(\S+) \(([\d.]+) ([kM]?)B`)

// follow turns Maven's log into progress and returns its error lines.
func (m maven) follow(log io.Reader) (trouble []string) {
	files, kilobytes := 0, 0.0
	scanner := bufio.NewScanner(log)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		line := scanner.Text()
		if match := downloaded.FindStringSubmatch(line); match != nil {
			var size float64
			_, _ = fmt.Sscanf(match[2], "%g", &size)
			switch match[3] {
			case "M":
				size *= 1000
			case "":
				size /= 1000
			}
			files, kilobytes = files+1, kilobytes+size
			m.progress.sometimes("fetched %d files, %.0f of about 245 MB", files, kilobytes/1000)
		}
		if strings.HasPrefix(line, "[ERROR]") || strings.HasPrefix(line, "Error:") || strings.Contains(line, "JAVA_HOME") {
			trouble = append(trouble, strings.TrimSpace(strings.TrimPrefix(line, "[ERROR]")))
		}
	}
	// A line longer than the buffer must not block Maven.
	_, _ = io.Copy(io.Discard, log)
	if files > 0 {
		m.progress.linef("fetched %d files, %.0f MB", files, kilobytes/1000)
	}
	return trouble
}

// causes are what goes wrong with networks and disks, in Maven's words.
var causes = []struct {
	words   []string
	message string
	again   bool
}{
	{words: []string{"No space left on device", "Disk quota exceeded"}, message: "the disk with Maven's local repository (~/.m2) is full: it needs 250 MB; free some and run this again, what was fetched is kept"},
	{words: []string{"Unknown host", "UnknownHostException", "Temporary failure in name resolution", "Network is unreachable", "No route to host", "Connection refused", "connect timed out", "Connect timed out"},
		message: "Maven Central cannot be reached: connect to the network, or name a mirror or proxy in ~/.m2/settings.xml, and run this again; what was fetched is kept"},
	{words: []string{"Could not transfer artifact", "Premature end", "Connection reset", "Read timed out", "Checksum validation failed"}, message: "a download broke off", again: true},
}

func explain(err error, trouble []string) error {
	text := strings.Join(trouble, "\n")
	detail := "it said nothing"
	if len(trouble) > 0 {
		detail = trouble[0]
	}
	if len(detail) > 400 {
		detail = detail[:400] + "…"
	}
	for _, cause := range causes {
		for _, words := range cause.words {
			if !strings.Contains(text, words) {
				continue
			}
			if cause.again {
				return fmt.Errorf("cannot fetch Pulsar: %s: %w: %s", cause.message, errTransfer, detail)
			}
			return fmt.Errorf("cannot fetch Pulsar: %s (%s)", cause.message, detail)
		}
	}
	return fmt.Errorf("cannot fetch Pulsar: mvn: %w: %s", err, detail)
}
