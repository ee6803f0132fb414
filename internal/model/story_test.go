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

// TestWordings replays the stories with some of their inputs said in other
// words: they have to mean the same.
func TestWordings(t *testing.T) {
	t.Parallel()
	for file, said := range map[string]map[string][]string{
		"01c-not-leader-and-alone": {
			"unit pulsar/0 created, leader is pulsar/1; agent starts": {"unit pulsar/0 created, not leader; agent starts", "unit pulsar/0 created, no leader; agent starts"},
		},
		"03c-databag-versions": {
			"db/0 writes k=1 again (no change)": {"db/0 commits k=1, which it has", "db/0 commits the values that are there already", "db/0 commits without changes", "no-op write: db/0 writes k=1", "write that changes nothing: db/0 writes k=1", "db/0 writes the same value"},
			"remote leader writes app data v=1": {"remote leader writes the same app data", "no-op write of app data v=1", "db leader writes app data v=1 (as before)"},
			"remote app data is emptied":        {"remote app data emptied: v removed", "remote leader writes empty app data", "remote leader sets app data to {}", "app data v removed (bag now empty)", "remote leader sets v to empty, app data {}", "db leader deletes v, app bag is empty now", "remote leader removes its only app key v", "remote leader empties app data"},
			"remote leader writes app data v=2": {"db/0 as leader writes app data v=2", "remote leader writes v=2", "db's leader sets v=2"},
		},
		"05d-remote-unit-replaced-by-same-name": {
			"db/0 leaves":            {"db/0 leaves the scope for a while", "db/0 dies and is removed", "db/0 leaves and is replaced by a new db/0 (k=9)", "remote unit db/0 is replaced by another db/0 (k=9)", "db/0 removed and created again under the same name, k=9"},
			"a new db/0 enters, k=9": {"db/0 gone; enters again with k=9", "another unit takes the name db/0 and enters with k=9", "new db/0 in scope, k=9"},
		},
		"07f-app-write-of-a-deposed-leader": {
			"leadership moves pulsar/0 -> pulsar/1": {"leadership taken away (pulsar/1 leads)", "lease runs out: pulsar/1 is the new leader", "pulsar/0 is no longer leader", "leadership lost in mid-hook", "leadership lost, before the end of the hook", "leadership goes to pulsar/1 while the hook runs"},
		},
		"09b-leadership-gained-and-lost": {
			"leadership moves pulsar/0 -> pulsar/1": {"leadership pulsar/0 -> pulsar/1", "then lost", "and back to pulsar/1", "leadership lost again"},
		},
		"10h-sigterm-in-mid-hook": {
			"pod deleted: SIGTERM; action act-one queued; relation zk added with zk/0; config a=2; db/0 writes k=2": {
				"pod evicted (SIGTERM); action act-one queued; relation zk added with zk/0; config a=2; db/0 writes k=2",
				"SIGTERM and relation zk added with zk/0, action act-one, config a=2 and db/0 writes k=2",
				"at the same time SIGTERM, with action act-one, relation zk added with zk/0, config a=2 and db/0 k=2 waiting",
			},
		},
		"10j-restart-in-place-not-leader": {
			"charm container is up again": {"charm container up again", "charm container comes back", "agent back in place", "it is started again in place", "agent of the non-leader restarts in place"},
			"charm container dies; meanwhile config a=2, action act-one queued, relation zk added with zk/0": {
				"charm container down: config a=2, action queued, relation zk added with zk/0",
				"charm container crashes; before it is back: config a=2, action act-one queued, relation zk added with zk/0",
			},
		},
		"10l-first-hooks-skipped": {
			"juju resolved --no-retry": {"operator runs juju resolved --no-retry for the failed hook", "juju resolved --no-retry after each failure", "each failure is resolved with --no-retry", "juju resolve --no-retry", "operator: juju resolved --no-retry pulsar/0", "juju resolved --no-retry: the hook is skipped"},
		},
		"11d-refresh-with-actions-waiting": {
			"actions act-one, act-two queued; rolling update reaches the pod: SIGTERM; config a=2": {
				"two actions (act-one, act-two) queued; rolling update reaches the pod: SIGTERM; config a=2",
				"two actions queued; rolling update reaches the pod: SIGTERM; config a=2",
			},
		},
		"11f-upgrade-hooks-fail": {
			"new pod": {"new pod of revision 2; upgrade-charm, config-changed and start fail once each", "new pod with the new charm"},
		},
		"15c-secrets-consumer": {
			"consumed secret 9m4e2mr0ui3e8a215n5g exists":                                       {"pulsar/0 has read secret 9m4e2mr0ui3e8a215n5g (revision 1)"},
			"revision 2 of secret 9m4e2mr0ui3e8a215n5g created":                                 {"secret 9m4e2mr0ui3e8a215n5g now has revision 2", "latest revision of 9m4e2mr0ui3e8a215n5g is 2", "secret 9m4e2mr0ui3e8a215n5g has revision 2", "latest revision 2", "revision 2"},
			"secret 9m4e2mr0ui3e8a215n5g deleted":                                               {"the owner removes the secret", "consumed secret deleted"},
			"charm container dies; meanwhile revision 5 of secret 9m4e2mr0ui3e8a215n5g created": {"charm container dies; while down revision 5"},
		},
		"20b-joined-fails-and-relation-removed": {
			"relation db removed, db/0 leaves": {"juju remove-relation; remote unit leaves", "db relation removed with db/0 in it, which leaves"},
		},
		"21b-dying-leader": {
			"its lease ends: pulsar/0 is leader": {"controller: lease of pulsar/1 expires, pulsar/0 becomes leader", "lease of pulsar/1 runs out, pulsar/0 gets it"},
		},
		"22a-two-real-applications": {
			"application pulsar deployed with 1 units at once, leader pulsar/0, peer relation false; all agents start": {
				"two applications, pulsar (leader pulsar/0) and db (leader db/0), one real unit each; all agents start",
				"application pulsar and application db deployed, one unit each, leaders pulsar/0 and db/0; agents start",
				"pulsar/0 and db/0 deployed, both leaders; all agents start",
				"applications pulsar (1 unit) and db (1 unit) deployed, leaders pulsar/0, db/0; all agents start",
			},
			"relation db added": {"relation added: pulsar:db db:clients", "relation db added between pulsar and db", "relation pulsar:db db:clients added", "juju integrate pulsar:db db:clients", "pulsar and db related"},
		},
	} {
		data, err := os.ReadFile("testdata/derived/" + file + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		for sentence, others := range said {
			for _, other := range others {
				t.Run(file+"/"+other, func(t *testing.T) {
					t.Parallel()
					story, err := readStory(string(data))
					if err != nil {
						t.Fatal(err)
					}
					story.say(t, sentence, other)
					if err := explain(story, story.Hooks, story.Inputs, false); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// say says an input in other words.
func (tr *trace) say(t *testing.T, sentence, other string) {
	t.Helper()
	found := false
	for i := range tr.Inputs {
		if tr.Inputs[i].What == sentence {
			tr.Inputs[i].What, found = other, true
		}
	}
	if !found {
		t.Fatalf("no input %q", sentence)
	}
}

// TestOtherMeanings replays stories with an input that says something else.
func TestOtherMeanings(t *testing.T) {
	t.Parallel()
	const (
		enters = "db/0 enters, k=1"
		lost   = "leadership moves pulsar/0 -> pulsar/1"
		while  = "while in error: db/0 leaves, db/2 enters, db/1 writes k=5, app data v=5"
	)
	for _, c := range []struct{ file, sentence, other, want string }{
		// What is not read does nothing, and is named.
		{"07f-app-write-of-a-deposed-leader", lost, "pulsar/0 abdicates", `not read: "pulsar/0 abdicates" of input 3`},
		{"20b-joined-fails-and-relation-removed", enters, "db/0 turns up bearing gifts", `not read: "db/0 turns up bearing gifts" of input 2`},
		{"20e-order-inside-a-relation", while, "while in error: db/0 leaves, db/2 turns up, db/1 writes k=5, app data v=5", `not read: "db/2 turns up" of input 3`},
		{"20e-order-inside-a-relation", while, "while in error: db/0 fades, db/2 enters and db/1 writes k=5 and the rest, app data v=5", `not read: "while in error: db/0 fades" of input 3, "and" of input 3, "and the rest" of input 3`},
		{"11d-refresh-with-actions-waiting", "actions act-one, act-two queued; rolling update reaches the pod: SIGTERM; config a=2",
			"three actions queued; rolling update reaches the pod: SIGTERM; config a=2", "the uniter ran stop"},
		{"20b-joined-fails-and-relation-removed", enters, "enters with k=1", `cannot read input: who writes k=1?; not read: "enters" of input 2`},
	} {
		t.Run(c.file+"/"+c.other, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile("testdata/derived/" + c.file + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			story, err := readStory(string(data))
			if err != nil {
				t.Fatal(err)
			}
			story.say(t, c.sentence, c.other)
			if err := explain(story, story.Hooks, story.Inputs, false); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
