package hooktool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/jujuc"
)

// Refusals by Juju, in its own words.
func TestToolErrors(t *testing.T) {
	t.Parallel()
	all := []error{hooktool.ErrNotFound, hooktool.ErrPermission, hooktool.ErrNotLeader, hooktool.ErrRelationGone, hooktool.ErrUnsupported}
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
				_, err := tools.NetworkGet(ctx, "x", "")
				return err
			},
			1, "ERROR no network config found for binding \"x\"\n", []error{hooktool.ErrNotFound},
			`cannot run network-get --format=json -- x: no network config found for binding "x" (exit code 1)`,
		},
		"range of ports": {
			func(ctx context.Context, tools *hooktool.Tools) error { return tools.OpenPort(ctx, "80-90/tcp") },
			1, "ERROR port ranges are not supported for k8s applications, please specify a single port\n", []error{hooktool.ErrUnsupported}, "",
		},
		"leader settings": {
			func(ctx context.Context, tools *hooktool.Tools) error {
				return tools.LeaderSet(ctx, bag{"a": "hunter2"})
			},
			1, "ERROR cannot write leadership settings: cannot write settings: not the leader\n", []error{hooktool.ErrNotLeader},
			"cannot run leader-set -- a=…: cannot write leadership settings: cannot write settings: not the leader (exit code 1)",
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

// JSON that no agent prints is no answer: a charm would take null for not
// leading, for no relations, for a storage at "".
func TestEmptyAnswers(t *testing.T) {
	t.Parallel()
	legal := map[string][]string{ // by test, what an agent may print
		"no config": {"{}"}, "config": {"{}"}, "all config": {"{}"}, "action parameters": {"{}", "null"},
		"leader settings": {"{}"}, "network": {"{}"}, "network of a relation": {"{}"}, "credential": {"{}"},
		"relation ids": {"[]"}, "relation units": {"[]"}, "units of the hook's relation": {"[]"},
		"remote application": {`""`, "null"}, "unknown remote application": {`""`, "null"}, "address of the unit": {`""`},
		"unit databag": {"{}"}, "application databag": {"{}"}, "databag of the hook's relation": {"{}"}, "model of the relation": {"{}"},
		"state": {"{}", "null"}, "no state": {"{}", "null"}, "open ports": {"[]"}, "open ports by endpoint": {"[]"},
		"storages": {"[]"}, "all storages": {"[]"}, "secret ids": {"[]", "null"}, "no secret ids": {"[]", "null"},
		"secret": {"{}"}, "secret by label": {"{}"},
	}
	for name, test := range toolTests {
		if test.answer == "" || test.call[0] == "resource-get" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, answer := range []string{"null", " null\n", "{}", "[]", `""`, `[""]`, "[null]"} {
				tools := hooktool.New(runnerFunc(func(hooktool.Call) (hooktool.Result, error) {
					return hooktool.Result{Stdout: []byte(answer)}, nil
				}))
				got, err := test.run(t.Context(), tools)
				if want := slices.Contains(legal[name], strings.TrimSpace(answer)); (err == nil) != want {
					t.Errorf("answer %s was read as %v, %v", answer, got, err)
				}
				if err != nil && !strings.Contains(err.Error(), "cannot read the answer of "+test.call[0]) {
					t.Errorf("answer %s: error is %v", answer, err)
				}
			}
		})
	}
	for answer, names := range map[string][]string{
		`["pg/0","../x"]`: {"relation units"}, `["../0"]`: {"relation units"}, `["pg"]`: {"relation units"},
		`{"kind":"filesystem","location":""}`: {"storage"},
		`{"message":"m"}`:                     {"status", "application status"},
		`{"application-status":{"units":{}}}`: {"application status"},
		`{"units":{},"relations":{"db":{}}}`:  {"goal state"},
	} {
		tools := hooktool.New(runnerFunc(func(hooktool.Call) (hooktool.Result, error) {
			return hooktool.Result{Stdout: []byte(answer)}, nil
		}))
		for _, name := range names {
			if got, err := toolTests[name].run(t.Context(), tools); err == nil {
				t.Errorf("%s: answer %s was read as %v", name, answer, got)
			}
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

// A tool that the running Juju lacks says which one has it: by the version
// alone, without a call, and by the agent's answer.
func TestUnsupported(t *testing.T) {
	t.Parallel()
	version := func(text string) juju.Version {
		v, err := juju.ParseVersion(text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	relationModel := func(ctx context.Context, tools *hooktool.Tools) error {
		_, err := tools.RelationModelGet(ctx, "db:1")
		return err
	}
	leaderGet := func(ctx context.Context, tools *hooktool.Tools) error {
		_, err := tools.LeaderGet(ctx)
		return err
	}
	credential := func(ctx context.Context, tools *hooktool.Tools) error {
		_, err := tools.CredentialGet(ctx)
		return err
	}
	secretIDs := func(ctx context.Context, tools *hooktool.Tools) error {
		_, err := tools.SecretIDs(ctx)
		return err
	}
	tests := map[string]struct {
		version string // "" is not known
		run     func(ctx context.Context, tools *hooktool.Tools) error
		answer  string // of the agent, with exit code 1; "" succeeds
		called  bool
		want    string // the error; "" is none
	}{
		"too old": {
			"3.6.1", relationModel, "", false,
			"cannot run relation-model-get: Juju 3.6.1 does not have it, it comes with Juju 3.6.2",
		},
		"pre-release": {
			"3.6-beta2", relationModel, "", false,
			"cannot run relation-model-get: Juju 3.6-beta2 does not have it, it comes with Juju 3.6.2",
		},
		"new enough":         {"3.6.2", relationModel, "", true, ""},
		"secrets too early":  {"3.0.2", secretIDs, "", false, "cannot run secret-ids: Juju 3.0.2 does not have it, it comes with Juju 3.0.3"},
		"secrets":            {"3.0.3", secretIDs, "", true, ""},
		"gone":               {"4.0.0", leaderGet, "", false, "cannot run leader-get: Juju 4.0.0 does not have it, it is gone since Juju 4.0"},
		"gone before":        {"4.0-beta5", leaderGet, "", false, "cannot run leader-get: Juju 4.0-beta5 does not have it, it is gone since Juju 4.0"},
		"not yet gone":       {"3.6.9", leaderGet, "", true, ""},
		"not known, too old": {"", relationModel, "ERROR bad request: unknown command: relation-model-get\n", true, "cannot run relation-model-get: this Juju does not have it, it comes with Juju 3.6.2"},
		"not known, new":     {"", relationModel, "", true, ""},
		"short words of Juju 4": {
			"", leaderGet, "ERROR unknown hook command: leader-get\n", true, "cannot run leader-get: this Juju does not have it, it is gone since Juju 4.0",
		},
		"kind of model": {
			"3.6.9", credential, "ERROR getting cloud credential on a \"caas\" model not supported\n", true,
			"cannot run credential-get: Juju 3.6.9 does not have it, it comes with Juju 3.6.10",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			called := false
			tools := hooktool.New(runnerFunc(func(call hooktool.Call) (hooktool.Result, error) {
				called = true
				if test.answer != "" {
					return hooktool.Result{Code: 1, Stderr: []byte(test.answer)}, nil
				}
				if call.Tool == "secret-ids" {
					return hooktool.Result{Stdout: []byte("[]")}, nil
				}
				return hooktool.Result{Stdout: []byte("{}")}, nil
			}))
			if test.version != "" {
				tools = tools.For(version(test.version))
			}
			err := test.run(t.Context(), tools)
			if called != test.called {
				t.Errorf("a call was made: %t, want %t", called, test.called)
			}
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			unsupported, ok := errors.AsType[*hooktool.UnsupportedError](err)
			if !ok || err.Error() != test.want || !errors.Is(err, hooktool.ErrUnsupported) {
				t.Fatalf("error is\n%v, want\n%s", err, test.want)
			}
			if refusal, refused := errors.AsType[*hooktool.ToolError](err); refused != test.called || refused && refusal.Tool != unsupported.Tool {
				t.Errorf("the error wraps %v", refusal)
			}
		})
	}
}

// Of a tool that the running Juju should have, or of which nothing is known,
// the error says what happened, not that Juju does not have it.
func TestToolNotThere(t *testing.T) {
	t.Parallel()
	none := func(t *testing.T, _ string) hooktool.Runner {
		return hooktool.NewFork(juju.Environment{Path: "/none"}, t.TempDir())
	}
	answers := func(_ *testing.T, text string) hooktool.Runner {
		return runnerFunc(func(hooktool.Call) (hooktool.Result, error) {
			return hooktool.Result{Code: 1, Stderr: []byte("ERROR " + text + "\n")}, nil
		})
	}
	for name, test := range map[string]struct {
		runner  func(t *testing.T, answer string) hooktool.Runner
		version juju.Version
		tool    string
		answer  string
		want    string
	}{
		"of an action in a hook":        {answers, juju.Version{Major: 4}, "action-get", "bad request: unknown hook command: action-get", "cannot run action-get: bad request: unknown hook command: action-get (exit code 1)"},
		"of an action, not known where": {answers, juju.Version{}, "action-log", "unknown hook command: action-log", "cannot run action-log: unknown hook command: action-log (exit code 1)"},
		"of a hook in an action":        {answers, juju.Version{Major: 4}, "relation-model-get", "bad request: unknown action command: relation-model-get", "cannot run relation-model-get: bad request: unknown action command: relation-model-get (exit code 1)"},
		"of all versions":               {answers, juju.Version{Major: 3, Minor: 6}, "is-leader", "bad request: unknown command: is-leader", "cannot run is-leader: bad request: unknown command: is-leader (exit code 1)"},
		"of all versions, not on PATH":  {none, juju.Version{Major: 3, Minor: 6}, "is-leader", "", `cannot run is-leader: unknown hook tool: not on PATH "/none"`},
		"there, not on PATH":            {none, juju.Version{Major: 3, Minor: 6}, "state-get", "", `cannot run state-get: unknown hook tool: not on PATH "/none"`},
		"perhaps too new, not on PATH":  {none, juju.Version{}, "relation-model-get", "", `cannot run relation-model-get: this Juju does not have it, it comes with Juju 3.6.2 (unknown hook tool: not on PATH "/none")`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := hooktool.New(test.runner(t, test.answer)).For(test.version).Do(t.Context(), hooktool.Call{Tool: test.tool})
			if err == nil || err.Error() != test.want || !errors.Is(err, hooktool.ErrUnsupported) {
				t.Errorf("error is\n%v, want\n%s", err, test.want)
			}
		})
	}
}

// The agent of Juju 4 words it in two ways; a program that is not there is
// the same thing.
func TestUnsupportedOverEachTransport(t *testing.T) {
	t.Parallel()
	overEach(t, func(call jujuc.Request) (jujuc.Response, error) {
		return jujuc.Response{}, errors.New("unknown action command: " + call.CommandName)
	}, func(t *testing.T, _ *agent, runner hooktool.Runner) {
		for tool, historic := range map[string]bool{"relation-model-get": true, "moon-get": false} {
			_, err := hooktool.New(runner).Do(t.Context(), hooktool.Call{Tool: tool})
			if _, ok := errors.AsType[*hooktool.UnsupportedError](err); ok != historic || !errors.Is(err, hooktool.ErrUnsupported) {
				t.Errorf("%s: %v, want it unsupported", tool, err)
			}
		}
	})
}

// A credential shows itself to nobody who does not ask for its attributes.
func TestCredentialDoesNotPrintItself(t *testing.T) {
	t.Parallel()
	spec := hooktool.CloudSpec{Credential: hooktool.CloudCredential{Attributes: bag{"Token": "hunter2"}}}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "spec", spec, "credential", spec.Credential)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "spec", spec, "credential", &spec.Credential)
	encoded, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{log.String(), string(encoded), fmt.Sprintf("%v %+v %#v", spec, &spec, spec), fmt.Sprintf("%s %q", spec.Credential, spec.Credential)} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("the credential shows itself: %s", text)
		}
	}
}
