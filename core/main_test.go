package core_test

import (
	"testing"

	"paymentd/internal/leaktest"
)

// TestMain fails if a test leaks a goroutine.
func TestMain(m *testing.M) { leaktest.Main(m) }
