package dummyclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/relation"
)

// permanentError is a failure that trying again does not mend.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// ensurePartitions makes the topic have the wanted number of partitions;
// 1 or less leaves the topic as it is. webURLs are tried in turn.
//
// Pulsar adds partitions and never takes them away (admin API v2,
// /admin/v2/persistent/{tenant}/{namespace}/{topic}/partitions).
func ensurePartitions(ctx context.Context, webURLs []string, topic relation.Topic, want int) error {
	if want <= 1 {
		return nil
	}
	err := errors.New("no web service URL is known")
	for _, url := range webURLs {
		if err = ensurePartitionsAt(ctx, url, topic, want); err == nil {
			return nil
		}
		if _, permanent := errors.AsType[permanentError](err); permanent {
			break
		}
	}
	return fmt.Errorf("cannot give topic %s %d partitions: %w", topic, want, err)
}

func ensurePartitionsAt(ctx context.Context, webURL string, topic relation.Topic, want int) error {
	path := fmt.Sprintf("%s/admin/v2/persistent/%s/%s/%s/partitions", webURL, topic.Tenant, topic.Namespace, topic.Name)
	// Without this a look would create the topic, without partitions.
	code, body, err := adminCall(ctx, http.MethodGet, path+"?checkAllowAutoCreation=false", "")
	if err != nil {
		return err
	}
	var have struct{ Partitions int }
	switch code {
	case http.StatusOK:
		if err := json.Unmarshal(body, &have); err != nil {
			return fmt.Errorf("%s answered %q", webURL, body)
		}
	case http.StatusNotFound:
	default:
		return answerError(webURL, code, body)
	}
	method := http.MethodPost
	switch {
	case have.Partitions == want:
		return nil
	case have.Partitions > want:
		return permanentError{fmt.Errorf("it has %d, and partitions cannot be taken away", have.Partitions)}
	case have.Partitions == 0:
		method = http.MethodPut
	}
	code, body, err = adminCall(ctx, method, path, strconv.Itoa(want))
	switch {
	case err != nil:
		return err
	case code/100 == 2:
		return nil
	case code == http.StatusConflict && method == http.MethodPut:
		// Either another client was faster or the topic has no partitions.
		if code, body, err = adminCall(ctx, http.MethodGet, path+"?checkAllowAutoCreation=false", ""); err != nil {
			return err
		}
		if code == http.StatusOK && json.Unmarshal(body, &have) == nil && have.Partitions == want {
			return nil
		}
		return permanentError{errors.New("it exists without partitions; choose another topic")}
	}
	return answerError(webURL, code, body)
}

func answerError(webURL string, code int, body []byte) error {
	text := strings.TrimSpace(string(body))
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	return fmt.Errorf("%s answered %d: %s", webURL, code, text)
}

func adminCall(ctx context.Context, method, url, body string) (code int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, 1<<16))
	return response.StatusCode, answer, err
}
