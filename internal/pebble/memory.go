package pebble

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// memory is what Apply knows of a container that Pebble does not tell: what
// the running processes were started with, and the attributes of files.
type memory struct {
	services map[string]origin
	// files has the files whose attributes are not the default, or that are
	// too big to be read back, by path.
	files map[string]string
}

// origin is what a process was started with.
type origin struct {
	process string // Hash
	config  string // sum.config; "" if it has to be told to the daemon again
}

func (a *applier) memoryPath() string { return memoryPath(a.d.Memory, a.d.Label) }

func memoryPath(directory, label string) string {
	if directory == "" {
		directory = "/run/pulsar-charms"
	}
	return path.Join(directory, label+".applied")
}

func (a *applier) remember(ctx context.Context) error {
	if err := a.p.Push(ctx, File{Path: a.memoryPath(), Content: a.memory.encode()}); err != nil {
		return fmt.Errorf("cannot push %s: %w", a.memoryPath(), err)
	}
	return nil
}

// encode writes a line for each service and file. It is read in every hook:
// lines are ten times faster than JSON.
func (m memory) encode() []byte {
	var text []byte
	for _, name := range sortedNames(m.services) {
		text = strconv.AppendQuote(append(text, "service "...), name)
		text = append(append(text, ' '), m.services[name].process...)
		text = append(append(text, ' '), m.services[name].config...)
		text = append(text, '\n')
	}
	for _, name := range sortedNames(m.files) {
		text = strconv.AppendQuote(append(text, "file "...), name)
		text = append(append(text, ' '), m.files[name]...)
		text = append(text, '\n')
	}
	return text
}

// parseMemory reads what encode wrote. What cannot be read is as good as
// nothing: services restart once.
func parseMemory(content []byte) memory {
	var m memory
	for line := range strings.Lines(string(content)) {
		line, ended := strings.CutSuffix(line, "\n")
		kind, rest, _ := strings.Cut(line, " ")
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil || !ended {
			return memory{}
		}
		name, err := strconv.Unquote(quoted)
		value, spaced := strings.CutPrefix(rest[len(quoted):], " ")
		if err != nil || !spaced {
			return memory{}
		}
		switch kind {
		case "service":
			process, config, _ := strings.Cut(value, " ")
			set(&m.services, name, origin{process, config})
		case "file":
			set(&m.files, name, value)
		default:
			return memory{}
		}
	}
	return m
}

func set[V any](table *map[string]V, name string, value V) {
	if *table == nil {
		*table = make(map[string]V)
	}
	(*table)[name] = value
}

// attributesOf is what a file's content does not show; "" for a small file
// with the default mode and owner.
func attributesOf(file File) string {
	mode := file.Mode.Perm()
	big := len(file.Content) >= bigFile
	owned := file.User != "" || file.Group != "" || file.UserID != nil || file.GroupID != nil
	if (mode == 0 || mode == defaultMode) && !owned && !big {
		return ""
	}
	if mode == 0 {
		mode = defaultMode
	}
	text := append(make([]byte, 0, 64), mode.String()...)
	if owned {
		text = strconv.AppendQuote(append(text, ' '), file.User)
		text = strconv.AppendQuote(append(text, ':'), file.Group)
		text = appendID(append(text, ' '), file.UserID)
		text = appendID(append(text, ':'), file.GroupID)
	}
	if big {
		sum := sha256.Sum256(file.Content)
		text = hex.AppendEncode(append(text, ' '), sum[:16])
	}
	return string(text)
}

// defaultMode is a pushed file's, if none is given.
const defaultMode fs.FileMode = 0o644

func appendID(text []byte, id *int) []byte {
	if id == nil {
		return text
	}
	return strconv.AppendInt(text, int64(*id), 10)
}

// Hash is what the service's process runs on: command, environment, user,
// group, working directory and the files that d restarts it on. It is stable
// across processes and versions of Go; "" for a service that d does not have.
// It says nothing of when the service is started, or restarted on failure.
func Hash(d Desired, service string) string {
	s, ok := d.Services[service]
	if !ok {
		return ""
	}
	var sum sum
	return sum.process(d, service, s)
}

// process is Hash.
func (s *sum) process(d Desired, name string, service Service) string {
	s.begin("process")
	s.service(service)
	files := d.RestartOn[name]
	if !slices.IsSorted(files) {
		files = slices.Sorted(slices.Values(files))
	}
	for _, file := range files {
		index := slices.IndexFunc(d.Files, func(f File) bool { return f.Path == file })
		if index < 0 {
			continue
		}
		s.string(file)
		content := sha256.Sum256(d.Files[index].Content)
		s.bytes(content[:])
	}
	return s.String()
}

// RunningHash is the Hash that Apply put into the plan; "" if none.
func RunningHash(plan Layer, service string) string {
	return plan.Services[service].Environment[HashVariable]
}

// StartedHash is the Hash of what the service's process was started with by an
// Apply of that label, with the default Memory. It is "" if that is not known:
// nobody did, or the Apply was cut short; then the next one will restart the
// process, though the plan may look as it should. Errors are those of Pull.
func StartedHash(ctx context.Context, p Pebble, label, service string) (string, error) {
	name := memoryPath("", label)
	content, err := p.Pull(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot read %s: %w", name, err)
	}
	return parseMemory(content).services[service].process, nil
}

// config is everything that the daemon keeps of a service with its process.
func (s *sum) config(service Service) string {
	startup := service.Startup
	if startup == "" {
		startup = "disabled"
	}
	s.begin("config")
	s.service(service)
	s.string(service.Summary)
	s.string(startup)
	s.string(service.OnSuccess)
	s.string(service.OnFailure)
	s.string(normalDuration(service.BackoffDelay))
	s.string(normalDuration(service.BackoffLimit))
	s.string(normalDuration(service.KillDelay))
	s.string(strconv.FormatFloat(service.BackoffFactor, 'g', -1, 64))
	s.list(service.After)
	s.list(service.Before)
	s.list(service.Requires)
	s.table(service.OnCheckFailure)
	if service.Description != "" {
		s.string(service.Description)
	}
	return s.String()
}

// sum gathers fields to hash so that no two different sequences look the same.
// It is used again and again, for its memory.
type sum struct {
	text []byte
	keys []string
}

func (s *sum) begin(kind string) {
	s.text = s.text[:0]
	s.string(kind)
}

func (s *sum) service(service Service) {
	s.string(service.Command)
	s.string(service.User)
	s.string(service.Group)
	s.string(service.WorkingDir)
	s.table(service.Environment)
	// Ids came later, and must not change the hashes of those without.
	if service.UserID != nil || service.GroupID != nil {
		s.bytes(appendID(append(appendID(nil, service.UserID), ':'), service.GroupID))
	}
}

func (s *sum) string(value string) {
	s.text = append(append(strconv.AppendInt(s.text, int64(len(value)), 10), ':'), value...)
}

func (s *sum) bytes(value []byte) {
	s.text = append(append(strconv.AppendInt(s.text, int64(len(value)), 10), ':'), value...)
}

func (s *sum) list(values []string) {
	s.string(strconv.Itoa(len(values)))
	for _, value := range values {
		s.string(value)
	}
}

// table leaves HashVariable out: it is the hash itself.
func (s *sum) table(values map[string]string) {
	s.keys = s.keys[:0]
	for key := range values {
		if key != HashVariable {
			s.keys = append(s.keys, key)
		}
	}
	slices.Sort(s.keys)
	s.string(strconv.Itoa(len(s.keys)))
	for _, key := range s.keys {
		s.string(key)
		s.string(values[key])
	}
}

// String is 64 bits: enough to tell versions of one service apart.
func (s *sum) String() string {
	hash := sha256.Sum256(s.text)
	return hex.EncodeToString(hash[:8])
}
