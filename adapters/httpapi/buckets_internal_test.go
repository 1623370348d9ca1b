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

func address(n uint64) (a [16]byte) {
	binary.BigEndian.PutUint64(a[:], n)
	return a
}

// rate1 lets ten requests through at once, and one more each six seconds.
var rate1 = Rate{Requests: 10, Window: time.Minute}

func TestBucket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBuckets(rate1)
		for left := int64(9); left >= 0; left-- {
			require.Equal(t, quota{left: left, more: 6 * time.Second}, b.ofAddress(address(1)))
		}
		require.Equal(t, quota{refused: true, more: 6 * time.Second}, b.ofAddress(address(1)))
		time.Sleep(2 * time.Second)
		for range 100 { // being refused costs nothing
			require.Equal(t, quota{refused: true, more: 4 * time.Second}, b.ofAddress(address(1)))
		}
		require.Equal(t, quota{left: 9, more: 6 * time.Second}, b.ofAddress(address(2)))
		time.Sleep(4 * time.Second)
		require.Equal(t, quota{left: 0, more: 6 * time.Second}, b.ofAddress(address(1)))
		require.True(t, b.ofAddress(address(1)).refused)
		time.Sleep(time.Hour) // and no more than all of them comes back
		require.Equal(t, quota{left: 9, more: 6 * time.Second}, b.ofAddress(address(1)))
	})
}

func TestBucketInTheLongRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, r := range []Rate{{100, time.Second}, {600, time.Minute}, {7, time.Hour}} {
			b, through := newBuckets(r), 0
			for range 1000 { // eight times as often as is allowed, for 125 windows
				for range r.Requests {
					if !b.ofCaller(caller{ID: "a"}).refused {
						through++
					}
				}
				time.Sleep(r.Window / 8)
			}
			require.InDelta(t, r.Requests*(1+124), through, float64(r.Requests), "%v", r)
		}
	})
}

// Two requests that come together do not get the same token.
func TestBucketsConcurrently(t *testing.T) {
	t.Parallel()
	b := newBuckets(Rate{Requests: 1000, Window: time.Hour})
	var through atomic.Int64
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 500 {
				if !b.ofCaller(caller{ID: "a"}).refused {
					through.Add(1)
				}
			}
		})
	}
	wait.Wait()
	require.InDelta(t, 1000, through.Load(), 1, "a second of an hour may have passed")
}

// A million addresses take no memory; they make the table forget nobody who is at his limit; and
// they shut out neither each other nor anybody else.
//
//nolint:paralleltest // it measures the heap, which tests beside it would fill
func TestBucketsOfAMillionAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // no time passes
		b := newBuckets(rate1)
		busy := address(1 << 40)
		for range rate1.Requests {
			require.False(t, b.ofAddress(busy).refused)
		}
		before := heapBytes()
		for n := range uint64(1_000_000) {
			if b.ofAddress(address(n)).refused {
				t.Fatalf("the first request of address %d is refused", n)
			}
			if n%1000 == 0 {
				require.True(t, b.ofAddress(busy).refused, "after %d other addresses", n)
			}
		}
		// Far from a million of anything.
		require.Less(t, heapBytes(), before+4<<20)
	})
}

// With very many callers at their limit, strangers are refused. The chance is the one that is documented.
func TestBucketsAreSharedByChance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const strangers = 10_000
		for _, test := range []struct {
			busy      uint64
			low, high int // strangers who are refused
		}{
			{10_000, 0, 3},     // one in 500 000
			{100_000, 50, 150}, // one in 100
		} {
			b := newBuckets(Rate{Requests: 2, Window: time.Hour})
			for n := range test.busy {
				for range 2 {
					b.ofAddress(address(n))
				}
			}
			refused := 0
			for n := range uint64(strangers) {
				if b.ofAddress(address(1<<40 + n)).refused {
					refused++
				}
			}
			require.GreaterOrEqual(t, refused, test.low, "%d busy", test.busy)
			require.LessOrEqual(t, refused, test.high, "%d busy", test.busy)
		}
	})
}

func heapBytes() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func BenchmarkBuckets(b *testing.B) {
	for _, callers := range []uint64{1, 1_000_000} {
		b.Run("callers="+strconv.FormatUint(callers, 10), func(b *testing.B) {
			limiter := newBuckets(Rate{Requests: 1000, Window: time.Second})
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for n := uint64(0); pb.Next(); n++ {
					limiter.ofAddress(address(n % callers))
				}
			})
		})
	}
}
