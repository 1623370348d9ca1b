package sqlitestore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func request(t testing.TB, id payment.OrderID) payment.ClaimRequest {
	t.Helper()
	usd, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	money, err := payment.MoneyFromMinor(10_000, usd)
	require.NoError(t, err)
	return payment.ClaimRequest{
		OrderID: id, Money: money, NewKey: payment.GatewayKey("key-of-" + id),
		Replica: "replica-a", Lease: time.Hour, Rules: rules, Worker: time.Now(),
	}
}

// policy is the policy of one kind of work.
func policy(work payment.Work) payment.PickUpPolicy {
	return payment.PickUpPolicy{
		Work: work, Replica: "replica-q", Lease: time.Hour, Rules: rules, Worker: time.Now(),
		NewKey: func() payment.GatewayKey { return "key-of-the-queue" },
	}
}

// rules are for a gateway that never forgets keys.
var rules = payment.KeyRules{
	Capabilities: payment.Capabilities{
		Gateway: "https://gateway.example", Repeat: payment.RepeatFirstSuccess, LooksUp: true, LookupForgets: true, SavesDeclines: true,
	},
	Late: time.Minute, LookupFirst: time.Minute, LookupMax: time.Hour,
}
