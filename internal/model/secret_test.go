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
		{line: "secret-add --rotate often", want: "!2 missing secret value or filename"},
		{line: "secret-add --file /empty.yaml", want: "!1 empty secret value not valid"},
		{line: "secret-set --rotate often", want: "!2 missing secret URI"},
		{line: "secret-set nobody ab=x", want: `!2 secret URI "nobody" not valid`},
		{line: "secret-set " + uri + " --label '' --description '' --rotate '' --expire ''"},
		{line: "secret-info-get --label pw --format=json", want: `{"` + id + `":{"revision":1,"label":"pw","owner":"application","rotation":"daily"}}`},
		{line: "secret-add ab=x", want: `!2 key "ab" not valid`},
		{line: "secret-add abc=", want: `!2 key value "abc=" not valid`},
		{line: "secret-add --rotate often abc=x", want: `!2 rotate policy "often" not valid`},
		{line: "secret-add --label pw abc=x", want: `!1 secret with label "pw" already exists`},
		{line: "secret-add abc#file=/nothing", want: "!2 open /nothing: file does not exist"},
		{line: "secret-add --file /nothing", want: "!2 open /nothing: file does not exist"},
		{line: "secret-add --file content.yaml", want: "!2 open content.yaml: no such file or directory"},
		{line: "secret-add --file -", want: "!2 open -: no such file or directory"},
		{line: "secret-add abc#file=content.yaml", want: "!2 open content.yaml: no such file or directory"},
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
		{line: "secret-add abc=x", want: "!1 this unit is not the leader"},
		{line: "secret-add --owner unit --file /content.yaml password=mine pin=123", want: "secret:d0000000000000000002"},
		{line: "secret-get secret:d0000000000000000002 --format=json", want: `{"password":"s3cret","pin":"123","user-name":"me"}`}, // the file's win
		{line: "secret-get secret:d0000000000000000002 pin", want: `"123"`},                                                        // YAML
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

// TestSecretGrants: a grant to a unit stands in the way of one to its
// application; a hook may take back what it granted; a grant ends with its
// relation.
func TestSecretGrants(t *testing.T) {
	t.Parallel()
	m := pair(t)
	use := func(unit string, calls ...call) {
		t.Helper()
		c := during(t, m, unit)
		check(t, c, calls)
		must(t, c.End(Outcome{}))
		settle(t, m)
	}
	const uri = "secret:d0000000000000000001"
	info := func(access string) call {
		return call{line: "secret-info-get " + uri + " --format=json", want: `{"d0000000000000000001":{"revision":1,"label":"","owner":"application"` + access + `}}`}
	}
	use("app/0", call{line: "secret-add token=one", want: uri})
	use("app/0",
		call{line: "secret-grant " + uri + " -r db:1 --unit db/0"},
		info(`,"access":[{"target":"unit-db-0","scope":"relation-app.db#db.clients","role":"view"}]`),
		call{line: "secret-grant " + uri + " -r db:1", want: "!1 any unit level grants need to be revoked before granting access to the corresponding application"},
		call{line: "secret-revoke " + uri, want: "!2 missing relation or application or unit"},
	)
	use("db/0", call{line: "secret-get " + uri + " token", want: "one"})
	use("app/0",
		call{line: "secret-revoke " + uri + " --unit db/0"}, info(""),
		call{line: "secret-grant " + uri + " -r db:1"},
		call{line: "secret-revoke " + uri + " --app db"},
		call{line: "secret-grant " + uri + " -r db:1"},
		info(`,"access":[{"target":"application-db","scope":"relation-app.db#db.clients","role":"view"}]`),
	)
	use("db/0", call{line: "secret-get " + uri + " token", want: "one"})
	must(t, m.RemoveRelation("app", "db"))
	settle(t, m)
	use("db/0", call{line: "secret-get " + uri, want: "!1 permission denied"})
	use("app/0", info(""))
}

// TestSecretsOfNewLeader: a secret of the application is the leader's, whoever
// that is; a unit's stays the unit's and goes with it.
func TestSecretsOfNewLeader(t *testing.T) {
	t.Parallel()
	m := pair(t)
	c := during(t, m, "app/0")
	check(t, c, []call{
		{line: "secret-add --label ours token=one", want: "secret:d0000000000000000001"},
		{line: "secret-add --owner unit --label mine token=one", want: "secret:d0000000000000000002"},
		{line: "secret-add --label other token=one", want: "secret:d0000000000000000003"},
		{line: "secret-set secret:d0000000000000000003 --label ours", want: `!1 secret with label "ours" already exists`},
	})
	must(t, c.End(Outcome{}))
	must(t, m.SetLeader("app", "app/1"))
	settle(t, m)
	must(t, m.SecretRotationDue("secret:d0000000000000000001"))
	must(t, m.SecretRotationDue("secret:d0000000000000000002"))
	if diff := cmp.Diff([]string{"app/0 secret-rotate", "app/1 secret-rotate"}, settle(t, m)); diff != "" {
		t.Error(diff)
	}
	c = during(t, m, "app/1")
	check(t, c, []call{
		{line: "secret-ids --format=json", want: `["d0000000000000000001","d0000000000000000003"]`},
		{line: "secret-set secret:d0000000000000000001 token=two"},
		{line: "secret-info-get --label ours --format=json", want: `{"d0000000000000000001":{"revision":1,"label":"ours","owner":"application"}}`},
		{line: "secret-info-get --label mine", want: `!1 secret "mine" not found`},
	})
	must(t, c.End(Outcome{}))
	c = during(t, m, "app/0")
	check(t, c, []call{
		{line: "secret-ids --format=json", want: `["d0000000000000000002"]`},
		{line: "secret-get --label mine --format=json", want: `{"token":"one"}`},
	})
	must(t, c.End(Outcome{}))
}

// TestConsumedRevisions: a consumer stays on its revision until it refreshes, at
// once and even if the hook fails; the last to leave a revision makes it obsolete.
func TestConsumedRevisions(t *testing.T) {
	t.Parallel()
	m := pair(t)
	must(t, m.Scale("db", 2))
	must(t, m.PodUp("db/1", PodInfo{Address: "10.1.0.8", Fresh: true}))
	settle(t, m)
	const uri = "secret:d0000000000000000001"
	use := func(unit string, exit int, calls ...call) {
		t.Helper()
		c := during(t, m, unit)
		check(t, c, calls)
		must(t, c.End(Outcome{ExitCode: exit}))
	}
	use("app/0", 0, call{line: "secret-add token=one", want: uri}, call{line: "secret-grant " + uri + " -r db:1"})
	for _, unit := range []string{"db/0", "db/1"} {
		use(unit, 0, call{line: "secret-get " + uri + " token", want: "one"})
	}
	use("app/0", 0, call{line: "secret-set " + uri + " token=two"})
	settle(t, m)
	use("db/0", 1, call{line: "secret-get " + uri + " token --refresh", want: "two"})
	if next := m.Next("app/0"); len(next) > 0 {
		t.Errorf("db/1 reads revision 1, and the owner would run %v", describe(next))
	}
	must(t, m.RetryDue("db/0"))
	settle(t, m)
	use("db/0", 0, call{line: "secret-get " + uri + " token", want: "two"})
	use("db/1", 0, call{line: "secret-get " + uri + " token --refresh", want: "two"})
	if next := m.Next("app/0"); len(next) != 1 || next[0].SecretRevision != 1 {
		t.Errorf("nobody reads revision 1, and the owner would run %v", describe(next))
	}
}

// TestOwnRefresh: an owner that refreshes what it just updated is on it from
// the end of the hook on, if that succeeds.
func TestOwnRefresh(t *testing.T) {
	t.Parallel()
	for exit, want := range map[int]string{0: "two", 1: "one"} {
		m := pair(t)
		const uri = "secret:d0000000000000000001"
		c := during(t, m, "app/0")
		check(t, c, []call{{line: "secret-add token=one", want: uri}})
		must(t, c.End(Outcome{}))
		c = during(t, m, "app/0")
		check(t, c, []call{
			{line: "secret-get " + uri + " token", want: "one"},
			{line: "secret-set " + uri + " token=two"},
			{line: "secret-get " + uri + " token", want: "one"},
			{line: "secret-get " + uri + " token --refresh", want: "two"},
		})
		must(t, c.End(Outcome{ExitCode: exit}))
		if exit != 0 {
			must(t, m.Resolved("app/0", false))
		}
		settle(t, m)
		check(t, during(t, m, "app/0"), []call{{line: "secret-get " + uri + " token", want: want}})
	}
}

// TestObsoleteRevisions: the revisions that nobody reads come one by one.
func TestObsoleteRevisions(t *testing.T) {
	t.Parallel()
	m := pair(t)
	const uri = "secret:d0000000000000000001"
	c := during(t, m, "app/0")
	check(t, c, []call{{line: "secret-add token=a", want: uri}})
	must(t, c.End(Outcome{}))
	c = during(t, m, "app/0")
	for _, content := range []string{"b", "c"} {
		m.revise(m.secretByURI(uri), map[string]string{"token": content})
	}
	must(t, c.End(Outcome{}))
	for _, want := range []int{1, 2} {
		next := m.Next("app/0")
		if len(next) != 1 || next[0].SecretRevision != want {
			t.Fatalf("next is %v, want revision %d", describe(next), want)
		}
		c, err := m.Begin("app/0", next[0])
		must(t, err)
		must(t, c.End(Outcome{}))
	}
}

// TestSecretsOfOthers: the agent knows only what its unit owns, and a leader its
// application's. A change of another secret is refused at the hook's end, and all
// that the hook wrote with it.
func TestSecretsOfOthers(t *testing.T) {
	t.Parallel()
	const ours = "secret:d0000000000000000001"
	denied, unknown := "cannot apply changes: permission denied", `cannot apply changes: secret "d00000000000000009v0" not found`
	for _, test := range []struct{ unit, line, want string }{
		{"app/1", "secret-set " + ours + " token=x", denied},
		{"app/1", "secret-remove " + ours, denied},
		{"app/1", "secret-revoke " + ours + " --app db", denied},
		{"db/0", "secret-set " + ours + " token=x", denied},
		{"app/0", "secret-set UNKNOWN token=x", unknown},
		{"app/0", "secret-remove UNKNOWN", unknown},
	} {
		m := pair(t)
		c := during(t, m, "app/0")
		check(t, c, []call{{line: "secret-add token=one", want: ours}, {line: "secret-grant " + ours + " -r db:1"}})
		must(t, c.End(Outcome{}))
		c = during(t, m, test.unit)
		check(t, c, []call{
			{line: "state-set kept=no"},
			{line: strings.ReplaceAll(test.line, "UNKNOWN", "secret:d00000000000000009v0")},
			{line: "secret-grant secret:d00000000000000009v0 -r db:1", want: `!1 secret "d00000000000000009v0" not found`},
		})
		if err := c.End(Outcome{}); err == nil || err.Error() != test.want {
			t.Errorf("%s: %s: ended with %v, want %s", test.unit, test.line, err, test.want)
		}
		if state := m.State(test.unit); len(state) > 0 {
			t.Errorf("%s: %s: kept %v", test.unit, test.line, state)
		}
	}
	// What the same hook removed needs no second removal.
	m := pair(t)
	c := during(t, m, "app/0")
	check(t, c, []call{{line: "secret-add token=one", want: ours}})
	must(t, c.End(Outcome{}))
	c = during(t, m, "app/0")
	check(t, c, []call{{line: "secret-remove " + ours}, {line: "secret-remove " + ours}})
	must(t, c.End(Outcome{}))
}
