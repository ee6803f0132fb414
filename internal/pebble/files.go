package pebble

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/canonical/pebble/client"
)

// Pull implements Pebble.
func (c *Client) Pull(ctx context.Context, path string) ([]byte, error) {
	var content bytes.Buffer
	if err := c.PullTo(ctx, path, &content); err != nil {
		return nil, err
	}
	return content.Bytes(), nil
}

// PullTo implements FileKeeper.
func (c *Client) PullTo(ctx context.Context, path string, to io.Writer) error {
	s := c.session(ctx)
	defer s.close()
	sink := sink{writer: to}
	err := s.pebble.Pull(&client.PullOptions{Path: path, Target: &sink})
	if sink.err != nil && ctx.Err() == nil {
		return sink.err
	}
	return s.wrap(err)
}

// sink keeps the error of the writer that a pull writes to: it may look like
// one of the transport.
type sink struct {
	writer io.Writer
	err    error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.writer.Write(p)
	if err != nil {
		s.err = fmt.Errorf("cannot write to target: %w", err)
	}
	return n, err
}

// Push implements Pebble.
func (c *Client) Push(ctx context.Context, file File) error {
	return c.PushFrom(ctx, file, bytes.NewReader(file.Content))
}

// PushFrom implements FileKeeper.
func (c *Client) PushFrom(ctx context.Context, file File, from io.Reader) error {
	s := c.session(ctx)
	defer s.close()
	source := &source{reader: from}
	err := s.pebble.Push(&client.PushOptions{
		Source:      source,
		Path:        file.Path,
		MakeDirs:    true,
		Permissions: file.Mode.Perm(),
		User:        file.User,
		UserID:      file.UserID,
		Group:       file.Group,
		GroupID:     file.GroupID,
	})
	if failure := source.failure(); failure != nil && ctx.Err() == nil {
		return failure
	}
	return s.wrap(err)
}

// ListFiles implements Pebble.
func (c *Client) ListFiles(ctx context.Context, path string, itself bool) ([]FileInfo, error) {
	return c.list(ctx, client.ListFilesOptions{Path: path, Itself: itself})
}

// FindFiles implements FileKeeper.
func (c *Client) FindFiles(ctx context.Context, dir, pattern string) ([]FileInfo, error) {
	return c.list(ctx, client.ListFilesOptions{Path: dir, Pattern: pattern})
}

func (c *Client) list(ctx context.Context, options client.ListFilesOptions) ([]FileInfo, error) {
	s := c.session(ctx)
	defer s.close()
	got, err := s.pebble.ListFiles(&options)
	if err != nil {
		return nil, s.wrap(err)
	}
	infos := make([]FileInfo, 0, len(got))
	for _, info := range got {
		infos = append(infos, FileInfo{
			Path:     info.Path(),
			Name:     info.Name(),
			Mode:     info.Mode(),
			Size:     info.Size(),
			User:     info.User(),
			Group:    info.Group(),
			UserID:   deref(info.UserID()),
			GroupID:  deref(info.GroupID()),
			Modified: info.ModTime(),
		})
	}
	return infos, nil
}

// MakeDir implements Pebble.
func (c *Client) MakeDir(ctx context.Context, path string, mode fs.FileMode) error {
	return c.MakeDirectory(ctx, Directory{Path: path, Mode: mode, Parents: true})
}

// MakeDirectory implements FileKeeper.
func (c *Client) MakeDirectory(ctx context.Context, dir Directory) error {
	s := c.session(ctx)
	defer s.close()
	return s.wrap(s.pebble.MakeDir(&client.MakeDirOptions{
		Path:        dir.Path,
		MakeParents: dir.Parents,
		Permissions: dir.Mode.Perm(),
		User:        dir.User,
		UserID:      dir.UserID,
		Group:       dir.Group,
		GroupID:     dir.GroupID,
	}))
}

// Remove implements Pebble.
func (c *Client) Remove(ctx context.Context, path string) error { return c.remove(ctx, path, true) }

// RemoveOne implements FileKeeper.
func (c *Client) RemoveOne(ctx context.Context, path string) error { return c.remove(ctx, path, false) }

func (c *Client) remove(ctx context.Context, path string, recursive bool) error {
	s := c.session(ctx)
	defer s.close()
	return s.wrap(s.pebble.RemovePath(&client.RemovePathOptions{Path: path, Recursive: recursive}))
}

// source keeps the error of the reader that a push reads: the transport would
// report it as its own.
type source struct {
	reader io.Reader

	mu  sync.Mutex
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.reader.Read(p)
	if err != nil && err != io.EOF {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = err
	}
	return n, err
}

func (s *source) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
