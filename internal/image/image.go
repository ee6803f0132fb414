package image

import (
	"context"
	"errors"
	"io"
)

// Options say where the image is kept and what it is made of.
type Options struct {
	// Cache is the directory that keeps what was fetched and assembled; empty
	// means charmlab/images below the user's cache directory.
	Cache string
	// Home is an existing Pulsar distribution (PULSAR_HOME) to use instead of
	// Maven's artifacts; empty for none.
	Home string
	// Progress receives lines for a person to read; nil for none.
	Progress io.Writer
}

// Assemble returns the directory of the image's tree and makes it first if it
// is not there, which takes minutes and the network once; afterwards it takes
// milliseconds. The tree belongs to the cache: mount it, never write to it.
func Assemble(ctx context.Context, options Options) (dir string, err error) {
	return "", errors.New("cannot assemble the image: not built yet")
}
