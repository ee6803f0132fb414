package model

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestStories replays testdata/derived: scenarios that nobody recorded for us,
// told from what Juju's contract and the traces' summary say of them. A story is
// a list of inputs ("> db/0 writes k=2", indented while the hook above runs)
// and hooks in the traces' short form. Behind a hook may stand FAILED, KILLED,
// REFUSED (by the controller, though it exited with 0), leader=, departing=,
// list=, unit{…} and app{…} as it reads them, and after a # what it writes.
func TestStories(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/derived/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			story, err := readStory(string(data))
			if err != nil {
				t.Fatal(err)
			}
			if err := explain(story, story.Hooks, story.Inputs, false); err != nil {
				t.Error(err)
			}
		})
	}
}

var storyWord = regexp.MustCompile(`\S*\{[^}]*\}|\S+`)

// readStory turns a story into a trace. Lines that begin with -- are comments
// and make up the description.
func readStory(text string) (*trace, error) {
	tr := &trace{}
	for _, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "":
		case strings.HasPrefix(trimmed, "--"):
			tr.Description += strings.TrimPrefix(trimmed, "--")
		case strings.HasPrefix(trimmed, ">"):
			in := input{What: strings.TrimSpace(trimmed[1:])}
			if strings.HasPrefix(line, " ") {
				in.While = fmt.Sprintf("hook %d running", len(tr.Hooks))
			}
			tr.Inputs = append(tr.Inputs, in)
		default:
			h, err := readStoryHook(trimmed)
			if err != nil {
				return nil, err
			}
			h.N, h.After = len(tr.Hooks)+1, len(tr.Inputs)
			tr.Hooks = append(tr.Hooks, h)
		}
	}
	return tr, nil
}

func readStoryHook(line string) (traceHook, error) {
	line, note, _ := strings.Cut(line, " # ")
	unit, rest, named := strings.Cut(line, ": ")
	if !named {
		unit, rest = "", line
	}
	var short []string
	h := traceHook{told: true, Note: note}
	for _, word := range storyWord.FindAllString(rest, -1) {
		name, value, _ := strings.Cut(word, "=")
		inside := pairsOf(strings.ReplaceAll(strings.Trim(word[strings.IndexByte(word, '{')+1:], "}"), ",", " "))
		switch {
		case word == "FAILED":
			h.Exit = 1
		case word == "KILLED":
			h.Exit = 137
		case word == "REFUSED":
			h.refused = true
		case name == "leader":
			h.Leader = value
		case name == "departing":
			h.DepartingUnit = value
		case name == "list":
			h.RelationList = strings.Split(value, ",")
		case strings.HasPrefix(word, "unit{"):
			h.RemoteData = inside
		case strings.HasPrefix(word, "app{"):
			h.RemoteAppData = inside
		default:
			short = append(short, word)
		}
	}
	if len(short) == 0 {
		return h, fmt.Errorf("no hook in %q", line)
	}
	known := readShort(strings.Join(short, " "))
	known.told, known.Note, known.Exit, known.refused, known.Unit = true, h.Note, h.Exit, h.refused, unit
	known.Leader, known.DepartingUnit, known.RelationList = h.Leader, h.DepartingUnit, h.RelationList
	known.RemoteData, known.RemoteAppData = h.RemoteData, h.RemoteAppData
	return known, nil
}
