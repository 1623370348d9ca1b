package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestAttempts_CountBegunAndPlanned(t *testing.T) {
	t.Parallel()
	require.Zero(t, payment.Payment{}.Attempts())
	p := scheduledPayment(t)
	require.Zero(t, p.Attempts(), "none has begun")
	require.False(t, p.Attempt.Begun(noon.Add(time.Hour)))

	p = claimedPayment(t)
	require.Equal(t, 1, p.Attempts())
	require.True(t, p.Attempt.Begun(noon))
	require.False(t, p.InBackoff(noon))

	p = renewed(t, p, payment.ClassNotCharged, noon)
	require.Equal(t, 2, p.Attempts(), "the next one is planned")
	require.False(t, p.Attempt.Begun(noon))
	require.True(t, p.InBackoff(noon))
	require.True(t, p.Attempt.Begun(noon.Add(time.Second)))
	require.False(t, p.InBackoff(noon.Add(time.Second)))
}

// The attempt of a lost worker counts as sent at the end of its lease, also if a clock has stepped.
func TestLostAttempt_CountsAsSentAtTheLeaseEnd(t *testing.T) {
	t.Parallel()
	retried := renewed(t, claimedPayment(t), payment.ClassUnknownAnswered, noon) // the next begins a second later
	tests := map[string]struct {
		p    payment.Payment
		now  payment.Instant
		left time.Duration
	}{
		"lease over":                 {claimedPayment(t), at(noon.Add(lease)), 0},
		"lease long over":            {claimedPayment(t), at(noon.Add(time.Hour)), 0},
		"released early":             {claimedPayment(t), at(noon.Add(time.Second)), lease - time.Second},
		"released in a backoff":      {retried, at(noon), time.Second + lease},
		"database steps forward":     {claimedPayment(t), payment.Instant{DB: noon.Add(time.Hour), Worker: noon.Add(time.Second)}, lease + 10*time.Second},
		"steps forward in a backoff": {retried, payment.Instant{DB: noon.Add(time.Hour), Worker: noon}, lease + 10*time.Second},
		"database steps back":        {claimedPayment(t), payment.Instant{DB: noon.Add(-time.Hour), Worker: noon.Add(time.Hour)}, lease + 10*time.Second},
		"another worker's clock":     {claimedPayment(t), payment.Instant{DB: noon.Add(lease), Worker: noon.Add(5 * time.Minute)}, lease + 10*time.Second},
		"two clocks a little apart":  {claimedPayment(t), payment.Instant{DB: noon.Add(lease), Worker: noon.Add(lease + time.Second)}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, a := test.p, claimRequest(t, "key-2")
			p.DueAt = test.now.DB // the replica's heartbeat is missing
			a.Worker = test.now.Worker
			d := a.Decide(p, test.now.DB)
			require.Equal(t, payment.VerdictClaimed, d.Verdict)
			until := payment.Instant{DB: test.now.DB.Add(test.left), Worker: test.now.Worker.Add(test.left)}
			require.Equal(t, until, d.Payment.Doubt.Unanswered)
		})
	}
}
