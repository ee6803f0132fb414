package charmlab

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pulsar-charms/pulsar-charms/internal/lab/api"
)

func (c *command) debugLogCommand() *cobra.Command {
	var (
		replay, tail, noTail bool
		lines, limit         int
		include, exclude     []string
		level                string
		ignored              bool
	)
	cmd := &cobra.Command{
		Use:   "debug-log",
		Short: "Show what hooks wrote and juju-log said",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			request := api.Log{Lines: lines, Include: include, Exclude: exclude, Level: strings.ToUpper(level)}
			switch {
			case tail && noTail:
				return usageError{errors.New("setting --tail and --no-tail not valid")}
			case lines < 0:
				return usageError{fmt.Errorf("invalid value \"%d\" for option -n: want a positive number", lines)}
			}
			switch request.Level {
			case "", "TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL":
			default:
				return usageError{fmt.Errorf("level value %q is not one of \"TRACE\", \"DEBUG\", \"INFO\", \"WARNING\", \"ERROR\", \"CRITICAL\"", level)}
			}
			if replay {
				request.Lines = -1
			}
			request.Follow = limit == 0 && (tail || !noTail && isTerminal(c.stdout))
			cl, err := c.lab(cmd.Context())
			if err != nil {
				return err
			}
			resp, err := cl.post(cmd.Context(), "debug-log", request)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if limit > 0 {
				return head(c.stdout, resp.Body, limit)
			}
			if _, err := io.Copy(c.stdout, resp.Body); err != nil && cmd.Context().Err() == nil {
				return fmt.Errorf("cannot follow the log: %w", err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&replay, "replay", false, "show the whole log")
	flags.BoolVarP(&tail, "tail", "f", false, "go on with new lines (default on a terminal)")
	flags.BoolVar(&noTail, "no-tail", false, "stop after what is there")
	flags.IntVarP(&lines, "lines", "n", 10, "number of lines to show of what is there")
	flags.IntVar(&limit, "limit", 0, "stop after this many of the lines that are there, and do not follow")
	flags.StringSliceVarP(&include, "include", "i", nil, "only these units or applications")
	flags.StringSliceVarP(&exclude, "exclude", "x", nil, "not these units or applications")
	addIgnored(cmd, &ignored, "color", "utc")
	flags.StringVarP(&level, "level", "l", "", "this level and above: TRACE, DEBUG, INFO, WARNING, ERROR")
	return cmd
}

// head copies so many lines.
func head(w io.Writer, r io.Reader, lines int) error {
	reader := bufio.NewReader(r)
	for range lines {
		line, err := reader.ReadString('\n')
		if _, written := io.WriteString(w, line); written != nil {
			return written
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
