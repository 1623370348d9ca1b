package payment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// The outcome of a round by its last attempt, with and without doubt about the key. Only an approval decides
// in either case.
func TestResult_Outcome(t *testing.T) {
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
		pending = payment.Outcome{State: payment.StatePending, Reason: "message"}
		asks    = payment.Outcome{} // the gateway is looked up
	)
	tests := map[payment.Class]struct{ without, with payment.Outcome }{
		payment.ClassApproved:          {succeeded, succeeded},
		payment.ClassDeclined:          {declined, asks},
		payment.ClassRejected:          {rejected, asks},
		payment.ClassNotCharged:        {exhausted, asks},
		payment.ClassUnknownAnswered:   {asks, asks},
		payment.ClassUnknownUnanswered: {asks, asks},
		payment.ClassPending:           {pending, pending},
		payment.ClassKeyReused:         {asks, asks},
		"":                             {asks, asks}, // no attempt was made
	}
	require.Len(t, tests, len(allClasses)+1)
	for class, test := range tests {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			o, sure := result(class).Outcome(noDoubt)
			require.Equal(t, test.without, o)
			require.Equal(t, test.without != asks, sure)
			for _, doubt := range []payment.Doubt{answered, unanswered, named, {Named: true}} {
				o, sure = result(class).Outcome(doubt)
				require.Equal(t, test.with, o)
				require.Equal(t, test.with != asks, sure)
			}
		})
	}
}
