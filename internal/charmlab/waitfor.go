package charmlab

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pulsar-charms/pulsar-charms/internal/charmlab/query"
	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
)

func (c *command) waitForCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wait-for",
		Short: "Wait until an application, a unit or the model is as asked for",
		Example: `  charmlab wait-for application bookie --query='status=="active"' --timeout=5m
  charmlab wait-for unit pulsar/0 --query='workload-status=="blocked"'
  charmlab wait-for model lab --query='forEach(units, u => u.workload-status=="active")'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("cannot wait for %q: want application, unit or model", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		c.waitForOne("application", `life=="alive" && status=="active"`, applicationScope),
		c.waitForOne("unit", `life=="alive" && workload-status=="active"`, unitScope),
		c.waitForOne("model", `life=="alive" && status=="available"`, modelScope),
	)
	return cmd
}

// scoper picks what a query is about out of the status; nil if it is not
// there.
type scoper func(status api.Status, name string) query.Scope

func (c *command) waitForOne(kind, standard string, pick scoper) *cobra.Command {
	var text string
	var timeout time.Duration
	var summary bool
	cmd := &cobra.Command{
		Use:   kind + " <name>",
		Short: "Wait for " + map[string]string{"application": "an application", "unit": "a unit", "model": "the model"}[kind],
		Args:  arguments(1, 1, kind+" name must be supplied when waiting for a "+kind),
	}
	cmd.Flags().StringVar(&text, "query", standard, "what to wait for")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "how long to wait at most")
	cmd.Flags().BoolVar(&summary, "summary", true, "say what is waited for")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q, err := query.Parse(text)
		if err != nil {
			return usageError{err}
		}
		cl, err := c.lab(cmd.Context())
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
		defer cancel()
		return c.await(ctx, cl, awaited{kind: kind, name: args[0], query: q, pick: pick, timeout: timeout, summary: summary})
	}
	return cmd
}

type awaited struct {
	kind, name string
	query      *query.Query
	pick       scoper
	timeout    time.Duration
	summary    bool
}

func (c *command) await(ctx context.Context, cl *client, a awaited) error {
	last := ""
	say := func(words string) {
		if a.summary && words != last {
			c.say("%s", words)
			last = words
		}
	}
	for {
		seen, err := ask[api.Observation](ctx, cl, "status", api.None{})
		if err == nil {
			scope := a.pick(seen.Status, a.name)
			switch {
			case scope == nil:
				say(fmt.Sprintf("%s %q not found, waiting...", a.kind, a.name))
				// juju: waiting for something that has gone is done, if that was asked for.
				if gone, _ := a.query.Eval(query.Scope{"life": "dead"}, nil); gone {
					return nil
				}
			default:
				ok, err := a.query.Eval(scope, c.stdout)
				if err != nil {
					return err
				}
				if ok {
					say(fmt.Sprintf("%s %q is as asked for", a.kind, a.name))
					return nil
				}
				say(fmt.Sprintf("%s %q found, waiting: %s", a.kind, a.name, describe(scope)))
			}
			_, err = ask[api.Changed](ctx, cl, "wait", api.Wait{After: seen.Change, Seconds: 30})
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		if ctx.Err() == context.DeadlineExceeded {
			return fmt.Errorf("timed out waiting for %s %q to reach goal state %s after %s; it is: %s", a.kind, a.name, a.query, a.timeout, strings.TrimPrefix(last, a.kind+" "))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// describe is a scope in a few words.
func describe(s query.Scope) string {
	var words []string
	for _, key := range []string{"life", "status", "workload-status", "agent-status", "status-message", "workload-message"} {
		if v, ok := s[key].(string); ok && v != "" && v != "alive" {
			words = append(words, v)
		}
	}
	units, _ := s["units"].(query.Scope)
	for _, unit := range sortedKeys(units) {
		u, ok := units[unit].(query.Scope)
		if !ok || u["workload-status"] == "active" && u["agent-status"] == "idle" {
			continue
		}
		words = append(words, fmt.Sprintf("%s (%s)", unit, describe(u)))
	}
	return strings.Join(words, ", ")
}

func applicationScope(status api.Status, name string) query.Scope {
	a, ok := status.Applications[name]
	if !ok {
		return nil
	}
	units := query.Scope{}
	for unit := range a.Units {
		units[unit] = unitScope(status, unit)
	}
	return query.Scope{
		"name": name, "life": lifeOr(a.Life), "status": a.Status.Current, "status-message": a.Status.Message,
		"charm-url": a.Charm, "exposed": a.Exposed, "workload-version": a.Version, "scale": a.Scale, "units": units,
	}
}

func unitScope(status api.Status, name string) query.Scope {
	app := juju.Application(name)
	u, ok := status.Applications[app].Units[name]
	if !ok {
		return nil
	}
	return query.Scope{
		"name": name, "application": app, "life": lifeOr(status.Applications[app].Life),
		"workload-status": u.Workload.Current, "workload-message": u.Workload.Message,
		"agent-status": u.Agent.Current, "agent-message": u.Agent.Message,
		"leader": u.Leader, "public-address": u.Address, "private-address": u.Address,
	}
}

func modelScope(status api.Status, name string) query.Scope {
	if name != status.Model.Name {
		return nil
	}
	units, apps := query.Scope{}, query.Scope{}
	for app, a := range status.Applications {
		apps[app] = applicationScope(status, app)
		for unit := range a.Units {
			units[unit] = unitScope(status, unit)
		}
	}
	return query.Scope{
		"name": name, "life": "alive", "status": status.Model.Status.Current,
		"applications": apps, "units": units,
	}
}

func lifeOr(life string) string {
	if life == "" {
		return "alive"
	}
	return life
}
