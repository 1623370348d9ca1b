package payment_test

import (
	"strings"
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
		require.Equal(t, test.known, p.State.Final(), state)
		require.Equal(t, test.ended, p.RoundOver(), state)
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

// TestWordsAreMadeFitToBeStored: whatever a gateway, a person or a machine says, what is to be written
// is valid UTF-8 without control characters, of a bounded length, and does not change when it is read
// and written again.
func TestWordsAreMadeFitToBeStored(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"no \U0001F4B8":             "no \U0001F4B8",
		"a\x00b\x1b[0m\x7f\u0085":   "a\uFFFDb\uFFFD[0m\uFFFD ",
		"two\r\nlines\tand more":    "two  lines and more",
		"cut \xf0\x9f":              "cut \uFFFD",
		"\xed\xa0\x80surrogate":     "\uFFFDsurrogate",
		strings.Repeat("\xff", 600): "\uFFFD",
		strings.Repeat("é", 300):    strings.Repeat("é", 250),
		strings.Repeat("\x00", 300): strings.Repeat("\uFFFD", 166),
	} {
		for range 2 {
			p := opened(t)
			d, err := payment.Settlement{
				ClaimRef: p.ClaimRef(),
				End:      &payment.AttemptEnd{Result: payment.Result{Class: payment.ClassDeclined, Code: "c", Message: said}},
				Outcome:  payment.Outcome{State: payment.StateDeclined, Code: "c", Reason: said},
			}.Apply(p, noon)
			require.NoError(t, err)
			require.Equal(t, want, d.Payment.Reason)
			require.Equal(t, want, d.Payment.Attempt.Message)
			said = want
		}
	}
	p := in(t, payment.StateUnresolved)
	d, err := payment.Resolution{
		OrderID: p.OrderID, By: "Zo\xeb\n", Outcome: payment.Outcome{State: payment.StateFailed, Reason: "a\x00"},
	}.Apply(p, noon)
	require.NoError(t, err)
	require.Equal(t, "Zo\uFFFD ", d.Event.Replica)
	require.Equal(t, "failed: a\uFFFD", d.Event.Detail)
}
