package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// usage is the processor time of a tree of processes by program. Unlike wall
// time it says the same on a busy machine as on an idle one, nearly.
type usage map[string]time.Duration

func (u usage) total() (sum time.Duration) {
	for _, d := range u {
		sum += d
	}
	return sum
}

func (u usage) String() string {
	programs := slices.SortedFunc(maps.Keys(u), func(a, b string) int { return int(u[b] - u[a]) })
	var parts []string
	for _, program := range programs {
		if u[program] >= 50*time.Millisecond {
			parts = append(parts, fmt.Sprintf("%s %.1f", program, u[program].Seconds()))
		}
	}
	return strings.Join(parts, ", ")
}

// process is what usageOf needs of /proc/<pid>/stat.
type process struct {
	parent     int
	own, ended time.Duration // its time; that of its children that have ended
}

// tick is the unit of times in /proc, USER_HZ, on all of Go's Linux ports.
const tick = 10 * time.Millisecond

// usageOf sums up the processes below root, with root itself or without. The
// time of processes that have ended counts for the program that waited for
// them.
func usageOf(root int, self bool) (usage, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	processes := map[int]process{}
	for _, file := range files {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue
		}
		if p, ok := readProcess(file); ok {
			processes[pid] = p
		}
	}
	sum := usage{}
	for pid, p := range processes {
		if pid == root && !self || !below(processes, pid, root) {
			continue
		}
		name := program(pid)
		sum[name] += p.own
		sum["ended children of "+name] += p.ended
	}
	return sum, nil
}

func below(processes map[int]process, pid, root int) bool {
	for ; pid > 1; pid = processes[pid].parent {
		if pid == root {
			return true
		}
	}
	return false
}

// readProcess parses stat; the name in parentheses may hold anything.
func readProcess(file string) (process, bool) {
	stat, err := os.ReadFile(file)
	if err != nil {
		return process{}, false // it has ended
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 15 {
		return process{}, false
	}
	number := func(field int) int {
		n, _ := strconv.Atoi(fields[field])
		return n
	}
	// state ppid … utime stime cutime cstime are fields 3, 4, 14 to 17.
	return process{
		parent: number(1),
		own:    time.Duration(number(11)+number(12)) * tick,
		ended:  time.Duration(number(13)+number(14)) * tick,
	}, true
}

func program(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(text) == 0 {
		return "other"
	}
	name, _, _ := bytes.Cut(text, []byte{0})
	return filepath.Base(string(name))
}
