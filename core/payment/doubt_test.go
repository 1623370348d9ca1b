package payment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestDoubt_With(t *testing.T) {
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

// A lookup that found nothing proves nothing until late has passed, by both clocks, since an unanswered
// attempt.
func TestDoubt_MayStillCharge(t *testing.T) {
	t.Parallel()
	require.False(t, noDoubt.MayStillCharge(at(noon), late))
	require.False(t, answered.MayStillCharge(at(noon), late), "an answered attempt is over")
	require.True(t, unanswered.MayStillCharge(at(noon), late))
	require.True(t, unanswered.MayStillCharge(at(noon.Add(late-1)), late))
	require.False(t, unanswered.MayStillCharge(at(noon.Add(late)), late))
	require.False(t, unanswered.MayStillCharge(at(noon), 0))
	require.True(t, unanswered.MayStillCharge(payment.Instant{DB: noon.Add(time.Hour), Worker: noon}, late), "the database stepped forward")
	require.True(t, unanswered.MayStillCharge(payment.Instant{DB: noon.Add(-time.Hour), Worker: noon.Add(time.Hour)}, late))
}
