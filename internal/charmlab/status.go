package charmlab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pulsar-charms/pulsar-charms/internal/juju"
	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
)

func (c *command) statusCommand() *cobra.Command {
	var relations, ignored bool
	var watch time.Duration
	cmd := &cobra.Command{
		Use:   "status [<application or unit>...]",
		Short: "Show the model, its applications and units",
	}
	out := addFormat(cmd, "tabular", "json", "yaml")
	cmd.Flags().BoolVar(&relations, "relations", false, "show the relations, too")
	cmd.Flags().BoolVar(&relations, "integrations", false, "the same as --relations")
	cmd.Flags().DurationVar(&watch, "watch", 0, "show again after this time and whenever something changed, until interrupted")
	addIgnored(cmd, &ignored, "color", "no-color", "storage", "utc")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		if relations && out.name != "tabular" {
			c.say("provided --relations option is ignored with format %s", out.name)
		}
		cl, err := c.lab(cmd.Context())
		if err != nil {
			return err
		}
		return c.showStatus(cmd.Context(), cl, out, args, relations, watch)
	}
	return cmd
}

// showStatus prints the status, once or whenever it changed.
func (c *command) showStatus(ctx context.Context, cl *client, out *format, names []string, relations bool, watch time.Duration) error {
	for {
		seen, err := ask[api.Observation](ctx, cl, "status", api.None{})
		if err != nil {
			return err
		}
		if err := filter(&seen, names); err != nil {
			return err
		}
		var text bytes.Buffer
		screen := *c
		screen.stdout = &text
		err = out.write(&screen, seen.Status, func(w io.Writer) error { return statusTable(w, seen, relations) })
		if err != nil {
			return err
		}
		if watch > 0 && isTerminal(c.stdout) {
			fmt.Fprint(c.stdout, "\x1b[H\x1b[2J")
		}
		if _, err := c.stdout.Write(text.Bytes()); err != nil {
			return err
		}
		if len(seen.Status.Applications) == 0 {
			c.say("%s", nothing(seen.Status.Model.Name, len(names)))
		}
		if watch <= 0 {
			return nil
		}
		seconds := max(1, int(watch/time.Second))
		if _, err := ask[api.Changed](ctx, cl, "wait", api.Wait{After: seen.Change, Seconds: seconds}); err != nil {
			if ctx.Err() != nil {
				return nil // interrupted: that is how a watch ends
			}
			return err
		}
		// A burst of hooks is one picture.
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// nothing says, in juju's words and whatever the format, that there is nothing
// to show.
func nothing(model string, filters int) string {
	switch filters {
	case 0:
		return fmt.Sprintf("\nModel %q is empty.", model)
	case 1:
		return "Nothing matched specified filter."
	}
	return "Nothing matched specified filters."
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// filter keeps what the patterns name: applications or units, with * as in
// file names.
func filter(seen *api.Observation, patterns []string) error {
	if len(patterns) == 0 {
		return nil
	}
	match := func(name string) (bool, error) {
		for _, p := range patterns {
			ok, err := path.Match(p, name)
			if err != nil {
				return false, usageError{fmt.Errorf("pattern %q: %w", p, err)}
			}
			if ok || p == name {
				return true, nil
			}
		}
		return false, nil
	}
	for app, status := range seen.Status.Applications {
		whole, err := match(app)
		if err != nil {
			return err
		}
		if whole {
			continue
		}
		for unit := range status.Units {
			// path.Match does not let * cross the slash; units are matched by both.
			if ok, _ := match(unit); !ok {
				delete(status.Units, unit)
			}
		}
		if len(status.Units) == 0 {
			delete(seen.Status.Applications, app)
		}
	}
	if storage := seen.Status.Storage; storage != nil {
		for id, instance := range storage.Storage {
			for unit := range instance.Attachments.Units {
				if _, ok := seen.Status.Applications[juju.Application(unit)].Units[unit]; !ok {
					delete(storage.Storage, id)
				}
			}
		}
	}
	var kept []api.Relation
	for _, r := range seen.Relations {
		_, provider := seen.Status.Applications[application(r.Provider)]
		_, requirer := seen.Status.Applications[application(r.Requirer)]
		if provider || requirer {
			kept = append(kept, r)
		}
	}
	seen.Relations = kept
	return nil
}

func application(endpoint string) string {
	app, _, _ := strings.Cut(endpoint, ":")
	return app
}

// statusTable prints juju's tables: model, applications, units, relations.
func statusTable(w io.Writer, seen api.Observation, relations bool) error {
	m := seen.Status.Model
	cloud := m.Cloud
	if m.Region != "" {
		cloud += "/" + m.Region
	}
	tables := []*table{{
		columns: []column{{title: "Model"}, {title: "Controller"}, {title: "Cloud/Region"}, {title: "Version"}, {title: "SLA"}, {title: "Timestamp"}},
		rows:    [][]string{{m.Name, m.Controller, cloud, m.Version, m.SLA, seen.Status.Controller.Timestamp}},
	}}
	apps := seen.Status.Applications
	if len(apps) == 0 {
		return tables[0].write(w)
	}
	tables = append(tables, applicationTable(apps))
	if units := unitTable(apps); len(units.rows) > 0 {
		tables = append(tables, units)
	}
	if relations && len(seen.Relations) > 0 {
		tables = append(tables, relationTable(seen.Relations))
	}
	for i, t := range tables {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := t.write(w); err != nil {
			return err
		}
	}
	return nil
}

func applicationTable(apps map[string]api.ApplicationStatus) *table {
	t := &table{columns: []column{
		{title: "App"}, {title: "Version"}, {title: "Status"}, {title: "Scale", right: true}, {title: "Charm"}, {title: "Channel"},
		{title: "Rev", right: true}, {title: "Address"}, {title: "Exposed"}, {title: "Message"},
	}}
	for _, name := range sortedKeys(apps) {
		a := apps[name]
		exposed := "no"
		if a.Exposed {
			exposed = "yes"
		}
		t.add(name, a.Version, a.Status.Current, scale(a), a.CharmName, "", fmt.Sprint(a.CharmRevision), a.Address, exposed, a.Status.Message)
	}
	return t
}

// scale is the wanted number of units, with that of the running ones before
// it if it differs.
func scale(a api.ApplicationStatus) string {
	running := 0
	for _, u := range a.Units {
		switch u.Agent.Current {
		case "executing", "idle", "running":
			running++
		}
	}
	if running == a.Scale {
		return fmt.Sprint(a.Scale)
	}
	return fmt.Sprintf("%d/%d", running, a.Scale)
}

func unitTable(apps map[string]api.ApplicationStatus) *table {
	t := &table{columns: []column{{title: "Unit"}, {title: "Workload"}, {title: "Agent"}, {title: "Address"}, {title: "Ports"}, {title: "Message"}}}
	for _, app := range sortedKeys(apps) {
		units := sortedKeys(apps[app].Units)
		sort.Slice(units, func(i, j int) bool { return juju.Ordinal(units[i]) < juju.Ordinal(units[j]) })
		for _, name := range units {
			u := apps[app].Units[name]
			shown := name
			if u.Leader {
				shown += "*"
			}
			message := u.Workload.Message
			if doing := agentDoing(u.Agent); doing != "" {
				message = strings.TrimSpace(fmt.Sprintf("(%s) %s", doing, message))
			}
			t.add(shown, u.Workload.Current, u.Agent.Current, u.Address, strings.Join(u.OpenPorts, " "), message)
		}
	}
	return t
}

// agentDoing is what an executing agent runs, in one word.
func agentDoing(agent api.StatusInfo) string {
	if agent.Current != "executing" {
		return ""
	}
	fields := strings.Fields(agent.Message)
	switch {
	case len(fields) >= 3 && fields[0] == "running" && fields[1] == "action":
		return fields[2]
	case len(fields) == 3 && fields[0] == "running" && fields[2] == "hook":
		return fields[1]
	}
	return ""
}

func relationTable(relations []api.Relation) *table {
	t := &table{columns: []column{{title: "Integration provider"}, {title: "Requirer"}, {title: "Interface"}, {title: "Type"}, {title: "Message"}}}
	sorted := append([]api.Relation(nil), relations...)
	sort.SliceStable(sorted, func(i, j int) bool {
		if sorted[i].Provider != sorted[j].Provider {
			return sorted[i].Provider < sorted[j].Provider
		}
		return sorted[i].Requirer < sorted[j].Requirer
	})
	for _, r := range sorted {
		t.add(r.Provider, r.Requirer, r.Interface, r.Type, r.Message)
	}
	return t
}
