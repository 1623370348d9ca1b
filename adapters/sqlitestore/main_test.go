package sqlitestore_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests, or the job of a process that a test started.
func TestMain(m *testing.M) {
	if job, ok := jobs[os.Getenv(jobVariable)]; ok {
		if err := job(context.Background(), os.Getenv(urlVariable)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// golang-migrate abandons the migrations that it was reading ahead when one fails.
	abandoned := goleak.IgnoreAnyFunction("github.com/golang-migrate/migrate/v4.(*Migration).Buffer")
	goleak.VerifyTestMain(m, abandoned)
}
