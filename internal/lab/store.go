package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

// record is what is on disk: the model, and what the lab knows besides.
type record struct {
	// Format is raised when an old daemon could not read a new record.
	Format int          `json:"format"`
	Name   string       `json:"name"`
	Model  *model.Model `json:"model"`
	State  state        `json:"lab"`
}

const recordFormat = 1

// state is the lab's own part of the record.
type state struct {
	Applications map[string]*application `json:"applications"`
	Pods         map[string]*podRecord   `json:"pods"` // by unit
	// Addresses counts the addresses given to pods, Services those given to
	// applications. An address is not used twice: a late client of the old
	// pod must not find another one.
	Addresses int `json:"addresses"`
	Services  int `json:"services"`
	// Ahead is how far the lab's clock is ahead of the machine's.
	Ahead time.Duration `json:"ahead,omitempty"`
}

// application is where an application's charm and storages are.
type application struct {
	Charm    string    `json:"charm"`    // name of the charm
	Revision int       `json:"revision"` // of the charm in this model
	Service  string    `json:"service"`  // address that answers nothing
	Storage  string    `json:"storage"`  // directory, new for each deploy
	Since    time.Time `json:"since"`
}

// podRecord is how a later daemon finds a pod again.
type podRecord struct {
	Address  string `json:"address"`
	Dir      string `json:"dir"`
	Revision int    `json:"revision"`
	// Heard is the time of the last notice of each container that the model
	// was told of. The model keeps those that an agent has to hear again.
	Heard map[string]time.Time `json:"heard,omitempty"`
}

func newState() state {
	return state{Applications: map[string]*application{}, Pods: map[string]*podRecord{}}
}

// load reads the record; nil if there is none.
func load(home string) (*record, error) {
	file := recordFile(home)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the model: %w", err)
	}
	r := &record{State: newState()}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("cannot read the model in %s: %w (charmlab destroy-model starts afresh)", file, err)
	}
	if r.Format != recordFormat {
		return nil, fmt.Errorf("cannot read the model in %s: it has format %d, this charmlab reads %d (charmlab destroy-model starts afresh)", file, r.Format, recordFormat)
	}
	if r.Model == nil || r.Model.Options().Name == "" || r.State.Applications == nil || r.State.Pods == nil {
		return nil, fmt.Errorf("cannot read the model in %s: parts are missing (charmlab destroy-model starts afresh)", file)
	}
	return r, nil
}

func (r *record) save(home string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("cannot save the model: %w", err)
	}
	if err := writeAtomically(recordFile(home), text); err != nil {
		return diskError("cannot save the model", home, err)
	}
	return nil
}

func recordFile(home string) string { return filepath.Join(home, "model.json") }

// diskError says what to do about a disk that takes no more.
func diskError(what, dir string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%s: the disk of %s is full: free some space there, or set CHARMLAB_HOME to a directory with more", what, dir)
	}
	return fmt.Errorf("%s: %w", what, err)
}
