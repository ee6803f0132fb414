package hooktool

import (
	"context"
	"errors"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// StatusSet sets the unit's status, at once.
func (t *Tools) StatusSet(ctx context.Context, status juju.Status) error {
	return t.do(ctx, "status-set", "--", string(status.Name), status.Message)
}

// StatusSetApp sets the application's status, at once. Only the leader may.
func (t *Tools) StatusSetApp(ctx context.Context, status juju.Status) error {
	return t.do(ctx, "status-set", "--application", "--", string(status.Name), status.Message)
}

// statusAnswer is one status in status-get's JSON.
type statusAnswer struct {
	Status  juju.StatusName         `json:"status"`
	Message string                  `json:"message"`
	Units   map[string]statusAnswer `json:"units"`
}

func (a statusAnswer) status() juju.Status { return juju.Status{Name: a.Status, Message: a.Message} }

var errNoStatus = errors.New("cannot read the answer of status-get: no status")

// StatusGet gives the unit's status.
func (t *Tools) StatusGet(ctx context.Context) (juju.Status, error) {
	var answer statusAnswer
	if err := t.read(ctx, &answer, "status-get", "--include-data"); err != nil {
		return juju.Status{}, err
	}
	if answer.Status == "" {
		return juju.Status{}, errNoStatus
	}
	return answer.status(), nil
}

// StatusGetApp gives the application's status and those of its units by name.
// Only the leader may.
func (t *Tools) StatusGetApp(ctx context.Context) (application juju.Status, units map[string]juju.Status, err error) {
	var answer struct {
		Application statusAnswer `json:"application-status"`
	}
	if err := t.read(ctx, &answer, "status-get", "--include-data", "--application"); err != nil {
		return juju.Status{}, nil, err
	}
	if answer.Application.Status == "" {
		return juju.Status{}, nil, errNoStatus
	}
	units = make(map[string]juju.Status, len(answer.Application.Units))
	for name, unit := range answer.Application.Units {
		units[name] = unit.status()
	}
	return answer.Application.status(), units, nil
}
