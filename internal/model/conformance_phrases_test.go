package model

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// phrase is one form that a clause may have.
type phrase struct {
	form *regexp.Regexp
	mean func(s *sentence, m []string) // nil: nothing
	bare bool                          // a verb alone: the sentence has to have named who
}

func p(form string, mean func(s *sentence, m []string)) phrase {
	form = strings.NewReplacer(
		"UNIT", `([a-z][a-z0-9-]*/\d+)`, "PAIRS", `([a-z][a-z0-9-]*=\S*(?:(?: and|,) [a-z][a-z0-9-]*=\S*)*)`,
		"COUNT", `(?:\d+|one|two|three|four|five)`, "KEY", `([a-z][a-z0-9.-]*)`, "ID", `([0-9a-v]{20})`,
		"ENDS", `(?:pulsar|db|zk)(?::[a-z]+)?(?: and| -| <->)? (?:pulsar|db|zk)(?::[a-z]+)?`,
		"LEADER", `(?:the )?(?:(?:remote |peer |db |zk |db's |zk's )?leader(?: of (?:db|zk|pulsar))?|remote app(?:lication)?)`,
		"HOOK", `(?:install|start|stop|remove|action|(?:[a-z-]+-)?(?:changed|joined|created|departed|broken)|[a-z-]+-(?:ready|elected|charm|attached|detaching|notice|rotate|expired))`, "APPDATA", `app(?:lication)? (?:data|bag)(?:bag)?`,
	).Replace(form)
	return phrase{form: regexp.MustCompile(`^(?:` + form + `)$`), mean: mean}
}

// v is p of a verb without its subject.
func v(form string, mean func(s *sentence, m []string)) phrase {
	ph := p(form, mean)
	ph.bare = true
	return ph
}

// remark is p of what does not change the model.
func remark(form string) phrase { return p(form, nil) }

// phrases are all forms, the special before the general.
var phrases = []phrase{
	// What does not change the model, or is told by the hooks.
	remark(`nothing(?: else)? (?:changed|happens)(?: meanwhile)?|unit will restart|empty local directory|pod not yet replaced|(?:the )?(?:old |new )?(?:pod|agent|unit) (?:is )?(?:still )?(?:in error|runs|idle|busy|goes on|lives on|stays|keeps running)|the leader`),
	remark(`(?:the |both )?containers? (?:is |are )?(?:still )?(?:up|running)(?: already)?|no change(?: of content)?|one write|same content.*`),
	remark(`(?:the |its |each (?:of )?|[a-z/0-9]+'s )?(?:new |teardown )?(?:hook|HOOK)(?:(?:, | and )HOOK)*(?: hook)? (?:fails?|succeeds?|exits \d+|(?:is |are )?(?:slow|skipped|retried|run again))(?: (?:again|once|twice|three times|for good|now))?(?: each)?|(?:each of )?(?:install|leader-elected|config-changed|start|upgrade-charm)`),
	remark(`(?:dispatch|(?:the )?hook(?:'s process)?) (?:is )?killed(?: with SIGKILL| by the kernel)?|SIGKILL`),
	remark(`(?:(?:the )?(?:hook|charm) (?:writes|does|calls|wrote).*|the hook did not.*)`),
	remark(`(?:[^=]* )?(?:writes?|commits?|sets?)\b[^=]* (?:the )?(?:same|nothing|without (?:any )?changes?)\b[^=]*|no-op write.*|write that changes nothing|(?:a |one )?(?:write|revert|change)|automatic retry(?: (?:on|off))?|(?:the )?secret(?: ID)? (?:is )?revoked.*`),
	remark(`(?:the )?(?:unit|UNIT)(?: is)?(?: dead)?,? ?removed from the model|(?:its |the )?pod (?:is )?(?:deleted|gone|removed)`),

	remark(`(?:before|until|while|by the time) (?:it|(?:the )?(?:agent|pod|charm container|unit)) (?:is|comes) (?:back|up)(?: again)?`),

	// Pods and agents.
	p(`(?:.* )?(?:without|no) SIGTERM(?: .*)?`, func(s *sentence, m []string) { s.down(s.named(m[0])) }),
	p(`.*\bSIGTERM\b.*`, func(s *sentence, m []string) { s.ok(s.m.PodTerminating(s.named(m[0]))) }),
	p(`(?:the )?rolling update (?:reaches|comes to) (?:the |its )?pod(?: of UNIT)?`, func(s *sentence, m []string) { s.ok(s.m.PodTerminating(s.named(m[0]))) }),
	p(`(?:the )?(?:pod|node)(?: of (?:the )?(?:leader )?UNIT| of the leader)?(?: is)? (?:lost|fails|gone for good)`, func(s *sentence, m []string) { s.down(s.whose(m)) }),
	p(`(?:old |the )?(?:pod|agent|charm container)(?: of UNIT)?(?: is)? killed(?: (?:in|while|during|at) .*)?`, func(s *sentence, m []string) { s.down(s.whose(m)) }),
	p(`(?:the )?(?:charm container|agent)(?: of (?:UNIT|the old pod|it))? (?:dies|crashes|stops|(?:is |goes )?down)`, func(s *sentence, m []string) { s.down(s.whose(m)) }),
	p(`(?:a |the |its )?(?:new )?pod(?: of (?:the )?(?:leader )?UNIT)? (?:starts|comes up|is up|is there)|(?:a )?new pod(?: of (?:the )?(?:leader )?UNIT)?`, func(s *sentence, m []string) { s.pod(s.whose(m), true) }),
	p(`(?:the )?pod(?: of UNIT)? (?:is )?(?:replaced|deleted and replaced|comes back)`, func(s *sentence, m []string) {
		s.down(s.whose(m))
		s.pod(s.unit, true)
	}),
	p(`in place|is started again|(?:the )?(?:charm container|agent)(?: of (?:UNIT|(?:the |a )?(?:old |non-)?(?:pod|leader|unit)))? (?:restarts|(?:is |comes )?(?:up|back|back up)(?: again)?|starts again|(?:is )?(?:re)?started(?: again)?)(?: in place)?|dies and is started again`,
		func(s *sentence, m []string) { s.pod(s.whose(m), false) }),
	p(`(?:the )?charm container(?: of UNIT)? dies and is started again`, func(s *sentence, m []string) { s.pod(s.whose(m), false) }),
	p(`(?:its |the )?agent(?: of UNIT)? starts`, func(s *sentence, m []string) { s.pod(s.whose(m), true) }),

	// Containers and notices.
	p(`new pods of UNIT and UNIT`, func(s *sentence, m []string) {
		s.pod(m[1], true)
		s.pod(m[2], true)
	}),
	p(`(?:both|all) containers restart(?: at once)?|workload and sidecar restart|sidecar and workload restart`, func(s *sentence, m []string) {
		s.boot(s.unit, "workload")
		s.boot(s.unit, "sidecar")
	}),
	p(`(?:the )?(?:container )?(workload|sidecar)(?: container)?(?: is| goes)? down(?: for long)?`, func(s *sentence, m []string) {
		s.place = m[1]
		delete(s.boots, s.unit+" "+m[1])
		s.ok(s.m.ContainerDown(s.unit, m[1]))
	}),
	p(`(?:the )?(?:container )?(workload|sidecar)(?: container)?(?: of UNIT)? (?:restarts?|comes up|is up|up|down and up)(?: (?:again|once|twice|once more|with a new boot id))?(?: between two polls)?`,
		func(s *sentence, m []string) {
			s.place = m[1]
			s.boot(s.whose(m), m[1])
		}),
	p(`(?:then )?(?:up|comes up|comes back)(?: again)?(?: with a new boot id)?`, func(s *sentence, m []string) { s.boot(s.unit, s.place) }),
	p(`(?:custom )?notices? (\d+) (\S+/\S+)(?: in (?:container )?KEY)?(?: occurs?(?: twice| again)?)?`, func(s *sentence, m []string) {
		s.list = "notice"
		s.notice(m[1], m[2])
	}),
	p(`(\d+) (\S+/\S+)(?: occurs?(?: twice| again)?)?`, func(s *sentence, m []string) { s.notice(m[1], m[2]) }),
	p(`(?:custom )?notice (\d+) (?:occurs|comes) (?:again|once more|twice)`, func(s *sentence, m []string) { s.notice(m[1], "") }),
	p(`(?:a |one |another )?(?:custom )?notices?(?: each| waits?| comes?)?|(?:the )?containers? up with one notice each`, func(s *sentence, m []string) { s.notice("", "") }),

	// The end of units and applications.
	p(`(?:the )?application (?:is )?(?:removed|set dying)`, func(s *sentence, m []string) {
		s.removed = true
		s.ok(s.m.RemoveApplication("pulsar", false))
	}),
	p(`(?:juju )?remove-application(?: --force)? KEY(?: --force)?(?:: .*)?|application KEY (?:is )?removed`, func(s *sentence, m []string) {
		s.removed = true
		s.ok(s.m.RemoveApplication(m[1]+m[2], strings.Contains(m[0], "--force")))
	}),
	p(`(?:(?:all )?(?:its |the )?(?:applications?|relations?|units) (?:is |are )?(?:set )?)?dying(?: and departing)?`, func(s *sentence, m []string) {
		if !s.removed {
			s.ok(fmt.Errorf("cannot read input: what is dying?"))
		}
	}),
	p(`(?:(?:and )?(?:the )?(?:unit|leader) )?(?:UNIT )?(?:is )?(?:set )?dying(?: too)?|(?:the )?unit (?:is )?set dying|(?:the )?(?:unit|leader)(?: UNIT)? (?:is )?(?:removed|scaled down)|UNIT (?:is )?scaled down|(?:scale-down of|remove-unit) UNIT`,
		func(s *sentence, m []string) { s.dies(s.whose(m)) }),
	p(`(?:juju )?scale-?(?:application)?(?: KEY)?(?: \d+ ->| to)? (\d+)|(?:application )?KEY (?:is )?scaled (?:up |down )?(?:from \d+ )?to (\d+)`, func(s *sentence, m []string) {
		n, _ := strconv.Atoi(m[2] + m[4])
		name := m[1] + m[3]
		if name == "" {
			name = "pulsar"
		}
		s.ok(s.m.Scale(name, n))
	}),
	p(`scale[ -](?:up|down)(?: by one)?|scale \d+ -> \d+`, func(s *sentence, m []string) {
		if strings.Contains(m[0], "down") {
			s.dies(fmt.Sprintf("pulsar/%d", s.m.apps["pulsar"].Scale-1))
		}
	}),
	p(`(?:scale[ -]up(?: [^:]*)?: )?(?:a )?(?:new )?unit UNIT(?: is| again)?(?: created| added| deployed)?(?: again)?|UNIT (?:is )?(?:created|added|deployed)(?: again)?`, func(s *sentence, m []string) {
		unit := s.whose(m)
		if n := ordinal(unit) + 1; n > s.m.apps[app(unit)].Scale {
			s.ok(s.m.Scale(app(unit), n))
		}
	}),

	// Leadership.
	p(`(?:leadership|(?:the )?lease)(?: (?:moves|goes|passes))?(?: from)? UNIT (?:->|to) UNIT(?: (?:->|and back to|and back) ?UNIT?)?(?: and back)?`, func(s *sentence, m []string) {
		s.lead(m[2])
		if back := strings.Contains(m[0], "back"); m[3] != "" || back {
			s.lead(m[1])
		}
	}),
	p(`(?:(?:its|the) lease (?:ends|expires|moves)(?: to)?:? ?)?(?:leadership (?:moves|goes|comes)(?: back)? to )?UNIT(?: (?:becomes|is|is now|is elected|gains)(?: the)?(?: new)? (?:leader|leadership))?(?: again| now)?(?: \(again\))?`,
		func(s *sentence, m []string) {
			if !strings.Contains(m[0], "lead") && !strings.Contains(m[0], "lease") {
				s.bare(m[1])
				return
			}
			s.lead(m[1])
		}),
	p(`(?:UNIT )?(?:gains|wins) (?:the )?leadership|leadership (?:is )?(?:gained|won)(?: again)?|becomes leader`, func(s *sentence, m []string) { s.lead(s.whose(m)) }),
	p(`(?:UNIT )?loses (?:the )?(?:leadership|lease)(?: to UNIT)?|leadership (?:is )?lost(?: again| to UNIT)?`, func(s *sentence, m []string) {
		if to := m[2] + m[3]; to != "" {
			s.lead(to)
			return
		}
		s.lead(s.another())
	}),
	p(`leadership (?:moves|goes|is taken|taken) away(?: from UNIT)?|UNIT (?:is no longer|is not) (?:the )?leader(?: any more)?`, func(s *sentence, m []string) {
		s.whose(m)
		if to := unitName.FindString(s.notes); to != "" {
			s.lead(to)
			return
		}
		s.lead(s.another())
	}),
	p(`leadership (?:is )?(?:taken(?: over)?|claimed) by UNIT|UNIT (?:takes(?: over)?|claims) (?:the )?leadership|UNIT (?:leads|gets (?:it|the lease))|(?:the )?leader is now UNIT`, func(s *sentence, m []string) { s.lead(s.whose(m)) }),
	p(`leadership (?:is )?gained and lost(?: again)?|(?:UNIT )?(?:becomes leader|gains leadership) and loses (?:it|leadership)(?: again)?`, func(s *sentence, m []string) {
		before := s.m.Leader("pulsar")
		s.lead(s.whose(m))
		s.lead(before)
	}),
	p(`leadership (?:is )?lost and (?:re)?gained(?: again)?|(?:UNIT )?loses leadership and (?:regains it|gets it back)`, func(s *sentence, m []string) {
		s.whose(m)
		s.lead(s.another())
		s.lead(s.unit)
	}),
	p(`(?:the |its )?(?:lease|leadership)(?: (?:moves|goes|passes))? to UNIT|(?:leadership )?back to UNIT`, func(s *sentence, m []string) { s.lead(m[1] + m[2]) }),
	p(`leadership (?:moves|goes) to UNIT and back(?: to UNIT)?(?: again)?`, func(s *sentence, m []string) {
		before := s.m.Leader("pulsar")
		s.lead(m[1])
		if m[2] != "" {
			before = m[2]
		}
		s.lead(before)
	}),
	p(`lost(?: again)?`, func(s *sentence, m []string) { s.lead(s.another()) }),
	p(`(?:re)?gained(?: again)?`, func(s *sentence, m []string) { s.lead(s.unit) }),
	p(`(?:(?:its|the|UNIT's) )?lease (?:ends|expires|runs out)|(?:the )?lease of (?:UNIT|the (?:dead |dying )?leader) (?:ends|expires|runs out)|nobody leads|no leader`, func(s *sentence, m []string) { s.ok(s.m.SetLeader("pulsar", "")) }),

	// The operator.
	p(`(?:juju )?config(?:uration)? PAIRS(?: again)?(?: and (?:then )?(?:back|back again|reset)(?: to PAIRS)?)?`, func(s *sentence, m []string) {
		before := s.m.apps["pulsar"].Config
		s.ok(s.m.SetConfig("pulsar", pairsOf(m[1]), nil))
		switch {
		case m[2] != "":
			s.ok(s.m.SetConfig("pulsar", pairsOf(m[2]), nil))
		case strings.Contains(m[0], " and ") && strings.Contains(m[0], "back"):
			s.m.apps["pulsar"].Config = before
			s.m.apps["pulsar"].hash = s.m.apps["pulsar"].configHash()
			s.m.touchApp(s.m.apps["pulsar"])
		}
	}),
	p(`(?:juju )?config (?:KEY )?(?:is )?reset(?: KEY)?`, func(s *sentence, m []string) { s.ok(s.m.SetConfig("pulsar", nil, []string{"a"})) }),
	p(`juju trust|application (?:is )?trusted`, func(s *sentence, m []string) {
		s.ok(s.m.SetConfig("pulsar", map[string]string{"trust": "true"}, nil))
	}),
	p(`(?:the )?address of the application's Kubernetes Service changes|(?:the )?[Ss]ervice address changes`, func(s *sentence, m []string) {
		s.ok(s.m.SetServiceAddress("pulsar", "10.1.0.99"))
	}),
	p(`juju (?:refresh|upgrade-charm|attach-resource).*|(?:the )?charm (?:is )?refreshed.*`, func(s *sentence, m []string) {
		charm := *s.m.CharmOf("pulsar")
		charm.Revision++
		s.ok(s.m.Refresh("pulsar", &charm, nil))
	}),
	remark(`charm revision \d+|CharmModifiedVersion \d+|label \S+|consumed with label \S+|at revision \d+`),
	p(`revision (\d+)`, func(s *sentence, m []string) { // of a secret, else of the charm
		if s.consumed("") != "" || s.lastSecret != "" {
			s.revises(m[0], m[1])
		}
	}),
	p(`(?:each|every) (?:failed hook|failing hook|hook|failure|error):? (?:is )?(?:juju )?(?:skipped|resolved?(?: with)? --no-retry)|(?:juju )?resolved? --no-retry (?:each time|every time|(?:after|for|at) (?:each|every).*)`, func(s *sentence, m []string) { s.skipping = true }),
	p(`(?:juju )?resolved?(?: UNIT)?(?: --no-retry)?(?: UNIT)?(?: with retry| again| once more)?(?: for HOOK)?`, func(s *sentence, m []string) {
		s.skipping = s.skipping || strings.Contains(m[0], "--no-retry") && strings.Contains(s.notes, "each")
		if unit := s.whose(m); s.m.units[unit].inError() {
			s.ok(s.m.Resolved(unit, !strings.Contains(m[0], "--no-retry")))
		}
	}),
	p(`(?:(an?|another|one more|COUNT) )?actions?(?: (act-[a-z]+))?(?: (?:is |are )?(?:queued|enqueued|run|waits?))?(?: (?:during|in|while) .*)?`, func(s *sentence, m []string) {
		s.list = "action"
		s.enqueueAll(m[1], m[2])
	}),
	p(`(?:an? )?action(?: (act-[a-z]+))? (?:is )?(?:queued|enqueued) and cancelled(?: .*)?`, func(s *sentence, m []string) {
		s.list = "action"
		s.ok(s.m.CancelAction(s.enqueue(m[1])))
	}),
	p(`(act-[a-z]+)(?: (?:is |are )?(?:queued|enqueued))?`, func(s *sentence, m []string) { s.enqueue(m[1]) }),
	p(`(?:an? |two |three |several )?update-status(?: timer| tick)?s?(?: of UNIT)?(?: (?:fires|ticks|is due|comes|tick))?(?: (?:again|once more|twice|three times))?`, func(s *sentence, m []string) {
		s.ok(s.m.UpdateStatusDue(s.whose(m)))
	}),

	// Storage.
	p(`(?:(?:the )?unit )?(?:gets )?storages? ([a-z]+/\d+(?:(?:,| and) [a-z]+/\d+)*)(?: (?:is |are )?(?:provisioned|attached|added|waits?|pending))?(?: (?:while|meanwhile|too|during) ?.*)?`, func(s *sentence, m []string) {
		s.list = "storage"
		for _, id := range unitName.FindAllString(m[1], -1) {
			s.storage(id)
		}
	}),
	p(`(?:storage )?([a-z]+/\d+) (?:is )?(?:being )?(?:detached|detaching|removed|set dying)`, func(s *sentence, m []string) {
		if s.m.units[m[1]] != nil {
			s.dies(m[1])
			return
		}
		s.ok(s.m.DetachStorage(s.trace.unit(), m[1]))
	}),

	// Secrets.
	p(`(?:the |a )?secret ID (?:of|owned by|from) (?:KEY|UNIT)(?: (?:is )?(?:consumed|read|granted).*)?|(?:the )?secret ID(?: is)? (?:consumed|read|granted).*`, func(s *sentence, m []string) {
		s.owned("consumed", m[1]+m[4])
	}),
	p(`(?:own |an? |the )?(application|app|unit|consumed|remote|granted)(?:-owned)? secret ID(?: of KEY)?(?: exists?| created| is created| granted)?`, func(s *sentence, m []string) {
		s.owned(m[1], m[2])
	}),
	p(`(?:own |the )?(application|app|unit|consumed)? ?secret ID (?:is )?(?:deleted|removed)(?: by .*)?`, func(s *sentence, m []string) {
		s.lastSecret = m[2]
		s.m.removeSecret(s.m.secrets[m[2]], 0)
	}),
	p(`(?:the )?(?:consumed )?secret (?:is )?(?:deleted|removed)(?: by .*)?|(?:the |its )?owner (?:removes|deletes) (?:the )?secret`, func(s *sentence, m []string) {
		id := s.consumed("")
		if id == "" {
			id = s.about("")
		}
		if s.m.secrets[id] == nil {
			s.ok(fmt.Errorf("no such secret"))
			return
		}
		s.m.removeSecret(s.m.secrets[id], 0)
	}),
	p(`(?:the )?secret ID: revisions? ((?:\d+(?:, | and )?)+)`, func(s *sentence, m []string) { s.revises(m[0], m[2]) }),
	p(`(?:unit |UNIT )?(?:has )?(?:consumes|reads?|knows|tracks|consumed) (?:the )?secret ID.*`, func(s *sentence, m []string) {
		if s.m.secrets[m[2]] == nil {
			s.owned("consumed", m[2])
		} else {
			s.consumes(m[2])
		}
	}),
	p(`rotation of (?:the )?(?:secret )?ID is due(?: again)?|(?:own )?(?:secret )?rotation(?: (?:is )?due)?`, func(s *sentence, m []string) {
		if strings.HasPrefix(m[0], "own") {
			s.lastSecret = ""
		}
		s.ok(s.m.SecretRotationDue(s.about(m[1])))
	}),
	p(`revision (\d+) of (?:the )?(?:secret )?ID expires|(?:its )?expiry of (\d+)`, func(s *sentence, m []string) {
		number, _ := strconv.Atoi(m[1] + m[3])
		s.ok(s.m.SecretExpire(s.about(m[2]), number))
	}),
	p(`(?:a further )?revisions? ((?:\d+(?:, | and )?)+)(?: of (?:the )?(?:secret )?ID)?(?: (?:has|have) no consumer(?: any more)?| (?:becomes?|is|are) obsolete| obsolete)`, func(s *sentence, m []string) {
		sec := s.m.secrets[s.about(m[2])]
		for _, n := range numbers.FindAllString(m[1], -1) {
			number, _ := strconv.Atoi(n)
			if sec == nil || sec.revision(number) == nil {
				s.ok(fmt.Errorf("no revision %d of the secret", number))
				return
			}
			s.m.markObsolete(sec, sec.revision(number))
		}
	}),
	p(`(?:the )?latest revision of (?:the )?(?:secret )?ID is(?: now)? (\d+)`, func(s *sentence, m []string) { s.revises(m[0], m[2]) }),
	p(`(?:(?:the )?(?:owner|UNIT|KEY)(?: of (?:secret )?ID)? (?:makes|creates|writes|adds|publishes) )?(?:the )?(?:two |three )?(?:secret |new |latest |more |further )*(?:ID (?:gets|has) )?revisions? ((?:\d+(?:, | and )?)+)(?: of (?:the )?(?:secret )?(?:ID|secret))?(?: (?:is |are )?(?:made|created|added|published|written|appears?|comes?|there|to see))?(?: (?:while|meanwhile|in) .*)?`,
		func(s *sentence, m []string) { s.revises(m[0], m[5]) }),
	p(`(?:the )?secret(?: ID)? (?:changes|(?:gets|has) a new revision|is updated)(?: again)?|a (?:new|further) revision(?: of (?:secret )?ID)?`, func(s *sentence, m []string) {
		sec := s.m.secrets[s.consumed(m[1]+m[2])]
		if sec == nil {
			s.ok(fmt.Errorf("no such secret"))
			return
		}
		s.m.revise(sec, map[string]string{"key": fmt.Sprint(sec.Latest + 1)})
	}),

	// Relations.
	p(`(?:a )?(?:new |second |third |further )?(?:the )?relations? (?:to |with )?(db|zk)(?::[a-z]+)?(?: (?:to|between|of|with) (?:pulsar|db|zk)(?: and (?:pulsar|db|zk))?)? (?:is |are )?(?:added|created)(?: again)?(?: with (.*))?|(?:juju )?(?:integrate|relate) (?:pulsar )?(db|zk)(?: pulsar)?`,
		func(s *sentence, m []string) { s.added(m[1]+m[3], m[2]+" "+s.notes) }),
	p(`(?:juju )?(?:integrate|relate) ENDS|(?:the )?(?:relation )?ENDS (?:is |are )?(?:added|created|related|integrated)|(?:a |the )?relation(?: db| zk)? (?:is )?(?:added|created)(?: between|:) ENDS`,
		func(s *sentence, m []string) {
			name := "db"
			if strings.Contains(m[0], "zk") {
				name = "zk"
			}
			s.added(name, s.notes)
		}),
	p(`(?:a )?new relation (db|zk)(?: with (.*))?`, func(s *sentence, m []string) { s.added(m[1], m[2]+" "+s.notes) }),
	p(`relation (db|zk) with (.*?) (?:is )?added`, func(s *sentence, m []string) { s.added(m[1], m[2]+" "+s.notes) }),
	p(`(?:the )?(?:relation (db|zk)|(db|zk) relation|relation) (?:is )?(?:being )?(?:removed|dying|set dying)(?: again)?|(?:juju )?remove-relation(?: (?:pulsar )?(db|zk))?`, func(s *sentence, m []string) {
		if name := m[1] + m[2] + m[3]; name != "" {
			s.endpoint = name
		}
		if s.endpoint == "" {
			s.endpoint = s.appOwner("")
		}
		s.removed = true
		s.ok(s.m.RemoveRelation("pulsar:"+s.endpoint, s.endpoint))
	}),
	remark(`no (?:remote )?(?:unit|app|application).*`),
	p(`(?:all )?remote units (?:leave|are gone)(?: .*)?`, func(s *sentence, m []string) {
		for _, rel := range s.m.rels {
			if rel.peer() || rel.Life == alive {
				continue
			}
			for _, entry := range slices.Clone(rel.Scope) {
				if entry.app != "pulsar" && !slices.Contains(s.trace.real(), entry.Unit) {
					s.m.leave(entry.Unit, rel)
				}
			}
		}
	}),
	p(`(?:an?other |a |the )?(?:new |peer |remote )?(?:unit )?UNIT(?: of the same name)? (?:enters?|joins?|comes|is back|comes back|is there)(?: (?:the )?(?:relation|scope|\w+'s scope))?(?: again)?(?: with (?:other |new )?(?:unit )?(?:data )?PAIRS)?`, func(s *sentence, m []string) {
		var data map[string]string
		if m[2] != "" {
			data = pairsOf(m[2])
		} else if strings.Contains(s.notes, "only Juju") || strings.Contains(s.notes, "=") {
			data = pairsOf(s.notes)
		}
		s.owner, s.remote, s.endpoint = m[1], []string{m[1]}, endpoint(m[1])
		s.enters(m[1], s.endpoint, data)
	}),
	p(`(?:(?:the )?(?:peer |remote |old )?(?:unit )?)?UNIT (?:leaves?|departs?|left|dies|goes away|is leaving|is being removed(?:: departure announced)?|announces (?:its )?departure|begins to die)(?: (?:the )?(?:relation|scope))?(?: too| again)?`, func(s *sentence, m []string) {
		if slices.Contains(s.trace.real(), m[1]) {
			s.dies(m[1])
			return
		}
		s.owner, s.endpoint = m[1], endpoint(m[1])
		s.leaves(m[1], s.endpoint)
	}),
	remark(`departure announced`),
	v(`(?:leaves|departs)(?: again)?`, func(s *sentence, m []string) { s.leaves(s.owner, endpoint(s.owner)) }),
	v(`(?:is |being )?(?:gone|removed)`, func(s *sentence, m []string) { s.gone(s.owner, endpoint(s.owner)) }),
	p(`(?:both|all)(?: remote)? units leave|(?:the )?remote unit (?:leaves|departs|is gone)(?: too)?`, func(s *sentence, m []string) {
		for _, rel := range s.m.rels {
			for _, entry := range slices.Clone(rel.Scope) {
				if entry.app != "pulsar" {
					s.leaves(entry.Unit, entry.app)
				}
			}
		}
	}),
	v(`(?:enters|joins|comes back|is back)(?: again)?(?: under the same name)?(?: with PAIRS)?`, func(s *sentence, m []string) {
		var data map[string]string
		if m[1] != "" {
			data = pairsOf(m[1])
		}
		s.enters(s.owner, endpoint(s.owner), data)
	}),
	p(`UNIT(?: is)? (?:gone|removed|dead)(?: and gone)?|(?:remote )?(?:unit )?UNIT (?:(?:leaves|departs|dies) and )?(?:is )?(?:replaced|removed and created again)(?: by (?:a new|another) (?:unit |one )?(?:UNIT)?| under the same name)?(?: ?of (?:the same|that) name)?`, func(s *sentence, m []string) {
		if m[1] != "" {
			s.gone(m[1], endpoint(m[1]))
			return
		}
		var data map[string]string
		if strings.Contains(s.notes, "=") {
			data = pairsOf(s.notes)
		}
		s.owner = m[2]
		s.leaves(m[2], endpoint(m[2]))
		s.enters(m[2], endpoint(m[2]), data)
	}),

	// Databags.
	p(`(?:(?:(?:the )?(?:peer )?UNIT|it) )?(?:writes?|sets?|reverts?(?: to)?|changes(?: it)?(?: back)?(?: to)?)(?: back)?(?: PAIRS)?(?: and APPDATA PAIRS)?(?: (?:in one (?:commit|transaction)|again|once more|back))?(?: and (?:then )?back to PAIRS)?`,
		func(s *sentence, m []string) { s.wrote(m[1], m[2], m[3], m[4]) }),
	remark(`(?:UNIT writes (?:the )?)?same (?:data|content|value)s?(?: again)?`),
	p(`(?:reverts?|undoes|takes back)(?: it| that| the write)?`, func(s *sentence, m []string) { s.undo() }),
	p(`LEADER (?:writes|sets|changes) PAIRS`, func(s *sentence, m []string) { s.wroteApp(s.appOwner(m[0]), m[1]) }),
	p(`UNIT:? PAIRS`, func(s *sentence, m []string) { s.wrote(m[1], m[2], "", "") }),
	p(`(?:back|revert(?:s|ed)?)(?: to)? PAIRS`, func(s *sentence, m []string) { s.wrote("", m[1], "", "") }),
	p(`(?:(?:LEADER|(?:the )?(?:remote leader|remote app(?:lication)?|leader of KEY|leader|UNIT|KEY)(?:'s leader)?) (?:writes|sets|changes) )?(?:its |the )?(?:(remote|peer|db|zk|pulsar) )?APPDATA(?: (?:is |becomes )?PAIRS)?(?: (?:is )?(?:written|changed|changes))?(?: again| back)?(?: and (?:then )?back to PAIRS)?`,
		func(s *sentence, m []string) {
			owner := s.appOwner(m[0])
			s.wroteApp(owner, m[5])
			if m[6] != "" {
				s.wroteApp(owner, m[6])
			}
		}),
	p(`(?:(?:LEADER|(?:the )?(?:remote leader|remote app(?:lication)?|leader|UNIT|KEY)) )?(?:removes|deletes|empties|clears|unsets) (?:its |the |all )?(?:keys? of )?(?:its |the )?(?:(?:remote |peer )?APPDATA|whole APPDATA)(?: (?:again|KEY))?|(?:the )?(?:remote |peer |db )?APPDATA (?:is )?(?:emptied|cleared|removed|deleted|becomes empty|empty|(?:is |becomes )?(?:\{\}|map\[\]))(?: again)?|LEADER (?:writes (?:an )?empty APPDATA|sets (?:its |the )?APPDATA to (?:\{\}|empty|nothing))|(?:UNIT|KEY|remote leader|remote app) (?:removes|deletes|unsets) KEY from (?:its |the )?APPDATA`,
		func(s *sentence, m []string) { s.emptied(s.appOwner(m[0]), "") }),
	p(`(?:the )?(?:remote |peer |db )?APPDATA KEY(?:=\S*)? (?:is )?(?:removed|deleted|unset)`, func(s *sentence, m []string) { s.emptied(s.appOwner(m[0]), m[1]) }),
	p(`(?:unit )?(?:data|key) KEY of UNIT (?:is )?(?:removed|deleted|unset)`, func(s *sentence, m []string) { s.emptied(m[2], m[1]) }),
	p(`(?:the )?UNIT (?:removes|deletes|empties|clears|unsets) (?:its |the |all )?(?:unit )?(?:databag|bag|data|keys)(?: again)?|(?:(?:the )?(?:unit )?(?:databag|bag|data) of UNIT|UNIT's (?:databag|bag|data)) (?:is )?(?:emptied|cleared)`, func(s *sentence, m []string) { s.emptied(m[1]+m[2]+m[3], "") }),
	p(`(?:the )?UNIT (?:removes|deletes|unsets|clears) (?:the |its )?(?:key )?KEY(?: again)?|UNIT sets KEY to (?:the )?empty(?: string)?`, func(s *sentence, m []string) { s.emptied(m[1]+m[3], m[2]+m[4]) }),
	p(`LEADER (?:removes|deletes|unsets|clears|empties) (?:its |the )?(?:only |last )?(?:app(?:lication)? )?(?:key )?KEY|LEADER sets KEY to (?:the )?empty(?: string)?`, func(s *sentence, m []string) {
		s.emptied(s.appOwner(m[0]), m[1]+m[2])
	}),
	p(`(?:each|with|unit data) PAIRS`, func(s *sentence, m []string) {
		if len(s.remote) == 0 {
			s.wrote("", m[1], "", "")
			return
		}
		for _, unit := range s.remote {
			s.writes(unit, endpoint(unit), pairsOf(m[1]))
		}
	}),
	p(`PAIRS(?: again| once more| too)?`, func(s *sentence, m []string) { s.wrote("", m[1], "", "") }),
	p(`(?:a )?(?:new )?(?:unit )?UNIT(?: in scope)?`, func(s *sentence, m []string) { s.bare(m[1]) }),
}
