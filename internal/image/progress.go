package image

import (
	"fmt"
	"io"
	"time"
)

// progress writes lines for a person; the zero writer writes none.
type progress struct {
	writer io.Writer
	last   time.Time
}

func (p *progress) linef(format string, args ...any) {
	if p.writer != nil {
		_, _ = fmt.Fprintf(p.writer, "image: "+format+"\n", args...)
	}
}

// sometimes writes a line unless it wrote one in the last two seconds.
func (p *progress) sometimes(format string, args ...any) {
	if now := time.Now(); now.Sub(p.last) >= 2*time.Second {
		p.last = now
		p.linef(format, args...)
	}
}
