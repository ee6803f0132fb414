package conformance

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
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
	expected(l, "beta's answer", heard("hi", "8080,8080", "first"), l.answer())
	r.note(l, "integrate", map[string]any{"again": l.fails("integrate", "alpha:source", "beta:sink")})
}

func configure(l *lab, r *record, units []string) {
	l.t.Helper()
	l.run("config", "alpha", "text=good day", "count=0", "port=9090", "ratio=2.25", "whole=7", "flag=false", "bare=now set")
	l.settle(units...)
	expected(l, "beta's answer", heard("good day", "9090,9090", "first"), l.answer())
	expected(l, "alpha's status", state{"waiting", "for the flag"}, l.status().Applications["alpha"].Status)
	expected(l, "alpha/1's status", state{"active", "1 peers, port 9090"}, l.workload("alpha/1"))
	r.note(l, "config", nil)
	lines := filepath.Join(l.t.TempDir(), "lines")
	mustWrite(l.t, lines, "# one\n\"two\": 'three'\n\n")
	l.run("config", "beta", "lines=@"+lines)
	l.run("config", "alpha", "count=-1")
	l.settle(units...)
	expected(l, "alpha/0's status", state{"blocked", "option count: -1 is negative"}, l.workload("alpha/0"))
	r.note(l, "an option that the charm refuses", map[string]any{
		"no integer": l.fails("config", "alpha", "count=many"),
		"no boolean": l.fails("config", "alpha", "flag=perhaps"),
		"no number":  l.fails("config", "alpha", "ratio=x"),
		"no option":  l.fails("config", "alpha", "colour=red"),
		"no secret":  l.fails("config", "alpha", "token=plain"),
	})
	failed := len(done.FindAllString(l.log(), -1))
	l.run("config", "alpha", "crash=true", "--reset", "count")
	l.await(2, `ERROR juju.worker.uniter.operation hook "config-changed" \(via hook dispatching script: dispatch\) failed`)
	expected(l, "alpha/0's status", state{"error", `hook failed: "config-changed"`}, l.workload("alpha/0"))
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
	// Juju keeps an action's results though it drops what else it wrote.
	expected(l, "crash", task{Status: "failed", Message: "exit status 1", Results: map[string]any{"partial": "result", "return-code": 1.0}}, crash)
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
	expected(l, "check", "up down", l.peer("alpha/0")["check"])
	r.note(l, "a check that fails", facts)
	l.action("alpha/0", "mend")
	l.await(1, `ran "work-pebble-check-recovered" hook`)
	l.settle(units...)
	expected(l, "check", "up up", l.peer("alpha/0")["check"])
	r.note(l, "a check that recovers", nil)
	l.run("ssh", "--container", "work", "alpha/1", "/charm/bin/pebble", "notify", "example.com/a/b", "colour=green")
	l.await(1, `ran "work-pebble-custom-notice" hook`)
	l.settle(units...)
	expected(l, "notice", "example.com/a/b green", l.peer("alpha/1")["notice"])
	r.note(l, "a notice", nil)
	l.run("ssh", "--container", "work", "alpha/1", "/charm/bin/pebble", "notify", "example.com/a/b", "colour=red")
	l.await(2, `ran "work-pebble-custom-notice" hook`)
	l.settle(units...)
	expected(l, "notice", "example.com/a/b red", l.peer("alpha/1")["notice"])
	r.note(l, "the notice again", nil)
}

func secrets(l *lab, r *record, units []string) {
	l.t.Helper()
	renewed := l.action("alpha/0", "renew", "word=second")
	l.await(1, `ran "secret-remove" hook`)
	l.settle(units...)
	expected(l, "beta's answer", heard("hello", "8080,8080", "second"), l.answer())
	r.note(l, "a secret's new revision", map[string]any{"renew": renewed, "inspect": l.secret("source-2 2 hourly of a relation stays rotates")})
	again := l.action("alpha/0", "renew", "word=second")
	l.settle(units...)
	r.note(l, "the same content again", map[string]any{"renew": again, "inspect": l.secret("source-2 2 hourly of a relation stays rotates")})
	l.run("advance", "61m")
	l.await(1, `ran "secret-rotate" hook`)
	l.await(2, `ran "secret-remove" hook`)
	l.settle(units...)
	expected(l, "beta's answer", heard("hello", "8080,8080", "rotated-2"), l.answer())
	r.note(l, "a secret that rotates", map[string]any{"inspect": l.secret("source-2 3 hourly of a relation stays rotates")})
	perish := l.action("alpha/0", "perish", "minutes=90")
	inspect := l.secret("source-2 3 hourly of a relation expires rotates")
	l.run("advance", "40m")
	l.await(1, `ran "secret-expired" hook`)
	l.await(3, `ran "secret-remove" hook`)
	l.settle(units...)
	expected(l, "beta's answer", heard("hello", "8080,8080", "after-3"), l.answer())
	r.note(l, "a secret that expires", map[string]any{
		"perish": perish, "before": inspect, "inspect": l.secret("source-2 4 hourly of a relation stays rotates"),
	})
}

func storages(l *lab, r *record, units []string) {
	l.t.Helper()
	l.run("ssh", "--container", "work", "alpha/0", "sh", "-c", "echo kept >/data/kept")
	grow := l.action("alpha/0", "grow")
	l.await(1, `ran "cache-storage-attached" hook`)
	l.settle(units...)
	inspect := l.action("alpha/0", "inspect")
	expected(l, "storages", map[string]any{"cache": "/var/lib/juju/storage/cache/0", "data": "/var/lib/juju/storage/data/0"}, inspect.Results["storage"])
	r.note(l, "one storage more", map[string]any{"grow": grow, "inspect": inspect})
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
	inspect := l.action("alpha/0", "inspect")
	expected(l, "planned units", "1", inspect.Results["planned"])
	expected(l, "beta's answer", heard("hello", "8080", "after-3"), l.answer())
	r.note(l, "fewer units", map[string]any{"inspect": inspect})
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
	expected(l, "what is left", map[string]application{}, l.status().Applications)
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

// heard is what beta/0 writes when alpha offers this.
func heard(text, ports, password string) map[string]string {
	return map[string]string{"heard": text, "ports": ports, "digest": fmt.Sprintf("%x", sha256.Sum256([]byte(password)))[:12]}
}

// answer is what alpha gets of beta/0.
func (l *lab) answer() map[string]string {
	l.t.Helper()
	for _, relation := range l.relations("alpha/0") {
		if relation.Endpoint == "source" {
			data := relation.RelatedUnits["beta/0"].Data
			maps.DeleteFunc(data, func(key, _ string) bool { return strings.Contains(key, "-") }) // Juju's own
			return data
		}
	}
	return nil
}

// peer is a unit's own databag among its peers.
func (l *lab) peer(unit string) map[string]string {
	l.t.Helper()
	for _, relation := range l.relations(unit) {
		if relation.Endpoint == "cluster" {
			return relation.LocalUnit.Data
		}
	}
	return nil
}

func (l *lab) workload(unit string) state {
	l.t.Helper()
	app, _, _ := strings.Cut(unit, "/")
	return l.status().Applications[app].Units[unit].Workload
}

// secret inspects alpha/0 and compares what it knows of the secret that it
// offers.
func (l *lab) secret(want string) task {
	l.t.Helper()
	inspect := l.action("alpha/0", "inspect")
	expected(l, "secret", want, inspect.Results["secrets"])
	return inspect
}
