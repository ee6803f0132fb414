package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// juju drives one model through the command line, charmlab's or Juju's.
type juju struct {
	t       *testing.T
	command string
	env     []string
	// images are what is given as an oci-image resource: "pulsar" and "base".
	images map[string]string
	// home is charmlab's state directory; empty on Juju.
	home string
}

// status is what the tests read of juju status --format=json.
type status struct {
	Applications map[string]struct {
		Status statusInfo `json:"application-status"`
		Units  map[string]struct {
			Workload statusInfo `json:"workload-status"`
			Agent    statusInfo `json:"juju-status"`
			Leader   bool       `json:"leader"`
			Address  string     `json:"address"`
		} `json:"units"`
	} `json:"applications"`
}

type statusInfo struct {
	Current string `json:"current"`
	Message string `json:"message"`
}

// try runs a verb and returns its standard output.
func (j *juju) try(ctx context.Context, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, j.command, args...)
	cmd.Env = append(os.Environ(), j.env...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// run is try for a verb that has to succeed.
func (j *juju) run(args ...string) string {
	j.t.Helper()
	ctx, cancel := context.WithTimeout(j.t.Context(), 10*time.Minute)
	defer cancel()
	j.t.Logf("$ %s %s", filepath.Base(j.command), strings.Join(args, " "))
	output, err := j.try(ctx, args...)
	if err != nil {
		j.t.Fatal(err)
	}
	return output
}

// fails runs a verb that has to be refused, and returns what it says.
func (j *juju) fails(args ...string) string {
	j.t.Helper()
	ctx, cancel := context.WithTimeout(j.t.Context(), 5*time.Minute)
	defer cancel()
	output, err := j.try(ctx, args...)
	if err == nil {
		j.t.Fatalf("%s succeeded: %s", strings.Join(args, " "), output)
	}
	return output + err.Error()
}

func (j *juju) status() status {
	j.t.Helper()
	ctx, cancel := context.WithTimeout(j.t.Context(), time.Minute)
	defer cancel()
	var s status
	output, err := j.try(ctx, "status", "--format=json")
	if err != nil {
		return s // the daemon may be on its way back
	}
	if err := json.Unmarshal([]byte(output), &s); err != nil {
		j.t.Fatalf("status is not JSON: %v\n%s", err, output)
	}
	return s
}

// packed is one of our charms for this machine.
func packed(charm string) string {
	return filepath.Join("..", "..", "build", charm+"_"+runtime.GOARCH+".charm")
}

// deploy deploys one of our charms in the testing profile.
func (j *juju) deploy(charm string, units int, options ...string) {
	j.t.Helper()
	args := []string{"deploy", packed(charm), "-n", strconv.Itoa(units)}
	switch charm {
	case "pulsar":
		args = append(args, "--config", "profile=testing", "--resource", "pulsar-image="+j.images["pulsar"])
	case "bookie":
		args = append(args, "--config", "profile=testing", "--resource", "bookie-image="+j.images["pulsar"])
	case "pulsar-client-dummy":
		args = append(args, "--resource", "client-image="+j.images["base"])
	}
	j.run(append(args, options...)...)
}

// waitFor polls the status until the condition holds.
func (j *juju) waitFor(timeout time.Duration, what string, condition func(status) bool) status {
	j.t.Helper()
	started := time.Now()
	for {
		s := j.status()
		if condition(s) {
			j.t.Logf("%s after %.1f s", what, time.Since(started).Seconds())
			return s
		}
		if time.Since(started) > timeout {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			table, _ := j.try(ctx, "status")
			log, _ := j.try(ctx, "debug-log", "--no-tail", "--lines", "60")
			j.t.Fatalf("%s: not within %s\n%s\n%s\n%s", what, timeout, j.workloads(ctx, s), log, table)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// workloads are the last words of what runs in units that are not active.
func (j *juju) workloads(ctx context.Context, s status) string {
	var all strings.Builder
	containers := map[string][]string{"bookie": {"bookie"}, "pulsar": {"zookeeper", "broker"}, "pulsar-client-dummy": {"client"}}
	for app, a := range s.Applications {
		for _, unit := range s.units(app) {
			if a.Units[unit].Workload.Current == "active" {
				continue
			}
			for _, container := range containers[app] {
				output, _ := j.try(ctx, "ssh", "--container", container, unit, "bash", "-c",
					"/charm/bin/pebble services; /charm/bin/pebble checks; /charm/bin/pebble logs -n 40")
				fmt.Fprintf(&all, "%s of %s:\n%s\n", container, unit, output)
			}
		}
	}
	return all.String()
}

// waitActive waits until the applications have exactly these unit counts and
// every unit is active and idle.
func (j *juju) waitActive(timeout time.Duration, units map[string]int) status {
	j.t.Helper()
	return j.waitFor(timeout, fmt.Sprintf("active with %v", units), func(s status) bool {
		for app, n := range units {
			a, ok := s.Applications[app]
			if !ok || len(a.Units) != n {
				return false
			}
			for _, u := range a.Units {
				if u.Workload.Current != "active" || u.Agent.Current != "idle" {
					return false
				}
			}
		}
		return len(s.Applications) > 0
	})
}

// leader is the unit of an application that leads it.
func (j *juju) leader(app string) string {
	j.t.Helper()
	s := j.status()
	for unit, u := range s.Applications[app].Units {
		if u.Leader {
			return unit
		}
	}
	j.t.Fatalf("%s has no leader", app)
	return ""
}

// units are the unit names of an application, sorted.
func (s status) units(app string) []string {
	var names []string
	for unit := range s.Applications[app].Units {
		names = append(names, unit)
	}
	slices.Sort(names)
	return names
}

// action runs an action and returns its results.
func (j *juju) action(unit, name string, params ...string) map[string]string {
	j.t.Helper()
	return j.results(unit, j.run(append([]string{"run", unit, name, "--format=json", "--wait=10m"}, params...)...))
}

func (j *juju) results(unit, output string) map[string]string {
	j.t.Helper()
	var tasks map[string]struct {
		Results map[string]any `json:"results"`
	}
	if err := json.Unmarshal([]byte(output), &tasks); err != nil {
		j.t.Fatalf("run is not JSON: %v\n%s", err, output)
	}
	results := map[string]string{}
	for key, value := range tasks[unit].Results {
		results[key] = fmt.Sprint(value)
	}
	return results
}
