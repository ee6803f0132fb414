package ops

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Actor is a charm with actions.
type Actor interface {
	// Actions are the functions by action name, as in actions.yaml.
	Actions() map[string]ActionFunc
}

// ActionFunc runs an action. Its error is what the operator reads as the
// action's failure; results and databag writes are kept all the same. Juju runs
// no hook after an action: one that changes the unit calls the charm's
// Reconcile itself, and then the unit's status is shown as after a hook.
type ActionFunc func(ctx context.Context, u *Unit, a *Action) error

// Action is one run of an action.
type Action struct {
	Name string
	// ID is the operation's task id, as juju show-task takes it.
	ID string

	params  map[string]any
	results map[string]string
	unit    *Unit
}

// ParamError is a parameter that the action cannot use.
type ParamError struct {
	Param  string
	Reason string
}

func (e *ParamError) Error() string { return fmt.Sprintf("parameter %s: %s", e.Param, e.Reason) }

// Params fills the struct that into points to. Fields are tagged
// `param:"name"` and are of type string, int, float64 or bool, or, for arrays
// and objects, of what encoding/json makes of them (a json.Number, where that
// has no type for a number); a tag `oneof:"a b"` lists what is allowed,
// `min:"1"` and `max:"10"` bound a number. An absent parameter leaves its field
// as it is; a wrong one is a *ParamError.
func (a *Action) Params(into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("cannot read parameters: want a pointer to a struct, got %T", into)
	}
	v = v.Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := field.Tag.Get("param")
		if name == "" {
			continue
		}
		if value, ok := a.params[name]; ok && value != nil {
			if err := setOption(v.Field(i), value); err != nil {
				return &ParamError{Param: name, Reason: err.Error()}
			}
		}
		if err := checkParam(field, v.Field(i)); err != nil {
			return &ParamError{Param: name, Reason: err.Error()}
		}
	}
	return nil
}

func checkParam(field reflect.StructField, value reflect.Value) error {
	if allowed := strings.Fields(field.Tag.Get("oneof")); len(allowed) > 0 {
		if err := oneOf(value.Interface(), allowed); err != nil {
			return err
		}
	}
	var number float64
	switch {
	case value.CanInt():
		number = float64(value.Int())
	case value.CanFloat():
		number = value.Float()
	default:
		return nil
	}
	var bound float64
	if tag := field.Tag.Get("min"); tag != "" {
		if _, err := fmt.Sscan(tag, &bound); err == nil && number < bound {
			return fmt.Errorf("%v is less than %s", value, tag)
		}
	}
	if tag := field.Tag.Get("max"); tag != "" {
		if _, err := fmt.Sscan(tag, &bound); err == nil && number > bound {
			return fmt.Errorf("%v is more than %s", value, tag)
		}
	}
	return nil
}

// Set adds a result. A key is of lower-case letters, digits and inner hyphens,
// dots nest; stdout, stderr and their encodings are Juju's own. A map nests
// too; anything else is what fmt.Sprint makes of it, so a Secret stays one.
func (a *Action) Set(key string, value any) {
	if v := reflect.ValueOf(value); v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String {
		for inner, element := range v.Seq2() {
			a.Set(key+"."+inner.String(), element.Interface())
		}
		return
	}
	a.results[key] = fmt.Sprint(value)
}

// Logf tells the operator of progress, at once.
func (a *Action) Logf(ctx context.Context, format string, args ...any) {
	if err := a.unit.tools.ActionLog(ctx, fmt.Sprintf(format, args...)); err != nil {
		a.unit.log.Warn("cannot write action log", "error", err)
	}
}

func (u *Unit) runAction(ctx context.Context, charm Charm) error {
	var run ActionFunc
	if actor, ok := charm.(Actor); ok {
		run = actor.Actions()[u.hook.Name]
	}
	if run == nil {
		return u.tools.ActionFail(ctx, fmt.Sprintf("action %q is not known to this revision of the charm", u.hook.Name))
	}
	params, err := u.tools.ActionGet(ctx)
	if err != nil {
		return fmt.Errorf("cannot read parameters: %w", err)
	}
	action := &Action{Name: u.hook.Name, ID: u.env.ActionUUID, params: params, results: map[string]string{}, unit: u}
	failure := run(ctx, u, action)
	if len(action.results) > 0 {
		keys := slices.Sorted(maps.Keys(action.results))
		if err := u.tools.ActionSet(ctx, action.results); err != nil {
			return fmt.Errorf("cannot set results %s: %w", strings.Join(keys, ", "), err)
		}
	}
	if failure != nil {
		if err := u.tools.ActionFail(ctx, shownFailure(failure)); err != nil {
			return fmt.Errorf("cannot fail action: %w", err)
		}
	}
	return nil
}
