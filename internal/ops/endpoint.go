package ops

import (
	"context"
	"fmt"
	"reflect"
)

// Validator is a databag's type that can say whether what was decoded makes
// sense. Its error names the key. A key that is absent is no error: the other
// side has not written it yet.
type Validator interface{ Validate() error }

// RemoteDataError is data of another application, or of one of its units, that
// the charm cannot use. No retry heals it: answer it with a status that names
// who has to mend it.
type RemoteDataError struct {
	// Remote is the application or unit that wrote it.
	Remote string
	// Err says which key is wrong, and how.
	Err error
}

func (e *RemoteDataError) Error() string {
	return fmt.Sprintf("cannot use the data of %s: %v", e.Remote, e.Err)
}

func (e *RemoteDataError) Unwrap() error { return e.Err }

// None is the type of a databag in which nothing is written.
type None struct{}

// Validate finds nothing wrong.
func (None) Validate() error { return nil }

// Requirer is an endpoint of role requires: the remote application writes an
// Offer into its databag, this unit a Request into its own.
type Requirer[Offer Validator, Request any] struct{ endpoint string }

// Requires is the endpoint of that name in metadata.yaml.
func Requires[Offer Validator, Request any](endpoint string) Requirer[Offer, Request] {
	return Requirer[Offer, Request]{endpoint}
}

// RemoteApp is one relation of a Requirer.
type RemoteApp[Offer any] struct {
	// Relation is the relation's id, such as "zookeeper:3".
	Relation string
	// App is the application that provides.
	App string
	// Offer is what App has written; its zero value if it has written nothing
	// yet, or what makes no sense.
	Offer Offer
	// Problem is what is wrong with App's data, or nil.
	Problem *RemoteDataError
}

// Remotes are the relations that are not over, sorted by id.
func (e Requirer[Offer, Request]) Remotes(ctx context.Context, u *Unit) ([]RemoteApp[Offer], error) {
	relations, err := u.Relations(ctx, e.endpoint)
	if err != nil {
		return nil, err
	}
	var remotes []RemoteApp[Offer]
	for _, r := range relations {
		if r.Broken {
			continue
		}
		bag, err := r.read(ctx, r.App, true)
		if err != nil {
			return nil, err
		}
		remote := RemoteApp[Offer]{Relation: r.ID, App: r.App}
		remote.Offer, remote.Problem = accept[Offer](r.App, bag)
		remotes = append(remotes, remote)
	}
	return remotes, nil
}

// Remote is the first of Remotes; nil if there is none. It is for
// endpoints whose limit is one.
func (e Requirer[Offer, Request]) Remote(ctx context.Context, u *Unit) (*RemoteApp[Offer], error) {
	remotes, err := e.Remotes(ctx, u)
	if err != nil || len(remotes) == 0 {
		return nil, err
	}
	return &remotes[0], nil
}

// Write is this unit's databag in a relation of the endpoint.
func (e Requirer[Offer, Request]) Write(relation string, request Request) Databag {
	return typedBag(relation, false, request)
}

// Provider is an endpoint of role provides: each remote unit writes a Request
// into its databag, the own application's leader an Offer into the application's.
type Provider[Offer any, Request Validator] struct{ endpoint string }

// Provides is the endpoint of that name in metadata.yaml.
func Provides[Offer any, Request Validator](endpoint string) Provider[Offer, Request] {
	return Provider[Offer, Request]{endpoint}
}

// Endpoint is the endpoint's name.
func (e Provider[Offer, Request]) Endpoint() string { return e.endpoint }

// Client is one relation of a Provider.
type Client[Request any] struct {
	// Relation is the relation's id.
	Relation string
	// App is the application that requires.
	App string
	// Units are what its units have written, sorted by unit.
	Units []RemoteUnit[Request]
}

// RemoteUnit is what one unit has written.
type RemoteUnit[Request any] struct {
	Unit string
	// Request is the zero value if the unit has written nothing yet, or what
	// makes no sense.
	Request Request
	// Problem is what is wrong with the unit's data, or nil.
	Problem *RemoteDataError
}

// Relations are the ids of the relations that are not over, sorted.
func (e Provider[Offer, Request]) Relations(ctx context.Context, u *Unit) ([]string, error) {
	relations, err := u.Relations(ctx, e.endpoint)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, r := range relations {
		if !r.Broken {
			ids = append(ids, r.ID)
		}
	}
	return ids, nil
}

// Clients are the relations that are not over, sorted by id, with what their
// units have written.
func (e Provider[Offer, Request]) Clients(ctx context.Context, u *Unit) ([]Client[Request], error) {
	relations, err := u.Relations(ctx, e.endpoint)
	if err != nil {
		return nil, err
	}
	var clients []Client[Request]
	for _, r := range relations {
		if r.Broken {
			continue
		}
		client := Client[Request]{Relation: r.ID, App: r.App}
		for _, unit := range r.Units {
			bag, err := r.read(ctx, unit, false)
			if err != nil {
				return nil, err
			}
			remote := RemoteUnit[Request]{Unit: unit}
			remote.Request, remote.Problem = accept[Request](unit, bag)
			client.Units = append(client.Units, remote)
		}
		clients = append(clients, client)
	}
	return clients, nil
}

// Write is the application's databag in a relation of the endpoint. Only the
// leader may write it.
func (e Provider[Offer, Request]) Write(relation string, offer Offer) Databag {
	return typedBag(relation, true, offer)
}

// accept reads a databag that somebody else has written.
func accept[T any](remote string, bag Bag) (T, *RemoteDataError) {
	var data, none T
	err := Decode(bag, &data)
	if v, ok := any(data).(Validator); ok && err == nil {
		err = v.Validate()
	}
	if err != nil {
		return none, &RemoteDataError{Remote: remote, Err: err}
	}
	return data, nil
}

// typedBag is a databag of the keys of data's type. It panics if data holds
// what a databag cannot, such as a list entry with a comma, which a charm must
// not let in.
func typedBag(relation string, app bool, data any) Databag {
	bag, err := Encode(data)
	if err != nil {
		panic(err)
	}
	return Databag{Relation: relation, App: app, Data: bag, Keys: keysOf(reflect.TypeOf(data))}
}

// keysOf are the databag keys of a struct type; never nil.
func keysOf(t reflect.Type) []string {
	keys := []string{}
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("databag"); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}
