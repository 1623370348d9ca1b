package sqlitestore_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"paymentd/internal/leaktest"
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
	const abandoned = "github.com/golang-migrate/migrate/v4.(*Migration).Buffer"
	leaktest.Main(m, abandoned)
}
