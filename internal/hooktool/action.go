package hooktool

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// ActionGet gives the parameters of the running action, defaults included, as
// encoding/json decodes them.
func (t *Tools) ActionGet(ctx context.Context) (map[string]any, error) {
	return t.readAny(ctx, "action-get")
}

// ActionSet adds results of the running action. A key's parts, between dots,
// are of lower-case letters, digits and inner hyphens; stdout, stderr,
// stdout-encoding and stderr-encoding are Juju's own. No results is no call.
func (t *Tools) ActionSet(ctx context.Context, results map[string]string) error {
	if len(results) == 0 {
		return nil
	}
	args := []string{"--"}
	for _, key := range slices.Sorted(maps.Keys(results)) {
		args = append(args, key+"="+results[key])
	}
	return t.do(ctx, "action-set", args...)
}

// ActionFail makes the running action fail with a message. What the action
// has written is kept if the charm exits 0.
func (t *Tools) ActionFail(ctx context.Context, message string) error {
	if message == "" {
		return t.do(ctx, "action-fail")
	}
	return t.do(ctx, "action-fail", "--", message)
}

// ActionLog tells whoever waits for the action about its progress, at once. An
// empty message is not sent; a long one is cut into several.
func (t *Tools) ActionLog(ctx context.Context, message string) error {
	for _, piece := range pieces(message) {
		if err := t.do(ctx, "action-log", "--", piece); err != nil {
			return err
		}
	}
	return nil
}

// StorageList gives the unit's storage instances, such as "data/0": those of
// one storage of metadata.yaml, or all for "".
func (t *Tools) StorageList(ctx context.Context, name string) ([]string, error) {
	if name == "" {
		return t.readList(ctx, "storage-list")
	}
	return t.readList(ctx, "storage-list", "--", name)
}

// Storage is a storage instance of the unit.
type Storage struct {
	Kind     string `json:"kind"`     // "filesystem" or "block"
	Location string `json:"location"` // its path in the charm container
}

// StorageGet gives a storage instance; "" is the hook's own. One that is not
// there, or not yet, is ErrNotFound.
func (t *Tools) StorageGet(ctx context.Context, id string) (Storage, error) {
	var storage Storage
	err := t.read(ctx, &storage, "storage-get", option("-s", id)...)
	return storage, err
}

// StorageAdd asks for count more instances of a storage, at the end of the
// hook.
func (t *Tools) StorageAdd(ctx context.Context, name string, count int) error {
	if count < 1 {
		return fmt.Errorf("cannot run storage-add: count is %d, want 1 or more", count)
	}
	return t.do(ctx, "storage-add", "--", name+"="+strconv.Itoa(count))
}
