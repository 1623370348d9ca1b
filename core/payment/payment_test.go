package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestWhereAPaymentStands(t *testing.T) {
	t.Parallel()
	tests := map[payment.State]struct{ known, ended, claimed bool }{
		payment.StateProcessing: {false, false, true},
		payment.StateScheduled:  {false, false, false},
		payment.StateSucceeded:  {true, true, false},
		payment.StateDeclined:   {true, true, false},
		payment.StateFailed:     {true, true, false},
		payment.StateUnresolved: {false, true, false},
	}
	require.Len(t, tests, len(payment.States()))
	for state, test := range tests {
		p := in(t, state)
		require.Equal(t, test.known, p.State.Known(), state)
		require.Equal(t, test.ended, p.Ended(), state)
		require.Equal(t, test.claimed, p.Claimed(noon), state)
		require.Equal(t, test.claimed, p.Claimed(noon.Add(lease-1)), state)
		require.False(t, p.Claimed(noon.Add(lease)), state)
	}
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	require.Zero(t, payment.Payment{}.Attempts())
	p := accepted(t)
	require.Zero(t, p.Attempts(), "none has begun")
	require.False(t, p.Attempt.Begun(noon.Add(time.Hour)))

	p = opened(t)
	require.Equal(t, 1, p.Attempts())
	require.True(t, p.Attempt.Begun(noon))
	require.False(t, p.InBackoff(noon))

	p = renewed(t, p, payment.ClassNotCharged, noon)
	require.Equal(t, 2, p.Attempts(), "the next is about to begin")
	require.False(t, p.Attempt.Begun(noon))
	require.True(t, p.InBackoff(noon))
	require.True(t, p.Attempt.Begun(noon.Add(time.Second)))
	require.False(t, p.InBackoff(noon.Add(time.Second)))
}
