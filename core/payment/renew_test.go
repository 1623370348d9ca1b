package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestRenewal_PlansNextAttempt(t *testing.T) {
	t.Parallel()
	p, now := claimedPayment(t), noon.Add(3*time.Second)
	r := payment.Renewal{
		ClaimRef: p.ClaimRef(), End: *attemptEnd(resultOf(payment.ClassUnknownUnanswered)),
		Next: true, Delay: time.Second, Lease: lease,
	}
	d, err := apply(r, p, now)
	require.NoError(t, err)
	require.Equal(t, payment.VerdictWritten, d.Verdict)
	require.True(t, d.Write)
	require.Nil(t, d.Event)

	past := p.Attempt
	past.EndedAt, past.Class = noon.Add(2*time.Second), payment.ClassUnknownUnanswered
	past.Message = "message of the gateway"
	require.Equal(t, &past, d.PriorAttempt)

	want := p
	want.Doubt = doubtUnanswered(now)
	want.DueAt, want.UpdatedAt = now.Add(time.Second+lease), now
	want.Attempt.Number, want.Attempt.StartedAt, want.Retries = 2, now.Add(time.Second), 1
	require.Equal(t, want, d.Payment)
	require.True(t, d.Payment.InBackoff(now))
	require.False(t, d.Payment.InBackoff(now.Add(time.Second)))
}

// The answer to the first write was lost.
func TestRenewal_RepeatOnlyExtendsTheLease(t *testing.T) {
	t.Parallel()
	for _, next := range []bool{true, false} {
		r := payment.Renewal{
			ClaimRef: claimedPayment(t).ClaimRef(), End: *attemptEnd(resultOf(payment.ClassUnknownAnswered)),
			Next: next, Delay: time.Second, Lease: lease,
		}
		first, err := apply(r, claimedPayment(t), noon)
		require.NoError(t, err)
		second, err := apply(r, first.Payment, noon.Add(time.Minute))
		require.NoError(t, err)
		require.Nil(t, second.PriorAttempt)
		want := first.Payment
		want.DueAt, want.UpdatedAt = noon.Add(time.Minute+time.Second+lease), noon.Add(time.Minute)
		require.Equal(t, want, second.Payment)
	}
}

func TestRenewal_BeforeALookup(t *testing.T) {
	t.Parallel()
	p := claimedPayment(t)
	r := payment.Renewal{ClaimRef: p.ClaimRef(), End: *attemptEnd(resultOf(payment.ClassNotCharged)), Lease: lease}
	d, err := apply(r, p, noon.Add(time.Second))
	require.NoError(t, err)
	require.Nil(t, d.PriorAttempt)
	require.Equal(t, 1, d.Payment.Attempt.Number)
	require.Equal(t, payment.ClassNotCharged, d.Payment.Attempt.Class)
	require.Equal(t, noon.Add(time.Second+lease), d.Payment.DueAt)
}
