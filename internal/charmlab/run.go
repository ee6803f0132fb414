package charmlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
)

func (c *command) runCommand() *cobra.Command {
	var (
		background, stringArgs bool
		ignored                bool
		wait                   time.Duration
		params                 string
	)
	cmd := &cobra.Command{
		Use:     "run <unit>... <action> [<key>=<value>]...",
		Short:   "Run an action on units and print its results",
		Example: "  charmlab run pulsar-client-dummy/0 check\n  charmlab run pulsar/leader get-quorum --wait=1m --format=json",
		Args:    arguments(1, -1, "no unit specified"),
	}
	out := addFormat(cmd, "plain", "json", "yaml")
	flags := cmd.Flags()
	flags.BoolVar(&background, "background", false, "do not wait for the action")
	flags.DurationVar(&wait, "wait", 0, "wait at most so long (default: as long as it takes)")
	flags.StringVar(&params, "params", "", "YAML file of parameters")
	flags.BoolVar(&stringArgs, "string-args", false, "take values as text, not as YAML")
	addIgnored(cmd, &ignored, "color", "no-color", "utc")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		if cmd.Flags().Changed("wait") && background {
			return usageError{errors.New("cannot specify both --wait and --background")}
		}
		request, err := runArguments(args, params, stringArgs)
		if err != nil {
			return err
		}
		cl, err := c.lab(cmd.Context())
		if err != nil {
			return err
		}
		operation, err := ask[api.Enqueued](cmd.Context(), cl, "run", request)
		if err != nil {
			return err
		}
		c.sayOperation(operation)
		if background {
			if len(operation.Tasks) == 1 {
				c.say("Check task status with 'charmlab show-task %s'", operation.Tasks[0].ID)
			}
			return nil
		}
		tasks, err := c.awaitTasks(cmd.Context(), cl, operation.Tasks, wait)
		if err != nil {
			return err
		}
		return c.printTasks(out, tasks, false)
	}
	return cmd
}

// runArguments tells units, action and parameters apart: units have a slash,
// parameters an equals sign.
func runArguments(args []string, file string, stringArgs bool) (api.Run, error) {
	request := api.Run{Params: map[string]any{}}
	for len(args) > 0 && strings.Contains(args[0], "/") && !strings.Contains(args[0], "=") {
		app, number, _ := strings.Cut(args[0], "/")
		if _, err := strconv.ParseUint(number, 10, 31); app == "" || err != nil && number != "leader" {
			return request, usageError{fmt.Errorf("invalid unit or action name %q", args[0])}
		}
		request.Units = append(request.Units, args[0])
		args = args[1:]
	}
	switch {
	case len(request.Units) == 0:
		return request, usageError{errors.New("no unit specified")}
	case len(args) == 0 || strings.Contains(args[0], "="):
		return request, usageError{errors.New("no action specified")}
	}
	request.Action = args[0]
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return request, fmt.Errorf("cannot read parameters: %w", err)
		}
		if err := yaml.Unmarshal(text, &request.Params); err != nil {
			return request, fmt.Errorf("cannot read parameters in %s: %w", file, err)
		}
	}
	for _, arg := range args[1:] {
		key, text, ok := strings.Cut(arg, "=")
		if !ok || key == "" {
			return request, usageError{fmt.Errorf("argument %q must be of the form key.key.key...=value", arg)}
		}
		var value any = text
		if !stringArgs {
			if err := yaml.Unmarshal([]byte(text), &value); err != nil {
				return request, fmt.Errorf("cannot read the value of %q: %w (--string-args takes it as it is)", key, err)
			}
		}
		if err := setNested(request.Params, strings.Split(key, "."), value); err != nil {
			return request, usageError{fmt.Errorf("argument %q: %w", arg, err)}
		}
	}
	return request, nil
}

func setNested(params map[string]any, keys []string, value any) error {
	for _, key := range keys[:len(keys)-1] {
		inner, ok := params[key].(map[string]any)
		if !ok {
			if _, taken := params[key]; taken {
				return fmt.Errorf("%q has a value already", key)
			}
			inner = map[string]any{}
			params[key] = inner
		}
		params = inner
	}
	params[keys[len(keys)-1]] = value
	return nil
}

func (c *command) sayOperation(operation api.Enqueued) {
	plural := "s"
	if len(operation.Tasks) == 1 {
		plural = ""
	}
	c.say("Running operation %s with %d task%s", operation.Operation, len(operation.Tasks), plural)
	for _, t := range operation.Tasks {
		c.say("  - task %s on %s", t.ID, "unit-"+strings.ReplaceAll(t.Unit, "/", "-"))
	}
	c.say("")
}

// awaitTasks waits until all tasks have ended, and prints their logs as they
// come. Wait 0 is without limit.
func (c *command) awaitTasks(ctx context.Context, cl *client, tasks []api.Task, wait time.Duration) ([]api.Task, error) {
	deadline := time.Time{}
	if wait > 0 {
		deadline = time.Now().Add(wait)
	}
	for i := range tasks {
		c.say("Waiting for task %s...", tasks[i].ID)
		printed := 0
		for {
			count, err := ask[api.Changed](ctx, cl, "wait", api.Wait{})
			if err != nil {
				return nil, err
			}
			if tasks[i], err = ask[api.Task](ctx, cl, "task", api.TaskID{ID: tasks[i].ID}); err != nil {
				return nil, err
			}
			for ; printed < len(tasks[i].Log); printed++ {
				c.say("%s", tasks[i].Log[printed])
			}
			if tasks[i].Done() {
				break
			}
			seconds := 30
			if !deadline.IsZero() {
				left := time.Until(deadline)
				if left <= 0 {
					return nil, fmt.Errorf("timed out waiting for results from: unit %s", tasks[i].Unit)
				}
				seconds = min(seconds, int(left/time.Second)+1)
			}
			if _, err := ask[api.Changed](ctx, cl, "wait", api.Wait{After: count.Count, Seconds: seconds}); err != nil {
				return nil, err
			}
		}
	}
	return tasks, nil
}

// taskDocument is a task as juju prints it.
func taskDocument(t api.Task) map[string]any {
	doc := map[string]any{"id": t.ID, "status": t.Status, "unit": t.Unit}
	if t.Message != "" {
		doc["message"] = t.Message
	}
	if len(t.Results) > 0 {
		doc["results"] = plainNumbers(t.Results)
	}
	if len(t.Log) > 0 {
		doc["log"] = t.Log
	}
	timing := map[string]string{}
	for name, when := range map[string]time.Time{"enqueued": t.Enqueued, "started": t.Started, "completed": t.Completed} {
		if !when.IsZero() {
			timing[name] = when.UTC().Format("2006-01-02 15:04:05 -0700 MST")
		}
	}
	doc["timing"] = timing
	return doc
}

// printTasks prints the results and fails if a task did. Asking for a
// command's output, unwrap leaves the keys away.
func (c *command) printTasks(out *format, tasks []api.Task, unwrap bool) error {
	documents := map[string]any{}
	for _, t := range tasks {
		documents[t.Unit] = taskDocument(t)
	}
	err := out.write(c, documents, func(w io.Writer) error {
		sorted := append([]api.Task(nil), tasks...)
		sort.SliceStable(sorted, func(i, j int) bool { return sorted[i].Unit < sorted[j].Unit })
		for _, t := range sorted {
			if len(tasks) > 1 {
				fmt.Fprintf(w, "%s:\n", t.Unit)
			}
			if err := plainResult(w, t, len(tasks) > 1, unwrap); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return failures(tasks, c)
}

// plainResult prints the results as YAML; stdout and stderr as they are.
func plainResult(w io.Writer, t api.Task, indent, unwrap bool) error {
	results := map[string]any{}
	for k, v := range plainNumbers(t.Results).(map[string]any) {
		results[k] = v
	}
	delete(results, "return-code")
	prefix := ""
	if indent {
		prefix = "  "
	}
	var text strings.Builder
	for _, stream := range []string{"stdout", "stderr"} {
		if s, ok := results[stream].(string); ok && (unwrap || len(results) == 1) {
			text.WriteString(s)
			if !strings.HasSuffix(s, "\n") {
				text.WriteString("\n")
			}
			delete(results, stream)
		}
	}
	if len(results) > 0 && !unwrap {
		encoder := yaml.NewEncoder(&text)
		encoder.SetIndent(2)
		if err := encoder.Encode(results); err != nil {
			return err
		}
	}
	for line := range strings.Lines(text.String()) {
		if _, err := io.WriteString(w, prefix+line); err != nil {
			return err
		}
	}
	return nil
}

// failures says which tasks failed; nil if none did.
func failures(tasks []api.Task, c *command) error {
	var failed []string
	for _, t := range tasks {
		if t.Status == "completed" {
			continue
		}
		if t.Message != "" {
			c.say("Action id %s failed: %s", t.ID, t.Message)
		}
		code := "1"
		if v, ok := t.Results["return-code"]; ok {
			code = fmt.Sprint(v)
		}
		failed = append(failed, fmt.Sprintf(" - id %q with return code %s", t.ID, code))
	}
	if len(failed) == 0 {
		return nil
	}
	plural := ""
	if len(failed) > 1 {
		plural = "s"
	}
	sort.Strings(failed)
	return fmt.Errorf("the following task%s failed:\n%s\n\nuse 'charmlab show-task' to inspect the failure%s", plural, strings.Join(failed, "\n"), plural)
}

func (c *command) showTaskCommand() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "show-task <id>",
		Short: "Show what became of an action",
		Args:  arguments(1, 1, "no task ID specified"),
	}
	out := addFormat(cmd, "yaml", "json", "plain")
	cmd.Flags().DurationVar(&wait, "wait", 0, "wait at most so long for its end")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		cl, err := c.lab(cmd.Context())
		if err != nil {
			return err
		}
		task, err := ask[api.Task](cmd.Context(), cl, "task", api.TaskID{ID: args[0]})
		if err != nil {
			return err
		}
		if wait > 0 && !task.Done() {
			tasks, err := c.awaitTasks(cmd.Context(), cl, []api.Task{task}, wait)
			if err != nil {
				return err
			}
			task = tasks[0]
		}
		return out.write(c, taskDocument(task), func(w io.Writer) error { return plainResult(w, task, false, false) })
	}
	return cmd
}

func (c *command) cancelTaskCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel-task <id>",
		Short: "Cancel an action that waits or runs",
		Args:  arguments(1, 1, "no task ID specified"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.tell(cmd, "cancel-task", api.TaskID{ID: args[0]})
		},
	}
}

// plainNumbers turns the numbers of decoded JSON into numbers that YAML
// prints as such.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, inner := range v {
			m[k] = plainNumbers(inner)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, inner := range v {
			list[i] = plainNumbers(inner)
		}
		return list
	case interface {
		Int64() (int64, error)
		Float64() (float64, error)
	}:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if n, err := v.Float64(); err == nil {
			return n
		}
	}
	return v
}
