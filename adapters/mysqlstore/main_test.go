package mysqlstore_test

import (
	"testing"

	"go.uber.org/goleak"

	"paymentd/adapters/mysqlstore/mysqltest"
)

func TestMain(m *testing.M) {
	// golang-migrate abandons the migrations that it was reading ahead when one fails.
	abandoned := goleak.IgnoreAnyFunction("github.com/golang-migrate/migrate/v4.(*Migration).Buffer")
	goleak.VerifyTestMain(mysqltest.Main(m), abandoned)
}
