package sqlitestore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// Between the read of a row that could not be claimed and its postponement, another process may have
// claimed it.
func TestPostpone_KeepsALaterClaim(t *testing.T) {
	t.Parallel()
	_, s := migrated(t)
	p, verdict, err := s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict)
	require.NoError(t, dueStore{s}.Postpone(t.Context(), payment.PickUpPolicy{}, payment.Ref{OrderID: "order-1"}, "it could not be written"))
	found, err := s.Find(t.Context(), "order-1")
	require.NoError(t, err)
	require.Equal(t, p.DueAt, found.DueAt)
	require.Equal(t, p.UpdatedAt, found.UpdatedAt)
	require.Empty(t, found.Reason)
}

func TestPostpone_KeepsALaterClaimOfARefund(t *testing.T) {
	t.Parallel()
	_, s := migrated(t)
	a := request(t, "order-1")
	a.Rules.Operations = payment.OperationRefund
	charge, _, err := s.Claim(t.Context(), a)
	require.NoError(t, err)
	require.NoError(t, s.Settle(t.Context(), payment.Settlement{
		ClaimRef: charge.ClaimRef(), Outcome: payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-1"},
	}))
	a.Operation, a.NewKey = payment.OperationID{Kind: payment.KindRefund, Name: "r-1"}, "key-of-r-1"
	p, verdict, err := s.Claim(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict)
	require.NoError(t, dueStore{s}.Postpone(t.Context(), payment.PickUpPolicy{}, p.Ref(), "it could not be written"))
	found, err := s.FindOperation(t.Context(), p.Ref())
	require.NoError(t, err)
	require.Equal(t, p.DueAt, found.DueAt)
	require.Equal(t, p.UpdatedAt, found.UpdatedAt)
	require.Empty(t, found.Reason)
}
