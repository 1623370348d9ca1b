package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestSettlement_ToEachOutcome(t *testing.T) {
	t.Parallel()
	now := noon.Add(3 * time.Second)
	tests := map[payment.State]struct {
		class payment.Class
		due   time.Time
		doubt payment.Doubt
	}{
		payment.StateSucceeded: {class: payment.ClassApproved},
		payment.StateDeclined:  {class: payment.ClassDeclined},
		payment.StateFailed:    {class: payment.ClassNotCharged},
		payment.StateScheduled: {
			payment.ClassUnknownAnswered, now.Add(time.Minute), doubtAnswered(now),
		},
		payment.StateUnresolved: {
			payment.ClassUnknownUnanswered, now.Add(time.Minute), doubtUnanswered(now),
		},
	}
	for state, test := range tests {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			p := claimedPayment(t)
			s := payment.Settlement{
				ClaimRef: p.ClaimRef(), End: attemptEnd(resultOf(test.class)),
				Outcome: payment.Outcome{
					State: state, TransactionID: "txn-1", Code: "code", Reason: "reason", DueIn: time.Minute,
				},
			}
			d, err := apply(s, p, now)
			require.NoError(t, err)
			require.Equal(t, payment.VerdictWritten, d.Verdict)
			require.True(t, d.Write)
			require.Nil(t, d.PriorAttempt)
			require.Nil(t, d.Event)
			want := p
			want.State, want.TransactionID, want.Code, want.Reason = state, "txn-1", "code", "reason"
			want.DueAt, want.UpdatedAt, want.Doubt = test.due, now, test.doubt
			want.Attempt.Class, want.Attempt.Message = test.class, "message of the gateway"
			want.Attempt.EndedAt = noon.Add(2 * time.Second)
			require.Equal(t, want, d.Payment)

			again, err := apply(s, d.Payment, now.Add(time.Hour))
			require.NoError(t, err, "the answer to the first was lost")
			require.Equal(t, payment.VerdictWritten, again.Verdict)
			requireUnchanged(t, d.Payment, again)
		})
	}
}

func TestSettlement_AddsAnEvent(t *testing.T) {
	t.Parallel()
	p := claimedPayment(t)
	p.Async, p.DeferredRetries = true, 1
	s := payment.Settlement{
		ClaimRef: p.ClaimRef(), End: attemptEnd(resultOf(payment.ClassNotCharged)), Event: payment.EventScheduled, DeferredRetry: true,
		Outcome: payment.Outcome{State: payment.StateScheduled, Reason: "refused", DueIn: time.Hour},
	}
	d, err := apply(s, p, noon)
	require.NoError(t, err)
	require.Equal(t, &payment.Event{
		Number: 1, Kind: payment.EventScheduled, At: noon, Replica: "replica-a", Fence: 1,
		Detail: "scheduled: refused",
	}, d.Event)
	require.Equal(t, 1, d.Payment.Events)
	require.Equal(t, 2, d.Payment.DeferredRetries)
	require.True(t, d.Payment.Async)
}

// A stop cuts a backoff short: the next attempt was only planned.
func TestSettlement_InBackoff(t *testing.T) {
	t.Parallel()
	p := renewed(t, claimedPayment(t), payment.ClassUnknownAnswered, noon)
	s := payment.Settlement{ClaimRef: p.ClaimRef(), Outcome: payment.Outcome{State: payment.StateScheduled}}
	d, err := apply(s, p, noon)
	require.NoError(t, err)
	require.Equal(t, payment.Attempt{Number: 2}, d.Payment.Attempt)
	require.Equal(t, doubtAnswered(noon), d.Payment.Doubt)
	require.Equal(t, 1, d.Payment.Attempts())
}

// The renewal was stored, its answer was lost, and its worker gave up. The result that it reports belongs
// to the attempt before the planned one.
func TestSettlement_AfterLostRenewal(t *testing.T) {
	t.Parallel()
	before := claimedPayment(t)
	after := renewed(t, before, payment.ClassNotCharged, noon)
	s := payment.Settlement{
		ClaimRef: before.ClaimRef(), End: attemptEnd(resultOf(payment.ClassNotCharged)),
		Outcome: payment.Outcome{State: payment.StateScheduled},
	}
	d, err := apply(s, after, noon)
	require.NoError(t, err)
	require.Equal(t, payment.Attempt{Number: 2}, d.Payment.Attempt)
}

// A recorded result is not written again, and a payment in doubt is not settled to failed.
func TestSettlement_AfterRecordedResult(t *testing.T) {
	t.Parallel()
	p := claimedPayment(t)
	r := payment.Renewal{ClaimRef: p.ClaimRef(), End: *attemptEnd(resultOf(payment.ClassUnknownAnswered)), Lease: lease}
	d, err := apply(r, p, noon)
	require.NoError(t, err)
	p = d.Payment
	s := payment.Settlement{ClaimRef: p.ClaimRef(), Outcome: payment.Outcome{State: payment.StateFailed}}
	d, err = apply(s, p, noon)
	require.NoError(t, err)
	require.Equal(t, p.Attempt, d.Payment.Attempt)
	require.True(t, d.Payment.Doubt.Any(), "a settlement proves nothing")
	require.Equal(t, payment.StateUnresolved, d.Payment.State)
}

// After a claim is lost, its holder writes nothing, in any state of the payment.
func TestWrites_OfALostClaimAreFenced(t *testing.T) {
	t.Parallel()
	expired := noon.Add(lease)
	lost := claimedPayment(t)
	takenOver := decide(claimRequest(t, "key-2"), lost, expired).Payment
	failed := settled(t, lost, payment.ClassNotCharged, payment.StateFailed, noon)
	unresolved := settled(t, lost, payment.ClassUnknownAnswered, payment.StateUnresolved, noon)
	resolved, err := payment.Resolution{
		Outcome: payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-9"}, By: "ada",
	}.Apply(unresolved, expired)
	require.NoError(t, err)

	for name, p := range map[string]payment.Payment{
		"taken over":           takenOver,
		"settled by another":   settled(t, takenOver, payment.ClassApproved, payment.StateSucceeded, expired),
		"settled to the same":  settled(t, takenOver, payment.ClassDeclined, payment.StateDeclined, expired),
		"scheduled afterwards": decide(deferredRequest(t, "key-2"), failed, noon).Payment,
		"failed":               failed,
		"unresolved":           unresolved,
		"looked up afterwards": pickUp(pickUpPolicy(), unresolved, unresolved.DueAt).Payment,
		"resolved by operator": resolved.Payment,
		"claimed again":        decide(claimRequest(t, "key-2"), failed, noon).Payment,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := payment.Renewal{ClaimRef: lost.ClaimRef(), End: *attemptEnd(resultOf(payment.ClassNotCharged)), Lease: lease}
			d, err := apply(r, p, expired)
			require.ErrorIs(t, err, payment.ErrFenced)
			require.Equal(t, payment.Decision{}, d)
			s := payment.Settlement{
				ClaimRef: lost.ClaimRef(), End: attemptEnd(resultOf(payment.ClassDeclined)),
				Outcome: payment.Outcome{State: payment.StateDeclined},
			}
			d, err = apply(s, p, expired)
			require.ErrorIs(t, err, payment.ErrFenced)
			require.Equal(t, payment.Decision{}, d)
		})
	}
}

// No worker holds a claim on a final payment.
func TestWrites_ToFinalPaymentAreFenced(t *testing.T) {
	t.Parallel()
	for _, state := range payment.States() {
		if !state.Final() {
			continue
		}
		p := inState(t, state)
		_, err := payment.Renewal{ClaimRef: p.ClaimRef(), End: *attemptEnd(resultOf(payment.ClassNotCharged))}.Apply(p, noon)
		require.ErrorIs(t, err, payment.ErrFenced, state)
		_, err = payment.Settlement{
			ClaimRef: p.ClaimRef(), Outcome: payment.Outcome{State: payment.StateScheduled},
		}.Apply(p, noon)
		require.ErrorIs(t, err, payment.ErrFenced, state)
	}
}

// A lookup makes no attempt that could be completed.
func TestSettlement_OfALookupCompletesNoAttempt(t *testing.T) {
	t.Parallel()
	p := inState(t, payment.StateUnresolved)
	p = pickUp(pickUpPolicy(), p, p.DueAt).Payment
	s := payment.Settlement{
		ClaimRef: p.ClaimRef(), End: attemptEnd(resultOf(payment.ClassNotCharged)),
		Outcome: payment.Outcome{State: payment.StateFailed}, Event: payment.EventReconciled,
	}
	d, err := apply(s, p, noon)
	require.NoError(t, err)
	require.Equal(t, payment.Attempt{Number: 2}, d.Payment.Attempt)
	require.Equal(t, payment.EventReconciled, d.Event.Kind)
}

// Of two outcomes of one claim, the first that was written counts.
func TestSettlement_DoesNotReplaceAnother(t *testing.T) {
	t.Parallel()
	p := claimedPayment(t)
	s := payment.Settlement{
		ClaimRef: p.ClaimRef(),
		Outcome:  payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-2"},
	}
	_, err := apply(s, settled(t, p, payment.ClassApproved, payment.StateSucceeded, noon), noon)
	require.ErrorIs(t, err, payment.ErrFenced)
}

// A worker cannot settle a payment in doubt to declined or failed.
func TestSettlement_InDoubtBecomesUnresolved(t *testing.T) {
	t.Parallel()
	for _, state := range []payment.State{payment.StateDeclined, payment.StateFailed} {
		p := renewed(t, claimedPayment(t), payment.ClassUnknownAnswered, noon)
		d, err := apply(payment.Settlement{
			ClaimRef: p.ClaimRef(), End: attemptEnd(resultOf(payment.ClassDeclined)), Outcome: payment.Outcome{State: state, DueIn: time.Second},
		}, p, noon.Add(2*time.Second))
		require.NoError(t, err)
		require.Equal(t, payment.StateUnresolved, d.Payment.State)
		require.True(t, d.Payment.Doubt.Any())
	}
}

func TestSettlement_ResetsLostWorkers(t *testing.T) {
	t.Parallel()
	p := claimedPayment(t)
	p.LostWorkers = payment.MaxLostWorkers
	require.Zero(t, settled(t, p, payment.ClassNotCharged, payment.StateScheduled, noon).LostWorkers)
}
