package payment_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestRenewal(t *testing.T) {
	t.Parallel()
	p, now := opened(t), noon.Add(3*time.Second)
	r := payment.Renewal{
		ClaimRef: p.ClaimRef(), End: *ended(of(payment.ClassUnknownUnanswered)),
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
	want.Doubt = lost(now)
	want.DueAt, want.UpdatedAt = now.Add(time.Second+lease), now
	want.Attempt.Number, want.Attempt.StartedAt, want.Retries = 2, now.Add(time.Second), 1
	require.Equal(t, want, d.Payment)
	require.True(t, d.Payment.InBackoff(now))
	require.False(t, d.Payment.InBackoff(now.Add(time.Second)))
}

// The answer to the first write was lost: the second only holds the claim for longer.
func TestARepeatedRenewal(t *testing.T) {
	t.Parallel()
	for _, next := range []bool{true, false} {
		r := payment.Renewal{
			ClaimRef: opened(t).ClaimRef(), End: *ended(of(payment.ClassUnknownAnswered)),
			Next: next, Delay: time.Second, Lease: lease,
		}
		first, err := apply(r, opened(t), noon)
		require.NoError(t, err)
		second, err := apply(r, first.Payment, noon.Add(time.Minute))
		require.NoError(t, err)
		require.Nil(t, second.PriorAttempt)
		want := first.Payment
		want.DueAt, want.UpdatedAt = noon.Add(time.Minute+time.Second+lease), noon.Add(time.Minute)
		require.Equal(t, want, second.Payment)
	}
}

func TestARenewalForALookup(t *testing.T) {
	t.Parallel()
	p := opened(t)
	r := payment.Renewal{ClaimRef: p.ClaimRef(), End: *ended(of(payment.ClassNotCharged)), Lease: lease}
	d, err := apply(r, p, noon.Add(time.Second))
	require.NoError(t, err)
	require.Nil(t, d.PriorAttempt)
	require.Equal(t, 1, d.Payment.Attempt.Number)
	require.Equal(t, payment.ClassNotCharged, d.Payment.Attempt.Class)
	require.Equal(t, noon.Add(time.Second+lease), d.Payment.DueAt)
}

func TestSettlement(t *testing.T) {
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
			payment.ClassUnknownAnswered, now.Add(time.Minute), overDoubt(now),
		},
		payment.StateUnresolved: {
			payment.ClassUnknownUnanswered, now.Add(time.Minute), lost(now),
		},
	}
	for state, test := range tests {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			p := opened(t)
			s := payment.Settlement{
				ClaimRef: p.ClaimRef(), End: ended(of(test.class)),
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
			requireUntouched(t, d.Payment, again)
		})
	}
}

func TestASettlementIsTold(t *testing.T) {
	t.Parallel()
	p := opened(t)
	p.Async, p.DeferredRetries = true, 1
	s := payment.Settlement{
		ClaimRef: p.ClaimRef(), End: ended(of(payment.ClassNotCharged)), Event: payment.EventScheduled, DeferredRetry: true,
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

// A backoff that a stop cuts short: the attempt after it was only planned.
func TestSettlingABackoff(t *testing.T) {
	t.Parallel()
	p := renewed(t, opened(t), payment.ClassUnknownAnswered, noon)
	s := payment.Settlement{ClaimRef: p.ClaimRef(), Outcome: payment.Outcome{State: payment.StateScheduled}}
	d, err := apply(s, p, noon)
	require.NoError(t, err)
	require.Equal(t, payment.Attempt{Number: 2}, d.Payment.Attempt)
	require.Equal(t, overDoubt(noon), d.Payment.Doubt)
	require.Equal(t, 1, d.Payment.Attempts())
}

// The renewal was stored, its answer was lost, and its worker gave up: the end that it
// reports belongs to the attempt before the one that was planned.
func TestSettlingAfterALostRenewal(t *testing.T) {
	t.Parallel()
	before := opened(t)
	after := renewed(t, before, payment.ClassNotCharged, noon)
	s := payment.Settlement{
		ClaimRef: before.ClaimRef(), End: ended(of(payment.ClassNotCharged)),
		Outcome: payment.Outcome{State: payment.StateScheduled},
	}
	d, err := apply(s, after, noon)
	require.NoError(t, err)
	require.Equal(t, payment.Attempt{Number: 2}, d.Payment.Attempt)
}

// An end that is on record already is not written again, and a doubt is never settled as failed.
func TestSettlingAfterALookup(t *testing.T) {
	t.Parallel()
	p := opened(t)
	r := payment.Renewal{ClaimRef: p.ClaimRef(), End: *ended(of(payment.ClassUnknownAnswered)), Lease: lease}
	d, err := apply(r, p, noon)
	require.NoError(t, err)
	p = d.Payment
	s := payment.Settlement{ClaimRef: p.ClaimRef(), Outcome: payment.Outcome{State: payment.StateFailed}}
	d, err = apply(s, p, noon)
	require.NoError(t, err)
	require.Equal(t, p.Attempt, d.Payment.Attempt)
	require.True(t, d.Payment.Doubt.Any(), "only a proof ends a doubt")
	require.Equal(t, payment.StateUnresolved, d.Payment.State)
}

// Whatever happened to a payment since a claim on it was lost, its holder writes nothing.
func TestFencing(t *testing.T) {
	t.Parallel()
	expired := noon.Add(lease)
	lost := opened(t)
	takenOver := decide(ask(t, "key-2"), lost, expired).Payment
	failed := settled(t, lost, payment.ClassNotCharged, payment.StateFailed, noon)
	unresolved := settled(t, lost, payment.ClassUnknownAnswered, payment.StateUnresolved, noon)
	resolved, err := payment.Resolution{
		Outcome: payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-9"}, By: "ada",
	}.Apply(unresolved, expired)
	require.NoError(t, err)

	for name, p := range map[string]payment.Payment{
		"taken over":            takenOver,
		"settled by another":    settled(t, takenOver, payment.ClassApproved, payment.StateSucceeded, expired),
		"settled alike":         settled(t, takenOver, payment.ClassDeclined, payment.StateDeclined, expired),
		"scheduled after it":    decide(later(t, "key-2"), failed, noon).Payment,
		"failed before":         failed,
		"unresolved before":     unresolved,
		"looked up after it":    pickUp(terms(), unresolved, unresolved.DueAt).Payment,
		"resolved by a person":  resolved.Payment,
		"claimed after its end": decide(ask(t, "key-2"), failed, noon).Payment,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := payment.Renewal{ClaimRef: lost.ClaimRef(), End: *ended(of(payment.ClassNotCharged)), Lease: lease}
			d, err := apply(r, p, expired)
			require.ErrorIs(t, err, payment.ErrFenced)
			require.Equal(t, payment.Decision{}, d)
			s := payment.Settlement{
				ClaimRef: lost.ClaimRef(), End: ended(of(payment.ClassDeclined)),
				Outcome: payment.Outcome{State: payment.StateDeclined},
			}
			d, err = apply(s, p, expired)
			require.ErrorIs(t, err, payment.ErrFenced)
			require.Equal(t, payment.Decision{}, d)
		})
	}
}

// What has come to an end is nobody's claim.
func TestAKnownPaymentIsNotHeld(t *testing.T) {
	t.Parallel()
	for _, state := range payment.States() {
		if !state.Final() {
			continue
		}
		p := in(t, state)
		_, err := payment.Renewal{ClaimRef: p.ClaimRef(), End: *ended(of(payment.ClassNotCharged))}.Apply(p, noon)
		require.ErrorIs(t, err, payment.ErrFenced, state)
		_, err = payment.Settlement{
			ClaimRef: p.ClaimRef(), Outcome: payment.Outcome{State: payment.StateScheduled},
		}.Apply(p, noon)
		require.ErrorIs(t, err, payment.ErrFenced, state)
	}
}

// A lookup makes no attempt: there is none that could end.
func TestSettlingALookup(t *testing.T) {
	t.Parallel()
	p := in(t, payment.StateUnresolved)
	p = pickUp(terms(), p, p.DueAt).Payment
	s := payment.Settlement{
		ClaimRef: p.ClaimRef(), End: ended(of(payment.ClassNotCharged)),
		Outcome: payment.Outcome{State: payment.StateFailed}, Event: payment.EventReconciled,
	}
	d, err := apply(s, p, noon)
	require.NoError(t, err)
	require.Equal(t, payment.Attempt{Number: 2}, d.Payment.Attempt)
	require.Equal(t, payment.EventReconciled, d.Event.Kind)
}

// Two outcomes of one claim: the first that was written counts.
func TestASettlementDoesNotReplaceAnother(t *testing.T) {
	t.Parallel()
	p := opened(t)
	s := payment.Settlement{
		ClaimRef: p.ClaimRef(),
		Outcome:  payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-2"},
	}
	_, err := apply(s, settled(t, p, payment.ClassApproved, payment.StateSucceeded, noon), noon)
	require.ErrorIs(t, err, payment.ErrFenced)
}

func TestAGatewaysCodeIsMadeFit(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"card_declined":          "card_declined",
		"":                       "",
		"do not honour":          "do_not_honour",
		"é\n":                    "___",
		strings.Repeat("c", 100): strings.Repeat("c", payment.MaxCodeBytes),
	} {
		p := opened(t)
		s := payment.Settlement{
			ClaimRef: p.ClaimRef(), End: ended(payment.Result{Class: payment.ClassDeclined, Code: code}),
			Outcome: payment.Outcome{State: payment.StateDeclined, Code: code},
		}
		d, err := apply(s, p, noon)
		require.NoError(t, err)
		require.Equal(t, want, d.Payment.Code)
		require.Equal(t, want, d.Payment.Attempt.Code)
	}
}
