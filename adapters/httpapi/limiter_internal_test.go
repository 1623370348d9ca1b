package httpapi

import (
	"encoding/binary"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func address(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

// rate1 admits ten requests at once, and one more every six seconds.
var rate1 = Rate{Requests: 10, Window: time.Minute}

// withLimiter runs a test with the limiter in a bubble of virtual time.
func withLimiter(t *testing.T, r Rate, test func(t *testing.T, take func(client uint64) quota)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, takeOf(r)) })
}

// takeOf returns the method take of a limiter, by the number of a client.
func takeOf(r Rate) func(client uint64) quota {
	l := newLimiter(r, maxAddresses)
	return func(n uint64) quota { return l.take(address(n)) }
}

func TestLimiter_QuotaUsedUp_RefusesUntilMore(t *testing.T) {
	t.Parallel()
	withLimiter(t, rate1, func(t *testing.T, take func(uint64) quota) {
		t.Helper()
		for left := int64(9); left >= 0; left-- {
			require.Equal(t, quota{left: left, more: 6 * time.Second}, take(1))
		}
		require.Equal(t, quota{refused: true, more: 6 * time.Second}, take(1))
		time.Sleep(2 * time.Second)
		for range 100 { // refused requests do not use the quota
			require.Equal(t, quota{refused: true, more: 4 * time.Second}, take(1))
		}
		require.Equal(t, quota{left: 9, more: 6 * time.Second}, take(2))
		time.Sleep(4 * time.Second)
		require.Equal(t, quota{left: 0, more: 6 * time.Second}, take(1))
		require.True(t, take(1).refused)
		time.Sleep(time.Hour) // the quota does not grow beyond its maximum
		require.Equal(t, quota{left: 9, more: 6 * time.Second}, take(1))
	})
}

func TestLimiter_LongRun_AdmitsTheRate(t *testing.T) {
	t.Parallel()
	for _, r := range []Rate{{100, time.Second}, {600, time.Minute}, {7, time.Hour}} {
		withLimiter(t, r, func(t *testing.T, take func(uint64) quota) {
			t.Helper()
			admitted := 0
			for range 1000 { // eight times the rate, for 125 windows
				for range r.Requests {
					if !take(1).refused {
						admitted++
					}
				}
				time.Sleep(r.Window / 8)
			}
			require.InDelta(t, r.Requests*(1+124), admitted, float64(r.Requests), "%v", r)
		})
	}
}

// A client that waits as long as it is asked to, in whole seconds, is admitted.
func TestLimiter_WaitedAsAsked_Admits(t *testing.T) {
	t.Parallel()
	for _, r := range []Rate{{7, time.Minute}, {13, time.Hour}, {999_983, time.Second}} {
		withLimiter(t, r, func(t *testing.T, take func(uint64) quota) {
			t.Helper()
			for range 1000 {
				q := take(1)
				for !q.refused {
					q = take(1)
				}
				require.Positive(t, q.more)
				time.Sleep(q.more)
				require.False(t, take(1).refused)
				if r.Window == time.Second {
					return // each round takes a million requests
				}
			}
		})
	}
}

// Concurrent requests do not use the same part of the quota.
func TestLimiter_ConcurrentRequests_AdmitsEachOnce(t *testing.T) {
	t.Parallel()
	take := takeOf(Rate{Requests: 1000, Window: 1000 * time.Hour})
	var admitted atomic.Int64
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 500 {
				if !take(1).refused {
					admitted.Add(1)
				}
			}
		})
	}
	wait.Wait()
	require.EqualValues(t, 1000, admitted.Load())
}

// A million addresses take bounded memory. An address that is still seen is not evicted; an evicted
// one starts afresh.
//
//nolint:paralleltest // it measures the heap, which parallel tests would fill
func TestLimiter_MillionAddresses_EvictsLeastRecentlySeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // no time passes
		before := heapBytes()
		l := newLimiter(rate1, maxAddresses)
		busy, unseen := address(1<<40), address(1<<41)
		for range rate1.Requests {
			require.False(t, l.take(busy).refused)
			require.False(t, l.take(unseen).refused)
		}
		require.True(t, l.take(unseen).refused)
		for n := range uint64(1_000_000) {
			if l.take(address(n)).refused {
				t.Fatalf("the first request of address %d is refused", n)
			}
			if n%1000 == 0 {
				require.True(t, l.take(busy).refused, "after %d other addresses", n)
			}
		}
		require.False(t, l.take(unseen).refused)
		require.Less(t, heapBytes(), before+24<<20)
		runtime.KeepAlive(l)
	})
}

func heapBytes() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func BenchmarkLimiter(b *testing.B) {
	take := takeOf(Rate{Requests: 1000, Window: time.Second})
	for _, clients := range []uint64{1, 1000} {
		b.Run("clients="+strconv.FormatUint(clients, 10), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for n := uint64(0); pb.Next(); n++ {
					take(n % clients)
				}
			})
		})
	}
}
