package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// Java is an installed Java runtime.
type Java struct {
	// Home is the absolute path, links resolved, that holds bin/java.
	Home string
	// Version is the full version, such as "17.0.15".
	Version string
	// Major is its first number.
	Major int
}

// leastJava is what Pulsar 4's class files need.
const leastJava = 17

// FindJava finds the Java that launchers will use: $JAVA_HOME, or else the
// java on $PATH. Its error says what to install.
func FindJava(ctx context.Context) (Java, error) { return currentSystem().java(ctx) }

func (s system) java(ctx context.Context) (Java, error) {
	path := ""
	if home := s.get("JAVA_HOME"); home != "" {
		path = filepath.Join(home, "bin", "java")
		if !executable(path) {
			return Java{}, fmt.Errorf("cannot find Java: JAVA_HOME is %s and there is no bin/java in it; install a JDK 17 or later, or unset JAVA_HOME", home)
		}
	} else if path = s.look("java"); path == "" {
		return Java{}, errors.New("cannot find Java: install a JDK 17 or later (Debian, Ubuntu: openjdk-17-jdk-headless), or set JAVA_HOME")
	}
	path, err := filepath.EvalSymlinks(path)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return Java{}, fmt.Errorf("cannot find Java: %w", err)
	}
	java := Java{Home: filepath.Dir(filepath.Dir(path))}
	java.Version, err = s.javaVersion(ctx, java.Home)
	if err != nil {
		return Java{}, err
	}
	digits := regexp.MustCompile(`^(?:1\.)?(\d+)`).FindStringSubmatch(java.Version)
	if digits == nil {
		return Java{}, fmt.Errorf("cannot use Java in %s: its version %q is not understood", java.Home, java.Version)
	}
	java.Major, _ = strconv.Atoi(digits[1])
	if java.Major < leastJava {
		return Java{}, fmt.Errorf("cannot use Java %s in %s: it is too old; install a JDK 17 or later, or set JAVA_HOME to one", java.Version, java.Home)
	}
	return java, nil
}

// javaVersion reads the file release that every JDK has had since 9, because
// starting Java takes a tenth of a second, and asks Java only without one.
func (s system) javaVersion(ctx context.Context, home string) (string, error) {
	if content, err := os.ReadFile(filepath.Join(home, "release")); err == nil {
		if m := regexp.MustCompile(`(?m)^JAVA_VERSION="?([^"\s]+)"?`).FindSubmatch(content); m != nil {
			return string(m[1]), nil
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(home, "bin", "java"), "-version")
	cmd.Env = s.environ
	output, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cannot run Java in %s: %w: %.200s", home, err, output)
	}
	if m := regexp.MustCompile(`version "([^"]+)"`).FindSubmatch(output); m != nil {
		return string(m[1]), nil
	}
	return "", fmt.Errorf("cannot use Java in %s: it does not say its version: %.200s", home, output)
}
