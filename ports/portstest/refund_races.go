package portstest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"paymentd/core/payment"
	"paymentd/ports"
)

// SharedPayments checks what a repository promises of concurrent writers that share one database. open returns
// two handles on the same new, empty repository.
func SharedPayments(t *testing.T, open func(t testing.TB) (a, b ports.Payments)) {
	t.Helper()
	for _, c := range append(refundRaces(), holdRaces()...) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			c.check(&repository{Payments: a, other: b, t: t})
		})
	}
}

// refundRaces are about concurrent requests for refunds of one charge.
func refundRaces() []clause {
	return []clause{
		{"refund/concurrent refunds never exceed the charge", neverExceedsCharge},
		{"refund/one of many concurrent claims on a refund wins", func(r *repository) {
			r.charged("order-1")
			const n = 24
			verdicts := make(chan payment.Verdict, n)
			r.concurrently(n, func(on ports.Payments, _ int) error {
				_, verdict, err := on.Claim(r.t.Context(), r.refundRequest("order-1", "r-1", "25"))
				verdicts <- verdict
				return err
			})
			claimed := 0
			for range n {
				if v := <-verdicts; v == payment.VerdictClaimed {
					claimed++
				} else {
					require.Equal(r.t, payment.VerdictBusy, v)
				}
			}
			require.Equal(r.t, 1, claimed)
			require.Equal(r.t, "25.00", r.reserved("order-1"))
			require.Len(r.t, r.operation(refundRef("order-1", "r-1")).Attempts, 1)
		}},
		{"refund/concurrent refunds and settlements keep what is reserved", keepsSumOfReserved},
	}
}

// concurrently calls do n times at the same time, on alternate handles of the repository, and requires no error.
func (r *repository) concurrently(n int, do func(on ports.Payments, i int) error) {
	r.t.Helper()
	handles := [2]ports.Payments{r.Payments, r.Payments}
	if r.other != nil {
		handles[1] = r.other
	}
	var (
		all   sync.WaitGroup
		errs  = make(chan error, n)
		start = make(chan struct{})
	)
	for i := range n {
		all.Go(func() {
			<-start
			errs <- do(handles[i%2], i)
		})
	}
	close(start)
	all.Wait()
	for range n {
		require.NoError(r.t, <-errs)
	}
}

// neverExceedsCharge requests a hundred refunds of 1.00, of a charge of 50.00.
func neverExceedsCharge(r *repository) {
	const n = 100
	a := r.claimRequest("order-1")
	a.Money = money(r.t, "50", "USD")
	r.settle(r.claim(a, payment.VerdictClaimed), resultFor(payment.StateSucceeded), outcomeFor(payment.StateSucceeded))
	var (
		mu      sync.Mutex
		claimed int
		left    []payment.Money
	)
	r.concurrently(n, func(on ports.Payments, i int) error {
		_, verdict, err := on.Claim(r.t.Context(), r.refundRequest("order-1", fmt.Sprintf("r-%d", i), "1"))
		mu.Lock()
		defer mu.Unlock()
		if refused, ok := errors.AsType[*payment.OperationRefusedError](err); ok {
			left = append(left, refused.Left)
			return nil
		}
		if err == nil && verdict == payment.VerdictClaimed {
			claimed++
		}
		return err
	})
	require.Equal(r.t, 50, claimed)
	require.Len(r.t, left, n-50)
	for _, l := range left {
		require.True(r.t, l.IsZero())
	}
	require.Equal(r.t, "50.00", r.reserved("order-1"))
	require.Len(r.t, r.history("order-1").Operations, 50)
}

// keepsSumOfReserved settles refunds, half of them without money moved, while others are requested.
func keepsSumOfReserved(r *repository) {
	const n = 16
	r.charged("order-1")
	held := make([]payment.Payment, n)
	for i := range held {
		held[i] = r.refund("order-1", fmt.Sprintf("first-%d", i), "2")
	}
	r.concurrently(2*n, func(on ports.Payments, i int) error {
		if i%4 < 2 { // on both handles
			state := []payment.State{payment.StateSucceeded, payment.StateDeclined}[i/4%2]
			return on.Settle(r.t.Context(), settlement(held[i/4*2+i%4], resultFor(state), outcomeFor(state)))
		}
		_, _, err := on.Claim(r.t.Context(), r.refundRequest("order-1", fmt.Sprintf("second-%d", i), "1"))
		return err
	})
	require.Equal(r.t, "32.00", r.reserved("order-1"), "8 of 2.00 succeeded, and 16 of 1.00 are claimed")
	h := r.history("order-1")
	require.Len(r.t, h.Operations, 2*n)
	requireGapless(r.t, h)
}
