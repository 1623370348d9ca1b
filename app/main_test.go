package app_test

import (
	"testing"

	"paymentd/adapters/mysqlstore/mysqltest"
	"paymentd/app/apptest"
	"paymentd/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(tests{m}) }

// tests runs the tests of this package, and closes what would look like a leaked goroutine.
type tests struct{ m *testing.M }

func (t tests) Run() int {
	code := mysqltest.Main(t.m).Run()
	apptest.CloseIdle()
	return code
}
