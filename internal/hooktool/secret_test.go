package hooktool_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/jujuc"
)

// The content of a secret is in no argument, only in a file for the agent's
// eyes, and only while the tool runs.
func TestSecretContent(t *testing.T) {
	t.Parallel()
	content := bag{"password": "p=\n'ä", "key": "\xff\x00", "empty": ""}
	const want = `{"empty": "", "key#base64": "/wA=", "password": "p=\u000a'\u00e4"}` + "\n"
	agentReads := func(call jujuc.Request) (jujuc.Response, error) {
		path := call.Args[slices.Index(call.Args, "--file")+1]
		info, err := os.Stat(path)
		if err != nil {
			return jujuc.Response{}, err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return jujuc.Response{}, err
		}
		if info.Mode() != 0o600 || string(data) != want || !strings.HasPrefix(path, "/") {
			return jujuc.Response{Code: 1, Stderr: []byte(path + " " + info.Mode().String() + "\n" + string(data))}, nil
		}
		if call.CommandName == "secret-set" {
			return jujuc.Response{Code: 1, Stderr: []byte("ERROR permission denied\n")}, nil
		}
		return jujuc.Response{Stdout: []byte("secret:9m4e2mr0ui3e8a215n4g\n")}, nil
	}
	overEach(t, agentReads, func(t *testing.T, a *agent, runner hooktool.Runner) {
		tools := hooktool.New(runner)
		uri, err := tools.SecretAdd(t.Context(), hooktool.SecretSpec{Content: content, Label: "admin", Owner: "unit"})
		if err != nil || uri != "secret:9m4e2mr0ui3e8a215n4g" {
			t.Errorf("SecretAdd = %q, %v", uri, err)
		}
		err = tools.SecretSet(t.Context(), uri, hooktool.SecretSpec{Content: content})
		if !errors.Is(err, hooktool.ErrPermission) {
			t.Errorf("SecretSet: %v, want permission denied", err)
		}
		var calls [][]string
		for _, call := range a.executed() {
			path := slices.Index(call.Args, "--file") + 1
			if _, err := os.Stat(call.Args[path]); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the content's file is still there: %v", err)
			}
			call.Args[path] = "FILE"
			calls = append(calls, call.Args)
		}
		if diff := cmp.Diff([][]string{
			{"--file", "FILE", "--label", "admin", "--owner", "unit"},
			{"--file", "FILE", "--", uri},
		}, calls); diff != "" {
			t.Errorf("arguments (-want +got):\n%s", diff)
		}
		if _, err := tools.SecretAdd(t.Context(), hooktool.SecretSpec{Label: "empty"}); err == nil {
			t.Error("no error for a secret without content")
		}
	})
}

// A value that is not UTF-8 comes back as it was stored; JSON alone would
// give something else. Each part of it is read at the same revision.
func TestBinarySecret(t *testing.T) {
	t.Parallel()
	answer := func(call jujuc.Request) (jujuc.Response, error) {
		switch call.Args[len(call.Args)-1] {
		case "key#base64":
			return jujuc.Response{Stdout: []byte(`"/wA="`)}, nil
		case "odd#base64":
			return jujuc.Response{Stdout: []byte(`"77+9"`)}, nil
		}
		return jujuc.Response{Stdout: []byte(`{"key":"\ufffd\u0000","odd":"\ufffd","user":"u"}`)}, nil
	}
	overEach(t, answer, func(t *testing.T, a *agent, runner hooktool.Runner) {
		tools := hooktool.New(runner)
		got, err := tools.SecretGet(t.Context(), hooktool.SecretRef{ID: "secret:9m4e2mr0ui3e8a215n4g", Peek: true})
		if diff := cmp.Diff(bag{"key": "\xff\x00", "odd": "\ufffd", "user": "u"}, got); diff != "" || err != nil {
			t.Errorf("content (-want +got):\n%s%v", diff, err)
		}
		for _, call := range a.executed() {
			if !slices.Contains(call.Args, "--peek") {
				t.Errorf("secret-get %q reads another revision", call.Args)
			}
		}
		got, err = tools.SecretGet(t.Context(), hooktool.SecretRef{Label: "l"})
		if err != nil || got["key"] != "\ufffd\x00" {
			t.Errorf("by label: %q, %v", got, err)
		}
	})
}

// A key is a name and nothing more: no path of a file that the agent reads.
func TestSecretKeys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "shadow")
	called := false
	tools := hooktool.New(runnerFunc(func(hooktool.Call) (hooktool.Result, error) {
		called = true
		return hooktool.Result{Stdout: []byte("secret:9m4e2mr0ui3e8a215n4g")}, nil
	}))
	for _, key := range []string{"pass#file", "pass#base64", "", "ab", "a-b", "1ab", "a--b", "ab-", "Abc", "a_b", "abc\n", strings.Repeat("x", 1<<20) + "#"} {
		_, err := tools.SecretAdd(t.Context(), hooktool.SecretSpec{Content: bag{key: file, "good": "hunter2"}})
		err = errors.Join(err, tools.SecretSet(t.Context(), "secret:9m4e2mr0ui3e8a215n4g", hooktool.SecretSpec{Content: bag{key: file}}))
		if called || err == nil || strings.Count(err.Error(), "is not of three or more") != 2 || len(err.Error()) > 800 || strings.Contains(err.Error(), "hunter2") {
			t.Fatalf("%.20q: %v", key, err)
		}
	}
	for _, key := range []string{"abc", "a-bc", "a1b2", "private-key-2"} {
		if _, err := tools.SecretAdd(t.Context(), hooktool.SecretSpec{Content: bag{key: "v"}}); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
}
