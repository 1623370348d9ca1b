package payment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestPayment_States(t *testing.T) {
	t.Parallel()
	tests := map[payment.State]struct{ final, roundOver, claimed bool }{
		payment.StateProcessing: {false, false, true},
		payment.StateScheduled:  {false, false, false},
		payment.StatePending:    {false, true, false},
		payment.StateSucceeded:  {true, true, false},
		payment.StateDeclined:   {true, true, false},
		payment.StateFailed:     {true, true, false},
		payment.StateUnresolved: {false, true, false},
		payment.StateAuthorized: {false, true, false},
		payment.StateVoided:     {true, true, false},
	}
	require.Len(t, tests, len(payment.States()))
	for state, test := range tests {
		p := inState(t, state)
		require.Equal(t, test.final, p.State.Final(), state)
		require.Equal(t, test.roundOver, p.RoundOver(), state)
		require.Equal(t, test.claimed, p.Claimed(noon), state)
		require.Equal(t, test.claimed, p.Claimed(noon.Add(lease-1)), state)
		require.False(t, p.Claimed(noon.Add(lease)), state)
	}
}
