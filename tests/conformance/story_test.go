package conformance

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// story is what happens to both charms.
func story(l *lab, r *record) {
	l.t.Helper()
	units := []string{"alpha/0", "alpha/1", "beta/0"}
	for _, chapter := range []func(*lab, *record, []string){
		deploy, configure, actions, pebbles, secrets, storages, pods,
	} {
		chapter(l, r, units)
	}
	scale(l, r)
	end(l, r)
}

func deploy(l *lab, r *record, units []string) {
	l.t.Helper()
	l.run("deploy", l.charm, "alpha", "-n", "2", "--resource", "work-image=base", "--config", "text=hi", "--config", "count=4")
	l.run("deploy", l.charm, "beta", "--resource", "work-image=base", "--trust")
	l.settle(units...)
	r.note(l, "deploy", nil)
	l.run("integrate", "alpha:source", "beta:sink")
	l.settle(units...)
	r.note(l, "integrate", map[string]any{"again": l.fails("integrate", "alpha:source", "beta:sink")})
}

func configure(l *lab, r *record, units []string) {
	l.t.Helper()
	l.run("config", "alpha", "text=good day", "count=0", "port=9090", "ratio=2.25", "whole=7", "flag=false", "bare=now set")
	l.settle(units...)
	r.note(l, "config", nil)
	lines := filepath.Join(l.t.TempDir(), "lines")
	mustWrite(l.t, lines, "# one\n\"two\": 'three'\n\n")
	l.run("config", "beta", "lines=@"+lines)
	l.run("config", "alpha", "count=-1")
	l.settle(units...)
	r.note(l, "an option that the charm refuses", map[string]any{
		"no integer": l.fails("config", "alpha", "count=many"),
		"no boolean": l.fails("config", "alpha", "flag=perhaps"),
		"no number":  l.fails("config", "alpha", "ratio=x"),
		"no option":  l.fails("config", "alpha", "colour=red"),
		"no secret":  l.fails("config", "alpha", "token=plain"),
	})
	failed := len(done.FindAllString(l.log(), -1))
	l.run("config", "alpha", "crash=true", "--reset", "count")
	l.await(2, `ERROR juju.worker.uniter.operation hook "config-changed" \(via dispatching\) failed`)
	r.note(l, "a hook that fails", map[string]any{"others run": len(done.FindAllString(l.log(), -1)) > failed})
	l.run("config", "alpha", "crash=false")
	l.run("resolved", "--all")
	l.settle(units...)
	l.run("config", "alpha", "--reset", "text,port,ratio,whole,flag,bare")
	l.settle(units...)
	r.note(l, "config reset", nil)
}

func actions(l *lab, r *record, units []string) {
	l.t.Helper()
	params := filepath.Join(l.t.TempDir(), "params.yaml")
	mustWrite(l.t, params, "word: ab\ntimes: 3\nratio: 1.5\nloud: true\nlist: [1, two, null]\ntree: {b: {c: [x]}, a: '1'}\n")
	facts := map[string]any{
		"echo":    l.action("alpha/1", "echo", "--params", params),
		"default": l.action("alpha/0", "echo", "word=--flag"),
		"refuse":  l.action("alpha/0", "refuse"),
		"wrong":   l.fails("run", "alpha/0", "echo", "word=x", "times=many"),
		"missing": l.fails("run", "alpha/0", "echo"),
	}
	crash := l.action("alpha/0", "crash")
	delete(crash.Results, "stderr") // a traceback here, one line there
	facts["crash"] = crash
	for _, unit := range units {
		facts["inspect "+unit] = l.action(unit, "inspect")
	}
	tools := l.action("alpha/0", "tools")
	expected(l, "tools", goldenTools, calls(l, tools))
	facts["tools"] = tools
	environment := l.action("alpha/0", "environment")
	facts["directory"] = environment.Results["directory"]
	var variables map[string]string
	if err := json.Unmarshal([]byte(environment.Results["variables"].(string)), &variables); err != nil {
		l.t.Fatal(err)
	}
	for name, pattern := range map[string]string{
		"JUJU_CONTEXT_ID": `^alpha/0-environment-\d+$`, "JUJU_ACTION_UUID": `^\d+$`, "JUJU_ACTION_TAG": `^action-\d+$`,
		"JUJU_MODEL_UUID": `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`,
	} {
		if !regexp.MustCompile(pattern).MatchString(variables[name]) {
			l.t.Errorf("%s is %q", name, variables[name])
		}
		delete(variables, name)
	}
	expected(l, "environment", goldenEnvironment, variables)
	l.settle(units...)
	r.note(l, "actions", facts)
}

func pebbles(l *lab, r *record, units []string) {
	l.t.Helper()
	facts := map[string]any{"execute": l.action("alpha/0", "execute"), "sabotage": l.action("alpha/0", "sabotage")}
	l.await(1, `ran "work-pebble-check-failed" hook`)
	l.settle(units...)
	r.note(l, "a check that fails", facts)
	l.action("alpha/0", "mend")
	l.await(1, `ran "work-pebble-check-recovered" hook`)
	l.settle(units...)
	r.note(l, "a check that recovers", nil)
	l.run("ssh", "--container", "work", "alpha/1", "/charm/bin/pebble", "notify", "example.com/a/b", "colour=green")
	l.await(1, `ran "work-pebble-custom-notice" hook`)
	l.settle(units...)
	r.note(l, "a notice", nil)
	l.run("ssh", "--container", "work", "alpha/1", "/charm/bin/pebble", "notify", "example.com/a/b", "colour=red")
	l.await(2, `ran "work-pebble-custom-notice" hook`)
	l.settle(units...)
	r.note(l, "the notice again", nil)
}

func secrets(l *lab, r *record, units []string) {
	l.t.Helper()
	renewed := l.action("alpha/0", "renew", "word=second")
	l.await(1, `ran "secret-remove" hook`)
	l.settle(units...)
	r.note(l, "a secret's new revision", map[string]any{"renew": renewed, "inspect": l.action("alpha/0", "inspect")})
	again := l.action("alpha/0", "renew", "word=second")
	l.settle(units...)
	r.note(l, "the same content again", map[string]any{"renew": again, "inspect": l.action("alpha/0", "inspect")})
	l.run("advance", "61m")
	l.await(1, `ran "secret-rotate" hook`)
	l.await(2, `ran "secret-remove" hook`)
	l.settle(units...)
	r.note(l, "a secret that rotates", map[string]any{"inspect": l.action("alpha/0", "inspect")})
	perish := l.action("alpha/0", "perish", "minutes=90")
	inspect := l.action("alpha/0", "inspect")
	l.run("advance", "40m")
	l.await(1, `ran "secret-expired" hook`)
	l.await(3, `ran "secret-remove" hook`)
	l.settle(units...)
	r.note(l, "a secret that expires", map[string]any{"perish": perish, "before": inspect, "inspect": l.action("alpha/0", "inspect")})
}

func storages(l *lab, r *record, units []string) {
	l.t.Helper()
	l.run("ssh", "--container", "work", "alpha/0", "sh", "-c", "echo kept >/data/kept")
	grow := l.action("alpha/0", "grow")
	l.await(1, `ran "cache-storage-attached" hook`)
	l.settle(units...)
	r.note(l, "one storage more", map[string]any{"grow": grow, "inspect": l.action("alpha/0", "inspect")})
}

func pods(l *lab, r *record, units []string) {
	l.t.Helper()
	ready := strings.Count(l.log(), `ran "work-pebble-ready" hook`)
	l.run("kill-container", "alpha/1", "work")
	l.await(ready+1, `ran "work-pebble-ready" hook`)
	l.settle(units...)
	r.note(l, "a container that dies", nil)
	l.run("delete-pod", "alpha/0")
	l.await(1, `unit-alpha-0.*ran "upgrade-charm" hook`)
	l.settle(units...)
	r.note(l, "a pod that is deleted", map[string]any{
		"data": l.run("ssh", "--container", "work", "alpha/0", "cat", "/data/kept"), "inspect": l.action("alpha/0", "inspect"),
	})
	l.run("refresh", "alpha", "--path", l.charm)
	l.await(2, `unit-alpha-0.*ran "upgrade-charm" hook`)
	l.settle(units...)
	r.note(l, "refresh", nil)
}

func scale(l *lab, r *record) {
	l.t.Helper()
	l.run("scale-application", "alpha", "3")
	l.run("scale-application", "beta", "2")
	units := []string{"alpha/0", "alpha/1", "alpha/2", "beta/0", "beta/1"}
	l.settle(units...)
	r.note(l, "more units", map[string]any{"inspect": l.action("alpha/2", "inspect"), "beta": l.action("beta/1", "inspect")})
	l.run("scale-application", "alpha", "1")
	l.settle("alpha/0", "beta/0", "beta/1")
	r.note(l, "fewer units", map[string]any{"inspect": l.action("alpha/0", "inspect")})
}

func end(l *lab, r *record) {
	l.t.Helper()
	l.run("remove-relation", "alpha", "beta")
	l.settle("alpha/0", "beta/0", "beta/1")
	r.note(l, "remove-relation", map[string]any{"inspect": l.action("alpha/0", "inspect")})
	l.run("integrate", "beta:source", "alpha:sink")
	l.settle("alpha/0", "beta/0", "beta/1")
	r.note(l, "the other way round", map[string]any{"inspect": l.action("beta/leader", "inspect")})
	l.run("remove-application", "beta", "--no-prompt")
	l.settle("alpha/0")
	r.note(l, "remove-application", nil)
	l.run("remove-application", "alpha", "--no-prompt")
	l.settle()
	r.note(l, "nothing left", nil)
}

// calls are what the tools action said of each hook tool.
func calls(l *lab, t task) (said []call) {
	l.t.Helper()
	keys := []string{}
	for key := range t.Results {
		if strings.HasPrefix(key, "n") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		var one [4]any
		if err := json.Unmarshal([]byte(t.Results[key].(string)), &one); err != nil {
			l.t.Fatal(err)
		}
		var words []string
		for _, word := range one[0].([]any) {
			words = append(words, word.(string))
		}
		said = append(said, call{strings.Join(words, " "), int(one[1].(float64)), one[2].(string), one[3].(string)})
	}
	return said
}
