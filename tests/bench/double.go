package main

import (
	"encoding/json"
	"net/http"
	"os"

	"github.com/pulsar-charms/pulsar-charms/internal/javaprops"
)

// doubleName is the name under which the program plays /pulsar/bin/pulsar.
const doubleName = "pulsar"

// serveBookie says over HTTP what a bookie says that serves, under the name in
// its configuration.
func serveBookie() error {
	text, err := os.ReadFile("/pulsar/conf/bookkeeper.conf")
	if err != nil {
		return err
	}
	id := javaprops.Parse(text)["advertisedAddress"] + ":3181"
	http.HandleFunc("/api/v1/bookie/is_ready", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/api/v1/bookie/list_bookies", func(w http.ResponseWriter, r *http.Request) {
		list := map[string]any{}
		if r.URL.Query().Get("type") == "rw" {
			list[id] = nil
		}
		_ = json.NewEncoder(w).Encode(list)
	})
	return http.ListenAndServe(":8000", nil)
}
