package delivery_test

import (
	"testing"

	"paymentd/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
