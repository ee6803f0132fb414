package opstest

import (
	"context"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pulsar-charms/pulsar-charms/internal/pebble"
	"github.com/pulsar-charms/pulsar-charms/internal/pebble/pebbletest"
)

// reads are the methods of a Pebble that change nothing of the container.
var reads = []string{
	"AbortChange", "Change", "Changes", "Checks", "FindFiles", "FindNotices", "Healthy", "Identities", "ListFiles", "Logs", "Metrics", "Notice", "Notices",
	"Plan", "Pull", "PullTo", "Services", "SystemInfo", "WaitChange", "WaitNotices",
}

// The recorder tells of every method that is no read, as the fake does.
func TestRecorderKnowsEveryWrite(t *testing.T) {
	t.Parallel()
	for method := range reflect.TypeFor[pebble.Daemon]().Methods() {
		if slices.Contains(reads, method.Name) {
			continue
		}
		t.Run(method.Name, func(t *testing.T) {
			t.Parallel()
			fake := pebbletest.NewFake(pebbletest.Options{})
			var recorded []string
			recorder := &recorder{fake, func(call ...string) { recorded = append(recorded, strings.TrimSpace(strings.Join(call, " "))) }}
			call := reflect.ValueOf(recorder).MethodByName(method.Name)
			args := []reflect.Value{reflect.ValueOf(context.Background())}
			for i := 1; i < call.Type().NumIn(); i++ {
				if call.Type().IsVariadic() && i == call.Type().NumIn()-1 {
					break
				}
				arg := reflect.Zero(call.Type().In(i))
				if arg.Type() == reflect.TypeFor[io.Reader]() {
					arg = reflect.ValueOf(strings.NewReader(""))
				}
				args = append(args, arg)
			}
			call.Call(args) // the fake refuses what is empty, and has heard it
			var want []string
			for _, write := range fake.Writes() {
				want = append(want, strings.TrimSpace(write))
			}
			if !slices.Equal(recorded, want) || len(want) == 0 {
				t.Errorf("recorded %q, the fake %q", recorded, want)
			}
		})
	}
}
