package delivery_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"paymentd/adapters/fake"
	"paymentd/core/delivery"
	"paymentd/core/endpoint"
	"paymentd/core/payment"
	"paymentd/ports"
)

const timeout = 10 * time.Second

// harness is a repository, receivers, and couriers that deliver.
type harness struct {
	t        *testing.T
	payments *fake.Payments
	sender   *fake.Sender
	log      *lockedBuffer
	every    time.Duration // between two polls; zero for the default
}

type lockedBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	return &harness{t: t, payments: fake.NewPayments(), sender: fake.NewSender(), log: new(lockedBuffer)}
}

// run runs a courier until the function that it returns is called.
func (h *harness) run() (c *delivery.Courier, stop func()) {
	courier := delivery.New(delivery.Settings{Timeout: timeout, Concurrency: 4, Poll: h.every, Refresh: h.every},
		h.payments.Endpoints(), h.payments.Outbox(), h.sender, slog.New(slog.NewTextHandler(h.log, nil)))
	ctx, cancel := context.WithCancel(h.t.Context())
	courier.Load(ctx)
	done := make(chan struct{})
	go func() { defer close(done); courier.Run(ctx) }()
	return courier, func() { cancel(); <-done }
}

func (h *harness) subscribe() (endpoint.Endpoint, *fake.Receiver) {
	h.t.Helper()
	e := endpoint.New("https://shop.example/hooks", endpoint.Patterns{"*"})
	require.NoError(h.t, h.payments.Endpoints().Create(h.t.Context(), e))
	return e, h.sender.To(e.ID)
}

func (h *harness) request(id payment.OrderID) payment.ClaimRequest {
	h.t.Helper()
	usd, err := payment.ParseCurrency("USD")
	require.NoError(h.t, err)
	money, err := payment.MoneyFromMinor(100, usd)
	require.NoError(h.t, err)
	return payment.ClaimRequest{
		OrderID: id, Money: money, NewKey: payment.GatewayKey("key-of-" + id), Replica: "replica-a", Lease: time.Hour,
		Rules:  payment.KeyRules{Capabilities: payment.Capabilities{Gateway: "https://gateway.example"}, Late: time.Minute},
		Worker: time.Now(),
	}
}

// pay charges orders, which are two events each.
func (h *harness) pay(from, to int) {
	h.t.Helper()
	for i := from; i < to; i++ {
		p, _, err := h.payments.Claim(h.t.Context(), h.request(payment.OrderID(fmt.Sprintf("order-%d", i))))
		require.NoError(h.t, err)
		require.NoError(h.t, h.payments.Settle(h.t.Context(), payment.Settlement{
			ClaimRef: p.ClaimRef(),
			End:      &payment.AttemptEnd{Result: payment.Result{Class: payment.ClassApproved, TransactionID: "txn-1"}},
			Outcome:  payment.Outcome{State: payment.StateSucceeded, TransactionID: "txn-1"},
		}))
	}
}

// requireAll requires that a receiver has accepted every event of the orders, in the order of their changes.
func (h *harness) requireAll(r *fake.Receiver, orders int) {
	h.t.Helper()
	types := make(map[payment.OrderID][]payment.ChangeType)
	for _, d := range r.Received() {
		types[d.OrderID] = append(types[d.OrderID], d.Type)
	}
	require.Len(h.t, types, orders)
	for id, of := range types {
		require.Equal(h.t, []payment.ChangeType{"payment.processing", "payment.succeeded"}, of, id)
	}
}

func (h *harness) find(id endpoint.ID) endpoint.Endpoint {
	h.t.Helper()
	list, err := h.payments.Endpoints().Current(h.t.Context())
	require.NoError(h.t, err)
	for _, e := range list.Endpoints {
		if e.ID == id {
			return e
		}
	}
	require.Fail(h.t, "not found")
	return endpoint.Endpoint{}
}

func TestRun_DeliversEachEventOnceAndInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		e, receiver := h.subscribe()
		receiver.Answer(endpoint.Answer{Status: 200}, 3*time.Millisecond)
		var stops []func()
		for range 3 { // replicas
			_, stop := h.run()
			stops = append(stops, stop)
		}
		h.pay(0, 50)
		time.Sleep(time.Minute)
		for _, stop := range stops {
			stop()
		}
		h.requireAll(receiver, 50)
		require.Len(t, receiver.Attempts(), 100)
		logged, err := h.payments.Outbox().Attempts(t.Context(), ports.AttemptQuery{Endpoint: e.ID, Limit: 1000})
		require.NoError(t, err)
		require.Len(t, logged, 100)
		for _, a := range logged {
			require.Equal(t, 3*time.Millisecond, a.Duration)
			require.Equal(t, endpoint.Answer{Status: 200}, a.Answer)
		}
	})
}

// A receiver is dead for an hour. Nothing is lost, another receiver gets its events at once, and the receiver gets all of
// its own in order within the longest pause after it is back.
func TestRun_DeadReceiverLosesAndDelaysNothing(t *testing.T) {
	t.Parallel()
	for name, dead := range map[string]endpoint.Answer{
		"no connection": {Problem: "connection refused"}, "an error of a proxy": {Status: 502},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				deadOne, deadReceiver := h.subscribe()
				_, healthy := h.subscribe()
				deadReceiver.Answer(dead, 0)
				_, stop := h.run()
				defer stop()
				const minutes = 60
				for minute := range minutes {
					h.pay(minute, minute+1)
					time.Sleep(time.Minute)
					h.requireAll(healthy, minute+1)
				}
				require.Empty(t, deadReceiver.Received())
				require.Less(t, len(deadReceiver.Attempts()), 60, "it is probed, and no more")
				require.False(t, h.find(deadOne.ID).FailingSince.IsZero())

				deadReceiver.Answer(endpoint.Answer{Status: 200}, 0)
				time.Sleep(6 * time.Minute) // a pause
				h.requireAll(deadReceiver, minutes)
				require.True(t, h.find(deadOne.ID).FailingSince.IsZero())
				require.Contains(t, h.log.String(), "webhook deliveries succeed again")
			})
		})
	}
}

func TestRun_SlowReceiverDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		_, slow := h.subscribe()
		_, healthy := h.subscribe()
		slow.Answer(endpoint.Answer{Status: 200}, time.Hour) // longer than the timeout
		_, stop := h.run()
		defer stop()
		h.pay(0, 100)
		time.Sleep(5 * time.Second)
		h.requireAll(healthy, 100)
		require.Len(t, slow.Attempts(), 4, "no more than its concurrency")
	})
}

// An event that its receiver refuses holds up no other order, and is given up after three days.
func TestRun_RefusedEventIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.every = 10 * time.Second
		e, receiver := h.subscribe()
		_, stop := h.run()
		defer stop()
		receiver.Answer(endpoint.Answer{Status: 400, Body: "bad"}, 0)
		h.pay(0, 1)
		time.Sleep(time.Minute)
		receiver.Answer(endpoint.Answer{Status: 200}, 0)
		h.pay(1, 2)
		time.Sleep(30 * time.Second)
		require.Len(t, receiver.Received(), 2, "another order is not held")
		receiver.Answer(endpoint.Answer{Status: 400, Body: "bad"}, 0)
		time.Sleep(endpoint.GiveUpAfter + endpoint.MaxInterval)
		failed := endpoint.OutcomeFailed
		page, err := h.payments.Outbox().Deliveries(t.Context(), ports.DeliveryQuery{Endpoint: e.ID, Outcome: &failed, Limit: 10})
		require.NoError(t, err)
		require.NotEmpty(t, page)
		require.Equal(t, endpoint.Answer{Status: 400, Body: "bad"}, page[0].Answer)
		require.Contains(t, h.log.String(), "webhook event given up")
	})
}

// Every delivery fails for three days: the endpoint is switched off, and its events wait until it is enabled.
func TestRun_FailingEndpointIsSwitchedOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.every = 10 * time.Second
		e, receiver := h.subscribe()
		receiver.Answer(endpoint.Answer{Problem: "connection refused"}, 0)
		c, stop := h.run()
		defer stop()
		const hours = 80
		for hour := range hours {
			h.pay(hour, hour+1)
			time.Sleep(time.Hour)
		}
		require.Equal(t, endpoint.StateSwitchedOff, h.find(e.ID).State)
		require.Equal(t, endpoint.StateSwitchedOff, c.Endpoints()[0].State)
		require.Equal(t, 1, strings.Count(h.log.String(), "webhook endpoint switched off"))
		attempts := len(receiver.Attempts())
		time.Sleep(24 * time.Hour)
		require.Len(t, receiver.Attempts(), attempts)

		receiver.Answer(endpoint.Answer{Status: 200}, 0)
		_, err := h.payments.Endpoints().Change(t.Context(), e.ID, endpoint.Change{State: endpoint.StateActive})
		require.NoError(t, err)
		time.Sleep(12 * time.Hour)
		require.Greater(t, len(receiver.Received()), 100, "what was not given up")
	})
}

// A replica is lost during an attempt: another one delivers the event after the lease.
func TestRun_LostReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		e, receiver := h.subscribe()
		h.pay(0, 1)
		_, err := h.payments.Outbox().ClaimDeliveries(t.Context(), e.ID, 10, 15*time.Second)
		require.NoError(t, err)
		_, stop := h.run()
		defer stop()
		time.Sleep(14 * time.Second)
		require.Empty(t, receiver.Received())
		time.Sleep(5 * time.Second)
		h.requireAll(receiver, 1)
	})
}

func TestRun_PrunesOldEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		kept, _ := h.subscribe()
		gone, _ := h.subscribe()
		h.payments.MoveClock(-endpoint.Retention)
		h.pay(0, 1)
		h.payments.MoveClock(endpoint.Retention)
		h.pay(1, 2)
		_, stop := h.run()
		defer stop()
		time.Sleep(time.Minute)
		_, err := h.payments.Endpoints().Change(t.Context(), gone.ID, endpoint.Change{State: endpoint.StateDeleted})
		require.NoError(t, err)
		count := func(id endpoint.ID) int {
			page, err := h.payments.Outbox().Deliveries(t.Context(), ports.DeliveryQuery{Endpoint: id, Limit: 10})
			require.NoError(t, err)
			return len(page)
		}
		require.Equal(t, 4, count(kept.ID))
		require.Equal(t, 4, count(gone.ID))
		time.Sleep(time.Hour)
		require.Equal(t, 2, count(kept.ID))
		require.Zero(t, count(gone.ID))
	})
}

// A stop waits for the attempts in flight.
func TestRun_StopWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		_, receiver := h.subscribe()
		receiver.Answer(endpoint.Answer{Status: 200}, 5*time.Second)
		c, stop := h.run()
		h.pay(0, 1)
		time.Sleep(2 * time.Second)
		stop()
		require.Len(t, receiver.Received(), 1)
		require.EqualValues(t, 1, c.Attempts(delivery.Delivered))
	})
}
