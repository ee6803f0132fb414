package model

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// sentence is an input that is being read. A sentence is made of clauses; what
// one leaves out (who, where) the one before has said.
type sentence struct {
	*replay
	said     string   // its clauses so far, this one among them
	unit     string   // whose pod, agent or leadership
	owner    string   // who wrote
	endpoint string   // relation
	remote   []string // units of that relation
	list     string   // what a bare word is one more of: action, relation, notice, storage
	place    string   // container
	notes    string   // in brackets behind the clause
	undo     func()   // takes the last write back
	removed  bool     // the relation or application spoken of is being removed
}

var (
	unitName   = regexp.MustCompile(`[a-z][a-z0-9-]*/\d+`)
	pairForm   = regexp.MustCompile(`([a-z][a-z0-9-]*)=(\S*)`)
	brackets   = regexp.MustCompile(` ?\(([^()]*)\)`)
	numbers    = regexp.MustCompile(`\d+`)
	actionName = regexp.MustCompile(`\bact-[a-z]+`)
	secretIs   = regexp.MustCompile(`\b[0-9a-v]{20}\b`)
)

func pairsOf(text string) map[string]string {
	out := make(map[string]string)
	for _, m := range pairForm.FindAllStringSubmatch(text, -1) {
		out[m[1]] = strings.TrimRight(m[2], ",;")
	}
	return out
}

func (s *sentence) whose(m []string) string {
	for _, word := range m[1:] {
		if unitName.MatchString(word) {
			s.unit = unitName.FindString(word)
		}
	}
	return s.unit
}

// subject is who a verb without one is about: who wrote or came last, else the
// last remote unit that the sentence has named.
func (s *sentence) subject() string {
	if s.owner != "" {
		return s.owner
	}
	named := slices.DeleteFunc(unitName.FindAllString(s.said, -1), func(name string) bool {
		return slices.Contains(s.trace.real(), name) || !slices.Contains([]string{"pulsar", "db", "zk"}, app(name))
	})
	if len(named) == 0 {
		return ""
	}
	return named[len(named)-1]
}

// count is a number in figures or letters; 1 if it is none.
func count(word string) int {
	if n, err := strconv.Atoi(word); err == nil {
		return n
	}
	return max(1, 1+slices.Index([]string{"one", "two", "three", "four", "five"}, word))
}

func ordinal(unit string) int {
	n, _ := strconv.Atoi(unit[strings.LastIndexByte(unit, '/')+1:])
	return n
}

// named is the unit with an agent in the text, else the one spoken of.
func (s *sentence) named(text string) string {
	for _, name := range unitName.FindAllString(text, -1) {
		if slices.Contains(s.trace.real(), name) {
			s.unit = name
			break
		}
	}
	return s.unit
}

func (s *sentence) down(unit string) { s.ok(s.m.PodDown(unit)) }

func (s *sentence) lead(unit string) {
	name := app(s.unit)
	if unit != "" {
		s.unit, name = unit, app(unit)
	}
	s.elect(name, unit)
}

// another is a unit of the application that could lead in place of s.unit, or
// nobody.
func (s *sentence) another() string {
	for _, unit := range s.m.UnitsOf(app(s.unit)) {
		if unit != s.unit {
			return unit
		}
	}
	return ""
}

// bare is a unit's name alone: one more of the relation, or storage.
func (s *sentence) bare(name string) {
	switch {
	case s.list == "storage":
		s.storage(name)
	case app(name) == "pulsar" && s.m.units[name] != nil:
		s.unit = name
	case s.endpoint != "" || s.relation(endpoint(name)) != nil:
		s.owner, s.remote = name, append(s.remote, name)
		s.enters(name, endpoint(name), nil)
	default:
		s.ok(fmt.Errorf("cannot read input: what is with %s?", name))
	}
}

// enqueueAll queues the actions that stand in brackets, else as many as are
// counted.
func (s *sentence) enqueueAll(number, name string) {
	names := actionName.FindAllString(s.notes, -1)
	if len(names) == 0 {
		names = slices.Repeat([]string{name}, count(number))
	}
	for _, name := range names {
		s.enqueue(name)
	}
}

// enqueue queues an action; which one the hooks tell if the sentence does not.
func (s *sentence) enqueue(name string) string {
	if name == "" {
		name = s.learnAction()
	}
	actions, err := s.m.EnqueueAction([]string{s.unit}, name, nil)
	if err != nil {
		s.ok(err)
		return ""
	}
	return actions[0].ID
}

// notice tells of a notice; what the sentence does not say of it the hooks do.
// Without an id it is those that hooks show and no sentence numbers.
func (s *sentence) notice(id, key string) {
	for _, h := range s.trace.Hooks {
		words := strings.Fields(h.Notice)
		if len(words) != 3 || id != "" && words[0] != id || h.After <= s.at {
			continue
		}
		if key == "" {
			key = words[2]
		}
		s.ok(s.m.Notice(s.unit, h.Workload, words[0], words[1], key))
		return
	}
	if key != "" {
		s.ok(s.m.Notice(s.unit, "workload", id, "custom", key))
	}
}

func (s *sentence) owned(kind, id string) {
	s.lastSecret = id
	revisions := 0
	if _, list, ok := strings.Cut(s.notes, "revision"); ok {
		for _, n := range numbers.FindAllString(list, -1) {
			number, _ := strconv.Atoi(n)
			revisions = max(revisions, number)
		}
	}
	switch kind {
	case "application", "app":
		s.secret(id, "pulsar", revisions)
	case "unit":
		s.secret(id, s.trace.unit(), revisions)
	default:
		s.secret(id, "db", max(1, revisions))
		s.consumes(id)
	}
}

func (s *sentence) consumes(id string) {
	sec := s.m.secrets[id]
	s.lastSecret = id
	sec.Consumers = map[string]*consumer{s.unit: {Current: sec.Latest, Label: sec.Label}}
	sec.Label = ""
}

// about is the secret of a clause: of the id, else the last one, else the
// unit's own.
func (s *sentence) about(id string) string {
	if id != "" {
		s.lastSecret = id
	}
	for _, own := range s.sortedSecrets() {
		if s.lastSecret == "" && s.m.secrets[own].Owner == s.trace.unit() {
			s.lastSecret = own
		}
	}
	return s.lastSecret
}

func (s *sentence) sortedSecrets() []string {
	var ids []string
	for id := range s.m.secrets {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// consumed is the secret that the unit reads and does not own.
func (s *sentence) consumed(id string) string {
	if id == "" {
		for _, other := range s.sortedSecrets() {
			if s.m.secrets[other].Consumers[s.trace.unit()] != nil {
				id = other
			}
		}
	}
	return id
}

func (s *sentence) revises(whole, list string) {
	id := secretIs.FindString(whole)
	if id = s.consumed(id); id == "" {
		id = s.about("")
	}
	sec := s.m.secrets[id]
	if sec == nil {
		s.ok(fmt.Errorf("no such secret"))
		return
	}
	for _, n := range numbers.FindAllString(list, -1) {
		if number, _ := strconv.Atoi(n); number > sec.Latest {
			s.m.revise(sec, map[string]string{"key": n})
		}
	}
}

// added adds a relation; rest says who is in it and what they wrote.
func (s *sentence) added(name, rest string) {
	rel := &related{endpoint: name, units: unitName.FindAllString(rest, -1)}
	rel.read(rest)
	s.endpoint, s.remote, s.owner, s.list = name, rel.units, name, "relation"
	s.relate(rel)
}

var (
	appDataForm  = regexp.MustCompile(`app(?:lication)? data ([a-z][a-z0-9-]*=\S*)`)
	unitDataForm = regexp.MustCompile(`(?:each|unit data) ([a-z][a-z0-9-]*=\S*)`)
)

func (rel *related) read(text string) {
	if m := appDataForm.FindStringSubmatch(text); m != nil {
		rel.app = pairsOf(m[1])
	}
	if m := unitDataForm.FindStringSubmatch(text); m != nil {
		rel.data = pairsOf(m[1])
	}
}

func (s *sentence) wrote(unit, pairs, appPairs, back string) {
	if unit == "" {
		unit = s.subject()
	}
	if unit == "" {
		s.ok(fmt.Errorf("cannot read input: who writes %s?", pairs))
		return
	}
	s.owner, s.endpoint = unit, endpoint(unit)
	data := pairsOf(pairs)
	if pairs == "" {
		data = s.orUnseen(s.learnUnit(unit, s.endpoint), unit, s.endpoint)
	}
	s.undo = s.undoing(unit, s.endpoint)
	s.writes(unit, s.endpoint, data)
	if appPairs != "" {
		s.wroteApp(app(unit), appPairs)
	}
	if back != "" {
		s.writes(unit, s.endpoint, pairsOf(back))
	}
}

// undoing writes back what the databag holds now.
func (s *sentence) undoing(owner, endpoint string) func() {
	rel := s.relation(endpoint)
	if rel == nil || rel.Bags[owner] == nil {
		return func() {}
	}
	before := rel.Bags[owner].Data
	return func() {
		data := maps.Clone(before)
		for key := range rel.Bags[owner].Data {
			if _, had := before[key]; !had {
				data[key] = ""
			}
		}
		s.writes(owner, endpoint, data)
	}
}

// appOwner is the application whose databag a clause is about.
func (s *sentence) appOwner(text string) string {
	for _, name := range []string{"db", "zk"} {
		if regexp.MustCompile(`\b` + name + `\b`).MatchString(text) {
			return name
		}
	}
	switch {
	case strings.Contains(text, "peer") || strings.Contains(text, "pulsar"):
		return "pulsar"
	case s.owner != "":
		return app(s.owner)
	}
	for _, rel := range s.m.rels {
		if _, other, ok := rel.own("pulsar"); ok && !rel.peer() {
			return other.App
		}
	}
	return "pulsar"
}

func (s *sentence) wroteApp(owner, pairs string) {
	data := pairsOf(pairs)
	if pairs == "" {
		data = s.orUnseen(s.learnApp(owner, endpoint(owner)), owner, endpoint(owner))
	}
	s.undo = s.undoing(owner, endpoint(owner))
	s.writes(owner, endpoint(owner), data)
}

func (s *sentence) emptied(owner, key string) {
	rel := s.relation(endpoint(owner))
	if rel == nil {
		s.ok(fmt.Errorf("no relation with %s", owner))
		return
	}
	data := make(map[string]string)
	for have := range rel.Bags[owner].Data {
		if key == have || key == "" && !strings.HasSuffix(have, "-address") && have != "egress-subnets" {
			data[have] = ""
		}
	}
	s.writes(owner, endpoint(owner), data)
}

// read reads the i-th input and does what it says.
func (r *replay) read(i int) {
	r.at = i
	text := r.inputs[i].What
	if r.m == nil {
		r.readBeginning(text)
		return
	}
	s := &sentence{replay: r, unit: r.trace.unit(), undo: func() {}}
	for _, clause := range clauses(text) {
		s.do(clause)
	}
}

func (s *sentence) do(clause string) {
	s.said += clause + "; "
	steps, ok := s.parse(clause)
	if !ok {
		steps = s.glean(strings.Fields(clause))
	}
	for _, step := range steps {
		if s.problem == nil {
			step()
		}
	}
}

// find finds the phrase whose form a text has.
func (s *sentence) find(text string) (phrase, []string) {
	for _, known := range phrases {
		if m := known.form.FindStringSubmatch(text); m != nil && !(known.bare && s.subject() == "") {
			return known, m
		}
	}
	return phrase{}, nil
}

func (known phrase) says(s *sentence, m []string) {
	if known.bare {
		s.owner = s.subject()
	}
	if known.mean != nil {
		known.mean(s, m)
	}
}

// glean reads a clause that no form fits: the longest form that stands inside of
// it, and likewise what is before and behind that. The rest is a remark, which
// the error names if the replay fails. A remark's form is none here, for its
// words may hide others, nor is a word that says nothing alone.
func (s *sentence) glean(words []string) []func() {
	for n := len(words); n > 0; n-- {
		for i := range len(words) - n + 1 {
			text := strings.Trim(strings.Join(words[i:i+n], " "), "():;,")
			if aside.MatchString(text) {
				continue
			}
			if known, m := s.find(text); m != nil && known.mean != nil {
				steps := append(s.glean(words[:i]), func() {
					s.notes = ""
					known.says(s, m)
				})
				return append(steps, s.glean(words[i+n:])...)
			}
		}
	}
	if len(words) > 0 {
		s.leaveOut(strings.Join(words, " "))
	}
	return nil
}

func (r *replay) leaveOut(words string) {
	r.unread = append(r.unread, fmt.Sprintf("%q of input %d", words, r.at+1))
}

// clauses splits a sentence at "; " and ", ", but not inside of brackets.
func clauses(text string) []string {
	var out []string
	depth, from := 0, 0
	for i, c := range text {
		switch c {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case ',', ';':
			// "revisions 3, 4" is one thing.
			if depth == 0 && strings.HasPrefix(text[i+1:], " ") && !(c == ',' && listed.MatchString(text[:i]) && i+2 < len(text) && text[i+2] >= '0' && text[i+2] <= '9') {
				out = append(out, text[from:i])
				from = i + 1
			}
		}
	}
	out = append(out, text[from:])
	for i := range out {
		out[i] = strings.TrimSpace(out[i])
	}
	return slices.DeleteFunc(out, func(c string) bool { return c == "" })
}

var (
	relationsAdded = regexp.MustCompile(`^relations (.*) added$`)
	oneRelation    = regexp.MustCompile(`(?:^|and |, )([a-z]+)(?: \(([^)]*)\))?`)
	listed         = regexp.MustCompile(`revisions?(?: \d+,?)+$`)
	circumstance   = regexp.MustCompile(` (?:while|before|after|during|until|without|because|as before|when|between|in (?:its|the)|in mid|at the same|by|of (?:charm )?revision|with the (?:new|old)|for (?:the )?unit)\b`)
	adverb         = regexp.MustCompile(` (?:twice|in quick succession|in one commit|at once|meanwhile|quickly|too|again|now|waiting|pending)$`)
	labelled       = regexp.MustCompile(`^([A-Za-z][A-Za-z' -]*): (.+)$`)
	aside          = regexp.MustCompile(`^(?:(?:an?|the|its|new|unit|peer|remote|db|zk) )*(?:[a-z][a-z0-9-]*/\d+|[a-z-]+|app(?:lication)? (?:data|bag)(?:bag)?)$`)
	foreword       = regexp.MustCompile(`^(?:while|before|after|during|until|without|because|in) (.+)$`)
	joints         = []string{" and then ", " and ", " then ", " while ", " meanwhile ", " but ", " - ", " -- ", ": "}
)

// parse finds what a clause means: as it is, without a label in front ("while
// in error: …"), as two clauses, or without an adverb or
// a circumstance behind it.
func (s *sentence) parse(clause string) ([]func(), bool) {
	clause = strings.TrimSpace(clause)
	if m := relationsAdded.FindStringSubmatch(clause); m != nil {
		return []func(){func() {
			for _, one := range oneRelation.FindAllStringSubmatch(m[1], -1) {
				s.added(one[1], one[2])
			}
		}}, true
	}
	var notes []string
	for _, m := range brackets.FindAllStringSubmatch(clause, -1) {
		notes = append(notes, m[1])
	}
	main := strings.TrimSpace(brackets.ReplaceAllStringFunc(clause, func(note string) string {
		if strings.Contains(note, "SIGTERM") {
			return " " + strings.Trim(note, " ()") // "pod deleted (SIGTERM)"
		}
		return ""
	}))
	if main == "" {
		return nil, true // a remark
	}
	// What is beside a SIGTERM happens, too.
	for _, joint := range []string{" and ", " with "} {
		if i := strings.Index(clause, joint); i >= 0 && strings.Contains(main, "SIGTERM") {
			if left, ok := s.parse(clause[:i]); ok {
				if right, ok := s.parse(clause[i+len(joint):]); ok {
					return append(left, right...), true
				}
			}
		}
	}
	if known, m := s.find(main); m != nil {
		return []func(){func() {
			s.notes = strings.Join(notes, "; ")
			known.says(s, m)
		}}, true
	}
	for _, prefix := range []string{"meanwhile ", "then ", "and ", "also ", "again ", "at once ", "at the same time ", "later ", "with "} {
		if rest, found := strings.CutPrefix(clause, prefix); found {
			if steps, ok := s.parse(rest); ok {
				return steps, true
			}
		}
	}
	for _, joint := range joints {
		for from := 0; ; {
			i := strings.Index(clause[from:], joint)
			if i < 0 {
				break
			}
			i += from
			if left, ok := s.parse(clause[:i]); ok {
				if right, ok := s.parse(clause[i+len(joint):]); ok {
					return append(left, right...), true
				}
			}
			from = i + len(joint)
		}
	}
	if m := labelled.FindStringSubmatch(main); m != nil {
		if steps, ok := s.parse(clause[strings.Index(clause, ": ")+2:]); ok {
			return steps, true
		}
	}
	if bare := adverb.ReplaceAllString(clause, ""); bare != clause {
		if steps, ok := s.parse(bare); ok {
			return steps, true
		}
	}
	if at := circumstance.FindStringIndex(clause); at != nil {
		return s.parse(clause[:at[0]])
	}
	if m := foreword.FindStringSubmatch(clause); m != nil {
		// "while down db/0 writes": the circumstance is of any length.
		words := strings.Fields(m[1])
		for i := range words {
			if steps, ok := s.parse(strings.Join(words[i:], " ")); ok {
				return steps, true
			}
		}
		return nil, !unitName.MatchString(clause) && !strings.Contains(clause, "=")
	}
	return nil, false
}
