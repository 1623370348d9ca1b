package payment_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/adapters/resilience"
	"paymentd/core"
	"paymentd/core/payment"
	"paymentd/ports"
)

// The domain's file of another kind of operation: an increment adds to what a payment has taken, as an incremental
// authorisation does.

const (
	kindIncrement      payment.Kind       = "increment"
	operationIncrement payment.Operations = 1 << 7
)

func init() {
	payment.RegisterOperation(kindIncrement, operationIncrement,
		func(charge payment.Payment, asked payment.Money) (payment.Money, error) {
			switch {
			case charge.State != payment.StateSucceeded:
				return payment.Money{}, payment.ErrChargeOpen
			case asked.Currency() != charge.Money.Currency():
				return payment.Money{}, &payment.OperationRefusedError{Why: "increment in the currency of the payment"}
			}
			return asked, nil
		},
		func(charge, before, after payment.Payment) (payment.Payment, bool) {
			if after.State != payment.StateSucceeded || before.State == payment.StateSucceeded {
				return charge, false
			}
			sum, err := payment.MoneyFromMinor(charge.Money.Minor()+after.Money.Minor(), charge.Money.Currency())
			if err != nil {
				return charge, false
			}
			charge.Money = sum
			return charge, true
		})
}

// incrementGateway is an adapter with one method for the other kind, and a lookup. It loses the answers to the first
// attempts.
type incrementGateway struct {
	*fake.Gateway

	mu       sync.Mutex
	lost     int // answers to attempts that are lost
	attempts []payment.Charge
	taken    map[payment.GatewayKey]payment.Charge
	silent   int // lookups that get no answer
}

func (g *incrementGateway) Capabilities() payment.Capabilities {
	c := g.Gateway.Capabilities()
	c.Operations |= operationIncrement
	return c
}

func (g *incrementGateway) Charge(ctx context.Context, c payment.Charge) payment.Result {
	if c.Operation.Kind == kindIncrement {
		return g.increment(c)
	}
	return g.Gateway.Charge(ctx, c)
}

func (g *incrementGateway) increment(c payment.Charge) payment.Result {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.attempts = append(g.attempts, c)
	if len(g.attempts) == 1 {
		g.taken[c.Key] = c
	}
	if len(g.attempts) <= g.lost {
		return payment.Result{Class: payment.ClassUnknownUnanswered, Message: "no answer came"}
	}
	g.taken[c.Key] = c
	return payment.Result{Class: payment.ClassApproved, TransactionID: "increment-" + string(c.Key), Answered: true}
}

func (g *incrementGateway) LookUp(ctx context.Context, ref payment.ChargeRef) payment.Lookup {
	if ref.Operation.Kind != kindIncrement {
		return g.Gateway.LookUp(ctx, ref)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	_, found := g.taken[ref.Key]
	switch {
	case g.silent > 0:
		g.silent--
		return payment.Lookup{Result: payment.FoundNoAnswer}
	case found:
		return payment.Lookup{Result: payment.FoundApproved, TransactionID: "increment-" + string(ref.Key)}
	}
	return payment.Lookup{Result: payment.FoundNothing}
}

// Another kind of operation needs a file of the domain and a method of each gateway, both in this file. The core and
// the repository are as they are: the operation is accepted, claimed by the queue, attempted, doubted, looked up and
// settled, once, by the code that charges and refunds.
func TestOtherKindOfOperation_HasTheSameLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		payments := fake.NewPayments()
		gateway := &incrementGateway{Gateway: fake.NewGateway(), lost: 4, silent: 2, taken: make(map[payment.GatewayKey]payment.Charge)}
		service := newServiceOf(payments, gateway)
		ctx, cancel := context.WithCancel(t.Context())
		var queue sync.WaitGroup
		queue.Go(func() { service.RunQueue(ctx) })

		_, err := service.Process(ctx, core.Request{OrderID: "order-1", Money: amountOf(t, "100.00", "USD")})
		require.NoError(t, err)
		request := incrementRequest(t, gateway, "20.00")
		_, verdict, err := payments.Claim(ctx, request)
		require.NoError(t, err)
		require.Equal(t, payment.VerdictAccepted, verdict)

		find := func() payment.Payment {
			p, err := payments.FindOperation(ctx, payment.Ref{OrderID: "order-1", Operation: request.Operation})
			require.NoError(t, err)
			require.NoError(t, p.Validate())
			return p
		}
		time.Sleep(9 * time.Second)
		require.Equal(t, payment.StateUnresolved, find().State, "in doubt")
		require.Equal(t, "100.00 USD", moneyOf(t, payments))
		time.Sleep(time.Minute)
		require.Equal(t, payment.StateSucceeded, find().State, "found by a lookup")
		require.Equal(t, "120.00 USD", moneyOf(t, payments), "the payment's row has the new sum")
		require.Len(t, gateway.taken, 1)
		require.Len(t, gateway.attempts, 4)
		for _, a := range gateway.attempts {
			require.Equal(t, gateway.attempts[0], a, "the same key, the same request")
		}

		_, verdict, err = payments.Claim(ctx, request)
		require.NoError(t, err)
		require.Equal(t, payment.VerdictReplay, verdict)
		request.Money = amountOf(t, "21.00", "USD")
		_, verdict, err = payments.Claim(ctx, request)
		require.NoError(t, err)
		require.Equal(t, payment.VerdictMismatch, verdict)
		require.Equal(t, "120.00 USD", moneyOf(t, payments))
		cancel()
		queue.Wait()
	})
}

func newServiceOf(payments ports.Payments, gateway ports.Gateway) *core.Service {
	var keys atomic.Int64
	return core.New(core.Settings{
		Replica: "replica-1", Lease: lease, Wait: 10 * time.Second, Late: late, LookupFirst: 5 * time.Second,
		LookupMax: 15 * time.Minute, Workers: 4, Poll: time.Second, HeartbeatTimeout: 5 * time.Second,
		GatewayTimeout: 10 * time.Second, MaxBackoff: time.Minute,
		NewKey: func() payment.GatewayKey { return payment.GatewayKey(fmt.Sprintf("key-%d", keys.Add(1))) },
	}, payments, core.OneGateway(gateway, resilience.NewRetry(resilience.RetryOptions{MaxRetries: 3, Delay: time.Second})),
		slog.New(slog.DiscardHandler))
}

func incrementRequest(t *testing.T, gateway ports.Gateway, amount string) payment.ClaimRequest {
	t.Helper()
	a := claimRequest(t, "key-increment")
	a.Operation = payment.OperationID{Kind: kindIncrement, Name: "i-1"}
	a.Money, a.Deferred, a.Worker = amountOf(t, amount, "USD"), true, time.Now()
	a.Rules.Capabilities = gateway.Capabilities()
	return a
}

// moneyOf returns the amount of the order's payment.
func moneyOf(t *testing.T, payments ports.Payments) string {
	t.Helper()
	p, err := payments.Find(t.Context(), "order-1")
	require.NoError(t, err)
	return p.Money.String()
}
