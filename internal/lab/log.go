package lab

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
)

// debugLog is the model's log: a file of lines as juju debug-log prints them.
//
//	unit-pulsar-0: 12:00:01 INFO unit.pulsar/0.juju-log ready
type debugLog struct {
	mu      sync.Mutex
	file    *os.File
	now     func() time.Time
	grown   chan struct{} // closed and replaced when lines were added
	dropped int           // lines that the disk did not take
}

func openLog(file string, now func() time.Time) (*debugLog, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the debug log: %w", err)
	}
	return &debugLog{file: f, now: now, grown: make(chan struct{})}, nil
}

// add writes one message of a unit; an empty unit is the controller. A
// module of the agent itself starts with juju or is lab; others are the
// charm's and get the unit's name.
func (l *debugLog) add(unit, level, module, message string) {
	entity := "controller-0"
	if unit != "" {
		entity = juju.UnitTag(unit)
		if module != "lab" && !strings.HasPrefix(module, "juju.") {
			module = "unit." + unit + "." + module
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	line := fmt.Sprintf("%s: %s %s %s %s\n", entity, l.now().UTC().Format("15:04:05"), level, module, strings.TrimRight(message, "\n"))
	// A full disk must not stop the model; what is lost is counted.
	if _, err := l.file.WriteString(line); err != nil {
		l.dropped++
		return
	}
	if l.dropped > 0 {
		fmt.Fprintf(l.file, "controller-0: %s WARNING lab %d lines were lost: the disk was full\n", l.now().UTC().Format("15:04:05"), l.dropped)
		l.dropped = 0
	}
	close(l.grown)
	l.grown = make(chan struct{})
}

func (l *debugLog) close() error { return l.file.Close() }

// levels from the least to the most severe.
var levels = [...]string{"TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}

func severity(level string) int {
	for i, name := range levels {
		if name == level {
			return i
		}
	}
	return -1
}

// wanted says whether a line passes the filter. A line that is not the first
// of its message goes with the one before.
func wanted(line string, filter api.Log, previous bool) bool {
	entity, rest, ok := strings.Cut(line, ": ")
	fields := strings.SplitN(rest, " ", 4)
	if !ok || len(fields) < 3 || severity(fields[1]) < 0 {
		return previous
	}
	if filter.Level != "" && severity(fields[1]) < severity(filter.Level) {
		return false
	}
	if len(filter.Include) > 0 && !matchesEntity(entity, filter.Include) {
		return false
	}
	return !matchesEntity(entity, filter.Exclude)
}

// matchesEntity takes unit-pulsar-0, pulsar/0, an application's name and
// patterns with *.
func matchesEntity(entity string, patterns []string) bool {
	for _, p := range patterns {
		tag := p
		if strings.Contains(p, "/") {
			tag = juju.UnitTag(p)
		}
		if ok, err := path.Match(tag, entity); err == nil && ok {
			return true
		}
		if number, ok := strings.CutPrefix(entity, "unit-"+p+"-"); ok && !strings.Contains(number, "-") {
			return true
		}
	}
	return false
}

// copyTo writes the lines that pass the filter, and then goes on with new
// ones if asked to, until ctx ends.
func (l *debugLog) copyTo(ctx context.Context, w io.Writer, filter api.Log, flush func()) error {
	l.mu.Lock()
	info, err := l.file.Stat()
	grown := l.grown
	l.mu.Unlock()
	if err != nil {
		return err
	}
	end := info.Size()
	pass := false
	var kept []string
	scanner := bufio.NewReader(io.NewSectionReader(l.file, 0, end))
	for {
		line, err := scanner.ReadString('\n')
		if line != "" {
			pass = wanted(line, filter, pass)
			if pass {
				kept = append(kept, line)
				if filter.Lines >= 0 && len(kept) > filter.Lines {
					kept = kept[1:]
				}
			}
		}
		if err != nil {
			break
		}
	}
	for _, line := range kept {
		if _, err := io.WriteString(w, line); err != nil {
			return err
		}
	}
	flush()
	var rest []byte
	for filter.Follow {
		select {
		case <-ctx.Done():
			return nil
		case <-grown:
		}
		l.mu.Lock()
		grown = l.grown
		info, err := l.file.Stat()
		l.mu.Unlock()
		if err != nil {
			return err
		}
		chunk := make([]byte, info.Size()-end)
		n, err := l.file.ReadAt(chunk, end)
		if err != nil && err != io.EOF {
			return err
		}
		end += int64(n)
		rest = append(rest, chunk[:n]...)
		for {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				break
			}
			line := string(rest[:i+1])
			rest = rest[i+1:]
			if pass = wanted(line, filter, pass); !pass {
				continue
			}
			if _, err := io.WriteString(w, line); err != nil {
				return nil // the reader has gone
			}
		}
		flush()
	}
	return nil
}

// lineWriter logs each line that is written to it, and keeps a copy of all.
type lineWriter struct {
	mu     sync.Mutex
	log    func(line string)
	keep   *bytes.Buffer // nil: no copy
	buffer []byte
}

// maxLine is how much of one line is logged at once, as Juju's agent does.
const maxLine = 4096

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keep != nil {
		w.keep.Write(p)
	}
	w.buffer = append(w.buffer, p...)
	for {
		i := bytes.IndexByte(w.buffer, '\n')
		switch {
		case i >= 0:
			w.log(string(w.buffer[:i]))
			w.buffer = w.buffer[i+1:]
		case len(w.buffer) >= maxLine:
			w.log(string(w.buffer[:maxLine]))
			w.buffer = w.buffer[maxLine:]
		default:
			return len(p), nil
		}
	}
}

// flush logs what is left without an end of line.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.buffer) > 0 {
		w.log(string(w.buffer))
		w.buffer = nil
	}
}
