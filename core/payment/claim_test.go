package payment_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestOpen(t *testing.T) {
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
	}, open(ask(t, "key-1"), noon))
	require.Equal(t, payment.Payment{
		OrderID: "order-1", Money: money, State: payment.StateScheduled, GatewayKey: "key-1",
		Replica: "replica-a", DueAt: noon, Attempt: payment.Attempt{Number: 1}, Async: true,
		CreatedAt: noon, UpdatedAt: noon,
	}, open(later(t, "key-1"), noon))
}

// The table of what is known of an order, and what a request for it comes to.
func TestDecide(t *testing.T) {
	t.Parallel()
	const (
		claimed  = payment.VerdictClaimed
		busy     = payment.VerdictBusy
		replay   = payment.VerdictReplay
		accepted = payment.VerdictAccepted
	)
	soon, expired := noon.Add(10*time.Second), noon.Add(lease)
	tests := map[string]struct {
		state payment.State
		now   time.Time
		ask   payment.Verdict // for a request to charge now
		later payment.Verdict // for one to be accepted
		write bool            // of both that are not refused
		key   payment.GatewayKey
	}{
		"succeeded":           {payment.StateSucceeded, soon, replay, replay, false, "key-1"},
		"processing, alive":   {payment.StateProcessing, soon, busy, accepted, false, "key-1"},
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
			p := in(t, test.state)

			d := decide(ask(t, "key-2"), p, test.now)
			require.Equal(t, test.ask, d.Verdict)
			require.Equal(t, test.write, d.Write)
			if d.Write {
				requireClaim(t, p, d, "replica-a", test.key, test.now)
			} else {
				requireUntouched(t, p, d)
			}

			d = decide(later(t, "key-2"), p, test.now)
			require.Equal(t, test.later, d.Verdict)
			if p.State == payment.StateProcessing || p.State == payment.StateScheduled || !test.write {
				requireUntouched(t, p, d)
			} else {
				requireScheduled(t, p, d, test.key, test.now)
			}

			for _, other := range []payment.Money{amountOf(t, "100.01", "USD"), amountOf(t, "100", "EUR")} {
				a := ask(t, "key-2")
				a.Money = other
				requireRefused(t, p, decide(a, p, test.now), test.now)
				a.Deferred = true
				requireRefused(t, p, decide(a, p, test.now), test.now)
			}
		})
	}
}

// requireClaim fails where d does not make p the replica's, for a round of its own.
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
	require.Equal(t, p.Attempts() > 0, d.PriorAttempt != nil, "what has begun is kept")
}

// requireScheduled fails where d does not hand p to the queue.
func requireScheduled(t *testing.T, p payment.Payment, d payment.Decision, key payment.GatewayKey, now time.Time) {
	t.Helper()
	require.True(t, d.Write)
	got := d.Payment
	require.Equal(t, payment.StateScheduled, got.State)
	require.Equal(t, p.Fence, got.Fence, "it is nobody's claim")
	require.Equal(t, now, got.DueAt)
	require.Equal(t, now, got.UpdatedAt)
	require.Equal(t, key, got.GatewayKey)
	require.True(t, got.Async)
	require.Empty(t, got.Code)
	require.Empty(t, got.Reason)
	require.Equal(t, payment.Attempt{Number: 2}, got.Attempt)
	require.Equal(t, &p.Attempt, d.PriorAttempt)
	require.Equal(t, payment.EventScheduled, d.Event.Kind)
	require.Equal(t, p.State == payment.StateUnresolved, got.Doubt.Any(), "a doubt stays until an answer")
}

// requireRefused fails where d changes more than the history.
func requireRefused(t *testing.T, p payment.Payment, d payment.Decision, now time.Time) {
	t.Helper()
	require.Equal(t, payment.VerdictMismatch, d.Verdict)
	require.True(t, d.Write)
	require.Nil(t, d.PriorAttempt)
	require.Equal(t, payment.EventRefused, d.Event.Kind)
	require.Equal(t, 1, d.Event.Number)
	require.Equal(t, now, d.Event.At)
	require.Contains(t, d.Event.Detail, "the order has 100.00 USD")
	p.Events, p.UpdatedAt = 1, now
	require.Equal(t, p, d.Payment)
}

func TestRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	p, a := opened(t), ask(t, "key-2")
	a.Money = amountOf(t, "1", "USD")
	for n := 1; n <= payment.MaxRefusals; n++ {
		d := decide(a, p, noon)
		require.Equal(t, n, d.Event.Number)
		p = d.Payment
	}
	d := decide(a, p, noon)
	require.Equal(t, payment.VerdictMismatch, d.Verdict)
	requireUntouched(t, p, d)
}

func TestTakeover(t *testing.T) {
	t.Parallel()
	expired := noon.Add(lease)
	b := ask(t, "key-2")
	b.Replica = "replica-b"

	d := decide(b, opened(t), expired)
	requireClaim(t, opened(t), d, "replica-b", "key-1", expired)
	require.Equal(t, lost(expired), d.Payment.Doubt)
	require.Equal(t, payment.ClassUnknownUnanswered, d.PriorAttempt.Class)
	require.True(t, d.PriorAttempt.EndedAt.IsZero(), "nobody saw its end")
	require.Contains(t, d.PriorAttempt.Message, "interrupted")
	require.Equal(t, &payment.Event{
		Number: 1, Kind: payment.EventTakenOver, At: expired, Replica: "replica-b", Fence: 2,
		Detail: "the claim of replica-a had expired",
	}, d.Event)
}

// The lease of a silent replica can be ended before its backoff is over. The attempt that
// was planned was not made; but its worker may be alive, and make it yet.
func TestTakeoverInBackoff(t *testing.T) {
	t.Parallel()
	p := renewed(t, opened(t), payment.ClassNotCharged, noon)
	require.True(t, p.InBackoff(noon))
	p.DueAt = noon
	d := decide(ask(t, "key-2"), p, noon)
	require.Equal(t, payment.VerdictClaimed, d.Verdict)
	require.Nil(t, d.PriorAttempt)
	require.Equal(t, 2, d.Payment.Attempt.Number)
	require.Equal(t, lost(p.Attempt.StartedAt.Add(lease)), d.Payment.Doubt)
}

// An attempt whose end is on record is not called interrupted.
func TestTakeoverBeforeALookup(t *testing.T) {
	t.Parallel()
	r := payment.Renewal{
		ClaimRef: opened(t).ClaimRef(), End: *ended(of(payment.ClassUnknownAnswered)), Lease: lease,
	}
	d, err := apply(r, opened(t), noon)
	require.NoError(t, err)
	p := d.Payment
	d = decide(ask(t, "key-2"), p, p.DueAt)
	require.Equal(t, p.Attempt, *d.PriorAttempt)
	require.Equal(t, overDoubt(noon), d.Payment.Doubt)
}

// The reconciler begins anew with a payment that becomes unresolved again.
func TestAClaimForgetsTheLookups(t *testing.T) {
	t.Parallel()
	p := in(t, payment.StateUnresolved)
	p = pickUp(terms(), p, p.DueAt).Payment
	require.Equal(t, 1, p.Lookups)
	require.Zero(t, decide(ask(t, "key-2"), p, noon).Payment.Lookups)
	require.Zero(t, decide(later(t, "key-2"), p, noon).Payment.Lookups)
}

// A caller that waits is told how the payment ends: nothing is charged later behind it.
func TestAClaimByARequestIsNotAsync(t *testing.T) {
	t.Parallel()
	p := accepted(t)
	p.DeferredRetries, p.LostWorkers = 2, 3
	got := decide(ask(t, "key-2"), p, noon).Payment
	require.False(t, got.Async)
	require.Zero(t, got.DeferredRetries)
	require.Zero(t, got.LostWorkers)
}

func TestAMessageIsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ message, want string }{
		"short":      {"no", "no"},
		"just fits":  {strings.Repeat("a", 500), strings.Repeat("a", 500)},
		"one over":   {strings.Repeat("a", 501), strings.Repeat("a", 500)},
		"two bytes":  {"a" + strings.Repeat("ж", 250), "a" + strings.Repeat("ж", 249)},
		"four bytes": {"ab" + strings.Repeat("🧾", 125), "ab" + strings.Repeat("🧾", 124)},
		"not UTF-8":  {"a\xffb", "a\uFFFDb"},
		"never was":  {strings.Repeat("\x80", 1000), "\uFFFD"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := payment.Settlement{
				ClaimRef: opened(t).ClaimRef(),
				End:      ended(payment.Result{Class: payment.ClassDeclined, Message: test.message}),
				Outcome:  payment.Outcome{State: payment.StateDeclined, Reason: test.message},
			}
			d, err := apply(s, opened(t), noon)
			require.NoError(t, err)
			require.Equal(t, test.want, d.Payment.Attempt.Message)
			require.Equal(t, test.want, d.Payment.Reason)
		})
	}
}
