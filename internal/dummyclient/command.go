package dummyclient

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/pulsar-charms/pulsar-charms/internal/dummyclient/account"
	"github.com/pulsar-charms/pulsar-charms/internal/relation"
)

// Exit codes of Main.
const (
	ExitDone   = 0
	ExitFailed = 1 // the result says why
	ExitUsage  = 2
	ExitLost   = 3 // check is complete and acknowledged messages are missing
)

const usage = `usage: client <command> --service-url URL --web-service-url URL --topic TOPIC --journal DIR [flags]

commands:
  produce   send --count messages and print what was acknowledged
  consume   read from the subscription and print what came
  run       send and/or read (--mode) until SIGTERM
  check     compare the journals with what the topic holds
  total     print what the journals say
`

// settings are the flags of all commands.
type settings struct {
	target
	topicName        string
	journal          string
	name             string
	mode             string
	count            uint64
	rate             int
	size             int
	subscription     string
	subscriptionType string
	idle             time.Duration
	timeout          time.Duration
}

// parse reads the command line. Asked for help, its error is a *helpError.
func parse(args []string) (command string, s settings, err error) {
	if len(args) == 0 {
		return "", s, errors.New("no command")
	}
	command = args[0]
	if slices.Contains([]string{"help", "-h", "-help", "--help"}, command) {
		return "", s, &helpError{}
	}
	if !slices.Contains([]string{"produce", "consume", "run", "check", "total"}, command) {
		return "", s, fmt.Errorf("unknown command %q", command)
	}
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // Main prints the error once
	flags.StringVar(&s.serviceURL, "service-url", "", "pulsar://host:6650,host:6650")
	flags.StringVar(&s.webServiceURL, "web-service-url", "", "http://host:8080,host:8080")
	flags.StringVar(&s.topicName, "topic", "", "persistent://tenant/namespace/name")
	flags.IntVar(&s.partitions, "partitions", 1, "partitions of the topic; 1 leaves it as it is")
	flags.StringVar(&s.journal, "journal", "", "directory of the journals")
	flags.StringVar(&s.name, "name", "client", "name of this producer")
	flags.StringVar(&s.mode, "mode", "both", "run: produce, consume or both")
	flags.Uint64Var(&s.count, "count", 0, "messages; 0 has no end for consume")
	flags.IntVar(&s.rate, "rate", 0, "messages a second; 0 has no limit")
	flags.IntVar(&s.size, "size", 128, "bytes of a message")
	flags.StringVar(&s.subscription, "subscription", "dummy-client", "durable subscription to read from")
	flags.StringVar(&s.subscriptionType, "subscription-type", "shared", "exclusive, shared, failover or key-shared")
	flags.DurationVar(&s.idle, "idle", 3*time.Second, "consume: end when nothing came for so long")
	flags.DurationVar(&s.timeout, "timeout", time.Minute, "produce, consume, check: give up after so long")
	if err := flags.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		return "", s, &helpError{flags}
	} else if err != nil {
		return "", s, err
	}
	if flags.NArg() > 0 {
		return "", s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return command, s, s.validate(command)
}

// helpError asks for help: of all commands, or of one with its flags.
type helpError struct{ flags *flag.FlagSet }

func (e *helpError) Error() string { return flag.ErrHelp.Error() }

func (e *helpError) print(w io.Writer) {
	fmt.Fprint(w, usage)
	if e.flags != nil {
		fmt.Fprintf(w, "\nflags of %s:\n", e.flags.Name())
		e.flags.SetOutput(w)
		e.flags.PrintDefaults()
	}
}

func (s *settings) validate(command string) (err error) {
	offer := relation.PulsarOffer{ServiceURL: s.serviceURL, WebServiceURL: s.webServiceURL}
	if err := offer.Validate(); err != nil {
		return fmt.Errorf("flag --%w", err)
	}
	if s.topic, err = relation.ParseTopic(s.topicName); err != nil {
		return fmt.Errorf("flag --topic: %w", err)
	}
	if _, known := subscriptionTypes[s.subscriptionType]; !known {
		return fmt.Errorf("flag --subscription-type: %q is not one of exclusive, shared, failover, key-shared", s.subscriptionType)
	}
	switch {
	case !offer.Complete():
		return errors.New("flags --service-url and --web-service-url are needed")
	case s.journal == "":
		return errors.New("flag --journal is needed")
	case s.name == "" || strings.ContainsAny(s.name, "/ \t\n"):
		return fmt.Errorf("flag --name: %q is not a name", s.name)
	case s.rate < 0 || s.size < 0:
		return errors.New("flags --rate and --size cannot be negative")
	case s.timeout <= 0:
		return errors.New("flag --timeout: nothing can be done in no time")
	case s.partitions < 1:
		return fmt.Errorf("flag --partitions: %d is less than 1", s.partitions)
	case command == "produce" && s.count == 0:
		return errors.New("flag --count: produce needs an end")
	case command == "run" && !slices.Contains([]string{"produce", "consume", "both"}, s.mode):
		return fmt.Errorf("flag --mode: %q is not one of produce, consume, both", s.mode)
	}
	return nil
}

func (s settings) production() production {
	return production{target: s.target, directory: s.journal, name: s.name, count: s.count, rate: s.rate, size: s.size}
}

func (s settings) consumption() consumption {
	return consumption{
		target: s.target, subscription: s.subscription, kind: subscriptionTypes[s.subscriptionType],
		count: s.count, idle: s.idle,
	}
}

// Main is the whole program: args without the program's name, ctx ends with
// SIGTERM. It prints an account.Result as one line of JSON, except for run,
// and returns the exit code.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	command, s, err := parse(args)
	if help, ok := errors.AsType[*helpError](err); ok {
		help.print(stdout)
		return ExitDone
	}
	if err != nil {
		fmt.Fprintf(stderr, "client: %v\n%s", err, usage)
		return ExitUsage
	}
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if command == "run" {
		if err := s.run(ctx, logger); err != nil {
			fmt.Fprintf(stderr, "client: %v\n", err)
			return ExitFailed
		}
		return ExitDone
	}
	limited, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var result account.Result
	switch command {
	case "produce":
		var produced account.Produced
		produced, err = produce(limited, s.production(), logger)
		result.Produced = &produced
	case "consume":
		var consumed account.Consumed
		consumed, err = consume(limited, s.consumption(), logger)
		result.Consumed = &consumed
	case "check":
		var report account.Report
		report, err = check(limited, s.target, s.journal, logger)
		result.Check = &report
	case "total":
		var records []account.Record
		records, err = account.ReadJournals(s.journal, s.topic.String())
		total := account.Total(records)
		result.Produced = &total
	}
	return finish(result, err, stdout, stderr)
}

func finish(result account.Result, err error, stdout, stderr io.Writer) int {
	if err != nil {
		result.Error = err.Error()
	}
	line, err := json.Marshal(result)
	if err == nil {
		_, err = fmt.Fprintf(stdout, "%s\n", line)
	}
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "client: cannot print result: %v\n", err)
		return ExitFailed
	case result.Error != "":
		return ExitFailed
	case result.Check != nil && result.Check.Lost > 0:
		return ExitLost
	}
	return ExitDone
}

// run goes on until ctx ends. A producer that cannot go on ends the program,
// so that its supervisor starts it again with a new run; a consumer starts
// again by itself, since nothing depends on it.
func (s settings) run(ctx context.Context, logger *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.count, s.idle = 0, 0
	consumed := make(chan struct{})
	go func() {
		defer close(consumed)
		for s.mode != "produce" && ctx.Err() == nil {
			if _, err := consume(ctx, s.consumption(), logger); err != nil && ctx.Err() == nil {
				logger.Error("consumer ended", "error", err)
				sleep(ctx, time.Second)
			}
		}
	}()
	var err error
	if s.mode != "consume" {
		if _, err = produce(ctx, s.production(), logger); ctx.Err() != nil {
			err = nil
		}
		cancel()
	}
	<-consumed
	return err
}
