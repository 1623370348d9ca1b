package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

var (
	noDoubt    = payment.Doubt{}
	answered   = payment.Doubt{Answered: true, Latest: at(noon)}
	named      = payment.Doubt{Answered: true, Named: true, Latest: at(noon)}
	unanswered = payment.Doubt{Unanswered: at(noon), Latest: at(noon)}
)

var allClasses = []payment.Class{
	payment.ClassApproved, payment.ClassDeclined, payment.ClassRejected, payment.ClassNotCharged,
	payment.ClassUnknownAnswered, payment.ClassUnknownUnanswered, payment.ClassPending, payment.ClassKeyReused,
}

// How a round ends by its last attempt, if the attempts before left a doubt or none. Only an
// approval decides whatever came before.
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
		asks = payment.Outcome{} // the gateway is looked up
	)
	tests := map[payment.Class]struct{ without, with payment.Outcome }{
		payment.ClassApproved:          {succeeded, succeeded},
		payment.ClassDeclined:          {declined, asks},
		payment.ClassRejected:          {rejected, asks},
		payment.ClassNotCharged:        {exhausted, asks},
		payment.ClassUnknownAnswered:   {asks, asks},
		payment.ClassUnknownUnanswered: {asks, asks},
		payment.ClassPending:           {asks, asks},
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

func TestDoubt(t *testing.T) {
	t.Parallel()
	later := noon.Add(time.Minute)
	same := func(d payment.Doubt) payment.Doubt { return d }
	over := func(d payment.Doubt) payment.Doubt { d.Answered, d.Latest = true, at(later); return d }
	tests := map[payment.Class]func(payment.Doubt) payment.Doubt{
		payment.ClassApproved:        same,
		payment.ClassDeclined:        same,
		payment.ClassRejected:        same,
		payment.ClassNotCharged:      same,
		payment.ClassUnknownAnswered: over,
		payment.ClassKeyReused:       over,
		payment.ClassPending:         func(d payment.Doubt) payment.Doubt { d.Named = true; return over(d) },
		payment.ClassUnknownUnanswered: func(d payment.Doubt) payment.Doubt {
			d.Unanswered, d.Latest = at(later), at(later)
			return d
		},
	}
	require.Len(t, tests, len(allClasses))
	for class, want := range tests {
		for _, before := range []payment.Doubt{noDoubt, answered, unanswered, named} {
			got := before.With(class, at(later))
			require.Equal(t, want(before), got, class)
			require.Equal(t, before.Any() || class.Unknown(), got.Any(), class)
		}
	}
	require.Equal(t, unanswered, unanswered.With(payment.ClassUnknownUnanswered, at(noon.Add(-1))), "the latest counts")
	apart := payment.Instant{DB: noon.Add(-time.Hour), Worker: later}
	require.Equal(t, payment.Instant{DB: noon, Worker: later},
		unanswered.With(payment.ClassUnknownUnanswered, apart).Unanswered, "the latest by each clock")
}

// "Not found" proves nothing until late has passed, by both clocks, since an unanswered attempt.
func TestLateCharges(t *testing.T) {
	t.Parallel()
	require.False(t, noDoubt.MayStillCharge(at(noon), late))
	require.False(t, answered.MayStillCharge(at(noon), late), "an attempt that was answered is over")
	require.True(t, unanswered.MayStillCharge(at(noon), late))
	require.True(t, unanswered.MayStillCharge(at(noon.Add(late-1)), late))
	require.False(t, unanswered.MayStillCharge(at(noon.Add(late)), late))
	require.False(t, unanswered.MayStillCharge(at(noon), 0))
	require.True(t, unanswered.MayStillCharge(payment.Instant{DB: noon.Add(time.Hour), Worker: noon}, late), "a step forward")
	require.True(t, unanswered.MayStillCharge(payment.Instant{DB: noon.Add(-time.Hour), Worker: noon.Add(time.Hour)}, late))
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
		payment.ClassPending:           {false, true},
		payment.ClassKeyReused:         {false, true},
	}
	require.Len(t, tests, len(allClasses))
	for class, test := range tests {
		require.Equal(t, test.retryable, class.Retryable(), class)
		require.Equal(t, test.unknown, class.Unknown(), class)
	}
}
