package payment_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
)

// The smaller of the two elapsed times has certainly passed, and the larger may have.
func TestInstant_ElapsedAndAge(t *testing.T) {
	t.Parallel()
	const minute, hour = time.Minute, time.Hour
	none := time.Time{}
	tests := map[string]struct {
		from, now   payment.Instant
		passed, age time.Duration
	}{
		"both agree":             {at(noon), at(noon.Add(minute)), minute, minute},
		"database steps forward": {at(noon), payment.Instant{DB: noon.Add(hour), Worker: noon.Add(minute)}, minute, hour},
		"database steps back": {
			at(noon), payment.Instant{DB: noon.Add(-hour), Worker: noon.Add(minute)}, -hour, minute,
		},
		"worker steps forward": {at(noon), payment.Instant{DB: noon.Add(minute), Worker: noon.Add(hour)}, minute, hour},
		"worker steps back":    {at(noon), payment.Instant{DB: noon.Add(minute), Worker: noon.Add(-hour)}, -hour, minute},
		"the clocks differ": {
			payment.Instant{DB: noon, Worker: noon.Add(-hour)},
			payment.Instant{DB: noon.Add(minute), Worker: noon.Add(minute - hour)},
			minute, minute,
		},
		"no worker then":     {payment.Instant{DB: noon}, at(noon.Add(minute)), minute, minute},
		"no worker now":      {at(noon), payment.Instant{DB: noon.Add(minute)}, minute, minute},
		"no database then":   {payment.Instant{Worker: noon}, at(noon.Add(minute)), minute, minute},
		"no database now":    {at(noon), payment.Instant{Worker: noon.Add(minute)}, minute, minute},
		"no clock in common": {payment.Instant{DB: noon}, payment.Instant{Worker: noon.Add(hour)}, 0, math.MaxInt64},
		"nothing was stored": {payment.Instant{}, at(noon), 0, math.MaxInt64},
		"nothing is known":   {at(noon), payment.Instant{DB: none, Worker: none}, 0, math.MaxInt64},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.passed, test.from.Elapsed(test.now))
			require.Equal(t, test.age, test.from.Age(test.now))
		})
	}
	require.True(t, payment.Instant{}.IsZero())
	require.False(t, payment.Instant{DB: noon}.IsZero())
	require.False(t, payment.Instant{Worker: noon}.IsZero())
}

// Only what lies in the future of a clock is replaced, by that clock's current time.
func TestInstant_Clamp(t *testing.T) {
	t.Parallel()
	const ahead = time.Minute
	now := payment.Instant{DB: noon, Worker: noon.Add(time.Hour)}
	for name, test := range map[string]struct{ stored, want payment.Instant }{
		"both past":       {payment.Instant{DB: noon.Add(-1), Worker: noon}, payment.Instant{DB: noon.Add(-1), Worker: noon}},
		"at the bound":    {payment.Instant{DB: noon.Add(ahead), Worker: noon}, payment.Instant{DB: noon.Add(ahead), Worker: noon}},
		"database beyond": {payment.Instant{DB: noon.Add(ahead + 1), Worker: noon}, payment.Instant{DB: noon, Worker: noon}},
		"worker beyond": {
			payment.Instant{DB: noon, Worker: now.Worker.Add(ahead + 1)}, payment.Instant{DB: noon, Worker: now.Worker},
		},
		"both beyond": {at(noon.Add(100 * time.Hour)), now},
		"nothing":     {payment.Instant{}, payment.Instant{}},
	} {
		require.Equal(t, test.want, test.stored.Clamp(now, ahead), name)
	}
	far := at(noon.Add(100 * time.Hour))
	require.Equal(t, far, far.Clamp(payment.Instant{}, 0), "without a clock nothing is replaced")
}
