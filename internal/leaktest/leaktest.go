// Package leaktest reports goroutines that outlive the tests of a package.
//
//	func TestMain(m *testing.M) { leaktest.Main(m) }
//
// A bubble of testing/synctest reports those that it has itself; this package is for tests with real
// servers, processes and sockets.
package leaktest

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	// patience is how long a goroutine may take to end after the tests.
	patience = 2 * time.Second
	poll     = 10 * time.Millisecond
	// maxStacks bounds the bytes that are read of all stacks.
	maxStacks = 16 << 20
)

// background are functions of goroutines that the standard library never ends.
var background = []string{"os/signal.signal_recv", "os/signal.loop", "runtime.ensureSigM.func1"}

// Tests runs the tests of a package, and returns the exit code; a *testing.M does.
type Tests interface{ Run() int }

// Main runs the tests and exits. The exit code is 1 if they succeed but leave goroutines behind, which
// are printed. Goroutines with one of the allowed functions in their stack are not reported; a function
// is written as in a stack trace, such as "net/http.(*conn).serve".
func Main(tests Tests, allowed ...string) {
	code := tests.Run()
	if leaked := find(nil, allowed, patience); code == 0 && len(leaked) > 0 {
		fmt.Fprintf(os.Stderr, "leaktest: the tests left %d goroutines behind:\n\n%s\n", len(leaked), strings.Join(leaked, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// TB is the part of a testing.TB that [Check] needs.
type TB interface {
	Helper()
	Cleanup(cleanup func())
	Errorf(format string, args ...any)
}

// Check fails the test if it leaves goroutines behind that do not exist yet. Parallel tests would be
// reported as well.
func Check(t TB) {
	t.Helper()
	before := make(map[string]bool)
	for _, stack := range stacks() {
		before[idOf(stack)] = true
	}
	t.Cleanup(func() {
		if leaked := find(before, nil, patience); len(leaked) > 0 {
			t.Errorf("leaktest: the test left %d goroutines behind:\n\n%s", len(leaked), strings.Join(leaked, "\n\n"))
		}
	})
}

// find returns the stacks of the other goroutines that do not end in time, except for those that
// existed before and the allowed ones.
func find(before map[string]bool, allowed []string, patience time.Duration) []string {
	allowed = append(allowed, background...)
	for began := time.Now(); ; time.Sleep(poll) {
		leaked := slices.DeleteFunc(stacks()[1:], func(stack string) bool { // the first is this goroutine
			return before[idOf(stack)] || slices.ContainsFunc(allowed, func(function string) bool {
				return strings.Contains(stack, "\n"+function+"(")
			})
		})
		if len(leaked) == 0 || time.Since(began) >= patience {
			return leaked
		}
	}
}

// stacks returns the stack traces of all goroutines.
func stacks() []string {
	buffer := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buffer, true)
		if n < len(buffer) || n >= maxStacks {
			return strings.Split(strings.TrimSpace(string(buffer[:n])), "\n\n")
		}
		buffer = make([]byte, 2*len(buffer))
	}
}

// idOf returns the beginning of a stack trace, such as "goroutine 7".
func idOf(stack string) string {
	id, _, _ := strings.Cut(stack, " [")
	return id
}
