package hooktool_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
)

// Refusals by Juju, in its own words.
func TestToolErrors(t *testing.T) {
	t.Parallel()
	all := []error{hooktool.ErrNotFound, hooktool.ErrPermission, hooktool.ErrNotLeader, hooktool.ErrRelationGone, hooktool.ErrUnknownTool}
	relationGet := func(ctx context.Context, tools *hooktool.Tools) error {
		_, err := tools.RelationGet(ctx, "db:9", "pg/0", false)
		return err
	}
	relationSet := func(app bool) func(ctx context.Context, tools *hooktool.Tools) error {
		return func(ctx context.Context, tools *hooktool.Tools) error {
			return tools.RelationSet(ctx, "db:9", app, bag{"a": "b"})
		}
	}
	secretGet := func(ctx context.Context, tools *hooktool.Tools) error {
		_, err := tools.SecretGet(ctx, hooktool.SecretRef{ID: "secret:9m4e2mr0ui3e8a215n4g"})
		return err
	}
	tests := map[string]struct {
		run    func(ctx context.Context, tools *hooktool.Tools) error
		code   int
		stderr string
		want   []error
		text   string
	}{
		"relation gone": {
			relationGet, 2, "ERROR invalid value \"9\" for option -r: relation not found\n",
			[]error{hooktool.ErrNotFound, hooktool.ErrRelationGone},
			`cannot run relation-get --format=json -r db:9 -- - pg/0: invalid value "9" for option -r: relation not found (exit code 2)`,
		},
		"foreign databag": {
			relationGet, 1, "ERROR permission denied\n",
			[]error{hooktool.ErrPermission},
			`cannot run relation-get --format=json -r db:9 -- - pg/0: permission denied (exit code 1)`,
		},
		"application's databag": {
			relationSet(true), 1, "ERROR cannot write relation settings\n",
			[]error{hooktool.ErrNotLeader},
			`cannot run relation-set -r db:9 --app --file -: cannot write relation settings (exit code 1)`,
		},
		"own databag": {
			relationSet(false), 1, "ERROR cannot write relation settings\n",
			nil,
			`cannot run relation-set -r db:9 --file -: cannot write relation settings (exit code 1)`,
		},
		"no such secret": {
			secretGet, 1, "ERROR secret \"9m4e2mr0ui3e8a215n4g\" not found\n",
			[]error{hooktool.ErrNotFound},
			`cannot run secret-get --format=json -- secret:9m4e2mr0ui3e8a215n4g: secret "9m4e2mr0ui3e8a215n4g" not found (exit code 1)`,
		},
		"not the leader": {
			func(ctx context.Context, tools *hooktool.Tools) error {
				_, err := tools.SecretAdd(ctx, hooktool.SecretSpec{Content: bag{"password": "hunter2"}})
				return err
			},
			1, "ERROR this unit is not the leader\n", []error{hooktool.ErrNotLeader}, "",
		},
		"no such storage": {
			func(ctx context.Context, tools *hooktool.Tools) error {
				_, err := tools.StorageGet(ctx, "data/0")
				return err
			},
			2, "ERROR invalid value \"data/0\" for option -s: storage not found\n", []error{hooktool.ErrNotFound},
			`cannot run storage-get --format=json -s data/0: invalid value "data/0" for option -s: storage not found (exit code 2)`,
		},
		"no such binding": {
			func(ctx context.Context, tools *hooktool.Tools) error {
				_, err := tools.NetworkGet(ctx, "x")
				return err
			},
			1, "ERROR no network config found for binding \"x\"\n", []error{hooktool.ErrNotFound},
			`cannot run network-get --format=json -- x: no network config found for binding "x" (exit code 1)`,
		},
		"silent": {
			func(ctx context.Context, tools *hooktool.Tools) error {
				return tools.ActionSet(ctx, bag{"password": "hunter2", "user": "u"})
			},
			1, "\n", nil, `cannot run action-set -- password=… user=…: no reason given (exit code 1)`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overEach(t, refuses(test.code, test.stderr), func(t *testing.T, _ *agent, runner hooktool.Runner) {
				err := test.run(t.Context(), hooktool.New(runner))
				refusal, ok := errors.AsType[*hooktool.ToolError](err)
				if !ok {
					t.Fatalf("error is %v, want a ToolError", err)
				}
				var is []error
				for _, target := range all {
					if errors.Is(err, target) {
						is = append(is, target)
					}
				}
				if diff := cmp.Diff(texts(test.want), texts(is)); diff != "" {
					t.Errorf("what the error is (-want +got):\n%s", diff)
				}
				if refusal.Code != test.code || refusal.Stderr != strings.TrimSpace(test.stderr) {
					t.Errorf("code %d, stderr %q", refusal.Code, refusal.Stderr)
				}
				if test.text != "" && err.Error() != test.text {
					t.Errorf("error is\n%v, want\n%s", err, test.text)
				}
				if strings.Contains(err.Error(), "hunter2") {
					t.Errorf("the error shows a secret: %v", err)
				}
			})
		})
	}
}

func texts(list []error) []string {
	var texts []string
	for _, err := range list {
		texts = append(texts, err.Error())
	}
	return texts
}

// An error shows no data, whatever call it is about.
func TestToolErrorHidesData(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1000)
	tests := map[string]struct{ args, want []string }{
		"secret-add":  {[]string{"--label", "l", "password=hunter2", "key#file=/f"}, []string{"--label", "l", "password=…", "key#file=…"}},
		"secret-set":  {[]string{"--", "secret:9m4e2mr0ui3e8a215n4g", "password=hunter2"}, []string{"--", "secret:9m4e2mr0ui3e8a215n4g", "password=…"}},
		"state-set":   {[]string{"k=hunter2"}, []string{"k=…"}},
		"storage-add": {[]string{"--", "data=2"}, []string{"--", "data=2"}},
		"juju-log":    {[]string{"--", long}, []string{"--", long[:200] + "…"}},
	}
	for tool, test := range tests {
		t.Run(tool, func(t *testing.T) {
			t.Parallel()
			answer := runnerFunc(func(hooktool.Call) (hooktool.Result, error) { return hooktool.Result{Code: 1}, nil })
			_, err := hooktool.New(answer).Do(t.Context(), hooktool.Call{Tool: tool, Args: test.args})
			refusal, ok := errors.AsType[*hooktool.ToolError](err)
			if !ok {
				t.Fatalf("error is %v, want a ToolError", err)
			}
			if diff := cmp.Diff(test.want, refusal.Args); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}

// runnerFunc answers without any transport.
type runnerFunc func(call hooktool.Call) (hooktool.Result, error)

func (f runnerFunc) Run(_ context.Context, call hooktool.Call) (hooktool.Result, error) {
	return f(call)
}

// Answers that make no sense are errors, not zero values that a charm would
// act on, and no error quotes a secret.
func TestGarbageAnswers(t *testing.T) {
	t.Parallel()
	garbage := []string{"", "\n", "hunter2", `"hunter2`, `[{"hunter2":1}]`, `{"a":{"b":"hunter2"}} {}`, `{"a":["hunter2"]`, "\x00\xff", "12345"}
	for name, test := range toolTests {
		if test.answer == "" {
			continue // the method does not read what the tool prints
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, answer := range garbage {
				tools := hooktool.New(runnerFunc(func(hooktool.Call) (hooktool.Result, error) {
					return hooktool.Result{Stdout: []byte(answer)}, nil
				}))
				got, err := test.run(t.Context(), tools)
				if test.call[0] == "resource-get" && strings.TrimSpace(answer) != "" {
					continue // any text is a path
				}
				if err == nil {
					t.Errorf("answer %q was read as %v", answer, got)
				} else if strings.Contains(err.Error(), "hunter2") {
					t.Errorf("error quotes the answer: %v", err)
				}
			}
		})
	}
	for _, answer := range []string{"", "hunter2", "secret:", "secret:a secret:b", "null"} {
		tools := hooktool.New(runnerFunc(func(hooktool.Call) (hooktool.Result, error) {
			return hooktool.Result{Stdout: []byte(answer)}, nil
		}))
		if uri, err := tools.SecretAdd(t.Context(), hooktool.SecretSpec{Content: bag{"password": "hunter2"}}); err == nil {
			t.Errorf("SecretAdd read %q as %q", answer, uri)
		}
	}
}

// A databag of a tool that answers with another shape is no databag.
func TestWrongShapes(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`{"a":1}`, `{"a":null}x`, `["a"]`, `"a"`, `{"a":{"b":"c"}}`} {
		tools := hooktool.New(runnerFunc(func(hooktool.Call) (hooktool.Result, error) {
			return hooktool.Result{Stdout: []byte(answer)}, nil
		}))
		if got, err := tools.RelationGet(t.Context(), "db:1", "pg/0", false); err == nil {
			t.Errorf("databag %s was read as %v", answer, got)
		}
		if got, err := tools.SecretGet(t.Context(), hooktool.SecretRef{ID: "secret:x"}); err == nil {
			t.Errorf("secret %s was read as %v", answer, got)
		}
	}
	tools := hooktool.New(runnerFunc(func(hooktool.Call) (hooktool.Result, error) {
		return hooktool.Result{Stdout: []byte(`{"a":{"revision":1},"b":{"revision":1}}`)}, nil
	}))
	if got, err := tools.SecretInfo(t.Context(), hooktool.SecretRef{Label: "x"}); err == nil {
		t.Errorf("two secrets were read as %v", got)
	}
}
