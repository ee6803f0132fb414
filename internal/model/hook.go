package model

import (
	"strings"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
)

// Hook is one hook with all that tells it from others of the same name. It
// may be compared with ==.
type Hook struct {
	juju.Hook
	// RelationID ("db:3"), RemoteUnit and RemoteApp belong to relation hooks;
	// RemoteUnit is empty in created, broken and application changed, and
	// RemoteApp is empty in the broken of a relation that this agent, since
	// its start, did not join. DepartingUnit belongs to departed.
	RelationID    string `json:",omitempty"`
	RemoteUnit    string `json:",omitempty"`
	RemoteApp     string `json:",omitempty"`
	DepartingUnit string `json:",omitempty"`
	// Notice… belong to pebble-custom-notice, CheckName to pebble-check-….
	NoticeID   string `json:",omitempty"`
	NoticeType string `json:",omitempty"`
	NoticeKey  string `json:",omitempty"`
	CheckName  string `json:",omitempty"`
	// StorageID ("data/0") belongs to storage hooks.
	StorageID string `json:",omitempty"`
	// SecretID (a URI) belongs to secret hooks, SecretRevision only to
	// secret-expired and secret-remove. The label is looked up when the hook
	// begins.
	SecretID       string `json:",omitempty"`
	SecretRevision int    `json:",omitempty"`
	// ActionID belongs to actions.
	ActionID string `json:",omitempty"`
}

// Container is the workload container of a pebble hook, else empty.
func (h Hook) Container() string {
	if h.workload() {
		return h.Name
	}
	return ""
}

func (h Hook) workload() bool {
	switch h.Kind {
	case juju.PebbleReady, juju.PebbleCustomNotice, juju.PebbleCheckFailed, juju.PebbleCheckRecovered:
		return true
	}
	return false
}

func (h Hook) secret() bool {
	switch h.Kind {
	case juju.SecretChanged, juju.SecretExpired, juju.SecretRemove, juju.SecretRotate:
		return true
	}
	return false
}

// Describe is the hook and its object in one line, for logs and failures,
// such as "db-relation-joined db:3 db/0".
func (h Hook) Describe() string {
	words := []string{h.String()}
	if h.Kind == juju.Action {
		words = []string{"action:" + h.Name}
	}
	for _, word := range []string{h.RelationID, h.RemoteUnit, h.StorageID, h.NoticeKey, h.CheckName, h.SecretID, h.ActionID} {
		if word != "" {
			words = append(words, word)
		}
	}
	if h.RelationID != "" && h.RemoteUnit == "" {
		words = append(words, "app="+h.RemoteApp)
	}
	if h.DepartingUnit != "" {
		words = append(words, "departing="+h.DepartingUnit)
	}
	return strings.Join(words, " ")
}
