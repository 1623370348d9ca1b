package core

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/resilience"
	"paymentd/core/payment"
	"paymentd/ports"
)

const order = payment.OrderID("order-123")

func newService(payments ports.Payments) *Service {
	settings := Settings{
		Replica: "a", NewKey: func() payment.GatewayKey { return "key-1" },
		Lease: time.Minute, Wait: time.Second, Late: time.Minute,
	}
	return New(settings, payments, OneGateway(fake.NewGateway(), resilience.NewRetry(resilience.RetryOptions{})),
		slog.New(slog.DiscardHandler))
}

// count returns the number of orders that have a flight.
func (fs *flights) count() int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return len(fs.byRef)
}

func usd(t *testing.T, amount string) payment.Money {
	t.Helper()
	currency, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	money, err := payment.ParseMoney(amount, currency)
	require.NoError(t, err)
	return money
}

// A follower that succeeds a watching leader does not claim, unless its amount is another one. Which
// it sees first, the leadership or the amount, is random, so the test repeats.
func TestFlight_LeaderThatWatchedResigns_AnotherAmountIsRefused(t *testing.T) {
	t.Parallel()
	for range 64 {
		synctest.Test(t, func(t *testing.T) {
			s := newService(fake.NewPayments())
			_, _, err := s.payments.Claim(t.Context(), s.claimRequest(Request{OrderID: order, Money: usd(t, "100")}, false))
			require.NoError(t, err)
			f := s.flights.join(payment.Ref{OrderID: order}) // the leader that watches, and is about to leave
			defer f.leave()
			p, err := s.payments.Find(t.Context(), order)
			require.NoError(t, err)
			f.read(&p)
			f.watched = true

			_, err = s.Process(t.Context(), Request{OrderID: order, Money: usd(t, "1")})
			require.ErrorIs(t, err, ErrMismatch)
			require.True(t, f.watched, "kept for a request with the order's amount")
			_, err = s.Process(t.Context(), Request{OrderID: order, Money: usd(t, "100")})
			require.ErrorIs(t, err, ErrBusy)
		})
	}
}

func TestFlight_EveryRequestReturned_IsRemoved(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fake.Fault{
		"with a result":     nil,
		"with an error":     fake.FailBefore,
		"with a panic":      fake.CrashBefore(func() { panic("boom") }),
		"without an answer": fake.FailAfter,
	} {
		for _, method := range []string{"Claim", "Settle"} {
			t.Run(name+", "+method, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					wire := &fake.Wire{Fault: func(c fake.Call) fake.Fault {
						if c.Method == method && c.Number <= 2 {
							return fault
						}
						return nil
					}}
					s := newService(wire.Payments(fake.NewPayments()))
					request := Request{OrderID: order, Money: usd(t, "100")}
					for range 10 {
						go func() {
							defer func() { _ = recover() }()
							_, _ = s.Process(context.Background(), request)
						}()
					}
					time.Sleep(time.Hour)
					require.Zero(t, s.flights.count())
					require.NoError(t, s.Stop(t.Context()), "no work is left")
				})
			})
		}
	}
}
