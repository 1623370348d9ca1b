package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestClaimRequest_Open(t *testing.T) {
	t.Parallel()
	money := amountOf(t, "100.00", "USD")
	require.Equal(t, payment.Payment{
		OrderID: "order-1", Money: money, State: payment.StateProcessing, GatewayKey: "key-1",
		Fence: 1, Replica: "replica-a", DueAt: noon.Add(lease),
		Attempt: payment.Attempt{
			Number: 1, Fence: 1, Replica: "replica-a", GatewayKey: "key-1", StartedAt: noon,
		},
		Gateway: "https://gateway.example", KeySent: at(noon), KeyLifetime: 24 * time.Hour,
		CreatedAt: noon, UpdatedAt: noon,
	}, open(claimRequest(t, "key-1"), noon))
	require.Equal(t, payment.Payment{
		OrderID: "order-1", Money: money, State: payment.StateScheduled, GatewayKey: "key-1",
		Replica: "replica-a", DueAt: noon, Attempt: payment.Attempt{Number: 1}, Async: true,
		CreatedAt: noon, UpdatedAt: noon,
	}, open(deferredRequest(t, "key-1"), noon))
}

// The decision about a request, by the state of the order's payment.
func TestClaimRequest_Decide(t *testing.T) {
	t.Parallel()
	const (
		claimed  = payment.VerdictClaimed
		busy     = payment.VerdictBusy
		replay   = payment.VerdictReplay
		accepted = payment.VerdictAccepted
	)
	soon, expired := noon.Add(10*time.Second), noon.Add(lease)
	tests := map[string]struct {
		state    payment.State
		now      time.Time
		charge   payment.Verdict // for a request to charge now
		deferred payment.Verdict // for a deferred request
		write    bool            // for both
		key      payment.GatewayKey
	}{
		"succeeded":           {payment.StateSucceeded, soon, replay, replay, false, "key-1"},
		"processing, claimed": {payment.StateProcessing, soon, busy, accepted, false, "key-1"},
		"processing, expired": {payment.StateProcessing, expired, claimed, accepted, true, "key-1"},
		"scheduled, not due":  {payment.StateScheduled, soon, accepted, accepted, false, "key-1"},
		"scheduled, due":      {payment.StateScheduled, expired.Add(time.Hour), claimed, accepted, true, "key-1"},
		"unresolved":          {payment.StateUnresolved, soon, claimed, accepted, true, "key-1"},
		"declined":            {payment.StateDeclined, soon, claimed, accepted, true, "key-2"},
		"failed":              {payment.StateFailed, soon, claimed, accepted, true, "key-1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := inState(t, test.state)

			d := decide(claimRequest(t, "key-2"), p, test.now)
			require.Equal(t, test.charge, d.Verdict)
			require.Equal(t, test.write, d.Write)
			if d.Write {
				requireClaim(t, p, d, "replica-a", test.key, test.now)
			} else {
				requireUnchanged(t, p, d)
			}

			d = decide(deferredRequest(t, "key-2"), p, test.now)
			require.Equal(t, test.deferred, d.Verdict)
			if p.State == payment.StateProcessing || p.State == payment.StateScheduled || !test.write {
				requireUnchanged(t, p, d)
			} else {
				requireScheduled(t, p, d, test.key, test.now)
			}

			for _, other := range []payment.Money{amountOf(t, "100.01", "USD"), amountOf(t, "100", "EUR")} {
				a := claimRequest(t, "key-2")
				a.Money = other
				requireRefused(t, p, decide(a, p, test.now), test.now)
				a.Deferred = true
				requireRefused(t, p, decide(a, p, test.now), test.now)
			}
		})
	}
}

// requireClaim fails unless d gives the replica a claim on p, with a round of its own.
func requireClaim(
	t *testing.T, p payment.Payment, d payment.Decision, replica string, key payment.GatewayKey, now time.Time,
) {
	t.Helper()
	got := d.Payment
	require.Equal(t, payment.StateProcessing, got.State)
	require.Equal(t, p.Fence+1, got.Fence)
	require.Equal(t, replica, got.Replica)
	require.Equal(t, now.Add(lease), got.DueAt)
	require.Equal(t, now, got.UpdatedAt)
	require.Equal(t, key, got.GatewayKey)
	require.Equal(t, payment.Attempt{
		Number: p.Attempts() + 1, Fence: got.Fence, Replica: replica, GatewayKey: key, StartedAt: now,
	}, got.Attempt)
	require.Empty(t, got.Code)
	require.Empty(t, got.Reason)
	require.Zero(t, got.Lookups)
	require.Equal(t, p.Money, got.Money)
	require.Equal(t, p.CreatedAt, got.CreatedAt)
	require.Equal(t, p.Attempts() > 0, d.PriorAttempt != nil, "a begun attempt is stored")
}

// requireScheduled fails unless d hands p to the queue.
func requireScheduled(t *testing.T, p payment.Payment, d payment.Decision, key payment.GatewayKey, now time.Time) {
	t.Helper()
	require.True(t, d.Write)
	got := d.Payment
	require.Equal(t, payment.StateScheduled, got.State)
	require.Equal(t, p.Fence, got.Fence, "no worker holds a claim")
	require.Equal(t, now, got.DueAt)
	require.Equal(t, now, got.UpdatedAt)
	require.Equal(t, key, got.GatewayKey)
	require.True(t, got.Async)
	require.Empty(t, got.Code)
	require.Empty(t, got.Reason)
	require.Equal(t, payment.Attempt{Number: 2}, got.Attempt)
	require.Equal(t, &p.Attempt, d.PriorAttempt)
	require.Equal(t, payment.EventScheduled, d.Event.Kind)
	require.Equal(t, p.State == payment.StateUnresolved, got.Doubt.Any(), "a doubt stays until a proof")
}

// requireRefused fails if d changes more than the history.
func requireRefused(t *testing.T, p payment.Payment, d payment.Decision, now time.Time) {
	t.Helper()
	require.Equal(t, payment.VerdictMismatch, d.Verdict)
	require.True(t, d.Write)
	require.Nil(t, d.PriorAttempt)
	require.Equal(t, payment.EventRefused, d.Event.Kind)
	require.Equal(t, 1, d.Event.Number)
	require.Equal(t, now, d.Event.At)
	require.Contains(t, d.Event.Detail, "the order is for 100.00 USD")
	p.Events, p.UpdatedAt = 1, now
	require.Equal(t, p, d.Payment)
}

func TestClaimRequest_RefusalsAreBounded(t *testing.T) {
	t.Parallel()
	p, a := claimedPayment(t), claimRequest(t, "key-2")
	a.Money = amountOf(t, "1", "USD")
	for n := 1; n <= payment.MaxRefusals; n++ {
		d := decide(a, p, noon)
		require.Equal(t, n, d.Event.Number)
		p = d.Payment
	}
	d := decide(a, p, noon)
	require.Equal(t, payment.VerdictMismatch, d.Verdict)
	requireUnchanged(t, p, d)
}

func TestClaim_TakesOverExpiredClaim(t *testing.T) {
	t.Parallel()
	expired := noon.Add(lease)
	b := claimRequest(t, "key-2")
	b.Replica = "replica-b"

	d := decide(b, claimedPayment(t), expired)
	requireClaim(t, claimedPayment(t), d, "replica-b", "key-1", expired)
	require.Equal(t, doubtUnanswered(expired), d.Payment.Doubt)
	require.Equal(t, payment.ClassUnknownUnanswered, d.PriorAttempt.Class)
	require.True(t, d.PriorAttempt.EndedAt.IsZero(), "no result was recorded")
	require.Contains(t, d.PriorAttempt.Message, "interrupted")
	require.Equal(t, &payment.Event{
		Number: 1, Kind: payment.EventTakenOver, At: expired, Replica: "replica-b", Fence: 2,
		Detail: "the claim of replica-a had expired",
	}, d.Event)
}

// A replica without a heartbeat can lose its lease during a backoff. The planned attempt has not begun,
// but a live worker may still begin it.
func TestClaim_TakesOverInBackoff(t *testing.T) {
	t.Parallel()
	p := renewed(t, claimedPayment(t), payment.ClassNotCharged, noon)
	require.True(t, p.InBackoff(noon))
	p.DueAt = noon
	d := decide(claimRequest(t, "key-2"), p, noon)
	require.Equal(t, payment.VerdictClaimed, d.Verdict)
	require.Nil(t, d.PriorAttempt)
	require.Equal(t, 2, d.Payment.Attempt.Number)
	require.Equal(t, doubtUnanswered(p.Attempt.StartedAt.Add(lease)), d.Payment.Doubt)
}

// An attempt whose result is recorded was not interrupted.
func TestClaim_TakesOverAfterRecordedResult(t *testing.T) {
	t.Parallel()
	r := payment.Renewal{
		ClaimRef: claimedPayment(t).ClaimRef(), End: *attemptEnd(resultOf(payment.ClassUnknownAnswered)), Lease: lease,
	}
	d, err := apply(r, claimedPayment(t), noon)
	require.NoError(t, err)
	p := d.Payment
	d = decide(claimRequest(t, "key-2"), p, p.DueAt)
	require.Equal(t, p.Attempt, *d.PriorAttempt)
	require.Equal(t, doubtAnswered(noon), d.Payment.Doubt)
}

// If a payment becomes unresolved again, its lookups begin anew.
func TestClaim_ResetsLookups(t *testing.T) {
	t.Parallel()
	p := inState(t, payment.StateUnresolved)
	p = pickUp(pickUpPolicy(), p, p.DueAt).Payment
	require.Equal(t, 1, p.Lookups)
	require.Zero(t, decide(claimRequest(t, "key-2"), p, noon).Payment.Lookups)
	require.Zero(t, decide(deferredRequest(t, "key-2"), p, noon).Payment.Lookups)
}

// A caller that waits receives the outcome, so nothing is charged after the response.
func TestClaim_ByRequestIsNotAsync(t *testing.T) {
	t.Parallel()
	p := scheduledPayment(t)
	p.DeferredRetries, p.LostWorkers = 2, 3
	got := decide(claimRequest(t, "key-2"), p, noon).Payment
	require.False(t, got.Async)
	require.Zero(t, got.DeferredRetries)
	require.Zero(t, got.LostWorkers)
}
