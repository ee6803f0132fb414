package hooktool

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// option gives a flag with its value, or nothing for an empty value.
func option(flag, value string) []string {
	if value == "" {
		return nil
	}
	return []string{flag, value}
}

// RelationIDs gives the ids of an endpoint's relations, such as "db:3",
// sorted as text; none for an endpoint that does not exist. "" is the hook's
// own endpoint.
func (t *Tools) RelationIDs(ctx context.Context, endpoint string) ([]string, error) {
	if endpoint == "" {
		return t.readList(ctx, "relation-ids")
	}
	return t.readList(ctx, "relation-ids", "--", endpoint)
}

// RelationList gives the remote units of a relation that have joined. As in
// all relation tools, an empty id is the hook's own relation, and a relation
// that does not exist is ErrRelationGone.
func (t *Tools) RelationList(ctx context.Context, id string) ([]string, error) {
	units, err := t.readList(ctx, "relation-list", option("-r", id)...)
	if err != nil {
		return nil, err
	}
	for _, unit := range units {
		if _, _, err := juju.ParseUnit(unit); err != nil {
			return nil, fmt.Errorf("cannot read the answer of relation-list: %q is not a unit", excerpt(unit))
		}
	}
	return units, nil
}

// RelationRemoteApp gives the remote application of a relation; its own
// application for a peer relation; "" if Juju does not know it any more. It
// answers also in a relation-broken whose JUJU_REMOTE_APP is empty: the agent
// asks the controller for the relation, not its own memory of who joined
// (Juju 3.6, context of relations in the uniter).
func (t *Tools) RelationRemoteApp(ctx context.Context, id string) (string, error) {
	var application string
	err := t.read(ctx, &application, "relation-list", append([]string{"--app"}, option("-r", id)...)...)
	return application, err
}

// RelationGet gives a databag: that of a unit, or with app that of an
// application, which may be named by one of its units. An empty member is the
// hook's remote unit. Not the unit's to read is ErrPermission.
func (t *Tools) RelationGet(ctx context.Context, id, member string, app bool) (map[string]string, error) {
	args := option("-r", id)
	if app {
		args = append(args, "--app")
	}
	args = append(args, "--", "-")
	if member != "" {
		args = append(args, member)
	}
	return t.readMap(ctx, "relation-get", args...)
}

// RelationSet changes keys of the unit's own databag, or with app of its
// application's, at the end of the hook. An empty value deletes a key; keys
// that data does not name stay. No data is no call. The application's databag
// is the leader's: else ErrNotLeader.
func (t *Tools) RelationSet(ctx context.Context, id string, app bool, data map[string]string) error {
	if len(data) == 0 {
		return nil
	}
	args := option("-r", id)
	if app {
		args = append(args, "--app")
	}
	return t.write(ctx, data, "relation-set", args...)
}

// RelationModelGet gives the UUID of the remote application's model. Juju has
// it from 3.6.2 on.
func (t *Tools) RelationModelGet(ctx context.Context, id string) (string, error) {
	var answer struct {
		UUID string `json:"uuid"`
	}
	err := t.read(ctx, &answer, "relation-model-get", option("-r", id)...)
	return answer.UUID, err
}

// StateGet gives the unit's stored state, with what this hook has written.
func (t *Tools) StateGet(ctx context.Context) (map[string]string, error) {
	return t.readMap(ctx, "state-get")
}

// StateSet stores keys of the unit's state, at the end of the hook. An empty
// value is kept. A key has at most 256 bytes, a value 64 KiB, all 2 MiB.
func (t *Tools) StateSet(ctx context.Context, data map[string]string) error {
	if len(data) == 0 {
		return nil
	}
	return t.write(ctx, data, "state-set")
}

// StateDelete deletes a key of the unit's state, at the end of the hook. A
// key that is not there is no error.
func (t *Tools) StateDelete(ctx context.Context, key string) error {
	return t.do(ctx, "state-delete", "--", key)
}

// LeaderGet gives the application's leader settings, as the last
// leader-settings-changed or leader-elected found them. Juju up to 3.x; the
// peer relation's application databag does the same in all versions.
func (t *Tools) LeaderGet(ctx context.Context) (map[string]string, error) {
	return t.readMap(ctx, "leader-get")
}

// LeaderSet changes leader settings, at once. An empty value deletes a key.
// Who does not lead gets ErrNotLeader. Juju up to 3.x.
func (t *Tools) LeaderSet(ctx context.Context, data map[string]string) error {
	if len(data) == 0 {
		return nil
	}
	args := []string{"--"}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		args = append(args, key+"="+data[key])
	}
	return t.do(ctx, "leader-set", args...)
}
