package mysqlstore_test

import (
	"testing"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/internal/leaktest"
)

func TestMain(m *testing.M) {
	// golang-migrate abandons the migrations that it was reading ahead when one fails.
	const abandoned = "github.com/golang-migrate/migrate/v4.(*Migration).Buffer"
	leaktest.Main(mysqltest.Main(m), abandoned)
}
