package sqlitestore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func ask(t testing.TB, id payment.OrderID) payment.Ask {
	t.Helper()
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	money, err := payment.MoneyFromMinor(10_000, usd)
	require.NoError(t, err)
	return payment.Ask{
		OrderID: id, Money: money, NewKey: payment.GatewayKey("key-of-" + id),
		Replica: "replica-a", Lease: time.Hour,
	}
}

var terms = payment.Terms{
	Replica: "replica-q", Lease: time.Hour, LookupFirst: time.Minute, LookupMax: time.Hour,
}
