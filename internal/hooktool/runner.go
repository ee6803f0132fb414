package hooktool

import "context"

// Call is one use of a hook tool.
type Call struct {
	// Tool is the tool's name, such as "relation-get".
	Tool string
	// Args are its arguments, without the tool's name.
	Args []string
	// Stdin is what the tool reads; nil for a tool that reads nothing. An
	// empty, non-nil Stdin is an empty input.
	Stdin []byte
}

// Result is what the tool answered. Its meaning depends on Code: 0 for
// success, 1 for a refusal by Juju, 2 for bad flags or arguments.
type Result struct {
	Code   int
	Stdout []byte
	Stderr []byte
}

// Runner runs hook tools in the context of the present hook. The error is a
// fault of the transport; a tool's own failure is a Result with Code ≠ 0.
type Runner interface {
	Run(ctx context.Context, call Call) (Result, error)
}
