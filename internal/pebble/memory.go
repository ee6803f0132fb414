package pebble

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
)

// memory is what Apply knows of a container that Pebble does not tell: what
// the running processes were started with, and the attributes of files.
type memory struct {
	Services map[string]process `json:"services,omitempty"`
	// Files has the files whose attributes are not the default, or that are
	// too big to be read back, by path.
	Files map[string]string `json:"files,omitempty"`
}

type process struct {
	Process string `json:"process"` // Hash
	Config  string `json:"config"`  // configHash
}

func (a *applier) memoryPath() string {
	directory := a.d.Memory
	if directory == "" {
		directory = "/run/pulsar-charms"
	}
	return path.Join(directory, a.d.Label+".applied")
}

func (a *applier) remember(ctx context.Context) error {
	content, err := json.Marshal(a.memory)
	if err != nil {
		return fmt.Errorf("cannot marshal %s: %w", a.memoryPath(), err)
	}
	if err := a.p.Push(ctx, File{Path: a.memoryPath(), Content: content}); err != nil {
		return fmt.Errorf("cannot push %s: %w", a.memoryPath(), err)
	}
	return nil
}

// attributesOf is what a file's content does not show; "" for a small file
// with the default mode and owner.
func attributesOf(file File) string {
	if file.Mode.Perm() == 0 {
		file.Mode = 0o644
	}
	var content string
	if len(file.Content) >= bigFile {
		sum := sha256.Sum256(file.Content)
		content = hex.EncodeToString(sum[:16])
	}
	if file.Mode.Perm() == 0o644 && file.User == "" && file.Group == "" && content == "" {
		return ""
	}
	return fmt.Sprintf("%03o %s:%s %s", file.Mode.Perm(), file.User, file.Group, content)
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
	sum := newSum("process")
	sum.service(s)
	for _, file := range slices.Sorted(slices.Values(d.RestartOn[service])) {
		index := slices.IndexFunc(d.Files, func(f File) bool { return f.Path == file })
		if index < 0 {
			continue
		}
		sum.strings(file)
		content := sha256.Sum256(d.Files[index].Content)
		sum.strings(string(content[:]))
	}
	return sum.String()
}

// RunningHash is the Hash that Apply put into the plan; "" if none.
func RunningHash(plan Layer, service string) string {
	return plan.Services[service].Environment[HashVariable]
}

// configHash is everything that the daemon keeps of a service with its
// process.
func configHash(s Service) string {
	s = normalService(s)
	sum := newSum("config")
	sum.service(s)
	sum.strings(s.Summary, s.Startup, s.OnSuccess, s.OnFailure, s.BackoffDelay, s.BackoffLimit, s.KillDelay,
		strconv.FormatFloat(s.BackoffFactor, 'g', -1, 64))
	sum.list(s.After)
	sum.list(s.Before)
	sum.list(s.Requires)
	sum.table(s.OnCheckFailure)
	return sum.String()
}

// sum hashes fields so that no two different sequences look the same.
type sum struct{ hash hash.Hash }

func newSum(kind string) sum {
	s := sum{sha256.New()}
	s.strings(kind)
	return s
}

func (s sum) service(service Service) {
	s.strings(service.Command, service.User, service.Group, service.WorkingDir)
	environment := maps.Clone(service.Environment)
	delete(environment, HashVariable)
	s.table(environment)
}

func (s sum) strings(values ...string) {
	for _, value := range values {
		_, _ = io.WriteString(s.hash, strconv.Itoa(len(value))+":"+value)
	}
}

func (s sum) list(values []string) {
	s.strings(strconv.Itoa(len(values)))
	s.strings(values...)
}

func (s sum) table(values map[string]string) {
	s.strings(strconv.Itoa(len(values)))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		s.strings(key, values[key])
	}
}

// String is 64 bits: enough to tell versions of one service apart.
func (s sum) String() string { return hex.EncodeToString(s.hash.Sum(nil)[:8]) }
