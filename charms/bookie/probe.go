package bookie

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/watch"
)

// Health is what a bookie says of itself.
type Health struct {
	// Ready says that it runs and has joined the cluster once.
	Ready bool
	// Listed says that it could ask ZooKeeper for the bookies.
	Listed bool
	// Registered is how ZooKeeper lists it: "rw", "ro", or "" if not.
	Registered string
}

// Serving says that the bookie does its job, writable or not.
func (h Health) Serving() bool { return h.Ready && h.Registered != "" }

const (
	readyPath = "/api/v1/bookie/is_ready"
	statePath = "/api/v1/bookie/state"
	listPath  = "/api/v1/bookie/list_bookies?type="
)

// answerTimeout bounds each question; what takes longer does not answer.
const answerTimeout = 4 * time.Second

// watching is the watch of the bookie: the same look as lookAt takes.
func watching(id string) watch.Watch {
	return watch.Watch{
		Name: service, Port: httpPort, Timeout: answerTimeout,
		Probes: []string{readyPath, watch.Path(listPath+"rw@"+id, listPath+"ro@"+id)},
	}
}

// lookAt asks the bookie of this pod over HTTP: the containers of a pod share
// its network. What does not answer is not healthy; that is no error.
func lookAt(ctx context.Context, id string) Health {
	var h Health
	if code, _ := get(ctx, readyPath); code != http.StatusOK {
		return h
	}
	h.Ready = true
	for _, kind := range []string{"rw", "ro"} {
		code, body := get(ctx, listPath+kind)
		var bookies map[string]any
		if code != http.StatusOK || json.Unmarshal(body, &bookies) != nil {
			return h
		}
		if _, ok := bookies[id]; ok {
			h.Registered, h.Listed = kind, true
			return h
		}
	}
	h.Listed = true
	return h
}

// get answers within answerTimeout; code 0 means not at all.
func get(ctx context.Context, path string) (code int, body []byte) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", httpPort, path), nil)
	if err != nil {
		return 0, nil
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return 0, nil
	}
	return response.StatusCode, body
}
