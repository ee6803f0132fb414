package clientdummy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Binary is the client that the charm carries.
type Binary struct {
	Size int64
	// File tells this file from any other, and from itself if it was written
	// since, without reading it.
	File string
	// Hash is the SHA-256 of the content; "" until it is known.
	Hash string
	// Read gives the content.
	Read func() ([]byte, error)
}

// Sum reads the content for its hash.
func (b Binary) Sum() (string, error) {
	content, err := b.Read()
	if err != nil {
		return "", fmt.Errorf("cannot read the client: %w", err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), nil
}

// findClient finds the client beside dispatch, where packing has put it.
func findClient(charmDir string) (Binary, error) {
	path := filepath.Join(charmDir, "client")
	var info unix.Stat_t
	if err := unix.Stat(path, &info); err != nil {
		return Binary{}, fmt.Errorf("cannot find the client at %s: %w", path, err)
	}
	return Binary{
		Size: info.Size,
		// Unpacking may set the time of modification from the archive, the
		// same for every revision; nobody can set that of change.
		File: fmt.Sprintf("%d-%d-%d.%09d", info.Ino, info.Size, info.Ctim.Sec, info.Ctim.Nsec),
		Read: func() ([]byte, error) { return os.ReadFile(path) },
	}, nil
}

// stamp is what stands beside the pushed client, written after it.
type stamp struct{ Hash, File string }

func (s *stamp) parse(text string) {
	if fields := strings.Fields(text); len(fields) == 2 && len(fields[0]) == sha256.Size*2 {
		s.Hash, s.File = fields[0], fields[1]
	}
}

func (s stamp) String() string { return s.Hash + " " + s.File + "\n" }

// push writes the client and then its stamp, so that a stamp always tells of
// a whole client.
func push(ctx context.Context, container pebble.Pebble, b Binary) error {
	content, err := b.Read()
	if err != nil {
		return fmt.Errorf("cannot read the client: %w", err)
	}
	if err := container.Push(ctx, pebble.File{Path: clientPath, Content: content, Mode: 0o755}); err != nil {
		return err
	}
	return container.Push(ctx, pebble.File{Path: stampPath, Content: []byte(stamp{b.Hash, b.File}.String())})
}
