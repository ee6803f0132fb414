package api

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// Stream says what a frame of an exec connection carries.
type Stream byte

// After the answer's head an exec connection carries frames: one byte of
// Stream, four bytes of length (big endian), and the content.
const (
	Stdin  Stream = 0 // from the caller; an empty frame is the end of input
	Stdout Stream = 1
	Stderr Stream = 2
	Exit   Stream = 3 // the last frame: the exit code, in decimal
	Fault  Stream = 4 // the last frame: why the command could not be run
)

// maxFrame bounds what a reader will take at once.
const maxFrame = 1 << 20

// FrameWriter writes frames; its Streams may be used at the same time.
type FrameWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// NewFrameWriter returns a FrameWriter on w.
func NewFrameWriter(w io.Writer) *FrameWriter { return &FrameWriter{w: w} }

// Send writes one frame.
func (f *FrameWriter) Send(stream Stream, content []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	frame := append([]byte{byte(stream), 0, 0, 0, 0}, content...)
	binary.BigEndian.PutUint32(frame[1:], uint32(len(content)))
	_, err := f.w.Write(frame)
	return err
}

// Stream is a writer whose every write is a frame.
func (f *FrameWriter) Stream(stream Stream) io.Writer { return streamWriter{f, stream} }

type streamWriter struct {
	frames *FrameWriter
	stream Stream
}

func (s streamWriter) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		part := p[done:min(len(p), done+maxFrame)]
		if err := s.frames.Send(s.stream, part); err != nil {
			return done, err
		}
		done += len(part)
	}
	return len(p), nil
}

// ReadFrame reads one frame.
func ReadFrame(r io.Reader) (Stream, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > maxFrame {
		return 0, nil, fmt.Errorf("cannot read frame: %d bytes are too many", size)
	}
	content := make([]byte, size)
	_, err := io.ReadFull(r, content)
	return Stream(head[0]), content, err
}
