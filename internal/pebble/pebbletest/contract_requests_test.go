package pebbletest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
)

func TestContractNoticeBoard(t *testing.T) {
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		id, err := b.Record(ctx, pebble.NewNotice{Key: "example.com/a", Data: map[string]string{"n": "1"}, RepeatAfter: time.Hour})
		check1(t, err)
		_, err = b.Record(ctx, pebble.NewNotice{Key: "example.com/b"})
		check1(t, err)
		again, err := b.Record(ctx, pebble.NewNotice{Key: "example.com/a", Data: map[string]string{"n": "2"}, RepeatAfter: time.Hour})
		if again != id || err != nil {
			t.Errorf("the same key: %q and %q, %v", id, again, err)
		}
		got, err := b.Notice(ctx, id)
		check1(t, err)
		if got.Occurrences != 2 || got.Type != "custom" || got.LastData["n"] != "2" || got.RepeatAfter != time.Hour ||
			!got.LastRepeated.Equal(got.FirstOccurred) || !got.LastOccurred.After(got.FirstOccurred) || got.UserID == nil {
			t.Errorf("notice: %+v", got)
		}
		if got := refusedNotice(t, b, "999"); got != `cannot find notice with ID "999"` {
			t.Errorf("no notice: %q", got)
		}
		for _, test := range []struct {
			filter pebble.NoticeFilter
			want   []string
		}{
			{pebble.NoticeFilter{Types: []string{"custom"}}, []string{"example.com/a", "example.com/b"}},
			{pebble.NoticeFilter{Types: []string{"custom"}, AllUsers: true}, []string{"example.com/a", "example.com/b"}},
			{pebble.NoticeFilter{Keys: []string{"example.com/b", "example.com/c"}}, []string{"example.com/b"}},
			{pebble.NoticeFilter{Types: []string{"custom"}, After: got.LastRepeated}, []string{"example.com/b"}},
			{pebble.NoticeFilter{Types: []string{"custom"}, UserID: new(4242)}, nil},
			{pebble.NoticeFilter{Types: []string{"custom"}, UserID: got.UserID}, []string{"example.com/a", "example.com/b"}},
			{pebble.NoticeFilter{Types: []string{"warning"}}, nil},
		} {
			found, err := b.FindNotices(ctx, test.filter)
			check1(t, err)
			if got := keys(found); !slices.Equal(got, test.want) {
				t.Errorf("%+v: %q", test.filter, got)
			}
		}
		_, err = b.FindNotices(ctx, pebble.NoticeFilter{AllUsers: true, UserID: new(0)})
		if got := refusal(t, err); got != `cannot use both "users" and "user-id" parameters` {
			t.Errorf("two filters of users: %q", got)
		}

		// Those that wait hear of the next one that matches.
		began := make(chan error, 1)
		go func() {
			found, err := b.WaitNotices(ctx, pebble.NoticeFilter{Keys: []string{"example.com/c"}})
			if !slices.Equal(keys(found), []string{"example.com/c"}) {
				err = errors.Join(err, errors.New("found other notices"))
			}
			began <- err
		}()
		check1(t, b.Notify(ctx, "example.com/d", nil))
		check1(t, b.Notify(ctx, "example.com/c", nil))
		check1(t, <-began)
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if _, err := b.WaitNotices(short, pebble.NoticeFilter{Keys: []string{"example.com/e"}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait for nothing: %v", err)
		}
	})
}

func refusedNotice(t *testing.T, b backend, id string) string {
	t.Helper()
	return refused[pebble.Notice](t)(b.Notice(t.Context(), id))
}

func keys(notices []pebble.Notice) []string {
	var keys []string
	for _, n := range notices {
		keys = append(keys, n.Key)
	}
	return keys
}

func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check1(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, key.Public(), key)
	check1(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestContractIdentities(t *testing.T) {
	cert := certificate(t)
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		bob := pebble.Identity{Access: "read", LocalUser: new(4001)}
		web := pebble.Identity{Access: "metrics", BasicPassword: "$6$salt$hash"}
		all := pebble.Identity{Access: "admin", LocalUser: new(4002), BasicPassword: "$6$x", CertPEM: cert}
		one := func(name string, identity pebble.Identity) map[string]pebble.Identity {
			return map[string]pebble.Identity{name: identity}
		}
		check1(t, b.AddIdentities(ctx, map[string]pebble.Identity{"bob": bob, "web": web}))
		const badName = `invalid identity for "1x": identity name "" invalid: must start with an alphabetic character ` +
			`and only contain alphanumeric characters, underscore, and hyphen`
		for _, test := range []struct {
			err  error
			want string
		}{
			{b.AddIdentities(ctx, map[string]pebble.Identity{"bob": bob, "eve": {Access: "read", LocalUser: new(1)}}), "identities already exist: bob"},
			{b.UpdateIdentities(ctx, one("eve", bob)), "identities do not exist: eve"},
			{b.RemoveIdentities(ctx, "eve", "bob", "adam"), "identities do not exist: adam, eve"},
			{b.AddIdentities(ctx, one("eve", bob)), "cannot have multiple identities with user ID 4001 (bob, eve)"},
			{b.AddIdentities(ctx, one("1x", web)), badName},
			{b.AddIdentities(ctx, one("x", pebble.Identity{LocalUser: new(1)})),
				`invalid identity for "x": access value must be specified ("admin", "read", "metrics", or "untrusted")`},
			{b.AddIdentities(ctx, one("x", pebble.Identity{Access: "king", LocalUser: new(1)})),
				`invalid identity for "x": invalid access value "king", must be "admin", "read", "metrics", or "untrusted"`},
			{b.AddIdentities(ctx, one("x", pebble.Identity{Access: "read"})),
				`invalid identity for "x": identity must have at least one type ("local", "basic", or "cert")`},
			{b.AddIdentities(ctx, one("x", pebble.Identity{Access: "read", CertPEM: "no"})),
				`invalid identity for "x": cert identity must include a PEM-encoded certificate`},
			{b.AddIdentities(ctx, one("x", pebble.Identity{Access: "read", CertPEM: cert + "more"})),
				`invalid identity for "x": cert identity cannot have extra data after the PEM block`},
		} {
			if got := refusal(t, test.err); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		}
		look := func(want map[string]pebble.Identity) {
			t.Helper()
			got, err := b.Identities(ctx)
			check1(t, err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		masked := func(identity pebble.Identity) pebble.Identity {
			for _, secret := range []*string{&identity.BasicPassword, &identity.CertPEM} {
				if *secret != "" {
					*secret = "*****"
				}
			}
			return identity
		}
		look(map[string]pebble.Identity{"bob": bob, "web": masked(web)})
		check1(t, b.UpdateIdentities(ctx, one("bob", web)))
		check1(t, b.ReplaceIdentities(ctx, one("all", all), "web", "nobody"))
		look(map[string]pebble.Identity{"bob": masked(web), "all": masked(all)})
		check1(t, b.RemoveIdentities(ctx, "bob", "all"))
		look(map[string]pebble.Identity{})
	})
}

func TestContractChanges(t *testing.T) {
	type brief struct {
		Kind, Summary, Status string
		Ready                 bool
		Tasks                 []string
	}
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		if err := b.AutoStart(ctx); refusal(t, err) != "no default services" {
			t.Errorf("autostart of nothing: %v", err)
		}
		check1(t, b.AddLayer(ctx, "charm", pebble.Layer{
			Services: map[string]pebble.Service{
				"a":   {Command: "sleep 1000", Startup: "enabled", Requires: []string{"b"}, After: []string{"b"}},
				"b":   {Command: "sleep 1000"},
				"bad": {Command: "false", OnFailure: "ignore"},
			},
			Checks: map[string]pebble.Check{"c": {TCP: &pebble.TCPCheck{Port: 1}, Period: "1h"}},
		}))
		check1(t, b.AutoStart(ctx))
		check1(t, b.Replan(ctx))
		check1(t, b.Stop(ctx, "b"))
		check1(t, b.Restart(ctx, "a"))
		failed, ok := errors.AsType[*pebble.ChangeError](b.Start(ctx, "bad"))
		if !ok {
			t.Fatal("bad started")
		}
		if _, err := b.Exec(ctx, pebble.Command{Args: []string{"cat"}}); err != nil {
			t.Error(err)
		}
		list := func(filter pebble.ChangeFilter) []brief {
			t.Helper()
			infos, err := b.Changes(ctx, filter)
			check1(t, err)
			var got []brief
			for _, info := range infos {
				change := brief{info.Kind, info.Summary, info.Status, info.Ready, nil}
				for _, task := range info.Tasks {
					change.Tasks = append(change.Tasks, task.Kind+": "+task.Summary+": "+task.Status)
				}
				slices.Sort(change.Tasks) // independent ones are in no order
				got = append(got, change)
				if info.ID == "" || info.Spawned.IsZero() || info.Readied.IsZero() == info.Ready {
					t.Errorf("change: %+v", info)
				}
			}
			return got
		}
		startA, startB := `start: Start service "a": Done`, `start: Start service "b": Done`
		want := []brief{
			{"perform-check", `Perform TCP check "c"`, "Doing", false, []string{`perform-check: Perform TCP check "c": Doing`}},
			{"autostart", `Autostart service "b" and 1 more`, "Done", true, []string{startA, startB}},
			{"replan", `Replan service "a" and 1 more`, "Done", true, []string{startA, startB}},
			{"stop", `Stop service "b" and 1 more`, "Done", true, []string{`stop: Stop service "a": Done`, `stop: Stop service "b": Done`}},
			{"restart", `Restart service "a" and 1 more`, "Done", true, []string{startA, startB, `stop: Stop service "a": Done`}},
			{"start", `Start service "bad"`, "Error", true, []string{`start: Start service "bad": Error`}},
			{"exec", `Execute command "cat"`, "Done", true, []string{`exec: Execute command "cat": Done`}},
		}
		settles(t, "all changes", want, func() any { return list(pebble.ChangeFilter{Select: "all"}) })
		if diff := cmp.Diff(want[1:], list(pebble.ChangeFilter{Select: "ready"})); diff != "" {
			t.Errorf("ready (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want[:1], list(pebble.ChangeFilter{})); diff != "" {
			t.Errorf("in progress (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want[5:6], list(pebble.ChangeFilter{Select: "all", Service: "bad"})); diff != "" {
			t.Errorf("of bad (-want +got):\n%s", diff)
		}
		bad, err := b.WaitChange(ctx, failed.ID)
		if err != nil || bad.Err != failed.Message || !slices.Equal(bad.Tasks[0].Log, failed.Log) {
			t.Errorf("bad's change: %+v, %v", bad, err)
		}

		ask := refused[pebble.ChangeInfo](t)
		for _, r := range []struct{ got, want string }{
			{refused[[]pebble.ChangeInfo](t)(b.Changes(ctx, pebble.ChangeFilter{Select: "some"})), "select should be one of: all,in-progress,ready"},
			{ask(b.Change(ctx, "999")), `cannot find change with id "999"`},
			{ask(b.WaitChange(ctx, "999")), `cannot find change with id "999"`},
			{ask(b.AbortChange(ctx, "999")), `cannot find change with id "999"`},
			{ask(b.AbortChange(ctx, failed.ID)), "cannot abort change " + failed.ID + " with nothing pending"},
		} {
			if r.got != r.want {
				t.Errorf("got %q, want %q", r.got, r.want)
			}
		}
		if _, err := b.Change(ctx, "../x"); err == nil {
			t.Error("an ID that is none was sent")
		}

		// The check's change goes on until it is aborted.
		checks, err := b.Checks(ctx)
		check1(t, err)
		id := checks[0].ChangeID
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if _, err := b.WaitChange(short, id); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("wait: %v", err)
		}
		_, err = b.AbortChange(ctx, id)
		check1(t, err)
		if change, err := b.WaitChange(ctx, id); err != nil || !change.Ready {
			t.Errorf("aborted: %+v, %v", change, err)
		}
	})
}

func TestContractLogs(t *testing.T) {
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		check1(t, b.AddLayer(ctx, "charm", layerOf(map[string]pebble.Service{
			"a": {Command: "sh -c 'echo one; exec sleep 1000'"},
			"b": {Command: "sh -c 'echo two; exec sleep 1000'"},
		})))
		check1(t, b.Start(ctx, "a"))
		check1(t, b.Start(ctx, "b"))
		read := func(ctx context.Context, options pebble.LogOptions, enough int) ([]string, error) {
			var got []string
			err := b.Logs(ctx, options, func(entry pebble.LogEntry) error {
				got = append(got, entry.Service+" "+entry.Message)
				if entry.Time.IsZero() {
					t.Errorf("a line without time: %+v", entry)
				}
				if len(got) == enough {
					return io.EOF
				}
				return nil
			})
			return got, err
		}
		for _, test := range []struct {
			options pebble.LogOptions
			want    []string
		}{
			{pebble.LogOptions{}, []string{"a one", "b two"}},
			{pebble.LogOptions{Last: 1}, []string{"b two"}},
			{pebble.LogOptions{Last: -1, Services: []string{"a"}}, []string{"a one"}},
		} {
			if got, err := read(ctx, test.options, -1); err != nil || !slices.Equal(got, test.want) {
				t.Errorf("%+v: %q, %v", test.options, got, err)
			}
		}
		if got, err := read(ctx, pebble.LogOptions{}, 1); !errors.Is(err, io.EOF) || len(got) != 1 {
			t.Errorf("an error of the reader: %q, %v", got, err)
		}
		lines := make(chan string, 10)
		follow, stop := context.WithCancel(ctx)
		defer stop()
		go func() {
			_ = b.Logs(follow, pebble.LogOptions{Follow: true, Last: 1}, func(entry pebble.LogEntry) error {
				lines <- entry.Service + " " + entry.Message
				return nil
			})
		}()
		if got := <-lines; got != "b two" {
			t.Errorf("the last line: %q", got)
		}
		check1(t, b.Restart(ctx, "a"))
		if got := <-lines; got != "a one" {
			t.Errorf("followed: %q", got)
		}
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if _, err := read(short, pebble.LogOptions{Follow: true}, -1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("follow: %v", err)
		}
	})
}

func TestContractMetrics(t *testing.T) {
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		check1(t, b.AddLayer(ctx, "charm", pebble.Layer{
			Services: map[string]pebble.Service{"a": {Command: "sleep 1000"}, "never": {Command: "sleep 1000"}},
			Checks:   map[string]pebble.Check{"c": {Exec: &pebble.ExecCheck{Command: "true"}, Period: "1h"}},
		}))
		check1(t, b.Start(ctx, "a"))
		check1(t, b.Restart(ctx, "a"))
		_, err := b.RefreshCheck(ctx, "c")
		check1(t, err)
		text, err := b.Metrics(ctx)
		check1(t, err)
		want := `# HELP pebble_service_active Whether the service is currently active (1) or not (0)
# TYPE pebble_service_active gauge
pebble_service_active{service="a"} 1

# HELP pebble_service_start_count Number of times the service has started
# TYPE pebble_service_start_count counter
pebble_service_start_count{service="a"} 2

# HELP pebble_check_up Whether the health check is up (1) or not (0)
# TYPE pebble_check_up gauge
pebble_check_up{check="c"} 1

# HELP pebble_check_success_count Number of times the check has succeeded
# TYPE pebble_check_success_count counter
pebble_check_success_count{check="c"} 1

# HELP pebble_check_failure_count Number of times the check has failed
# TYPE pebble_check_failure_count counter
pebble_check_failure_count{check="c"} 0

`
		if diff := cmp.Diff(want, text); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestContractRun(t *testing.T) {
	contract(t, func(t *testing.T, b backend) {
		ctx := t.Context()
		var stdout, stderr bytes.Buffer
		process, err := b.Run(ctx, pebble.Command{Args: []string{"cat"}}, pebble.Streams{
			Stdin: io.MultiReader(strings.NewReader("a"), strings.NewReader("b")), Stdout: &stdout, Stderr: &stderr,
		})
		check1(t, err)
		if code, err := process.Wait(); code != 0 || err != nil || stdout.String() != "ab" || stderr.Len() > 0 {
			t.Errorf("exit %d, %v, output %q %q", code, err, &stdout, &stderr)
		}
		// Without streams nothing is read and all is discarded.
		process, err = b.Run(ctx, pebble.Command{Args: []string{"printenv", "NO_SUCH_VARIABLE"}}, pebble.Streams{})
		check1(t, err)
		if code, err := process.Wait(); code != 1 || err != nil {
			t.Errorf("exit %d, %v", code, err)
		}
		process, err = b.Run(ctx, pebble.Command{Args: []string{"sleep", "1000"}}, pebble.Streams{})
		check1(t, err)
		check1(t, process.Signal("SIGTERM"))
		if code, err := process.Wait(); code != 143 || err != nil {
			t.Errorf("after SIGTERM: exit %d, %v", code, err)
		}
		check1(t, process.Signal("SIGTERM")) // is lost
		if err := process.Signal("SIGNONE"); err == nil || err.Error() != `invalid signal name "SIGNONE"` {
			t.Errorf("no signal: %v", err)
		}
		_, err = b.Run(ctx, pebble.Command{Args: []string{"no-such-program"}}, pebble.Streams{})
		if got := refusal(t, err); got != `cannot find executable "no-such-program"` {
			t.Errorf("got %q", got)
		}
		_, err = b.Run(ctx, pebble.Command{Args: []string{"cat"}, UserID: new(4242)}, pebble.Streams{})
		if got := refusal(t, err); got != "user: unknown userid 4242" {
			t.Errorf("got %q", got)
		}
		short, cancel := context.WithCancel(ctx)
		process, err = b.Run(short, pebble.Command{Args: []string{"sleep", "1000"}}, pebble.Streams{})
		check1(t, err)
		cancel()
		if _, err := process.Wait(); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		process, err = b.Run(ctx, pebble.Command{Args: []string{"sleep", "1000"}, Timeout: 300 * time.Millisecond}, pebble.Streams{})
		if err == nil { // else the time was up before the command ran
			_, err = process.Wait()
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("timed out: %v", err)
		}
	})
}
