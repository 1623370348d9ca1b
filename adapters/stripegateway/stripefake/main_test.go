package stripefake_test

import (
	"os"
	"testing"

	"paymentd/internal/leaktest"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(serveLedgerVariable); path != "" {
		serveUntilKilled(path)
	}
	leaktest.Main(m)
}
