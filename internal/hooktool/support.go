package hooktool

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// UnsupportedError is a tool that the running Juju does not have. errors.Is
// takes it for ErrUnsupported. If the tool was tried, the error wraps what
// came of it.
type UnsupportedError struct {
	Tool string
	// Version is the running Juju's; zero if not known.
	Version juju.Version
	// Since is the first version that has the tool, or that has it on
	// Kubernetes; zero if not known.
	Since juju.Version
	// Until is the first version that does not have it any more; zero if all
	// later ones do.
	Until juju.Version

	cause error
}

func (e *UnsupportedError) Error() string {
	running := "this Juju"
	if !e.Version.IsZero() {
		running = "Juju " + e.Version.String()
	}
	text := fmt.Sprintf("cannot run %s: %s does not have it", e.Tool, running)
	switch {
	case !e.Since.IsZero() && (e.Version.IsZero() || e.Version.Compare(e.Since) < 0):
		text += ", it comes with Juju " + e.Since.String()
	case !e.Until.IsZero() && (e.Version.IsZero() || e.Version.Compare(e.Until) >= 0):
		text += fmt.Sprintf(", it is gone since Juju %d.%d", e.Until.Major, e.Until.Minor)
	}
	if missing, ok := errors.AsType[*missingError](e.cause); ok {
		text += " (" + missing.Error() + ")"
	}
	return text
}

// Is makes errors.Is know what the failure is.
func (e *UnsupportedError) Is(target error) bool { return target == ErrUnsupported }

func (e *UnsupportedError) Unwrap() error { return e.cause }

// versions are the first Juju that has a tool and the first that has it no
// more; zero if there is none that matters: charms run on Juju 2.9 and later.
func versions(tool string) (since, until juju.Version) {
	switch tool {
	case "relation-model-get":
		since = juju.Version{Major: 3, Minor: 6, Patch: 2}
	case "leader-get", "leader-set":
		// Juju 4 lost them before its first release.
		until = juju.Version{Major: 4, Tag: "alpha"}
	case "state-get", "state-set", "state-delete", "action-log":
		since = juju.Version{Major: 2, Minor: 8}
	default:
		if strings.HasPrefix(tool, "secret-") {
			// Older ones have tools of these names and other flags.
			since = juju.Version{Major: 3, Patch: 3}
		}
	}
	return since, until
}

// lacking is the error of a tool that cannot be there.
func (t *Tools) lacking(tool string) error {
	if t.version.IsZero() || t.present(tool) {
		return nil
	}
	return t.unsupported(tool, nil)
}

// present says that the running Juju should have the tool, by its version.
func (t *Tools) present(tool string) bool {
	since, until := versions(tool)
	return t.version.Compare(since) >= 0 && (until.IsZero() || t.version.Compare(until) < 0)
}

// historic says whether some versions of Juju have the tool and others not.
func historic(tool string) bool {
	since, until := versions(tool)
	return !since.IsZero() || !until.IsZero()
}

func (t *Tools) unsupported(tool string, cause error) *UnsupportedError {
	e := &UnsupportedError{Tool: tool, Version: t.version, cause: cause}
	e.Since, e.Until = versions(tool)
	return e
}

// explain tells a tool that is not there from one that refused. A tool that
// should be there, or that nothing is known of, is its own explanation: the
// present hook may not have it (Juju 4 has those of actions only in actions),
// or PATH.
func (t *Tools) explain(tool string, err error) error {
	refusal, refused := errors.AsType[*ToolError](err)
	switch {
	case !errors.Is(err, ErrUnsupported):
		return err
	case !refused || refusal.unknown():
		if !historic(tool) || !t.version.IsZero() && t.present(tool) || strings.HasPrefix(tool, "action-") {
			return err
		}
		return t.unsupported(tool, err)
	case tool == "credential-get":
		e := t.unsupported(tool, err)
		e.Since = juju.Version{Major: 3, Minor: 6, Patch: 10} // in models on Kubernetes
		return e
	}
	return err
}
