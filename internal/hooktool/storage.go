package hooktool

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

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
	if err := t.read(ctx, &storage, "storage-get", option("-s", id)...); err != nil {
		return Storage{}, err
	}
	if storage.Location == "" {
		return Storage{}, errors.New("cannot read the answer of storage-get: no location")
	}
	return storage, nil
}

// StorageAdd asks for count more instances of a storage, at the end of the
// hook.
func (t *Tools) StorageAdd(ctx context.Context, name string, count int) error {
	if count < 1 {
		return fmt.Errorf("cannot run storage-add: count is %d, want 1 or more", count)
	}
	return t.do(ctx, "storage-add", "--", name+"="+strconv.Itoa(count))
}
