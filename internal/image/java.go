package image

import (
	"context"
	"errors"
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

// FindJava finds the Java that launchers will use: $JAVA_HOME, or else the
// java on $PATH. Its error says what to install.
func FindJava(ctx context.Context) (Java, error) {
	return Java{}, errors.New("cannot find Java")
}
