package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPercentAt(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{
		0: 1000, 3 << 20: 1000, 8 << 20: 400, 20 << 20: 100, 25 << 20: 60, 26 << 20: 55, 1 << 30: 55,
	} {
		require.Equal(t, want, percentAt(live), "%d MiB", live>>20)
	}
}

// TestCalmCollector: the collector is adjusted to what is live, up and down, unless somebody has
// set it.
func TestCalmCollector(t *testing.T) { // not in parallel: there is one collector
	percent := func() int {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return int(s[0].Value.Uint64())
	}
	before := percent()
	defer debug.SetGCPercent(before)

	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "123")
			calmCollector()
			require.Equal(t, before, percent())
		})
	}
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	calmCollector()
	require.Equal(t, highestPercent, percent())

	adjusted := func(right func(int) bool) func() bool {
		return func() bool {
			runtime.GC()
			return right(percent())
		}
	}
	const limit, every = 10 * time.Second, time.Millisecond
	full := make([]byte, collectFloor)
	require.Eventually(t, adjusted(func(p int) bool { return p == lowestPercent }), limit, every)
	runtime.KeepAlive(full)
	require.Eventually(t, adjusted(func(p int) bool { return p > lowestPercent }), limit, every)
}
