package sqlitestore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/sqlitestore"
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

// charged stores an order whose charge has succeeded.
func charged(t testing.TB, s *sqlitestore.Payments, id payment.OrderID) {
	t.Helper()
	p, _, err := s.Claim(t.Context(), request(t, id))
	require.NoError(t, err)
	require.NoError(t, s.Settle(t.Context(), payment.Settlement{
		ClaimRef: p.ClaimRef(), Worker: time.Now(),
		End:     &payment.AttemptEnd{Result: payment.Result{Class: payment.ClassApproved, TransactionID: "txn-1"}},
		Outcome: payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-1"},
	}))
}

// refundRequest is a request for a refund of an amount in cents.
func refundRequest(t testing.TB, id payment.OrderID, name string, cents int64) payment.ClaimRequest {
	t.Helper()
	a := request(t, id)
	var err error
	a.Money, err = payment.MoneyFromMinor(cents, a.Money.Currency())
	require.NoError(t, err)
	a.Operation = payment.OperationID{Kind: payment.KindRefund, Name: name}
	a.NewKey = payment.GatewayKey("key-of-" + name)
	return a
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
		Operations: payment.OperationRefund,
	},
	Late: time.Minute, LookupFirst: time.Minute, LookupMax: time.Hour,
}
