package hooktool

import (
	"context"
	"maps"
	"slices"
)

// ActionGet gives the parameters of the running action, defaults included, as
// encoding/json decodes them with json.Number for every number. In a hook all four action tools fail: not
// running an action.
func (t *Tools) ActionGet(ctx context.Context) (map[string]any, error) {
	return t.readAny(ctx, "action-get")
}

// ActionSet adds results of the running action; whoever waits for it has them
// when it ends, also if it fails. A key's parts, between dots,
// are of lower-case letters, digits and inner hyphens; stdout, stderr,
// stdout-encoding and stderr-encoding are Juju's own. No results is no call.
func (t *Tools) ActionSet(ctx context.Context, results map[string]string) error {
	if len(results) == 0 {
		return nil
	}
	args := []string{"--"}
	for _, key := range slices.Sorted(maps.Keys(results)) {
		args = append(args, key+"="+results[key])
	}
	return t.do(ctx, "action-set", args...)
}

// ActionFail makes the running action fail with a message. What the action
// has written is kept if the charm exits 0.
func (t *Tools) ActionFail(ctx context.Context, message string) error {
	if message == "" {
		return t.do(ctx, "action-fail")
	}
	return t.do(ctx, "action-fail", "--", message)
}

// ActionLog tells whoever waits for the action about its progress, at once. An
// empty message is not sent; a long one is cut into several.
func (t *Tools) ActionLog(ctx context.Context, message string) error {
	for _, piece := range pieces(message) {
		if err := t.do(ctx, "action-log", "--", piece); err != nil {
			return err
		}
	}
	return nil
}
