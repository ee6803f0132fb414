package pebble

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// ErrUnavailable is wrapped by every error that means: no daemon answered.
var ErrUnavailable = errors.New("pebble is not reachable")

// Unavailable says whether err means that the daemon could not be reached, or
// went away before it answered. A charm then waits for the container's
// pebble-ready; it is no failure. A daemon that is asked to end stops services
// and commands before it goes: a start may then yet fail with a *ChangeError
// ("stopped before the 1s okay delay"), and a command end with 137.
func Unavailable(err error) bool { return errors.Is(err, ErrUnavailable) }

// APIError is a request that the daemon refused. Message is Pebble's own text.
// errors.Is(err, fs.ErrNotExist) and fs.ErrPermission hold for the file errors
// of those kinds.
type APIError struct {
	// Status is the HTTP status; 0 if the refusal came inside a result.
	Status int
	// Kind is Pebble's error kind, such as "not-found"; mostly empty.
	Kind    string
	Message string
}

func (e *APIError) Error() string { return e.Message }

// Is maps Pebble's error kinds to those of io/fs.
func (e *APIError) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e.Kind == "not-found"
	case fs.ErrPermission:
		return e.Kind == "permission-denied"
	}
	return false
}

// ChangeError is a change that the daemon accepted and could not carry out:
// a service that does not stay up, a command that cannot be run.
type ChangeError struct {
	// ID is the change's number in the daemon.
	ID string
	// Summary is what was tried, such as `Start service "broker"`.
	Summary string
	// Message is the change's error as Pebble words it.
	Message string
	// Log are the lines that the change's tasks logged, oldest first. They
	// hold the last lines of the service's output, if there were any.
	Log []string
}

func (e *ChangeError) Error() string {
	// Pebble's message spans lines ("cannot perform the following tasks:\n- …");
	// statuses and logs have only one.
	message := strings.Join(strings.FieldsFunc(e.Message, func(r rune) bool { return r == '\n' }), " ")
	if e.Summary == "" {
		return message
	}
	return fmt.Sprintf("%s: %s", e.Summary, message)
}

// CheckError is a check that ran and failed. Message is Pebble's own text.
type CheckError struct {
	Check   string
	Message string
}

func (e *CheckError) Error() string { return fmt.Sprintf("check %q fails: %s", e.Check, e.Message) }
