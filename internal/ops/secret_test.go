package ops

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
)

// printed is a secret in every form that a careless line might give it.
func printed(secret Secret) []string {
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret, "struct", struct{ S Secret }{secret})
	asJSON, _ := json.Marshal(map[string]any{"secret": secret})
	texts := []string{log.String(), string(asJSON), fmt.Sprint(secret), fmt.Sprintln(&secret)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, struct{ S Secret }{secret}))
	}
	return texts
}
