package model

import (
	"regexp"
	"strings"
)

// opening is a form that a clause of a scenario's first sentence may have.
type opening struct {
	form *regexp.Regexp
	mean func(b *beginning, m []string)
}

func o(form string, mean func(b *beginning, m []string)) opening {
	ph := p(form, nil)
	return opening{ph.form, mean}
}

var mapForm = regexp.MustCompile(`([a-z][a-z0-9-]*):([^\s\]]*)`)

func mapOf(text string) map[string]string {
	out := make(map[string]string)
	for _, m := range mapForm.FindAllStringSubmatch(text, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// openings keep brackets: the recorder's lists stand in them.
var openings = []opening{
	o(`(?:a |new )*(?:unit )?UNIT (?:is )?created(?: \(leader\))?(?: with (storages?)?(?: and )?(?:an? )?(db|zk)?(?: relation)?)?`, func(b *beginning, m []string) {
		if app(m[1]) != "pulsar" {
			return // its agent starts with the others
		}
		b.unit = m[1]
		if strings.Contains(m[0], "(leader)") {
			b.leader = m[1]
		}
		if m[2] != "" {
			b.storages = []string{"data/0", "log/1"}
		}
		if m[3] != "" {
			b.relations = append(b.relations, &related{endpoint: m[3], units: []string{m[3] + "/0"}})
		}
	}),
	o(`(?:an? )?applications? (?:pulsar(?: and (?:db|zk))?|(?:db|zk) and pulsar) (?:is |are )?(?:deployed |created )?(?:\()?(?:with )?(COUNT) (?:real )?units?(?: each)?(?:\))?(?: (?:deployed|created))?(?: at once)?`, func(b *beginning, m []string) {
		b.unit, b.units = "pulsar/0", count(m[1])
	}),
	// Another application's units are those whose hooks the trace has.
	o(`(?:an? )?(?:remote )?(?:applications? )?(?:db|zk) (?:is )?(?:deployed |created )?(?:\()?(?:with )?COUNT (?:real )?units?(?: each)?(?:\))?(?: (?:deployed|created))?(?: at once)?`, func(*beginning, []string) {}),
	o(`(?:both |all )?(?:sides|applications) (?:are )?real|both (?:applications )?(?:with|have) real (?:agents|uniters|units)`, func(*beginning, []string) {}),
	o(`(?:the )?leaders (?:are )?(pulsar/\d+) and ([a-z]+/\d+)|(?:the )?leaders (?:are )?([a-z]+/\d+) and (pulsar/\d+)`, func(b *beginning, m []string) {
		b.leader, b.other = m[1]+m[4], m[2]+m[3]
	}),
	o(`(?:the )?leader(?: is)? ((?:db|zk)/\d+)`, func(b *beginning, m []string) { b.other = m[1] }),
	o(`(?:relation (db|zk)(?: (?:between|of|joins) .*)?|(?:they are |both )?(?:integrated|related)(?: (?:over|by|through) (db|zk))?)(?: (?:exists|is there|added))?`, func(b *beginning, m []string) {
		name := m[1] + m[2]
		if name == "" {
			name = "db"
		}
		b.relations = append(b.relations, &related{endpoint: name})
	}),
	o(`(?:the )?leader(?: is)? UNIT|UNIT (?:is )?(?:the )?leader|leader`, func(b *beginning, m []string) { b.leader = m[1] + m[2] }),
	o(`not (?:the )?leader|no leader`, func(b *beginning, m []string) { b.leader, b.unled = "", true }),
	o(`peer relation(?: with members \[(.*)\])?(?: true)?|(?:with )?(?:a )?peer relation`, func(b *beginning, m []string) {
		b.peer = true
		b.peers = append(b.peers, unitName.FindAllString(m[1], -1)...)
	}),
	o(`peer relation false`, func(*beginning, []string) {}),
	o(`peers? ((?:[a-z]+/\d+(?: \(leader\))?(?: and |, )?)+)(?: with app data)?`, func(b *beginning, m []string) {
		b.peer = true
		b.peers = append(b.peers, unitName.FindAllString(m[1], -1)...)
		if unit, _, leads := strings.Cut(m[1], " (leader)"); leads {
			names := unitName.FindAllString(unit, -1)
			b.leader = names[len(names)-1]
		}
	}),
	o(`peer app data (map\[.*\]|\{.*\})`, func(b *beginning, m []string) { b.peerApp = mapOf(m[1]) }),
	o(`peer app data PAIRS`, func(b *beginning, m []string) { b.peerApp = pairsOf(m[1]) }),
	o(`(?:relations? (db|zk)|(db|zk)(?: relation)?) with(?: remote units?)? (?:\[(.*?)\]|((?:[a-z]+/\d+(?: and )?)+))(?: \((.*)\))?(?: in scope)?`, func(b *beginning, m []string) {
		rel := &related{endpoint: m[1] + m[2], units: unitName.FindAllString(m[3]+m[4], -1)}
		rel.read(m[5])
		b.relations = append(b.relations, rel)
	}),
	o(`(?:relations? (db|zk)|(db|zk) relation)(?: \((.*)\))?`, func(b *beginning, m []string) {
		rel := &related{endpoint: m[1] + m[2], units: []string{m[1] + m[2] + "/0"}}
		rel.read(m[3])
		b.relations = append(b.relations, rel)
	}),
	o(`app data(?: PAIRS)?|unit data PAIRS`, func(b *beginning, m []string) {
		if len(b.relations) == 0 {
			return
		}
		rel := b.relations[len(b.relations)-1]
		if m[1] != "" {
			rel.app = pairsOf(m[1])
		}
		if m[2] != "" {
			rel.data = pairsOf(m[2])
		}
	}),
	o(`storages? ([a-z]+/\d+(?:(?:,| and) [a-z]+/\d+)*)(?: (?:is |are )?(?:already )?(?:provisioned|attached))?`, func(b *beginning, m []string) {
		b.storages = append(b.storages, unitName.FindAllString(m[1], -1)...)
	}),
	o(`UNIT(?: provisioned| with app data)?`, func(b *beginning, m []string) {
		switch name := app(m[1]); {
		case name == "pulsar":
			b.peers = append(b.peers, m[1])
		case len(b.relations) > 0 && b.relations[len(b.relations)-1].endpoint == name:
			rel := b.relations[len(b.relations)-1]
			rel.units = append(rel.units, m[1])
		case name != "db" && name != "zk":
			b.storages = append(b.storages, m[1])
		}
	}),
	o(`containers? \[(.*)\] \(up: (true|false)\)`, func(b *beginning, m []string) {
		b.told, b.up, b.containers = true, m[2] == "true", strings.Fields(m[1])
	}),
	o(`(?:the )?containers? (?:is |are )?(?:up|running)`, func(*beginning, []string) {}),
	o(`(?:the )?(?:all )?(?:its )?agents? (?:starts?|start at once)|all agents start(?: at once)?`, func(*beginning, []string) {}),
}

// openingOf reads a scenario's first sentence as far as it is about how the
// world begins.
func openingOf(text string) (b *beginning, rest []string) {
	b = &beginning{}
	for _, clause := range clauses(text) {
		known := false
		for _, opening := range openings {
			if m := opening.form.FindStringSubmatch(clause); m != nil {
				opening.mean(b, m)
				known = true
				break
			}
		}
		if !known {
			rest = append(rest, clause)
		}
	}
	return b, rest
}

// loosely is a clause about who is there, in other words than those above: the
// hooks tell who it is.
var loosely = regexp.MustCompile(`\b(?:applications?|units?|uniters?|deployed|created|real|leaders?)\b`)

// complete fills in what the first sentence leaves open and the hooks before
// the next input show: which units there are, who leads, a peer relation.
func (r *replay) complete(b *beginning) {
	named := b.unit != ""
	for _, h := range r.trace.Hooks {
		unit := r.trace.who(h)
		if h.After > 1 {
			continue
		}
		if app(unit) != "pulsar" {
			if b.other == "" && h.Hook == "leader-elected" {
				b.other = unit
			}
			continue
		}
		if !named && h.Hook == "install" {
			b.units = max(b.units, ordinal(unit)+1)
			if b.unit == "" || ordinal(unit) < ordinal(b.unit) {
				b.unit = unit
			}
		}
		if b.leader == "" && !b.unled && h.Hook == "leader-elected" {
			b.leader = unit
		}
		b.peer = b.peer || h.Hook == "peers-relation-created"
	}
}

// readBeginning makes the world of the first sentence. What is not about how
// it begins happens just before the agents start, but for notices: a container
// has them only once its pod is there.
func (r *replay) readBeginning(text string) {
	b, rest := openingOf(text)
	var later []string
	for _, clause := range rest {
		if _, ok := (&sentence{replay: r}).parse(clause); ok || !loosely.MatchString(clause) {
			later = append(later, clause)
		} else {
			r.leaveOut(clause)
		}
	}
	r.complete(b)
	if b.unit == "" {
		r.wrong("cannot read input %d: %q", r.at+1, text)
		return
	}
	r.begin(b)
	s := &sentence{replay: r, unit: b.unit}
	var last []string
	for _, clause := range later {
		if strings.Contains(clause, "notice") {
			last = append(last, clause)
		} else if r.problem == nil {
			s.do(clause)
		}
	}
	if r.problem == nil {
		r.start()
	}
	for _, clause := range last {
		if r.problem == nil {
			s.do(clause)
		}
	}
}
