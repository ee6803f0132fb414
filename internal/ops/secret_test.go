package ops_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/model"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

// There is no way to print a Secret that shows it, however deep it is.
func TestSecretDoesNotPrintItself(t *testing.T) {
	t.Parallel()
	secret := ops.NewSecret("hunter2")
	type hidden struct{ s ops.Secret }
	type shown struct{ S ops.Secret }
	values := map[string]any{
		"itself": secret, "pointer": &secret, "field": shown{secret}, "unexported field": hidden{secret}, "pointer to struct": &hidden{secret},
		"slice": []ops.Secret{secret}, "map": map[string]ops.Secret{"k": secret}, "nested": map[string]any{"x": []hidden{{secret}}},
		"map of maps": map[string]map[string]ops.Secret{"x": {"k": secret}},
	}
	for name, value := range values {
		var texts []string
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%U", "%p", "%20v", "%-#10.3v", "%!", "%z", "%w"} {
			texts = append(texts, fmt.Sprintf(verb, value), fmt.Errorf("error: "+verb, value).Error())
		}
		texts = append(texts, fmt.Sprint(value), fmt.Sprintln(value), errors.Join(fmt.Errorf("%v", value)).Error())
		for _, encode := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal, xml.Marshal} {
			// Not all values have every encoding.
			if text, err := encode(value); err == nil {
				texts = append(texts, string(text))
			} else {
				texts = append(texts, err.Error())
			}
		}
		var log bytes.Buffer
		for _, logger := range []*slog.Logger{slog.New(slog.NewTextHandler(&log, nil)), slog.New(slog.NewJSONHandler(&log, nil))} {
			logger.Info("x", "value", value, slog.Group("g", "value", value))
			logger.With("value", value).Error("x", "error", fmt.Errorf("%v", value))
		}
		for _, text := range append(texts, log.String()) {
			if strings.Contains(text, "hunter2") || strings.Contains(strings.ToLower(text), "68756e74657232") {
				t.Errorf("%s shows itself: %s", name, text)
			}
		}
	}
	if secret.Reveal() != "hunter2" || secret.Empty() || !(ops.Secret{}).Empty() || (ops.Secret{}).Reveal() != "" {
		t.Error("Reveal does not give the value")
	}
	if !secret.Equal(ops.NewSecret("hunter2")) || secret.Equal(ops.Secret{}) || !(ops.Secret{}).Equal(ops.NewSecret("")) {
		t.Error("Equal does not compare the values")
	}
	if a, b := ops.GeneratePassword(), ops.GeneratePassword(); len(a.Reveal()) < 40 || a.Equal(b) {
		t.Error("a generated password is short or comes twice")
	}
}

// A secret does not show itself in juju-log either.
func TestSecretInTheLog(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	err := s.play(charmFunc(func(_ context.Context, u *ops.Unit) error {
		u.Log().Info("x", "secret", ops.NewSecret("hunter2"), "field", struct{ s ops.Secret }{ops.NewSecret("hunter2")})
		return nil
	}), updateStatus)
	if log := s.log(); err != nil || strings.Contains(log, "hunter2") || !strings.Contains(log, "(secret)") {
		t.Errorf("%v, log is\n%s", err, log)
	}
}

func content(pairs ...string) map[string]ops.Secret {
	content := map[string]ops.Secret{}
	for i := 0; i < len(pairs); i += 2 {
		content[pairs[i]] = ops.NewSecret(pairs[i+1])
	}
	return content
}

func revealed(content map[string]ops.Secret) map[string]string {
	raw := map[string]string{}
	for key, value := range content {
		raw[key] = value.Reveal()
	}
	return raw
}

// A label of the application is none of its units': Juju refuses the hook.
func TestEnsureSecretOfATakenLabel(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		_, err := u.EnsureSecret(ctx, ops.SecretSpec{Label: "mine", Unit: true, Content: content("password", "p")})
		return err
	}), updateStatus)
	if err == nil || !strings.Contains(err.Error(), `secret label "mine" for owner "application-web" already exists`) {
		t.Errorf("got %v", err)
	}
}

// EnsureSecret makes what is missing, changes what differs, and writes nothing
// the second time.
func TestEnsureSecret(t *testing.T) {
	t.Parallel()
	expire := time.Date(2027, 1, 2, 3, 4, 5, 6, time.UTC)
	for name, test := range map[string]struct {
		specs     []ops.SecretSpec // ensured one after the other in one hook
		calls     []string         // that write
		revisions map[int]map[string]string
		check     func(t *testing.T, secret model.SeedSecret)
	}{
		"of the application": {
			specs:     []ops.SecretSpec{{Label: "new", Content: content("password", "p"), SecretInfo: ops.SecretInfo{Description: "d e", Rotate: ops.RotateDaily, Expire: expire}}},
			calls:     []string{"secret-add"},
			revisions: map[int]map[string]string{1: {"password": "p"}},
			check: func(t *testing.T, secret model.SeedSecret) {
				if secret.Owner != "web" || secret.Description != "d e" || secret.Rotate != "daily" || secret.Expire == "" {
					t.Errorf("secret is %+v", secret)
				}
			},
		},
		"of the unit, made once": {
			specs: []ops.SecretSpec{
				{Label: "new", Unit: true, Make: func() (map[string]ops.Secret, error) { return content("password", "made"), nil }},
				{Label: "new", Unit: true, Make: func() (map[string]ops.Secret, error) { return nil, errors.New("made twice") }},
			},
			calls:     []string{"secret-add"},
			revisions: map[int]map[string]string{1: {"password": "made"}},
			check: func(t *testing.T, secret model.SeedSecret) {
				if secret.Owner != "web/1" {
					t.Errorf("owner is %s", secret.Owner)
				}
			},
		},
		"same content": {
			specs:     []ops.SecretSpec{{Label: "mine", Content: content("key", "two")}},
			revisions: map[int]map[string]string{1: {"key": "one"}, 2: {"key": "two"}},
		},
		"new content": {
			specs:     []ops.SecretSpec{{Label: "mine", Content: content("key", "three")}},
			calls:     []string{"secret-set"},
			revisions: map[int]map[string]string{1: {"key": "one"}, 2: {"key": "two"}, 3: {"key": "three"}},
		},
		"content and back": {
			specs:     []ops.SecretSpec{{Label: "mine", Content: content("key", "three")}, {Label: "mine", Content: content("key", "two")}},
			revisions: map[int]map[string]string{1: {"key": "one"}, 2: {"key": "two"}},
		},
		"content, then the rest": {
			specs: []ops.SecretSpec{
				{Label: "mine", Content: content("key", "three")},
				{Label: "mine", SecretInfo: ops.SecretInfo{Description: "d"}},
				{Label: "mine", SecretInfo: ops.SecretInfo{Rotate: ops.RotateHourly}},
			},
			calls:     []string{"secret-set"},
			revisions: map[int]map[string]string{1: {"key": "one"}, 2: {"key": "two"}, 3: {"key": "three"}},
			check: func(t *testing.T, secret model.SeedSecret) {
				if secret.Description != "d" || secret.Rotate != "hourly" {
					t.Errorf("the parts overwrote each other: %+v", secret)
				}
			},
		},
		"new, then changed": {
			specs:     []ops.SecretSpec{{Label: "new", Content: content("password", "p")}, {Label: "new", Content: content("password", "q")}},
			calls:     []string{"secret-add", "secret-set"},
			revisions: map[int]map[string]string{1: {"password": "q"}},
		},
		"readers": {
			specs: []ops.SecretSpec{
				{Label: "mine", Readers: []string{"db:4", "db:99"}}, {Label: "mine", Readers: []string{"db:4"}},
			},
			calls:     []string{"secret-grant"},
			revisions: map[int]map[string]string{1: {"key": "one"}, 2: {"key": "two"}},
			check: func(t *testing.T, secret model.SeedSecret) {
				if diff := cmp.Diff([]model.SeedGrant{{Target: "postgres", Relation: 4}}, secret.Grants); diff != "" {
					t.Errorf("grants (-want +got):\n%s", diff)
				}
			},
		},
		"no readers any more": {
			specs:     []ops.SecretSpec{{Label: "new", Content: content("key", "k"), Readers: []string{"db:4"}}, {Label: "new", Readers: []string{}}},
			calls:     []string{"secret-add", "secret-grant", "secret-revoke"},
			revisions: map[int]map[string]string{1: {"key": "k"}},
			check: func(t *testing.T, secret model.SeedSecret) {
				if len(secret.Grants) > 0 {
					t.Errorf("grants are %v", secret.Grants)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, seed())
			var id string
			ensure := charmFunc(func(ctx context.Context, u *ops.Unit) error {
				for _, spec := range test.specs {
					secret, err := u.EnsureSecret(ctx, spec)
					if err != nil {
						return err
					}
					if id = secret.ID; secret.Label != spec.Label || secret.Unit != spec.Unit {
						t.Errorf("secret is %+v", secret)
					}
				}
				return nil
			})
			if err := s.play(ensure, updateStatus); err != nil {
				t.Fatal(err)
			}
			var tools []string
			for _, call := range s.writes() {
				tool, _, _ := strings.Cut(call, " ")
				tools = append(tools, tool)
			}
			if diff := cmp.Diff(test.calls, tools); diff != "" {
				t.Errorf("calls that write (-want +got):\n%s", diff)
			}
			secret, ok := s.secret(id)
			if !ok {
				t.Fatalf("there is no secret %s", id)
			}
			if diff := cmp.Diff(test.revisions, secret.Revisions); diff != "" {
				t.Errorf("revisions (-want +got):\n%s", diff)
			}
			if test.check != nil {
				test.check(t, secret)
			}
			last := test.specs[len(test.specs)-1]
			err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
				_, err := u.EnsureSecret(ctx, last)
				return err
			}), updateStatus)
			if err != nil || len(s.writes()) > 0 {
				t.Errorf("the second time: %v, wrote %v", err, s.writes())
			}
		})
	}
}

// A reader that shall read no more does so in every hook, though Juju takes an
// application's name only outside the hooks of relations.
func TestRevokeInEveryHook(t *testing.T) {
	t.Parallel()
	postgres, mysql := model.SeedGrant{Target: "postgres", Relation: 4}, model.SeedGrant{Target: "mysql", Relation: 5}
	dbChanged := model.Hook{Hook: juju.Hook{Kind: juju.RelationChanged, Name: "db"}, RelationID: "db:4", RemoteApp: "postgres", RemoteUnit: "postgres/0"}
	for name, test := range map[string]struct {
		hook    model.Hook
		readers []string
		want    []model.SeedGrant
		call    string
	}{
		"no relation's":         {updateStatus, []string{"db:4"}, []model.SeedGrant{postgres}, "secret-revoke --app mysql -- " + ownID},
		"of the peers":          {model.Hook{Hook: juju.Hook{Kind: juju.RelationChanged, Name: "cluster"}, RelationID: "cluster:2", RemoteApp: "web", RemoteUnit: "web/0"}, []string{"db:4"}, []model.SeedGrant{postgres}, "secret-revoke -r db:5 -- " + ownID},
		"of another relation":   {dbChanged, []string{"db:4"}, []model.SeedGrant{postgres}, "secret-revoke -r db:5 -- " + ownID},
		"of the relation":       {dbChanged, []string{"db:5"}, []model.SeedGrant{mysql}, "secret-revoke -r db:4 -- " + ownID},
		"of the relation's end": {dbBroken, []string{"db:5"}, []model.SeedGrant{mysql}, "secret-revoke -r db:4 -- " + ownID},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			world := seed()
			world.Relations = append(world.Relations, model.SeedRelation{ID: 5, Endpoint: "db", App: "mysql", Remote: map[int]map[string]string{0: nil}})
			world.Secrets[0].Grants = []model.SeedGrant{postgres, mysql}
			s := newStage(t, world)
			err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
				_, err := u.EnsureSecret(ctx, ops.SecretSpec{Label: "mine", Readers: test.readers})
				return err
			}), test.hook)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{test.call}, s.writes()); diff != "" {
				t.Errorf("calls that write (-want +got):\n%s", diff)
			}
			if secret, _ := s.secret(ownID); !cmp.Equal(test.want, secret.Grants) {
				t.Errorf("grants are %v, want %v", secret.Grants, test.want)
			}
		})
	}
}

// A grant of this hook is revoked in it, in the hook of another relation too.
func TestRevokeWhatWasJustGranted(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		if _, err := u.EnsureSecret(ctx, ops.SecretSpec{Label: "mine", Readers: []string{"db:4"}}); err != nil {
			return err
		}
		_, err := u.EnsureSecret(ctx, ops.SecretSpec{Label: "mine", Readers: []string{}})
		return err
	}), model.Hook{Hook: juju.Hook{Kind: juju.RelationChanged, Name: "cluster"}, RelationID: "cluster:2", RemoteApp: "web", RemoteUnit: "web/0"})
	if secret, _ := s.secret(ownID); err != nil || len(secret.Grants) > 0 {
		t.Errorf("%v, grants are %v", err, secret.Grants)
	}
}

// What is wrong with a secret is an error before Juju hears of it.
func TestBadSecrets(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		for name, spec := range map[string]ops.SecretSpec{
			"no label":   {Content: content("key", "k")},
			"no content": {Label: "new"},
			"Make fails": {Label: "new", Make: func() (map[string]ops.Secret, error) { return nil, errors.New("no entropy") }},
			"short key":  {Label: "new", Content: content("k", "hunter2")},
			"file's key": {Label: "new", Unit: true, Content: content("pass#file", "/etc/passwd")},
		} {
			if _, err := u.EnsureSecret(ctx, spec); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", name, err)
			}
		}
		secret, _, err := u.OwnSecret(ctx, ops.SecretRef{ID: ownID})
		if err != nil {
			return err
		}
		if err := secret.SetContent(ctx, nil); err == nil {
			t.Error("no error for a secret without content")
		}
		if err := secret.RemoveRevision(ctx, 0); err == nil {
			t.Error("no error for revision 0, which means all to secret-remove")
		}
		return nil
	}), updateStatus)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.secret(ownID); !ok {
		t.Error("the secret is gone")
	}
}

// Reads show what this hook wrote; what is not written yet is not tracked.
func TestReadOwnSecret(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		secret, ok, err := u.OwnSecret(ctx, ops.SecretRef{Label: "mine"})
		if err != nil || !ok || secret.ID != ownID || secret.Revision != 2 || secret.Unit {
			t.Errorf("own secret is %+v, %t, %v", secret, ok, err)
		}
		read := func(what, want string, content map[string]ops.Secret, err error) {
			t.Helper()
			if err != nil || content["key"].Reveal() != want {
				t.Errorf("%s is %v, %v, want %s", what, revealed(content), err, want)
			}
		}
		got, err := secret.Content(ctx)
		read("content", "two", got, err)
		if err := secret.SetContent(ctx, content("key", "three")); err != nil {
			return err
		}
		got, err = secret.Content(ctx)
		read("content after a write", "three", got, err)
		for name, ref := range map[string]ops.SecretRef{
			"peek": {ID: ownID, Peek: true}, "refresh": {ID: ownID, Refresh: true}, "peek by label": {Label: "mine", Peek: true},
		} {
			got, ok, err := u.ReadSecret(ctx, ref)
			read(name, "three", got, err)
			if !ok {
				t.Errorf("%s: not readable", name)
			}
		}
		all, err := u.OwnSecrets(ctx)
		if err != nil || len(all) != 1 || all[0] != secret {
			t.Errorf("own secrets are %v, %v", all, err)
		}
		if _, ok, err := u.OwnSecret(ctx, ops.SecretRef{Label: "nobody's"}); ok || err != nil {
			t.Errorf("a secret that is not there: %t, %v", ok, err)
		}
		return nil
	}), updateStatus)
	if err != nil {
		t.Fatal(err)
	}
}

// The reader of another's secret stays with its revision until it refreshes,
// and every read after that sees the new one.
func TestReadOthersSecret(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		for _, step := range []struct {
			ref  ops.SecretRef
			want string
		}{
			{ops.SecretRef{ID: otherID}, "one"},
			{ops.SecretRef{ID: otherID, Peek: true}, "two"},
			{ops.SecretRef{ID: otherID, Label: "theirs"}, "one"},
			{ops.SecretRef{Label: "theirs", Refresh: true}, "two"},
			{ops.SecretRef{ID: otherID}, "two"},
		} {
			got, ok, err := u.ReadSecret(ctx, step.ref)
			if err != nil || !ok || got["key"].Reveal() != step.want {
				t.Errorf("%+v: %v, %t, %v, want %s", step.ref, revealed(got), ok, err, step.want)
			}
		}
		for name, ref := range map[string]ops.SecretRef{"missing": {ID: "secret:d0000000000000000001"}, "missing label": {Label: "x"}} {
			if got, ok, err := u.ReadSecret(ctx, ref); ok || err != nil {
				t.Errorf("%s: %v, %t, %v", name, revealed(got), ok, err)
			}
		}
		return nil
	}), updateStatus)
	if err != nil {
		t.Fatal(err)
	}
}

// An old revision, one grant, and a whole secret go at the end of the hook.
func TestSecretLife(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	with := func(do func(ctx context.Context, u *ops.Unit, secret *ops.OwnSecret, db *ops.Relation) error) {
		t.Helper()
		err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
			secret, _, err := u.OwnSecret(ctx, ops.SecretRef{ID: ownID})
			if err != nil {
				return err
			}
			relations, err := u.Relations(ctx, "db")
			if err != nil {
				return err
			}
			return do(ctx, u, secret, relations[0])
		}), updateStatus)
		if err != nil {
			t.Fatal(err)
		}
	}
	with(func(ctx context.Context, _ *ops.Unit, secret *ops.OwnSecret, db *ops.Relation) error {
		return errors.Join(secret.RemoveRevision(ctx, 1), secret.Grant(ctx, db, "postgres/0"), secret.Grant(ctx, db, "postgres/0"))
	})
	secret, _ := s.secret(ownID)
	if secret.Revisions[1] != nil || len(secret.Grants) != 1 || secret.Grants[0].Target != "postgres/0" {
		t.Errorf("secret is %+v", secret)
	}
	with(func(ctx context.Context, _ *ops.Unit, secret *ops.OwnSecret, db *ops.Relation) error {
		return errors.Join(secret.Revoke(ctx, db, "postgres/0"), secret.Grant(ctx, db, ""))
	})
	if secret, _ = s.secret(ownID); len(secret.Grants) != 1 || secret.Grants[0].Target != "postgres" {
		t.Errorf("grants are %v", secret.Grants)
	}
	with(func(ctx context.Context, _ *ops.Unit, secret *ops.OwnSecret, db *ops.Relation) error {
		return errors.Join(secret.Revoke(ctx, db, ""), secret.Grant(ctx, db, ""), secret.Revoke(ctx, db, ""), secret.Grant(ctx, db, ""))
	})
	if calls := len(s.writes()); calls != 4 {
		t.Errorf("%d calls for two revocations and two grants: %v", calls, s.writes())
	}
	with(func(ctx context.Context, u *ops.Unit, secret *ops.OwnSecret, db *ops.Relation) error {
		secret.SetInfo(ops.SecretInfo{Description: "never seen"})
		return errors.Join(secret.Revoke(ctx, db, ""), secret.Remove(ctx))
	})
	if _, ok := s.secret(ownID); ok {
		t.Error("the secret is still there")
	}
}

// AddAppSecret does not add a second secret of one label.
func TestAddAppSecretTwice(t *testing.T) {
	t.Parallel()
	s := newStage(t, seed())
	for range 2 {
		err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
			id, err := u.AddAppSecret(ctx, "mine", content("key", "other"))
			if err == nil && id != ownID {
				t.Errorf("id is %s", id)
			}
			return err
		}), updateStatus)
		if err != nil {
			t.Fatal(err)
		}
	}
	if secret, _ := s.secret(ownID); len(secret.Revisions) != 3 {
		t.Errorf("revisions are %v", secret.Revisions)
	}
}

// A unit that does not lead may not have the application's secrets.
func TestSecretsWithoutLeadership(t *testing.T) {
	t.Parallel()
	world := seed()
	world.Leader = false
	s := newStage(t, world)
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		if _, err := u.EnsureSecret(ctx, ops.SecretSpec{Label: "new", Content: content("key", "k")}); !errors.Is(err, hooktool.ErrNotLeader) {
			t.Errorf("a secret of the application: %v", err)
		}
		_, err := u.EnsureSecret(ctx, ops.SecretSpec{Label: "new", Unit: true, Content: content("key", "k")})
		return err
	}), updateStatus)
	if err != nil {
		t.Error(err)
	}
}

// A Juju without secrets says which has them.
func TestSecretsOfOldJuju(t *testing.T) {
	t.Parallel()
	world := seed()
	world.Options.Version = "2.9.49"
	s := newStage(t, world)
	err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
		_, err := u.EnsureSecret(ctx, ops.SecretSpec{Label: "new", Unit: true, Content: content("key", "k")})
		return err
	}), updateStatus)
	if !errors.Is(err, hooktool.ErrUnsupported) || !strings.Contains(err.Error(), "it comes with Juju 3.0.3") {
		t.Errorf("error is %v", err)
	}
}

// An option of type secret leads to content, or to a line for the operator.
func TestSecretOption(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		otherID:                        "two",
		"secret:d0000000000000000001":  "option admin: the secret cannot be read: juju grant-secret <name> web",
		"secret:short":                 "option admin: not a secret: want the URI that juju add-secret gave, secret:<id>",
		"secret:D0000000000000000001":  "option admin: not a secret: want the URI that juju add-secret gave, secret:<id>",
		"password":                     "option admin: not a secret: want the URI that juju add-secret gave, secret:<id>",
		"secret://x/" + otherID[7:]:    "option admin: not a secret: want the URI that juju add-secret gave, secret:<id>",
		"secret:d0000000000000000001x": "option admin: not a secret: want the URI that juju add-secret gave, secret:<id>",
	} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			world := seed()
			charm := *webCharm
			charm.Options = map[string]model.Option{"admin": {Type: "secret"}}
			world.Charm, world.Config = &charm, map[string]any{"admin": value}
			s := newStage(t, world)
			err := s.play(charmFunc(func(ctx context.Context, u *ops.Unit) error {
				var options struct {
					Admin ops.SecretID `option:"admin"`
				}
				if err := u.Config(ctx, &options); err != nil {
					return err
				}
				got, err := u.SecretOption(ctx, "admin", options.Admin)
				if err == nil && got["key"].Reveal() != want {
					t.Errorf("content is %v", revealed(got))
				}
				return err
			}), updateStatus)
			if err != nil {
				t.Fatal(err)
			}
			if status := s.context.After().Status; want != "two" && status != ops.Blocked(want) {
				t.Errorf("status is %v, want blocked: %s", status, want)
			}
		})
	}
}
