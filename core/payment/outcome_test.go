package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

var (
	noDoubt    = payment.Doubt{}
	answered   = payment.Doubt{Answered: true}
	unanswered = payment.Doubt{UnansweredAt: noon}
)

// How a round ends by its last attempt, where the attempts before left a doubt or none.
func TestOutcomeOfARound(t *testing.T) {
	t.Parallel()
	result := func(class payment.Class) payment.Result {
		return payment.Result{Class: class, TransactionID: "txn-1", Code: "code", Message: "message"}
	}
	var (
		succeeded = payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-1"}
		declined  = payment.Outcome{State: payment.StateDeclined, Code: "code", Reason: "message"}
		rejected  = payment.Outcome{
			State: payment.StateFailed, Code: payment.CodeRejected, Reason: "message",
		}
		exhausted = payment.Outcome{
			State: payment.StateFailed, Code: payment.CodeRetriesExhausted, Reason: "message",
		}
		asks = payment.Outcome{} // the gateway has to be asked
	)
	tests := map[payment.Class]struct{ without, with payment.Outcome }{
		payment.ClassApproved:          {succeeded, succeeded},
		payment.ClassDeclined:          {declined, declined},
		payment.ClassRejected:          {rejected, asks},
		payment.ClassNotCharged:        {exhausted, asks},
		payment.ClassUnknownAnswered:   {asks, asks},
		payment.ClassUnknownUnanswered: {asks, asks},
		"":                             {asks, asks}, // no attempt was made
	}
	for class, test := range tests {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			o, sure := result(class).Outcome(noDoubt)
			require.Equal(t, test.without, o)
			require.Equal(t, test.without != asks, sure)
			for _, doubt := range []payment.Doubt{answered, unanswered} {
				o, sure = result(class).Outcome(doubt)
				require.Equal(t, test.with, o)
				require.Equal(t, test.with != asks, sure)
			}
		})
	}
}

// What the gateway's word on a key makes of a payment. Never a guess: what is not known,
// and what may still arrive, is unresolved.
func TestOutcomeOfALookup(t *testing.T) {
	t.Parallel()
	tests := map[payment.Finding]struct {
		now, lingering payment.State
		code           string
	}{
		payment.FoundApproved:   {payment.StateSucceeded, payment.StateSucceeded, ""},
		payment.FoundDeclined:   {payment.StateDeclined, payment.StateDeclined, "code"},
		payment.FoundNothing:    {payment.StateFailed, payment.StateUnresolved, payment.CodeRetriesExhausted},
		payment.FoundProcessing: {payment.StateUnresolved, payment.StateUnresolved, ""},
		payment.FoundNoAnswer:   {payment.StateUnresolved, payment.StateUnresolved, ""},
	}
	for finding, test := range tests {
		t.Run(string(finding), func(t *testing.T) {
			t.Parallel()
			l := payment.Lookup{Finding: finding, TransactionID: "txn-1", Code: "code", Message: "message"}
			o := l.Outcome(false)
			require.Equal(t, test.now, o.State)
			require.Equal(t, test.code, o.Code)
			require.Equal(t, test.now == payment.StateSucceeded, o.TransactionID == "txn-1")
			require.Equal(t, test.now == payment.StateSucceeded, o.Reason == "")
			o = l.Outcome(true)
			require.Equal(t, test.lingering, o.State)
			require.Equal(t, test.lingering == payment.StateSucceeded, o.Reason == "")
		})
	}
}

func TestDoubt(t *testing.T) {
	t.Parallel()
	later := noon.Add(time.Minute)
	tests := map[payment.Class]struct{ first, afterAnswered, afterUnanswered payment.Doubt }{
		payment.ClassApproved:        {noDoubt, answered, unanswered},
		payment.ClassDeclined:        {noDoubt, answered, unanswered},
		payment.ClassRejected:        {noDoubt, answered, unanswered},
		payment.ClassNotCharged:      {noDoubt, answered, unanswered},
		payment.ClassUnknownAnswered: {answered, answered, payment.Doubt{Answered: true, UnansweredAt: noon}},
		payment.ClassUnknownUnanswered: {
			payment.Doubt{UnansweredAt: later},
			payment.Doubt{Answered: true, UnansweredAt: later},
			payment.Doubt{UnansweredAt: later},
		},
	}
	for class, test := range tests {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.first, noDoubt.With(class, later))
			require.Equal(t, test.first.Any(), class.Unknown())
			require.Equal(t, test.afterAnswered, answered.With(class, later))
			require.Equal(t, test.afterUnanswered, unanswered.With(class, later))
		})
	}
	require.Equal(t, unanswered, unanswered.With(payment.ClassUnknownUnanswered, noon.Add(-1)),
		"the latest counts")
}

// "Not found" proves nothing until late has passed since a request went out unanswered.
func TestLateCharges(t *testing.T) {
	t.Parallel()
	const late = time.Minute
	require.False(t, noDoubt.Lingers(noon, late))
	require.False(t, answered.Lingers(noon, late), "an attempt that was answered is over")
	require.True(t, unanswered.Lingers(noon, late))
	require.True(t, unanswered.Lingers(noon.Add(late-1), late))
	require.False(t, unanswered.Lingers(noon.Add(late), late))
	require.False(t, unanswered.Lingers(noon, 0))
}

func TestClasses(t *testing.T) {
	t.Parallel()
	tests := map[payment.Class]struct{ retryable, unknown bool }{
		payment.ClassApproved:          {false, false},
		payment.ClassDeclined:          {false, false},
		payment.ClassRejected:          {false, false},
		payment.ClassNotCharged:        {true, false},
		payment.ClassUnknownAnswered:   {true, true},
		payment.ClassUnknownUnanswered: {true, true},
	}
	for class, test := range tests {
		require.Equal(t, test.retryable, class.Retryable(), class)
		require.Equal(t, test.unknown, class.Unknown(), class)
	}
}
