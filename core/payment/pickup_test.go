package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"paymentd/core/payment"
)

func terms() payment.PickUpPolicy {
	return payment.PickUpPolicy{
		Replica: "replica-q", Lease: lease, Rules: rules(),
		NewKey: func() payment.GatewayKey { return "key-q" },
	}
}

func TestPickUp(t *testing.T) {
	t.Parallel()
	tests := map[payment.State]payment.Verdict{
		payment.StateProcessing: payment.VerdictClaimed,
		payment.StateScheduled:  payment.VerdictClaimed,
		payment.StateUnresolved: payment.VerdictLookUp,
		payment.StateSucceeded:  payment.VerdictNotDue,
		payment.StateDeclined:   payment.VerdictNotDue,
		payment.StateFailed:     payment.VerdictNotDue,
	}
	for _, state := range payment.States() {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			p, want := in(t, state), tests[state]
			if want == payment.VerdictNotDue {
				requireUntouched(t, p, pickUp(terms(), p, noon.Add(1000*time.Hour)))
				p.DueAt = noon // as no decision leaves it
				d := pickUp(terms(), p, noon.Add(time.Hour))
				require.Equal(t, want, d.Verdict)
				requireUntouched(t, p, d)
				return
			}
			d := pickUp(terms(), p, p.DueAt.Add(-1))
			require.Equal(t, payment.VerdictNotDue, d.Verdict)
			requireUntouched(t, p, d)
			d = pickUp(terms(), p, p.DueAt)
			require.Equal(t, want, d.Verdict)
			require.True(t, d.Write)
		})
	}
}

func TestTheQueueClaims(t *testing.T) {
	t.Parallel()
	p := accepted(t)
	d := pickUp(terms(), p, noon)
	requireClaim(t, p, d, "replica-q", "key-1", noon)
	require.True(t, d.Payment.Async, "nobody has been told yet")
	require.Nil(t, d.Event, "what follows from the attempts is not stored twice")

	p = d.Payment
	d = pickUp(terms(), p, p.DueAt)
	requireClaim(t, p, d, "replica-q", "key-1", p.DueAt)
	require.Equal(t, 1, d.Payment.LostWorkers)
	require.Equal(t, payment.EventTakenOver, d.Event.Kind)
}

// While the gateway is asked the payment is unresolved: whoever dies over it, nothing charges.
func TestTheReconcilerClaims(t *testing.T) {
	t.Parallel()
	p := in(t, payment.StateUnresolved)
	want := p
	d := pickUp(terms(), p, p.DueAt)
	require.Equal(t, &p.Attempt, d.PriorAttempt)
	require.Nil(t, d.Event)
	want.Fence, want.Replica, want.Lookups = 2, "replica-q", 1
	want.DueAt, want.UpdatedAt = p.DueAt.Add(10*time.Second), p.DueAt
	want.Attempt = payment.Attempt{Number: 2}
	require.Equal(t, want, d.Payment)

	p = d.Payment
	d = pickUp(terms(), p, p.DueAt)
	require.Nil(t, d.PriorAttempt, "a lookup is no attempt")
	require.Equal(t, 2, d.Payment.Lookups)
}

func TestLookupsComeAtGrowingIntervals(t *testing.T) {
	t.Parallel()
	p := in(t, payment.StateUnresolved)
	var intervals []time.Duration
	for range 10 {
		now := p.DueAt
		p = pickUp(terms(), p, now).Payment
		intervals = append(intervals, p.DueAt.Sub(now))
	}
	require.Equal(t, []time.Duration{
		10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second,
		320 * time.Second, 640 * time.Second, 15 * time.Minute, 15 * time.Minute, 15 * time.Minute,
	}, intervals)
}

func TestALookupIntervalIsWithinItsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, on := in(t, payment.StateUnresolved), terms()
		on.Rules.LookupFirst = time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "first"))
		on.Rules.LookupMax = on.Rules.LookupFirst + time.Duration(rapid.Int64Range(0, int64(100*time.Hour)).Draw(t, "more"))
		p.Lookups = rapid.IntRange(0, 1_000_000).Draw(t, "lookups")
		interval := pickUp(on, p, p.DueAt).Payment.DueAt.Sub(p.DueAt)
		require.GreaterOrEqual(t, interval, on.Rules.LookupFirst)
		require.LessOrEqual(t, interval, on.Rules.LookupMax)
	})
}

func TestSettingAside(t *testing.T) {
	t.Parallel()
	p := pickUp(terms(), accepted(t), noon).Payment
	for n := 1; n <= payment.MaxLostWorkers; n++ {
		p = pickUp(terms(), p, p.DueAt).Payment
		require.Equal(t, n, p.LostWorkers)
		require.Equal(t, payment.StateProcessing, p.State)
	}
	now := p.DueAt
	d := pickUp(terms(), p, now)
	got := d.Payment
	require.Equal(t, payment.VerdictQuarantined, d.Verdict)
	require.True(t, d.Write)
	require.Equal(t, payment.StateUnresolved, got.State)
	require.Equal(t, p.Fence+1, got.Fence)
	require.Equal(t, "replica-q", got.Replica)
	require.Equal(t, now.Add(5*time.Second), got.DueAt)
	require.Zero(t, got.LostWorkers)
	require.Zero(t, got.Lookups)
	require.Equal(t, lost(now), got.Doubt)
	require.Equal(t, payment.ClassUnknownUnanswered, d.PriorAttempt.Class)
	require.Equal(t, payment.Attempt{Number: p.Attempt.Number + 1}, got.Attempt)
	require.Equal(t, payment.EventQuarantined, d.Event.Kind)
	require.Equal(t, "set aside: 6 workers in a row did not finish it", got.Reason)
	require.Equal(t, got.Reason, d.Event.Detail)
}

// A person may still ask for it, and then it is charged again.
func TestARequestForAPaymentSetAside(t *testing.T) {
	t.Parallel()
	p := opened(t)
	p.LostWorkers = payment.MaxLostWorkers
	p = pickUp(terms(), p, p.DueAt).Payment
	require.Equal(t, payment.StateUnresolved, p.State)
	require.Equal(t, payment.VerdictClaimed, decide(ask(t, "key-2"), p, p.UpdatedAt).Verdict)
}

// A worker that fell silent before its attempt may be alive, and begin it yet.
func TestSettingAsideInBackoff(t *testing.T) {
	t.Parallel()
	p := renewed(t, opened(t), payment.ClassNotCharged, noon)
	p.DueAt, p.LostWorkers = noon, payment.MaxLostWorkers
	d := pickUp(terms(), p, noon)
	require.Equal(t, payment.VerdictQuarantined, d.Verdict)
	require.Nil(t, d.PriorAttempt)
	require.Equal(t, lost(p.Attempt.StartedAt.Add(lease)), d.Payment.Doubt)
	require.Equal(t, payment.Attempt{Number: 2}, d.Payment.Attempt)
}

// A worker that says how it went was not silent.
func TestASettlementEndsTheStrikes(t *testing.T) {
	t.Parallel()
	p := opened(t)
	p.LostWorkers = payment.MaxLostWorkers
	require.Zero(t, settled(t, p, payment.ClassNotCharged, payment.StateScheduled, noon).LostWorkers)
}
