package hooktool

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What the error of a tool can be, to errors.Is. Juju tells failures apart only by
// text, so these follow the texts of Juju 2.9 to 4.0.
var (
	// ErrNotFound is a secret, storage, relation, key or binding that does
	// not exist, or not for this unit.
	ErrNotFound = errors.New("not found")
	// ErrPermission is a databag or secret that this unit may not read.
	ErrPermission = errors.New("permission denied")
	// ErrNotLeader is something that only the leader may do.
	ErrNotLeader = errors.New("not the leader")
	// ErrRelationGone is a relation that does not exist any more; it is an
	// ErrNotFound too.
	ErrRelationGone = errors.New("relation is gone")
	// ErrUnsupported is a tool that this version of Juju does not have (then
	// the error is an *UnsupportedError), or what the kind of model does not
	// allow, such as ranges of ports on Kubernetes.
	ErrUnsupported = errors.New("not supported by this Juju")
)

// ToolError is a hook tool that ran and refused.
type ToolError struct {
	Tool string
	// Args are the tool's arguments without the values of key=value
	// arguments, which may be secret.
	Args []string
	// Code is the exit code: 1 a refusal by Juju, 2 bad flags or arguments.
	Code int
	// Stderr is what the tool printed there, without white space around.
	Stderr string
}

func (e *ToolError) Error() string {
	cause := strings.TrimPrefix(e.Stderr, "ERROR ")
	if cause == "" {
		cause = "no reason given"
	}
	return fmt.Sprintf("cannot run %s: %s (exit code %d)", strings.Join(append([]string{e.Tool}, e.Args...), " "), cause, e.Code)
}

// Is makes errors.Is know what the failure is.
func (e *ToolError) Is(target error) bool {
	has := func(text string) bool { return strings.Contains(e.Stderr, text) }
	switch target {
	case ErrNotFound:
		return has("not found") || has("no network config found")
	case ErrPermission:
		return has("permission denied")
	case ErrNotLeader:
		// The application's databag refuses with a text of its own.
		return has("not the leader") || has("cannot write relation settings") && slices.Contains(e.Args, "--app")
	case ErrRelationGone:
		return has("relation not found") || has(`relation "`) && has("not found")
	case ErrUnsupported:
		return e.unknown() || has("not supported")
	}
	return false
}

// unknown says that the agent does not know the tool.
func (e *ToolError) unknown() bool { return isUnknown(strings.TrimPrefix(e.Stderr, "ERROR ")) }

// isUnknown recognizes the agent's answer to a tool that it does not have:
// there is a table of tools up to Juju 3, and one for hooks and one for
// actions in Juju 4.
func isUnknown(answer string) bool {
	answer = strings.TrimPrefix(answer, badRequest)
	return strings.HasPrefix(answer, "unknown command:") || strings.HasPrefix(answer, "unknown hook command:") ||
		strings.HasPrefix(answer, "unknown action command:")
}

// newToolError makes the error of a result whose code is not 0.
func newToolError(call Call, result Result) *ToolError {
	return &ToolError{
		Tool:   call.Tool,
		Args:   redact(call),
		Code:   result.Code,
		Stderr: strings.TrimSpace(string(result.Stderr)),
	}
}

// longestArgument that an error shows, in bytes.
const longestArgument = 200

// redact gives the arguments as an error may show them.
func redact(call Call) []string {
	data := slices.Contains([]string{
		"relation-set", "state-set", "action-set", "secret-add", "secret-set", "leader-set",
	}, call.Tool)
	shown := make([]string, 0, len(call.Args))
	for _, argument := range call.Args {
		if key, _, found := strings.Cut(argument, "="); data && found && !strings.HasPrefix(argument, "-") {
			argument = key + "=…"
		}
		shown = append(shown, excerpt(argument))
	}
	return shown
}
