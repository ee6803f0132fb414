package opstest_test

import (
	"fmt"
	"runtime"
	"testing"
)

// failures is a test that notes its failures and does not fail.
type failures struct {
	testing.TB
	messages []string
}

func (f *failures) note(text string) { f.messages = append(f.messages, text) }

func (f *failures) Errorf(format string, args ...any) { f.note(fmt.Sprintf(format, args...)) }

func (f *failures) Fatal(args ...any) {
	f.note(fmt.Sprint(args...))
	runtime.Goexit()
}

func (f *failures) Fatalf(format string, args ...any) { f.Fatal(fmt.Sprintf(format, args...)) }
