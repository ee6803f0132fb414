package opstest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pulsar-charms/pulsar-charms/internal/hooktool"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/ops"
)

// readFile is how Juju's agent opens the files that secret tools name.
func readFile(path string) ([]byte, error) { return os.ReadFile(path) }

// describe is a call as a test compares it: with its input, without the
// content of secrets and the names of temporary files.
func describe(call hooktool.Call) string {
	words := []string{call.Tool}
	secret := strings.HasPrefix(call.Tool, "secret-")
	for i, arg := range call.Args {
		if secret && i > 0 && call.Args[i-1] == "--file" {
			arg = "…"
		}
		if key, _, ok := strings.Cut(arg, "="); ok && secret && !strings.HasPrefix(arg, "-") {
			arg = key + "=…"
		}
		words = append(words, arg)
	}
	text := strings.TrimSpace(strings.Join(words, " "))
	var input map[string]string
	if call.Stdin == nil || json.Unmarshal(call.Stdin, &input) != nil {
		return text
	}
	text = strings.Replace(text, " --file -", "", 1) + " <"
	for _, key := range slices.Sorted(maps.Keys(input)) {
		text += " " + key + "=" + input[key]
	}
	return text
}

// argument is a call's n-th argument that is no flag.
func argument(call hooktool.Call) string {
	for i, arg := range call.Args {
		switch {
		case arg == "--" && i+1 < len(call.Args):
			return call.Args[i+1]
		case !strings.HasPrefix(arg, "-"):
			return arg
		}
	}
	return ""
}

// checkName refuses what Juju answers without a word though the charm's files
// do not have it.
func (r *run) checkName(call hooktool.Call) {
	charm := r.scene.charm
	name := argument(call)
	if name == "" {
		return
	}
	known, what, file := true, "", "metadata.yaml"
	switch call.Tool {
	case "relation-ids":
		_, known = charm.Endpoint(name)
		what = "endpoint"
	case "config-get":
		_, known = charm.Options[name]
		what, file = "option", "config.yaml"
	case "storage-list":
		_, known = charm.StorageSpec(name)
		what = "storage"
	case "resource-get":
		_, known = charm.Resources[name]
		what = "resource"
	case "network-get":
		known, what = r.scene.binds(name), "binding"
	}
	if !known {
		r.violate("%s: %s %q is not in %s", call.Tool, what, name, file)
	}
}

// checkActions refuses actions that no operator can run.
func (r *run) checkActions(charm ops.Charm) {
	actor, ok := charm.(ops.Actor)
	if !ok || r.scene.kind() != juju.Action {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(actor.Actions())) {
		if _, ok := r.scene.charm.Actions[name]; !ok {
			r.violate("action %q is not in actions.yaml", name)
		}
	}
}

// maxMessage is more than a line of juju status can show.
const maxMessage = 1000

// checkOutput looks at what the hook left.
func (r *run) checkOutput() {
	state := r.result.State
	for _, status := range slices.Concat(r.result.Statuses, r.result.AppStatuses) {
		if strings.ContainsAny(status.Message, "\r\n") || len(status.Message) > maxMessage || !utf8.ValidString(status.Message) {
			r.violate("status message is not one line of at most %d bytes of UTF-8: %q", maxMessage, status.Message)
		}
	}
	for _, relation := range state.Relations {
		id := relationID(relation.Endpoint, relation.ID)
		for of, bag := range map[string]ops.Bag{r.scene.unit(): relation.LocalUnit, r.scene.state.App: relation.LocalApp} {
			if err := checkBag(of+" in "+id, bag); err != nil {
				r.violate("%v", err)
			}
		}
	}
	r.checkLeaks()
}

// shortSecret is the length below which a value may be anywhere by chance.
const shortSecret = 6

// checkLeaks refuses the content of secrets where others can read it. What the
// state itself shows in the open, such as the name of a user, is no secret.
func (r *run) checkLeaks() {
	if len(r.scene.state.Secrets)+len(r.result.State.Secrets) == 0 {
		return
	}
	values := map[string]string{}
	for _, secret := range slices.Concat(r.scene.state.Secrets, r.result.State.Secrets) {
		for _, content := range secret.Revisions {
			for key, value := range content {
				if len(value) >= shortSecret {
					values[value] = fmt.Sprintf("key %q of secret %s", key, secret.ID)
				}
			}
		}
	}
	open := r.scene.state.open()
	for value := range values {
		if slices.ContainsFunc(open, func(text string) bool { return strings.Contains(text, value) }) {
			delete(values, value)
		}
	}
	for _, value := range slices.Sorted(maps.Keys(values)) {
		for _, where := range r.leaks(value) {
			r.violate("%s shows %s", where, values[value])
		}
	}
}

// open are the texts of a state that are no secrets.
func (s State) open() []string {
	out := []string{s.App, s.Model, s.Status.Message, s.AppStatus.Message, s.Version}
	for name, value := range s.Config {
		out = append(out, name, fmt.Sprint(value))
	}
	for _, r := range s.Relations {
		out = append(out, r.Endpoint, r.App)
		for _, bag := range slices.AppendSeq([]ops.Bag{r.RemoteApp, r.LocalApp, r.LocalUnit}, maps.Values(r.RemoteUnits)) {
			out = slices.AppendSeq(out, maps.Values(bag))
		}
	}
	return out
}

// leaks are the places where a value can be read by others.
func (r *run) leaks(value string) []string {
	var out []string
	look := func(where string, texts ...string) {
		if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, value) }) {
			out = append(out, where)
		}
	}
	state := r.result.State
	for _, call := range r.calls {
		look("an argument of a hook tool", call.Args...)
	}
	look("the log", r.result.Log...)
	for _, status := range slices.Concat(r.result.Statuses, r.result.AppStatuses) {
		look("a status", status.Message)
	}
	look("the workload version", state.Version)
	look("the action's outcome", append([]string{r.result.Action.Message, fmt.Sprint(r.result.Action.Results)}, r.result.Action.Log...)...)
	for _, relation := range state.Relations {
		look("a databag of "+relationID(relation.Endpoint, relation.ID), slices.Collect(maps.Values(relation.LocalUnit))...)
		look("a databag of "+relationID(relation.Endpoint, relation.ID), slices.Collect(maps.Values(relation.LocalApp))...)
	}
	for _, name := range slices.Sorted(maps.Keys(state.Containers)) {
		for _, path := range slices.Sorted(maps.Keys(state.Containers[name].Files)) {
			file := state.Containers[name].Files[path]
			if file.Mode == 0 || file.Mode&0o004 != 0 {
				look(fmt.Sprintf("file %s of container %q, which all may read,", path, name), file.Content)
			}
		}
	}
	return slices.Compact(out)
}
