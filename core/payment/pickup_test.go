package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func pickUpPolicy() payment.PickUpPolicy {
	return payment.PickUpPolicy{
		Replica: "replica-q", Lease: lease, Rules: rules(),
		NewKey: func() payment.GatewayKey { return "key-q" },
	}
}

func TestPickUp_ByState(t *testing.T) {
	t.Parallel()
	tests := map[payment.State]payment.Verdict{
		payment.StateProcessing: payment.VerdictClaimed,
		payment.StateScheduled:  payment.VerdictClaimed,
		payment.StatePending:    payment.VerdictLookUp,
		payment.StateAuthorized: payment.VerdictLookUp,
		payment.StateVoided:     payment.VerdictNotDue,
		payment.StateUnresolved: payment.VerdictLookUp,
		payment.StateSucceeded:  payment.VerdictNotDue,
		payment.StateDeclined:   payment.VerdictNotDue,
		payment.StateFailed:     payment.VerdictNotDue,
	}
	for _, state := range payment.States() {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			p, want := inState(t, state), tests[state]
			if want == payment.VerdictNotDue {
				requireUnchanged(t, p, pickUp(pickUpPolicy(), p, noon.Add(1000*time.Hour)))
				p.DueAt = noon // no decision leaves it so
				d := pickUp(pickUpPolicy(), p, noon.Add(time.Hour))
				require.Equal(t, want, d.Verdict)
				requireUnchanged(t, p, d)
				return
			}
			d := pickUp(pickUpPolicy(), p, p.DueAt.Add(-1))
			require.Equal(t, payment.VerdictNotDue, d.Verdict)
			requireUnchanged(t, p, d)
			d = pickUp(pickUpPolicy(), p, p.DueAt)
			require.Equal(t, want, d.Verdict)
			require.True(t, d.Write)
		})
	}
}

func TestPickUp_ClaimsForTheQueue(t *testing.T) {
	t.Parallel()
	p := scheduledPayment(t)
	d := pickUp(pickUpPolicy(), p, noon)
	requireClaim(t, p, d, "replica-q", "key-1", noon)
	require.True(t, d.Payment.Async, "no caller has the outcome yet")
	require.Nil(t, d.Event, "the attempts record it already")

	p = d.Payment
	d = pickUp(pickUpPolicy(), p, p.DueAt)
	requireClaim(t, p, d, "replica-q", "key-1", p.DueAt)
	require.Equal(t, 1, d.Payment.LostWorkers)
	require.Equal(t, payment.EventTakenOver, d.Event.Kind)
}

// The payment stays unresolved during a lookup, so that a lost worker cannot lead to a charge.
func TestPickUp_ClaimsForALookup(t *testing.T) {
	t.Parallel()
	p := inState(t, payment.StateUnresolved)
	want := p
	d := pickUp(pickUpPolicy(), p, p.DueAt)
	require.Equal(t, &p.Attempt, d.PriorAttempt)
	require.Nil(t, d.Event)
	want.Fence, want.Replica, want.Lookups = 2, "replica-q", 1
	want.DueAt, want.UpdatedAt = p.DueAt.Add(10*time.Second), p.DueAt
	want.Attempt = payment.Attempt{Number: 2}
	require.Equal(t, want, d.Payment)

	p = d.Payment
	d = pickUp(pickUpPolicy(), p, p.DueAt)
	require.Nil(t, d.PriorAttempt, "a lookup is no attempt")
	require.Equal(t, 2, d.Payment.Lookups)
}

func TestPickUp_LookupIntervalDoubles(t *testing.T) {
	t.Parallel()
	p := inState(t, payment.StateUnresolved)
	var intervals []time.Duration
	for range 10 {
		now := p.DueAt
		p = pickUp(pickUpPolicy(), p, now).Payment
		intervals = append(intervals, p.DueAt.Sub(now))
	}
	require.Equal(t, []time.Duration{
		10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second,
		320 * time.Second, 640 * time.Second, 15 * time.Minute, 15 * time.Minute, 15 * time.Minute,
	}, intervals)
}

func TestPickUp_QuarantinesAfterLostWorkers(t *testing.T) {
	t.Parallel()
	p := pickUp(pickUpPolicy(), scheduledPayment(t), noon).Payment
	for n := 1; n <= payment.MaxLostWorkers; n++ {
		p = pickUp(pickUpPolicy(), p, p.DueAt).Payment
		require.Equal(t, n, p.LostWorkers)
		require.Equal(t, payment.StateProcessing, p.State)
	}
	now := p.DueAt
	d := pickUp(pickUpPolicy(), p, now)
	got := d.Payment
	require.Equal(t, payment.VerdictQuarantined, d.Verdict)
	require.True(t, d.Write)
	require.Equal(t, payment.StateUnresolved, got.State)
	require.Equal(t, p.Fence+1, got.Fence)
	require.Equal(t, "replica-q", got.Replica)
	require.Equal(t, now.Add(5*time.Second), got.DueAt)
	require.Zero(t, got.LostWorkers)
	require.Zero(t, got.Lookups)
	require.Equal(t, doubtUnanswered(now), got.Doubt)
	require.Equal(t, payment.ClassUnknownUnanswered, d.PriorAttempt.Class)
	require.Equal(t, payment.Attempt{Number: p.Attempt.Number + 1}, got.Attempt)
	require.Equal(t, payment.EventQuarantined, d.Event.Kind)
	require.Equal(t, "quarantined: 6 workers in a row did not finish it", got.Reason)
	require.Equal(t, got.Reason, d.Event.Detail)
}

// A request for a quarantined payment charges it again.
func TestClaim_OfQuarantinedPaymentCharges(t *testing.T) {
	t.Parallel()
	p := claimedPayment(t)
	p.LostWorkers = payment.MaxLostWorkers
	p = pickUp(pickUpPolicy(), p, p.DueAt).Payment
	require.Equal(t, payment.StateUnresolved, p.State)
	require.Equal(t, payment.VerdictClaimed, decide(claimRequest(t, "key-2"), p, p.UpdatedAt).Verdict)
}

// A worker that lost its claim before its attempt may be alive and begin it.
func TestPickUp_QuarantinesInBackoff(t *testing.T) {
	t.Parallel()
	p := renewed(t, claimedPayment(t), payment.ClassNotCharged, noon)
	p.DueAt, p.LostWorkers = noon, payment.MaxLostWorkers
	d := pickUp(pickUpPolicy(), p, noon)
	require.Equal(t, payment.VerdictQuarantined, d.Verdict)
	require.Nil(t, d.PriorAttempt)
	require.Equal(t, doubtUnanswered(p.Attempt.StartedAt.Add(lease)), d.Payment.Doubt)
	require.Equal(t, payment.Attempt{Number: 2}, d.Payment.Attempt)
}

func TestPickUpKey_ByStateAndKey(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	now := noon.Add(time.Hour)
	tests := map[string]struct {
		state payment.State
		key   payment.Key
		want  payment.Verdict
		due   time.Time
	}{
		"not due":                {payment.StateFailed, payment.Key{DueAt: now.Add(1)}, payment.VerdictNotDue, now.Add(1)},
		"never due":              {payment.StateFailed, payment.Key{}, payment.VerdictNotDue, time.Time{}},
		"due":                    {payment.StateFailed, payment.Key{DueAt: now}, payment.VerdictLookUp, now.Add(10 * time.Second)},
		"due too far ahead":      {payment.StateFailed, payment.Key{DueAt: now.Add(week)}, payment.VerdictLookUp, now.Add(10 * time.Second)},
		"scheduled meanwhile":    {payment.StateScheduled, payment.Key{DueAt: now}, payment.VerdictLookUp, now.Add(10 * time.Second)},
		"the charge is recorded": {payment.StateSucceeded, payment.Key{DueAt: now}, payment.VerdictWritten, time.Time{}},
		"left, and succeeded":    {payment.StateSucceeded, payment.Key{Key: "key-0", DueAt: now}, payment.VerdictLookUp, now.Add(10 * time.Second)},
		"unresolved":             {payment.StateUnresolved, payment.Key{DueAt: now}, payment.VerdictWritten, time.Time{}},
		"closed":                 {payment.StateFailed, payment.Key{DueAt: now, Closed: payment.ClosedAbsent}, payment.VerdictWritten, time.Time{}},
		"closed, and watched":    {payment.StateFailed, payment.Key{DueAt: now, Closed: payment.ClosedPerson, WatchUntil: now.Add(1)}, payment.VerdictLookUp, now.Add(10 * time.Second)},
		"watched for so long":    {payment.StateFailed, payment.Key{DueAt: now, Closed: payment.ClosedPerson, WatchUntil: now}, payment.VerdictWritten, time.Time{}},
		"left, being charged":    {payment.StateProcessing, payment.Key{Key: "key-0", DueAt: now}, payment.VerdictLookUp, now.Add(10 * time.Second)},
		"the longest interval":   {payment.StateFailed, payment.Key{DueAt: now, Lookups: 50}, payment.VerdictLookUp, now.Add(15 * time.Minute)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := inState(t, test.state)
			if test.key.Key == "" {
				test.key.Key = "key-1"
			}
			p.Keys = []payment.Key{test.key}
			d := pickUpKey(pickUpPolicy(), p, test.key.Key, now)
			require.Equal(t, test.want, d.Verdict)
			require.Equal(t, test.due, d.Payment.Keys[0].DueAt)
			require.Equal(t, test.want == payment.VerdictLookUp, d.LookUp == test.key.Key)
		})
	}
}

// Moments of a key that lie in the future of a clock are replaced when it is picked up.
func TestPickUpKey_ClampsFutureTimes(t *testing.T) {
	t.Parallel()
	p, due := failedByLookup(t)
	now := due.Add(-2 * time.Hour) // the database's clock has stepped back
	p.Keys[0].DueAt = now
	on := pickUpPolicy()
	on.Worker = due
	d := on.PickUpKey(p, "key-1", now)
	require.Equal(t, payment.VerdictLookUp, d.Verdict)
	require.Equal(t, payment.Instant{DB: now, Worker: due.Add(-late)}, d.Keys[0].Look)
	require.True(t, d.Write)
	require.Equal(t, now, d.Payment.KeySent.DB)
	require.Equal(t, now, d.Payment.Doubt.Latest.DB)
}

// The due time of a key never changes a payment in state processing: its worker, or the takeover, looks
// the key up.
func TestPickUpKey_LeavesClaimedPaymentAlone(t *testing.T) {
	t.Parallel()
	p := claimedPayment(t)
	p.Keys = []payment.Key{{Key: "key-1", DueAt: noon, WatchUntil: noon.Add(time.Hour)}}
	for _, now := range []time.Time{noon, noon.Add(lease), noon.Add(time.Hour)} {
		d := pickUpKey(pickUpPolicy(), p, "key-1", now)
		require.Equal(t, payment.VerdictWritten, d.Verdict)
		require.Equal(t, now.Add(5*time.Second), d.Keys[0].DueAt)
	}
	held := inState(t, payment.StateFailed)
	held.Fence, held.Attempt = p.Fence, p.Attempt // a fence from before its claim, which no store would have
	l := lookupRecord(rules(), held, payment.FoundNothing, at(noon.Add(time.Hour)))
	d, err := l.Apply(p, noon.Add(time.Hour))
	require.NoError(t, err)
	require.False(t, d.Write)
	require.Equal(t, p.Attempt, d.Payment.Attempt, "the running attempt is unchanged")
	require.Equal(t, payment.StateProcessing, d.Payment.State)
}
