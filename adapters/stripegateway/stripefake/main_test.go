package stripefake_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(serveLedgerVariable); path != "" {
		serveUntilKilled(path)
	}
	goleak.VerifyTestMain(m)
}
