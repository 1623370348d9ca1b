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
	return New(settings, payments, fake.NewGateway(), resilience.NewRetry(resilience.RetryOptions{}),
		slog.New(slog.DiscardHandler))
}

// count is how many orders have a line.
func (ls *lines) count() int {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return len(ls.byOrder)
}

func usd(t *testing.T, amount string) payment.Money {
	t.Helper()
	currency, err := payment.ParseCurrency("USD")
	require.NoError(t, err)
	money, err := payment.ParseMoney(amount, currency)
	require.NoError(t, err)
	return money
}

// Whoever takes the turn of a speaker that was watching asks no more, unless the amount is
// another. Which of the two, the turn or the amount, a newcomer sees first is a coin's throw,
// so it is thrown often.
func TestTurnOfAWatcherIsNotForAnotherAmount(t *testing.T) {
	t.Parallel()
	for range 64 {
		synctest.Test(t, func(t *testing.T) {
			s := newService(fake.NewPayments())
			_, _, err := s.payments.Claim(t.Context(), s.ask(Request{OrderID: order, Money: usd(t, "100")}, false))
			require.NoError(t, err)
			l := s.lines.join(order) // the watcher, which is about to leave
			defer l.leave()
			p, err := s.payments.Find(t.Context(), order)
			require.NoError(t, err)
			l.learn(&p)
			l.busy = true

			_, err = s.Process(t.Context(), Request{OrderID: order, Money: usd(t, "1")})
			require.ErrorIs(t, err, ErrMismatch)
			require.True(t, l.busy, "kept for those who have the amount")
			_, err = s.Process(t.Context(), Request{OrderID: order, Money: usd(t, "100")})
			require.ErrorIs(t, err, ErrBusy)
		})
	}
}

// However a request ends, it leaves no line behind.
func TestLinesAreLeft(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fake.Fault{
		"well":           nil,
		"with an error":  fake.FailBefore,
		"with a panic":   fake.CrashBefore(func() { panic("boom") }),
		"without answer": fake.FailAfter,
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
					require.Zero(t, s.lines.count())
					require.NoError(t, s.Stop(t.Context()), "and no work")
				})
			})
		}
	}
}
