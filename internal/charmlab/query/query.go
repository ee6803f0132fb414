// Package query is the language of juju wait-for's --query: comparisons,
// boolean operators, parentheses, and the functions len, print, forEach,
// startsWith and endsWith over the facts of an application, unit or model.
//
//	life=="alive" && status=="active"
//	forEach(units, unit => unit.workload-status == "active")
package query

import (
	"fmt"
	"io"
	"sort"
	"strings"
)

// Scope is what names stand for: strings, integers (int or int64), booleans,
// []any, or nested Scopes. A map of Scopes is a list to forEach and len.
type Scope map[string]any

// Query is a parsed query.
type Query struct {
	root node
	text string
}

// String is the query as it was given.
func (q *Query) String() string { return q.text }

// Eval says whether the query holds. Output receives what print prints; nil
// drops it.
func (q *Query) Eval(scope Scope, output io.Writer) (bool, error) {
	if output == nil {
		output = io.Discard
	}
	value, err := q.root.eval(scope, output)
	if err != nil {
		return false, fmt.Errorf("cannot evaluate query %q: %v", q.text, err)
	}
	return truth(value), nil
}

// truth follows juju: empty and zero values are false.
func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		return v != ""
	case int64:
		return v != 0
	case nil:
		return false
	}
	return true
}

type node interface {
	eval(Scope, io.Writer) (any, error)
}

type literal struct{ value any }

func (l literal) eval(Scope, io.Writer) (any, error) { return l.value, nil }

type name struct{ parts []string }

func (n name) eval(scope Scope, _ io.Writer) (any, error) {
	var value any = scope
	for i, part := range n.parts {
		inner, ok := value.(Scope)
		if !ok {
			return nil, fmt.Errorf("%q has no fields", strings.Join(n.parts[:i], "."))
		}
		value, ok = inner[part]
		if !ok {
			return nil, fmt.Errorf("unknown name %q; there are %s", strings.Join(n.parts[:i+1], "."), names(inner))
		}
	}
	if v, ok := value.(int); ok {
		return int64(v), nil
	}
	return value, nil
}

func names(scope Scope) string {
	list := make([]string, 0, len(scope))
	for k := range scope {
		list = append(list, k)
	}
	sort.Strings(list)
	return strings.Join(list, ", ")
}

type not struct{ inner node }

func (n not) eval(scope Scope, w io.Writer) (any, error) {
	v, err := n.inner.eval(scope, w)
	return !truth(v), err
}

type binary struct {
	op          string
	left, right node
}

func (b binary) eval(scope Scope, w io.Writer) (any, error) {
	left, err := b.left.eval(scope, w)
	if err != nil {
		return nil, err
	}
	switch {
	case b.op == "&&" && !truth(left):
		return false, nil
	case b.op == "||" && truth(left):
		return true, nil
	}
	right, err := b.right.eval(scope, w)
	if err != nil {
		return nil, err
	}
	switch b.op {
	case "&&", "||":
		return truth(right), nil
	case "==", "!=":
		equal, err := equals(left, right)
		return equal == (b.op == "=="), err
	}
	order, err := compare(left, right)
	if err != nil {
		return nil, err
	}
	switch b.op {
	case "<":
		return order < 0, nil
	case "<=":
		return order <= 0, nil
	case ">":
		return order > 0, nil
	default:
		return order >= 0, nil
	}
}

func equals(a, b any) (bool, error) {
	switch a.(type) {
	case string, bool, int64:
	default:
		return false, fmt.Errorf("cannot compare %s", kind(a))
	}
	if kind(a) != kind(b) {
		return false, fmt.Errorf("cannot compare %s with %s", kind(a), kind(b))
	}
	return a == b, nil
}

func compare(a, b any) (int, error) {
	switch left := a.(type) {
	case string:
		if right, ok := b.(string); ok {
			return strings.Compare(left, right), nil
		}
	case int64:
		if right, ok := b.(int64); ok {
			return int(min(max(left-right, -1), 1)), nil
		}
	}
	return 0, fmt.Errorf("cannot order %s and %s", kind(a), kind(b))
}

func kind(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64:
		return "a number"
	case bool:
		return "a boolean"
	case Scope, []any:
		return "a collection"
	}
	return "nothing"
}

// call is a function; the parser has checked its name and arguments.
type call struct {
	function string
	args     []node
}

func (c call) eval(scope Scope, w io.Writer) (any, error) {
	values := make([]any, len(c.args))
	for i, arg := range c.args {
		v, err := arg.eval(scope, w)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	switch c.function {
	case "len":
		switch v := values[0].(type) {
		case string:
			return int64(len(v)), nil
		case Scope:
			return int64(len(v)), nil
		case []any:
			return int64(len(v)), nil
		}
		return nil, fmt.Errorf("len wants a string or a collection, not %s", kind(values[0]))
	case "print":
		_, err := fmt.Fprintln(w, values[0])
		return true, err
	}
	text, ok := values[0].(string)
	part, ok2 := values[1].(string)
	if !ok || !ok2 {
		return nil, fmt.Errorf("%s wants two strings", c.function)
	}
	switch c.function {
	case "startsWith":
		return strings.HasPrefix(text, part), nil
	case "endsWith":
		return strings.HasSuffix(text, part), nil
	default:
		return strings.Contains(text, part), nil
	}
}

// forEach holds if body holds for every element; so also for none.
type forEach struct {
	list     node
	variable string
	body     node
}

func (f forEach) eval(scope Scope, w io.Writer) (any, error) {
	list, err := f.list.eval(scope, w)
	if err != nil {
		return nil, err
	}
	var elements []any
	switch v := list.(type) {
	case []any:
		elements = v
	case Scope:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			elements = append(elements, v[k])
		}
	default:
		return nil, fmt.Errorf("forEach wants a collection, not %s", kind(list))
	}
	inner := make(Scope, len(scope)+1)
	for k, v := range scope {
		inner[k] = v
	}
	for _, element := range elements {
		inner[f.variable] = element
		v, err := f.body.eval(inner, w)
		if err != nil {
			return nil, err
		}
		if !truth(v) {
			return false, nil
		}
	}
	return true, nil
}
