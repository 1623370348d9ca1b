package mysqlstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/core/payment"
)

// A claim that was lost during a backoff has no attempt, so the next claim's attempt has the same
// number, and only the fencing token differs.
func TestSettle_LostClaimOfTheSameAttemptIsFenced(t *testing.T) {
	t.Parallel()
	s := open(t, migrated(t), mysqlstore.Options{})
	p, _, err := s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	require.NoError(t, s.Renew(t.Context(), payment.Renewal{
		ClaimRef: p.ClaimRef(), Next: true, Delay: time.Hour, Lease: -time.Hour, // expires before its attempt
		End: payment.AttemptEnd{Result: payment.Result{Class: payment.ClassNotCharged}},
	}))
	lost, err := s.Find(t.Context(), "order-1")
	require.NoError(t, err)
	held, verdict, err := s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	require.Equal(t, payment.VerdictClaimed, verdict)
	require.Equal(t, lost.Attempt.Number, held.Attempt.Number)

	require.ErrorIs(t, s.Settle(t.Context(), approved(lost)), payment.ErrFenced)
	require.NoError(t, s.Settle(t.Context(), approved(*held)))
}

func TestSettle_KeepsTheEndThatWasRecordedFirst(t *testing.T) {
	t.Parallel()
	s := open(t, migrated(t), mysqlstore.Options{})
	p, _, err := s.Claim(t.Context(), request(t, "order-1"))
	require.NoError(t, err)
	require.NoError(t, s.Renew(t.Context(), payment.Renewal{
		ClaimRef: p.ClaimRef(), Lease: time.Hour,
		End: payment.AttemptEnd{Result: payment.Result{Class: payment.ClassUnknownAnswered, Message: "503"}},
	}))
	require.NoError(t, s.Settle(t.Context(), approved(*p)))
	h, err := s.History(t.Context(), "order-1")
	require.NoError(t, err)
	require.Equal(t, payment.StateSucceeded, h.Payment.State)
	require.Len(t, h.Attempts, 1)
	require.Equal(t, payment.ClassUnknownAnswered, h.Attempts[0].Class)
}
