package leaktest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// block stands for a goroutine that a test left behind.
func block(until chan struct{}) { <-until }

// recorder is a test that records its failures.
type recorder struct {
	cleanups []func()
	failures []string
}

func (r *recorder) Helper()                {}
func (r *recorder) Cleanup(cleanup func()) { r.cleanups = append(r.cleanups, cleanup) }
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

//nolint:paralleltest // goroutines of other tests would look like leaks
func TestFind_BlockedGoroutine_IsReported(t *testing.T) {
	require.Empty(t, running())
	until := make(chan struct{})
	go block(until)
	leaked := running()
	require.Len(t, leaked, 1)
	require.Contains(t, leaked[0], "leaktest.block(")
	require.Empty(t, running("paymentd/internal/leaktest.block"), "allowed")
	require.Len(t, running("paymentd/internal/leaktest.bloc"), 1, "another function")
	close(until)
	require.Empty(t, find(nil, []string{"testing.(*T).Run"}, time.Minute), "it ends in time")
}

// running returns the leaks at this moment, without the goroutine that runs the tests.
func running(allowed ...string) []string {
	return find(nil, append(allowed, "testing.(*T).Run"), 50*time.Millisecond)
}

//nolint:paralleltest // goroutines of other tests would look like leaks
func TestCheck_OnlyNewGoroutines_FailTheTest(t *testing.T) {
	until := make(chan struct{})
	go block(until)
	tidy, leaky := &recorder{}, &recorder{}
	Check(tidy)
	tidy.cleanups[0]()
	require.Empty(t, tidy.failures)

	Check(leaky)
	go block(until)
	leaky.cleanups[0]()
	require.Len(t, leaky.failures, 1)
	require.Contains(t, leaky.failures[0], "the test left 1 goroutines behind")
	close(until)
}
