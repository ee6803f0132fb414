package image

import (
	"archive/zip"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// brokenJarError is a jar of the local repository that is not what Maven
// Central has.
type brokenJarError struct {
	path, reason string
}

func (e *brokenJarError) Error() string { return fmt.Sprintf("%s is broken: %s", e.path, e.reason) }

// copyJars copies jars into lib and checks each on the way. All broken ones are
// in the error, as *brokenJarError.
func copyJars(ctx context.Context, jars []string, lib string) error {
	from := make(map[string]string, len(jars))
	var broken []error
	for _, jar := range jars {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := filepath.Base(jar)
		if other, ok := from[name]; ok {
			return fmt.Errorf("cannot copy %s: %s has the same name", jar, other)
		}
		from[name] = jar
		err := copyJar(jar, filepath.Join(lib, name))
		if _, ok := errors.AsType[*brokenJarError](err); ok {
			broken = append(broken, err)
		} else if err != nil {
			return err
		}
	}
	return errors.Join(broken...)
}

func copyJar(source, target string) error {
	in, err := os.Open(source)
	if errors.Is(err, os.ErrNotExist) {
		return &brokenJarError{path: source, reason: "it is not there"}
	}
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	// Maven writes a jar to a temporary file and renames it, so an interrupted
	// transfer leaves none; what is caught here are full disks and power cuts.
	if _, err := zip.NewReader(in, info.Size()); err != nil {
		return &brokenJarError{path: source, reason: err.Error()}
	}
	out, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	hash := sha1.New() // as Maven Central has it
	_, err = io.Copy(io.MultiWriter(out, hash), in)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("cannot copy %s: %w", source, err)
	}
	if want := recordedChecksum(source); want != "" && want != hex.EncodeToString(hash.Sum(nil)) {
		return &brokenJarError{path: source, reason: "its checksum differs from Maven Central's"}
	}
	// Class archives remember when a jar was modified.
	return os.Chtimes(target, info.ModTime(), info.ModTime())
}

// recordedChecksum is what Maven Central says of a jar, in hex; "" if Maven did
// not keep it, as it does not for artifacts installed by hand.
func recordedChecksum(jar string) string {
	content, err := os.ReadFile(jar + ".sha1")
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(content))
	if len(fields) == 0 || len(fields[0]) != 2*sha1.Size {
		return ""
	}
	return strings.ToLower(fields[0])
}

// fullDisk tells whether an error is one of a file system without room.
func fullDisk(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
