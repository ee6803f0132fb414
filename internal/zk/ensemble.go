package zk

import (
	"context"
	"errors"
	"slices"
)

// Ensemble is an ensemble that is asked now and then, each time by a session
// of its own. The zero value is ready for use.
type Ensemble struct{}

// Server is the state of the server at host:port.
func (Ensemble) Server(ctx context.Context, address string) (Server, error) {
	return Srvr(ctx, address)
}

// Config is the present membership.
func (Ensemble) Config(ctx context.Context, servers []string) (Config, error) {
	client, err := Dial(ctx, servers)
	if err != nil {
		return Config{}, err
	}
	defer client.Close()
	return client.Config(ctx)
}

// Exist says whether all the znodes exist.
func (Ensemble) Exist(ctx context.Context, servers []string, paths ...string) (bool, error) {
	client, err := Dial(ctx, servers)
	if err != nil {
		return false, err
	}
	defer client.Close()
	for _, path := range paths {
		if found, err := client.Exists(ctx, path); err != nil || !found {
			return false, err
		}
	}
	return true, nil
}

// Children are the names below a znode; none if it does not exist.
func (Ensemble) Children(ctx context.Context, servers []string, path string) ([]string, error) {
	client, err := Dial(ctx, servers)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	names, err := client.Children(ctx, path)
	if errors.Is(err, ErrNoNode) {
		return nil, nil
	}
	return names, err
}

// Reconfigure reads the membership, lets decide say what to change, changes it
// if nothing came between, and gives what it then is. The errors are those of
// Client.Reconfigure, but a change that was done although its answer got lost
// is none.
func (Ensemble) Reconfigure(ctx context.Context, servers []string, password string, decide func(Config) Change) (Config, error) {
	client, err := Dial(ctx, servers)
	if err != nil {
		return Config{}, err
	}
	defer client.Close()
	before, err := client.Config(ctx)
	if err != nil {
		return Config{}, err
	}
	change := decide(before)
	if change.Empty() {
		return before, nil
	}
	if err := client.Login(ctx, password); err != nil {
		return Config{}, err
	}
	failure := client.Reconfigure(ctx, change, before.Version)
	if errors.Is(failure, ErrChanged) || errors.Is(failure, ErrNoNewQuorum) {
		return Config{}, failure
	}
	// A leader that removes itself closes its connections before it answers.
	after, err := client.Config(ctx)
	if err == nil && failure != nil && !slices.Equal(after.Members, change.Apply(before).Members) {
		err = failure
	}
	if err != nil {
		return Config{}, err
	}
	return after, nil
}
