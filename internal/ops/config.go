package ops

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
)

// OptionError is an option whose value the charm cannot use. It is the
// operator's to mend: answer it with Blocked(err.Error()).
type OptionError struct {
	// Option is the option's name as in config.yaml.
	Option string
	// Reason says what is wrong and what is allowed.
	Reason string
}

func (e *OptionError) Error() string { return fmt.Sprintf("option %s: %s", e.Option, e.Reason) }

// Config fills the struct that into points to with the application's
// options. Fields are tagged `option:"name"` and are of type string, int,
// float64 or bool, as the option is in config.yaml, or SecretID for type
// secret. An option without a value leaves its field as it is. A field that
// may have only some values lists them in a tag `oneof:"a b c"`; another value
// is an *OptionError. Structs without a name are filled too.
//
// A tag with an option that config.yaml does not have is another error. Up to
// Juju 3 the controller answers with the config.yaml of the charm that the
// unit runs; Juju 4 with that of the application, which in an upgrade is of
// another revision, so there such a field is left as it is.
func (u *Unit) Config(ctx context.Context, into any) error {
	if u.config == nil {
		config, err := u.tools.ConfigGet(ctx, true)
		if err != nil {
			return fmt.Errorf("cannot read options: %w", err)
		}
		u.config = config
	}
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("cannot read options: want a pointer to a struct, got %T", into)
	}
	return decodeOptions(u.config, v.Elem(), u.env.Version.Major < 4)
}

// decodeOptions fills v; config has all options there are if it is whole.
func decodeOptions(config map[string]any, v reflect.Value, whole bool) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Anonymous && field.Type.Kind() == reflect.Struct {
			if err := decodeOptions(config, v.Field(i), whole); err != nil {
				return err
			}
			continue
		}
		name := field.Tag.Get("option")
		value, ok := config[name]
		if name != "" && !ok && whole {
			return fmt.Errorf("cannot read options: config.yaml has no option %q, which field %s is tagged with", name, field.Name)
		}
		if name == "" || value == nil {
			continue
		}
		if err := setOption(v.Field(i), value); err != nil {
			return &OptionError{Option: name, Reason: err.Error()}
		}
		if allowed := strings.Fields(field.Tag.Get("oneof")); len(allowed) > 0 {
			if err := oneOf(v.Field(i).Interface(), allowed); err != nil {
				return &OptionError{Option: name, Reason: err.Error()}
			}
		}
	}
	return nil
}

func setOption(field reflect.Value, value any) error {
	switch value := value.(type) {
	case string:
		if field.Type() == reflect.TypeFor[SecretID]() {
			if err := SecretID(value).check(); err != nil {
				return err
			}
		}
		if field.Kind() == reflect.String {
			field.SetString(value)
			return nil
		}
	case bool:
		if field.Kind() == reflect.Bool {
			field.SetBool(value)
			return nil
		}
	case json.Number: // JSON knows one kind of number
		switch field.Kind() {
		case reflect.Float64:
			if f, err := value.Float64(); err == nil {
				field.SetFloat(f)
				return nil
			}
		case reflect.Int, reflect.Int64:
			if n, ok := whole(value); ok {
				field.SetInt(n)
				return nil
			}
		}
	case []any, map[string]any: // of an action
		text, err := json.Marshal(value)
		if err == nil {
			decoder := json.NewDecoder(bytes.NewReader(text))
			decoder.UseNumber()
			err = decoder.Decode(field.Addr().Interface())
		}
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s is not of type %s", excerpt(fmt.Sprint(value)), field.Type())
}

// whole reads a whole number, which may be written as 2.0 or 2e3.
func whole(number json.Number) (int64, bool) {
	if n, err := number.Int64(); err == nil {
		return n, true
	}
	const exact = 1 << 53 // up to here a float64 holds every whole number
	f, err := number.Float64()
	return int64(f), err == nil && f == math.Trunc(f) && math.Abs(f) <= exact
}

func oneOf(value any, allowed []string) error {
	text := fmt.Sprint(value)
	for _, a := range allowed {
		if text == a {
			return nil
		}
	}
	return fmt.Errorf("%s is not one of %s", excerpt(text), strings.Join(allowed, ", "))
}
