package hooktool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Fork runs hook tools as programs, which is what a charm in a shell does. It
// works wherever the tools do and costs a process for each call.
type Fork struct {
	path    string
	environ []string
	dir     string
}

// NewFork runs the tools found on the hook's PATH, in dir, or in the charm's
// directory if dir is empty. Their environment is env's and nothing else.
func NewFork(env juju.Environment, dir string) *Fork {
	if dir == "" {
		dir = env.CharmDir
	}
	return &Fork{path: env.Path, environ: env.Environ(), dir: dir}
}

const (
	// argumentLimit is the kernel's for one argument, in bytes
	// (MAX_ARG_STRLEN less the final NUL). The kernel's own error does not
	// say which argument.
	argumentLimit = 128<<10 - 1
	// pipeDelay is how long a tool that has exited may keep its output open.
	pipeDelay = 2 * time.Second
)

// Run runs a tool. It is killed if ctx ends first.
func (f *Fork) Run(ctx context.Context, call Call) (Result, error) {
	program, err := f.find(call.Tool)
	if err != nil {
		return Result{}, fmt.Errorf("cannot run %s: %w", call.Tool, err)
	}
	for _, argument := range call.Args {
		if len(argument) > argumentLimit {
			return Result{}, fmt.Errorf("cannot run %s: an argument has %d bytes, the kernel's limit is %d", call.Tool, len(argument), argumentLimit)
		}
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, call.Args...)
	cmd.Env, cmd.Dir = f.environ, f.dir
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = pipeDelay
	if call.Stdin != nil {
		cmd.Stdin = bytes.NewReader(call.Stdin)
	}
	err = cmd.Run()
	result := Result{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
	exit, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return result, nil
	case ctx.Err() != nil:
		return Result{}, fmt.Errorf("cannot run %s: %w", call.Tool, ctx.Err())
	case failed && exit.Exited():
		result.Code = exit.ExitCode()
		return result, nil
	}
	return Result{}, fmt.Errorf("cannot run %s: %w", call.Tool, err)
}

// find looks for a tool on the hook's PATH, which need not be this process's.
func (f *Fork) find(tool string) (string, error) {
	if tool == "" || filepath.Base(tool) != tool {
		return "", fmt.Errorf("%q is not a tool's name", tool)
	}
	for _, dir := range filepath.SplitList(f.path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		program := filepath.Join(dir, tool)
		if info, err := os.Stat(program); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return program, nil
		}
	}
	return "", &missingError{path: f.path}
}

// missingError is a tool that there is no program for.
type missingError struct{ path string }

func (e *missingError) Error() string {
	return fmt.Sprintf("unknown hook tool: not on PATH %q", e.path)
}

func (e *missingError) Is(target error) bool { return target == ErrUnsupported }
