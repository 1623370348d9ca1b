package mysqlstore_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/mysqlstore"
	"paymentd/core/payment"
)

// parallelism is how many goroutines per processor the parallel benchmarks have.
const parallelism = 32

// BenchmarkClaim claims new orders. The server does not wait for the disk, so that the benchmark
// measures the round trips; `make bench` includes the disk.
func BenchmarkClaim(b *testing.B) {
	eachMode(b, func(b *testing.B, payments *mysqlstore.Payments) {
		b.Helper()
		var orders atomic.Int64
		claim := func(ctx context.Context) error {
			_, _, err := payments.Claim(ctx, request(b, payment.OrderID("order-"+strconv.FormatInt(orders.Add(1), 10))))
			return err
		}
		b.Run("one", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, claim(b.Context()))
			}
		})
		b.Run("many", func(b *testing.B) { parallel(b, claim) })
	})
}

// BenchmarkSettle settles claimed payments as approved.
func BenchmarkSettle(b *testing.B) {
	eachMode(b, func(b *testing.B, payments *mysqlstore.Payments) {
		b.Helper()
		b.Run("one", func(b *testing.B) {
			settle := fastSettle(b, payments)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N { // not b.Loop, because the payments must exist before
				require.NoError(b, settle(b.Context()))
			}
		})
		b.Run("many", func(b *testing.B) { parallel(b, fastSettle(b, payments)) })
	})
}

// eachMode runs a benchmark with shared commits and without.
func eachMode(b *testing.B, benchmark func(*testing.B, *mysqlstore.Payments)) {
	b.Helper()
	for _, m := range []mode{shared, single} {
		b.Run(m.name, func(b *testing.B) { benchmark(b, m.open(b, migrated(b))) })
	}
}

// settling claims b.N payments, and returns a function that settles one of them per call.
func fastSettle(b *testing.B, payments *mysqlstore.Payments) func(context.Context) error {
	b.Helper()
	claimed := make(chan *payment.Payment, b.N)
	run := runs.Add(1)
	for i := range b.N {
		order := payment.OrderID("order-" + strconv.FormatInt(run, 10) + "-" + strconv.Itoa(i))
		p, _, err := payments.Claim(b.Context(), request(b, order))
		require.NoError(b, err)
		claimed <- p
	}
	return func(ctx context.Context) error { return payments.Settle(ctx, approved(*<-claimed)) }
}

// runs distinguishes the orders of one run of a benchmark from the next.
var runs atomic.Int64

func parallel(b *testing.B, work func(context.Context) error) {
	b.Helper()
	b.SetParallelism(parallelism)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(each *testing.PB) {
		for each.Next() {
			if err := work(b.Context()); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
