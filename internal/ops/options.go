package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Options reads the application's options into an O and keeps them in the
// unit's state under key. If the operator has set a value that cannot be used,
// it gives the last ones that could be, nil if there are none, and wrong says
// what to mend: so a running service goes on as it is, also in a new pod.
func Options[O Validator](ctx context.Context, u *Unit, key string) (options *O, wrong *OptionError, err error) {
	var now O
	err = u.Config(ctx, &now)
	if err == nil {
		err = now.Validate()
	}
	if err == nil {
		text, err := json.Marshal(now)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot keep options: %w", err)
		}
		return &now, nil, u.SetState(ctx, key, string(text))
	}
	wrong, ok := errors.AsType[*OptionError](err)
	if !ok {
		return nil, nil, err
	}
	options, err = recall[O](ctx, u, key)
	return options, wrong, err
}

func recall[O Validator](ctx context.Context, u *Unit, key string) (*O, error) {
	state, err := u.readState(ctx)
	if err != nil || state[key] == "" {
		return nil, err
	}
	var last O
	// What another revision has kept may not fit this one.
	if json.Unmarshal([]byte(state[key]), &last) != nil || last.Validate() != nil {
		return nil, nil
	}
	return &last, nil
}
