package ops

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Active says that the unit does its job now; message may be empty.
func Active(message string) juju.Status {
	return juju.Status{Name: juju.Active, Message: message}
}

// Waiting says that another unit or application must act. Something must
// wake the charm when it has: a databag, a notice, a check.
func Waiting(message string) juju.Status {
	return juju.Status{Name: juju.Waiting, Message: message}
}

// Blocked says that a human must act; message names the act.
func Blocked(message string) juju.Status {
	return juju.Status{Name: juju.Blocked, Message: message}
}

// Maintenance says that the charm is busy and will end alone.
func Maintenance(message string) juju.Status {
	return juju.Status{Name: juju.Maintenance, Message: message}
}

// StatusError ends a Reconcile early, from however deep, with a status: the
// hook succeeds, what was written until then is kept, and the status is one
// of those from which the worst is shown. OptionError, DataError and
// RemoteDataError are such errors too, and so is a container that does not
// answer.
type StatusError struct{ Reason juju.Status }

func (e *StatusError) Error() string { return fmt.Sprintf("%s: %s", e.Reason.Name, e.Reason.Message) }

// Status is Reason.
func (e *StatusError) Status() juju.Status { return e.Reason }

// Status is blocked: the operator has to choose another value.
func (e *OptionError) Status() juju.Status { return Blocked(line(e)) }

// Status is waiting: the other side has to write something else, and its
// relation-changed will tell.
func (e *DataError) Status() juju.Status { return Waiting(line(e)) }

// Status is waiting, as that of a DataError.
func (e *RemoteDataError) Status() juju.Status { return Waiting(line(e)) }

// line is an error as a status shows it: errors that were joined are lines of
// their own.
func line(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// longestText is what people are shown as one text, in bytes. Of a text that
// quotes what others wrote nobody knows the length.
const longestText = 4 << 10

// shown is a status as Juju keeps it and a terminal shows it: one line, of
// bounded length, UTF-8.
func shown(status juju.Status) juju.Status {
	status.Message = printable(strings.ReplaceAll(beginning(status.Message, longestText), "\n", "; "), "")
	return status
}

// shownFailure is the same for an action's failure, which may have lines.
func shownFailure(err error) string { return printable(beginning(err.Error(), longestText), "\n\t") }

// printable replaces control characters, but for those in keep, and what is
// not UTF-8. (No program can be given a NUL in an argument.)
func printable(text, keep string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !strings.ContainsRune(keep, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// statusOf finds the status that an error is.
func statusOf(err error) (juju.Status, bool) {
	type statusError interface {
		error
		Status() juju.Status
	}
	if e, ok := errors.AsType[statusError](err); ok {
		return e.Status(), true
	}
	if pebble.Unavailable(err) {
		return Waiting("for a container to answer"), true // its pebble-ready will come
	}
	return juju.Status{}, false
}
