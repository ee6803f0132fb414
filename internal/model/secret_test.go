package model

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSecretTools(t *testing.T) {
	t.Parallel()
	m := pair(t)
	c := during(t, m, "app/0")
	_, out, _, _ := c.Run("secret-add", []string{"--label", "pw", "--rotate", "daily", "password=one"}, nil, false, nil)
	uri := strings.TrimSpace(string(out))
	id := strings.TrimPrefix(uri, "secret:")
	if len(id) != 20 {
		t.Fatalf("secret-add printed %q", out)
	}
	check(t, c, []call{
		{line: "secret-add", want: "!2 missing secret value or filename"},
		{line: "secret-add ab=x", want: `!2 key "ab" not valid`},
		{line: "secret-add abc=", want: `!2 key value "abc=" not valid`},
		{line: "secret-add --rotate often abc=x", want: `!2 rotate policy "often" not valid`},
		{line: "secret-add --label pw abc=x", want: `!1 secret with label "pw" already exists`},
		{line: "secret-add abc#file=/nothing", want: "!1 open /nothing: file does not exist"},
		{line: "secret-get " + uri, want: "password: one"},
		{line: "secret-get --label pw --format=json", want: `{"password":"one"}`},
		{line: "secret-get " + uri + " password", want: "one"},
		{line: "secret-get " + uri + " password#base64", want: "b25l"},
		{line: "secret-get --label no", want: `!1 consumer label "no" not found`},
		{line: "secret-get secret:d0000000000000000zzz", want: `!2 secret URI "secret:d0000000000000000zzz" not valid`},
		{line: "secret-ids --format=json", want: `["` + id + `"]`},
		{line: "secret-info-get --label pw --format=json", want: `{"` + id + `":{"revision":1,"label":"pw","owner":"application","rotation":"daily"}}`},
		{line: "secret-grant " + uri, want: "!2 no relation id specified"},
		{line: "secret-grant " + uri + " -r db:1 --unit app/1", want: `!2 cannot specify unit "app/1" in relation to application "db"`},
	})
	must(t, c.End(Outcome{}))
	other := during(t, m, "app/1")
	check(t, other, []call{
		{line: "secret-get --label pw --format=json", want: `{"password":"one"}`},
		{line: "secret-set " + uri + " password=x", want: "!1 this unit is not the leader"},
		{line: "secret-add abc=x", want: "!1 this unit is not the leader"},
		{line: "secret-add --owner unit --file /content.yaml", want: "secret:d0000000000000000002"},
	})
	must(t, other.End(Outcome{}))
	remote := during(t, m, "db/0")
	check(t, remote, []call{{line: "secret-get " + uri, want: "!1 permission denied"}})
	must(t, remote.End(Outcome{}))
}

func TestSecretLife(t *testing.T) {
	t.Parallel()
	m := pair(t)
	use := func(unit string, calls ...call) {
		t.Helper()
		c := during(t, m, unit)
		check(t, c, calls)
		must(t, c.End(Outcome{}))
	}
	use("app/0", call{line: "secret-add token=one", want: "secret:d0000000000000000001"})
	const uri = "secret:d0000000000000000001"
	use("app/0", call{line: "secret-grant " + uri + " -r db:1"})
	use("db/0",
		call{line: "secret-get " + uri + " --label mine --format=json", want: `{"token":"one"}`},
		call{line: "secret-set " + uri + " token=x", want: `!1 secret "d0000000000000000001" not found`},
	)
	use("app/0",
		call{line: "secret-set " + uri + " token=two"},
		call{line: "secret-get " + uri + " --peek --format=json", want: `{"token":"two"}`},
		call{line: "secret-get " + uri + " --format=json", want: `{"token":"one"}`},
	)
	if diff := cmp.Diff([]string{"db/0 secret-changed"}, settle(t, m)); diff != "" {
		t.Error(diff)
	}
	use("app/0", call{line: "secret-set " + uri + " token=two"}) // the same content: no revision
	if ran := settle(t, m); len(ran) > 0 {
		t.Errorf("unchanged content ran %v", ran)
	}
	use("db/0",
		call{line: "secret-get --label mine --format=json", want: `{"token":"one"}`},
		call{line: "secret-get --label mine --peek --format=json", want: `{"token":"two"}`},
		call{line: "secret-get --label mine --refresh --format=json", want: `{"token":"two"}`},
		call{line: "secret-get --label mine --format=json", want: `{"token":"two"}`},
	)
	if next := m.Next("app/0"); len(next) != 1 || next[0].Describe() != "secret-remove "+uri || next[0].SecretRevision != 1 {
		t.Fatalf("the owner of an unread revision would run %v", describe(next))
	}
	c, err := m.Begin("app/0", m.Next("app/0")[0])
	must(t, err)
	check(t, c, []call{{line: "secret-remove " + uri + " --revision 1"}})
	must(t, c.End(Outcome{}))
	must(t, m.SecretRotationDue(uri))
	must(t, m.SecretExpire(uri, 2))
	if diff := cmp.Diff([]string{"app/0 secret-expired", "app/0 secret-rotate"}, settle(t, m)); diff != "" {
		t.Error(diff)
	}
	use("app/0", call{line: "secret-revoke " + uri + " -r db:1"})
	use("db/0", call{line: "secret-get " + uri, want: "!1 permission denied"})
	use("app/0", call{line: "secret-remove " + uri})
	use("app/0", call{line: "secret-ids --format=json", want: "null"})
}
