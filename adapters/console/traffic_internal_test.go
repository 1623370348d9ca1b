package console

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

func TestTraffic_Periods(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		traffic := NewTraffic()
		traffic.Settled(payment.KindCharge, payment.StateSucceeded)
		traffic.Settled(payment.KindRefund, payment.StateSucceeded) // not counted
		traffic.Answered(40 * time.Millisecond)
		time.Sleep(chartPeriod)
		traffic.Settled(payment.KindCharge, payment.StateDeclined)
		traffic.Settled(payment.KindCharge, payment.StateDeclined)

		periods := traffic.periods(time.Now(), 3, chartPeriod)
		require.Len(t, periods, 3)
		require.Zero(t, periods[0].settled())
		require.EqualValues(t, 1, periods[1].Outcomes[0])
		require.EqualValues(t, 1, periods[1].settled())
		require.EqualValues(t, 1, periods[1].requests())
		require.EqualValues(t, 2, periods[2].settled())

		last := traffic.last(time.Now(), 10)
		require.EqualValues(t, 2, last.settled())

		time.Sleep(keptSeconds * time.Second)
		for _, of := range traffic.periods(time.Now(), chartPeriods, chartPeriod)[:chartPeriods-1] {
			require.Zero(t, of.settled())
		}
	})
}

// A slot of the ring is used again after a quarter of an hour.
func TestTraffic_Forgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		traffic := NewTraffic()
		for range 3 {
			traffic.Settled(payment.KindCharge, payment.StateFailed)
			var all tally
			for _, of := range traffic.periods(time.Now(), chartPeriods, chartPeriod) {
				all.add(&of)
			}
			require.EqualValues(t, 1, all.settled())
			time.Sleep(keptSeconds * time.Second)
		}
	})
}

func TestTally_Quantile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		traffic := NewTraffic()
		for range 90 {
			traffic.Answered(20 * time.Millisecond)
		}
		for range 10 {
			traffic.Answered(3 * time.Second)
		}
		now := traffic.periods(time.Now(), 1, chartPeriod)[0]
		for q, want := range map[float64]time.Duration{.5: 20 * time.Millisecond, .9: 20 * time.Millisecond, .95: 3 * time.Second} {
			got := now.quantile(q)
			require.GreaterOrEqual(t, got, want, q)
			require.LessOrEqual(t, got, time.Duration(float64(want)*latencyGrowth), q)
		}
		var none tally
		require.Zero(t, none.quantile(.5))
		for _, took := range []time.Duration{0, time.Nanosecond, 24 * time.Hour} {
			traffic.Answered(took) // outside of all ranges
		}
	})
}

func TestRoundUp(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]float64{.1: .1, .11: .2, 1: 1, 1.2: 2, 3: 3, 6: 6, 7: 8, 9: 10, 99: 100, 101: 200} {
		require.InEpsilon(t, want, roundUp(v), 1e-9, v)
	}
}
