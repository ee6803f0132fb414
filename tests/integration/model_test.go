package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// build makes charmlab and the charms once, as make build does.
var build = sync.OnceValue(func() error {
	arch := runtime.GOARCH
	for _, args := range [][]string{
		{"build", "-trimpath", "-o", "build/charmlab", "./cmd/charmlab"},
		{"build", "-trimpath", "-o", "build/pebble", "github.com/canonical/pebble/cmd/pebble"},
		{"run", "./cmd/pack", "-output", "build", "-arch", arch},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %v: %w\n%s", args, err, output)
		}
	}
	return nil
})

// newModel gives an empty model that ends with the test.
func newModel(t *testing.T, name string) *juju {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	if command := os.Getenv("JUJU"); command != "" {
		return jujuModel(t, command, name)
	}
	charmlab, err := filepath.Abs("../../build/charmlab")
	if err != nil {
		t.Fatal(err)
	}
	// t.TempDir is too long for unix sockets.
	home, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	j := &juju{
		t: t, command: charmlab, env: []string{"CHARMLAB_HOME=" + home}, home: home,
		images: map[string]string{"pulsar": "pulsar", "base": "base"},
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(home, "debug.log"))
			_ = os.MkdirAll("../../build/failed", 0o755)
			_ = os.WriteFile(filepath.Join("../../build/failed", filepath.Base(home)+".log"), log, 0o644)
			t.Logf("the model's debug log is in build/failed/%s.log", filepath.Base(home))
		}
		if _, err := j.try(ctx, "destroy-model", "--no-prompt"); err != nil {
			t.Errorf("destroy-model: %v", err)
		}
		if err := os.RemoveAll(home); err != nil {
			t.Errorf("the lab's directory cannot be removed: %v", err)
		}
	})
	j.run("add-model", name)
	return j
}

// jujuModel is the same on a real Juju, whose controller is chosen already.
func jujuModel(t *testing.T, command, name string) *juju {
	t.Helper()
	model := fmt.Sprintf("%s-%d", name, time.Now().Unix())
	j := &juju{
		t: t, command: command, env: []string{"JUJU_MODEL=" + model},
		images: map[string]string{"pulsar": "apachepulsar/pulsar:4.0.8", "base": "ubuntu:22.04"},
	}
	j.run("add-model", model)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		if _, err := j.try(ctx, "destroy-model", "--no-prompt", "--destroy-storage", model); err != nil {
			t.Errorf("destroy-model: %v", err)
		}
	})
	return j
}

// with is the same model for a subtest.
func (j *juju) with(t *testing.T) *juju {
	sub := *j
	sub.t = t
	return &sub
}
