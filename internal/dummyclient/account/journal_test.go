package account

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestJournal(t *testing.T) {
	t.Parallel()
	directory := filepath.Join(t.TempDir(), "journal")
	if records, err := ReadJournals(directory, "t"); err != nil || records != nil {
		t.Fatalf("no directory: got %v, %v", records, err)
	}
	journal, err := CreateJournal(directory, "run-b", "t")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CreateJournal(directory, "run-b", "t"); err == nil {
		t.Error("the same run again: want an error")
	}
	other, err := CreateJournal(directory, "run-a", "other topic's")
	if err == nil {
		t.Fatalf("topic with spaces: want an error, got %v", other)
	}
	for n := range uint64(1000) {
		journal.Sent(n + 1)
		if n != 499 {
			journal.Acked(n + 1)
		}
	}
	journal.Acked(500)
	journal.Sent(1001)
	journal.Pause(1500 * time.Millisecond)
	records, err := ReadJournals(directory, "t")
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 1 || !records[0].Live || records[0].Ended {
		t.Errorf("while it is written: got %+v", records)
	}
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	records, err = ReadJournals(directory, "t")
	if err != nil {
		t.Fatal(err)
	}
	want := []Record{{Run: "run-b", Topic: "t", Sent: 1001, Acked: Ranges{{1, 1000}}, Pause: 1500 * time.Millisecond, Ended: true}}
	if diff := cmp.Diff(want, records); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
	if records, err := ReadJournals(directory, "another"); err != nil || records != nil {
		t.Errorf("another topic: got %v, %v", records, err)
	}
}

func TestParseJournal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text string
		want       Record
		err        string
	}{
		{"killed before the first line", "", Record{}, ""},
		{"killed within the first line", "run 1 a", Record{}, ""},
		{"killed within a line", "run 1 a t\nacked 1 10\nacked 11 2", Record{Run: "a", Topic: "t", Sent: 10, Acked: Ranges{{1, 10}}}, ""},
		{"sent behind acked", "run 1 a t\nacked 1 10\nsent 7\n", Record{Run: "a", Topic: "t", Sent: 10, Acked: Ranges{{1, 10}}}, ""},
		{"pauses", "run 1 a t\npause 3\npause 2\n", Record{Run: "a", Topic: "t", Pause: 3 * time.Millisecond}, ""},
		{"another format", "run 2 a t\n", Record{}, `line 1: format "2" is not known to this version`},
		{"no first line", "acked 1 10\n", Record{}, `line 1: unexpected record "acked 1 10"`},
		{"two first lines", "run 1 a t\nrun 1 b t\n", Record{}, `line 2: unexpected record "run 1 b t"`},
		{"garbage", "run 1 a t\nacked 1 x\n", Record{}, `line 2: "x" is not a number`},
		{"an empty line", "run 1 a t\n\n", Record{}, `line 2: unexpected record ""`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseJournal(strings.NewReader(test.text))
			if message := errorText(err); message != test.err {
				t.Fatalf("got error %q, want %q", message, test.err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A damaged journal must not be passed over: it may be the one that knows of
// a loss.
func TestReadJournalsDamaged(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "x.journal"), []byte("what\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := ReadJournals(directory, "t")
	if want := `cannot read journal "x.journal": line 1: unexpected record "what"`; errorText(err) != want {
		t.Errorf("got error %v, want %s", err, want)
	}
}
