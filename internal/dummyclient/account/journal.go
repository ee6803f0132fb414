package account

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// journalSuffix ends the name of every journal.
const journalSuffix = ".journal"

// A journal is text, a record a line, only ever appended to:
//
//	run 1 <run> <topic>      first line; 1 is the version of the format
//	sent <n>                 numbers up to n were handed to the client library
//	acked <first> <last>     Pulsar acknowledged these
//	pause <milliseconds>     the longest wait for an acknowledgement so far
//	end                      the producer ended in order
//
// A line without its newline was cut by a crash and does not count.

// Record is what a journal says about one run.
type Record struct {
	Run   string
	Topic string
	// Sent is the highest number handed to the client library. After a crash
	// it may be too low, since it is written behind the fact.
	Sent  uint64
	Acked Ranges
	Pause time.Duration
	// Ended says that the producer ended in order.
	Ended bool
	// Live says that a process is still writing the journal.
	Live bool
}

// UpTo is the record as it was when number limit was the last one sent.
func (r Record) UpTo(limit uint64) Record {
	r.Sent = min(r.Sent, limit)
	r.Acked = r.Acked.UpTo(limit)
	return r
}

// Journal is the journal of the run that goes on. Its methods may be called
// from several goroutines and never wait for the disk.
type Journal struct {
	file *os.File

	mu      sync.Mutex
	pending []byte // whole lines not yet written
	acked   Range  // acknowledged and not yet in pending; zero if none
	sent    uint64 // latest, 0 if already in pending
	err     error

	wake chan struct{}
	done chan struct{}
}

// CreateJournal starts the journal of a new run in the directory and holds a
// lock on it until it is closed or the process ends.
func CreateJournal(directory, run, topic string) (*Journal, error) {
	if strings.ContainsFunc(run+topic, unicode.IsSpace) || run == "" || topic == "" {
		return nil, fmt.Errorf("cannot create journal: run %q and topic %q must be words", run, topic)
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make journal directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(directory, run+journalSuffix), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot create journal: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot lock journal %q: %w", file.Name(), err)
	}
	if _, err := fmt.Fprintf(file, "run 1 %s %s\n", run, topic); err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot write journal %q: %w", file.Name(), err)
	}
	j := &Journal{file: file, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go j.write()
	return j, nil
}

// Sent notes that all numbers up to n were handed to the client library.
func (j *Journal) Sent(n uint64) {
	j.mu.Lock()
	j.sent = n
	j.mu.Unlock()
	j.signal()
}

// Acked notes that number n was acknowledged.
func (j *Journal) Acked(n uint64) {
	j.mu.Lock()
	switch {
	case j.acked == Range{}:
		j.acked = Range{n, n}
	case n == j.acked.Last+1:
		j.acked.Last = n
	default:
		j.flushAcked()
		j.acked = Range{n, n}
	}
	j.mu.Unlock()
	j.signal()
}

// Pause notes a wait that is longer than any before it.
func (j *Journal) Pause(d time.Duration) {
	j.mu.Lock()
	j.pending = fmt.Appendf(j.pending, "pause %d\n", d.Milliseconds())
	j.mu.Unlock()
	j.signal()
}

// Err is the first failure to write, after which the journal is not complete.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// Close writes what is left and ends the journal.
func (j *Journal) Close() error {
	j.mu.Lock()
	j.flushAcked()
	j.flushSent()
	j.pending = append(j.pending, "end\n"...)
	j.mu.Unlock()
	close(j.wake)
	<-j.done
	return errors.Join(j.Err(), j.file.Close())
}

func (j *Journal) flushAcked() {
	if j.acked != (Range{}) {
		j.pending = fmt.Appendf(j.pending, "acked %d %d\n", j.acked.First, j.acked.Last)
		j.acked = Range{}
	}
}

func (j *Journal) flushSent() {
	if j.sent != 0 {
		j.pending = fmt.Appendf(j.pending, "sent %d\n", j.sent)
		j.sent = 0
	}
}

func (j *Journal) signal() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// write takes what has come since the last write, so that a slow disk makes
// larger writes and no queue.
func (j *Journal) write() {
	defer close(j.done)
	for open := true; open; {
		_, open = <-j.wake
		j.mu.Lock()
		j.flushSent()
		j.flushAcked()
		lines := j.pending
		j.pending = nil
		failed := j.err != nil
		j.mu.Unlock()
		if len(lines) == 0 || failed {
			continue
		}
		if _, err := j.file.Write(lines); err != nil {
			j.mu.Lock()
			j.err = fmt.Errorf("cannot write journal: %w", err)
			j.mu.Unlock()
		}
	}
}

// ReadJournals reads all journals of a topic in the directory, sorted by run.
// A directory that does not exist holds none. A journal that cannot be read
// is an error: without it a loss would go unseen.
func ReadJournals(directory, topic string) ([]Record, error) {
	entries, err := os.ReadDir(directory)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read journal directory: %w", err)
	}
	var records []Record
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), journalSuffix) {
			continue
		}
		record, err := readJournal(filepath.Join(directory, entry.Name()))
		if err != nil {
			return nil, err
		}
		// An empty run: killed between creating the file and its first line.
		if record.Run != "" && record.Topic == topic {
			records = append(records, record)
		}
	}
	slices.SortFunc(records, func(a, b Record) int { return strings.Compare(a.Run, b.Run) })
	return records, nil
}

func readJournal(path string) (Record, error) {
	file, err := os.Open(path)
	if err != nil {
		return Record{}, fmt.Errorf("cannot open journal: %w", err)
	}
	defer file.Close()
	// Asked before reading: a run that ends meanwhile is read as live, which
	// only leaves out its last numbers; the reverse would call them lost.
	live := unix.Flock(int(file.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil
	record, err := parseJournal(file)
	if err != nil {
		return Record{}, fmt.Errorf("cannot read journal %q: %w", filepath.Base(path), err)
	}
	record.Live = live
	return record, nil
}

func parseJournal(r io.Reader) (Record, error) {
	var record Record
	reader := bufio.NewReaderSize(r, 1<<16)
	for number := 1; ; number++ {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return record, nil
		}
		if err != nil {
			return Record{}, err
		}
		if err := record.apply(string(bytes.TrimSuffix(line, []byte("\n"))), number == 1); err != nil {
			return Record{}, fmt.Errorf("line %d: %w", number, err)
		}
	}
}

func (r *Record) apply(line string, first bool) error {
	fields := strings.Fields(line)
	want := map[string]int{"run": 4, "sent": 2, "acked": 3, "pause": 2, "end": 1}
	if len(fields) == 0 || want[fields[0]] != len(fields) || first != (fields[0] == "run") {
		return fmt.Errorf("unexpected record %q", line)
	}
	if fields[0] == "run" {
		if fields[1] != "1" {
			return fmt.Errorf("format %q is not known to this version", fields[1])
		}
		r.Run, r.Topic = fields[2], fields[3]
		return nil
	}
	var numbers []uint64
	for _, field := range fields[1:] {
		n, err := strconv.ParseUint(field, 10, 63)
		if err != nil {
			return fmt.Errorf("%q is not a number", field)
		}
		numbers = append(numbers, n)
	}
	switch fields[0] {
	case "sent":
		r.Sent = max(r.Sent, numbers[0])
	case "acked":
		r.Acked.Add(Range{numbers[0], numbers[1]})
		r.Sent = max(r.Sent, numbers[1])
	case "pause":
		r.Pause = max(r.Pause, time.Duration(numbers[0])*time.Millisecond)
	case "end":
		r.Ended = true
	}
	return nil
}
