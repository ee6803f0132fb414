package dummyclient

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/dummyclient/account"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	good := []string{"--service-url", "pulsar://a:6650", "--web-service-url", "http://a:8080", "--topic", "t", "--journal", "j"}
	with := func(command string, more ...string) []string {
		return append(append([]string{command}, good...), more...)
	}
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "no command"},
		{"unknown command", []string{"dance"}, `unknown command "dance"`},
		{"no address", []string{"check", "--topic", "t", "--journal", "j"}, "flags --service-url and --web-service-url are needed"},
		{"bad address", []string{"check", "--service-url", "http://a:1"}, `flag --service-url: "http://a:1" does not begin with`},
		{"bad topic", with("check", "--topic", "a/b"), `flag --topic: "a/b" is not a topic`},
		{"produce for ever", with("produce"), "flag --count: produce needs an end"},
		{"unknown mode", with("run", "--mode", "off"), `flag --mode: "off" is not one of produce, consume, both`},
		{"unknown type", with("consume", "--subscription-type", "Shared"), `flag --subscription-type: "Shared" is not one of exclusive`},
		{"stray argument", with("check", "x"), `unexpected argument "x"`},
		{"negative", with("run", "--rate", "-1"), "cannot be negative"},
		{"no time", with("run", "--timeout", "0s"), "flag --timeout: nothing can be done in no time"},
		{"no partition", with("check", "--partitions", "0"), "flag --partitions: 0 is less than 1"},
		{"not a number", with("run", "--rate", "x"), `invalid value "x" for flag -rate`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if code := Main(t.Context(), test.args, &stdout, &stderr); code != ExitUsage {
				t.Errorf("got exit code %d", code)
			}
			if strings.Count(stderr.String(), test.want) != 1 || stdout.Len() > 0 {
				t.Errorf("got stdout %q, stderr %q; want %q", &stdout, &stderr, test.want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, want []string }{
		{[]string{"--help"}, []string{"usage: client", "compare the journals"}},
		{[]string{"produce", "-h"}, []string{"usage: client", "flags of produce:", "-rate int"}},
	} {
		var stdout, stderr bytes.Buffer
		if code := Main(t.Context(), test.args, &stdout, &stderr); code != ExitDone || stderr.Len() > 0 {
			t.Errorf("%q: exit code %d, stderr %q", test.args, code, &stderr)
		}
		for _, want := range test.want {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%q: no %q in %q", test.args, want, &stdout)
			}
		}
	}
}

func TestFinish(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		result account.Result
		err    error
		code   int
		stdout string
	}{
		{"produced", account.Result{Produced: &account.Produced{Run: "a", Sent: 2, Acked: 2}}, nil, ExitDone,
			`{"produced":{"run":"a","sent":2,"acked":2,"refused":0,"longest-pause-ms":0,"duration-ms":0}}`},
		{"failed in the middle", account.Result{Consumed: &account.Consumed{Received: 2}}, errors.New("gone"), ExitFailed,
			`{"error":"gone","consumed":{"received":2,"duplicates":0,"duration-ms":0}}`},
		{"lost", account.Result{Check: &account.Report{Runs: 1, Sent: 2, Acked: 2, Received: 1, Lost: 1, Missing: []string{"a: 2"}}}, nil, ExitLost,
			`{"check":{"runs":1,"sent":2,"acked":2,"received":1,"lost":1,"duplicates":0,"out-of-order":0,"longest-pause-ms":0,"foreign":0,"missing":["a: 2"]}}`},
		{"a check that did not end proves no loss", account.Result{Check: &account.Report{Lost: 1}}, errors.New("slow"), ExitFailed,
			`{"error":"slow","check":{"runs":0,"sent":0,"acked":0,"received":0,"lost":1,"duplicates":0,"out-of-order":0,"longest-pause-ms":0,"foreign":0}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if code := finish(test.result, test.err, &stdout, &stderr); code != test.code {
				t.Errorf("got exit code %d, want %d", code, test.code)
			}
			if got := strings.TrimSuffix(stdout.String(), "\n"); got != test.stdout {
				t.Errorf("got  %s\nwant %s", got, test.stdout)
			}
		})
	}
}
