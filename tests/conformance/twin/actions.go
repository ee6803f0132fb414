package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/internal/ops"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

// Actions implements ops.Actor.
func (*charm) Actions() map[string]ops.ActionFunc {
	return map[string]ops.ActionFunc{
		"echo": echo, "refuse": refuse, "crash": crash, "inspect": inspect, "tools": tools, "environment": environment,
		"renew": renew, "perish": perish, "grow": grow, "sabotage": sabotage, "mend": mend, "execute": execute,
	}
}

func echo(ctx context.Context, u *ops.Unit, a *ops.Action) error {
	a.Logf(ctx, "echo on %s", u.Name())
	a.Logf(ctx, "--second line")
	// Lists and objects are not for Params; they come from the tool itself.
	params, err := u.Tools().ActionGet(ctx)
	if err != nil {
		return err
	}
	for key, value := range params {
		data, err := json.Marshal(value)
		if err != nil {
			return err
		}
		a.Set("params."+key, pythonic(data))
	}
	var p struct {
		Word  string `param:"word"`
		Times int    `param:"times"`
	}
	if err := a.Params(&p); err != nil {
		return err
	}
	a.Set("word", strings.Repeat(p.Word, p.Times))
	return nil
}

// pythonic is JSON as Python's library spaces it.
func pythonic(data []byte) string {
	var out strings.Builder
	quoted, escaped := false, false
	for _, b := range data {
		out.WriteByte(b)
		switch {
		case escaped:
			escaped = false
		case quoted && b == '\\':
			escaped = true
		case b == '"':
			quoted = !quoted
		case !quoted && (b == ',' || b == ':'):
			out.WriteByte(' ')
		}
	}
	return out.String()
}

func refuse(_ context.Context, _ *ops.Unit, a *ops.Action) error {
	a.Set("why", "not today")
	return errors.New("I will not")
}

func crash(ctx context.Context, u *ops.Unit, _ *ops.Action) error {
	if err := u.Tools().ActionSet(ctx, map[string]string{"partial": "result"}); err != nil {
		return err
	}
	panic("crashed")
}

func inspect(ctx context.Context, u *ops.Unit, a *ops.Action) error {
	leader, err := u.Leader(ctx)
	if err != nil {
		return err
	}
	goal, err := u.Goal(ctx)
	if err != nil {
		return err
	}
	a.Set("model", u.Model())
	a.Set("version", u.Environment().Version)
	a.Set("leader", leader)
	a.Set("planned", len(goal.Units))
	network, err := u.Network(ctx, "cluster")
	if err != nil {
		return err
	}
	a.Set("network.bind", network.BindAddress())
	a.Set("network.ingress", network.IngressAddresses[0])
	a.Set("network.egress", strings.Join(network.EgressSubnets, " "))
	a.Set("network.interfaces", len(network.BindAddresses))
	for _, name := range []string{"cache", "data"} {
		storages, err := u.Storage(ctx, name)
		if err != nil {
			return err
		}
		var locations []string
		for _, storage := range storages {
			locations = append(locations, storage.Location)
		}
		slices.Sort(locations)
		a.Set("storage."+name, strings.Join(locations, " "))
	}
	if err := inspectResource(ctx, u, a); err != nil {
		return err
	}
	if err := inspectRelations(ctx, u, a, leader); err != nil {
		return err
	}
	return inspectRest(ctx, u, a)
}

func inspectResource(ctx context.Context, u *ops.Unit, a *ops.Action) error {
	path, err := u.Resource(ctx, "work-image")
	if err != nil {
		return err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var image map[string]string
	if err := yaml.Unmarshal(content, &image); err != nil {
		return err
	}
	a.Set("resource.name", path[strings.LastIndexByte(path, '/')+1:])
	a.Set("resource.keys", strings.Join(slices.Sorted(maps.Keys(image)), " "))
	return nil
}

func inspectRelations(ctx context.Context, u *ops.Unit, a *ops.Action, leader bool) error {
	var secrets []string
	for _, endpoint := range []string{"source", "sink", "cluster"} {
		relations, err := u.Relations(ctx, endpoint)
		if err != nil {
			return err
		}
		for _, r := range relations {
			a.Set("relations."+endpoint, r.ID+" "+r.App+" "+strings.Join(r.Units, " "))
			if endpoint != "source" || !leader {
				continue
			}
			secret, ok, err := u.OwnSecret(ctx, ops.SecretRef{Label: label("source", r.ID)})
			if err != nil || !ok {
				return cmp.Or(err, errors.New("there is no secret"))
			}
			expires, rotates := "stays", "keeps"
			if !secret.Expire.IsZero() {
				expires = "expires"
			}
			if !secret.Rotates.IsZero() {
				rotates = "rotates"
			}
			secrets = append(secrets, fmt.Sprintf("%s %d %s %s %s %s", secret.Label, secret.Revision, secret.Rotate, secret.Description, expires, rotates))
		}
	}
	a.Set("secrets", strings.Join(secrets, "; "))
	return nil
}

func inspectRest(ctx context.Context, u *ops.Unit, a *ops.Action) error {
	opened, err := u.Tools().OpenedPorts(ctx)
	if err != nil {
		return err
	}
	for n, port := range opened {
		opened[n], _, _ = strings.Cut(port, "/")
	}
	a.Set("ports", strings.Join(opened, " "))
	status, err := u.Tools().StatusGet(ctx)
	if err != nil {
		return err
	}
	a.Set("status", string(status.Name)+": "+status.Message)
	var o options
	if err := u.Config(ctx, &o); err != nil {
		return err
	}
	for _, option := range append(o.all(), [2]string{"lines", o.Lines}, [2]string{"crash", strconv.FormatBool(o.Crash)}) {
		a.Set("config."+option[0], option[1])
	}
	return nil
}

func tools(ctx context.Context, _ *ops.Unit, a *ops.Action) error {
	file, err := os.ReadFile("tools.json")
	if err != nil {
		return err
	}
	var calls [][2]any
	if err := json.Unmarshal(file, &calls); err != nil {
		return err
	}
	for n, call := range calls {
		var argv []string
		for _, word := range call[0].([]any) {
			argv = append(argv, word.(string))
		}
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		if given, ok := call[1].(string); ok {
			cmd.Stdin = strings.NewReader(given)
		}
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); cmd.ProcessState == nil {
			return err
		}
		var result bytes.Buffer
		encoder := json.NewEncoder(&result)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode([]any{argv, cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}); err != nil {
			return err
		}
		a.Set(fmt.Sprintf("n%02d", n), pythonic(bytes.TrimSpace(result.Bytes())))
	}
	return nil
}

func environment(_ context.Context, _ *ops.Unit, a *ops.Action) error {
	variables := map[string]string{}
	for _, entry := range os.Environ() {
		key, value, _ := strings.Cut(entry, "=")
		variables[key] = value
	}
	delete(variables, "OPERATOR_DISPATCH") // the library's own
	data, err := json.Marshal(variables)
	if err != nil {
		return err
	}
	a.Set("variables", string(data))
	directory, err := os.Getwd()
	a.Set("directory", directory)
	return err
}

// offered are the secrets of all relations.
func offered(ctx context.Context, u *ops.Unit) (secrets []*ops.OwnSecret, err error) {
	relations, err := u.Relations(ctx, "source")
	if err != nil {
		return nil, err
	}
	for _, r := range relations {
		secret, ok, err := u.OwnSecret(ctx, ops.SecretRef{Label: label("source", r.ID)})
		if err != nil || !ok {
			return nil, cmp.Or(err, errors.New("there is no secret"))
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

func renew(ctx context.Context, u *ops.Unit, a *ops.Action) error {
	var p struct {
		Word string `param:"word"`
	}
	secrets, err := offered(ctx, u)
	if err := cmp.Or(err, a.Params(&p)); err != nil {
		return err
	}
	for _, secret := range secrets {
		if err := secret.SetContent(ctx, password(p.Word)); err != nil {
			return err
		}
	}
	return nil
}

func perish(ctx context.Context, u *ops.Unit, a *ops.Action) error {
	var p struct {
		Minutes int `param:"minutes"`
	}
	secrets, err := offered(ctx, u)
	if err := cmp.Or(err, a.Params(&p)); err != nil {
		return err
	}
	for _, secret := range secrets {
		secret.SetInfo(ops.SecretInfo{Expire: u.Now().Add(time.Duration(p.Minutes) * time.Minute)})
	}
	return nil
}

func grow(ctx context.Context, u *ops.Unit, _ *ops.Action) error {
	return u.AddStorage("cache", 1)
}

func sabotage(ctx context.Context, u *ops.Unit, _ *ops.Action) error {
	return u.Container(container).Push(ctx, pebble.File{Path: down})
}

func mend(ctx context.Context, u *ops.Unit, _ *ops.Action) error {
	return u.Container(container).Remove(ctx, down)
}

func execute(ctx context.Context, u *ops.Unit, a *ops.Action) error {
	result, err := u.Container(container).Exec(ctx, pebble.Command{
		Args:  []string{"sh", "-c", "cat; echo $COLOUR in $(pwd) >&2; exit 3"},
		Stdin: []byte("given"), Environment: map[string]string{"COLOUR": "green"}, WorkingDir: "/data", Timeout: 10 * time.Second,
	})
	if err != nil {
		return err
	}
	a.Set("code", result.ExitCode)
	a.Set("output", string(result.Stdout))
	a.Set("errors", strings.TrimSpace(string(result.Stderr)))
	return nil
}
