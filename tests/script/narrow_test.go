package script

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// narrow is a program that runs another one on a machine that lacks
// something:
//
//	narrow [-full <directory>]... [-read-only <directory>]... [-no-namespaces] <command> [<argument>]...
//
// -full mounts a file system with no space left, -read-only one that cannot
// be written; -no-namespaces lets nobody make network namespaces. It needs
// user namespaces, or for the first two root.
func narrow() {
	if err := narrowed(); err != nil {
		fmt.Fprintf(os.Stderr, "narrow: %v\n", err)
		os.Exit(125)
	}
}

// insideVariable marks the copy of this program in namespaces of its own.
const insideVariable = "CHARM_SCRIPT_NARROW"

func narrowed() error {
	flags := flag.NewFlagSet("narrow", flag.ContinueOnError)
	var full, readOnly []string
	flags.Func("full", "", func(dir string) error { full = append(full, dir); return nil })
	flags.Func("read-only", "", func(dir string) error { readOnly = append(readOnly, dir); return nil })
	noNamespaces := flags.Bool("no-namespaces", false, "")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	if os.Getenv(insideVariable) == "" {
		return enter(*noNamespaces || os.Geteuid() != 0)
	}
	os.Unsetenv(insideVariable)
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("cannot make mounts private: %w", err)
	}
	for _, dir := range full {
		if err := fill(dir); err != nil {
			return fmt.Errorf("cannot make a full disk: %w", err)
		}
	}
	for _, dir := range readOnly {
		if err := unix.Mount("narrow", dir, "tmpfs", unix.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("cannot make a read-only disk: %w", err)
		}
	}
	if *noNamespaces {
		if err := os.WriteFile("/proc/sys/user/max_net_namespaces", []byte("0"), 0); err != nil {
			return fmt.Errorf("cannot forbid namespaces: %w", err)
		}
	}
	program, err := exec.LookPath(flags.Arg(0))
	if err != nil {
		return err
	}
	return syscall.Exec(program, flags.Args(), os.Environ())
}

// enter runs this program again in namespaces of its own and ends with its
// exit code.
func enter(user bool) error {
	// The signal at this process's death is really sent at the thread's.
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if user {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("cannot make namespaces; this needs root or user namespaces: %w", err)
	}
	os.Exit(0)
	return nil
}

// fill mounts a small file system and leaves no space in it.
func fill(dir string) error {
	if err := unix.Mount("narrow", dir, "tmpfs", 0, "size=64k"); err != nil {
		return err
	}
	err := os.WriteFile(dir+"/filler", []byte(strings.Repeat("x", 1<<17)), 0o600)
	if !errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("there is still space: %v", err)
	}
	return nil
}
