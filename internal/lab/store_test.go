package lab

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/model"
)

// A record that was cut short or edited is refused by its name and with what
// to do, and stays as it is.
func TestLoadRefusesABrokenRecord(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	whole := record{Format: recordFormat, Name: "test", Model: model.New(model.Options{Name: "test"}), State: newState()}
	if err := whole.save(home); err != nil {
		t.Fatal(err)
	}
	if got, err := load(home); err != nil || got.Name != "test" || got.Model.Options().Name != "test" {
		t.Fatalf("a whole record: %+v, %v", got, err)
	}
	text, err := os.ReadFile(recordFile(home))
	if err != nil {
		t.Fatal(err)
	}
	broken := map[string][]byte{
		"empty":       {},
		"zeros":       make([]byte, 100),
		"null":        []byte("null"),
		"no model":    []byte(`{"format":1,"name":"test"}`),
		"no lab":      []byte(`{"format":1,"name":"test","model":` + `{}` + `,"lab":{"pods":null}}`),
		"unknown app": bytes.Replace(text, []byte(`"applications":{}`), []byte(`"applications":{"x":{"charm":"nothing"}}`), 1),
		"newer":       bytes.Replace(text, []byte(`"format":1`), []byte(`"format":2`), 1),
	}
	for _, tenths := range []int{1, 3, 5, 7, 9} {
		broken[strings.Repeat("|", tenths)] = text[:len(text)*tenths/10]
	}
	for name, content := range broken {
		if bytes.Equal(content, text) {
			t.Errorf("%s: the record is not broken", name)
		}
		if err := os.WriteFile(recordFile(home), content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := load(home)
		if err == nil || !strings.Contains(err.Error(), recordFile(home)) || !strings.Contains(err.Error(), "charmlab destroy-model starts afresh") {
			t.Errorf("%s: got %v", name, err)
		}
		if after, _ := os.ReadFile(recordFile(home)); !bytes.Equal(after, content) {
			t.Errorf("%s: the record was changed", name)
		}
	}
}
