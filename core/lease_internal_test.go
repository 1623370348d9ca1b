package core

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// No attempt begins when its lease is over by the monotonic or by the wall clock: the monotonic one stops while
// the machine is suspended, and a step moves the wall clock.
func TestLeaseOver_ByEitherClock(t *testing.T) {
	t.Parallel()
	began := time.Now()
	until := began.Add(30 * time.Second)
	for name, tt := range map[string]struct {
		monotonic, wall time.Duration // that have passed
		over            bool
	}{
		"by neither":                                {29 * time.Second, 29 * time.Second, false},
		"by both":                                   {30 * time.Second, 30 * time.Second, true},
		"by the wall clock, after a suspension":     {time.Second, time.Hour, true},
		"by the wall clock, at the moment":          {29 * time.Second, 30 * time.Second, true},
		"by the monotonic clock, after a step back": {30 * time.Second, -time.Hour, true},
	} {
		require.Equal(t, tt.over, leaseOver(until, began.Add(tt.monotonic), began.Round(0).Add(tt.wall)), name)
	}
}
